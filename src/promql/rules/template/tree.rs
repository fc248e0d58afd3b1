//! What a template is made of.

use std::collections::BTreeMap;
use std::rc::Rc;

/// A template that has been understood.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Tree {
    pub(super) body: Vec<Node>,
    /// Those that `define` and `block` name.
    pub(super) defined: BTreeMap<String, Vec<Node>>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Text(String),
    /// `{{ pipeline }}`
    Action(Pipe),
    If(Branch),
    With(Branch),
    Range(Branch),
    Break,
    Continue,
    /// `{{ template "name" pipeline }}`
    Template {
        name: String,
        at: usize,
        pipe: Option<Pipe>,
    },
}

/// A pipeline, what is done where it is true or has items, and what where it has not.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Branch {
    pub(super) pipe: Pipe,
    pub(super) then: Vec<Node>,
    pub(super) otherwise: Vec<Node>,
}

/// Commands, each of which gets the value of the one before as its last argument.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pipe {
    /// Variables that get the value; whether they are made, or exist.
    pub(super) variables: Vec<String>,
    pub(super) declares: bool,
    pub(super) commands: Vec<Command>,
}

/// A function or a value, and arguments.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Command {
    pub(super) words: Vec<Operand>,
}

/// A value in a pipeline, where it stands and how it is written, for messages.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Operand {
    pub(super) at: usize,
    pub(super) written: Rc<str>,
    pub(super) what: What,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    Dot,
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Rc<str>),
    Function(String),
    /// `$name`
    Variable(String),
    /// What is in parentheses.
    Pipe(Box<Pipe>),
    /// Fields of another operand: `.Labels.job` is one of the dot.
    Fields(Box<Operand>, Vec<Rc<str>>),
}
