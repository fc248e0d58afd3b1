//! The run that others are held against: found, refused where it is none, its figures copied.

use std::fs;
use std::path::{Path, PathBuf};

use super::judge::Judged;
use crate::evidence::baseline::Baseline;
use crate::evidence::folder::Folder;
use crate::evidence::manifest::How;
use crate::judge;
use crate::plan::Plan;
use crate::run;
use crate::scenario::{Claim, Scenario};

/// Where baselines come from.
#[derive(Debug, Clone)]
pub struct Baselines {
    /// The folder of a run, or one of reports, with the runs of each scenario below it.
    pub folder: PathBuf,
    /// Take what is no fair one.
    pub unfair: bool,
}

impl Baselines {
    /// What a scenario is held against; nothing where it promises nothing relative to a baseline. The error says why what was
    /// found cannot be one.
    pub fn of(&self, file: &Path, scenario: &Scenario, plan: &Plan) -> Result<Option<Baseline>, String> {
        if !is_relative(scenario) {
            return Ok(None);
        }
        let folder = self.find(file)?;
        let place = folder.path().display().to_string();
        let base = Judged::read(&folder, None)?;
        let manifest = &base.evidence.manifest;
        // A scaled run is not what anybody would be in production.
        if manifest.time_scale != 1 || scenario.time_scale != 1 {
            return Err(format!("{place}: a run whose time is scaled is never a baseline, nor held against one"));
        }
        let mut unfair = judge::apart(&manifest.identity(), &run::identity(scenario, plan));
        if manifest.end.as_ref().is_none_or(|end| end.how != How::Complete) {
            unfair.push("it did not run to its end".into());
        }
        unfair.extend(judge::no_base(&base.scenario, &base.judgement));
        if !unfair.is_empty() && !self.unfair {
            return Err(format!(
                "{place} is no baseline for {}: {}; run one in the same way, or take it all the same with --unfair",
                file.display(),
                unfair.join("; ")
            ));
        }
        let figures = judge::figures(&base.scenario, &base.plan, &base.evidence, scenario);
        let verdict = base.judgement.verdict.word();
        let baseline = Baseline::new(&manifest.run, &place, verdict, manifest.identity(), figures);
        Ok(Some(Baseline { unfair, ..baseline }))
    }

    /// The run that is named, or the newest one of the scenario in a folder of reports.
    fn find(&self, file: &Path) -> Result<Folder, String> {
        if self.folder.join("manifest.json").is_file() {
            return Ok(Folder::open(&self.folder));
        }
        let place = run::home(&self.folder, file);
        let runs = fs::read_dir(&place).map_err(|why| {
            let folder = self.folder.display();
            format!(
                "{folder}: neither the folder of a run nor one of reports with runs of {}: {}: {why}",
                file.display(),
                place.display()
            )
        })?;
        let runs = runs.filter_map(|entry| entry.ok().map(|entry| entry.path()));
        let newest = runs.filter(|run| run.join("manifest.json").is_file()).max();
        newest.map(|run| Folder::open(&run)).ok_or_else(|| format!("{}: no run in this folder", place.display()))
    }
}

/// Whether a scenario promises anything relative to a baseline.
pub fn is_relative(scenario: &Scenario) -> bool {
    scenario.promises.iter().any(|promise| matches!(promise.claim, Claim::Relative(_)))
}
