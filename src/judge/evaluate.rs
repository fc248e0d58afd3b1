//! From a promise to a finding: its window, its slices, and whether it stands although the generator was unfit.

use std::time::Duration;

use super::anatomy::anatomy;
use super::closed::Divided;
use super::measure::{self, Ruling};
use super::recovery::{self, Found, Wanted};
use super::shots::Stretch;
use super::trial::{Reading, Trial, subject};
use super::verdict::{Finding, Kind, Place, Quantity, Slices, Verdict, instant, stretch};
use super::window::{self, Cut};
use crate::base::text;
use crate::base::time::Span;
use crate::base::timing::Timing;
use crate::base::units;
use crate::scenario::{Expectation, Measure, Promise, Window};

/// What a promise about the client's shots comes to.
pub fn client(trial: &Trial<'_>, promise: &Promise, expectation: &Expectation) -> Finding {
    match (expectation.measure, promise.window) {
        (Measure::Recovery, Window::After(fault)) => on_recovery(trial, promise, expectation, fault),
        _ => on_shots(trial, promise, expectation),
    }
}

/// The parts of a finding that its promise already knows.
pub fn blank(
    trial: &Trial<'_>,
    promise: &Promise,
    parts: Vec<Span>,
    bound: Quantity,
    compare: &'static str,
) -> Finding {
    Finding {
        promise: promise.text.clone(),
        promql: None,
        severity: promise.severity,
        window: Place { name: window::name(promise.window, promise.each, trial.scenario), parts },
        observed: None,
        compare,
        bound,
        samples: 0,
        needed: 0,
        verdict: Verdict::Inconclusive,
        why: String::new(),
        slices: None,
        anatomy: None,
    }
}

/// Why a window holds no time at all.
pub fn why_empty(trial: &Trial<'_>, window: Window) -> String {
    let Some(fault) = window.fault() else { return "the faults leave no time outside them".into() };
    let name = &trial.scenario.faults[fault].name;
    let times = &trial.windows.faults[fault];
    match (&times.effective, window) {
        (None, _) => match &times.trouble {
            Some(trouble) => format!("`{name}` {trouble}"),
            None => format!("`{name}` touched nothing"),
        },
        (Some(_), Window::Recovery(_)) => format!("nothing to judge: there was no time of recovery from `{name}`"),
        (Some(_), Window::After(_)) => format!("nothing to judge: the load ended with the recovery from `{name}`"),
        (Some(_), _) => format!("nothing to judge: `{name}` lies outside the measured phase"),
    }
}

fn on_shots(trial: &Trial<'_>, promise: &Promise, expectation: &Expectation) -> Finding {
    let cut = trial.windows.cut(promise.window, Some(expectation.traffic));
    let mut finding = blank(trial, promise, cut.parts.clone(), measure::bound(expectation), expectation.compare.word());
    finding.needed = expectation.minimum();
    if cut.parts.is_empty() {
        finding.why = why_empty(trial, promise.window);
        return finding;
    }
    let confidence = promise.confidence.map(|c| c.fraction());
    let whole: Vec<Stretch> = cut.parts.iter().map(|part| Stretch::whole(*part)).collect();
    match promise.each {
        None => {
            let ruling = standing(trial, expectation, confidence, &cut, &whole);
            (finding.verdict, finding.observed) = (ruling.verdict, ruling.observed);
            (finding.samples, finding.why) = (ruling.samples, ruling.why);
            if finding.verdict == Verdict::Fail {
                finding.anatomy = anatomy(trial, expectation, &cut, &whole);
            }
        }
        Some(each) => {
            let slices =
                whole.iter().flat_map(|w| w.part.slices(each).into_iter().map(|span| Stretch { span, part: w.part }));
            let rulings: Vec<(Span, Ruling)> =
                slices.map(|slice| (slice.span, standing(trial, expectation, confidence, &cut, &[slice]))).collect();
            sliced(&mut finding, &measure::label(expectation), expectation.compare.is_ceiling(), &rulings);
            if let Some(worst) = finding.slices.filter(|_| finding.verdict == Verdict::Fail).map(|s| s.worst) {
                let part = cut.parts.iter().copied().find(|part| part.overlap(worst).is_some()).unwrap_or(worst);
                finding.anatomy = anatomy(trial, expectation, &cut, &[Stretch { span: worst, part }]);
            }
        }
    }
    if let Some(label) = Divided::new(trial.timeline, expectation.traffic, &whole).label() {
        finding.window.name.push_str(&format!(", {label}"));
        if is_misled(expectation) && finding.samples > 0 {
            finding.why.push_str("; the latencies of a closed loop leave out what would have queued");
        }
    }
    finding
}

/// Puts the rulings of slices together: the finding is the worst of them.
pub fn sliced(finding: &mut Finding, label: &str, is_ceiling: bool, rulings: &[(Span, Ruling)]) {
    // Of two with one verdict the worse is the one nearer to, or further over, the bound; the first of equals.
    let badness = |ruling: &Ruling| match ruling.observed {
        Some(observed) if is_ceiling => observed.value,
        Some(observed) => -observed.value,
        None => f64::NEG_INFINITY,
    };
    let worse = |a: &&(Span, Ruling), b: &&(Span, Ruling)| {
        let verdict = a.1.verdict.cmp(&b.1.verdict);
        verdict.then(badness(&a.1).total_cmp(&badness(&b.1))).then(b.0.start.cmp(&a.0.start))
    };
    let Some((worst, ruling)) = rulings.iter().max_by(worse) else { return };
    let count = |verdict| rulings.iter().filter(|(_, r)| r.verdict == verdict).count() as u64;
    let total = rulings.len() as u64;
    let failed = count(Verdict::Fail);
    let slices = Slices { total, failed, undecided: total - failed - count(Verdict::Pass), worst: *worst };
    (finding.verdict, finding.observed, finding.samples) = (ruling.verdict, ruling.observed, ruling.samples);
    let of = |n: u64| format!("{} of {}", text::thousands(n), text::count(total, "slice"));
    let observed = ruling.observed.map_or_else(|| "nothing".to_owned(), |o| o.to_string());
    finding.why = match ruling.verdict {
        Verdict::Pass => {
            format!("{label} at most {observed} in all of {}, in {}", text::count(total, "slice"), stretch(*worst))
        }
        Verdict::Fail => {
            format!("{label} {} in {}; worst {}: {}", beyond(finding, ruling), of(failed), stretch(*worst), ruling.why)
        }
        Verdict::Invalid => {
            format!("{} spoilt by us; {}: {}", of(count(Verdict::Invalid)), stretch(*worst), ruling.why)
        }
        Verdict::Inconclusive => {
            format!("{} undecided; {}: {}", of(count(Verdict::Inconclusive)), stretch(*worst), ruling.why)
        }
    };
    if ruling.verdict == Verdict::Pass && !is_ceiling {
        finding.why = finding.why.replacen("at most", "at least", 1);
    }
    finding.slices = Some(slices);
}

fn beyond(finding: &Finding, ruling: &Ruling) -> String {
    match ruling.observed {
        Some(observed) if observed.value < finding.bound.value => format!("under {}", finding.bound),
        Some(observed) if observed.value == finding.bound.value => format!("not {} {}", finding.compare, finding.bound),
        _ => format!("over {}", finding.bound),
    }
}

/// A ruling that stands although the generator was unfit, or INVALID; and nothing is kept by a stretch that the run
/// did not see to its end.
fn standing(
    trial: &Trial<'_>,
    expectation: &Expectation,
    confidence: Option<f64>,
    cut: &Cut,
    stretches: &[Stretch],
) -> Ruling {
    // A closed loop has as many quick shots as the target likes to answer: they must not outnumber the planned ones.
    let divided = Divided::new(trial.timeline, expectation.traffic, stretches);
    let alone = (is_misled(expectation) && divided.is_mixed()).then_some(&divided.planned);
    let rule = |reading| {
        let ruling = trial.rule(expectation, confidence, cut, stretches, reading);
        let planned = alone.filter(|_| ruling.verdict != Verdict::Fail);
        let planned = planned.map(|alone| trial.rule(expectation, confidence, cut, alone, reading));
        match planned.filter(|planned| planned.verdict == Verdict::Fail) {
            Some(planned) => Ruling { why: format!("{} by the planned shots alone", planned.why), ..planned },
            None => ruling,
        }
    };
    let mut ruling = rule(Reading::AsItWas);
    let unfit = trial.unfit(subject(expectation), cut, stretches);
    if !unfit.is_empty() {
        let blame = || trial.fitness.blame(expectation.traffic, &unfit);
        // Where failing helps a promise, spoilt shots must not: they are left out.
        let worst = if measure::failing_hurts(expectation) { Reading::Worst } else { Reading::WithoutUnfit };
        let (verdict, why) = match ruling.verdict {
            Verdict::Fail if rule(Reading::WithoutUnfit).verdict != Verdict::Fail => {
                (Verdict::Invalid, format!("{}, but not without our own doing: {}", ruling.why, blame()))
            }
            Verdict::Pass if rule(worst).verdict != Verdict::Pass => {
                (Verdict::Invalid, format!("{}, but our own doing may hide worse: {}", ruling.why, blame()))
            }
            Verdict::Inconclusive if ruling.samples < expectation.minimum() => {
                let lost = trial.fitness.spoilt(expectation.traffic, &unfit).lost;
                match ruling.samples + lost >= expectation.minimum() {
                    true => (Verdict::Invalid, format!("{}: {}", ruling.why, blame())),
                    false => (Verdict::Inconclusive, ruling.why.clone()),
                }
            }
            verdict => (verdict, ruling.why.clone()),
        };
        (ruling.verdict, ruling.why) = (verdict, why);
    }
    let end = stretches.iter().map(|s| s.span.end).max();
    if let (Verdict::Pass, Some(end)) = (ruling.verdict, end.filter(|end| *end > trial.windows.seen)) {
        ruling.verdict = Verdict::Inconclusive;
        ruling.why =
            format!("{} so far, but the run ended at {} of {}", ruling.why, instant(trial.windows.seen), instant(end));
    }
    ruling
}

/// Whether shots of closed loops mislead a measure: all that take a length from them. Lag and wait they do not have.
fn is_misled(expectation: &Expectation) -> bool {
    expectation.measure.is_timed() && !matches!(expectation.clock, Timing::Lag | Timing::Wait)
}

fn on_recovery(trial: &Trial<'_>, promise: &Promise, expectation: &Expectation, fault: usize) -> Finding {
    let bound = measure::bound(expectation);
    let times = &trial.windows.faults[fault];
    let wanted = Wanted { bound: Duration::from_nanos(expectation.bound), stable: promise.stable };
    let Some(effective) = times.effective else {
        let mut finding = blank(trial, promise, Vec::new(), bound, expectation.compare.word());
        finding.why = why_empty(trial, promise.window);
        return finding;
    };
    let search = |reading| {
        let found = recovery::search(trial, fault, expectation.traffic, wanted, reading);
        let took = |at: crate::base::time::Offset| at.since(effective.end);
        let keeps = |at| expectation.compare.holds(took(at).as_nanos() as f64, expectation.bound as f64);
        let deadline = format!("{} after it ended at {}", units::duration(wanted.bound), instant(effective.end));
        let (verdict, observed, why) = match found {
            Found::Recovered { from, at } => {
                let within = match from == at {
                    true => "at once".to_owned(),
                    false => format!(
                        "{} to {} after the fault ended",
                        units::duration(took(from)),
                        units::duration(took(at))
                    ),
                };
                match keeps(at) {
                    true => (Verdict::Pass, Some(took(at)), format!("recovered {within}")),
                    false => {
                        (Verdict::Fail, Some(took(at)), format!("had not recovered {deadline}; it recovered {within}"))
                    }
                }
            }
            Found::Never { until } => {
                (Verdict::Fail, None, format!("had not recovered {deadline}, nor by {}", instant(until)))
            }
            Found::Undecided { earliest, until } if !keeps(earliest) => (
                Verdict::Fail,
                None,
                format!("had not recovered {deadline}; what followed was seen up to {}", instant(until)),
            ),
            Found::Undecided { earliest, until } => (
                Verdict::Inconclusive,
                None,
                format!(
                    "may have recovered at {}, but {} of calm and enough shots were not seen up to {}",
                    instant(earliest),
                    units::duration(wanted.stable),
                    instant(until)
                ),
            ),
            Found::NoFault => (Verdict::Inconclusive, None, why_empty(trial, promise.window)),
        };
        let until = match found {
            Found::Recovered { at, .. } => at + wanted.stable,
            Found::Never { until } | Found::Undecided { until, .. } => until,
            Found::NoFault => effective.end,
        };
        let observed = observed.map(|o| Quantity { value: o.as_nanos() as f64 / 1e9, kind: Kind::Time });
        (Ruling { verdict, observed, samples: 0, why }, Span { start: effective.end, end: until })
    };
    let (mut ruling, span) = search(Reading::AsItWas);
    let unfit = trial.fitness.unfit(expectation.traffic, &[span]);
    if !unfit.is_empty() {
        let blame = trial.fitness.blame(expectation.traffic, &unfit);
        let against = |reading, verdict| search(reading).0.verdict != verdict;
        if ruling.verdict == Verdict::Fail && against(Reading::WithoutUnfit, Verdict::Fail) {
            ruling.verdict = Verdict::Invalid;
            ruling.why = format!("{}, but not without our own doing: {blame}", ruling.why);
        } else if ruling.verdict == Verdict::Pass && against(Reading::Worst, Verdict::Pass) {
            ruling.verdict = Verdict::Invalid;
            ruling.why = format!("{}, but our own doing may hide worse: {blame}", ruling.why);
        }
    }
    let cut = Cut { parts: vec![span], ..Cut::default() };
    let stretches = [Stretch::whole(span)];
    let population =
        trial.shots.population(subject(expectation), &cut, &stretches, &std::collections::BTreeSet::new(), false);
    let mut finding = blank(trial, promise, vec![span], bound, expectation.compare.word());
    (finding.verdict, finding.observed, finding.why) = (ruling.verdict, ruling.observed, ruling.why);
    finding.samples = population.due();
    finding.needed = recovery::steady(&trial.scenario.promises, expectation.traffic)
        .map(Expectation::minimum)
        .max()
        .unwrap_or_default();
    finding
}
