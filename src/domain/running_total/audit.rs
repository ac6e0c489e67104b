//! Holding stored cells against what the rows say. Pure.

use std::collections::BTreeMap;

use super::{
    cell::{Cell, Part},
    sums::{ScaledSums, Sums},
    tree::Changes,
};

/// What rows add up to, by key: instants of a series, or accounts of a day.
pub type Expected = BTreeMap<i64, ScaledSums>;

/// Adds to what is expected of a key.
pub fn expect(expected: &mut Expected, key: i64, scale: u32, sums: &Sums) {
    expected.entry(key).or_insert(ScaledSums::ZERO).add(scale, sums);
}

/// What is expected, as changes to nothing.
#[must_use]
pub fn changes_of(expected: Expected) -> Changes {
    let scale = expected.values().map(|sums| sums.scale).max().unwrap_or(0);
    let parts = expected.into_iter().filter(|(_, sums)| !sums.sums.is_zero());
    let part =
        |(key, sums): (i64, ScaledSums)| Part { key, sums: sums.sums.shifted(scale - sums.scale) };
    Changes { scale, parts: parts.map(part).collect() }
}

/// Something that does not agree.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// The stored totals of a day differ from those of the rows.
    Day {
        /// The day, counted from the Unix epoch.
        day: i64,
        /// What is stored.
        stored: Box<ScaledSums>,
        /// What the rows say.
        rows: Box<ScaledSums>,
    },
    /// Cells contradict each other, or cannot be read.
    Structure(&'static str),
}

/// Holds a cell against sums by key; the two are equal where nothing is left.
#[must_use]
pub fn agrees(cell: Option<&Cell>, expected: &Expected) -> bool {
    let mut left = expected.clone();
    if let Some(cell) = cell {
        for part in &cell.parts {
            left.entry(part.key).or_insert(ScaledSums::ZERO).add(cell.scale, &part.sums.negated());
        }
    }
    left.values().all(|sums| sums.sums.is_zero())
}
