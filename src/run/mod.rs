//! The composition root of a run: starts what the scenario needs, lets traffic, faults and scrapes go their ways, and
//! leaves evidence. It judges nothing.

mod canary;
mod interim;
mod load;
mod lookout;
mod prepare;
mod programs;
mod record;
mod resources;
mod servers;
mod signals;
mod standing;
mod target;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use prepare::Prepared;
pub use prepare::identity;
use signals::Signals;
pub use signals::Told;
pub use standing::{Standing, Stands};

use crate::base::time::{self, Offset};
use crate::evidence::baseline::Baseline;
pub use crate::evidence::board::Board;
use crate::evidence::folder::Folder;
use crate::evidence::manifest::{End, How};
use crate::evidence::undo;
use crate::fault::guard::{Healed, heal};
use crate::judge;
use crate::plan::Plan;
use crate::scenario::Scenario;

/// What to run, and how.
pub struct Launch {
    /// What.
    pub scenario: Scenario,
    /// Its plan.
    pub plan: Plan,
    /// The file, as it was named.
    pub file: PathBuf,
    /// Where the folder of the run is made; [`home`] says where that is for a run by itself.
    pub home: PathBuf,
    /// This program, for its children.
    pub program: PathBuf,
    /// A stage that was started by hand.
    pub stage: Option<String>,
    /// What stands already and is to stand afterwards; its stage is named by `stage`.
    pub standing: Option<Arc<Standing>>,
    /// How long it may take in all, preparations included.
    pub budget: Option<Duration>,
    /// What it is held against, if anything.
    pub baseline: Option<Baseline>,
    /// Where progress is shown.
    pub board: watch::Sender<Board>,
    /// Where it is shown how promises stand; nothing where nobody asks.
    pub outlook: Option<watch::Sender<Vec<judge::Standing>>>,
}

/// Why there was no run. Nothing measured was sent.
#[derive(Debug, thiserror::Error)]
#[error("could not start: {why}")]
pub struct NotStarted {
    /// In words.
    pub why: String,
    /// What of the preparations could not be undone.
    pub stuck: Vec<Stuck>,
}

impl From<String> for NotStarted {
    fn from(why: String) -> NotStarted {
        NotStarted { why, stuck: Vec::new() }
    }
}

/// What a run left.
pub struct Left {
    /// Its evidence.
    pub folder: Folder,
    /// Why the evidence does not say how the run ended, if so.
    pub trouble: Option<String>,
    /// What could not be undone, why, and what to type.
    pub stuck: Vec<Stuck>,
}

/// Something that could not be undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    /// The fault, or the process that the run started.
    pub of: String,
    /// In words.
    pub why: String,
    /// What to type.
    pub remedy: String,
}

/// Runs the scenario; what it left. Everything that was started has ended.
pub async fn run(launch: Launch) -> Result<Left, NotStarted> {
    let folder = make_folder(&launch.home)?;
    let mut signals = Signals::listen().map_err(|e| e.to_string())?.within(launch.budget);
    let mut prepared = Prepared::new(&launch, &folder).await?;
    let outcome = tokio::select! {
        made = prepared.make_ready() => made,
        how = signals.next() => Err(format!("{how:?} before the load began")),
    };
    if let Err(why) = outcome {
        prepared.manifest.end = Some(End { how: How::NotStarted(why.clone()), at: Offset::ZERO });
        let _ = folder.write_manifest(&prepared.manifest);
        prepared.stop().await;
        return Err(NotStarted { why, stuck: undo_rest(&folder).await });
    }
    let how = prepared.load(&mut signals).await;
    prepared.stop().await;
    let how = match how {
        Ok(how) => how,
        Err(why) => return Err(NotStarted { why, stuck: undo_rest(&folder).await }),
    };
    let at = prepared.clock.now();
    prepared.manifest.end = Some(End { how: how.clone(), at });
    if let Some(reserve) = prepared.reserve.take() {
        reserve.release();
    }
    // Where even that room is gone the manifest stays as it was when the load began: the run is judged as one that died.
    let trouble = folder.write_manifest(&prepared.manifest).err().map(|why| {
        let place = folder.file("manifest.json");
        let unsaid = format!("{}: how the run ended could not be written: {why}", place.display());
        if let How::CutShort(first) = how { format!("{first}; {unsaid}") } else { unsaid }
    });
    Ok(Left { stuck: undo_rest(&folder).await, folder, trouble })
}

/// How long whoever is at it already may take: a stage that was let go of undoes everything at once.
const AT_IT: Duration = Duration::from_secs(5);

/// Undoes what is still written down as not undone, and says of what it cannot. Nothing is left where all went well.
async fn undo_rest(folder: &Folder) -> Vec<Stuck> {
    let record = folder.file(undo::FILE);
    let is_left = || undo::read(&record).is_ok_and(|found| !found.left.is_empty());
    let waiting = async {
        while is_left() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    if tokio::time::timeout(AT_IT, waiting).await.is_ok() {
        return Vec::new();
    }
    let stuck = |healed: Healed| {
        let (why, remedy) = (healed.done.err()?, healed.recipe.undo.remedy());
        Some(Stuck { of: healed.recipe.of, why, remedy })
    };
    match heal(&record, "run").await {
        Ok(healed) => healed.into_iter().filter_map(stuck).collect(),
        Err(why) => {
            let remedy = format!("proofload heal {}", folder.path().display());
            vec![Stuck { of: record.display().to_string(), why: why.to_string(), remedy }]
        }
    }
}

/// Below `out`, where the folders of a scenario file's runs are: `out/FOLDER/STEM`.
pub fn home(out: &Path, file: &Path) -> PathBuf {
    let absolute = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let part = |part: Option<&std::ffi::OsStr>| part.map(|p| p.to_string_lossy().into_owned()).unwrap_or_default();
    out.join(part(absolute.parent().and_then(Path::file_name))).join(part(absolute.file_stem()))
}

/// Makes a folder for a run, or for several that belong together. The error says what to do.
pub fn make_folder(home: &Path) -> Result<Folder, String> {
    Folder::create(home, time::wall()).map_err(|e| {
        let place = home.display();
        format!("{place}: {e}; reports need a folder that can be written: name another with --out")
    })
}
