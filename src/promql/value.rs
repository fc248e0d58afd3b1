//! What an expression evaluates to.

use crate::base::series::{Labels, Series};

/// The value of an expression at an instant.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// One number without labels.
    Scalar(f64),
    /// One number per label set; no label set twice. Empty when nothing matched.
    Vector(Vec<Element>),
    /// The samples of a range, without stale markers.
    Matrix(Vec<Series>),
    /// A string literal.
    Text(String),
}

/// One number of an instant vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Element {
    /// Who it is; the metric's name is among them only where Prometheus keeps it.
    pub labels: Labels,
    /// May be NaN or infinite.
    pub value: f64,
}
