//! PromQL over samples in memory, with the semantics of Prometheus 3. Pure: no clock, no sockets.
//!
//! [`parse`] reads an expression and refuses at once, by name, what cannot be evaluated; [`evaluate`] and
//! [`evaluate_range`] compute it over a [`Storage`]; [`explain`] and [`explain_empty`] say how an answer came about, or
//! why there is none. Samples are floats: native histograms are not part of this language. Variables such as `$window`
//! are the caller's: they are substituted before an expression comes here.
//!
//! ```
//! use proofload::base::series::{Labels, Sample, Series};
//! use proofload::promql::{Options, Storage, Value, evaluate, parse};
//!
//! let series = Series {
//!     labels: Labels::new([("__name__", "orders_total"), ("venue", "raydium")]),
//!     samples: (0..=12).map(|i| Sample { at: i * 5_000, value: 50.0 * i as f64 }).collect(),
//! };
//! let expr = parse("sum(rate(orders_total[1m]))")?;
//! let Value::Vector(answer) = evaluate(&expr, &Storage::new([&series]), 60_000, &Options::default())? else {
//!     unreachable!("a sum is a vector")
//! };
//! assert_eq!(answer[0].value, 10.0);
//! # Ok::<(), proofload::promql::Error>(())
//! ```

mod aggregate;
mod ast;
mod binary;
mod bracket;
mod date;
mod edges;
mod error;
mod eval;
mod explain;
mod expr;
mod functions;
mod go;
mod histogram;
mod labels;
mod length;
pub mod notation;
mod notes;
mod over_time;
mod parse;
mod part;
mod print;
mod query;
mod rate;
mod relative;
pub mod rules;
mod scale;
mod select;
mod selector;
mod standing;
mod sum;
pub mod syntax;
mod tags;
#[cfg(test)]
mod tests;
mod unmet;
mod value;
mod window;

pub use bracket::{Bracket, brackets};
pub use error::Error;
pub use explain::{explain, explain_empty};
pub use expr::{Expr, Kind, Reach};
pub use length::{parse_length, print_length};
pub use notes::{Level, Note};
pub use parse::{parse, parse_for};
pub use query::{Answer, Options, Semantics, answer, answer_range, evaluate, evaluate_range};
pub use scale::scaled;
pub use select::Storage;
pub use selector::{At, MatchOp, Matcher, Selection, Selector};
pub use standing::Standing;
pub use unmet::unmet;
pub use value::{Element, Value};
