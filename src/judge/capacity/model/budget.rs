//! Upstream budgets: how often each upstream is called at each load, and the load at which its rate limit is reached. What a
//! quota costs is planned by this.

use serde::Serialize;

use crate::judge::capacity::Probe;

/// A service that keeps to a limit itself comes this close to it and no closer.
const NEAR: f64 = 0.95;

/// What a load asks of an upstream.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Budget {
    /// The upstream.
    pub upstream: String,
    /// Its rate limit, per second, where it has one.
    pub limit: Option<f64>,
    /// Shots a second, and calls a second at that, from the lowest.
    pub points: Vec<(f64, f64)>,
    /// The load at which the limit is reached; nothing where it is not, or where there is none.
    pub reached: Option<Reached>,
}

/// The load at which a limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Reached {
    /// Shots a second.
    pub rate: f64,
    /// Whether that lies between loads that were measured; else it goes on from the highest as it came there.
    pub measured: bool,
}

/// The budgets of all upstreams that probes called, by name.
pub fn budgets(probes: &[Probe]) -> Vec<Budget> {
    let mut names: Vec<&String> = probes.iter().flat_map(|probe| probe.upstreams.keys()).collect();
    names.sort();
    names.dedup();
    let of = |name: &String| {
        let told = probes.iter().filter(|probe| probe.decided().is_some());
        let told = told.filter_map(|probe| Some((probe.offered, probe.upstreams.get(name)?)));
        let mut points: Vec<(f64, f64)> = told.clone().map(|(rate, of)| (rate, of.calls)).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let points = averaged(points);
        let limit = told.filter_map(|(_, of)| of.limit).next();
        let reached = limit.and_then(|limit| reached(&points, limit));
        Budget { upstream: name.clone(), limit, points, reached }
    };
    names.into_iter().map(of).collect()
}

/// Loads that are the same to a hundredth are one.
fn averaged(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let groups = points.chunk_by(|a, b| b.0 <= a.0 * 1.01);
    let mean = |group: &[(f64, f64)]| {
        let n = group.len() as f64;
        (group.iter().map(|p| p.0).sum::<f64>() / n, group.iter().map(|p| p.1).sum::<f64>() / n)
    };
    groups.map(mean).collect()
}

/// Where calls come near a limit for the first time.
fn reached(points: &[(f64, f64)], limit: f64) -> Option<Reached> {
    let near = limit * NEAR;
    let above = points.iter().position(|(_, calls)| *calls >= near);
    match above {
        Some(0) => points.first().map(|(rate, _)| Reached { rate: *rate, measured: true }),
        Some(i) => {
            let ((r0, c0), (r1, c1)) = (points[i - 1], points[i]);
            let part = if c1 > c0 { (near - c0) / (c1 - c0) } else { 1.0 };
            Some(Reached { rate: r0 + (r1 - r0) * part.clamp(0.0, 1.0), measured: true })
        }
        // From the highest load on, each shot costs what each cost up to there: a cache that warms makes it cheaper, and then
        // the limit is reached later.
        None => {
            let (rate, calls) = points.iter().rev().find(|(_, calls)| *calls > 0.0)?;
            Some(Reached { rate: near / (calls / rate), measured: false })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_reached_between_two_loads_or_beyond_them() {
        let points = [(100.0, 5.0), (200.0, 10.0), (400.0, 19.5), (800.0, 19.6)];
        let at = |limit| reached(&points, limit).map(|r| (r.rate.round(), r.measured));
        assert_eq!(at(20.0), Some((389.0, true)));
        assert_eq!(at(5.0), Some((100.0, true)), "at the lowest already");
        assert_eq!(at(40.0), Some((1551.0, false)), "beyond what was measured");
        assert_eq!(reached(&[(100.0, 0.0)], 20.0), None, "never called");
        assert_eq!(averaged(vec![(100.0, 4.0), (100.5, 6.0), (200.0, 1.0)]), [(100.25, 5.0), (200.0, 1.0)]);
    }
}
