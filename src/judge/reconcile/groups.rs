//! Which series of a counter belong to which of our requests, by the labels that the scenario names.

use std::collections::{BTreeMap, BTreeSet};

use super::client::{Cell, Kin};
use crate::base::series::Series;
use crate::evidence::counters::Count;
use crate::scenario::{ByLabels, Statuses};

/// The values of the labels that tell requests apart: status, route, class; empty where nothing tells.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Key {
    /// Such as `200` or `5xx`.
    pub status: String,
    /// Such as `/quote`, `/quote/{id}` or `GetQuote`.
    pub route: String,
    /// Such as `cache`.
    pub class: String,
}

/// Some series and the requests that they count.
pub struct Group<'s> {
    /// The values of the labels.
    pub key: Key,
    /// The series; none where we have requests that no series counts.
    pub series: Vec<&'s Series>,
    /// Whether any of our requests may be counted there.
    pub ours: bool,
}

/// How a counter tells requests apart.
#[derive(Clone, Copy)]
pub struct Split<'a> {
    /// By which labels.
    pub by: &'a ByLabels,
    /// Values of the route label: path and value.
    pub routes: &'a [(String, String)],
}

impl Key {
    fn of(series: &Series, by: &ByLabels) -> Key {
        let value = |label: &Option<String>| label.as_ref().map_or("", |l| series.labels.get(l)).to_owned();
        Key { status: value(&by.status), route: value(&by.route), class: value(&by.class) }
    }

    /// `status 200, route /quote`
    pub fn words(&self, by: &ByLabels) -> String {
        let part = |label: &Option<String>, word: &str, value: &str| {
            let value = if value.is_empty() { "(none)" } else { value };
            label.as_ref().map(|_| format!("{word} {value}"))
        };
        let parts = [
            part(&by.status, "status", &self.status),
            part(&by.route, "route", &self.route),
            part(&by.class, "class", &self.class),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if parts.is_empty() { "all".into() } else { parts.join(", ") }
    }
}

impl<'a> Split<'a> {
    /// Whether there is anything to tell requests apart by.
    pub fn is_whole(&self) -> bool {
        *self.by == ByLabels::default()
    }

    /// How well the labels fit a request: not at all, or the better the more.
    pub fn fit(&self, key: &Key, cell: &Cell<'_>) -> Option<u8> {
        let status = match &self.by.status {
            None => Some(0),
            Some(_) => match Statuses::parse(&key.status)? {
                Statuses::One(one) if one == cell.status => Some(2),
                all @ Statuses::Class(_) if all.contains(cell.status) => Some(1),
                _ => None,
            },
        };
        let class = match (&self.by.class, cell.class) {
            (None, _) => Some(0),
            (Some(_), Some(class)) if key.class == class.name || key.class == class.is => Some(2),
            // A reply without a class may be counted under any.
            (Some(_), Some(_)) => None,
            (Some(_), None) => Some(0),
        };
        Some(status? + self.fits_route(&key.route, cell.path)? + class?)
    }

    fn fits_route(&self, value: &str, path: &str) -> Option<u8> {
        if self.by.route.is_none() {
            return Some(0);
        }
        let path = plain(path);
        match self.routes.iter().find(|(known, _)| plain(known) == path) {
            Some((_, named)) => (named == value).then_some(2),
            None if value == path => Some(2),
            None => is_template_of(value, path).then_some(1),
        }
    }

    /// Whether requests to a path of ours may be counted in a group, whatever their status.
    pub fn may_hold(&self, key: &Key, path: &str) -> bool {
        self.fits_route(&key.route, path).is_some()
    }

    /// The series of a counter, sorted out; with a group of its own for each kind of request that none of them counts.
    pub fn groups<'s>(&self, series: &[&'s Series], kin: &Kin<'a>, counts: &'a [Count]) -> Vec<Group<'s>> {
        let mut groups: BTreeMap<Key, Vec<&Series>> = BTreeMap::new();
        for one in series {
            groups.entry(Key::of(one, self.by)).or_default().push(one);
        }
        let cells = kin.cells(counts);
        let keys: Vec<Key> = groups.keys().cloned().collect();
        for cell in cells.iter().filter(|cell| self.best(&keys, cell).is_none()) {
            groups.entry(self.own_key(cell)).or_default();
        }
        let paths: BTreeSet<&str> = kin
            .of
            .iter()
            .flat_map(|t| kin.scenario.traffic[*t].routes())
            .filter(|p| kin.subset.route.as_deref().is_none_or(|only| only == *p))
            .collect();
        let ours = |key: &Key| paths.iter().any(|path| self.may_hold(key, path));
        groups.into_iter().map(|(key, series)| Group { ours: ours(&key), key, series }).collect()
    }

    /// The key that fits a request best.
    pub fn best<'k>(&self, keys: &'k [Key], cell: &Cell<'_>) -> Option<&'k Key> {
        let fits = keys.iter().filter_map(|key| Some((self.fit(key, cell)?, key)));
        fits.max_by(|(a, x), (b, y)| a.cmp(b).then(y.cmp(x))).map(|(_, key)| key)
    }

    /// What the labels of a request would be.
    fn own_key(&self, cell: &Cell<'_>) -> Key {
        let path = plain(cell.path);
        let named = self.routes.iter().find(|(known, _)| plain(known) == path).map_or(path, |(_, value)| value);
        Key {
            status: self.by.status.as_ref().map_or(String::new(), |_| cell.status.to_string()),
            route: self.by.route.as_ref().map_or(String::new(), |_| named.to_owned()),
            class: self.by.class.as_ref().and(cell.class).map_or(String::new(), |class| class.is.clone()),
        }
    }

    /// A label that none of the series has.
    pub fn missing<'l>(&'l self, series: &[&Series]) -> Option<&'l str> {
        let labels = [&self.by.status, &self.by.route, &self.by.class];
        labels
            .into_iter()
            .flatten()
            .map(String::as_str)
            .find(|label| series.iter().all(|s| s.labels.get(label).is_empty()))
    }
}

/// A path without its query.
fn plain(path: &str) -> &str {
    path.split(['?', '#']).next().unwrap_or_default()
}

/// Whether a route is written as a template that a path fits: `/quotes/{id}`, `/quotes/:id`, `/quotes/<id>`, `/quotes/*`.
fn is_template_of(template: &str, path: &str) -> bool {
    let (mut parts, mut steps) = (template.split('/'), path.split('/'));
    loop {
        match (parts.next(), steps.next()) {
            (None, None) => return true,
            (Some("*" | "**"), Some(_)) if parts.clone().next().is_none() => return true,
            (Some(part), Some(step)) if part == step => {}
            (Some(part), Some(step)) if !step.is_empty() && is_place(part) => {}
            _ => return false,
        }
    }
}

fn is_place(part: &str) -> bool {
    let within = |open: char, close: char| part.starts_with(open) && part.ends_with(close) && part.len() > 2;
    part == "*" || (part.starts_with(':') && part.len() > 1) || within('{', '}') || within('<', '>') || within('[', ']')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_stands_for_its_paths() {
        for (template, path) in [
            ("/quotes/{id}", "/quotes/42"),
            ("/quotes/:id", "/quotes/42"),
            ("/quotes/<int:id>/legs", "/quotes/42/legs"),
            ("/quotes/[id]", "/quotes/42"),
            ("/quotes/*", "/quotes/42/legs/1"),
            ("/*/42", "/quotes/42"),
            ("/quotes", "/quotes"),
        ] {
            assert!(is_template_of(template, path), "{template} {path}");
        }
        for (template, path) in [
            ("/quotes/{id}", "/quotes/"),
            ("/quotes/{id}", "/quotes/42/legs"),
            ("/quotes/{id}", "/orders/42"),
            ("/quotes/:", "/quotes/42"),
            ("/quote", "/quotes"),
            ("", "/quotes"),
        ] {
            assert!(!is_template_of(template, path), "{template} {path}");
        }
    }
}
