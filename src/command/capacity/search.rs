//! A search from the first probe to its report.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::super::judge::Judged;
use super::super::load::load_variant;
use super::super::run::{Ran, Starter, Terms, told_stuck};
use crate::base::time::monotonic;
use crate::capacity::{self, Order, Probing, Tried, trimmed};
use crate::cli::args::Reading;
use crate::cli::print;
use crate::evidence::folder::Folder;
use crate::exit::Exit;
use crate::judge::capacity::{Ended, FILE, FORMAT, Made, Probe, Search, Study, claim, ended_by, verdict};
use crate::judge::{self, Verdict};
use crate::plan::Plan;
use crate::report;
use crate::run::{self, Standing, Told};
use crate::scenario::{Capacity, Claim, Scenario, Without};

/// How often it is asked whether somebody wants a rest to end.
const NAP: Duration = Duration::from_millis(50);

/// What is to be searched.
pub struct Wanted<'a> {
    /// The scenario's file.
    pub file: PathBuf,
    /// What it says.
    pub scenario: Scenario,
    /// Its plan.
    pub plan: Plan,
    /// How its capacity is searched.
    pub capacity: Capacity,
    /// How its file was read.
    pub reading: &'a Reading,
}

/// What came of it.
pub struct Found {
    /// Over all.
    pub verdict: Verdict,
    /// The first reason for it.
    pub why: String,
    /// The folder of the study.
    pub place: String,
    /// How the program ends.
    pub exit: Exit,
}

/// Searches, prints, and writes the study. The error is why nothing could be searched, and how the program ends then.
pub fn search(starter: &Starter, told: &Told, wanted: Wanted<'_>, colour: bool) -> Result<Found, (Exit, String)> {
    let Wanted { file, scenario, plan, capacity, reading } = wanted;
    let mut probings = Vec::new();
    let mut wrong = Vec::new();
    for without in std::iter::once(None).chain(capacity.without.iter().copied().map(Some)) {
        match first(&scenario, &plan, &capacity, without, (&file, reading)) {
            Ok(probing) => probings.push((without, probing)),
            Err(why) => wrong.push(why),
        }
    }
    wrong.dedup();
    let Some((_, whole)) = probings.first().filter(|_| wrong.is_empty()) else {
        return Err((Exit::Usage, format!("{}: {}", file.display(), wrong.join("\n"))));
    };
    let home = run::home(starter.out(), &file);
    let folder = run::make_folder(&home).map_err(|why| (Exit::NOT_STARTED, why))?;
    let inputs = scenario.inputs.iter().map(|i| (i.name.as_str(), i.bytes.as_slice()));
    folder
        .replace("scenario.yaml", scenario.source.as_bytes())
        .and_then(|()| folder.keep_inputs(inputs))
        .map_err(|why| (Exit::NOT_STARTED, format!("{}: {why}", folder.path().display())))?;
    let (target, replicas) = whole.target();
    let study = Study {
        format: FORMAT,
        scenario: scenario.name.clone(),
        file: file.display().to_string(),
        traffic: scenario.traffic[capacity.traffic].name.clone(),
        seed: scenario.seed.0,
        target,
        replicas,
        probe: capacity.probe.as_secs_f64(),
        resolution: capacity.resolution.fraction(),
        max_rate: capacity.up_to.map(|rate| rate.hertz()),
        promises: whole.promises(),
        left_out: whole.left_out().to_vec(),
        searches: Vec::new(),
        claims: Vec::new(),
        verdict: Verdict::Inconclusive,
        why: Vec::new(),
    };
    let begun = monotonic();
    let mut hunt =
        Hunt { starter, told, scenario: &scenario, capacity: &capacity, file, reading, folder, study, over: None };
    for (without, probing) in &probings {
        if hunt.over.is_some() || hunt.is_ended() {
            break;
        }
        hunt.search(*without, probing, begun);
    }
    let place = hunt.folder.path().display().to_string();
    super::write(&hunt.study, &hunt.folder);
    print::out(&report::capacity(&hunt.study, &place, colour));
    Ok(Found {
        verdict: hunt.study.verdict,
        why: hunt.study.why.first().cloned().unwrap_or_default(),
        exit: hunt.exit(),
        place,
    })
}

/// What a search without something needs, looked at before anything is sent: its first probe is a valid scenario.
fn first<'s>(
    scenario: &'s Scenario,
    plan: &Plan,
    capacity: &Capacity,
    without: Option<Without>,
    (file, reading): (&std::path::Path, &Reading),
) -> Result<Probing<'s>, String> {
    let under = without.map_or(String::new(), |of| format!("under `{}`: ", of.name(&scenario.faults)));
    let probing = Probing::new(scenario, plan, capacity, without).map_err(|why| format!("{under}{why}"))?;
    if let capacity::Next::Probe(order) = capacity::next(&probing.aim(), &[], 0.0) {
        let text = probing.text(&order, 1).map_err(|why| format!("{under}{why}"))?;
        load_variant(file, &text, &plain(reading)).map_err(|mistakes| {
            let all: Vec<String> = mistakes.all.iter().map(|m| format!("{}: {}", m.what, m.remedy)).collect();
            format!("{under}a probe at {}/s is no valid scenario: {}", trimmed(order.rate), all.join("; "))
        })?;
    }
    Ok(probing)
}

/// As files are read, but for what is set: that stands in the scenario's text already.
fn plain(reading: &Reading) -> Reading {
    Reading { set: Vec::new(), ..reading.clone() }
}

/// A study on its way.
struct Hunt<'a> {
    starter: &'a Starter,
    told: &'a Told,
    scenario: &'a Scenario,
    capacity: &'a Capacity,
    file: PathBuf,
    reading: &'a Reading,
    folder: Folder,
    study: Study,
    over: Option<Exit>, // what ends all of it, beside the study's own verdict
}

impl Hunt<'_> {
    /// Searches without something, or with all, and writes the study after every probe.
    fn search(&mut self, without: Option<Without>, probing: &Probing<'_>, begun: u64) {
        let name = without.map(|of| of.name(&self.scenario.faults));
        let aim = probing.aim();
        let mut standing: Option<Arc<Standing>> = None;
        let told = self.told;
        let elapsed = || {
            let ended = told.so_far().then_some(Ended::Interrupted);
            (monotonic().saturating_sub(begun) as f64 / 1e9, ended)
        };
        let nth = self.study.searches.len();
        // The closures share what they change.
        let hunt = std::cell::RefCell::new(&mut *self);
        let search = capacity::search(
            name.as_deref(),
            &aim,
            |order, number| hunt.borrow_mut().make(order, number, probing, &mut standing),
            elapsed,
            |search| hunt.borrow_mut().seen(nth, search),
        );
        if let Some(standing) = standing {
            standing.stop();
        }
        self.seen(nth, &search);
    }

    fn is_ended(&self) -> bool {
        let ended = self.study.searches.last().and_then(|search| search.ended.as_ref());
        matches!(ended, Some(Ended::Interrupted | Ended::Terminated | Ended::OutOfTime))
    }

    /// Makes a probe: an ordinary run.
    fn make(
        &mut self,
        order: &Order,
        number: u32,
        probing: &Probing<'_>,
        standing: &mut Option<Arc<Standing>>,
    ) -> Tried {
        let over = |why: String| Tried::Over(Ended::Stuck(why));
        let text = match probing.text(order, number) {
            Ok(text) => text,
            Err(why) => return over(why),
        };
        let (scenario, plan) = match load_variant(&self.file, &text, &plain(self.reading)) {
            Ok(loaded) => loaded,
            Err(mistakes) => return over(mistakes.all.first().map_or(String::new(), |m| m.what.clone())),
        };
        if !self.rest(order.rest) {
            return Tried::Over(Ended::Interrupted);
        }
        if standing.is_none() && self.starter.stage().is_none() && Standing::is_for(&scenario) {
            match Standing::start(self.starter.program(), &scenario) {
                Ok(stands) => *standing = Some(Arc::new(stands)),
                Err(why) => {
                    self.over = Some(Exit::NOT_STARTED);
                    return over(why);
                }
            }
        }
        let home = self.folder.path().to_owned();
        let terms = Terms { standing: standing.clone(), ..Terms::default() };
        let ran = self.starter.start_in(home, self.file.clone(), scenario, plan, terms);
        let Ran { folder, judged, stuck, .. } = match ran {
            Ok(ran) => ran,
            Err(why) => {
                self.over = told_stuck(&why.stuck).or_else(|| (number == 1).then_some(Exit::NOT_STARTED));
                let ended = if self.told.so_far() { Ended::Interrupted } else { Ended::Stuck(why.to_string()) };
                return Tried::Over(ended);
            }
        };
        self.over = told_stuck(&stuck);
        let made = Made {
            number,
            role: order.role,
            from: order.from,
            borne: order.borne,
            offered: trimmed(order.rate).parse().unwrap_or(order.rate),
            report: folder.name(),
        };
        let Judged { scenario, plan, evidence, judgement, .. } = match judged {
            Ok(judged) => judged,
            Err(why) => return over(format!("a probe could not be judged: {why}")),
        };
        let traffic = scenario.traffic.iter().position(|t| t.name == self.study.traffic).unwrap_or(0);
        let probe = Box::new(Probe::read((&scenario, &plan), &evidence, &judgement, traffic, made));
        match ended_by(&judgement, &evidence) {
            _ if self.over.is_some() => Tried::Cut(probe, Ended::Stuck("a fault could not be undone".into())),
            Some(judge::Exit::Terminated) => Tried::Cut(probe, Ended::Terminated),
            Some(_) => Tried::Cut(probe, Ended::Interrupted),
            None => Tried::Probe(probe),
        }
    }

    /// Leaves the target alone; whether nobody wanted to end that.
    fn rest(&self, seconds: f64) -> bool {
        let until = monotonic() + (seconds.max(0.0) * 1e9) as u64;
        while monotonic() < until && !self.told.so_far() {
            std::thread::sleep(NAP);
        }
        !self.told.so_far()
    }

    /// Writes the study as it stands, and says how the last probe was.
    fn seen(&mut self, nth: usize, search: &Search) {
        let before = self.study.searches.get(nth).map_or(0, |search| search.probes.len());
        self.study.searches.truncate(nth);
        self.study.searches.push(search.clone());
        for probe in search.probes.iter().skip(before).filter(|_| !self.starter.is_quiet()) {
            print::err(&report::probe(search, probe));
        }
        let of_capacity = self.scenario.promises.iter().filter_map(|promise| match &promise.claim {
            Claim::Capacity(of) if of.traffic == self.capacity.traffic => Some((promise, of)),
            _ => None,
        });
        self.study.claims = of_capacity.map(|(promise, of)| claim(promise, of, self.study.whole())).collect();
        (self.study.verdict, self.study.why) = verdict(&self.study);
        let written = self.study.write().map_err(|why| why.to_string());
        let written =
            written.and_then(|text| self.folder.replace(FILE, text.as_bytes()).map_err(|why| why.to_string()));
        if let Err(why) = written {
            print::err(&format!("{}: {why}", self.folder.file(FILE).display()));
        }
    }

    /// How the program ends.
    fn exit(&self) -> Exit {
        let ended = |wanted: Ended| self.study.searches.iter().any(|search| search.ended == Some(wanted.clone()));
        let by_verdict = match self.study.verdict {
            Verdict::Fail => judge::Exit::Fail,
            _ if ended(Ended::Interrupted) => judge::Exit::Interrupted,
            _ if ended(Ended::Terminated) => judge::Exit::Terminated,
            Verdict::Pass => judge::Exit::Pass,
            Verdict::Inconclusive => judge::Exit::Inconclusive,
            Verdict::Invalid => judge::Exit::Invalid,
        };
        self.over.unwrap_or(Exit::Judged(by_verdict))
    }
}
