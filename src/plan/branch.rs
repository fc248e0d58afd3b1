//! Which branch of a flow each shot takes.

use crate::base::seed::Stream;
use crate::scenario::Branch;

/// Draws branches. The branch of a shot is a function of the stream and its number alone.
#[derive(Debug, Clone)]
pub struct Branches {
    cumulative: Vec<f64>, // rising, the last 1
    stream: Stream,
}

impl Branches {
    /// Of a flow; nothing is drawn where it has none.
    pub fn new(branches: &[Branch], stream: Stream) -> Branches {
        let mut sum = 0.0;
        let mut rising = |branch: &Branch| {
            sum += branch.share.fraction();
            sum
        };
        Branches { cumulative: branches.iter().map(&mut rising).collect(), stream }
    }

    /// The branch of a shot.
    pub fn of(&mut self, seq: u64) -> Option<usize> {
        let last = self.cumulative.len().checked_sub(1)?;
        self.stream.seek(u128::from(seq));
        let u = self.stream.unit();
        Some(self.cumulative.partition_point(|share| *share <= u).min(last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::seed::Seed;
    use crate::base::units::Share;

    fn branches(shares: &[u32]) -> Branches {
        let branch = |share: &u32| Branch { name: String::new(), share: Share(share * 10_000_000), steps: 0..1 };
        let all: Vec<Branch> = shares.iter().map(branch).collect();
        Branches::new(&all, Seed(1).stream("mix"))
    }

    #[test]
    fn each_branch_is_taken_as_often_as_it_says_in_whatever_order_shots_are_asked_for() {
        let mut drawn = branches(&[70, 0, 30]);
        let all: Vec<_> = (0..20_000).map(|seq| drawn.of(seq).expect("one")).collect();
        let count = |branch| all.iter().filter(|b| **b == branch).count();
        // Four standard deviations of a binomial count: 4·√(20 000·0.7·0.3) = 259.
        assert!(count(0).abs_diff(14_000) < 259 && count(1) == 0 && count(2).abs_diff(6_000) < 259);
        let mut again = branches(&[70, 0, 30]);
        assert!((0..20_000).rev().step_by(37).all(|seq| again.of(seq) == Some(all[seq as usize])));
        assert_eq!(branches(&[]).of(3), None);
    }
}
