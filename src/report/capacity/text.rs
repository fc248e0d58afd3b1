//! A study on the terminal: the curve as a table, the knee, and what is lost under faults. The verdict comes last.

use std::fmt::Write as _;
use std::time::Duration;

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

use crate::base::{text, units};
use crate::judge::capacity::{Borne, Ended, Knee, Lengths, Probe, Role, Search, Study};
use crate::judge::{Kind, Quantity, Verdict};
use crate::report::table::shade;

/// How wide a table may be, in characters.
const WIDTH: u16 = 110;
/// How much of a promise is shown, in characters.
const PROMISE: usize = 48;

/// Renders a study; `place` is its folder.
pub fn capacity(study: &Study, place: &str, colour: bool) -> String {
    let mut out = String::new();
    let replicas = if study.replicas > 1 { format!(", {} addresses", study.replicas) } else { String::new() };
    let _ = writeln!(
        out,
        "\n{}: capacity of `{}`, {}{replicas}\n",
        text::shorten(&study.scenario, 70),
        study.traffic,
        study.target
    );
    for search in &study.searches {
        if let Some(fault) = &search.fault {
            let _ = writeln!(out, "under {fault}");
        }
        curve(&mut out, search, colour);
        for line in found(search) {
            let _ = writeln!(out, "  {line}");
        }
        out.push('\n');
    }
    losses(&mut out, study, colour);
    for line in &study.left_out {
        let _ = writeln!(out, "left out  {line}");
    }
    for claimed in &study.claims {
        let _ = writeln!(out, "{} {}: {}", claimed.verdict.word(), claimed.promise, claimed.why);
    }
    let _ = writeln!(out, "evidence  {place}\n");
    let why = study.why.first().map_or(String::new(), |why| format!("  {why}"));
    let _ = writeln!(out, "{}", shade(&format!("{}{why}", study.verdict.word()), colour));
    for why in study.why.iter().skip(1) {
        let _ = writeln!(out, "  {why}");
    }
    out
}

/// One probe in a line, as it comes.
pub fn probe(search: &Search, probe: &Probe) -> String {
    let under = search.fault.as_ref().map_or(String::new(), |fault| format!("under {fault}, "));
    let what = match (probe.role, probe.borne) {
        (Role::Warm, _) => "warm",
        (Role::Search, _) => "search",
        (Role::Return, _) => "return",
    };
    let after = probe.borne.map_or(String::new(), |borne| format!(" after {}", overload(borne)));
    let why = match probe.decided() {
        Some(true) => String::new(),
        Some(false) => probe.first_broken.as_ref().map_or(String::new(), |promise| format!(": {promise}")),
        None => probe.why.first().map_or(String::new(), |why| format!(": {}", text::shorten(why, 100))),
    };
    format!(
        "{under}probe {}, {what}: {}{after}: p95 {}, errors {}: {}{why}",
        probe.number,
        rate(probe.offered),
        length(probe.response.p95),
        units::percent(probe.errors),
        probe.verdict.word(),
    )
}

/// What was offered, what came back, and how long it took, from the lowest rate.
fn curve(out: &mut String, search: &Search, colour: bool) {
    let mut probes: Vec<&Probe> = search.probes.iter().collect();
    if probes.is_empty() {
        return;
    }
    probes.sort_by(|a, b| a.offered.total_cmp(&b.offered).then(a.number.cmp(&b.number)));
    let mut table = plain(["", "offered", "achieved", "p50", "p95", "p99", "errors", "in flight", "by Little", "what"]);
    for probe in probes {
        let Lengths { p50, p95, p99, .. } = probe.response;
        let number = |n: Option<f64>| n.map_or("–".to_owned(), |n| format!("{n:.1}"));
        let mut row = vec![Cell::new(probe.verdict.word())];
        let cells = [
            rate(probe.offered),
            rate(probe.achieved),
            length(p50),
            length(p95),
            length(p99),
            units::percent(probe.errors),
            number(probe.in_flight),
            number(probe.little),
        ];
        row.extend(cells.map(|text| Cell::new(text).set_alignment(CellAlignment::Right)));
        row.push(Cell::new(what(probe)));
        table.add_row(row);
    }
    write(out, &table, colour);
}

fn what(probe: &Probe) -> String {
    let role = match (probe.role, probe.borne) {
        (_, Some(borne)) => return format!("after {}", overload(borne)),
        (Role::Warm, _) => "warm-up",
        _ => "",
    };
    match (role, probe.counts, probe.first_broken.as_ref()) {
        (_, _, Some(promise)) if probe.verdict == Verdict::Fail => text::shorten(promise, 30),
        ("", false, _) if probe.decided().is_some() => "before it was warm".into(),
        (role, ..) => role.into(),
    }
}

/// The knee in words, and what else was seen.
fn found(search: &Search) -> Vec<String> {
    let knee = &search.knee;
    let mut lines = vec![format!("knee      {}", at(knee))];
    if let Some(first) = knee.breaks.first() {
        let also: Vec<String> = knee.breaks[1..]
            .iter()
            .take(3)
            .map(|b| format!("{} at {}", text::shorten(&b.promise, PROMISE), rate(b.rate)))
            .collect();
        let also = if also.is_empty() { String::new() } else { format!("; then {}", also.join(", ")) };
        lines.push(format!(
            "breaks    {} first, at {}{also}",
            text::shorten(&first.promise, PROMISE),
            rate(first.rate)
        ));
    }
    if let Some(from) = knee.errors_from {
        lines.push(format!("errors    from {} on", rate(from)));
    }
    if let Some(limit) = knee.generator_limit {
        lines.push(format!(
            "generator could not keep up at {}: nothing is known of the target from there on",
            rate(limit)
        ));
    }
    if let Some(warming) = knee.warming {
        let (first, last) = (length(Some(warming.first)), length(Some(warming.last)));
        let count = text::count(u64::from(warming.left_out), "broken probe");
        lines.push(format!(
            "warms up  at {} p50 went from {first} to {last}; {count} of before left out",
            rate(warming.rate)
        ));
    }
    match (knee.metastable, knee.hysteresis) {
        (Some(m), _) => {
            let back = m.recovered_at.map_or("no rate that was tried".into(), rate);
            lines.push(format!(
                "METASTABLE: {} was fine, and {} after an overload of {} still is not; it comes back at {back}",
                rate(m.fine_before),
                length(Some(m.over)),
                rate(m.overload)
            ));
        }
        (None, Some(h)) => {
            let down = h.down.map_or("no rate that was tried".into(), rate);
            lines.push(format!("hysteresis: up to {} on the way up; on the way down it holds at {down}", rate(h.up)));
        }
        (None, None) => {
            let back = search.probes.iter().rev().find(|p| p.role == Role::Return && p.decided() == Some(true));
            if let Some((probe, borne)) = back.and_then(|probe| Some((probe, probe.borne?))) {
                lines.push(format!("comes back after {}: at {} all held again", overload(borne), rate(probe.offered)));
            }
        }
    }
    lines.extend(over_limit(search));
    lines.push(format!("ended     {}", ended(search.ended.as_ref())));
    lines
}

/// Which upstreams are called more often than they allow, and from which rate on.
fn over_limit(search: &Search) -> Vec<String> {
    let mut names: Vec<&String> = search.probes.iter().flat_map(|probe| probe.upstreams.keys()).collect();
    names.sort();
    names.dedup();
    let one = |name: &String| {
        let used = search.probes.iter().filter_map(|probe| Some((probe, probe.upstreams.get(name)?)));
        let beyond = used.filter_map(|(probe, used)| (used.calls >= used.limit?).then_some((probe.offered, used)));
        let (at, used) = beyond.min_by(|a, b| a.0.total_cmp(&b.0))?;
        let limit = used.limit.map_or(String::new(), rate);
        Some(format!("upstream  {name} is called {} at {}, and allows {limit}", rate(used.calls), rate(at)))
    };
    names.into_iter().filter_map(one).collect()
}

fn losses(out: &mut String, study: &Study, colour: bool) {
    if study.searches.len() < 2 {
        return;
    }
    let mut table = plain(["fault", "knee", "from", "to", "lost", "breaks first"]);
    for search in &study.searches {
        let knee = &search.knee;
        let lost = match (&search.fault, study.loss(search)) {
            (None, _) => String::new(),
            (_, Some(lost)) => units::percent(lost.max(0.0)),
            (_, None) => "–".into(),
        };
        let known = |of: Option<f64>| of.map_or("–".to_owned(), rate);
        let cells = [known(knee.rate), rate(knee.low), known(knee.high), lost];
        let mut row = vec![Cell::new(search.fault.as_deref().unwrap_or("none"))];
        row.extend(cells.map(|text| Cell::new(text).set_alignment(CellAlignment::Right)));
        row.push(Cell::new(knee.breaks.first().map_or("–".into(), |first| text::shorten(&first.promise, PROMISE))));
        table.add_row(row);
    }
    write(out, &table, colour);
}

fn at(knee: &Knee) -> String {
    match (knee.rate, knee.high) {
        (Some(at), Some(high)) => {
            let sure = units::percent(knee.confidence);
            format!("{}, surely ({sure}) between {} and {}", rate(at), rate(knee.low), rate(high))
        }
        (_, Some(high)) if knee.low > 0.0 => format!("between {} and {}", rate(knee.low), rate(high)),
        (_, Some(high)) => format!("below {}", rate(high)),
        (_, None) if knee.low > 0.0 => format!("above {}", rate(knee.low)),
        (_, None) => "unknown".into(),
    }
}

/// Why a search came to its end.
fn ended(ended: Option<&Ended>) -> String {
    match ended {
        Some(Ended::Found) => "as close as was asked for".into(),
        Some(Ended::BrokenAtLowest) => "broken at the lowest rate already".into(),
        Some(Ended::HoldsAtMost) => "at the highest rate that was to be tried, which holds".into(),
        Some(Ended::Generator) => "where the generator cannot go on".into(),
        Some(Ended::NotBack) => "because the target did not come back after an overload".into(),
        Some(Ended::OutOfTime) => "because the time was over".into(),
        Some(Ended::Interrupted) => "because somebody interrupted it".into(),
        Some(Ended::Terminated) => "because somebody terminated it".into(),
        Some(Ended::Stuck(why)) => why.clone(),
        None => "not yet".into(),
    }
}

fn overload(borne: Borne) -> String {
    format!("{} of {}", length(Some(borne.length)), rate(borne.rate))
}

fn rate(per_second: f64) -> String {
    Quantity { value: per_second, kind: Kind::Rate }.to_string()
}

fn length(seconds: Option<f64>) -> String {
    seconds.map_or("–".into(), |seconds| units::measured(Duration::from_secs_f64(seconds.max(0.0))))
}

fn plain<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
    table.set_header(header);
    table
}

fn write(out: &mut String, table: &Table, colour: bool) {
    for line in table.lines() {
        let _ = writeln!(out, "{}", shade(line.trim_end(), colour));
    }
    out.push('\n');
}
