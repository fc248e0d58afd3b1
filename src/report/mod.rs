//! What was made of a run, for people and for machines. Pure: one renderer per file, text out.

pub mod alerts;
mod capacity;
pub mod compare;
pub mod contract;
mod effects;
pub mod github;
mod hgrm;
mod history;
mod html;
mod junit;
pub mod ledger;
mod lint;
pub mod live;
mod markdown;
pub mod metered;
pub mod page;
mod percentiles;
mod reconcile;
mod resources;
mod servers;
mod suite;
mod summary;
mod table;
mod timeline;
pub mod words;

pub use capacity::{capacity, plan_files, plan_json, plan_markdown, plan_text, probe, study_files};
pub use hgrm::hgrm;
pub use history::{history_html, history_json, history_text};
pub use html::{Run, chart, comparison as comparison_html, html};
pub use junit::junit;
pub use lint::{lint_github, lint_json, lint_text};
pub use markdown::{escape, markdown};
pub use percentiles::percentiles;
pub use suite::{Launchpad, suite, suite_files};
pub use summary::summary;
pub use table::{shade, table};
pub use timeline::timeline;

use crate::judge::Judgement;

/// Every file that reports make, by name.
pub fn files(run: &Run<'_>) -> Vec<(&'static str, String)> {
    let Run { plan, evidence, judgement, .. } = *run;
    vec![
        ("verdict.json", verdict(judgement)),
        ("junit.xml", junit(judgement)),
        ("summary.md", markdown(judgement)),
        ("timeline.csv", timeline(plan, evidence, judgement)),
        ("report.html", html(run)),
    ]
}

/// `verdict.json`
pub fn verdict(judgement: &Judgement) -> String {
    // Cannot fail: every key is text, and nothing that is not finite is a number in it.
    let text = serde_json::to_string_pretty(judgement).unwrap_or_else(|why| format!("{{\"error\": \"{why}\"}}"));
    text + "\n"
}
