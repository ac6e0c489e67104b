//! Cells: sorted lists of keys with their sums, as bytes in the database.
//!
//! The bytes: a version (1), the scale, the cell's own key, the number of parts; then for
//! each part the distance of its key to the one before (the first: the key itself), the
//! count with a bit that says whether squares follow, the sum, and the squares unless
//! they are the square of the sum, as they are for one row. Words are LEB128, whole
//! numbers a length and a little-endian magnitude. A row takes about eleven bytes.

use super::{
    sums::{ScaledSums, Sums},
    varint::{Reader, put_signed, put_unsigned, put_whole},
};

const VERSION: u8 = 1;

/// Bytes of a part, about.
const PART_BYTES: usize = 16;

/// The bytes are not those of a cell.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a cell of running totals is broken: run `daybook audit`")]
pub struct BrokenCell;

/// A key with its sums.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Part {
    /// In a leaf the instant of rows, in an inner cell the key of a cell below, in a day
    /// cell an account. Instants are microseconds since the Unix epoch.
    pub key: i64,
    /// What they add.
    pub sums: Sums,
}

/// A cell.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cell {
    /// Where the cell begins: parts lie at it or after it. `i64::MIN` for the first cell
    /// of a level.
    pub key: i64,
    /// Digits behind the point of its amounts.
    pub scale: u32,
    /// Its parts, keys ascending.
    pub parts: Vec<Part>,
}

impl Cell {
    /// A cell without parts.
    #[must_use]
    pub fn empty(key: i64) -> Self {
        Self { key, scale: 0, parts: Vec::new() }
    }

    /// What all parts add together.
    #[must_use]
    pub fn total(&self) -> Sums {
        let mut total = Sums::ZERO;
        self.parts.iter().for_each(|part| total.add(&part.sums));
        total
    }

    /// Merges parts (keys ascending, each once) of some scale into the cell. Parts that
    /// come to nothing stay in an inner cell, where they stand for a cell below, and leave
    /// any other.
    pub fn merge(&mut self, scale: u32, changes: impl IntoIterator<Item = Part>, is_inner: bool) {
        let mut shift = 0;
        if scale > self.scale {
            let digits = scale - self.scale;
            self.parts.iter_mut().for_each(|part| part.sums = part.sums.shifted(digits));
            self.scale = scale;
        } else {
            shift = self.scale - scale;
        }
        let old = std::mem::take(&mut self.parts);
        self.parts = Vec::with_capacity(old.len() + 8);
        let mut old = old.into_iter().peekable();
        for mut change in changes {
            if shift > 0 {
                change.sums = change.sums.shifted(shift);
            }
            while let Some(part) = old.next_if(|part| part.key < change.key) {
                self.parts.push(part);
            }
            if let Some(mut part) = old.next_if(|part| part.key == change.key) {
                part.sums.add(&change.sums);
                change = part;
            }
            if is_inner || !change.sums.is_zero() {
                self.parts.push(change);
            }
        }
        self.parts.extend(old);
    }

    /// The cell as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(16 + self.parts.len() * PART_BYTES);
        bytes.push(VERSION);
        put_unsigned(u64::from(self.scale), &mut bytes);
        put_signed(self.key, &mut bytes);
        put_unsigned(self.parts.len() as u64, &mut bytes);
        let mut last_key = None;
        for part in &self.parts {
            match last_key {
                None => put_signed(part.key, &mut bytes),
                Some(last) => put_unsigned(part.key.wrapping_sub(last).cast_unsigned(), &mut bytes),
            }
            last_key = Some(part.key);
            let Sums { count, sum, squares } = &part.sums;
            let has_squares = sum.times(sum) != *squares;
            // Counts are far below 2^62: a shift loses nothing.
            put_signed(count << 1 | i64::from(has_squares), &mut bytes);
            put_whole(sum, &mut bytes);
            if has_squares {
                put_whole(squares, &mut bytes);
            }
        }
        bytes
    }

    /// Reads a cell.
    ///
    /// # Errors
    /// If the bytes are not those of a cell.
    pub fn decode(bytes: &[u8]) -> Result<Self, BrokenCell> {
        let mut parts = Vec::new();
        let head = visit(bytes, |_, part| {
            parts.push(part);
            true
        })?;
        Ok(Self { key: head.key, scale: head.scale, parts })
    }
}

/// What stands before the parts of a cell.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CellHead {
    /// Where the cell begins.
    pub key: i64,
    /// Digits behind the point of its amounts.
    pub scale: u32,
}

/// Reads a cell part by part, as long as the visitor says so; it is told the scale too.
///
/// # Errors
/// If the bytes are not those of a cell.
pub fn visit(
    bytes: &[u8],
    mut visitor: impl FnMut(u32, Part) -> bool,
) -> Result<CellHead, BrokenCell> {
    let mut reader = Reader::new(bytes);
    if reader.byte()? != VERSION {
        return Err(BrokenCell);
    }
    let scale = u32::try_from(reader.unsigned()?).map_err(|_| BrokenCell)?;
    let key = reader.signed()?;
    let head = CellHead { key, scale };
    let count = reader.unsigned()?;
    let mut last_key = None;
    for _ in 0..count {
        let key = match last_key {
            None => reader.signed()?,
            Some(last) => i64::wrapping_add(last, reader.unsigned()?.cast_signed()),
        };
        last_key = Some(key);
        let counted = reader.signed()?;
        let sum = reader.whole()?;
        let squares = if counted & 1 == 1 { reader.whole()? } else { sum.times(&sum) };
        if !visitor(scale, Part { key, sums: Sums { count: counted >> 1, sum, squares } }) {
            return Ok(head);
        }
    }
    if reader.is_at_end() { Ok(head) } else { Err(BrokenCell) }
}

/// Adds up the parts of a cell whose keys lie below `bound`; returns the cell's own key and
/// how many parts there were.
///
/// # Errors
/// If the bytes are not those of a cell.
pub fn add_below(
    bytes: &[u8],
    bound: i64,
    total: &mut ScaledSums,
) -> Result<(i64, u64), BrokenCell> {
    let mut sums = Sums::ZERO;
    let mut count = 0;
    let head = visit(bytes, |_, part| {
        let is_below = part.key < bound;
        if is_below {
            sums.add(&part.sums);
            count += 1;
        }
        is_below
    })?;
    total.add(head.scale, &sums);
    Ok((head.key, count))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::running_total::whole::Whole;

    fn part(key: i64, count: i64, amount: i128) -> Part {
        Part { key, sums: Sums::of(count, &Whole::Small(amount)) }
    }

    fn parts() -> impl Strategy<Value = Vec<Part>> {
        let entry = (any::<i64>(), -3i64..4, any::<i128>());
        proptest::collection::btree_map(any::<i64>(), entry, 0..30).prop_map(|map| {
            let part = |(key, (other, count, amount)): (i64, (i64, i64, i128))| {
                let mut part = part(key, count, amount);
                part.sums.add(&Sums::of(1, &Whole::Small(i128::from(other))));
                part
            };
            map.into_iter().map(part).collect()
        })
    }

    #[test]
    fn a_row_takes_few_bytes() {
        let parts = (0..64).map(|row| part(row * 20_000_000_000, 1, 123_456_789)).collect();
        let cell = Cell { key: i64::MIN, scale: 5, parts };
        assert!(cell.encode().len() < 64 * 12, "{}", cell.encode().len());
    }

    proptest! {
        #[test]
        fn reading_undoes_writing(key in any::<i64>(), scale in 0u32..80, parts in parts()) {
            let cell = Cell { key, scale, parts };
            prop_assert_eq!(Cell::decode(&cell.encode()), Ok(cell));
        }

        #[test]
        fn merging_adds(
            a in parts(), b in parts(), scales in (0u32..9, 0u32..9), bound in any::<i64>(),
        ) {
            let mut cell = Cell { key: i64::MIN, scale: scales.0, parts: a.clone() };
            cell.merge(scales.1, b.clone(), false);
            let mut expected = ScaledSums::ZERO;
            for (scale, parts) in [(scales.0, &a), (scales.1, &b)] {
                for part in parts.iter().filter(|part| part.key < bound) {
                    expected.add(scale, &part.sums);
                }
            }
            let mut found = ScaledSums::ZERO;
            add_below(&cell.encode(), bound, &mut found).expect("just encoded");
            prop_assert_eq!(found.to_moments(), expected.to_moments());
            prop_assert!(cell.parts.is_sorted_by_key(|part| part.key));
            // Taking away what was added leaves what was there.
            let away = b.iter().map(|part| Part { key: part.key, sums: part.sums.negated() });
            cell.merge(scales.1, away, false);
            let mut before = Cell { key: i64::MIN, scale: scales.0, parts: a };
            before.merge(scales.1, [], false);
            before.parts.retain(|part| !part.sums.is_zero());
            prop_assert_eq!(cell, before);
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = Cell::decode(&bytes);
        }
    }
}
