//! Phrases that more than one report uses.

use crate::base::text;
use crate::base::units;
use crate::judge::{
    CauseSummary, Claimed, FaultSummary, Finding, Judgement, LoopSummary, Percentiles, TrafficSummary, Verdict,
};
use std::time::Duration;

/// What was observed, or a dash.
pub fn observed(finding: &Finding) -> String {
    finding.observed.as_ref().map_or_else(|| "–".into(), ToString::to_string)
}

/// What the promise was about: as typed, with its expression on one line.
pub fn promise(finding: &Finding) -> String {
    match &finding.promql {
        Some(expr) => format!("{} of {}", finding.promise, expr.split_whitespace().collect::<Vec<_>>().join(" ")),
        None => finding.promise.clone(),
    }
}

/// What the latencies behind a broken promise were made of, in a line.
pub fn anatomy(finding: &Finding) -> Option<String> {
    let anatomy = finding.anatomy.as_ref()?;
    let called = |part: &str| match part {
        "wait" => "wait for a connection".to_owned(),
        part => part.replace('_', " "),
    };
    let list = |parts: &[(String, f64)]| {
        let parts: Vec<String> =
            parts.iter().map(|(part, s)| format!("{} {}", called(part), length(Some(*s)))).collect();
        parts.join(", ")
    };
    let opened = match anatomy.opening.is_empty() {
        true => "no shot opened a connection".to_owned(),
        false => {
            let share = units::percent(anatomy.opened);
            format!("{share} of shots opened a connection: {}", list(&anatomy.opening))
        }
    };
    Some(format!("{} of each part: {}; {opened}", anatomy.measure, list(&anatomy.parts)))
}

/// What a fault did, in a sentence.
pub fn fault(fault: &FaultSummary) -> String {
    let mut text = match fault.effective {
        Some(span) => format!(
            "{} from {} to {}, struck {} of {}",
            fault.kind,
            seconds(span.start.secs()),
            seconds(span.end.secs()),
            text::thousands(fault.injected),
            text::count(fault.eligible, "request")
        ),
        None => format!("{} touched nothing", fault.kind),
    };
    for (traffic, recovery) in &fault.recovery {
        match (recovery.found, recovery.between) {
            ("none", _) => {}
            (_, Some([after, by])) => {
                let end = fault.effective.map_or(fault.planned.end, |s| s.end);
                text.push_str(&format!(
                    "; {traffic} {} between {} and {} after its end",
                    recovery.found,
                    units::duration(after.since(end)),
                    units::duration(by.since(end))
                ));
            }
            (found, None) => text.push_str(&format!("; {traffic}: recovery {found}")),
        }
    }
    if let Some(trouble) = &fault.trouble {
        text.push_str(&format!("; {trouble}"));
    }
    text
}

/// What a traffic's planned shots waited; nothing where none was planned.
pub fn response(traffic: &TrafficSummary) -> Option<&Percentiles> {
    let response = traffic.clocks.iter().find(|(clock, _)| clock == "response").map(|(_, of)| of);
    response.filter(|of| of.count > 0 || traffic.closed_loops.is_empty())
}

/// What became of a closed loop, and what its figures are worth, in two sentences.
pub fn closed_loop(of: &LoopSummary) -> [String; 2] {
    let went = format!(
        "closed loop of {}, {} to {}: {}, {} failed, {:.0}/s ok",
        text::count(of.connections.into(), "connection"),
        seconds(of.span.start.secs()),
        seconds(of.span.end.secs()),
        text::count(of.shots, "shot"),
        text::thousands(of.failed),
        of.rate
    );
    [went, format!("{}: of a closed loop, not to be compared with what users wait", percentiles(&of.latency))]
}

/// What a closed-loop tool would have claimed.
pub fn claimed(of: &Claimed) -> String {
    format!(
        "a closed-loop tool would have claimed {} {} (service time); users waited {}",
        of.quantile,
        length(Some(of.claimed)),
        length(Some(of.waited))
    )
}

/// `p50 8.1 ms  p95 …`
pub fn percentiles(of: &Percentiles) -> String {
    let part = |name: &str, value: Option<f64>| format!("{name} {}", length(value));
    [part("p50", of.p50), part("p95", of.p95), part("p99", of.p99), part("max", of.max)].join("  ")
}

/// A length in seconds as people read it, or a dash.
pub fn length(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "–".into(), |s| units::measured(Duration::from_secs_f64(s.max(0.0))))
}

/// What the instrument is worth, in a sentence.
pub fn fitness(judgement: &Judgement) -> String {
    let fitness = &judgement.fitness;
    let mut parts = vec![if fitness.unfit_seconds == 0 {
        "fit throughout".to_owned()
    } else {
        format!("unfit in {} of {} seconds", fitness.unfit_seconds, fitness.seconds)
    }];
    if fitness.late > 0 {
        parts.push(format!(
            "{} late by more than {}",
            text::count(fitness.late, "shot"),
            units::duration(Duration::from_nanos(fitness.lag_limit))
        ));
    }
    if fitness.dropped > 0 {
        parts.push(format!("{} dropped by us", text::count(fitness.dropped, "shot")));
    }
    if fitness.lost > 0 {
        parts.push(format!("{} lost", text::count(fitness.lost, "shot")));
    }
    if let Some(cpu) = fitness.cpu {
        parts.push(format!("busiest second {} of a core", units::percent(cpu)));
    }
    parts.join(", ")
}

/// Why the instrument was unfit and what helps, a line for each cause.
pub fn causes(judgement: &Judgement) -> Vec<String> {
    let line = |cause: &CauseSummary| {
        let worst = if cause.seconds > 1 { " at worst" } else { "" };
        let seconds = text::count(cause.seconds, "second");
        format!("{}{worst}, in {seconds}: {}; {}", cause.what, cause.why, cause.remedy)
    };
    judgement.fitness.causes.iter().map(line).collect()
}

/// What the target's own process took, where the run started it.
pub fn target(judgement: &Judgement) -> Option<String> {
    let target = judgement.fitness.health.target?;
    Some(format!("used up to {:.2} cores and {:.1} MB", target.cpu, target.rss as f64 / 1e6))
}

/// Seconds since the start of the load.
pub fn seconds(at: f64) -> String {
    format!("{} s", (at * 10.0).round() / 10.0)
}

/// The verdict in one line, with what speaks against it first.
pub fn headline(judgement: &Judgement) -> String {
    let count = |verdict| judgement.critical().filter(|f| f.verdict == verdict).count() as u64;
    let (failed, all) = (count(Verdict::Fail), judgement.critical().count() as u64);
    match judgement.verdict {
        Verdict::Pass => format!("{} kept", text::count(all, "critical promise")),
        Verdict::Fail => format!("{} of {} broken", failed, text::count(all, "critical promise")),
        Verdict::Inconclusive => {
            format!("{} of {} undecided", count(Verdict::Inconclusive), text::count(all, "critical promise"))
        }
        Verdict::Invalid => "the experiment was not what the scenario describes".into(),
    }
}
