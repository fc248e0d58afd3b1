//! Unit tests of rules, as promtool reads them: given series, what alerts fire and what expressions answer.

mod diff;
mod file;
mod run;

pub use diff::{Line, diff};
pub use file::{AlertTest, ExpectedAlert, ExprTest, Test, TestFile, read};
pub use run::{Miss, run};
