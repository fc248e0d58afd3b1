//! What exactly was run, where, and how it ended.

use std::time::Duration;

use maud::{Markup, html};

use super::Page;
use crate::base::units;
use crate::evidence::manifest::How;

/// The scenario and its surroundings.
pub(super) fn section(page: &Page<'_>) -> Markup {
    let manifest = &page.run.evidence.manifest;
    let ended = match manifest.end.as_ref().map(|end| &end.how) {
        Some(How::Complete) => "as planned".to_owned(),
        Some(How::Interrupted) => "interrupted".to_owned(),
        Some(How::Terminated) => "terminated".to_owned(),
        Some(How::Unsteady(why)) => format!("no fault was applied: {why}"),
        Some(How::Aborted(why)) => format!("aborted: {why}"),
        Some(How::CutShort(why)) => format!("cut short: {why}"),
        Some(How::NotStarted(why)) => format!("could not start: {why}"),
        None => "it died".to_owned(),
    };
    let rows = [
        ("File", manifest.file.clone()),
        ("Run", manifest.run.clone()),
        ("Ended", ended),
        ("Seed", manifest.seed.to_string()),
        ("Plan", manifest.plan_digest.clone()),
        ("Scenario", manifest.scenario_digest.clone()),
        ("Timeout", units::duration(Duration::from_nanos(manifest.timeout))),
        ("Connections", format!("at most {}", manifest.connections)),
        ("Program", format!("proofload {}, evidence format {}", manifest.proofload, manifest.format)),
        ("Host", format!("{}, {} cores", manifest.host.system, manifest.host.cores)),
    ];
    html! {
        dl {
            @for (name, value) in &rows { dt { (name) } dd { (value) } }
            @for (name, address) in &manifest.services { dt { "Service " (name) } dd { (address) } }
            @for input in &manifest.inputs { dt { "Input " (input.name) } dd { "inputs/" (input.kept) ", " code { (input.digest) } } }
        }
        @match page.run.scenario {
            Some(text) => { details { summary { "The scenario, as it was run" } pre { (text) } } },
            None => { p { "scenario.yaml is not in the folder any more." } },
        }
    }
}
