//! `proofload capacity plan DIR…`: how many replicas a load needs, from studies alone.

use std::fs;
use std::path::Path;

use crate::cli::args::{CapacityPlanArgs, Shape};
use crate::cli::print;
use crate::evidence::folder::Folder;
use crate::exit::Exit;
use crate::judge::capacity::plan::{Answer, Asked, Promised, plan};
use crate::judge::capacity::{FILE, Study};
use crate::judge::{self, Verdict};
use crate::report;

/// Answers; exit 1 when no number of replicas is enough, 3 when there is no sure answer.
pub fn answer(args: &CapacityPlanArgs) -> Exit {
    match answered(args) {
        Ok(answer) => {
            print::out(&match args.format {
                Shape::Text => report::plan_text(&answer, print::colour(args.no_color)),
                Shape::Markdown => report::plan_markdown(&answer),
                Shape::Json => report::plan_json(&answer),
            });
            Exit::Judged(match answer.verdict {
                Verdict::Pass => judge::Exit::Pass,
                Verdict::Fail => judge::Exit::Fail,
                Verdict::Inconclusive => judge::Exit::Inconclusive,
                Verdict::Invalid => judge::Exit::Invalid,
            })
        }
        Err(why) => {
            print::err(&why);
            Exit::Usage
        }
    }
}

fn answered(args: &CapacityPlanArgs) -> Result<Answer, String> {
    let read = args.folders.iter().map(|folder| study(folder).map(|study| (folder.display().to_string(), study)));
    // All mistakes at once.
    let (studies, wrong): (Vec<_>, Vec<_>) = read.partition(Result::is_ok);
    let mut wrong: Vec<String> = wrong.into_iter().filter_map(Result::err).collect();
    let studies: Vec<(String, Study)> = studies.into_iter().filter_map(Result::ok).collect();
    let traffic = studies.first().map_or("quotes", |(_, study)| study.traffic.as_str());
    let promise = args.promise.as_ref().map(|text| Promised::parse(text, traffic)).transpose();
    let promise = promise.map_err(|why| wrong.push(format!("--promise: {why}"))).ok().flatten();
    if args.need.0 == 0 {
        wrong.push("--need: nothing is needed; say how much, such as 1500/s".into());
    }
    if !wrong.is_empty() {
        return Err(wrong.join("\n"));
    }
    let asked = Asked { need: args.need.hertz(), spare: args.spare, promise, extrapolate: args.extrapolate };
    let answer = plan(&studies, &asked)?;
    if let Some(out) = &args.out {
        let folder = Folder::open(out);
        let files = report::plan_files(&answer);
        let written = fs::create_dir_all(out)
            .and_then(|()| files.iter().try_for_each(|(name, text)| folder.replace(name, text.as_bytes())));
        written.map_err(|why| format!("{}: the plan could not be written: {why}", out.display()))?;
    }
    Ok(answer)
}

/// The study of a folder.
pub fn study(folder: &Path) -> Result<Study, String> {
    let path = folder.join(FILE);
    let text = fs::read_to_string(&path)
        .map_err(|why| format!("{}: {why}; name the folder of a search, the one that holds {FILE}", path.display()))?;
    Study::read(&text).map_err(|why| format!("{}: {why}", path.display()))
}
