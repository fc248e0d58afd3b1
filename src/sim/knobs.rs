//! How the settings of practice targets are read and printed.

use std::time::Duration;

use super::Knob;
use crate::base::text::suggest;
use crate::base::units;

/// What has settings: a practice target, or a part that several of them have.
pub(super) trait Knobs: Sized + 'static {
    /// One row for each setting.
    const ROWS: &'static [Row<Self>];

    /// The settings as they stand.
    fn knobs(&self) -> Vec<Knob> {
        let knob = |(name, help, _, show): &Row<Self>| Knob { name, default: show(self), help };
        Self::ROWS.iter().map(knob).collect()
    }

    /// Changes a setting, if there is one of this name. The error names it and says what to write.
    fn turn(&mut self, key: &str, value: &str) -> Result<bool, String> {
        let Some((_, _, read, _)) = Self::ROWS.iter().find(|row| row.0 == key) else { return Ok(false) };
        read(self, value.trim()).map(|()| true).map_err(|why| format!("{key}: {why}"))
    }
}

/// Whether a system has a setting. The error says which one may be meant.
pub(super) fn known(is: bool, system: &str, key: &str, knobs: &[Knob]) -> Result<(), String> {
    let remedy = || suggest(key, knobs.iter().map(|knob| knob.name));
    if is { Ok(()) } else { Err(format!("`{key}` is no setting of {system}: {}", remedy())) }
}

/// A setting: its name, its help, how its value is read, how it is printed.
pub(super) type Row<O> = (&'static str, &'static str, fn(&mut O, &str) -> Result<(), String>, fn(&O) -> String);

/// A row by the kind of its value: `knob!(share declined, "…")`, `knob!(whole(10) retries, "…")`. The setting is called as its
/// field is, unless it says otherwise: `knob!(exchange_failures = share failures, "…")`.
macro_rules! knob {
    (@ share [] $name:expr, $help:literal, $field:ident) => {
        knob!(@ $name, $help, $field, |v| $crate::base::units::parse_share(v), |value| value.to_string())
    };
    (@ rate [] $name:expr, $help:literal, $field:ident) => {
        knob!(@ $name, $help, $field, |v| $crate::base::units::parse_rate(v), |value| value.to_string())
    };
    (@ length [] $name:expr, $help:literal, $field:ident) => {
        knob!(@ $name, $help, $field, |v| $crate::sim::knobs::length(v), |value| $crate::base::units::duration(*value))
    };
    // A length, or a word that stands for none.
    (@ length_or [$word:literal] $name:expr, $help:literal, $field:ident) => {
        knob!(@ $name, $help, $field, |v| $crate::sim::knobs::or($word, v, $crate::sim::knobs::length),
            |value| value.map_or($word.into(), $crate::base::units::duration))
    };
    (@ text [] $name:expr, $help:literal, $field:ident) => {
        knob!(@ $name, $help, $field, |v| Ok(v.to_owned()), |value| value.clone())
    };
    (@ switch [] $name:expr, $help:literal, $field:ident) => {
        knob!(@ $name, $help, $field, |v| $crate::sim::knobs::switch(v), |value| $crate::sim::knobs::on_off(*value))
    };
    (@ whole [$most:expr] $name:expr, $help:literal, $field:ident) => {
        knob!(@ $name, $help, $field, |v| $crate::sim::knobs::whole(v, $most), |value| value.to_string())
    };
    // A whole number from 1.
    (@ some [$most:expr] $name:expr, $help:literal, $field:ident) => {
        knob!(@ $name, $help, $field,
            |v| $crate::sim::knobs::whole(v, $most).and_then($crate::sim::knobs::at_least_one), |value| value.to_string())
    };
    (@ number [$least:expr] $name:expr, $help:literal, $field:ident) => {
        knob!(@ $name, $help, $field, |v| $crate::sim::knobs::number(v, $least), |value| value.to_string())
    };
    (@ $name:expr, $help:literal, $field:ident, |$v:ident| $read:expr, |$value:ident| $show:expr) => {
        (
            $name,
            $help,
            |options, $v| $crate::sim::knobs::put(&mut options.$field, $read),
            |options| {
                let $value = &options.$field;
                $show
            },
        )
    };
    ($name:ident = $kind:ident $(($($limit:tt)+))? $field:ident, $help:literal) => {
        knob!(@ $kind [$($($limit)+)?] stringify!($name), $help, $field)
    };
    ($kind:ident $(($($limit:tt)+))? $field:ident, $help:literal) => {
        knob!(@ $kind [$($($limit)+)?] stringify!($field), $help, $field)
    };
}
pub(in crate::sim) use knob;

/// Puts what was read in its place.
pub(super) fn put<T>(place: &mut T, value: Result<T, String>) -> Result<(), String> {
    *place = value?;
    Ok(())
}

/// A length of time, at most a day.
pub(super) fn length(text: &str) -> Result<Duration, String> {
    match units::parse_duration(text)? {
        length if length <= Duration::from_secs(24 * 3600) => Ok(length),
        _ => Err(format!("`{text}` is longer than a day")),
    }
}

/// `word` stands for none.
pub(super) fn or<T>(word: &str, text: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, String> {
    if text == word {
        return Ok(None);
    }
    read(text).map(Some).map_err(|why| format!("{why}, or {word}"))
}

/// A whole number from 0 to `most`, or to what its type holds.
pub(super) fn whole<T: TryFrom<u64>>(text: &str, most: u64) -> Result<T, String> {
    let number = text.parse::<u64>().ok().filter(|n| *n <= most).and_then(|n| T::try_from(n).ok());
    number.ok_or_else(|| match most {
        u64::MAX => format!("`{text}` is no whole number"),
        most => format!("`{text}` is no whole number from 0 to {most}"),
    })
}

/// Not none.
pub(super) fn at_least_one<T: Default + PartialEq>(n: T) -> Result<T, String> {
    if n == T::default() { Err("must be at least 1".into()) } else { Ok(n) }
}

/// A number that something is multiplied by, 0 to 1000.
pub(super) fn factor(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|n| (0.0..=1000.0).contains(n));
    number.ok_or_else(|| format!("`{text}` is no factor from 0 to 1000"))
}

/// `on` or `off`.
pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text {
        "on" | "true" => Ok(true),
        "off" | "false" => Ok(false),
        _ => Err(format!("`{text}` is neither on nor off")),
    }
}

/// How a switch is printed.
pub(super) fn on_off(on: bool) -> String {
    if on { "on".into() } else { "off".into() }
}

/// A number that is not below `least`.
pub(super) fn number(text: &str, least: f64) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= least);
    number.ok_or_else(|| format!("`{text}` is no number from {least}"))
}
