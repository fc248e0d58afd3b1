//! Traffic: what is sent and how much of it.

use std::time::Duration;

use super::super::kafka::Kafka;
use super::super::load::{Arrivals, Segment, closed_connections};
use super::super::raw;
use super::super::shape::At;
use super::super::target::Target;
use super::super::traffic::{Class, ClassPlace, Kind, Traffic};
use super::super::{Place, Timing};
use super::Check;
use super::target::MAX_CONNECTIONS;
use crate::base::units::Rate;

/// Longer plans are refused.
const LONGEST: Duration = Duration::from_secs(7 * 86_400);
/// Loads in more pieces are refused, and loads with more closed loops: the number of a shot says in which it was.
const MAX_SEGMENTS: usize = 10_000;
const MAX_LOOPS: usize = 200;

impl Check<'_, '_> {
    pub(super) fn all_traffic(&mut self, raw: &raw::Root, target: Option<&Target>, kafka: &[Kafka]) -> Vec<Traffic> {
        let named = &raw.traffic.value.0;
        if (named.is_empty() && !self.reader.is_broken("traffic")) || named.len() > 64 {
            self.reader.wrong(
                raw.traffic.at,
                "a scenario has 1 to 64 kinds of traffic",
                "name at least one under `traffic`",
            );
        }
        let one = |(name, raw): &(At<String>, raw::Traffic)| {
            self.within(&name.value, |c| c.traffic(name, raw, target, kafka))
        };
        let traffic: Vec<Traffic> = named.iter().filter_map(one).collect();
        let closed = closed_connections(&traffic);
        if let Some(most) = target.and_then(|t| t.connections).filter(|most| *most < closed) {
            self.reader.wrong(
                raw.traffic.at,
                format!("closed loops have {closed} connections at once, and the target may have {most}"),
                "raise `connections` of the target, or leave it out there",
            );
        }
        traffic
    }

    fn traffic(
        &mut self,
        name: &At<String>,
        raw: &raw::Traffic,
        target: Option<&Target>,
        kafka: &[Kafka],
    ) -> Option<Traffic> {
        self.name(name);
        let arrivals = raw.arrivals.as_ref().map(|a| (&a.value, a.at));
        let mut recording = None;
        let load = match (&arrivals, &raw.load) {
            (Some((raw::Arrivals::Replay(replay), _)), load) => {
                if let Some(load) = load {
                    let what = "`load` beside arrivals that were recorded, which say when shots are due";
                    self.reader.wrong(load.at, what, "leave it out");
                }
                let read = self.within("arrivals", |c| c.within("replay", |c| c.replay(replay)));
                let (read, load) = read?;
                recording = Some(read);
                load
            }
            (_, Some(load)) => self.within("load", |c| c.load(name, load)),
            (_, None) if self.reader.is_broken(&format!("traffic.{}.load", name.value)) => return None,
            (_, None) => {
                self.reader.wrong(raw.place, "`load` is missing", "add `load:`");
                return None;
            }
        };
        let classes =
            raw.classes.iter().flat_map(|c| &c.0).filter_map(|(name, class)| self.class(name, class)).collect();
        let kind = match (&raw.quote, &raw.flow, &raw.pipeline, &raw.signal) {
            (Some(quote), None, None, None) => self.quote(quote).map(|q| Kind::Quote(Box::new(q))),
            (None, Some(flow), None, None) => {
                Some(Kind::Flow(Box::new(self.within("flow", |c| c.flow(flow, target, recording.as_deref())))))
            }
            (None, None, Some(pipeline), None) => {
                let rows = recording.as_deref();
                self.within("pipeline", |c| c.pipeline(pipeline, target, rows, kafka))
                    .map(|p| Kind::Pipeline(Box::new(p)))
            }
            (None, None, None, Some(signal)) => {
                self.without_replies(raw, &load);
                self.within("signal", |c| c.signal(signal, target, kafka)).map(|s| Kind::Signal(Box::new(s)))
            }
            // What is planned or could not be read has been told already.
            (None, None, None, None) if self.reader.is_broken_here() => None,
            _ => {
                self.reader.wrong(
                    name.at,
                    format!("`{}` is one of `quote`, `flow`, `pipeline` and `signal`", name.value),
                    "write exactly one of the four",
                );
                None
            }
        };
        Some(Traffic {
            name: name.value.clone(),
            // Signals go to a topic, whatever services there are.
            service: match raw.signal {
                Some(_) => None,
                None => self.service(raw.to.as_ref(), target, name.at),
            },
            kind: kind?,
            classes,
            arrivals: match (recording, arrivals.map(|(arrivals, _)| arrivals)) {
                (Some(recording), _) => Arrivals::Replay(recording),
                (None, Some(raw::Arrivals::Even)) => Arrivals::Even,
                (None, Some(raw::Arrivals::Hawkes(hawkes))) => {
                    if hawkes.branching.value.fraction() > 0.9 {
                        let what = format!("{} of shots are brought about by others", hawkes.branching.value);
                        self.reader.wrong(hawkes.branching.at, what, "write 90% or less: bursts get endless near 100%");
                    }
                    if hawkes.decay.value.is_zero() {
                        self.reader.wrong(hawkes.decay.at, "lasts no time", "write a length above 0");
                    }
                    // Belongs to what is sent, as rates do: no time scale shortens it.
                    Arrivals::Hawkes { branching: hawkes.branching.value, decay: hawkes.decay.value }
                }
                (None, Some(raw::Arrivals::Poisson | raw::Arrivals::Replay(_)) | None) => Arrivals::Poisson,
            },
            load,
        })
    }

    fn load(&mut self, name: &At<String>, raw: &At<Vec<raw::Segment>>) -> Vec<Segment> {
        let mut load: Vec<Segment> = Vec::new();
        let mut rate = Rate::default();
        // After a closed loop there is no rate, until a segment names one.
        let mut lost = false;
        for (i, segment) in raw.value.iter().enumerate() {
            let measured = !matches!(segment, raw::Segment::WarmUp(_));
            let mut push =
                |word, from, to, length| load.push(Segment { word, from, to, length, measured, saturate: None });
            if let Some((place, word)) = leaning(segment).filter(|_| lost) {
                self.reader.wrong(
                    place,
                    format!("`{word}` goes on from the rate so far, and after `saturate` there is none"),
                    "say at which rate: `hold: { at: 50/s, for: 10s }`",
                );
            }
            lost &= matches!(segment, raw::Segment::Spike(_));
            match segment {
                raw::Segment::WarmUp(hold) | raw::Segment::Hold(hold) => {
                    rate = hold.at.map_or(rate, |at| at.value);
                    let word = if measured { "hold" } else { "warm_up" };
                    push(word, rate, rate, self.lasting(&hold.r#for));
                    if rate == Rate::default()
                        && hold.at.is_none()
                        && !self.reader.is_broken(&format!("traffic.{}.load", name.value))
                    {
                        self.reader.wrong(
                            hold.place,
                            format!("`{word}` holds 0/s: nothing came before it"),
                            "say at which rate: `at: 50/s`",
                        );
                    }
                    if !measured && raw.value[..i].iter().any(|s| !matches!(s, raw::Segment::WarmUp(_))) {
                        self.reader.wrong(hold.place, "a warm-up after measured load", "put it first");
                    }
                }
                raw::Segment::Ramp(ramp) => {
                    push("ramp", rate, ramp.to.value, self.lasting(&ramp.over));
                    rate = ramp.to.value;
                }
                raw::Segment::Step(step) => {
                    if step.times.value == 0 || step.times.value > 1000 {
                        self.reader.wrong(step.times.at, "a step has 1 to 1000 levels", "write `times: 5`");
                    }
                    let every = self.lasting(&step.every);
                    for _ in 0..step.times.value.min(1000) {
                        rate = Rate(rate.0.saturating_add(step.by.value.0));
                        push("step", rate, rate, every);
                    }
                }
                raw::Segment::Spike(spike) => push("spike", spike.to.value, spike.to.value, self.lasting(&spike.r#for)),
                raw::Segment::Saturate(saturate) => {
                    rate = Rate::default();
                    lost = true;
                    let connections = self.number(saturate.connections, "connections", MAX_CONNECTIONS);
                    let length = self.lasting(&saturate.r#for);
                    let (from, to) = (rate, rate);
                    load.push(Segment { word: "saturate", from, to, length, measured, saturate: connections });
                }
            }
        }
        let total: Duration = load.iter().map(|s| s.length).sum();
        let shots = |s: &Segment| s.from.0 + s.to.0 > 0 || s.saturate.is_some();
        let broken = self.reader.is_broken(&format!("traffic.{}.load", name.value));
        if !broken && !load.iter().any(|s| s.measured && shots(s)) {
            self.reader.wrong(
                raw.at,
                "nothing that is measured is sent",
                "add a segment such as `- hold: { at: 50/s, for: 60s }`",
            );
        }
        if load.len() > MAX_SEGMENTS || load.iter().filter(|s| s.saturate.is_some()).count() > MAX_LOOPS {
            let what = format!(
                "more than {MAX_SEGMENTS} segments, counting each level of a step, or {MAX_LOOPS} closed loops"
            );
            self.reader.wrong(raw.at, what, "say it with fewer");
        }
        if total > LONGEST {
            self.reader.wrong(raw.at, "longer than 7 days", "shorten it, or run it again");
        }
        load
    }

    fn class(&mut self, name: &At<String>, raw: &raw::Class) -> Option<Class> {
        self.name(name);
        let taken = Timing::PROMISED.iter().any(|c| c.word() == name.value)
            || ["ok", "failed", "none"].contains(&name.value.as_str());
        if taken {
            self.reader.wrong(
                name.at,
                format!("`{}` means something else in promises", name.value),
                "call the class otherwise",
            );
        }
        let place = match (&raw.json, &raw.header) {
            (Some(path), None) => ClassPlace::Json(self.json_path(path)?),
            (None, Some(header)) => ClassPlace::Header(header.value.clone()),
            _ => {
                self.reader.wrong(
                    raw.place,
                    "a class is read from one of `json` and `header`",
                    "write exactly one of the two",
                );
                return None;
            }
        };
        Some(Class { name: name.value.clone(), place, is: raw.is.value.clone() })
    }
}

/// The segments that begin at the rate so far, with their words.
fn leaning(segment: &raw::Segment) -> Option<(Place, &'static str)> {
    match segment {
        raw::Segment::Hold(hold) => hold.at.is_none().then_some((hold.place, "hold")),
        raw::Segment::Ramp(ramp) => Some((ramp.place, "ramp")),
        raw::Segment::Step(step) => Some((step.place, "step")),
        raw::Segment::WarmUp(_) | raw::Segment::Spike(_) | raw::Segment::Saturate(_) => None,
    }
}

/// Where load ends, from the plan's zero.
pub(super) fn end(traffic: &[Traffic]) -> Duration {
    traffic.iter().map(|t| t.load.iter().map(|s| s.length).sum()).max().unwrap_or_default()
}
