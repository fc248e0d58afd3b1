//! Expressions as trees, so that spelling makes no difference: white space, comments, quotes, parentheses that change
//! nothing, the order of matchers and of labels, and how long ranges are, for a scenario has the length of its window.

use proofload::promql::MatchOp;
use proofload::promql::syntax::{Form, Labelled, Pick, Side, Syntax, syntax};

/// The normal form of an expression; `None` for what is no PromQL.
pub fn form(text: &str) -> Option<String> {
    tree(text).map(|tree| print(&tree))
}

/// An expression as a tree.
pub fn tree(text: &str) -> Option<Syntax> {
    syntax(&text.replace("$window", "1m")).ok()
}

/// The metrics that an expression reads, each by its name.
pub fn metrics(text: &str) -> Vec<String> {
    let Some(tree) = tree(text) else { return Vec::new() };
    tree.picks().into_iter().filter_map(|(pick, _)| pick.metric.clone()).collect()
}

/// The normal form of what a comparison with a constant compares, and that constant.
pub fn comparison(tree: &Syntax) -> Option<(String, f64)> {
    match &tree.form {
        Form::Binary(binary) if binary.compares() => Some((print(&binary.lhs), binary.rhs.number()?)),
        _ => None,
    }
}

/// The constant of a bound on a value, in the base unit.
pub fn bound(expect: &str) -> Option<f64> {
    let last = expect.rsplit(' ').next()?;
    for (unit, parts) in [("%", 100.0), ("ms", 1000.0), ("s", 1.0), ("", 1.0)] {
        if let Some(number) = last.strip_suffix(unit).and_then(|n| n.parse::<f64>().ok()) {
            return Some(number / parts);
        }
    }
    None
}

fn print(tree: &Syntax) -> String {
    match &tree.form {
        Form::Number(value) => format!("{value}"),
        Form::Text(text) => format!("{text:?}"),
        Form::Selector(pick) => selector(pick),
        Form::Call { name, args } => format!("{name}({})", args.iter().map(print).collect::<Vec<_>>().join(", ")),
        Form::Aggregate { op, param, arg, grouping } => {
            let param = param.as_ref().map(|param| print(param) + ", ").unwrap_or_default();
            format!("{op}{}({param}{})", labels(grouping, "by", "without"), print(arg))
        }
        Form::Binary(binary) => {
            let group = match &binary.group {
                None => String::new(),
                Some((side, taken)) => {
                    let side = if *side == Side::Left { "left" } else { "right" };
                    format!(" group_{side}({})", taken.join(", "))
                }
            };
            let bool = if binary.as_bool { " bool" } else { "" };
            let matching = labels(&binary.matching, "on", "ignoring");
            format!("({} {}{bool}{matching}{group} {})", print(&binary.lhs), binary.op, print(&binary.rhs))
        }
        Form::Negate(arg) => format!("-({})", print(arg)),
        Form::Subquery { arg, moved, .. } => format!("{}[:]{}", print(arg), if *moved { " moved" } else { "" }),
    }
}

fn selector(pick: &Pick) -> String {
    let mut matchers: Vec<String> = pick
        .matchers
        .iter()
        .map(|(matcher, _)| {
            let op = match matcher.op {
                MatchOp::Equal => "=",
                MatchOp::NotEqual => "!=",
                MatchOp::Regex(_) => "=~",
                MatchOp::NotRegex(_) => "!~",
            };
            format!("{}{op}{:?}", matcher.label, matcher.value)
        })
        .collect();
    matchers.sort();
    let range = if pick.range_ms.is_some() { "[range]" } else { "" };
    format!("{}{{{}}}{range}{}", pick.metric.as_deref().unwrap_or_default(), matchers.join(","), pick.moved)
}

fn labels(list: &Labelled, only: &str, all_but: &str) -> String {
    let (word, list) = match list {
        Labelled::Unsaid => return String::new(),
        Labelled::Only(list) => (only, list),
        Labelled::AllBut(list) => (all_but, list),
    };
    let mut list = list.clone();
    list.sort();
    format!(" {word}({})", list.join(","))
}
