//! What was found of a target's capacity: a study, and plans that are made by studies.

mod csv;
mod markdown;
mod plan;
#[cfg(test)]
mod tests;
mod text;
pub mod words;

pub use markdown::plan_markdown;
pub use plan::{plan_files, plan_json, plan_text};
pub use text::{capacity, probe};

use super::html;
use crate::judge::capacity::Study;
use crate::judge::capacity::model::Models;

/// Every file that is made of a study beside `capacity.json`, by name.
pub fn study_files(study: &Study) -> Vec<(&'static str, String)> {
    let models = study.whole().map(|search| Models::of(search, study.seed)).unwrap_or_default();
    vec![
        ("report.html", html::study(study, &models)),
        ("summary.md", markdown::markdown(study, &models)),
        ("probes.csv", csv::csv(study)),
    ]
}
