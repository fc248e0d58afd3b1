//! Pipelines: what starts them, how they are followed, and what their states mean.

use std::time::Duration;

use super::super::flow::{Flow, Step};
use super::super::kafka::Kafka;
use super::super::pipeline::{Follow, Pipeline, Polling, State, StateNames};
use super::super::raw;
use super::super::recording::Recording;
use super::super::shape::At;
use super::super::target::Target;
use super::Check;
use super::template::Scope;
use crate::base::units::{self, Rate};

/// From one poll to the next where the scenario does not say.
const EVERY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// So many polls a target can bear where the scenario does not say.
const BUDGET: Rate = Rate(500_000_000);
/// No poll follows sooner than this, and none later.
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(3_600);
/// The most of a deadline: longer than a plan can be is no use.
const MAX_DEADLINE: Duration = Duration::from_secs(86_400);

impl Check<'_, '_> {
    pub(super) fn pipeline(
        &mut self,
        raw: &raw::Pipeline,
        target: Option<&Target>,
        recording: Option<&Recording>,
        clusters: &[Kafka],
    ) -> Option<Pipeline> {
        let (values, mut feeds) = self.named(raw.values.as_ref(), raw.data.as_ref());
        feeds.extend(recording.and_then(|r| r.rows.clone()));
        let mut scope = Scope { values: &values, feeds: &feeds, flow: true, ..Scope::default() };
        let sign = raw.sign.as_ref().and_then(|sign| {
            let mut scope = Scope { values: &values, feeds: &feeds, flow: true, ..Scope::default() };
            self.within("sign", |c| c.sign(sign, &mut scope))
        });
        let sign = sign.as_ref();
        let start = self.within("start", |c| c.signed_step(&raw.start.step(), sign, target, &mut scope));
        let followed = self.within("follow", |c| match &raw.follow {
            raw::Follow::Poll(poll) => c.within("poll", |c| {
                let step = c.signed_step(&poll.step(), sign, target, &mut scope);
                let state = scope.captures.len().saturating_sub(1);
                Some((Some(step), Follow::Poll(c.polling(poll, state))))
            }),
            raw::Follow::Webhook(webhook) => {
                Some((None, Follow::Told(Box::new(c.within("webhook", |c| c.states_posted(webhook))?))))
            }
            raw::Follow::Kafka(kafka) => {
                Some((None, Follow::Told(Box::new(c.within("kafka", |c| c.states_on_topic(kafka, clusters))?))))
            }
            raw::Follow::Nats(nats) => {
                Some((None, Follow::Told(Box::new(c.within("nats", |c| c.states_on_subject(nats))?))))
            }
        });
        let poll = followed.as_ref().and_then(|(poll, _)| poll.clone());
        let mut steps: Vec<Step> = std::iter::once(start).chain(poll).collect();
        for capture in steps.iter_mut().flat_map(|step| &mut step.captures) {
            capture.printable = scope.printable.contains(&capture.name);
        }
        let captures = scope.captures;
        let login = raw.login.as_ref().and_then(|login| self.within("login", |c| c.login(login, target)));
        let states = self.within("states", |c| c.state_names(&raw.states));
        let deadline = raw.deadline.value;
        if deadline.is_zero() || deadline > MAX_DEADLINE {
            self.reader.wrong(raw.deadline.at, "a deadline is above 0 and at most 1d", "write one, such as 60s");
        }
        if let Some(takes) = raw.takes.filter(|takes| takes.value.is_zero() || takes.value >= deadline) {
            let what = format!(
                "it is to take {}, and must be over {}",
                units::duration(takes.value),
                units::duration(deadline)
            );
            self.reader.wrong(takes.at, what, "let `takes` lie between 0 and `deadline`");
        }
        Some(Pipeline {
            flow: Flow { values, feeds, captures, steps, branches: Vec::new(), login },
            follow: followed?.1,
            states,
            deadline,
            takes: raw.takes.map(|t| t.value),
        })
    }

    fn polling(&mut self, raw: &raw::Polling, state: usize) -> Polling {
        let (from, to) = match &raw.every {
            None => EVERY,
            Some(raw::Every::Fixed(every)) => (self.interval(every), self.interval(every)),
            Some(raw::Every::Between(between)) => {
                let (from, to) = (self.interval(&between.from), self.interval(&between.to));
                if from > to {
                    self.reader.wrong(between.from.at, "`from` is longer than `to`", "let the shorter be first");
                }
                (from, to.max(from))
            }
        };
        let budget = raw.budget.map_or(BUDGET, |budget| budget.value);
        if let Some(none) = raw.budget.filter(|budget| budget.value == Rate::default()) {
            self.reader.wrong(none.at, "a budget of no polls: nothing would be followed", "write one, such as 500/s");
        }
        Polling { from, to, budget, state }
    }

    fn interval(&mut self, raw: &At<Duration>) -> Duration {
        if !(SHORTEST..=LONGEST).contains(&raw.value) {
            self.reader.wrong(raw.at, "from one poll to the next are 1ms to 1h", "write a length between");
        }
        raw.value.clamp(SHORTEST, LONGEST)
    }

    fn state_names(&mut self, raw: &raw::StateNames) -> StateNames {
        let named = [
            (raw.queued.as_ref(), State::Queued),
            (raw.running.as_ref(), State::Running),
            (Some(&raw.ok), State::Ok),
            (raw.failed.as_ref(), State::Failed),
            (raw.skipped.as_ref(), State::Skipped),
        ];
        let mut states = StateNames::default();
        for (name, state) in named.iter().flat_map(|(names, s)| names.iter().flat_map(|n| &n.0).map(move |n| (n, *s))) {
            if states.of(&name.value).is_some() {
                let what = format!("`{}` is named twice", name.value);
                self.reader.wrong(name.at, what, "a state means one thing: keep one of the two");
            }
            states.all.push((name.value.clone(), state));
        }
        if raw.ok.0.is_empty() {
            self.reader.wrong(raw.place, "no state is ok", "name at least one: `ok: COMPLETED`");
        }
        states
    }
}
