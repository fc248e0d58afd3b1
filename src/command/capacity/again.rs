//! `proofload capacity judge DIR`: the probes of a search judged again, from evidence alone.

use std::fs;

use super::super::judge::Judged;
use crate::capacity::settle;
use crate::cli::args::FolderArgs;
use crate::cli::print;
use crate::evidence::folder::Folder;
use crate::exit::Exit;
use crate::judge::capacity::{FILE, Made, Probe, Study, claim, verdict};
use crate::judge::{self, Verdict};
use crate::report;
use crate::scenario::{self, Claim, Settings};

/// Judges every probe of a study again, reads the knees anew, and rewrites `capacity.json`.
pub fn judge(args: &FolderArgs) -> Exit {
    let folder = Folder::open(&args.folder);
    let study = match read(&folder) {
        Ok(study) => study,
        Err(why) => {
            print::err(&why);
            return Exit::Usage;
        }
    };
    let written = study.write().map_err(std::io::Error::other);
    if let Err(why) = written.and_then(|text| folder.replace(FILE, text.as_bytes())) {
        print::err(&format!("{}: {why}", folder.file(FILE).display()));
    }
    let place = folder.path().display().to_string();
    super::write(&study, &folder);
    print::out(&report::capacity(&study, &place, print::colour(args.no_color)));
    Exit::Judged(match study.verdict {
        Verdict::Pass => judge::Exit::Pass,
        Verdict::Fail => judge::Exit::Fail,
        Verdict::Inconclusive => judge::Exit::Inconclusive,
        Verdict::Invalid => judge::Exit::Invalid,
    })
}

/// The study of a folder, its probes as their evidence has them now.
fn read(folder: &Folder) -> Result<Study, String> {
    let path = folder.file(FILE);
    let text = fs::read_to_string(&path)
        .map_err(|why| format!("{}: {why}; name the folder of a search, the one that holds {FILE}", path.display()))?;
    let mut study = Study::read(&text).map_err(|why| format!("{}: {why}", path.display()))?;
    for search in &mut study.searches {
        for probe in &mut search.probes {
            let of = Folder::open(&folder.file(&probe.report));
            let judged = Judged::read(&of, None).map_err(|why| format!("probe {}: {why}", probe.number))?;
            let Judged { scenario, plan, evidence, judgement, .. } = judged;
            let traffic = scenario.traffic.iter().position(|t| t.name == study.traffic);
            let traffic = traffic.ok_or_else(|| format!("{}: no traffic `{}`", of.path().display(), study.traffic))?;
            *probe = Probe::read((&scenario, &plan), &evidence, &judgement, traffic, Made::of(probe));
        }
        settle(search);
    }
    claims(folder, &mut study)?;
    (study.verdict, study.why) = verdict(&study);
    Ok(study)
}

/// Holds what the scenario promises of the knee against it.
fn claims(folder: &Folder, study: &mut Study) -> Result<(), String> {
    let path = folder.file("scenario.yaml");
    let text = fs::read_to_string(&path).map_err(|why| format!("{}: {why}", path.display()))?;
    let kept: Vec<_> = fs::read_dir(folder.file("inputs")).into_iter().flatten().flatten().map(|e| e.path()).collect();
    // Kept as `0-pairs.csv`.
    let files = |name: &str| {
        let stem = std::path::Path::new(name).file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let is_it = |path: &&std::path::PathBuf| {
            path.file_name().is_some_and(|n| n.to_string_lossy().split_once('-').is_some_and(|(_, rest)| rest == stem))
        };
        kept.iter().find(is_it).map_or_else(|| Err(std::io::ErrorKind::NotFound.into()), fs::read)
    };
    let settings = Settings { files: &files, ..Settings::alone(&study.scenario) };
    let scenario = scenario::read(&path.display().to_string(), &text, &settings).map_err(|m| m.to_string())?;
    let of_capacity = scenario.promises.iter().filter_map(|promise| match &promise.claim {
        Claim::Capacity(of) if scenario.traffic[of.traffic].name == study.traffic => Some((promise, of)),
        _ => None,
    });
    study.claims = of_capacity.map(|(promise, of)| claim(promise, of, study.whole())).collect();
    Ok(())
}
