//! The running total before an instant, from one cell of each level.

use super::{
    cell::{BrokenCell, add_below},
    sums::ScaledSums,
};

/// A running total that is being read, from the leaf up.
#[derive(Clone, Debug)]
pub struct Prefix {
    /// Parts below this key count: at the leaves the instant that was asked for, higher up
    /// the key of the cell one level below, which has been counted.
    bound: i64,
    total: ScaledSums,
    cells: u64,
}

impl Prefix {
    /// Of all rows before an instant (microseconds since the Unix epoch).
    #[must_use]
    pub fn before(instant: i64) -> Self {
        Self { bound: instant, total: ScaledSums::ZERO, cells: 0 }
    }

    /// Adds the cell of the next level: of those that begin before the instant the last.
    ///
    /// # Errors
    /// If the bytes are not those of a cell.
    pub fn add_level(&mut self, cell: &[u8]) -> Result<(), BrokenCell> {
        let (key, _) = add_below(cell, self.bound, &mut self.total)?;
        self.bound = key;
        self.cells += 1;
        Ok(())
    }

    /// The running total.
    #[must_use]
    pub fn total(&self) -> &ScaledSums {
        &self.total
    }

    /// Cells that were read.
    #[must_use]
    pub fn cells(&self) -> u64 {
        self.cells
    }
}
