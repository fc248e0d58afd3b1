//! From text to the tree that is evaluated: tokens, then a descent over PromQL's grammar that checks types as it goes
//! and keeps beside the tree that is evaluated the one that was written. What cannot be evaluated is an error here, never later.

mod aggregation;
mod call;
mod grammar;
mod length;
mod lex;
pub(super) mod literal;
mod operator;
mod selector;

use super::error::Error;
use super::expr::Expr;
use super::query::Semantics;
use super::syntax::Syntax;
use grammar::Parser;

/// Reads an expression. What cannot be evaluated is an error here, never later.
pub fn parse(text: &str) -> Result<Expr, Error> {
    parse_for(text, Semantics::V3)
}

/// The same for an evaluation by the rules of one of Prometheus's versions, which differ in a function's name.
pub fn parse_for(text: &str, semantics: Semantics) -> Result<Expr, Error> {
    let root = Parser::new(text, semantics)?.whole()?.node;
    Ok(Expr { text: text.to_string(), root })
}

/// Reads an expression as it is written, for whoever speaks about its text: every part with its place.
pub fn syntax(text: &str) -> Result<Syntax, Error> {
    Ok(Parser::new(text, Semantics::V3)?.whole()?.syntax)
}
