//! Who took what of the machine, in words.

use crate::base::text;
use crate::base::units;
use crate::judge::{Judgement, ResourceSummary};

/// A line for each.
pub fn lines(judgement: &Judgement) -> Vec<(&str, String)> {
    judgement.resources.iter().map(|of| (of.name.as_str(), line(of))).collect()
}

fn line(of: &ResourceSummary) -> String {
    let mut said = Vec::new();
    if let Some(cpu) = of.cpu {
        let most = of.cpu_most.map_or(String::new(), |most| format!(", at most {}", cores(most)));
        said.push(format!("{} cores{most}", cores(cpu)));
    }
    if let Some(cost) = of.cpu_per_1000 {
        said.push(format!("{} of processor time for 1 000 shots", seconds(cost)));
    }
    if let Some(memory) = of.memory {
        said.push(format!("at most {} of memory", units::bytes(memory)));
    }
    if let Some(growth) = of.growth {
        let rate = |value| format!("{}/h", units::bytes(value));
        said.push(format!(
            "growing by {} (between {} and {})",
            rate(growth.slope),
            rate(growth.low),
            rate(growth.high)
        ));
    }
    let count = |n: f64| text::thousands(n.max(0.0).round() as u64);
    said.extend(of.files.map(|n| format!("{} descriptors", count(n))));
    said.extend(of.threads.map(|n| format!("{} threads", count(n))));
    said.extend(of.switches.map(|n| format!("{} changes of context a second", count(n))));
    if of.restarts > 0 {
        said.push(format!("started again {}", text::count(of.restarts.into(), "time")));
    }
    if said.is_empty() {
        said.push("nothing was told".into());
    }
    let source = if of.source == "proc" { "" } else { "; as its metrics say" };
    format!("{}{source}", said.join(", "))
}

fn cores(n: f64) -> String {
    format!("{:.2}", n)
}

fn seconds(n: f64) -> String {
    units::measured(std::time::Duration::from_secs_f64(n.clamp(0.0, 1e9)))
}
