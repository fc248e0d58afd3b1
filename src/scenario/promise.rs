//! The promise grammar.
//!
//! ```text
//! promise    := measure "(" subject { "," argument } ")" comparator bound
//! measure    := p50 … p99.99 | max | mean | errors | timeouts | rejected | rate | recovery | detection
//! argument   := clock | outcome | class            in any order, from disjoint sets
//! clock      := response | service | lag | wait | connect | first_byte
//! outcome    := ok | failed
//! comparator := < | <= | > | >= | ==
//! bound      := a quantity of the measure's kind
//! ```
//!
//! What became of the requests that faults struck (`absorbed`) has a grammar of its own, see [`absorbed`](super::absorbed).
//!
//! Beside `promql:` the promise is about its value: `value comparator number`, where `75%` means 0.75.

use super::claim::{Compare, Expectation, Filter, Measure, Quantile, Unit};
use crate::base::text;
use crate::base::timing::Timing;
use crate::base::units;

/// How the refusal of an unknown subject ends.
pub const NO_TRAFFIC: &str = " is no traffic of this scenario";

/// What is wrong with a promise, and what to write.
pub type Refusal = (String, String);

/// What the grammar needs to know of the scenario: each traffic with the names of its classes.
pub type Known<'a> = [(&'a str, Vec<&'a str>)];

const MEASURES: [&str; 9] = ["p50", "p95", "p99", "max", "mean", "errors", "timeouts", "rejected", "rate"];
const PLANNED: [&str; 8] =
    ["lost", "duplicated", "reordered", "drain", "consumer_lag", "staleness", "leak", "capacity"];

/// Reads a promise about what the client saw.
pub fn parse_client(promise: &str, known: &Known<'_>) -> Result<Expectation, Refusal> {
    let example = "write it like `p95(quotes) < 500ms`";
    let refuse = |what: String| (what, example.to_owned());
    let (call, compare, bound) = split_compare(promise)?;
    let (measure, rest) = call.split_once('(').ok_or_else(|| refuse(format!("`{promise}` has no subject")))?;
    let arguments = rest.trim_end().strip_suffix(')').ok_or_else(|| refuse(format!("`{promise}` lacks its `)`")))?;
    let measure = parse_measure(measure.trim())?;
    let mut arguments = arguments.split(',').map(str::trim);
    let subject = arguments.next().unwrap_or_default();
    let names = known.iter().map(|(name, _)| *name);
    let traffic = names
        .clone()
        .position(|name| name == subject)
        .ok_or_else(|| (format!("`{subject}`{NO_TRAFFIC}"), text::suggest(subject, names.clone())))?;
    let classes = &known[traffic].1;
    let (mut clock, mut filter, mut class) = (None, None, None);
    for argument in arguments {
        let twice = |already: bool| match already {
            true => Err((
                format!("`{argument}` is one too many of its kind"),
                "keep one clock, one outcome, one class".to_owned(),
            )),
            false => Ok(()),
        };
        if let Some(found) = Timing::PROMISED.iter().find(|c| c.word() == argument) {
            twice(clock.replace(*found).is_some())?;
        } else if argument == "ok" || argument == "failed" {
            twice(filter.replace(if argument == "ok" { Filter::Ok } else { Filter::Failed }).is_some())?;
        } else if let Some(found) = classes.iter().position(|c| *c == argument) {
            twice(class.replace(found).is_some())?;
        } else {
            let words =
                Timing::PROMISED.iter().map(|c| c.word()).chain(["ok", "failed"]).chain(classes.iter().copied());
            let remedy = text::suggest(argument, words.collect::<Vec<_>>());
            return Err((format!("`{argument}` is no clock, outcome or class of `{subject}`"), remedy));
        }
    }
    let timed = measure.is_timed();
    if !timed && (clock.is_some() || filter.is_some()) {
        return Err((format!("`{measure}` takes no clock and no outcome"), format!("write `{measure}({subject})`")));
    }
    if measure.is_of_fault() && class.is_some() {
        return Err((format!("`{measure}` takes no class"), format!("write `{measure}({subject})`")));
    }
    let bound = parse_bound(measure, bound)?;
    // What is never seen takes longer than anything: no floor could tell that from a long wait.
    if measure == Measure::Detection && !compare.is_ceiling() {
        return Err((format!("`{promise}`: a detection is promised from above"), "use < or <=".into()));
    }
    if compare == Compare::Equal && !(measure.unit() == Unit::Share && bound == 0) {
        return Err((format!("`{promise}`: `==` fits only a share of 0"), "use < or <=".into()));
    }
    Ok(Expectation {
        measure,
        traffic,
        clock: clock.unwrap_or(Timing::Response),
        filter: filter.unwrap_or(Filter::All),
        class,
        compare,
        bound,
    })
}

/// Reads a promise about the value of a PromQL expression: the comparison and its bound.
pub fn parse_server(promise: &str) -> Result<(Compare, f64), Refusal> {
    let example = || "beside `promql` write `value > 75%` or `value <= 0.05`".to_owned();
    let (subject, compare, bound) = split_compare(promise)?;
    if subject.trim() != "value" {
        return Err((format!("`{}` is not what a PromQL promise is about", subject.trim()), example()));
    }
    let number = match bound.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().map(|n| n / 100.0).ok(),
        None => bound.parse().ok().or_else(|| units::parse_duration(bound).ok().map(|d| d.as_secs_f64())),
    };
    number
        .filter(|n| n.is_finite())
        .map(|n| (compare, n))
        .ok_or_else(|| (format!("`{bound}` is not a number"), example()))
}

pub(super) fn split_compare(promise: &str) -> Result<(&str, Compare, &str), Refusal> {
    const WORDS: [(&str, Compare); 5] = [
        ("<=", Compare::AtMost),
        (">=", Compare::AtLeast),
        ("==", Compare::Equal),
        ("<", Compare::Less),
        (">", Compare::Greater),
    ];
    let found = WORDS.iter().find_map(|(word, compare)| promise.split_once(word).map(|(l, r)| (l, *compare, r)));
    match found {
        Some((left, compare, right)) if !right.trim().is_empty() => Ok((left, compare, right.trim())),
        _ => Err((
            format!("`{promise}` compares nothing"),
            "write it like `p95(quotes) < 500ms`; comparators: < <= > >= ==".into(),
        )),
    }
}

fn parse_measure(name: &str) -> Result<Measure, Refusal> {
    Ok(match name {
        "max" => Measure::Max,
        "mean" => Measure::Mean,
        "errors" => Measure::Errors,
        "timeouts" => Measure::Timeouts,
        "rejected" => Measure::Rejected,
        "rate" => Measure::Rate,
        "recovery" => Measure::Recovery,
        "detection" => Measure::Detection,
        "absorbed" => {
            let what = "`absorbed` is known only when the run is over".to_owned();
            return Err((what, "promise it under `slo:`".into()));
        }
        planned if PLANNED.contains(&planned) => {
            return Err((format!("`{planned}` is planned, not built"), "leave it out for now".into()));
        }
        name => match Quantile::parse(name) {
            Some(q) => Measure::Quantile(q),
            None => {
                return Err((
                    format!("`{name}` is no measure"),
                    text::suggest(
                        name,
                        MEASURES.into_iter().chain(["recovery", "detection", "absorbed"]).collect::<Vec<_>>(),
                    ),
                ));
            }
        },
    })
}

pub(super) fn parse_bound(measure: Measure, bound: &str) -> Result<u64, Refusal> {
    if bound.starts_with("baseline") {
        return Err(("`baseline` is planned, not built".into(), "write a fixed bound for now".into()));
    }
    let split = |why: String| match why.split_once(": ") {
        Some((what, remedy)) => (what.to_owned(), remedy.to_owned()),
        None => (why, String::new()),
    };
    match measure.unit() {
        Unit::Time => units::parse_duration(bound).map(|d| d.as_nanos() as u64).map_err(split),
        Unit::Share if bound == "0" => Ok(0),
        Unit::Share => units::parse_share(bound).map(|s| u64::from(s.0)).map_err(split),
        Unit::Rate => units::parse_rate(bound).map(|r| r.0).map_err(split),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(promise: &str) -> Result<Expectation, Refusal> {
        parse_client(promise, &[("quotes", vec!["hit", "miss"]), ("orders", vec![])])
    }

    #[test]
    fn arguments_come_in_any_order() {
        let a = parse("p99.9(quotes, hit, ok, service) <= 25ms").expect("valid");
        let b = parse("p99.9( quotes ,service,ok , hit )<=25ms").expect("valid");
        assert_eq!(a, b);
        assert_eq!(a.measure, Measure::Quantile(Quantile(999_000)));
        assert_eq!((a.clock, a.filter, a.class, a.bound), (Timing::Service, Filter::Ok, Some(0), 25_000_000));
        assert_eq!(a.measure.to_string(), "p99.9");
    }

    #[test]
    fn minimums_are_those_of_the_contract() {
        for (promise, minimum) in [
            ("p50(quotes) < 1s", 5),
            ("p95(quotes) < 1s", 59),
            ("p99(quotes) < 1s", 299),
            ("p99.9(quotes) < 1s", 2_995),
            ("errors(quotes) == 0", 299),
            ("errors(quotes) < 1%", 299),
            ("errors(quotes) < 5%", 59),
            ("errors(quotes) > 95%", 59),
            ("max(quotes) < 1s", 1),
            ("mean(quotes) < 1s", 30),
        ] {
            assert_eq!(parse(promise).map(|e| e.minimum()), Ok(minimum), "{promise}");
        }
    }

    #[test]
    fn shares_and_rates_have_their_units() {
        assert_eq!(parse("errors(quotes) < 1%").map(|e| e.bound), Ok(10_000_000));
        assert_eq!(parse("errors(quotes) == 0").map(|e| e.bound), Ok(0));
        assert_eq!(parse("rate(orders) >= 90/s").map(|e| (e.traffic, e.bound)), Ok((1, 90_000_000)));
        assert_eq!(parse("recovery(quotes) < 5s").map(|e| e.bound), Ok(5_000_000_000));
        assert_eq!(
            parse("detection(orders) <= 30s").map(|e| (e.measure, e.bound)),
            Ok((Measure::Detection, 30_000_000_000))
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_a_remedy() {
        for (bad, part) in [
            ("p95(quotes) < 500", "not a length of time"),
            ("p95(quotes)", "compares nothing"),
            ("p95 < 5ms", "no subject"),
            ("p95(quotes < 5ms", "lacks its"),
            ("p95(qoutes) < 5ms", "no traffic"),
            ("p100(quotes) < 5ms", "no measure"),
            ("p95(quotes, hti) < 5ms", "no clock, outcome or class"),
            ("p95(quotes, ok, failed) < 5ms", "one too many"),
            ("errors(quotes, ok) < 1%", "takes no clock"),
            ("errors(quotes) < 500ms", "not a share"),
            ("p95(quotes) == 5ms", "fits only"),
            ("lost(quotes) == 0", "planned"),
            ("detection(quotes) > 5s", "from above"),
            ("detection(quotes, hit) < 5s", "no class"),
            ("detection(quotes, ok) < 5s", "takes no clock"),
            ("p95(quotes) < baseline + 5%", "planned"),
        ] {
            let (what, remedy) = parse(bad).expect_err(bad);
            assert!(what.contains(part), "{bad}: {what}");
            assert!(!remedy.is_empty(), "{bad}");
        }
    }

    #[test]
    fn a_value_is_compared_with_a_number_a_share_or_seconds() {
        assert_eq!(parse_server("value > 75%"), Ok((Compare::Greater, 0.75)));
        assert_eq!(parse_server("value <= 0.05"), Ok((Compare::AtMost, 0.05)));
        assert_eq!(parse_server("value < 500ms"), Ok((Compare::Less, 0.5)));
        assert!(parse_server("p95(quotes) < 1s").is_err() && parse_server("value < many").is_err());
    }
}
