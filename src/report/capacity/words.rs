//! What a study comes to, in sentences for whoever has to decide.

use std::time::Duration;

use crate::base::{text, units};
use crate::judge::capacity::model::{Budget, Models};
use crate::judge::capacity::{Ended, Search, Study};
use crate::judge::{Kind, Quantity, Verdict};

/// A share of the processor from which on it is what limits.
const BUSY: f64 = 0.85;
/// A queue that fits worse than this is no model of anything.
pub const FITS: f64 = 0.15;

/// The recommendation, the most important sentence first.
pub fn recommendation(study: &Study, models: &Models) -> Vec<String> {
    let Some(search) = study.whole() else { return vec!["Nothing was searched.".into()] };
    let mut said = vec![main(study, search)];
    let knee = &search.knee;
    if let Some(first) = knee.breaks.first().filter(|_| knee.rate.is_some()) {
        said.push(format!("What gives way first is {}, from about {} on.", first.promise, rate(first.rate)));
    }
    if let Some(m) = knee.metastable {
        said.push(format!(
            "It does not come back by itself: after an overload of {} it stayed broken at {}, which had been fine before. \
             An overload needs somebody who sheds load or restarts it.",
            rate(m.overload),
            rate(m.fine_before)
        ));
    }
    if let Some(limit) = knee.generator_limit {
        said.push(format!(
            "From {} on the generator itself could not keep up: that is no limit of the target, and nothing is said of it there.",
            rate(limit)
        ));
    }
    let losses = study.searches.iter().filter(|search| search.fault.is_some());
    let worst = losses.filter_map(|search| Some((search, study.loss(search)?))).max_by(|a, b| a.1.total_cmp(&b.1));
    if let Some((worst, loss)) = worst {
        let fault = worst.fault.as_deref().unwrap_or_default();
        said.push(match loss {
            loss if loss > 0.01 => format!(
                "Of the faults that were tried `{fault}` costs most: {} of the capacity. To bear it, plan for at most {}.",
                units::percent(loss),
                rate(floor(worst.knee.low))
            ),
            _ => "None of the faults that were tried costs more than a hundredth of the capacity.".into(),
        });
    }
    if let Some(search) = study.searches.iter().find(|s| s.fault.is_some() && s.ended == Some(Ended::BrokenAtLowest)) {
        let fault = search.fault.as_deref().unwrap_or_default();
        said.push(format!("Under `{fault}` it breaks its promises at every rate: there is no load that survives it."));
    }
    let first = models.budgets.iter().filter_map(|b| Some((b, b.reached?)));
    if let Some((budget, reached)) = first.min_by(|a, b| a.1.rate.total_cmp(&b.1.rate)) {
        let how = if reached.measured { "" } else { ", if its calls go on to rise as they did" };
        let limit = budget.limit.map_or(String::new(), rate);
        said.push(format!(
            "The first quota that is used up is that of {}: its {limit} are reached at {}{how}.",
            budget.upstream,
            rate(reached.rate)
        ));
    }
    if let Some(headroom) = models.headroom {
        let what = if headroom.left < 1.0 - BUSY {
            "the processor is what limits it"
        } else {
            "the processor is not what limits it"
        };
        said.push(format!(
            "At the knee it takes {:.2} of {:.0} cores, which leaves {}: {what}.",
            headroom.cpu,
            headroom.cores,
            units::percent(headroom.left)
        ));
    }
    said
}

/// How much may be asked of it.
fn main(study: &Study, search: &Search) -> String {
    let knee = &search.knee;
    let each = match study.replicas {
        0 | 1 => String::new(),
        n => format!(" with its {n} replicas"),
    };
    match (knee.rate, knee.high) {
        (Some(at), Some(high)) => format!(
            "Plan for at most {}{each}. The knee, where promises are as likely broken as kept, is at {}, surely ({}) between {} and {}.",
            rate(floor(knee.low)),
            rate(at),
            units::percent(knee.confidence),
            rate(knee.low),
            rate(high)
        ),
        _ if search.ended == Some(Ended::BrokenAtLowest) => {
            "It is broken at the lowest rate already: no load can be recommended before that is mended.".into()
        }
        (_, Some(high)) if knee.low > 0.0 => {
            format!(
                "It holds at {}{each} and does not at {}; closer than that it is not known.",
                rate(knee.low),
                rate(high)
            )
        }
        (_, None) if knee.low > 0.0 => format!(
            "It holds at {}{each}, the highest rate that says anything; how much more it takes is not known.",
            rate(knee.low)
        ),
        _ => "How much it takes is not known: no probe could be decided.".into(),
    }
}

/// What the figures take for granted.
pub fn assumptions(study: &Study, models: &Models) -> Vec<String> {
    let mut said = vec![
        format!(
            "Each probe is a run of the scenario at one rate, measured for at least {} after it warmed up; latency counts from when \
             a shot was due, not from when it was sent.",
            length(Some(study.probe))
        ),
        "The load has the mix and the sizes of the scenario, and nothing else used the target.".into(),
    ];
    if let Some(queue) = models.queue.filter(|queue| queue.off <= FITS) {
        let (low, high) = queue.servers_between;
        let servers =
            if low == high { format!("{low}") } else { format!("{}, between {low} and {high}", queue.servers) };
        said.push(format!(
            "Latency grows like a queue before {servers} servers that are busy with a shot for {} each: it would take {} at the very most.",
            length(Some(queue.service)),
            rate(queue.most)
        ));
    }
    match (models.little_off.as_slice(), models.little_asked) {
        (_, 0) => said.push("Little's law could not be asked: nobody counted what was under way.".into()),
        ([], asked) => said.push(format!(
            "Little's law holds of all {}: what was under way is the rate times how long it took.",
            text::count(asked as u64, "probe")
        )),
        (off, asked) => {
            let which: Vec<String> = off
                .iter()
                .take(4)
                .map(|o| format!("at {} ({:.1} counted, {:.1} by the law)", rate(o.offered), o.counted, o.expected))
                .collect();
            said.push(format!(
                "Little's law does not hold of {} of {asked} probes, {}: they were not in balance, and their latencies depend on how \
                 long they lasted.",
                off.len(),
                which.join(", ")
            ));
        }
    }
    said.extend(study.left_out.iter().map(|line| format!("Left out: {line}.")));
    said
}

/// What a budget says.
pub fn budget(budget: &Budget) -> String {
    match (budget.limit, budget.reached) {
        (None, _) => "no limit is known".into(),
        (Some(_), None) => "never called".into(),
        (Some(_), Some(reached)) if reached.measured => format!("reached at {}", rate(reached.rate)),
        (Some(_), Some(reached)) => format!("not reached; by its trend at {}", rate(reached.rate)),
    }
}

/// Two digits, rounded down: a figure to plan by promises no more than is known.
fn floor(rate: f64) -> f64 {
    if rate <= 0.0 {
        return 0.0;
    }
    let step = 10f64.powf(rate.log10().floor() - 1.0);
    // What is a whole number of steps but for rounding stays one.
    (rate / step + 1e-9).floor() * step
}

/// `PASS`, and why.
pub fn headline(study: &Study) -> String {
    let why = study.why.first().cloned().unwrap_or_default();
    match study.verdict {
        Verdict::Pass if why.is_empty() => "all that was promised is kept".into(),
        _ => why,
    }
}

pub fn rate(per_second: f64) -> String {
    Quantity { value: per_second, kind: Kind::Rate }.to_string()
}

pub fn length(seconds: Option<f64>) -> String {
    seconds.map_or("–".into(), |seconds| units::measured(Duration::from_secs_f64(seconds.clamp(0.0, 1e9))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_to_plan_by_promises_no_more_than_is_known() {
        assert_eq!([487.3, 500.0, 99.9, 7.77, 1_234.0, 0.0].map(floor), [480.0, 500.0, 99.0, 7.7, 1_200.0, 0.0]);
    }
}
