//! Runs every case of `tests/verdicts/`: a scenario, what happened, and what the judge must say.
//!
//! A case has three parts, set apart by lines of `---`. First a scenario, as users write it. Then what happened, a line
//! each; what is said later holds instead of what was said before:
//!
//! ```text
//! TRAFFIC [FROM..TO] [every N | first N | last N]: OUTCOME RESPONSE [class NAME] [service T] [lag T] [wait T]
//! TRAFFIC [FROM..TO] […]: lost               taken up and never seen again
//! TRAFFIC [FROM..TO] […]: absent             never taken up
//! late TRAFFIC SECOND: N    dropped TRAFFIC SECOND: N    cpu SECOND: SHARE
//! fault NAME: applied T | touched T | cleared T eligible N injected N | failed T WHY | withheld WHY | stuck T WHY
//! ended: complete | died T | interrupted T | terminated T | cut_short T | not_started
//! scraped JOB FROM..TO [failed | missed]     scrapes at the job's own pace
//! sample NAME{label="value"} FROM..TO: VALUE [+RATE/s]     at each good scrape of its job
//! gap: WHY
//! ```
//!
//! Times are on the plan's axis. Shots that nothing is said of were never taken up. Last what is expected:
//!
//! ```text
//! PASS | FAIL | INCONCLUSIVE | INVALID, exit CODE
//! N: VERDICT [FRAGMENT of why]               the N-th promise
//! N observed VALUE..VALUE   N samples COUNT   N slices FAILED of TOTAL
//! because FRAGMENT                           of a reason that concerns the whole run
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proofload::base::series::{Labels, Sample, Series, stale};
use proofload::base::time::{Offset, Span};
use proofload::base::timing::Timing;
use proofload::base::trace::TraceId;
use proofload::base::units::parse_duration;
use proofload::evidence::event::{Event, FaultStep, Scrape, Tick, TickRow};
use proofload::evidence::latency::{Interval, LatencyLog, Tag, grid};
use proofload::evidence::manifest::{End, Host, How, Manifest};
use proofload::evidence::reader::Evidence;
use proofload::evidence::reply::{Outcome, Reply};
use proofload::evidence::tally::Tally;
use proofload::evidence::touches::ShotTouch;
use proofload::judge::{Judgement, judge};
use proofload::plan::Plan;
use proofload::scenario::{self, Scenario, Settings};

#[test]
fn every_case_is_judged_as_it_says() {
    let mut wrong = Vec::new();
    for path in cases() {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if let Err(why) = run(&path) {
            wrong.push(format!("{name}: {why}"));
        }
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
    assert!(cases().len() >= 60, "only {} cases", cases().len());
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

fn run(path: &Path) -> Result<(), String> {
    let text = fs::read_to_string(path).map_err(|e| e.to_string())?;
    let case = Case::read(&text)?;
    let judgement = case.judge();
    let missed: Vec<String> = case.expected.iter().filter_map(|line| check(line, &judgement).err()).collect();
    if missed.is_empty() {
        return Ok(());
    }
    let mut said = String::new();
    for (n, finding) in judgement.findings.iter().enumerate() {
        let (verdict, samples) = (finding.verdict.word(), finding.samples);
        said.push_str(&format!("\n    {}: {verdict} {} [{samples} shots, {:?}]", n + 1, finding.why, finding.observed));
    }
    let reasons: Vec<&str> = judgement.reasons.iter().map(|r| r.why.as_str()).collect();
    let exit = judgement.exit.code();
    Err(format!("{}\n  said: {} exit {exit} {reasons:?}{said}", missed.join("; "), judgement.verdict.word()))
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
    let (head, rest) = line.split_once(' ').ok_or_else(|| format!("what does `{line}` expect?"))?;
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

/// What became of a shot.
#[derive(Clone, Copy)]
enum Fate {
    Done { outcome: Outcome, response: Duration, service: Option<Duration>, lag: Duration, class: Option<u16> },
    Lost,
}

struct Case {
    scenario: Scenario,
    plan: Plan,
    fates: Vec<Vec<(Offset, Option<Fate>)>>, // by traffic: when due, and what became of it
    late: BTreeMap<(usize, i64), u64>,
    dropped: BTreeMap<(usize, i64), u64>,
    cpu: Vec<(i64, f64)>,
    events: Vec<Event>,
    end: Option<How>,
    at: Option<Offset>, // where a run was cut short
    series: Vec<Series>,
    gaps: Vec<String>,
    expected: Vec<String>,
}

impl Case {
    fn read(text: &str) -> Result<Case, String> {
        let parts: Vec<&str> = text.split("\n---\n").collect();
        let [yaml, evidence, expected] = parts.as_slice() else { return Err("a case has three parts".into()) };
        let settings = Settings {
            overrides: &[],
            time_scale: 1,
            allow_hosts: None,
            env: &|_| None,
            files: &|name| Err(io::Error::new(io::ErrorKind::NotFound, name.to_owned())),
            default_name: "case",
        };
        let scenario = scenario::read("case", yaml, &settings).map_err(|m| m.to_string())?;
        let plan = Plan::new(&scenario);
        let fates = plan.traffic.iter().map(|t| t.shots().map(|shot| (shot.due, None)).collect()).collect();
        let lines = |part: &str| -> Vec<String> {
            let plain = part.lines().map(|l| l.split(" # ").next().unwrap_or_default().trim());
            plain.filter(|l| !l.is_empty() && !l.starts_with('#')).map(str::to_owned).collect()
        };
        let mut case = Case {
            scenario,
            plan,
            fates,
            late: BTreeMap::new(),
            dropped: BTreeMap::new(),
            cpu: Vec::new(),
            events: Vec::new(),
            end: Some(How::Complete),
            at: None,
            series: Vec::new(),
            gaps: Vec::new(),
            expected: lines(expected),
        };
        for line in lines(evidence) {
            case.line(&line).ok_or_else(|| format!("what does `{line}` say?"))?;
        }
        Ok(case)
    }

    fn line(&mut self, line: &str) -> Option<()> {
        let (head, rest) = line.split_once(": ").unwrap_or((line, ""));
        let words: Vec<&str> = head.split_whitespace().collect();
        match words.as_slice() {
            ["late", traffic, second] => {
                self.late.insert((self.traffic(traffic)?, second.parse().ok()?), rest.parse().ok()?);
            }
            ["dropped", traffic, second] => {
                self.dropped.insert((self.traffic(traffic)?, second.parse().ok()?), rest.parse().ok()?);
            }
            ["cpu", second] => self.cpu.push((second.parse().ok()?, rest.parse().ok()?)),
            ["fault", name] => self.fault(name, rest)?,
            ["ended"] => self.ended(rest)?,
            ["gap"] => self.gaps.push(rest.to_owned()),
            ["scraped", job, span, how @ ..] => self.scraped(job, span_of(span)?, how)?,
            ["sample", series @ .., span] => self.sample(&series.concat(), span_of(span)?, rest)?,
            [traffic, select @ ..] => {
                let traffic = self.traffic(traffic)?;
                let fate = self.fate(traffic, rest)?;
                let (span, select) = match select {
                    [span, select @ ..] if span.contains("..") => (span_of(span)?, select),
                    select => (Span { start: Offset::ZERO, end: Offset::MAX }, select),
                };
                let all = &mut self.fates[traffic];
                let first = all.partition_point(|(due, _)| *due < span.start);
                let end = all.partition_point(|(due, _)| *due < span.end);
                let chosen: Vec<usize> = match select {
                    [] => (first..end).collect(),
                    ["every", n] => (first..end).step_by(n.parse().ok()?).collect(),
                    ["first", n] => (first..end).take(n.parse().ok()?).collect(),
                    ["last", n] => (first..end).rev().take(n.parse().ok()?).collect(),
                    _ => return None,
                };
                chosen.into_iter().for_each(|i| all[i].1 = fate);
            }
            [] => return None,
        }
        Some(())
    }

    fn traffic(&self, name: &str) -> Option<usize> {
        self.scenario.traffic.iter().position(|t| t.name == name)
    }

    /// `None` inside when the shot was never taken up.
    fn fate(&self, traffic: usize, text: &str) -> Option<Option<Fate>> {
        let mut words = text.split_whitespace();
        let outcome = match words.next()? {
            "lost" => return Some(Some(Fate::Lost)),
            "absent" => return Some(None),
            word => Outcome::from_word(word)?,
        };
        let response = parse_duration(words.next()?).ok()?;
        let sent = !matches!(outcome, Outcome::NotSent(_) | Outcome::Unreachable(_));
        let (mut service, mut lag, mut class) = (sent.then_some(response), Duration::ZERO, None);
        while let Some(word) = words.next() {
            let value = words.next()?;
            match word {
                "service" => service = Some(parse_duration(value).ok()?),
                "lag" => lag = parse_duration(value).ok()?,
                "class" => {
                    let classes = &self.scenario.traffic[traffic].classes;
                    class = Some(classes.iter().position(|c| c.name == value)? as u16);
                }
                _ => return None,
            }
        }
        Some(Some(Fate::Done { outcome, response, service, lag, class }))
    }

    fn fault(&mut self, name: &str, rest: &str) -> Option<()> {
        let words: Vec<&str> = rest.split_whitespace().collect();
        let (at, step) = match words.as_slice() {
            ["applied", at] => (at_of(at)?, FaultStep::Applied),
            ["touched", at] => (at_of(at)?, FaultStep::Touched),
            ["cleared", at, "eligible", eligible, "injected", injected] => {
                let step = FaultStep::Cleared { eligible: eligible.parse().ok()?, injected: injected.parse().ok()? };
                (at_of(at)?, step)
            }
            ["failed", at, why @ ..] => (at_of(at)?, FaultStep::Failed { why: why.join(" ") }),
            ["withheld", why @ ..] => (Offset::ZERO, FaultStep::Withheld { why: why.join(" ") }),
            ["stuck", at, why @ ..] => {
                (at_of(at)?, FaultStep::Stuck { why: why.join(" "), remedy: "proofload heal".into() })
            }
            _ => return None,
        };
        self.events.push(Event::Fault { at, fault: name.to_owned(), step });
        Some(())
    }

    fn ended(&mut self, rest: &str) -> Option<()> {
        let (how, at) = rest.split_once(' ').unwrap_or((rest, ""));
        self.end = match how {
            "complete" => Some(How::Complete),
            "died" => None,
            "interrupted" => Some(How::Interrupted),
            "terminated" => Some(How::Terminated),
            "cut_short" => Some(How::CutShort("disk full".into())),
            "not_started" => Some(How::NotStarted("not ready".into())),
            _ => return None,
        };
        self.at = (!at.is_empty()).then(|| at_of(at)).flatten();
        Some(())
    }

    fn scraped(&mut self, job: &str, span: Span, how: &[&str]) -> Option<()> {
        let every = self.scenario.jobs.iter().find(|j| j.name == job)?.every;
        let (failed, missed) = match how {
            [] => (None, false),
            ["failed"] => (Some("refused".to_owned()), false),
            ["missed"] => (Some("too late".to_owned()), true),
            _ => return None,
        };
        let mut at = span.start;
        while at <= span.end {
            self.events.retain(|e| !matches!(e, Event::Scrape(s) if s.job == job && s.planned == at));
            self.events.push(Event::Scrape(Scrape {
                job: job.into(),
                planned: at,
                a: at,
                b: at + Duration::from_millis(3),
                failed: failed.clone(),
                missed,
                samples: 0,
                at_a: Vec::new(),
                at_b: Vec::new(),
                quiet: false,
            }));
            at = at + every;
        }
        Some(())
    }

    /// Samples of a series at each good scrape of its job in a span; where a scrape failed the series is stale.
    fn sample(&mut self, series: &str, span: Span, rest: &str) -> Option<()> {
        let (value, slope) = rest.split_once(" +").unwrap_or((rest, "0/s"));
        let (value, slope): (f64, f64) = (value.parse().ok()?, slope.strip_suffix("/s")?.parse().ok()?);
        let labels = labels_of(series)?;
        let job = labels.get("job").to_owned();
        let mut samples = Vec::new();
        for event in &self.events {
            let Event::Scrape(scrape) = event else { continue };
            if scrape.job == job && span.start <= scrape.planned && scrape.planned <= span.end && !scrape.missed {
                let good = value + slope * scrape.planned.since(span.start).as_secs_f64();
                let at = WALL / 1_000_000 + scrape.planned.nanos() / 1_000_000;
                samples.push(Sample { at, value: if scrape.failed.is_none() { good } else { stale() } });
            }
        }
        samples.sort_by_key(|s| s.at);
        match self.series.iter_mut().find(|s| s.labels == labels) {
            Some(known) => known.samples.extend(samples),
            None => self.series.push(Series { labels, samples }),
        }
        Some(())
    }

    fn judge(&self) -> Judgement {
        judge(&self.scenario, &self.plan, &self.evidence(), &self.series)
    }

    fn evidence(&self) -> Evidence {
        let end = self.at.unwrap_or(Offset::MAX);
        let died = self.end.is_none();
        let mut log = Logged::new();
        let mut rows: Vec<BTreeMap<i64, TickRow>> = vec![BTreeMap::new(); self.fates.len()];
        let mut shots = Vec::new();
        for (traffic, fates) in self.fates.iter().enumerate() {
            for (seq, (due, fate)) in fates.iter().enumerate() {
                let Some(fate) = fate.filter(|_| *due < end) else { continue };
                let second = due.nanos().div_euclid(1_000_000_000);
                let row = rows[traffic].entry(second).or_insert(TickRow { second, ..TickRow::default() });
                row.due += 1;
                let Fate::Done { outcome, response, service, lag, class } = fate else { continue };
                row.sent += u64::from(service.is_some());
                let done = *due + response;
                if died && done > end {
                    continue;
                }
                row.finished += 1;
                let reply = Reply {
                    traffic: traffic as u16,
                    seq: seq as u64,
                    class,
                    outcome,
                    status: None,
                    due: *due,
                    ready: *due + lag,
                    sent: service.map(|s| done - s),
                    first_byte: (outcome == Outcome::Ok).then_some(done),
                    done,
                    connect: None,
                    why: None,
                };
                self.log(&reply, &mut log);
                if self.meets_fault(&reply) {
                    let mut trace = [traffic as u8; 16];
                    trace[..8].copy_from_slice(&(seq as u64).to_be_bytes());
                    shots.push(ShotTouch::new(&reply, TraceId(trace)));
                }
            }
        }
        for ((traffic, second), late) in &self.late {
            rows[*traffic].entry(*second).or_default().late = *late;
        }
        for ((traffic, second), ours) in &self.dropped {
            rows[*traffic].entry(*second).or_default().ours = *ours;
        }
        let mut events = self.events.clone();
        let through = end.min(self.plan.timeline.end);
        events.push(Event::Tick(Tick {
            at: through,
            through,
            traffic: rows.into_iter().map(|rows| rows.into_values().collect()).collect(),
            cpu: self.cpu.clone(),
        }));
        let (tags, intervals) = intervals(log);
        Evidence {
            manifest: self.manifest(through),
            events,
            latency: LatencyLog { tags, intervals },
            shots,
            decisions: Vec::new(),
            gaps: self.gaps.clone(),
        }
    }

    fn log(&self, reply: &Reply, log: &mut Logged) {
        let traffic = &self.scenario.traffic[usize::from(reply.traffic)];
        let class = reply.class.map(|c| traffic.classes[usize::from(c)].name.clone());
        let clocks = [
            (Timing::Response, Some(reply.response())),
            (Timing::Service, reply.service()),
            (Timing::Lag, Some(reply.lag())),
            (Timing::Wait, reply.wait()),
            (Timing::FirstByte, reply.first_byte()),
        ];
        for (timing, length) in clocks {
            let Some(length) = length else { continue };
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
        let faults = self.scenario.faults.iter().zip(&self.plan.timeline.faults);
        faults.into_iter().any(|(fault, span)| reply.done >= span.start && reply.due <= undone(&fault.name))
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
            host: Host::default(),
            services: Vec::new(),
            connections: 64,
            timeout: self.scenario.target.timeout.as_nanos() as u64,
            lag_limit: self.scenario.fitness.lag.as_nanos() as u64,
            end: self.end.clone().map(|how| End { how, at }),
        }
    }
}

/// The plan's zero, in nanoseconds since the Unix epoch.
const WALL: i64 = 1_800_000_000_000_000_000;

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

fn at_of(text: &str) -> Option<Offset> {
    parse_duration(text).ok().map(Offset::after_zero)
}

fn span_of(text: &str) -> Option<Span> {
    let (start, end) = text.split_once("..")?;
    Some(Span { start: at_of(start)?, end: at_of(end)? })
}

/// `name{a="b",c="d"}`
fn labels_of(text: &str) -> Option<Labels> {
    let (name, labels) = text.split_once('{').unwrap_or((text, "}"));
    let pairs = labels.strip_suffix('}')?.split(',').filter(|p| !p.is_empty());
    let mut all = vec![("__name__".to_owned(), name.to_owned())];
    for pair in pairs {
        let (name, value) = pair.split_once('=')?;
        all.push((name.to_owned(), value.trim_matches('"').to_owned()));
    }
    Some(Labels::new(all))
}
