//! Reads a case: three parts, set apart by lines of `---`. First a scenario, as users write it; where it names `rules.yml`, that
//! file is a part of its own behind it; so are the rules that a server told. Then what happened, a line each; what is said later holds instead of what was said
//! before:
//!
//! ```text
//! TRAFFIC [FROM..TO] [every N | first N | last N]: OUTCOME RESPONSE [class NAME] [status N] [service T] [lag T] [first T] [opened T/T/T]
//!     first: from sent to the first byte, all of the service without; opened: looking up, connecting, TLS; 0 for none
//! TRAFFIC FROM..TO at RATE: …                shots of a closed loop, so many each second
//! TRAFFIC [FROM..TO] […]: lost               taken up and never seen again
//! TRAFFIC [FROM..TO] […]: absent             never taken up
//! late TRAFFIC SECOND: N    dropped TRAFFIC SECOND: N    cpu SECOND: SHARE
//! worker N SECOND: [cpu SHARE] [delay T] [hiccup T] [no_files N] [no_ports N]     told at the second's end
//! host SECOND: [busy SHARE] [own CORES] [steal SHARE] [throttled T] [files N/N] [time_wait N/N] [target CORES]
//! process NAME FROM..TO: SIZE [grows SIZE/h] [saw SIZE every T] [steps SIZE every T] [pid N] [cpu CORES]   what its memory is each second
//! stage FROM..TO: [wakes T] [calls T] [links T] [used T]    told at the end of each second: one in a hundred so late
//! calls T: CALLS/SHOTS …    of each upstream so far    told FAULT to begin|end T: planned T
//! exemplar TRAFFIC OUTCOME: WHY    connections: N     that could be opened    cores: N     that we may use
//! fault NAME: applied T | touched T | cleared T eligible N injected N | failed T WHY | withheld WHY | stuck T WHY
//! decided FAULT T: injected | allowed | spared    what the stage wrote down of a call that carried no trace
//! struck FAULT TRAFFIC [FROM..TO] [every N | first N | last N]: injected | allowed | spared [after T] [attempt N]
//!     [times N] [apart T] [retry_after SECONDS]    of calls that shots began so long after they were due
//! background FAULT FROM..TO every T: injected | allowed | spared [retry_after S]    of calls that carried no trace
//! forgotten TRAFFIC [FROM..TO] [every N | first N | last N]    shots without a record of their own
//!     Where a fault was cleared and nothing is said of its decisions, they are made up: as many as were counted,
//!     from shots that were under way.
//! ended: complete | died T | interrupted T | terminated T | cut_short T | aborted T | unsteady T | not_started
//! canary upstream/NAME: clean SAW | left_over SAW
//! scraped JOB FROM..TO [failed | missed | took T]     scrapes at the job's own pace
//! declares JOB NAME: TYPE                    what its page says
//! remark JOB ID METRIC [line N]: WHY         what was wrong with how its page is laid out
//! asked JOB PATH FROM..TO every T: STATUS | nobody | missed     probes
//! quiet JOB T [failed | missed]       a quiet scrape, before the load (below 0, as `before 1s`) or after the drain
//!     Scrapes hold our own counts as the shots make them: a request is counted as sent when its first byte was, and as
//!     answered when it was done. A reply has status 200 where it was ok, 500 where it was rejected.
//! sample NAME{label="value"} FROM..TO: VALUE [+RATE/s]     at each good scrape of its job
//!     `before T` for the quiet scrape then; `all` for every scrape, growing while the load lasts
//! theirs NAME{label="value"} FROM..TO every T: VALUE [+RATE/s]    samples that were fetched from a Prometheus server
//! event: {…}                                  any event, as the log has it; instants of the server are Unix milliseconds
//! services N      addresses that requests went to        no counts     scrapes without our own counts
//! gap: WHY
//! baseline OF [in WINDOW]: VALUE error E of N blocks    a figure of another run; `VALUE` a length of time, a share or a rate
//! baseline from: PLAN     how that run was planned    baseline unfair: WHY     it was taken all the same
//! ```
//!
//! Times are on the plan's axis. Shots that nothing is said of were never taken up. Last what is expected, which
//! `verdicts.rs` reads.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use proofload::base::seed::Seed;
use proofload::base::series::{Labels, Sample, Series, stale};
use proofload::base::time::{Offset, Span};
use proofload::base::trace::{Shot, TraceId, Tracer};
use proofload::base::units::{parse_duration, parse_growth, parse_size};
use proofload::evidence::baseline::Figure;
use proofload::evidence::event::{Event, Exemplar, FaultStep, Probe, Scrape};
use proofload::evidence::health::{Called, HostHealth, Lateness, ProcessHealth, StageHealth, WorkerHealth};
use proofload::evidence::manifest::How;
use proofload::evidence::page::{Family, Page, Remark};
use proofload::evidence::reply::{Opening, Outcome};
use proofload::evidence::resources::{ProcessUse, Resources};
use proofload::evidence::samples::Kind;
use proofload::evidence::touches::{Decision, Effect};
use proofload::plan::Plan;
use proofload::report;
use proofload::scenario::{self, Scenario, Settings};

/// The plan's zero, in nanoseconds since the Unix epoch.
pub const WALL: i64 = 1_800_000_000_000_000_000;

/// What became of a shot.
#[derive(Clone, Copy)]
pub enum Fate {
    Done {
        outcome: Outcome,
        response: Duration,
        service: Option<Duration>,
        lag: Duration,
        class: Option<u16>,
        first: Option<Duration>, // from sent
        opening: Opening,
        status: Option<u16>,
    },
    Lost,
}

/// A scenario, what happened, and what is expected.
pub struct Case {
    pub scenario: Scenario,
    pub plan: Plan,
    pub fates: Vec<Vec<(Offset, Option<Fate>)>>, // by traffic: when due, and what became of it
    pub late: BTreeMap<(usize, i64), u64>,
    pub dropped: BTreeMap<(usize, i64), u64>,
    pub cpu: Vec<(i64, f64)>,
    pub health: Vec<WorkerHealth>,
    pub connections: u32,
    pub cores: u32,
    pub events: Vec<Event>,
    pub decisions: Vec<Decision>,
    pub forgotten: BTreeSet<(usize, usize)>, // traffic, number of the shot
    pub end: Option<How>,
    pub at: Option<Offset>, // where a run was cut short
    pub series: Vec<Series>,
    pub fetched: Vec<Series>,
    pub figures: Vec<Figure>,       // of a baseline
    pub other_plan: Option<String>, // of a baseline
    pub unfair: Vec<String>,        // about a baseline
    pub gaps: Vec<String>,
    pub services: usize, // addresses that requests went to
    pub counts: bool,    // whether scrapes hold our own counts
    pub expected: Vec<String>,
}

impl Case {
    pub fn read(text: &str) -> Result<Case, String> {
        let parts: Vec<&str> = text.split("\n---\n").collect();
        let (yaml, rules, evidence, expected) = match parts.as_slice() {
            [yaml, evidence, expected] => (yaml, None, evidence, expected),
            [yaml, rules, evidence, expected] => (yaml, Some(rules), evidence, expected),
            _ => return Err("a case has three parts, or four with rules".into()),
        };
        let settings = Settings {
            files: &|name| match rules.filter(|_| name == "rules.yml") {
                Some(rules) => Ok(rules.as_bytes().to_vec()),
                None => Err(io::Error::new(io::ErrorKind::NotFound, name.to_owned())),
            },
            ..Settings::alone("case")
        };
        let mut scenario = scenario::read("case", yaml, &settings).map_err(|m| m.to_string())?;
        if let (Some(alerts), Some(rules)) = (&mut scenario.alerts, rules) {
            alerts.learn("prometheus-rules.yml", (*rules).to_owned());
        }
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
            health: Vec::new(),
            connections: 1024,
            cores: 2,
            events: Vec::new(),
            decisions: Vec::new(),
            forgotten: BTreeSet::new(),
            end: Some(How::Complete),
            at: None,
            series: Vec::new(),
            fetched: Vec::new(),
            figures: Vec::new(),
            other_plan: None,
            unfair: Vec::new(),
            gaps: Vec::new(),
            services: 1,
            counts: true,
            expected: lines(expected),
        };
        for line in lines(evidence) {
            case.line(&line).ok_or_else(|| format!("what does `{line}` say?"))?;
        }
        Ok(case)
    }

    /// Every report of it, by name.
    pub fn reports(&self) -> Vec<(&'static str, String)> {
        let (evidence, judgement) = (self.evidence(), self.judge());
        let upstreams: Vec<String> = self.scenario.upstreams.iter().map(|upstream| upstream.name.clone()).collect();
        report::files(&report::Run {
            plan: &self.plan,
            evidence: &evidence,
            judgement: &judgement,
            upstreams: &upstreams,
            traces: None,
            scenario: None,
        })
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
            ["worker", worker, second] => self.worker(worker.parse().ok()?, second.parse().ok()?, rest)?,
            ["process", name, span] => self.process(name, span_of(span)?, rest)?,
            ["stage", seconds] => self.stage(seconds, rest)?,
            ["calls", at] => {
                let called = |text: &str| {
                    let (calls, shots) = text.split_once('/')?;
                    Some(Called { calls: calls.parse().ok()?, shots: shots.parse().ok()? })
                };
                let upstreams: Option<Vec<Called>> = rest.split_whitespace().map(called).collect();
                self.events.push(Event::Calls { at: at_of(at)?, upstreams: upstreams? });
            }
            ["told", fault, "to", edge, at] => {
                let (fault, planned) = ((*fault).to_owned(), at_of(rest.strip_prefix("planned ")?)?);
                let end = matches!(*edge, "end");
                self.events.push(Event::Order { at: at_of(at)?, fault, end, planned });
            }
            ["host", second] => self.host(second.parse().ok()?, rest)?,
            ["exemplar", traffic, outcome] => self.events.push(Event::Exemplar(Exemplar {
                at: Offset::ZERO,
                traffic: (*traffic).to_owned(),
                outcome: Outcome::from_word(outcome)?.word().into(),
                status: None,
                trace: String::new(),
                response: 0,
                why: rest.to_owned(),
            })),
            ["connections"] => self.connections = rest.parse().ok()?,
            ["cores"] => self.cores = rest.parse().ok()?,
            ["fault", name] => self.fault(name, rest)?,
            ["canary", on] => self.canary(on, rest)?,
            ["decided", fault, at] => self.decided(fault, at_of(at)?, rest)?,
            ["struck", fault, traffic, select @ ..] => self.struck(fault, traffic, select, rest)?,
            ["background", fault, span, "every", every] => {
                let (span, every) = (span_of(span)?, parse_duration(every).ok()?);
                let (effect, more) = effect_of(rest)?;
                let mut at = span.start;
                while at < span.end {
                    let retry_after = option(&more, "retry_after").map_or(Some(0), |s| s.parse::<u16>().ok())? * 10;
                    self.decide(fault, TraceId::NONE, at, self.decisions.len() as u32, effect, retry_after)?;
                    at = at + every;
                }
            }
            ["forgotten", traffic, select @ ..] => {
                let traffic = self.traffic(traffic)?;
                let chosen = self.chosen(traffic, select)?;
                self.forgotten.extend(chosen.into_iter().map(|seq| (traffic, seq)));
            }
            ["ended"] => self.ended(rest)?,
            ["event"] => self.events.push(serde_json::from_str(rest).ok()?),
            ["theirs", series, span, "every", every] => self.theirs(series, span_of(span)?, every, rest)?,
            ["gap"] => self.gaps.push(rest.to_owned()),
            ["baseline", "from"] => self.other_plan = Some(rest.to_owned()),
            ["baseline", "unfair"] => self.unfair.push(rest.to_owned()),
            ["baseline", of @ ..] => self.figure(&of.join(" "), rest)?,
            ["declares", job, name] => {
                let family =
                    Family { name: (*name).into(), kind: Some(Kind::from_word(rest)?), help: None, unit: None };
                self.page(job).families.push(family);
            }
            ["remark", job, id, metric, line @ ..] => {
                let line = if let ["line", n] = line { Some(n.parse().ok()?) } else { None };
                let examples = if line.is_some() { vec![format!("{metric} 1")] } else { Vec::new() };
                let (id, metric, why) = ((*id).into(), (*metric).into(), rest.into());
                self.page(job).remarks.push(Remark { id, metric, line, count: 1, why, examples });
            }
            ["asked", job, path, span, "every", every] => self.asked(job, path, span_of(span)?, every, rest)?,
            ["scraped", job, span, how @ ..] => self.scraped(job, span_of(span)?, how)?,
            ["quiet", job, "before", length, how @ ..] => {
                self.quiet(job, Offset::ZERO - parse_duration(length).ok()?, how)?;
            }
            ["quiet", job, at, how @ ..] => self.quiet(job, at_of(at)?, how)?,
            ["services", count] => self.services = count.parse().ok()?,
            ["no", "counts"] => self.counts = false,
            ["sample", series @ .., "before", length] => {
                let start = Offset::ZERO - parse_duration(length).ok()?;
                self.sample(&series.concat(), Span { start, end: start }, rest)?;
            }
            ["sample", series @ .., "all"] => self.sample(&series.concat(), ALL, rest)?,
            ["sample", series @ .., span] => self.sample(&series.concat(), span_of(span)?, rest)?,
            [traffic, select @ ..] => {
                let traffic = self.traffic(traffic)?;
                let fate = self.fate(traffic, rest)?;
                if let [span, "at", rate] = select {
                    let span = span_of(span)?;
                    let apart = Duration::from_nanos(1_000_000_000 / rate.parse::<u64>().ok()?);
                    let dues = std::iter::successors(Some(span.start), |due| Some(*due + apart));
                    self.fates[traffic].extend(dues.take_while(|due| *due < span.end).map(|due| (due, fate)));
                    self.fates[traffic].sort_by_key(|(due, _)| *due);
                    return Some(());
                }
                let chosen = self.chosen(traffic, select)?;
                let all = &mut self.fates[traffic];
                chosen.into_iter().for_each(|i| all[i].1 = fate);
            }
            [] => return None,
        }
        Some(())
    }

    /// A figure of another run.
    fn figure(&mut self, of: &str, rest: &str) -> Option<()> {
        let (of, window) = of.split_once(" in ").unwrap_or((of, "whole run"));
        let [value, "error", error, "of", blocks, "blocks"] = rest.split_whitespace().collect::<Vec<_>>()[..] else {
            return None;
        };
        let value = match (value.strip_suffix('%'), value.strip_suffix("/s")) {
            (Some(share), _) => share.parse::<f64>().ok()? / 100.0,
            (_, Some(rate)) => rate.parse().ok()?,
            _ => parse_duration(value).ok()?.as_secs_f64(),
        };
        let (of, window, error) = (of.into(), window.into(), error.parse().ok()?);
        self.figures.push(Figure {
            of,
            window,
            value,
            error,
            blocks: blocks.parse().ok()?,
            block: 1.0,
            samples: 100_000,
        });
        Some(())
    }

    /// Which shots of a traffic `[FROM..TO] [every N | first N | last N]` chooses.
    fn chosen(&self, traffic: usize, select: &[&str]) -> Option<Vec<usize>> {
        let (span, select) = match select {
            [span, select @ ..] if span.contains("..") => (span_of(span)?, select),
            select => (Span { start: Offset::ZERO, end: Offset::MAX }, select),
        };
        let all = &self.fates[traffic];
        let first = all.partition_point(|(due, _)| *due < span.start);
        let end = all.partition_point(|(due, _)| *due < span.end);
        Some(match select {
            [] => (first..end).collect(),
            ["every", n] => (first..end).step_by(n.parse().ok()?).collect(),
            ["first", n] => (first..end).take(n.parse().ok()?).collect(),
            ["last", n] => (first..end).rev().take(n.parse().ok()?).collect(),
            _ => return None,
        })
    }

    /// Calls that shots began.
    fn struck(&mut self, fault: &str, traffic: &str, select: &[&str], rest: &str) -> Option<()> {
        let traffic = self.traffic(traffic)?;
        let (effect, more) = effect_of(rest)?;
        let length = |name, default| option(&more, name).map_or(Some(default), |t| parse_duration(t).ok());
        let number = |name, default| option(&more, name).map_or(Some(default), |n| n.parse::<u32>().ok());
        let (after, apart) = (length("after", Duration::from_millis(1))?, length("apart", Duration::from_millis(1))?);
        let (attempt, times, retry_after) = (number("attempt", 0)?, number("times", 1)?, number("retry_after", 0)?);
        for seq in self.chosen(traffic, select)? {
            let at = self.fates[traffic][seq].0 + after;
            for nth in 0..times {
                let told = retry_after as u16 * 10;
                self.decide(fault, trace(traffic, seq), at + apart * nth, attempt + nth, effect, told)?;
            }
        }
        Some(())
    }

    fn decide(
        &mut self,
        name: &str,
        trace: TraceId,
        at: Offset,
        attempt: u32,
        effect: Effect,
        retry_after: u16,
    ) -> Option<()> {
        let fault = self.scenario.faults.iter().position(|f| f.name == name)? as u16;
        self.decisions.push(Decision { trace, at, fault, attempt, effect, retry_after });
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
        let (mut first, mut opening) = (None, Opening::default());
        let mut status = match outcome {
            Outcome::Ok | Outcome::Invalid => Some(200),
            Outcome::Rejected => Some(500),
            _ => None,
        };
        while let Some(word) = words.next() {
            let value = words.next()?;
            match word {
                "service" => service = Some(parse_duration(value).ok()?),
                "status" => status = Some(value.parse().ok()?),
                "lag" => lag = parse_duration(value).ok()?,
                "first" => first = Some(parse_duration(value).ok()?),
                "opened" => {
                    let parts: Option<Vec<Duration>> = value.split('/').map(|part| parse_duration(part).ok()).collect();
                    let [dns, connect, tls] = parts?[..] else { return None };
                    let there = |part: Duration| (!part.is_zero()).then_some(part);
                    opening = Opening::new(there(dns), connect, there(tls));
                }
                "class" => {
                    let classes = &self.scenario.traffic[traffic].classes;
                    class = Some(classes.iter().position(|c| c.name == value)? as u16);
                }
                _ => return None,
            }
        }
        Some(Some(Fate::Done { outcome, response, service, lag, class, first, opening, status }))
    }

    fn worker(&mut self, worker: u16, second: i64, rest: &str) -> Option<()> {
        let at = Offset::from_millis(second * 1000 + 1000);
        let mut health = WorkerHealth { worker, at, over: 1_000_000_000, ..WorkerHealth::default() };
        for (word, value) in pairs(rest) {
            match word {
                "cpu" => health.cpu = value.parse().ok()?,
                "delay" => health.delay = Some(nanos_of(value)?),
                "hiccup" => health.hiccup = nanos_of(value)?,
                "no_files" => health.no_files = value.parse().ok()?,
                "no_ports" => health.no_ports = value.parse().ok()?,
                _ => return None,
            }
        }
        self.health.push(health);
        Some(())
    }

    /// What the stage told at the end of each of some seconds.
    fn stage(&mut self, seconds: &str, rest: &str) -> Option<()> {
        let (from, to) = seconds.split_once("..")?;
        let (from, to): (i64, i64) = (from.parse().ok()?, to.parse().ok()?);
        let late = |p99: u64| Lateness { count: 100, p50: p99 / 2, p99, max: p99 };
        for second in from..to {
            let at = Offset::from_millis(second * 1000 + 1000);
            let mut health = StageHealth { at, over: 1_000_000_000, ..StageHealth::default() };
            for (word, value) in pairs(rest) {
                match word {
                    "wakes" => health.wakes = late(nanos_of(value)?),
                    "calls" => health.calls = late(nanos_of(value)?),
                    "links" => health.links = late(nanos_of(value)?),
                    "used" => health.used = nanos_of(value)?,
                    _ => return None,
                }
            }
            self.events.push(Event::Stage(health));
        }
        Some(())
    }

    fn process(&mut self, name: &str, span: Span, rest: &str) -> Option<()> {
        let (size, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let size = parse_size(size).ok()?.0 as f64;
        let more: Vec<(&str, &str)> = pairs(rest).collect();
        let of = |word: &str| option(&more, word);
        let every = of("every").map_or(Some(Duration::MAX), |t| parse_duration(t).ok())?.as_secs_f64();
        let sized = |word: &str| of(word).map_or(Some(0.0), |s| parse_size(s).ok().map(|s| s.0 as f64));
        let (saw, steps) = (sized("saw")?, sized("steps")?);
        let grows = of("grows").map_or(Some(0), |g| parse_growth(g).ok())? as f64 / 3_600.0;
        let pid = of("pid").map_or(Some(42), |pid| pid.parse().ok())?;
        let cpu = of("cpu").map_or(Some(0.25), |cpu| cpu.parse().ok())?;
        let mut at = span.start;
        while at < span.end {
            let t = at.since(span.start).as_secs_f64();
            let rss = size + grows * t + saw * (t / every).fract() + steps * (t / every).floor();
            let of = ProcessUse {
                name: name.to_owned(),
                pid,
                started: u64::from(pid) * 10,
                processes: 1,
                cpu,
                rss: rss as u64,
                files: Some(20),
                threads: Some(4),
                voluntary: Some(30),
                involuntary: Some(10),
            };
            self.events.push(Event::Resources(Resources { at, over: 1_000_000_000, of: vec![of] }));
            at = at + Duration::from_secs(1);
        }
        Some(())
    }

    fn host(&mut self, second: i64, rest: &str) -> Option<()> {
        let at = Offset::from_millis(second * 1000 + 1000);
        let mut host = HostHealth { at, over: 1_000_000_000, ..HostHealth::default() };
        for (word, value) in pairs(rest) {
            let of = || value.split_once('/').and_then(|(n, of)| Some((n.parse().ok()?, of.parse().ok()?)));
            let process = || value.parse().ok().map(|cpu| ProcessHealth { cpu, rss: 10_000_000 });
            match word {
                "busy" => host.busy = Some(value.parse().ok()?),
                "own" => host.own = Some(process()?),
                "target" => host.target = Some(process()?),
                "steal" => host.steal = Some(value.parse().ok()?),
                "throttled" => host.throttled = Some(nanos_of(value)?),
                "files" => (host.files, host.files_limit) = of().map(|(n, of)| (Some(n), Some(of)))?,
                "time_wait" => (host.time_wait, host.ports) = of().map(|(n, of)| (Some(n), Some(of)))?,
                _ => return None,
            }
        }
        self.events.push(Event::Host(host));
        Some(())
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

    fn canary(&mut self, on: &str, rest: &str) -> Option<()> {
        let (word, saw) = rest.split_once(' ')?;
        let clean = match word {
            "clean" => true,
            "left_over" => false,
            _ => return None,
        };
        let (on, saw) = (on.to_owned(), saw.to_owned());
        let remedy = (!clean).then(|| "kill -9 4242".to_owned());
        let fault = self.scenario.faults.first().map(|f| f.name.clone());
        self.events.push(Event::Canary { at: Offset::ZERO, on, fault, clean, saw, remedy });
        Some(())
    }

    fn decided(&mut self, name: &str, at: Offset, effect: &str) -> Option<()> {
        let (effect, _) = effect_of(effect)?;
        self.decide(name, TraceId::NONE, at, 0, effect, 0)
    }

    fn ended(&mut self, rest: &str) -> Option<()> {
        let (how, at) = rest.split_once(' ').unwrap_or((rest, ""));
        self.end = match how {
            "complete" => Some(How::Complete),
            "died" => None,
            "interrupted" => Some(How::Interrupted),
            "terminated" => Some(How::Terminated),
            "cut_short" => Some(How::CutShort("disk full".into())),
            "aborted" => Some(How::Aborted("errors(quotes) > 50%: errors 84 % for 10s".into())),
            "unsteady" => Some(How::Unsteady("not steady".into())),
            "not_started" => Some(How::NotStarted("not ready".into())),
            _ => return None,
        };
        self.at = (!at.is_empty()).then(|| at_of(at)).flatten();
        Some(())
    }

    fn scraped(&mut self, job: &str, span: Span, how: &[&str]) -> Option<()> {
        let every = self.scenario.jobs.iter().find(|j| j.name == job)?.every;
        let (how, took) = match how {
            ["took", took] => (&[] as &[&str], parse_duration(took).ok()?),
            how => (how, Duration::from_millis(3)),
        };
        let (failed, missed) = failed(how)?;
        let mut at = span.start;
        while at <= span.end {
            self.events.retain(|e| !matches!(e, Event::Scrape(s) if s.job == job && s.planned == at));
            let asked = scrape(job, at, failed.clone(), missed, false);
            self.events.push(Event::Scrape(Scrape { b: at + took, ..asked }));
            at = at + every;
        }
        Some(())
    }

    /// The page of a job, which is noted once.
    fn page(&mut self, job: &str) -> &mut Page {
        let of_job = |event: &Event| matches!(event, Event::Page(page) if page.job == job);
        if !self.events.iter().any(of_job) {
            self.events.push(Event::Page(Page {
                job: job.into(),
                at: Offset::ZERO,
                media: Some("text/plain; version=0.0.4".into()),
                bytes: 1_000,
                took: 3_000_000,
                samples: 1,
                families: Vec::new(),
                remarks: Vec::new(),
            }));
        }
        let known = self.events.iter_mut().find_map(|event| match event {
            Event::Page(page) if page.job == job => Some(page),
            _ => None,
        });
        known.expect("it is there")
    }

    /// A probe, again and again.
    fn asked(&mut self, job: &str, path: &str, span: Span, every: &str, answer: &str) -> Option<()> {
        let every = parse_duration(every).ok()?;
        let (status, missed) = match answer {
            "nobody" => (None, false),
            "missed" => (None, true),
            status => (Some(status.parse().ok()?), false),
        };
        let why = status.is_none().then(|| "connection refused".to_owned());
        let within =
            |probe: &Probe| probe.job == job && probe.path == path && span.start <= probe.at && probe.at < span.end;
        self.events.retain(|event| !matches!(event, Event::Probe(probe) if within(probe)));
        let mut at = span.start;
        while at < span.end {
            let (job, path, why) = (job.to_owned(), path.to_owned(), why.clone());
            self.events.push(Event::Probe(Probe { job, path, at, took: 2_000_000, status, why, missed }));
            at = at + every;
        }
        Some(())
    }

    /// Samples of a series that a Prometheus server has scraped.
    fn theirs(&mut self, series: &str, span: Span, every: &str, rest: &str) -> Option<()> {
        let (value, slope) = rest.split_once(" +").unwrap_or((rest, "0/s"));
        let (value, slope): (f64, f64) = (value.parse().ok()?, slope.strip_suffix("/s")?.parse().ok()?);
        let (labels, every) = (labels_of(series)?, parse_duration(every).ok()?);
        let mut samples = Vec::new();
        let mut at = span.start;
        while at <= span.end {
            let value = value + slope * at.since(span.start).as_secs_f64();
            samples.push(Sample { at: WALL / 1_000_000 + at.nanos() / 1_000_000, value });
            at = at + every;
        }
        match self.fetched.iter_mut().find(|s| s.labels == labels) {
            Some(known) => known.samples.extend(samples),
            None => self.fetched.push(Series { labels, samples }),
        }
        Some(())
    }

    fn quiet(&mut self, job: &str, at: Offset, how: &[&str]) -> Option<()> {
        let (failed, missed) = failed(how)?;
        self.events.push(Event::Scrape(scrape(job, at, failed, missed, true)));
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
                let from = if span == ALL { Offset::ZERO } else { span.start };
                let grown = scrape.planned.min(self.plan.timeline.end).since(from.min(scrape.planned));
                let grown = if span == ALL { grown } else { scrape.planned.since(from) };
                let good = value + slope * grown.as_secs_f64();
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
}

/// Any time.
const ALL: Span = Span { start: Offset::from_nanos(-1_000_000_000_000), end: Offset::MAX };

fn failed(how: &[&str]) -> Option<(Option<String>, bool)> {
    Some(match how {
        [] => (None, false),
        ["failed"] => (Some("refused".to_owned()), false),
        ["missed"] => (Some("too late".to_owned()), true),
        _ => return None,
    })
}

/// A scrape; our own counts come later.
fn scrape(job: &str, at: Offset, failed: Option<String>, missed: bool, quiet: bool) -> Scrape {
    Scrape {
        job: job.into(),
        planned: at,
        a: at,
        b: at + Duration::from_millis(3),
        failed,
        missed,
        samples: 0,
        at_a: Vec::new(),
        at_b: Vec::new(),
        quiet,
    }
}

fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let words: Vec<&str> = text.split_whitespace().collect();
    (0..words.len()).step_by(2).map(move |i| (words[i], words.get(i + 1).copied().unwrap_or_default()))
}

/// The trace id of a shot.
pub fn trace(traffic: usize, seq: usize) -> TraceId {
    Tracer::new(Seed(1), "case").id(Shot { traffic: traffic as u16, seq: seq as u64 })
}

/// `injected WORD VALUE …`
fn effect_of(text: &str) -> Option<(Effect, Vec<(&str, &str)>)> {
    let (effect, more) = text.split_once(' ').unwrap_or((text, ""));
    let effect = match effect {
        "injected" => Effect::Injected,
        "allowed" => Effect::Allowed,
        "spared" => Effect::Spared,
        _ => return None,
    };
    let more: Vec<(&str, &str)> = pairs(more).collect();
    let known = ["after", "attempt", "times", "apart", "retry_after"];
    more.iter().all(|(word, _)| known.contains(word)).then_some((effect, more))
}

fn option<'a>(pairs: &[(&str, &'a str)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(word, _)| *word == name).map(|(_, value)| *value)
}

fn nanos_of(text: &str) -> Option<u64> {
    parse_duration(text).ok().map(|length| length.as_nanos() as u64)
}

fn at_of(text: &str) -> Option<Offset> {
    match text.strip_prefix('-') {
        Some(before) => parse_duration(before).ok().map(|length| Offset::ZERO - length),
        None => parse_duration(text).ok().map(Offset::after_zero),
    }
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
