//! What is the matter, in words: why two books do not agree.

use super::super::verdict::instant;
use super::page::{JITTER, Life, Page};
use super::settle::Excess;
use crate::base::text;
use crate::scenario::{Scenario, System};

/// What is known of the pages that a counter is on.
pub struct Signs {
    /// What became of the process behind each.
    pub lives: Vec<Life>,
    /// How many addresses requests went to, and how many of them are scraped.
    pub replicas: Option<(u64, u64)>,
    /// Whether a counter fell although its process did not change, and grew elsewhere by more than was sent.
    pub see_saw: bool,
    /// Whether a counter fell at all.
    pub falls: bool,
    /// By how much the process says that it began after we saw it, in seconds.
    pub ahead: Option<f64>,
}

impl Signs {
    /// Reads what can be known.
    pub fn read(
        scenario: &Scenario,
        of: &[usize],
        pages: &[&Page<'_>],
        services: &[(String, String)],
        falls: u64,
    ) -> Signs {
        let wanted: Vec<Option<&str>> = of.iter().map(|t| scenario.traffic[*t].service.as_deref()).collect();
        let asked = |name: &str| match &scenario.target.system {
            System::Sim { .. } => true,
            System::Services(all) => wanted.iter().any(|w| match w {
                Some(wanted) => *wanted == name,
                None => all.first().is_some_and(|first| first.name == name),
            }),
        };
        let addresses = services.iter().filter(|(name, _)| asked(name)).count() as u64;
        let scraped = pages.len() as u64;
        Signs {
            lives: pages.iter().map(|page| page.life()).collect(),
            replicas: (addresses > scraped && addresses > 1).then_some((addresses, scraped)),
            see_saw: false,
            falls: falls > 0,
            ahead: pages.iter().filter_map(|page| page.ahead()).reduce(f64::max),
        }
    }

    /// Whether several processes answer for one. Start times that differ by a little prove it only with a counter that
    /// fell.
    pub fn several(&self) -> bool {
        let beside = |life: &Life| matches!(life, Life::Several(spread) if self.falls || *spread > JITTER);
        self.see_saw || self.lives.iter().any(beside)
    }

    /// When a process was replaced, if one was.
    pub fn restarted(&self) -> Option<String> {
        self.lives.iter().find_map(|life| match life {
            Life::Restarted(at) => Some(format!("the process was restarted before {}", instant(*at))),
            Life::One | Life::Several(_) => None,
        })
    }
}

/// The one cause that explains the most.
pub const SEVERAL: &str = "several processes answer behind one port, each with counters of its own";

/// Why a server counted fewer than it answered, or more than there were.
pub fn of_counts(signs: &Signs, excess: Excess) -> String {
    // Where some are missing, start times that return say where they are, however little they differ.
    let returning = signs.lives.iter().any(|life| matches!(life, Life::Several(_)));
    if signs.several() || (returning && matches!(excess, Excess::Fewer { .. })) {
        return SEVERAL.into();
    }
    match excess {
        Excess::Fewer { .. } if signs.replicas.is_some() => {
            let (all, scraped) = signs.replicas.unwrap_or_default();
            format!("{} of {} not scraped", all - scraped, text::count(all, "replica"))
        }
        Excess::Fewer { value: 0.0, .. } => "not counted at all".into(),
        Excess::Fewer { missing, .. } => format!("{} not counted", text::count(missing, "answered request")),
        Excess::More { value, least, most } => {
            let times = (value / most.max(1.0)).round();
            if times >= 2.0 && value >= times * least && value <= times * most {
                match times as u64 {
                    2 => "counted twice".into(),
                    n => format!("counted {n} times"),
                }
            } else {
                let more = (value - most).ceil() as u64;
                format!(
                    "{} more than were sent: traffic that is not ours, or some counted twice",
                    text::thousands(more)
                )
            }
        }
    }
}

/// Why a server's lengths of time are greater than those of the whole exchanges.
pub fn of_latency(signs: &Signs, unit: crate::scenario::TimeUnit, server: Option<f64>, client: Option<f64>) -> String {
    if signs.several() {
        return SEVERAL.into();
    }
    let (Some(server), Some(client)) = (server, client) else { return "other requests than ours are timed".into() };
    let ratio = server / client.max(1e-9);
    // A service takes a part of the whole exchange, from nearly nothing to nearly all.
    let finer = crate::scenario::TimeUnit::ALL.into_iter().filter(|finer| finer.nanos() < unit.nanos());
    let fits = |finer: &crate::scenario::TimeUnit| {
        let factor = unit.nanos() / finer.nanos();
        (factor / 10.0..=factor * 1.05).contains(&ratio)
    };
    if let Some(finer) = { finer }.find(fits).filter(|_| signs.ahead.is_none()) {
        return format!("{} exposed as {}", finer.word(), unit.word());
    }
    let ahead = signs.ahead.map(|_| " (and the process says that it began after we saw it)").unwrap_or_default();
    match server > client {
        true => format!(
            "clock skew: the service says that it took {} longer on average than the whole exchange{ahead}",
            crate::base::units::measured(std::time::Duration::from_secs_f64(server - client))
        ),
        false => format!("other requests than ours are timed, or clocks differ{ahead}"),
    }
}
