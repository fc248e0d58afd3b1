//! How often pipelines will ask for states, as far as it can be told before anybody has answered.

use std::time::Duration;

use super::Plan;
use crate::scenario::{Kind, Scenario};

/// The polls of one traffic where its rate is highest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Polls {
    /// What each is taken to take: as the scenario expects, or its deadline, the worst.
    pub takes: Duration,
    /// Whether somebody expects it; else nobody knows.
    pub is_expected: bool,
    /// So many are in flight at once then.
    pub in_flight: f64,
    /// So many polls a second there would be without a budget.
    pub wanted: f64,
    /// So many a second are allowed.
    pub budget: f64,
}

impl Polls {
    /// Those of the traffic at a position, once as many are in flight as ever are; `None` where nothing is polled.
    pub fn of(scenario: &Scenario, plan: &Plan, traffic: usize) -> Option<Polls> {
        let Kind::Pipeline(pipeline) = &scenario.traffic[traffic].kind else { return None };
        let polling = pipeline.polling()?;
        let takes = pipeline.takes.unwrap_or(pipeline.deadline);
        let peak = plan.traffic[traffic].profile.peak();
        Some(Polls {
            takes,
            is_expected: pipeline.takes.is_some(),
            in_flight: peak * takes.as_secs_f64(),
            wanted: peak * polling.polls_within(takes) as f64,
            budget: polling.budget.hertz(),
        })
    }

    /// Whether more would be asked than is allowed: polls then come later, and less is known of when something ended.
    pub fn binds(self) -> bool {
        self.wanted > self.budget
    }

    /// So many a second will be made.
    pub fn made(self) -> f64 {
        self.wanted.min(self.budget)
    }
}
