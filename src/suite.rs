//! Several runs in turn, until all are over or somebody ends them.

use crate::exit::Exit;
use crate::judge::{Ended, Turn};

/// A scenario that waits for its turn.
pub struct Waiting<T> {
    /// Its name.
    pub scenario: String,
    /// Its file, as it was named.
    pub file: String,
    /// What it takes to run it.
    pub launch: T,
}

/// Runs each in turn by `run`, which says how it ended for whoever started it and what became of it. After a turn for
/// whose exit `ended` says so the rest is not run. Comes back with every turn and the gravest exit.
pub fn in_turn<T>(
    waiting: Vec<Waiting<T>>,
    mut run: impl FnMut(T) -> (Exit, Ended),
    mut ended: impl FnMut(Exit) -> bool,
) -> (Vec<Turn>, Exit) {
    let mut turns = Vec::with_capacity(waiting.len());
    let mut exits = Vec::new();
    let mut over = false;
    for Waiting { scenario, file, launch } in waiting {
        let became = if over {
            Ended::NotRun
        } else {
            let (exit, became) = run(launch);
            exits.push(exit);
            over = ended(exit);
            became
        };
        turns.push(Turn { scenario, file, ended: became });
    }
    (turns, Exit::of_suite(exits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge;

    fn waiting(n: usize) -> Vec<Waiting<usize>> {
        (0..n).map(|i| Waiting { scenario: i.to_string(), file: format!("{i}.yaml"), launch: i }).collect()
    }

    #[test]
    fn the_gravest_end_is_that_of_all() {
        let exits = [Exit::PASS, Exit::NOT_STARTED, Exit::Judged(judge::Exit::Fail)];
        let (turns, exit) = in_turn(waiting(3), |i| (exits[i], Ended::NotStarted(i.to_string())), |_| false);
        assert_eq!(exit, Exit::NOT_STARTED);
        assert_eq!(turns.iter().map(|t| t.file.as_str()).collect::<Vec<_>>(), ["0.yaml", "1.yaml", "2.yaml"]);
    }

    #[test]
    fn whoever_ends_a_run_ends_the_suite() {
        let mut ran = Vec::new();
        let mut asked = 0;
        let interrupted = |i| {
            ran.push(i);
            (Exit::Judged(judge::Exit::Interrupted), Ended::NotStarted(String::new()))
        };
        let (turns, exit) = in_turn(waiting(4), interrupted, |_| {
            asked += 1;
            asked == 2
        });
        assert_eq!((exit, ran), (Exit::Judged(judge::Exit::Interrupted), vec![0, 1]));
        assert_eq!(turns.iter().filter(|t| t.ended == Ended::NotRun).count(), 2);
    }
}
