//! Runs every case of `tests/verdicts/`: a scenario, what happened, and what the judge must say.
//!
//! What a case looks like, `verdicts/case.rs` says; what it expects is
//!
//! ```text
//! PASS | FAIL | INCONCLUSIVE | INVALID, exit CODE
//! N: VERDICT [FRAGMENT of why]               the N-th promise
//! N observed VALUE..VALUE   N samples COUNT   N slices FAILED of TOTAL   N where FRAGMENT
//! TRAFFIC planned COUNT taken COUNT sent COUNT
//! TRAFFIC NTH loop COUNT shots RATE/s        its closed loops
//! TRAFFIC claim VALUE..VALUE | no claim      p99 of a closed-loop tool, in seconds
//! because FRAGMENT                           of a reason that concerns the whole run
//! stuck FRAGMENT                             of what could not be undone
//! fault NAME FRAGMENT                        of what reports say of it: when, its damage, line by line
//! gate VERDICT FRAGMENT | no gate            of what reports say of the time before the first fault
//! alert NAME FRAGMENT                        of what reports say of it: `STATE WINDOW, …; evaluated`, and more
//! contract JOB FRAGMENT                      of what reports show of a contract, line by line
//! cause FRAGMENT                             of `WORD xSECONDS what: why; remedy`: why seconds were unfit
//! causes COUNT
//! metrics N: OK | MISMATCH | UNDECIDED | NO_DATA [FRAGMENT of why]     the N-th reconciliation
//! metrics N GROUP: … [FRAGMENT of why]       one group of it
//! metrics N residue FRAGMENT                 of `COUNT CAUSE`, in any of its groups
//! metrics N says FRAGMENT                    of what reports say of it
//! FAULT absorbed N surfaced N unexplained N background N      its book
//! FAULT TRAFFIC absorbed N surfaced N unexplained N           that of one traffic
//! FAULT late N | shots N | calls N for N at most N | chosen N of N within N..N | not attributable | no book
//! FAULT told N early N of N again N of N | herds N of N | examples N
//! ```

#![allow(clippy::panic, reason = "a test fails by panicking")]

#[path = "verdicts/bad_days.rs"]
mod bad_days;
#[path = "verdicts/case.rs"]
mod case;
#[path = "verdicts/ends.rs"]
mod ends;
#[path = "verdicts/forecast.rs"]
mod forecast;
#[path = "verdicts/gates.rs"]
mod gates;
#[path = "verdicts/junit.rs"]
mod junit;
#[path = "verdicts/ledger.rs"]
mod ledger;
#[path = "verdicts/machines.rs"]
mod machines;
#[path = "verdicts/made.rs"]
mod made;
#[path = "verdicts/page.rs"]
mod page;
#[path = "verdicts/parts.rs"]
mod parts;
#[path = "verdicts/polled.rs"]
mod polled;
#[path = "verdicts/published.rs"]
mod published;
#[path = "verdicts/questions.rs"]
mod questions;
#[path = "verdicts/reports.rs"]
mod reports;
#[path = "verdicts/schema.rs"]
mod schema;
#[path = "verdicts/servers.rs"]
mod servers;
#[path = "verdicts/several.rs"]
mod several;
#[path = "verdicts/stops.rs"]
mod stops;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use case::{Case, Fate, WALL, trace};
use proofload::base::time::{Offset, Span};
use proofload::base::timing::Timing;
use proofload::base::trace::TraceId;
use proofload::base::units::Share;
use proofload::evidence::baseline::Baseline;
use proofload::evidence::counters::{Count, RouteCount};
use proofload::evidence::event::{Event, FaultStep, Tick, TickRow};
use proofload::evidence::latency::{self, Interval, LatencyLog, Tag, grid};
use proofload::evidence::manifest::{End, Host, Manifest};
use proofload::evidence::reader::Evidence;
use proofload::evidence::reply::{Maybe, Outcome, Reply};
use proofload::evidence::tally::Tally;
use proofload::evidence::touches::{Decision, Effect, ShotTouch};
use proofload::judge::{CauseSummary, Judgement, TrafficSummary, Verdict, judge};
use proofload::report;

#[test]
fn every_case_is_judged_as_it_says() {
    let missed = |(name, case): &(String, Judged)| {
        let come_to = case.as_ref().map_err(String::clone).and_then(|(expected, is)| compare(expected, is));
        come_to.err().map(|why| format!("{name}: {why}"))
    };
    let wrong: Vec<String> = judged().iter().filter_map(missed).collect();
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
    assert!(judged().len() >= 60, "only {} cases", judged().len());
}

#[test]
fn the_same_evidence_gives_the_same_judgement_byte_for_byte() {
    for path in cases().iter().step_by(7) {
        let text = fs::read_to_string(path).expect("readable");
        let case = Case::read(&text).expect("a case");
        let once = serde_json::to_string_pretty(&case.judge()).expect("serialises");
        let again = serde_json::to_string_pretty(&Case::read(&text).expect("a case").judge()).expect("serialises");
        assert_eq!(once, again, "{}", path.display());
        for key in ["format", "verdict", "exit_code", "findings", "fitness", "traffic", "faults", "scrapes"] {
            assert!(once.contains(&format!("\n  \"{key}\": ")), "{}: no {key}", path.display());
        }
    }
}

/// The log in memory is the log that a run writes: the judgement does not depend on the order of its lines.
#[test]
fn the_log_of_a_run_gives_the_same_judgement() {
    for path in cases().iter().step_by(31) {
        let case = Case::read(&fs::read_to_string(path).expect("readable")).expect("a case");
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("latency.hlog");
        let names = case.scenario.traffic.iter();
        let names = names.map(|t| (t.name.clone(), t.classes.iter().map(|c| c.name.clone()).collect())).collect();
        let mut writer =
            latency::Writer::create(&file, names, case.plan.timeline.edges().to_vec(), WALL).expect("creates");
        let mut replies = case.replies();
        replies.sort_by_key(|reply| (reply.done, reply.seq)); // as they come in
        for batch in replies.chunks(500) {
            batch.iter().for_each(|reply| writer.record(reply));
            writer.flush().expect("flushes");
        }
        let (latency, torn) = LatencyLog::read(&file).expect("reads");
        assert_eq!(torn, None);
        let written = Evidence { latency, ..case.evidence() };
        let written = judge(&case.scenario, &case.plan, &written, &case.series);
        assert_eq!(written, case.judge(), "{}", path.display());
    }
}

/// A steady promise and a fault five seconds after the beginning.
const GATED: &str = "proofload: 1
target: { sim: quote-service, timeout: 2s }
upstreams: { jupiter: { like: jupiter } }
traffic:
  quotes:
    flow: { steps: [ { get: / } ] }
    arrivals: even
    load: [ { hold: { at: 40/s, for: 12s } } ]
faults:
  hangs: { on: upstream/jupiter, inject: { timeout: {} }, at: 5s, for: 2s }
slo:
  - { expect: errors(quotes) < 5%, outside: faults, steady: true }
---
quotes: ok 20ms
";

#[test]
fn the_gate_is_settled_when_all_that_was_due_before_the_fault_is_known() {
    let of = |scenario: &str, more: &str| {
        let case = Case::read(&format!("{scenario}{more}---\nPASS, exit 0\n")).expect("a case");
        proofload::judge::gate(&case.scenario, &case.plan, &mut case.evidence(), &case.series).expect("a gate")
    };
    let settled = |more: &str| Some(of(GATED, more).is_settled);
    assert_eq!(settled(""), Some(true));
    assert_eq!(settled("ended: died 3s\n"), Some(false), "nothing is known of the last two seconds");
    assert_eq!(settled("quotes 2s..3s first 1: lost\n"), Some(false), "one is under way still");

    // Of 200 shots that are due before the fault nobody has told of the last four or five, and a twentieth may fail: they may be as
    // many as chance allows, and a draw that is wider allows more.
    let stands = |arrivals: &str, share: &str, died: &str| {
        let scenario = GATED.replace("arrivals: even", arrivals).replace("< 5%", &format!("< {share}"));
        of(&scenario, &format!("ended: died {died}\n")).summary.verdict == Verdict::Pass
    };
    assert!(stands("arrivals: even", "5%", "4900ms") && !stands("arrivals: even", "2%", "4900ms"));
    assert!(stands("arrivals: poisson", "12%", "4900ms") && !stands("arrivals: poisson", "5%", "4900ms"));
    assert!(!stands("arrivals: { hawkes: { branching: 75%, decay: 1s } }", "12%", "4900ms"));
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/verdicts");
    let mut cases: Vec<PathBuf> = fs::read_dir(folder)
        .expect("a folder of cases")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|e| e == "case"))
        .collect();
    cases.sort();
    cases
}

/// What a case expects and what it comes to, or why it is none.
type Judged = Result<(Vec<String>, Judgement), String>;

/// Every case by name, judged once.
fn judged() -> &'static [(String, Judged)] {
    static ALL: OnceLock<Vec<(String, Judged)>> = OnceLock::new();
    ALL.get_or_init(|| {
        let one = |path: PathBuf| {
            let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            let case = fs::read_to_string(&path).map_err(|e| e.to_string()).and_then(|text| Case::read(&text));
            (name, case.map(|case| (case.expected.clone(), case.judge())))
        };
        // Half of them beside the other half: everything else waits for them.
        let all = cases();
        let (some, others) = all.split_at(all.len() / 2);
        let of = |paths: &[PathBuf]| paths.iter().cloned().map(one).collect::<Vec<_>>();
        thread::scope(|scope| {
            let others = scope.spawn(|| of(others));
            let mut all = of(some);
            all.extend(others.join().expect("no panic"));
            all
        })
    })
}

fn judgements() -> impl Iterator<Item = (&'static str, &'static Judgement)> {
    judged().iter().filter_map(|(name, case)| Some((name.as_str(), &case.as_ref().ok()?.1)))
}

fn compare(expected: &[String], judgement: &Judgement) -> Result<(), String> {
    let missed: Vec<String> = expected.iter().filter_map(|line| check(line, judgement).err()).collect();
    if missed.is_empty() {
        return Ok(());
    }
    let mut said = String::new();
    for (n, finding) in judgement.findings.iter().enumerate() {
        let (verdict, samples) = (finding.verdict.word(), finding.samples);
        said.push_str(&format!("\n    {}: {verdict} {} [{samples} shots, {:?}]", n + 1, finding.why, finding.observed));
    }
    let reasons: Vec<&str> = judgement.reasons.iter().map(|r| r.why.as_str()).collect();
    said.extend(judgement.fitness.causes.iter().map(|cause| format!("\n    cause {}", of_cause(cause))));
    let exit = judgement.exit.code();
    Err(format!("{}\n  said: {} exit {exit} {reasons:?}{said}", missed.join("; "), judgement.verdict.word()))
}

fn of_cause(c: &CauseSummary) -> String {
    let word = serde_json::to_value(c.cause).expect("a word");
    let word = word.as_str().unwrap_or_default();
    format!("{word} x{} {}: {}; {}", c.seconds, c.what, c.why, c.remedy).replace('\u{202f}', " ")
}

fn check(line: &str, judgement: &Judgement) -> Result<(), String> {
    let miss = || Err(format!("not so: {line}"));
    if let Some((verdict, exit)) = line.split_once(", exit ") {
        let is = judgement.verdict.word() == verdict && judgement.exit.code().to_string() == exit;
        return if is { Ok(()) } else { miss() };
    }
    if let Some(fragment) = line.strip_prefix("because ") {
        return if judgement.reasons.iter().any(|r| r.why.contains(fragment)) { Ok(()) } else { miss() };
    }
    if let Some(rest) = line.strip_prefix("fault ") {
        let (name, fragment) = rest.split_once(' ').ok_or_else(|| format!("what does `{line}` expect?"))?;
        let fault = judgement.faults.iter().find(|f| f.name == name).ok_or_else(|| format!("no fault {name}"))?;
        let said = [
            vec![report::words::fault(fault)],
            report::ledger::lines(fault),
            report::words::control(fault),
            report::words::damage(fault),
        ];
        let said = said.concat().join("\n");
        let said = said.replace('\u{202f}', " ");
        return if said.contains(fragment) { Ok(()) } else { Err(format!("not so: {line}\n    said: {said}")) };
    }
    if let Some(rest) = line.strip_prefix("server ") {
        return servers::check(rest, judgement);
    }
    if let Some(fragment) = line.strip_prefix("stuck ") {
        return if judgement.stuck.iter().any(|s| s.why.contains(fragment)) { Ok(()) } else { miss() };
    }
    if line == "no gate" {
        return if judgement.gate.is_none() { Ok(()) } else { miss() };
    }
    if let Some(rest) = line.strip_prefix("gate ") {
        let (verdict, fragment) = rest.split_once(' ').unwrap_or((rest, ""));
        let gate = judgement.gate.as_ref().ok_or("there is no gate")?;
        let said = report::words::gate(gate).replace('\u{202f}', " ");
        let is = gate.verdict.word() == verdict && said.contains(fragment);
        return if is { Ok(()) } else { Err(format!("not so: {line}\n    said: {} {said}", gate.verdict.word())) };
    }
    if let Some(rest) = line.strip_prefix("alert ") {
        let (name, fragment) = rest.split_once(' ').ok_or_else(|| format!("what does `{line}` expect?"))?;
        let replayed = judgement.alerts.as_ref().ok_or("there are no alerts")?;
        let alert = replayed.alerts.iter().find(|a| a.alert == name).ok_or_else(|| format!("no alert {name}"))?;
        let said = [vec![report::alerts::line(alert, replayed.phases)], report::alerts::lines(alert, false)];
        let said = said.concat().join("\n").replace('\u{202f}', " ");
        return if said.contains(fragment) { Ok(()) } else { Err(format!("not so: {line}\n    said: {said}")) };
    }
    if let Some(rest) = line.strip_prefix("contract ") {
        let (job, fragment) = rest.split_once(' ').ok_or_else(|| format!("what does `{line}` expect?"))?;
        let of =
            judgement.contracts.iter().find(|(name, _)| name == job).ok_or_else(|| format!("no contract {job}"))?;
        let violations = of.1.violations.iter().map(report::contract::violation).collect();
        let said =
            [vec![report::contract::page(&of.1)], report::contract::probes(&of.1), violations, of.1.idle.clone()];
        let said = said.concat().join("\n").replace('\u{202f}', " ");
        return if said.contains(fragment) { Ok(()) } else { Err(format!("not so: {line}\n    said: {said}")) };
    }
    let causes = &judgement.fitness.causes;
    if let Some(fragment) = line.strip_prefix("cause ") {
        return if causes.iter().any(|c| of_cause(c).contains(fragment)) { Ok(()) } else { miss() };
    }
    if let Some(count) = line.strip_prefix("causes ") {
        return if causes.len().to_string() == count { Ok(()) } else { miss() };
    }
    if let Some(rest) = line.strip_prefix("metrics ") {
        return reconciled(rest, judgement).map_err(|why| format!("not so: {line}: {why}"));
    }
    let (head, rest) = line.split_once(' ').ok_or_else(|| format!("what does `{line}` expect?"))?;
    if let Some((_, traffic)) = judgement.traffic.iter().find(|(name, _)| name == head) {
        return if of_traffic(rest, traffic).ok_or_else(|| format!("what does `{line}` expect?"))? {
            Ok(())
        } else {
            miss()
        };
    }
    if let Some(fault) = judgement.faults.iter().find(|fault| fault.name == head) {
        let is = ledger::check(rest, fault).ok_or_else(|| format!("what does `{line}` expect?"))?;
        return if is { Ok(()) } else { Err(format!("not so: {line}: {:?}", fault.ledger)) };
    }
    let n: usize = head.trim_end_matches(':').parse().map_err(|_| format!("what does `{line}` expect?"))?;
    let finding = judgement.findings.get(n - 1).ok_or_else(|| format!("there is no promise {n}"))?;
    let words: Vec<&str> = rest.split(' ').collect();
    let is = match words.as_slice() {
        ["observed", range] => {
            let (low, high) = range.split_once("..").ok_or_else(|| format!("`{range}` is no range"))?;
            let observed = finding.observed.map(|o| o.value);
            let ends: (f64, f64) = (low.parse().map_err(|_| line)?, high.parse().map_err(|_| line)?);
            observed.is_some_and(|o| ends.0 <= o && o <= ends.1)
        }
        ["where", ..] => finding.window.name.contains(&rest["where ".len()..]),
        ["samples", count] => finding.samples.to_string() == *count,
        ["slices", failed, "of", total] => {
            finding.slices.is_some_and(|s| s.failed.to_string() == *failed && s.total.to_string() == *total)
        }
        [verdict, ..] => {
            let fragment = rest[verdict.len()..].trim();
            finding.verdict.word() == *verdict && finding.why.replace('\u{202f}', " ").contains(fragment)
        }
        [] => false,
    };
    if is { Ok(()) } else { miss() }
}

fn reconciled(line: &str, judgement: &Judgement) -> Result<(), String> {
    let unread = || format!("what does `{line}` expect?");
    let (head, rest) = line.split_once(' ').ok_or_else(unread)?;
    let n: usize = head.trim_end_matches(':').parse().map_err(|_| unread())?;
    let check = judgement.reconcile.get(n - 1).ok_or("there is no such check")?;
    let plain = |text: &str| text.replace('\u{202f}', " ");
    let all = || {
        check
            .records
            .iter()
            .map(|r| format!("{} {} {} {:?}", r.group, r.verdict.word(), r.why, r.residue))
            .collect::<Vec<_>>()
            .join("\n    ")
    };
    let residues: Vec<String> =
        check.records.iter().flat_map(|r| &r.residue).map(|r| format!("{} {}", r.count, r.cause)).collect();
    let is = if let Some(fragment) = rest.strip_prefix("residue ") {
        residues.iter().any(|residue| plain(residue).contains(fragment))
    } else if let Some(fragment) = rest.strip_prefix("says ") {
        plain(&report::table(judgement, "here", false)).contains(fragment)
    } else if head.ends_with(':') {
        let (verdict, fragment) = rest.split_once(' ').unwrap_or((rest, ""));
        check.verdict.word() == verdict && plain(&check.why).contains(fragment)
    } else {
        let (group, said) = rest.split_once(": ").ok_or_else(unread)?;
        let (verdict, fragment) = said.split_once(' ').unwrap_or((said, ""));
        let record = check.records.iter().find(|r| r.group == group).ok_or_else(|| format!("no group; {}", all()))?;
        record.verdict.word() == verdict && plain(&record.why).contains(fragment)
    };
    if is { Ok(()) } else { Err(format!("{} {}\n    {}", check.verdict.word(), check.why, all())) }
}

fn of_traffic(line: &str, traffic: &TrafficSummary) -> Option<bool> {
    Some(match line.split(' ').collect::<Vec<_>>().as_slice() {
        ["planned", planned, "taken", taken, "sent", sent] => {
            let said = [traffic.planned, traffic.taken_up, traffic.sent].map(|n| n.to_string());
            said == [*planned, *taken, *sent]
        }
        [nth, "loop", shots, "shots", rate] => {
            let closed = traffic.closed_loops.get(nth.parse::<usize>().ok()? - 1)?;
            closed.shots.to_string() == *shots && format!("{}/s", closed.rate) == *rate
        }
        ["claim", range] => {
            let (low, high): (f64, f64) = range
                .split_once("..")
                .map(|(a, b)| (a.parse(), b.parse()))
                .map(|(a, b)| Some((a.ok()?, b.ok()?)))??;
            traffic.closed_loop_claim.is_some_and(|c| low <= c.claimed && c.claimed <= high)
        }
        ["no", "claim"] => traffic.closed_loop_claim.is_none(),
        _ => return None,
    })
}

/// What a case came to, in memory.
impl Case {
    fn judge(&self) -> Judgement {
        judge(&self.scenario, &self.plan, &self.evidence(), &self.series)
    }

    /// Shots that are over, in the order in which they were due.
    fn replies(&self) -> Vec<Reply> {
        let died_at = self.end.is_none().then_some(self.at).flatten();
        let mut replies = Vec::new();
        for (traffic, seq, due, fate) in self.taken_up() {
            let Fate::Done { outcome, response, service, lag, class, first, opening, status } = fate else { continue };
            let done = due + response;
            if died_at.is_some_and(|died| done > died) {
                continue;
            }
            let sent = service.map(|s| done - s);
            let first_byte = sent.zip(first).map(|(sent, first)| sent + first);
            replies.push(Reply {
                traffic: traffic as u16,
                seq: seq as u64,
                class,
                outcome,
                status,
                due,
                ready: due + lag,
                sent: sent.into(),
                first_byte: first_byte.or((outcome == Outcome::Ok).then_some(done)).into(),
                done,
                opening,
                not_before: Maybe::NONE,
                why: None,
            });
        }
        replies
    }

    fn taken_up(&self) -> impl Iterator<Item = (usize, usize, Offset, Fate)> {
        let end = self.at.unwrap_or(Offset::MAX);
        self.fates.iter().enumerate().flat_map(move |(traffic, fates)| {
            let taken = fates.iter().enumerate().filter(move |(_, (due, _))| *due < end);
            taken.filter_map(move |(seq, (due, fate))| fate.map(|fate| (traffic, seq, *due, fate)))
        })
    }

    fn rows(&self, replies: &[Reply]) -> Vec<Vec<TickRow>> {
        let mut rows: BTreeMap<(usize, i64), TickRow> = BTreeMap::new();
        let mut row = |traffic, second, change: &dyn Fn(&mut TickRow)| {
            change(rows.entry((traffic, second)).or_insert(TickRow { second, ..TickRow::default() }));
        };
        let second = |due: Offset| due.nanos().div_euclid(1_000_000_000);
        for (traffic, _, due, fate) in self.taken_up() {
            let sent = matches!(fate, Fate::Done { service: Some(_), .. });
            row(traffic, second(due), &|row| (row.due, row.sent) = (row.due + 1, row.sent + u64::from(sent)));
        }
        for reply in replies {
            let mut loops = self.plan.timeline.closed_loops(usize::from(reply.traffic));
            let closed = u64::from(loops.any(|(span, _)| span.contains(reply.due)));
            let count = |row: &mut TickRow| (row.finished, row.closed) = (row.finished + 1, row.closed + closed);
            row(usize::from(reply.traffic), second(reply.due), &count);
        }
        for ((traffic, second), late) in &self.late {
            row(*traffic, *second, &|row| row.late = *late);
        }
        for ((traffic, second), ours) in &self.dropped {
            row(*traffic, *second, &|row| row.ours = *ours);
        }
        let of = |traffic| rows.iter().filter(|((t, _), _)| *t == traffic).map(|(_, row)| *row).collect();
        (0..self.fates.len()).map(of).collect()
    }

    /// The run that this one is held against, if any.
    fn baseline(&self) -> Option<Baseline> {
        let mut identity = self.manifest(self.plan.timeline.end).identity();
        identity.plan = self.other_plan.clone().unwrap_or(identity.plan);
        let baseline = Baseline::new("before", "reports/before", "PASS", identity, self.figures.clone());
        (!self.figures.is_empty()).then(|| Baseline { unfair: self.unfair.clone(), ..baseline })
    }

    fn evidence(&self) -> Evidence {
        let replies = self.replies();
        let mut log = Logged::new();
        replies.iter().for_each(|reply| self.log(reply, &mut log));
        let known = |reply: &&Reply| !self.forgotten.contains(&(usize::from(reply.traffic), reply.seq as usize));
        let under_way = replies.iter().filter(|reply| self.meets_fault(reply)).filter(known);
        let shots = under_way.map(|reply| ShotTouch::new(reply, trace(reply.traffic.into(), reply.seq as usize)));
        let shots: Vec<ShotTouch> = shots.collect();
        let decisions = self.decided_by(&shots);
        let mut events = self.events.clone();
        events.iter_mut().for_each(|event| {
            if let Event::Scrape(scrape) = event
                && self.counts
            {
                (scrape.at_a, scrape.at_b) = (self.counts(&replies, scrape.a), self.counts(&replies, scrape.b));
            }
        });
        let through = self.at.unwrap_or(Offset::MAX).min(self.plan.timeline.end);
        let (traffic, cpu) = (self.rows(&replies), self.cpu.clone());
        events.push(Event::Tick(Tick { at: through, through, traffic, cpu, health: self.health.clone() }));
        let (tags, intervals) = intervals(log);
        Evidence {
            manifest: self.manifest(through),
            events,
            latency: LatencyLog { tags, intervals },
            shots: shots.into(),
            parts: Default::default(),
            decisions: decisions.into(),
            fetched: self.fetched.clone(),
            baseline: self.baseline(),
            gaps: self.gaps.clone(),
        }
    }

    /// Our own counts at an instant. Every shot is one request, to the first of its routes.
    fn counts(&self, replies: &[Reply], at: Offset) -> Vec<Count> {
        let of = |traffic: usize| {
            let ours = || replies.iter().filter(|r| usize::from(r.traffic) == traffic);
            let sent = ours().filter(|r| r.sent.instant().is_some_and(|sent| sent <= at)).count() as u64;
            let done: Vec<&Reply> = ours().filter(|r| r.done <= at).collect();
            let mut answers: BTreeMap<(Option<u16>, u16), u64> = BTreeMap::new();
            for reply in done.iter().filter(|r| matches!(r.outcome, Outcome::Ok | Outcome::Rejected | Outcome::Invalid))
            {
                *answers.entry((reply.class, reply.status.unwrap_or(200))).or_default() += 1;
            }
            let replies = answers.into_iter().map(|((class, status), n)| (class, status, n)).collect();
            let routes = vec![RouteCount { sent, again: 0, replies }];
            Count { sent, finished: done.len() as u64, statuses: Vec::new(), routes }
        };
        (0..self.fates.len()).map(of).collect()
    }

    /// What the stage decided. Where a fault was cleared and nothing is said of its decisions, they are made up.
    fn decided_by(&self, shots: &[ShotTouch]) -> Vec<Decision> {
        let mut all = self.decisions.clone();
        for (fault, of) in self.scenario.faults.iter().enumerate() {
            let fault = fault as u16;
            if all.iter().any(|d| d.fault == fault) {
                continue;
            }
            let steps = self.events.iter().filter_map(|e| match e {
                Event::Fault { at, fault, step } if *fault == of.name => Some((*at, step)),
                _ => None,
            });
            let least = if of.share == Share::ALL { Effect::Allowed } else { Effect::Spared };
            let mut from = Offset::ZERO;
            for (at, step) in steps {
                let (eligible, injected) = match step {
                    FaultStep::Applied | FaultStep::Touched => {
                        from = from.max(at);
                        continue;
                    }
                    FaultStep::Cleared { eligible, injected } => (*eligible, *injected),
                    _ => continue,
                };
                let met: Vec<&ShotTouch> = shots.iter().filter(|s| s.done() >= from && s.due < at).collect();
                all.extend((0..eligible).map(|nth| {
                    let shot = met.get(nth as usize % met.len().max(1));
                    Decision {
                        trace: shot.map_or(TraceId::NONE, |shot| shot.trace),
                        // The first struck when it is said to have touched.
                        at: shot.map_or(from, |shot| if nth == 0 { from } else { shot.due.max(from) }),
                        fault,
                        attempt: nth as u32 / met.len().max(1) as u32,
                        effect: if nth < injected { Effect::Injected } else { least },
                        retry_after: 0,
                    }
                }));
            }
        }
        all.sort_by_key(|d| d.at);
        all
    }

    fn log(&self, reply: &Reply, log: &mut Logged) {
        let traffic = &self.scenario.traffic[usize::from(reply.traffic)];
        let class = reply.class.map(|c| traffic.classes[usize::from(c)].name.clone());
        for timing in Timing::ALL {
            let Some(length) = reply.nanos(timing).map(Duration::from_nanos) else { continue };
            let (mut start, mut end) =
                (reply.due.floor_to(grid(timing)), reply.due.floor_to(grid(timing)) + grid(timing));
            for edge in self.plan.timeline.edges() {
                if *edge <= reply.due {
                    start = start.max(*edge);
                } else {
                    end = end.min(*edge);
                }
            }
            let key = (start, end, traffic.name.clone(), class.clone(), reply.outcome, timing);
            log.entry(key).or_default().record(length);
        }
    }

    /// Whether [due, done] meets a fault, from its planned start until it was undone.
    fn meets_fault(&self, reply: &Reply) -> bool {
        let undone = |name: &str| {
            let cleared = self.events.iter().filter_map(|e| match e {
                Event::Fault { at, fault, step: FaultStep::Cleared { .. } } if fault == name => Some(*at),
                _ => None,
            });
            cleared.max().unwrap_or(Offset::MAX)
        };
        let timeline = &self.plan.timeline;
        let began = |fault| reply.done >= timeline.whole(fault).start;
        self.scenario.faults.iter().enumerate().any(|(i, fault)| began(i) && reply.due <= undone(&fault.name))
    }

    fn manifest(&self, at: Offset) -> Manifest {
        Manifest {
            format: 1,
            proofload: "0".into(),
            run: "case".into(),
            scenario: self.scenario.name.clone(),
            file: "case".into(),
            scenario_digest: String::new(),
            plan_digest: String::new(),
            seed: 1,
            time_scale: 1,
            inputs: Vec::new(),
            wall_zero: WALL,
            monotonic_zero: 0,
            stage_zero: 0,
            host: Host { cores: self.cores, ..Host::default() },
            services: (0..self.services).map(|n| ("api".to_owned(), format!("http://127.0.0.1:{}", 9 + n))).collect(),
            kafka: Vec::new(),
            connections: self.connections,
            timeout: self.scenario.target.timeout.as_nanos() as u64,
            lag_limit: self.scenario.fitness.lag.as_nanos() as u64,
            end: self.end.clone().map(|how| End { how, at }),
        }
    }
}

/// Lengths by the start and end of their interval, and their tag.
type Logged = BTreeMap<(Offset, Offset, String, Option<String>, Outcome, Timing), Tally>;

fn intervals(log: Logged) -> (Vec<Tag>, Vec<Interval>) {
    let mut tags: Vec<Tag> = Vec::new();
    let mut intervals = Vec::new();
    for ((start, end, traffic, class, outcome, timing), tally) in log {
        let tag = Tag { traffic, class, outcome, timing };
        let known = tags.iter().position(|t| *t == tag).unwrap_or_else(|| {
            tags.push(tag);
            tags.len() - 1
        });
        intervals.push(Interval { span: Span { start, end }, tag: known, cells: tally.cells().collect() });
    }
    (tags, intervals)
}
