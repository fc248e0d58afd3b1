//! Carries out a template.

use std::borrow::Cow;
use std::rc::Rc;

use super::functions::{self, Wrong};
use super::tree::{Branch, Command, Node, Operand, Pipe, Tree, What};
use super::value::Value;
use super::{Data, format};

/// What stopped a template, and where.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Failure {
    /// The byte of the template.
    pub(super) at: usize,
    /// What is written there.
    pub(super) written: String,
    pub(super) why: String,
}

/// More steps than this no honest template takes.
const MAX_STEPS: usize = 1_000_000;
/// Templates that call each other in deeper nests than that are stopped.
const MAX_DEPTH: usize = 100;

/// The text that a template becomes.
pub(super) fn execute<'d>(tree: &Tree, data: &Data<'d>) -> Result<String, Failure> {
    let variables = vec![
        ("$", Value::Data),
        ("$labels", Value::Labels(Cow::Borrowed(data.labels))),
        ("$externalLabels", Value::Labels(Cow::Borrowed(data.external_labels))),
        ("$externalURL", Value::Text(Cow::Borrowed(data.external_url))),
        ("$value", Value::Float(data.value)),
    ];
    let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let mut run = Run { tree, data, variables, out: String::new(), steps: 0, depth: 0 };
    run.list(&tree.body, &Value::Data)?;
    Ok(run.out)
}

struct Run<'t, 'd> {
    tree: &'t Tree,
    data: &'t Data<'d>,
    /// The innermost last.
    variables: Vec<(String, Value<'d>)>,
    out: String,
    steps: usize,
    depth: usize,
}

/// How a list of nodes ended.
#[derive(PartialEq)]
enum Flow {
    On,
    Break,
    Continue,
}

fn failure<T>(operand: &Operand, why: impl Into<String>) -> Result<T, Failure> {
    Err(Failure { at: operand.at, written: operand.written.to_string(), why: why.into() })
}

/// The operand that a message about a pipeline points at.
fn first(pipe: &Pipe) -> &Operand {
    &pipe.commands[0].words[0]
}

type Items<'d> = Box<dyn Iterator<Item = (Value<'d>, Value<'d>)> + 'd>;

/// What `range` goes through: keys and items; or the value that has none.
fn items(value: Value<'_>) -> Result<Items<'_>, Value<'_>> {
    let text = |text: &str| Value::Text(Cow::Owned(text.to_owned()));
    Ok(match value {
        Value::Samples(all) => {
            let count = all.len();
            let item = move |i: usize| (Value::Int(i as i64), Value::Sample(Rc::new(all[i].clone())));
            Box::new((0..count).map(item))
        }
        Value::Labels(labels) => {
            let pairs: Vec<_> = labels.iter().map(|(name, value)| (text(name), text(value))).collect();
            Box::new(pairs.into_iter())
        }
        Value::Map(map) => {
            let pairs: Vec<_> = map.iter().map(|(name, value)| (text(name), value.clone())).collect();
            Box::new(pairs.into_iter())
        }
        Value::Int(count) => Box::new((0..count).map(|i| (Value::Int(i), Value::Int(i)))),
        Value::Nil | Value::Missing => Box::new(std::iter::empty()),
        other => return Err(other),
    })
}

impl<'d> Run<'_, 'd> {
    fn list(&mut self, nodes: &[Node], dot: &Value<'d>) -> Result<Flow, Failure> {
        self.depth += 1;
        for node in nodes {
            match self.node(node, dot)? {
                Flow::On => {}
                flow => {
                    self.depth -= 1;
                    return Ok(flow);
                }
            }
        }
        self.depth -= 1;
        Ok(Flow::On)
    }

    fn node(&mut self, node: &Node, dot: &Value<'d>) -> Result<Flow, Failure> {
        match node {
            Node::Text(text) => self.out.push_str(text),
            Node::Action(pipe) => {
                let value = self.pipe(pipe, dot)?;
                if pipe.variables.is_empty() {
                    match value {
                        Value::Nil => self.out.push_str("<no value>"),
                        value => self.out.push_str(&value.to_string()),
                    }
                }
            }
            Node::If(branch) => {
                let (known, value) = (self.variables.len(), self.pipe(&branch.pipe, dot)?);
                let taken = if value.is_true() { &branch.then } else { &branch.otherwise };
                let flow = self.list(taken, dot)?;
                self.variables.truncate(known);
                return Ok(flow);
            }
            Node::With(branch) => {
                let (known, value) = (self.variables.len(), self.pipe(&branch.pipe, dot)?);
                let flow = match value.is_true() {
                    true => self.list(&branch.then, &value)?,
                    false => self.list(&branch.otherwise, dot)?,
                };
                self.variables.truncate(known);
                return Ok(flow);
            }
            Node::Range(branch) => return self.range(branch, dot),
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
            Node::Template { name, at, pipe } => self.called(name, *at, pipe.as_ref(), dot)?,
        }
        Ok(Flow::On)
    }

    fn called(&mut self, name: &str, at: usize, pipe: Option<&Pipe>, dot: &Value<'d>) -> Result<(), Failure> {
        let tree = self.tree;
        let written = format!("{{{{template {}}}}}", format::quoted(name));
        let wrong = |why: String| Failure { at, written, why };
        let Some(body) = tree.defined.get(name) else {
            return Err(wrong(format!("template {} not defined", format::quoted(name))));
        };
        if self.depth >= MAX_DEPTH {
            return Err(wrong("exceeded maximum template depth".into()));
        }
        let dot = pipe.map_or(Ok(Value::Nil), |pipe| self.pipe(pipe, dot))?;
        let outer = std::mem::replace(&mut self.variables, vec![("$".into(), dot.clone())]);
        self.list(body, &dot)?;
        self.variables = outer;
        Ok(())
    }

    fn range(&mut self, branch: &Branch, dot: &Value<'d>) -> Result<Flow, Failure> {
        let known = self.variables.len();
        // The variables of a range belong to its items.
        let bare = Pipe { variables: Vec::new(), ..branch.pipe.clone() };
        let mut items = match items(self.pipe(&bare, dot)?) {
            Ok(items) => items.peekable(),
            Err(other) => return failure(first(&branch.pipe), format!("range can't iterate over {other}")),
        };
        if items.peek().is_none() {
            return self.list(&branch.otherwise, dot);
        }
        for (key, item) in items {
            self.step(first(&branch.pipe))?;
            let values = match branch.pipe.variables.len() {
                1 => vec![item.clone()],
                _ => vec![key, item.clone()],
            };
            for (name, value) in branch.pipe.variables.iter().zip(values) {
                self.assign(name, value, branch.pipe.declares);
            }
            let flow = self.list(&branch.then, &item)?;
            self.variables.truncate(known);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(Flow::On)
    }

    fn step(&mut self, at: &Operand) -> Result<(), Failure> {
        self.steps += 1;
        if self.steps > MAX_STEPS { failure(at, "it takes too many steps") } else { Ok(()) }
    }

    fn assign(&mut self, name: &str, value: Value<'d>, declares: bool) {
        match self.variables.iter_mut().rev().find(|(known, _)| known == name) {
            Some((_, old)) if !declares => *old = value,
            _ => self.variables.push((name.to_owned(), value)),
        }
    }

    fn pipe(&mut self, pipe: &Pipe, dot: &Value<'d>) -> Result<Value<'d>, Failure> {
        let mut last = None;
        for command in &pipe.commands {
            last = Some(self.command(command, dot, last)?);
        }
        let value = last.unwrap_or(Value::Nil);
        for name in &pipe.variables {
            self.assign(name, value.clone(), pipe.declares);
        }
        Ok(value)
    }

    fn command(&mut self, command: &Command, dot: &Value<'d>, last: Option<Value<'d>>) -> Result<Value<'d>, Failure> {
        let [word, args @ ..] = command.words.as_slice() else { return Ok(Value::Nil) };
        self.step(word)?;
        let What::Function(name) = &word.what else {
            if !args.is_empty() || last.is_some() {
                return failure(word, format!("can't give argument to non-function {}", word.written));
            }
            return self.operand(word, dot);
        };
        if let Err(why) = functions::check_count(name, args.len() + usize::from(last.is_some())) {
            return failure(word, why);
        }
        let stops_at = match name.as_str() {
            "and" => Some(false),
            "or" => Some(true),
            _ => None,
        };
        let mut values = Vec::with_capacity(args.len() + 1);
        for (place, arg) in args.iter().enumerate() {
            let value = self.operand(arg, dot)?;
            functions::check_argument(name, place, &value).or_else(|why| failure(arg, why))?;
            let done = stops_at == Some(value.is_true());
            values.push(value);
            if done {
                return Ok(values.pop().unwrap_or(Value::Nil));
            }
        }
        if let Some(last) = last {
            let at = args.last().unwrap_or(word);
            functions::check_argument(name, values.len(), &last).or_else(|why| failure(at, why))?;
            values.push(last);
        }
        functions::call(name, values, self.data).or_else(|wrong| match wrong {
            Wrong::Call(why) => failure(word, why),
            Wrong::Inside(why) => {
                let written: Vec<&str> = command.words.iter().map(|word| word.written.trim_end()).collect();
                Err(Failure { at: word.at, written: written.join(" "), why: format!("error calling {name}: {why}") })
            }
        })
    }

    fn operand(&mut self, operand: &Operand, dot: &Value<'d>) -> Result<Value<'d>, Failure> {
        Ok(match &operand.what {
            What::Dot => dot.clone(),
            What::Nil => return failure(operand, "nil is not a command"),
            What::Bool(value) => Value::Bool(*value),
            What::Int(value) => Value::Int(*value),
            What::Float(value) => Value::Float(*value),
            What::Text(text) => Value::Text(Cow::Owned(text.to_string())),
            What::Variable(name) => match self.variables.iter().rev().find(|(known, _)| known == name) {
                Some((_, value)) => value.clone(),
                None => return failure(operand, format!("undefined variable: {name}")),
            },
            What::Pipe(pipe) => self.pipe(pipe, dot)?,
            What::Function(_) => self.command(&Command { words: vec![operand.clone()] }, dot, None)?,
            What::Fields(of, fields) => {
                let mut value = self.operand(of, dot)?;
                for field in fields {
                    value = self.field(&value, field).or_else(|why| failure(operand, why))?;
                }
                value
            }
        })
    }

    fn field(&self, of: &Value<'d>, name: &str) -> Result<Value<'d>, String> {
        let unknown = |of: &str| Err(format!("can't evaluate field {name} in type {of}"));
        match (of, name) {
            (Value::Data, "Labels") => Ok(Value::Labels(Cow::Borrowed(self.data.labels))),
            (Value::Data, "ExternalLabels") => Ok(Value::Labels(Cow::Borrowed(self.data.external_labels))),
            (Value::Data, "ExternalURL") => Ok(Value::Text(Cow::Borrowed(self.data.external_url))),
            (Value::Data, "Value") => Ok(Value::Float(self.data.value)),
            (Value::Data, _) => unknown(
                "struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL string; Value interface {} }",
            ),
            (Value::Sample(one), "Labels") => Ok(Value::Labels(Cow::Owned(one.labels.clone()))),
            (Value::Sample(one), "Value") => Ok(Value::Float(one.value)),
            (Value::Labels(labels), _) => Ok(Value::Text(Cow::Owned(labels.get(name).to_owned()))),
            (Value::Map(map), _) => Ok(map.get(name).cloned().unwrap_or(Value::Missing)),
            (Value::Nil | Value::Missing, _) => Err(format!("nil data; no entry for key {}", format::quoted(name))),
            (other, _) => unknown(other.go_type()),
        }
    }
}
