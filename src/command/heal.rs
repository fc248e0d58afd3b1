//! `proofload heal DIR`: undoes what a run left broken, when neither the run nor its stage could.

use crate::cli::args::HealArgs;
use crate::cli::print;
use crate::evidence::folder::Folder;
use crate::evidence::undo;
use crate::exit::Exit;
use crate::fault::guard::heal as heal_left;

/// Undoes what is left, and says what it did.
pub fn heal(args: &HealArgs) -> Exit {
    let folder = Folder::open(&args.folder);
    let record = folder.file(undo::FILE);
    if !folder.file("manifest.json").exists() && !record.exists() {
        print::err(&format!(
            "{}: no evidence here: name the folder of a run, the one that holds manifest.json",
            folder.path().display()
        ));
        return Exit::Usage;
    }
    if folder.is_held() {
        print::err(&format!(
            "{}: the run goes on, and undoes what it breaks itself: wait for it, or stop it with Ctrl-C",
            folder.path().display()
        ));
        return Exit::Usage;
    }
    let before = match undo::read(&record) {
        Ok(before) => before,
        Err(why) => {
            print::err(&format!("{}: {why}", record.display()));
            return Exit::NOT_STARTED;
        }
    };
    for (recipe, by, what) in &before.done {
        print::line(&format!("{}: undone already by the {by}: {what}", recipe.of));
    }
    if before.left.is_empty() {
        print::line("nothing is left to undo");
        return Exit::PASS;
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(why) => {
            print::err(&format!("no runtime: {why}"));
            return Exit::NOT_STARTED;
        }
    };
    let healed = match runtime.block_on(heal_left(&record, "heal")) {
        Ok(healed) => healed,
        Err(why) => {
            print::err(&format!("{}: {why}", record.display()));
            return Exit::NOT_STARTED;
        }
    };
    let mut exit = Exit::PASS;
    for healed in healed {
        match healed.done {
            Ok(what) => print::line(&format!("{}: {what}", healed.recipe.of)),
            Err(why) => {
                print::err(&format!(
                    "{}: could not be undone: {why}\n  type: {}",
                    healed.recipe.of,
                    healed.recipe.undo.remedy()
                ));
                exit = Exit::STUCK;
            }
        }
    }
    exit
}
