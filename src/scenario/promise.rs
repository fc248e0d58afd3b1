//! The promise grammar.
//!
//! ```text
//! promise    := measure "(" subject { "," argument } ")" comparator bound
//! subject    := traffic | traffic "." part
//! measure    := p50 … p99.99 | max | mean | errors | timeouts | rejected | rate | recovery | detection
//! argument   := clock | outcome | class            in any order, from disjoint sets
//! clock      := response | service | lag | wait | connect | first_byte
//! outcome    := ok | failed
//! comparator := < | <= | > | >= | ==
//! bound      := a quantity of the measure's kind
//!             | "baseline" [ ( "+" | "-" ) share ]     quantiles, means, shares and rates, under `slo:`
//! ```
//!
//! What became of the requests that faults struck (`absorbed`) has a grammar of its own, see [`absorbed`](super::absorbed),
//! and so has what became of signals (`lost`, `drain` and others), see [`effect_claim`](super::effect_claim), how much a target
//! takes (`capacity`), see [`capacity`](super::capacity), and how fast memory grows (`leak`), see [`leak`](super::leak).
//!
//! Beside `promql:` the promise is about its value: `value comparator number`, where `75%` means 0.75.

use super::claim::{Compare, Expectation, Filter, Measure, Purpose, Quantile, Unit};
use super::effect_claim::EffectMeasure;
use super::part::{Part, Whose, part_name};
use super::relative::{Margin, Relative};
use super::traffic::Traffic;
use crate::base::text;
use crate::base::timing::Timing;
use crate::base::units;

/// How the refusal of an unknown subject ends.
pub const NO_TRAFFIC: &str = " is no traffic of this scenario";

/// What is wrong with a promise, and what to write.
pub type Refusal = (String, String);

/// What the grammar needs to know of a traffic.
#[derive(Debug, Clone)]
pub struct Known<'a> {
    /// Its name.
    pub name: &'a str,
    /// The names of its classes.
    pub classes: Vec<&'a str>,
    /// The parts of its shots.
    pub parts: Vec<Part>,
}

impl<'a> Known<'a> {
    /// What is known of some traffic.
    pub fn all(traffic: &'a [Traffic]) -> Vec<Known<'a>> {
        let known = |t: &'a Traffic| Known {
            name: &t.name,
            classes: t.classes.iter().map(|c| c.name.as_str()).collect(),
            parts: t.parts(),
        };
        traffic.iter().map(known).collect()
    }
}

/// Whose shots a subject names.
fn whose(subject: &str, known: &[Known<'_>]) -> Result<Whose, Refusal> {
    if let Some(traffic) = known.iter().position(|k| k.name == subject) {
        return Ok(Whose::whole(traffic));
    }
    let (name, part) = subject.split_once('.').unwrap_or((subject, ""));
    let Some(traffic) = known.iter().position(|k| k.name == name) else {
        let parts = known.iter().flat_map(|k| k.parts.iter().map(|part| part_name(k.name, &part.name)));
        let names: Vec<String> = known.iter().map(|k| k.name.to_owned()).chain(parts).collect();
        return Err((format!("`{name}`{NO_TRAFFIC}"), text::suggest(subject, names.iter().map(String::as_str))));
    };
    let parts = &known[traffic].parts;
    match parts.iter().position(|p| p.name == part) {
        Some(part) => Ok(Whose { traffic, part: Some(part) }),
        None if parts.is_empty() => Err((format!("`{name}` has no parts"), format!("promise the whole: `{name}`"))),
        None => {
            let names: Vec<String> = parts.iter().map(|p| part_name(name, &p.name)).collect();
            let what = format!("`{part}` is no part of `{name}`");
            Err((what, text::suggest(subject, names.iter().map(String::as_str))))
        }
    }
}

/// How a bound begins that is what another run came to.
const BASELINE: &str = "baseline";
const MEASURES: [&str; 9] = ["p50", "p95", "p99", "max", "mean", "errors", "timeouts", "rejected", "rate"];
const PLANNED: [&str; 1] = ["staleness"];

/// A promise about what the client saw, before its bound is read.
struct Call<'p> {
    measure: Measure,
    whose: Whose,
    clock: Timing,
    filter: Filter,
    class: Option<usize>,
    compare: Compare,
    bound: &'p str,
}

/// Reads a claim about what the client saw, its bound a quantity.
pub fn parse_client(promise: &str, known: &[Known<'_>], purpose: Purpose) -> Result<Expectation, Refusal> {
    let Call { measure, whose: Whose { traffic, part }, clock, filter, class, compare, bound } = call(promise, known)?;
    let bound = parse_bound(measure, bound)?;
    match purpose {
        // What is never seen takes longer than anything: no floor could tell that from a long wait.
        Purpose::Promise if measure == Measure::Detection && !compare.suits(purpose) => {
            return Err((format!("`{promise}`: a detection is promised from above"), "use < or <=".into()));
        }
        Purpose::Stop if measure.is_of_fault() && !compare.suits(purpose) => return Err(ends_for_good(promise)),
        _ => {}
    }
    if compare == Compare::Equal && !(measure.unit() == Unit::Share && bound == 0) {
        return Err((format!("`{promise}`: `==` fits only a share of 0"), "use < or <=".into()));
    }
    Ok(Expectation { measure, traffic, part, clock, filter, class, compare, bound })
}

/// Reads a promise about what the client saw, its bound another run; `None` where it is a quantity.
pub fn parse_relative(promise: &str, known: &[Known<'_>]) -> Option<Result<Relative, Refusal>> {
    let (_, _, bound) = split_compare(promise).ok()?;
    let margin = bound.strip_prefix(BASELINE)?;
    Some(call(promise, known).and_then(|call| relative(promise, call, margin)))
}

fn relative(promise: &str, call: Call<'_>, margin: &str) -> Result<Relative, Refusal> {
    let Call { measure, whose, clock, filter, class, compare, .. } = call;
    let margin = Margin::parse(margin).ok_or_else(|| {
        let what = format!("`{BASELINE}{margin}` is no bound");
        (what, "write `baseline`, `baseline + 5%` or `baseline - 5%`".to_owned())
    })?;
    match measure {
        Measure::Max => {
            let what = format!("`{promise}`: of two runs that are alike one has the longer longest shot");
            return Err((what, "promise a quantile, such as p99".into()));
        }
        Measure::Recovery | Measure::Detection => {
            let what = format!("`{promise}`: a {measure} happens once, and nothing says how much it varies");
            return Err((what, "write a length of time".into()));
        }
        _ => {}
    }
    if compare == Compare::Equal {
        return Err((format!("`{promise}`: no two runs are equal"), "use <= or >=".into()));
    }
    Ok(Relative { measure, whose, clock, filter, class, compare, margin })
}

/// Reads everything but the bound.
fn call<'p>(promise: &'p str, known: &[Known<'_>]) -> Result<Call<'p>, Refusal> {
    let example = "write it like `p95(quotes) < 500ms`";
    let refuse = |what: String| (what, example.to_owned());
    let (call, compare, bound) = split_compare(promise)?;
    let (measure, rest) = call.split_once('(').ok_or_else(|| refuse(format!("`{promise}` has no subject")))?;
    let arguments = rest.trim_end().strip_suffix(')').ok_or_else(|| refuse(format!("`{promise}` lacks its `)`")))?;
    let measure = parse_measure(measure.trim())?;
    let mut arguments = arguments.split(',').map(str::trim);
    let subject = arguments.next().unwrap_or_default();
    let Whose { traffic, part } = whose(subject, known)?;
    let classes: &[&str] = if part.is_none() { &known[traffic].classes } else { &[] };
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
            let what = match part {
                Some(_) if known[traffic].classes.contains(&argument) => {
                    format!("`{subject}` is a part, and parts have no classes")
                }
                _ => format!("`{argument}` is no clock, outcome or class of `{subject}`"),
            };
            return Err((what, remedy));
        }
    }
    let timed = measure.is_timed();
    if !timed && (clock.is_some() || filter.is_some()) {
        return Err((format!("`{measure}` takes no clock and no outcome"), format!("write `{measure}({subject})`")));
    }
    if measure.is_of_fault() && class.is_some() {
        return Err((format!("`{measure}` takes no class"), format!("write `{measure}({subject})`")));
    }
    let has_clocks = part.is_none_or(|part| known[traffic].parts[part].is_exchange);
    if let Some(clock) = clock.filter(|clock| *clock != Timing::Response && !has_clocks) {
        let what = format!("`{subject}` is no exchange with a service, and has no {}", clock.word());
        return Err((what, format!("promise how long it takes: `{measure}({subject})`")));
    }
    let (clock, filter) = (clock.unwrap_or(Timing::Response), filter.unwrap_or(Filter::All));
    Ok(Call { measure, whose: Whose { traffic, part }, clock, filter, class, compare, bound })
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
    for (wrong, right) in [("=<", "<="), ("=>", ">=")] {
        if promise.contains(wrong) {
            return Err((format!("`{wrong}` is no comparator"), format!("write `{right}`")));
        }
    }
    let found = WORDS.iter().find_map(|(word, compare)| promise.split_once(word).map(|(l, r)| (l, *compare, r)));
    match found {
        Some((left, compare, right)) if !right.trim().is_empty() => Ok((left, compare, right.trim())),
        _ => Err((
            format!("`{promise}` compares nothing"),
            "write it like `p95(quotes) < 500ms`; comparators: < <= > >= ==".into(),
        )),
    }
}

/// The refusal of what would end an experiment in which all is well.
pub(super) fn ends_for_good(promise: &str) -> Refusal {
    (format!("`{promise}` would end what goes well"), "say what is too much: use > or >=".into())
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
        "capacity" => {
            let what = "`capacity` is what a search over many runs finds";
            return Err((what.into(), "promise it under `slo:`".into()));
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
                        MEASURES
                            .into_iter()
                            .chain(["recovery", "detection", "absorbed", "capacity", "leak"])
                            .chain(EffectMeasure::ALL.map(EffectMeasure::word))
                            .collect::<Vec<_>>(),
                    ),
                ));
            }
        },
    })
}

pub(super) fn parse_bound(measure: Measure, bound: &str) -> Result<u64, Refusal> {
    if bound.starts_with(BASELINE) {
        let what = format!("{measure} cannot be held against a `{BASELINE}` here");
        return Err((
            what,
            "write a quantity; a baseline bounds quantiles, means, shares and rates under `slo:`".into(),
        ));
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
        let part = |name: &str, is_exchange| Part { name: name.into(), is_exchange };
        let parts = vec![part("submit", true), part("fill", true), part("queue", false)];
        let known = [
            Known { name: "quotes", classes: vec!["hit", "miss"], parts: Vec::new() },
            Known { name: "orders", classes: vec!["late"], parts },
        ];
        parse_client(promise, &known, Purpose::Promise)
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
    fn a_part_is_a_subject_of_its_own() {
        let of = |promise| parse(promise).map(|e| (e.traffic, e.part, e.clock));
        assert_eq!(of("p95(orders) < 50ms"), Ok((1, None, Timing::Response)));
        assert_eq!(of("p95(orders.fill, wait) < 50ms"), Ok((1, Some(1), Timing::Wait)));
        assert_eq!(of("errors(orders.queue) < 1%"), Ok((1, Some(2), Timing::Response)));
        for (bad, what, remedy) in [
            ("p95(orders.sumbit) < 5ms", "`sumbit` is no part of `orders`", "orders.submit"),
            ("p95(odrers.submit) < 5ms", "`odrers` is no traffic", "orders.submit"),
            ("p95(quotes.submit) < 5ms", "`quotes` has no parts", "`quotes`"),
            ("p95(orders.submit, late) < 5ms", "parts have no classes", "response"),
            ("p95(orders.queue, service) < 5ms", "has no service", "`p95(orders.queue)`"),
        ] {
            let (said, told) = parse(bad).expect_err(bad);
            assert!(said.contains(what) && told.contains(remedy), "{bad}: {said}: {told}");
        }
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
            ("p95(quotes) =< 5ms", "`=<` is no comparator"),
            ("p95 < 5ms", "no subject"),
            ("p95(quotes < 5ms", "lacks its"),
            ("p95(qoutes) < 5ms", "no traffic"),
            ("p100(quotes) < 5ms", "no measure"),
            ("p95(quotes, hti) < 5ms", "no clock, outcome or class"),
            ("p95(quotes, ok, failed) < 5ms", "one too many"),
            ("errors(quotes, ok) < 1%", "takes no clock"),
            ("errors(quotes) < 500ms", "not a share"),
            ("p95(quotes) == 5ms", "fits only"),
            ("capacity(quotes) >= 500/s", "a search over many runs"),
            ("staleness(quotes) < 1s", "planned"),
            ("detection(quotes) > 5s", "from above"),
            ("detection(quotes, hit) < 5s", "no class"),
            ("detection(quotes, ok) < 5s", "takes no clock"),
            ("p95(quotes) < baseline + 5%", "here"),
        ] {
            let (what, remedy) = parse(bad).expect_err(bad);
            assert!(what.contains(part), "{bad}: {what}");
            assert!(!remedy.is_empty(), "{bad}");
        }
    }

    #[test]
    fn what_ends_an_experiment_is_too_much() {
        let known = [Known { name: "quotes", classes: Vec::new(), parts: Vec::new() }];
        let parse = |text| parse_client(text, &known, Purpose::Stop);
        for good in ["recovery(quotes) > 30s", "detection(quotes) >= 10s", "rate(quotes) < 10/s", "errors(quotes) > 5%"]
        {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in ["recovery(quotes) < 30s", "detection(quotes) <= 10s"] {
            let (what, remedy) = parse(bad).expect_err(bad);
            assert!(what.contains("goes well") && remedy.contains('>'), "{bad}: {what}");
        }
    }

    #[test]
    fn a_bound_may_be_another_run() {
        let known = [Known { name: "quotes", classes: vec!["hit"], parts: Vec::new() }];
        let read = |promise| parse_relative(promise, &known);
        let of = |promise| read(promise).expect("relative").expect("valid");
        let p99 = of("p99(quotes, service, hit) <= baseline + 5%");
        assert_eq!((p99.measure, p99.clock), (Measure::Quantile(Quantile(990_000)), Timing::Service));
        assert_eq!((p99.class, p99.compare, p99.margin), (Some(0), Compare::AtMost, Margin(50_000_000)));
        assert_eq!(of("rate(quotes) >= baseline-2.5%").margin, Margin(-25_000_000));
        assert_eq!(of("errors(quotes) < baseline").margin, Margin(0));
        assert!(read("p99(quotes) < 5ms").is_none() && read("p99(quotes)").is_none());
        for (bad, part) in [
            ("p99(quotes) < baseline 5%", "no bound"),
            ("p99(quotes) < baseline + 5", "no bound"),
            ("p99(quotes) < baseline - 100%", "no bound"),
            ("p99(qoutes) < baseline", "no traffic"),
            ("max(quotes) < baseline + 5%", "longest"),
            ("recovery(quotes) < baseline", "happens once"),
            ("errors(quotes) == baseline", "no two runs"),
        ] {
            let (what, remedy) = read(bad).expect(bad).expect_err(bad);
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
