//! Merging rows into the tree of a series, one level after the other.

use super::cell::{Cell, Part};

/// Most parts of a leaf cell: instants with rows.
pub const LEAF_PARTS_MAX: usize = 64;

/// Most parts of an inner cell: cells below it.
pub const INNER_PARTS_MAX: usize = 128;

/// Parts to be added to one level of a series.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Changes {
    /// Digits behind the point.
    pub scale: u32,
    /// Keys ascending, each once.
    pub parts: Vec<Part>,
}

/// What came of merging changes into a level.
#[derive(Debug, Default, Eq, PartialEq)]
pub struct Merged {
    /// Cells that are new or changed.
    pub written: Vec<Cell>,
    /// What the level above is to be changed by. `None` above a level that is the highest
    /// one and stays it.
    pub above: Option<Changes>,
}

/// Merges changes into a level. `cells` are the ones that the changes fall into (each
/// change into the last cell that begins at it or before it), keys ascending; none if the
/// series has no such level yet. `is_highest` tells whether there is no level above.
#[must_use]
pub fn merge_level(level: u8, is_highest: bool, mut cells: Vec<Cell>, changes: Changes) -> Merged {
    if cells.is_empty() {
        cells.push(Cell::empty(i64::MIN));
    }
    let is_inner = level > 0;
    let parts_max = if is_inner { INNER_PARTS_MAX } else { LEAF_PARTS_MAX };
    let bounds: Vec<_> = cells.iter().skip(1).map(|cell| cell.key).chain([i64::MAX]).collect();
    let mut merged = Merged::default();
    let mut above = Vec::new();
    let mut rest = changes.parts.into_iter().peekable();
    for (mut cell, bound) in cells.into_iter().zip(bounds) {
        let mine: Vec<_> =
            std::iter::from_fn(|| rest.next_if(|part| part.key < bound || bound == i64::MAX))
                .collect();
        if mine.is_empty() {
            continue;
        }
        let before = cell.total();
        let scale_before = cell.scale;
        let is_appended = cell.parts.last().is_none_or(|last| last.key <= mine[0].key);
        cell.merge(changes.scale, mine, is_inner);
        let mut before = before.shifted(cell.scale - scale_before);
        if is_highest {
            before = super::sums::Sums::ZERO;
        }
        for (place, cell) in split(cell, parts_max, is_appended).into_iter().enumerate() {
            let mut sums = cell.total();
            if place == 0 {
                sums.add(&before.negated());
            }
            above.push((cell.scale, Part { key: cell.key, sums }));
            merged.written.push(cell);
        }
    }
    if !is_highest || merged.written.len() > 1 {
        let scale = above.iter().map(|(scale, _)| *scale).max().unwrap_or(0);
        let at_scale =
            |(own, part): (u32, Part)| Part { key: part.key, sums: part.sums.shifted(scale - own) };
        merged.above = Some(Changes { scale, parts: above.into_iter().map(at_scale).collect() });
    }
    merged
}

/// Cuts a cell with too many parts into several. Where rows only ever come behind the last
/// one the cells in front are left full; elsewhere room is left in all of them.
fn split(cell: Cell, parts_max: usize, is_appended: bool) -> Vec<Cell> {
    let count = cell.parts.len();
    if count <= parts_max {
        return vec![cell];
    }
    let size =
        if is_appended { parts_max } else { count.div_ceil(count.div_ceil(parts_max * 3 / 4)) };
    let Cell { key, scale, parts } = cell;
    let mut parts = parts.into_iter();
    let mut cells = Vec::with_capacity(count.div_ceil(size));
    loop {
        let own: Vec<_> = parts.by_ref().take(size).collect();
        let Some(first) = own.first() else { return cells };
        let key = if cells.is_empty() { key } else { first.key };
        cells.push(Cell { key, scale, parts: own });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::running_total::{prefix::Prefix, sums::Sums, whole::Whole};

    /// A whole tree in memory, as the database would hold it.
    #[derive(Default)]
    struct Tree {
        levels: Vec<BTreeMap<i64, Cell>>,
    }

    impl Tree {
        fn add(&mut self, mut changes: Changes) {
            for level in 0.. {
                if level == self.levels.len() {
                    self.levels.push(BTreeMap::new());
                }
                let is_highest = level + 1 == self.levels.len();
                let cells = &mut self.levels[level];
                let mut covering = BTreeMap::new();
                for part in &changes.parts {
                    if let Some((key, cell)) = cells.range(..=part.key).next_back() {
                        covering.insert(*key, cell.clone());
                    }
                }
                let covering = covering.into_values().collect();
                let merged =
                    merge_level(u8::try_from(level).unwrap(), is_highest, covering, changes);
                for cell in merged.written {
                    cells.insert(cell.key, cell);
                }
                match merged.above {
                    Some(above) => changes = above,
                    None => return,
                }
            }
        }

        fn before(&self, bound: i64) -> Prefix {
            let mut prefix = Prefix::before(bound);
            for cells in &self.levels {
                let (_, cell) = cells.range(..bound.max(i64::MIN + 1)).next_back().unwrap();
                prefix.add_level(&cell.encode()).unwrap();
            }
            prefix
        }
    }

    #[derive(Clone, Debug)]
    struct Batch {
        scale: u32,
        rows: Vec<(i64, i64, i64)>,
    }

    fn batches() -> impl Strategy<Value = Vec<Batch>> {
        let row = (0i64..3_000, 1i64..1_000_000, prop_oneof![3 => Just(1i64), 1 => Just(-1i64)]);
        let batch = (0u32..4, proptest::collection::vec(row, 1..400))
            .prop_map(|(scale, rows)| Batch { scale, rows });
        proptest::collection::vec(batch, 1..12)
    }

    fn changes(batch: &Batch) -> Changes {
        let mut sums = BTreeMap::new();
        for (key, amount, count) in &batch.rows {
            let added = Sums::of(*count, &Whole::Small(i128::from(*amount)));
            sums.entry(*key).or_insert(Sums::ZERO).add(&added);
        }
        let parts = sums.into_iter().map(|(key, sums)| Part { key, sums }).collect();
        Changes { scale: batch.scale, parts }
    }

    #[test]
    fn appending_leaves_full_cells_and_few_levels() {
        let mut tree = Tree::default();
        for batch in 0..100 {
            let rows = (0..640).map(|row| (batch * 640 + row, 5, 1)).collect();
            tree.add(changes(&Batch { scale: 2, rows }));
        }
        assert_eq!(tree.levels.len(), 3);
        assert_eq!(tree.levels[0].len(), 1_000);
        assert_eq!(tree.levels[1].len(), 8);
        assert_eq!(tree.before(i64::MAX).total().sums.count, 64_000);
    }

    proptest! {
        #[test]
        fn any_prefix_equals_the_sum_of_its_rows(
            batches in batches(),
            bounds in proptest::collection::vec(-1i64..3_001, 20),
        ) {
            let mut tree = Tree::default();
            for batch in &batches {
                tree.add(changes(batch));
            }
            for cells in &tree.levels {
                prop_assert!(cells.contains_key(&i64::MIN));
                prop_assert!(cells.values().all(|cell| cell.parts.len() <= INNER_PARTS_MAX));
            }
            prop_assert_eq!(tree.levels.last().map(BTreeMap::len), Some(1));
            for bound in bounds {
                let mut expected = crate::domain::running_total::sums::ScaledSums::ZERO;
                for batch in &batches {
                    for (_, amount, count) in batch.rows.iter().filter(|row| row.0 < bound) {
                        let amount = Whole::Small(i128::from(*amount));
                        expected.add(batch.scale, &Sums::of(*count, &amount));
                    }
                }
                let found = tree.before(bound);
                prop_assert_eq!(found.total().to_moments(), expected.to_moments());
            }
        }
    }
}
