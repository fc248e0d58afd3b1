//! An expression that is evaluated again and again over the same series, as rules are.

use super::error::Error;
use super::eval::Evaluator;
use super::expr::Expr;
use super::query::Options;
use super::select::Storage;
use super::value::Value;

/// An expression and the series that it reads. What its selectors find is looked up once.
pub struct Standing<'s, 'a> {
    expr: &'s Expr,
    evaluator: Evaluator<'s, 'a>,
}

impl<'s, 'a> Standing<'s, 'a> {
    /// Of this expression over these series.
    pub fn new(expr: &'s Expr, storage: &'s Storage<'a>, options: &'s Options) -> Standing<'s, 'a> {
        Standing { expr, evaluator: Evaluator::at(storage, options, 0) }
    }

    /// Its value at an instant, in milliseconds; what [`evaluate`](super::evaluate) says.
    pub fn at(&mut self, at_ms: i64) -> Result<Value, Error> {
        self.evaluator.move_to(at_ms);
        self.evaluator.value(self.expr.root.part(), at_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::series::{Labels, Sample, Series};
    use crate::promql::{evaluate, parse};

    #[test]
    fn it_says_at_each_instant_what_a_single_evaluation_says() {
        let samples = (0..=20).map(|i| Sample { at: i * 1_000, value: (i * i) as f64 }).collect();
        let x = Series { labels: Labels::new([("__name__", "x"), ("job", "a")]), samples };
        let (storage, options) = (Storage::new([&x]), Options::default());
        for text in ["x", "rate(x[5s])", "x @ end() - x @ start()", "max_over_time(x[10s:1s])", "time()"] {
            let expr = parse(text).expect("it is PromQL");
            let mut standing = Standing::new(&expr, &storage, &options);
            for at in [0, 7_000, 7_500, 20_000, 3_000] {
                assert_eq!(standing.at(at), evaluate(&expr, &storage, at, &options), "{text} at {at}");
            }
        }
    }
}
