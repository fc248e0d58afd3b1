//! From a promise to a finding: its window, its slices, and whether it stands although the generator was unfit.

use super::anatomy::anatomy;
use super::closed::Divided;
use super::detection;
use super::measure::{self, Ruling};
use super::recovery;
use super::shots::Stretch;
use super::trial::{Reading, Trial, subject};
use super::verdict::{Finding, Place, Quantity, Slices, Verdict, instant, stretch};
use super::window::{self, Cut};
use crate::base::text;
use crate::base::time::Span;
use crate::base::timing::Timing;
use crate::scenario::{Expectation, Measure, Promise, Window};

/// What a promise about the client's shots comes to.
pub fn client(trial: &Trial<'_>, promise: &Promise, expectation: &Expectation) -> Finding {
    match (expectation.measure, promise.window) {
        (Measure::Recovery, Window::After(fault)) => recovery::finding(trial, promise, expectation, fault),
        (Measure::Detection, Window::After(fault)) => detection::finding(trial, promise, expectation, fault),
        (_, window) => {
            let cut = trial.windows.cut(window, Some(expectation.traffic));
            let finding = on_shots(trial, promise, expectation, &cut);
            match cut.parts.is_empty() {
                true => Finding { why: why_empty(trial, window), ..finding },
                false => finding,
            }
        }
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
        course: None,
    }
}

/// Why a window holds no time at all.
pub fn why_empty(trial: &Trial<'_>, window: Window) -> String {
    let Some(fault) = window.fault() else { return "the faults leave no time outside them".into() };
    let name = &trial.scenario.faults[fault].name;
    let times = &trial.windows.faults[fault];
    match (times.strikes().next(), window) {
        (None, _) => match &times.trouble {
            Some(trouble) => format!("`{name}` {trouble}"),
            None => format!("`{name}` touched nothing"),
        },
        (Some(_), Window::Recovery(_)) => format!("nothing to judge: there was no time of recovery from `{name}`"),
        (Some(_), Window::After(_)) => format!("nothing to judge: the load ended with the recovery from `{name}`"),
        (Some(_), _) => format!("nothing to judge: `{name}` lies outside the measured phase"),
    }
}

/// What a promise comes to in a window, its own or another.
pub fn on_shots(trial: &Trial<'_>, promise: &Promise, expectation: &Expectation, cut: &Cut) -> Finding {
    let mut finding = blank(trial, promise, cut.parts.clone(), measure::bound(expectation), expectation.compare.word());
    finding.needed = expectation.minimum();
    if cut.parts.is_empty() {
        return finding;
    }
    let confidence = promise.confidence.map(|c| c.fraction());
    let whole: Vec<Stretch> = cut.parts.iter().map(|part| Stretch::whole(*part)).collect();
    match promise.each {
        None => {
            let ruling = standing(trial, expectation, confidence, cut, &whole);
            (finding.verdict, finding.observed) = (ruling.verdict, ruling.observed);
            (finding.samples, finding.why) = (ruling.samples, ruling.why);
            if finding.verdict == Verdict::Fail {
                finding.anatomy = anatomy(trial, expectation, cut, &whole);
            }
        }
        Some(each) => {
            let slices =
                whole.iter().flat_map(|w| w.part.slices(each).into_iter().map(|span| Stretch { span, part: w.part }));
            let rulings: Vec<(Span, Ruling)> =
                slices.map(|slice| (slice.span, standing(trial, expectation, confidence, cut, &[slice]))).collect();
            sliced(&mut finding, &measure::label(expectation), expectation.compare.is_ceiling(), &rulings);
            if let Some(worst) = finding.slices.filter(|_| finding.verdict == Verdict::Fail).map(|s| s.worst) {
                let part = cut.parts.iter().copied().find(|part| part.overlap(worst).is_some()).unwrap_or(worst);
                finding.anatomy = anatomy(trial, expectation, cut, &[Stretch { span: worst, part }]);
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
