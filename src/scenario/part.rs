//! Parts of shots that are measured by themselves: the steps of a flow, the stages of a pipeline.

/// A part that the shots of a traffic have. Promises and reports call it `TRAFFIC.PART`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it is called within its traffic.
    pub name: String,
    /// Whether it is one exchange with a service, which has every clock. Anything else has a response alone.
    pub is_exchange: bool,
}

/// Whose shots something is about: all of a traffic, or one part of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Whose {
    /// The position of the traffic in the scenario.
    pub traffic: usize,
    /// The position of the part among those of the traffic; `None` for shots as a whole.
    pub part: Option<usize>,
}

impl Whose {
    /// The shots of a traffic as a whole.
    pub fn whole(traffic: usize) -> Whose {
        Whose { traffic, part: None }
    }

    /// Whether what is said of the other is also said of this one: what a part owes, its whole owes too.
    pub fn covers(self, other: Whose) -> bool {
        self.traffic == other.traffic && (self.part.is_none() || self.part == other.part)
    }
}

/// What evidence, promises and reports call a part.
pub fn part_name(traffic: &str, part: &str) -> String {
    format!("{traffic}.{part}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_covers_its_parts_and_a_part_itself() {
        let whose = |traffic, part| Whose { traffic, part };
        for (of, other, covers) in [
            (whose(0, None), whose(0, None), true),
            (whose(0, None), whose(0, Some(1)), true),
            (whose(0, Some(1)), whose(0, Some(1)), true),
            (whose(0, Some(1)), whose(0, Some(2)), false),
            (whose(0, Some(1)), whose(0, None), false),
            (whose(0, None), whose(1, None), false),
        ] {
            assert_eq!(of.covers(other), covers, "{of:?} {other:?}");
        }
    }
}
