//! Operators between two vectors: who belongs to whom, and the errors when that is not clear.

use std::collections::{HashMap, HashSet};

use super::ast::{Fill, Group, MatchLabels, Matching, Operator, SetOperator};
use super::error::Error;
use super::eval::Point;
use super::print;
use super::query::Semantics;
use super::tags::Tags;
use crate::base::series::Labels;

/// An operator between a vector and a number.
pub(super) fn with_scalar<'a>(
    op: Operator,
    points: Vec<Point<'a>>,
    scalar: f64,
    scalar_first: bool,
    as_bool: bool,
    semantics: Semantics,
) -> Vec<Point<'a>> {
    (points.into_iter())
        .filter_map(|point| {
            let (a, b) = if scalar_first { (scalar, point.value) } else { (point.value, scalar) };
            if op.is_comparison() && !as_bool {
                // A comparison is a filter: the element's own value stays, on whichever side it stands.
                return op.holds(a, b).then_some(point);
            }
            let drops_name = op.drops_name(as_bool, semantics);
            let tags = if drops_name { point.tags.without_name() } else { point.tags };
            Some(Point { value: op.apply(a, b), tags })
        })
        .collect()
}

/// `and`, `or`, `unless`.
pub(super) fn set<'a>(op: SetOperator, lhs: Vec<Point<'a>>, rhs: Vec<Point<'a>>, on: &MatchLabels) -> Vec<Point<'a>> {
    let keys = |points: &[Point<'_>]| -> HashSet<Vec<u8>> {
        let mut key = Vec::new();
        let key_of = |point: &Point<'_>| {
            point.tags.match_key(on, &mut key);
            key.clone()
        };
        points.iter().map(key_of).collect()
    };
    let keep = |points: Vec<Point<'a>>, keys: &HashSet<Vec<u8>>, present: bool| -> Vec<Point<'a>> {
        let mut key = Vec::new();
        let is_kept = |point: &Point<'_>| {
            point.tags.match_key(on, &mut key);
            keys.contains(&key) == present
        };
        points.into_iter().filter(is_kept).collect()
    };
    match op {
        SetOperator::And => keep(lhs, &keys(&rhs), true),
        SetOperator::Unless => keep(lhs, &keys(&rhs), false),
        SetOperator::Or => {
            let more = keep(rhs, &keys(&lhs), false);
            lhs.into_iter().chain(more).collect()
        }
    }
}

/// Arithmetic or comparison, element by element.
pub(super) fn matched<'a>(
    op: Operator,
    lhs: Vec<Point<'a>>,
    rhs: Vec<Point<'a>>,
    matching: &Matching,
    as_bool: bool,
    semantics: Semantics,
) -> Result<Vec<Point<'a>>, Error> {
    // From here on the "one" side is searched, and the other may be the "many" side.
    let swapped = matches!(matching.group, Group::Right(_));
    let (many, one) = if swapped { (rhs, lhs) } else { (lhs, rhs) };
    if (many.is_empty() || one.is_empty()) && matching.fill == Fill::default() {
        return Ok(Vec::new());
    }
    let mut key = Vec::new();
    let mut by_key: HashMap<Vec<u8>, &Point<'a>> = HashMap::with_capacity(one.len());
    for point in &one {
        point.tags.match_key(&matching.labels, &mut key);
        if let Some(other) = by_key.insert(key.clone(), point) {
            return Err(duplicate(other, point, matching, if swapped { "left" } else { "right" }));
        }
    }
    let Fill { left, right } = matching.fill;
    let (fill_many, fill_one) = if swapped { (right, left) } else { (left, right) };
    let mut pairs = Pairs { op, matching, as_bool, semantics, swapped, taken: HashSet::new(), out: Vec::new() };
    let mut met: HashSet<Vec<u8>> = HashSet::new();
    for point in many {
        point.tags.match_key(&matching.labels, &mut key);
        match (by_key.get(&key), fill_one) {
            (Some(partner), _) => pairs.add(point, partner, &key)?,
            (None, Some(value)) => {
                let partner = Point { tags: Tags::owned(group(&point.tags, matching)), value };
                pairs.add(point, &partner, &key)?;
            }
            (None, None) => continue,
        }
        met.insert(key.clone());
    }
    if let Some(value) = fill_many {
        for partner in &one {
            partner.tags.match_key(&matching.labels, &mut key);
            if !met.contains(&key) {
                let point = Point { tags: Tags::owned(group(&partner.tags, matching)), value };
                pairs.add(point, partner, &key)?;
            }
        }
    }
    Ok(pairs.out)
}

/// The elements of two vectors that belong together, computed one by one.
struct Pairs<'m, 'a> {
    op: Operator,
    matching: &'m Matching,
    as_bool: bool,
    semantics: Semantics,
    swapped: bool,
    /// Match groups, or results, that are there already.
    taken: HashSet<Vec<u8>>,
    out: Vec<Point<'a>>,
}

impl<'a> Pairs<'_, 'a> {
    fn add(&mut self, point: Point<'a>, partner: &Point<'a>, key: &[u8]) -> Result<(), Error> {
        let (a, b) = if self.swapped { (partner.value, point.value) } else { (point.value, partner.value) };
        // A comparison without `bool` keeps the left value and its name.
        let filters = self.op.is_comparison() && !self.as_bool;
        let kept = !filters || self.op.holds(a, b);
        // Before 3.0 what a comparison left out could not be one too many.
        if !kept && self.semantics == Semantics::V2 {
            return Ok(());
        }
        let value = if filters { a } else { self.op.apply(a, b) };
        let drops_name = self.op.drops_name(self.as_bool, self.semantics);
        let tags = result_tags(point.tags, &partner.tags, self.matching, drops_name);
        let (complaint, mark) = match self.matching.group {
            Group::OneToOne => ("many-to-one matching must be explicit (group_left/group_right)", key.to_vec()),
            Group::Left(_) | Group::Right(_) => {
                let mut mark = Vec::new();
                tags.full_key(&mut mark);
                ("grouping labels must ensure unique matches", mark)
            }
        };
        if !self.taken.insert(mark) {
            return Err(Error::Evaluation(format!("multiple matches for labels: {complaint}")));
        }
        if kept {
            self.out.push(Point { value, tags });
        }
        Ok(())
    }
}

/// The labels by which an element finds its partner.
fn group(tags: &Tags<'_>, matching: &Matching) -> Labels {
    match &matching.labels {
        MatchLabels::On(names) => tags.filter(|l| names.iter().any(|n| n == l)),
        MatchLabels::Ignoring(names) => tags.filter(|l| l != "__name__" && !names.iter().any(|n| n == l)),
    }
}

/// The labels of a result: those of the match group, or all of the "many" side and what `group_…` takes over.
fn result_tags<'a>(many: Tags<'a>, one: &Tags<'a>, matching: &Matching, drop_name: bool) -> Tags<'a> {
    let tags = if drop_name { many.without_name() } else { many };
    match (&matching.group, &matching.labels) {
        (Group::OneToOne, MatchLabels::On(names)) => Tags::owned(tags.filter(|l| names.iter().any(|n| n == l))),
        (Group::OneToOne, MatchLabels::Ignoring(names)) if names.is_empty() => tags,
        (Group::OneToOne, MatchLabels::Ignoring(names)) => Tags::owned(tags.filter(|l| !names.iter().any(|n| n == l))),
        (Group::Left(include) | Group::Right(include), _) if include.is_empty() => tags,
        (Group::Left(include) | Group::Right(include), _) => {
            let mut labels = tags.into_labels();
            include.iter().for_each(|label| labels.set(label, one.get(label)));
            Tags::owned(labels)
        }
    }
}

/// Two elements of a match group on the side that may have one.
fn duplicate(a: &Point<'_>, b: &Point<'_>, matching: &Matching, side: &str) -> Error {
    let group = group(&a.tags, matching);
    let mut two = [a.tags.clone().into_labels(), b.tags.clone().into_labels()];
    two.sort();
    let [a, b] = two.map(|labels| braced(&labels));
    Error::Evaluation(format!(
        "found duplicate series for the match group {} on the {side} hand-side of the operation: [{a}, {b}];\
         many-to-many matching not allowed: matching labels must be unique on one side",
        braced(&group)
    ))
}

/// Labels as Prometheus's errors print them: the name among the others.
fn braced(labels: &Labels) -> String {
    let pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={}", print::quoted(value))).collect();
    format!("{{{}}}", pairs.join(", "))
}
