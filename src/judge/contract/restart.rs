//! Processes that went down although nothing was planned to end them.

use super::exposed::View;
use crate::base::metrics::rule;
use crate::base::time::Offset;
use crate::judge::trial::Trial;
use crate::judge::verdict::instant;
use crate::lint::metrics::Finding;

/// A finding for each restart that no fault explains.
pub(super) fn unexplained(trial: &Trial<'_>, view: &View<'_>) -> Vec<Finding> {
    let killed = view.killed();
    let explained = |(from, to): &(i64, i64)| killed.iter().any(|(start, end, _)| from <= end && to >= start);
    let at = |unix_ms: i64| {
        let zero = trial.evidence.manifest.wall_zero;
        instant(Offset::from_nanos(unix_ms.saturating_mul(1_000_000).saturating_sub(zero)))
    };
    let said = |(from, to): (i64, i64)| {
        let why = format!("the process began anew between {} and {}, and no fault ended it", at(from), at(to));
        Finding::new(rule::RESTARTED, "process_start_time_seconds", why)
    };
    view.restarts().into_iter().filter(|span| !explained(span)).map(said).collect()
}
