//! Counts by second until the next tick.

use super::event::TickRow;

/// Counts of one traffic by the second in which shots are due, in order.
#[derive(Debug, Default)]
pub(super) struct Rows {
    rows: Vec<TickRow>,
    last: usize,
}

impl Rows {
    /// The row of a second.
    pub(super) fn at(&mut self, second: i64) -> &mut TickRow {
        // Most shots are due in the second of the one before them.
        if self.rows.get(self.last).is_none_or(|row| row.second != second) {
            self.last = self.rows.partition_point(|row| row.second < second);
            if self.rows.get(self.last).is_none_or(|row| row.second != second) {
                self.rows.insert(self.last, TickRow { second, ..TickRow::default() });
            }
        }
        &mut self.rows[self.last]
    }

    /// All rows; none are left.
    pub(super) fn take(&mut self) -> Vec<TickRow> {
        std::mem::take(&mut self.rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_kept_by_second_in_order() {
        let mut rows = Rows::default();
        for second in [3, 3, -1, 2, 3, -1] {
            rows.at(second).due += 1;
        }
        let due: Vec<(i64, u64)> = rows.take().into_iter().map(|row| (row.second, row.due)).collect();
        assert_eq!(due, [(-1, 2), (2, 1), (3, 3)]);
        assert_eq!(rows.at(9).due, 0);
    }
}
