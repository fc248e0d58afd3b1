//! Values in a template.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use crate::base::series::Labels;
use crate::promql::Element;
use crate::promql::go::general;

/// What a pipeline is worth.
#[derive(Debug, Clone)]
pub(super) enum Value<'d> {
    Nil,
    /// What a missing key is: printed as `<no value>`.
    Missing,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Cow<'d, str>),
    Labels(Cow<'d, Labels>),
    /// What `args` makes.
    Map(Rc<BTreeMap<String, Value<'d>>>),
    /// What a query answers.
    Samples(Rc<[Element]>),
    Sample(Rc<Element>),
    /// The dot at the top.
    Data,
}

impl Value<'_> {
    /// What Go calls its type.
    pub(super) fn go_type(&self) -> &'static str {
        match self {
            Value::Nil | Value::Missing => "<nil>",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Float(_) => "float64",
            Value::Text(_) => "string",
            Value::Labels(_) => "map[string]string",
            Value::Map(_) => "map[string]interface {}",
            Value::Samples(_) => "template.queryResult",
            Value::Sample(_) => "*template.sample",
            Value::Data => "struct",
        }
    }

    /// Whether `if` takes it for true: nothing that is zero or empty.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Value::Nil | Value::Missing => false,
            Value::Bool(value) => *value,
            Value::Int(value) => *value != 0,
            Value::Float(value) => *value != 0.0,
            Value::Text(text) => !text.is_empty(),
            Value::Labels(labels) => !labels.is_empty(),
            Value::Map(map) => !map.is_empty(),
            Value::Samples(all) => !all.is_empty(),
            Value::Sample(_) | Value::Data => true,
        }
    }

    /// `len`, where there is one.
    pub(super) fn len(&self) -> Option<usize> {
        match self {
            Value::Text(text) => Some(text.len()),
            Value::Labels(labels) => Some(labels.iter().len()),
            Value::Map(map) => Some(map.len()),
            Value::Samples(all) => Some(all.len()),
            _ => None,
        }
    }

    /// How two values of one basic kind compare; Go compares no others.
    pub(super) fn compare(&self, other: &Value<'_>) -> Result<Option<Ordering>, &'static str> {
        match (self, other) {
            (Value::Int(a), Value::Int(b)) => Ok(a.partial_cmp(b)),
            (Value::Float(a), Value::Float(b)) => Ok(a.partial_cmp(b)),
            (Value::Text(a), Value::Text(b)) => Ok(a.partial_cmp(b)),
            (Value::Bool(a), Value::Bool(b)) => Ok(a.partial_cmp(b)),
            (Value::Int(_) | Value::Float(_) | Value::Text(_) | Value::Bool(_), Value::Int(_) | Value::Float(_))
            | (Value::Int(_) | Value::Float(_) | Value::Text(_) | Value::Bool(_), Value::Text(_) | Value::Bool(_)) => {
                Err("incompatible types for comparison")
            }
            _ => Err("invalid type for comparison"),
        }
    }
}

/// As `fmt.Print` does.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Nil => f.write_str("<nil>"),
            Value::Missing => f.write_str("<no value>"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Int(value) => write!(f, "{value}"),
            Value::Float(value) => f.write_str(&general(*value, None)),
            Value::Text(text) => f.write_str(text),
            Value::Labels(labels) => {
                let pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name}:{value}")).collect();
                write!(f, "map[{}]", pairs.join(" "))
            }
            Value::Map(map) => {
                let pairs: Vec<String> = map.iter().map(|(name, value)| format!("{name}:{value}")).collect();
                write!(f, "map[{}]", pairs.join(" "))
            }
            Value::Samples(all) => {
                let all: Vec<String> = all.iter().map(sample).collect();
                write!(f, "[{}]", all.join(" "))
            }
            Value::Sample(one) => f.write_str(&sample(one)),
            Value::Data => f.write_str("{}"),
        }
    }
}

fn sample(element: &Element) -> String {
    format!("&{{{} {}}}", Value::Labels(Cow::Borrowed(&element.labels)), general(element.value, None))
}
