//! Phrases that more than one report uses.

use crate::base::text;
use crate::base::time::{Offset, Span};
use crate::base::units;
use crate::evidence::manifest::Manifest;
use crate::judge::alerts::FirstAlert;
use crate::judge::{
    BaselineSummary, CanarySummary, CauseSummary, Claimed, FaultSummary, Finding, GateSummary, Judgement, LoopSummary,
    OccurrenceSummary, PartSummary, Percentiles, TrafficSummary, Verdict,
};
use std::time::Duration;

/// When something was run, for how long, of what: `2026-11-27 17:09:18 UTC, 30 s of load on sim:quote-service, seed 7`.
pub fn occasion(manifest: &Manifest, end: Offset) -> String {
    let services: Vec<&str> = manifest.services.iter().map(|(_, address)| address.as_str()).collect();
    let on = if services.is_empty() { String::new() } else { format!(" on {}", services.join(", ")) };
    let load = units::duration(Duration::from_secs_f64(end.secs().max(0.0)));
    format!("{}, {load} of load{on}, seed {}", manifest.began(), manifest.seed)
}

/// What became of shots, in words and numbers: `ok 2 514, timed out head 115`.
pub fn outcomes(of: &[(String, u64)]) -> String {
    let one = |(word, n): &(String, u64)| format!("{} {}", word.replace('_', " "), text::thousands(*n));
    of.iter().map(one).collect::<Vec<_>>().join(", ")
}

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

/// What a fault did, in a sentence: when it really struck beside when it was planned, and how many requests.
pub fn fault(fault: &FaultSummary) -> String {
    let span = |span: Span| format!("{} to {}", seconds(span.start.secs()), seconds(span.end.secs()));
    let planned: Vec<String> = fault.occurrences.iter().map(|o| span(o.planned)).collect();
    let struck = |o: &OccurrenceSummary| {
        let effective = o.effective?;
        Some(match o.cleared {
            Some(_) => span(effective),
            None => format!("from {} on, its end was not seen", seconds(effective.start.secs())),
        })
    };
    let effective: Vec<String> = fault.occurrences.iter().filter_map(struck).collect();
    let mut text = match effective.as_slice() {
        [] => format!("{} touched nothing (planned {})", fault.kind, planned.join(", ")),
        effective => format!(
            "{} {} (planned {}), struck {} of {}",
            fault.kind,
            effective.join(", "),
            planned.join(", "),
            text::thousands(fault.injected),
            text::count(fault.eligible, fault.unit)
        ),
    };
    if let Some(trouble) = &fault.trouble {
        text.push_str(&format!("; {trouble}"));
    }
    text
}

/// How exactly a fault began and ended, in a line for each time: when it was told beside when that was planned, and how long
/// it took to obey.
pub fn control(fault: &FaultSummary) -> Vec<String> {
    let edge = |word: &str, planned: Offset, told: Option<Offset>, effective: Option<Offset>| {
        let (told, effective) = (told?, effective?);
        let late = units::measured(told.since(planned));
        Some(format!("{word} {late} after it was planned, obeyed in {}", units::measured(effective.since(told))))
    };
    let line = |of: &OccurrenceSummary| {
        let begun = edge("told to begin", of.planned.start, of.told[0], of.applied);
        let ended = edge("to end", of.planned.end, of.told[1], of.cleared);
        let parts: Vec<String> = begun.into_iter().chain(ended).collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    };
    fault.occurrences.iter().filter_map(line).collect()
}

/// What the stage added itself, in a sentence; nothing where there was none.
pub fn injector(judgement: &Judgement) -> Option<String> {
    let of = judgement.injector.as_ref()?;
    let mut parts = vec![match of.saturated_seconds {
        0 => "kept up throughout".to_owned(),
        n => format!("did not keep up in {n} of {} seconds", of.seconds),
    }];
    for (what, added) in [("to replies", of.calls), ("to bytes on links", of.links)] {
        if added.count > 0 {
            let (p50, p99) = (length(added.p50), length(added.p99));
            parts.push(format!("added {p50} {what} that nothing struck (p99 of the worst second {p99})"));
        }
    }
    parts.push(format!("woke up to {} late", length(of.wakes.max)));
    parts.push(format!("busiest second {} of a core", core(of.cpu)));
    Some(parts.join(", "))
}

/// What a fault did to each traffic, a line each: when it was felt, how deep it cut, when all was well again.
pub fn damage(fault: &FaultSummary) -> Vec<String> {
    let mut lines = Vec::new();
    for occurrence in &fault.occurrences {
        let Some(effective) = occurrence.effective else { continue };
        let several = fault.occurrences.len() > 1;
        let at = if several { format!(" at {}", seconds(effective.start.secs())) } else { String::new() };
        let between = |[from, to]: [Offset; 2], zero: Offset| {
            format!("{} to {}", units::duration(from.since(zero)), units::duration(to.since(zero)))
        };
        for ((traffic, detection), (_, recovery)) in occurrence.detection.iter().zip(&occurrence.recovery) {
            let felt = match (detection.found, detection.between) {
                ("felt", Some(span)) => format!("felt {} after it began", between(span, effective.start)),
                ("never", _) if recovery.between == Some([effective.end; 2]) => {
                    lines.push(format!("{traffic}{at}: no steady promise gave way, nothing to recover from"));
                    continue;
                }
                ("never", _) => "no steady promise gave way".to_owned(),
                _ => continue, // nothing is steady, or it cannot be told apart
            };
            let recovered = match (recovery.found, recovery.between) {
                (_, Some([from, to])) if to == effective.end && from == to => "recovered at once".to_owned(),
                (_, Some(span)) => format!("recovered {} after its end", between(span, effective.end)),
                (found, None) => format!("recovery {found}"),
            };
            lines.push(format!("{traffic}{at}: {felt}, {recovered}"));
        }
        if let Some(first) = &occurrence.alert {
            lines.push(format!("first alert{at}: {}", first_alert(first, effective.start)));
        }
    }
    for (traffic, dip) in fault.dip.iter().filter(|(_, dip)| dip.bad > 0) {
        let deepest = dip.deepest.map_or(String::new(), |span| format!(" in {}", instants(span)));
        let slower = dip.slowdown.map_or(String::new(), |times| {
            format!(", p95 {} instead of {} ({times:.1}×)", length(dip.p95), length(dip.before))
        });
        lines.push(format!(
            "{traffic} dipped: {} bad at worst{deepest}, {} of bad in all{slower}",
            units::percent(dip.depth),
            length(Some(dip.area))
        ));
    }
    lines
}

/// `HighErrorRate 40s to 55s after it began`
fn first_alert(first: &FirstAlert, zero: Offset) -> String {
    let [from, to] = first.between.map(|at| units::duration(at.since(zero)));
    if from == to {
        format!("{} {to} after it began", first.alert)
    } else {
        format!("{} {from} to {to} after it began", first.alert)
    }
}

/// `20 s to 21 s`, to a tenth of a second.
pub fn instants(span: Span) -> String {
    format!("{} to {}", seconds(span.start.secs()), seconds(span.end.secs()))
}

/// What a run was held against, and what makes it no fair one where it was taken all the same.
pub fn baseline(baseline: &BaselineSummary) -> String {
    let BaselineSummary { run, verdict, unfair, .. } = baseline;
    match unfair.is_empty() {
        true => format!("{run}, {verdict}"),
        false => format!("{run}, {verdict}, taken although no fair one: {}", unfair.join("; ")),
    }
}

/// Whether the target was steady before the first fault, in a sentence.
pub fn gate(gate: &GateSummary) -> String {
    match gate.verdict {
        Verdict::Pass => {
            let promises = text::count(gate.promises.len() as u64, "promise");
            format!("{promises} held before `{}`, {}", gate.fault, instants(gate.window))
        }
        _ => gate.why(),
    }
}

/// What the canary saw after the last fault, in a sentence.
pub fn canary(seen: &[CanarySummary]) -> Option<String> {
    let unclean: Vec<String> = seen.iter().filter(|s| !s.clean).map(|s| format!("{}: {}", s.on, s.saw)).collect();
    match (seen.len() as u64, unclean.as_slice()) {
        (0, _) => None,
        (n, []) => Some(format!("{} after the last fault, all as before", text::count(n, "look"))),
        (_, unclean) => Some(format!("something is left over: {}", unclean.join("; "))),
    }
}

/// What a traffic's planned shots waited; nothing where none was planned.
pub fn response(traffic: &TrafficSummary) -> Option<&Percentiles> {
    let response = traffic.clocks.iter().find(|(clock, _)| clock == "response").map(|(_, of)| of);
    response.filter(|of| of.count > 0 || traffic.closed_loops.is_empty())
}

/// What became of a part of a traffic's shots, in a line.
pub fn part(name: &str, of: &PartSummary) -> String {
    let response = of.clocks.iter().find(|(clock, _)| clock == "response").map(|(_, lengths)| lengths);
    match response.filter(|lengths| lengths.count > 0) {
        Some(lengths) => format!("{name}: {}; response {}", outcomes(&of.outcomes), percentiles(lengths)),
        None => format!("{name}: no shot came to it"),
    }
}

/// How the shots of a traffic were followed, how closely it is known when they were over, and the tokens that were asked
/// for; a line each.
pub fn followed(of: &TrafficSummary) -> Vec<String> {
    let counted = |counts: &[(String, u64)]| {
        let counts: Vec<String> = counts.iter().map(|(word, n)| format!("{word} {}", text::thousands(*n))).collect();
        counts.join(", ")
    };
    let mut lines = Vec::new();
    if let Some(followed) = &of.followed {
        let mut parts = Vec::new();
        if followed.polls > 0 {
            parts.push(format!("followed by {}", text::count(followed.polls, "poll")));
        }
        if followed.held > 0 {
            let share = units::percent(followed.held as f64 / followed.polls.max(1) as f64);
            let held = length(followed.held_for);
            parts.push(format!("{share} of them held for the budget, for {held} on average: intervals grew"));
        }
        if !followed.vain.is_empty() {
            parts.push(format!("in vain: {}", counted(&followed.vain)));
        }
        for (count, what) in [
            (followed.early, "came before what was started was known"),
            (followed.again, "came again after it was over"),
            (followed.strange, "came of what was never started"),
            (followed.unreadable, "could not be read"),
            (followed.refused, "came too fast and were refused"),
        ] {
            if count > 0 {
                parts.push(format!("{} {what}", text::count(count, "completion")));
            }
        }
        lines.extend((!parts.is_empty()).then(|| parts.join("; ")));
        if !followed.states.is_empty() {
            lines.push(format!("ended in {}", counted(&followed.states)));
        }
        let gap = of.clocks.iter().find(|(clock, _)| clock == "gap").map(|(_, gap)| gap);
        if let Some(gap) = gap.filter(|gap| gap.count > 0) {
            let (p50, p99) = (length(gap.p50), length(gap.p99));
            lines.push(format!("the end of each is known to within the gap of its polls: p50 {p50}  p99 {p99}"));
        }
    }
    if let Some(logins) = &of.logins {
        let why = logins.why.as_ref().map_or_else(String::new, |why| format!(", the last because {why}"));
        let failed = if logins.failed > 0 { format!(", {} failed{why}", logins.failed) } else { String::new() };
        lines.push(format!("logged in again {}{failed}", text::count(logins.made, "time")));
    }
    lines
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
        parts.push(format!("busiest second {} of a core", core(cpu)));
    }
    parts.join(", ")
}

/// A share of a core, to a tenth of a hundredth: the kernel counts no finer.
fn core(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
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
    let checks: Vec<Verdict> = judgement.reconciled().map(|check| check.counts_as).collect();
    let agree = |verdict, word: &str| {
        let some = checks.iter().filter(|v| **v == verdict).count() as u64;
        match (checks.is_empty(), some) {
            (true, _) | (_, 0) => String::new(),
            (false, some) => {
                let verb = if word == "agree" && checks.len() == 1 { "agrees" } else { word };
                format!(", {some} of {} {verb}", text::count(checks.len() as u64, "reconciliation"))
            }
        }
    };
    match judgement.verdict {
        Verdict::Pass => format!("{} kept{}", text::count(all, "critical promise"), agree(Verdict::Pass, "agree")),
        Verdict::Fail => {
            format!(
                "{} of {} broken{}",
                failed,
                text::count(all, "critical promise"),
                agree(Verdict::Fail, "mismatched")
            )
        }
        Verdict::Inconclusive => {
            let undecided = count(Verdict::Inconclusive);
            let open = agree(Verdict::Inconclusive, "undecided");
            format!("{undecided} of {} undecided{open}", text::count(all, "critical promise"))
        }
        Verdict::Invalid => {
            let not = "the experiment was not what the scenario describes";
            // What is said of the run as a whole stands below.
            let (invalid, told) = (count(Verdict::Invalid), !judgement.reasons.is_empty());
            match judgement.fitness.unfit_seconds {
                _ if told || invalid == 0 => not.into(),
                0 => format!("{not}: {invalid} of {} cannot be ruled on", text::count(all, "critical promise")),
                n => format!(
                    "{not}: {invalid} of {} cannot be ruled on, the harness was unfit in {n} of {} seconds",
                    text::count(all, "critical promise"),
                    judgement.fitness.seconds
                ),
            }
        }
    }
}
