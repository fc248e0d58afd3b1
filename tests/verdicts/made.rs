//! Runs that never were, on disk as a real one leaves them: a plan, replies of a known law, the recorder under a virtual clock.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proofload::base::seed::Seed;
use proofload::base::series::Labels;
use proofload::base::time::Offset;
use proofload::base::trace::Tracer;
use proofload::evidence::event::{Event, Scrape};
use proofload::evidence::folder::Folder;
use proofload::evidence::manifest::{End, FORMAT, Host, How, Manifest};
use proofload::evidence::recorder::{self, Batch, Recorder};
use proofload::evidence::reply::{Maybe, Opening, Outcome, Reply};
use proofload::evidence::samples::{self, Kind, Row};
use proofload::plan::Plan;
use proofload::scenario::{self, Settings};

/// Nanoseconds since the Unix epoch at the plan's zero.
const WALL: i64 = 1_760_000_000_000_000_000;

/// A run to be made up.
#[derive(Debug, Clone)]
pub struct Made {
    /// The name of its scenario.
    pub name: String,
    /// Shots, over how many seconds.
    pub rate: String,
    /// How many seconds.
    pub seconds: u64,
    /// Promises, one each.
    pub slo: Vec<String>,
    /// Every so many shots one fails; 0 for none.
    pub fails: u64,
    /// Series of a job that is scraped once a second.
    pub series: usize,
    /// How long from one flush to the next.
    pub flush: Duration,
    /// Where it stopped, where it did not come to its end.
    pub until: Option<u64>,
    /// How it ended; nothing for one that died.
    pub how: Option<How>,
}

impl Default for Made {
    fn default() -> Made {
        Made {
            name: "made up".into(),
            rate: "20/s".into(),
            seconds: 60,
            slo: vec!["errors(x) < 5%".into(), "p95(x) < 1s".into()],
            fails: 0,
            series: 0,
            flush: Duration::from_secs(1),
            until: None,
            how: Some(How::Complete),
        }
    }
}

impl Made {
    /// Its scenario.
    pub fn text(&self) -> String {
        let name = serde_json::Value::from(self.name.as_str());
        let slo: String = self.slo.iter().map(|promise| format!("  - {{ expect: \"{promise}\" }}\n")).collect();
        let observe =
            if self.series > 0 { "observe: { jobs: { svc: { metrics: /metrics, every: 1s } } }\n" } else { "" };
        format!(
            "proofload: 1\nname: {name}\nseed: 1\ntarget: {{ services: {{ api: http://127.0.0.1:9 }}, timeout: 2s }}\n\
             traffic:\n  x:\n    flow: {{ steps: [{{ get: / }}] }}\n    arrivals: even\n    load: [{{ hold: {{ at: {}, for: {}s }} }}]\n\
             {observe}slo:\n{slo}",
            self.rate, self.seconds
        )
    }

    /// Makes it up below a folder; where it is.
    pub fn make(&self, parent: &Path) -> PathBuf {
        let text = self.text();
        let settings = Settings::alone("made");
        let scenario = scenario::read("made", &text, &settings).expect("valid");
        let plan = Plan::new(&scenario);
        let folder = Folder::create(parent, WALL).expect("a folder");
        fs::write(folder.file("scenario.yaml"), &text).expect("written");
        let known = recorder::Plan {
            traffic: vec![("x".into(), Vec::new())],
            parts: Vec::new(),
            edges: plan.timeline.edges(),
            faults: Vec::new(),
            workers: 1,
            lag_limit: scenario.fitness.lag,
            wall_zero: WALL,
            tracer: Tracer::new(Seed(1), "made"),
        };
        let mut recorder = Recorder::create(&folder, known).expect("creates");
        fs::write(folder.file("touches.stage.log"), fs::read(folder.file("touches.log")).expect("there"))
            .expect("written");
        let end = Offset::from_millis(self.until.unwrap_or(self.seconds) as i64 * 1_000);
        let mut shots = plan.traffic[0].shots().map(|shot| self.reply(shot.seq, shot.due)).peekable();
        let mut scraper = (self.series > 0).then(|| Scraper::new(&folder, self.series));
        let mut now = Offset::ZERO;
        let event = |phase: &str| Event::Phase {
            at: Offset::ZERO,
            traffic: "x".into(),
            phase: phase.into(),
            connections: None,
        };
        recorder.event(&event("hold")).expect("writes");
        while now < end {
            let next = (now + self.flush).min(end);
            let mut batch = Batch { at: next, through: next, ..Batch::default() };
            while let Some(reply) = shots.next_if(|reply| reply.due < next) {
                batch.taken.push((0, recorder::second_of(reply.due), 1));
                batch.replies.push(reply);
            }
            recorder.batch(&batch).expect("writes");
            if let Some(scraper) = &mut scraper {
                scraper.scrape(now, &mut recorder);
            }
            recorder.flush(next).expect("writes");
            now = next;
        }
        if let Some(scraper) = &mut scraper {
            scraper.scrape(now, &mut recorder);
            scraper.0.flush().expect("writes");
        }
        recorder.flush(now).expect("writes");
        let end = self.how.clone().map(|how| End { how, at: now });
        folder.write_manifest(&Manifest { end, ..manifest(&folder, &scenario, &plan, &text) }).expect("writes");
        folder.path().to_owned()
    }

    /// A reply of some ten milliseconds, a few of them long.
    fn reply(&self, seq: u64, due: Offset) -> Reply {
        let failed = self.fails > 0 && seq.is_multiple_of(self.fails);
        let took =
            Duration::from_micros(8_000 + seq * 7_919 % 9_001 + if seq.is_multiple_of(97) { 180_000 } else { 0 });
        let (outcome, status) = if failed { (Outcome::Rejected, 503) } else { (Outcome::Ok, 200) };
        let done = due + took;
        Reply {
            traffic: 0,
            seq,
            class: None,
            outcome,
            status: Some(status),
            due,
            ready: due + Duration::from_micros(40),
            sent: Some(due + Duration::from_micros(90)).into(),
            first_byte: Some(done).into(),
            not_before: Maybe::NONE,
            done,
            opening: Opening::default(),
            why: failed.then(|| "status 503".into()),
        }
    }
}

/// Scrapes a job that has so many series.
struct Scraper(samples::Writer, usize);

impl Scraper {
    fn new(folder: &Folder, series: usize) -> Scraper {
        Scraper(samples::Writer::create(&folder.file("samples.chunks"), WALL / 1_000_000).expect("creates"), series)
    }

    fn scrape(&mut self, at: Offset, recorder: &mut Recorder) {
        let names: Vec<String> = (0..self.1).map(|n| format!("jobs_total{{n=\"{n}\"}}")).collect();
        let value = |n: usize| (at.secs() * (1 + n % 7) as f64).floor();
        let rows = names.iter().enumerate().map(|(n, series)| Row {
            series,
            kind: Kind::Counter,
            value: value(n),
            timestamp: None,
        });
        let took = Duration::from_millis(3);
        let scrape = samples::Scrape { job: "svc", instance: "127.0.0.1:9", at_ms: at.nanos() / 1_000_000, took };
        let labels = |series: &str, _| {
            let n = series.split('"').nth(1).unwrap_or_default();
            Labels::new([("__name__", "jobs_total"), ("n", n), ("job", "svc"), ("instance", "127.0.0.1:9")])
        };
        self.0.scraped(&scrape, rows, labels).expect("writes");
        let told = Scrape {
            job: "svc".into(),
            planned: at,
            a: at,
            b: at + took,
            failed: None,
            missed: false,
            samples: self.1 as u64,
            at_a: Vec::new(),
            at_b: Vec::new(),
            quiet: false,
        };
        recorder.event(&Event::Scrape(told)).expect("writes");
    }
}

fn manifest(folder: &Folder, scenario: &scenario::Scenario, plan: &Plan, text: &str) -> Manifest {
    Manifest {
        format: FORMAT,
        proofload: "0.1.0".into(),
        run: folder.name(),
        scenario: scenario.name.clone(),
        file: "made.yaml".into(),
        scenario_digest: proofload::base::seed::digest(text.as_bytes()),
        plan_digest: plan.digest(),
        seed: 1,
        time_scale: 1,
        inputs: Vec::new(),
        wall_zero: WALL,
        monotonic_zero: 0,
        stage_zero: 0,
        host: Host { system: "Linux".into(), cores: 4 },
        services: vec![("api".into(), "http://127.0.0.1:9".into())],
        kafka: Vec::new(),
        connections: 64,
        timeout: scenario.target.timeout.as_nanos() as u64,
        lag_limit: scenario.fitness.lag.as_nanos() as u64,
        end: None,
    }
}
