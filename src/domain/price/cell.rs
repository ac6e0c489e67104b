//! Cells of prices: what the ticks of a group of symbols in a span of time come to, as bytes in
//! the database.
//!
//! The bytes: a version (1), the number of symbols, then for each the distance of its id to the
//! one before (the first: the id itself), how many bytes follow for it, the number of ticks, the
//! scale, and the first tick: microseconds since the span's beginning, the price, its logarithm.
//! Where there is one tick that is all. Where there are more the rest follows, each as what it
//! differs by from what could be guessed:
//!
//! | field | differs from |
//! |---|---|
//! | instant, price and logarithm of the last tick | those of the first |
//! | sum, and sum of squares | those if each price were the first |
//! | lowest and highest price | the lower and the higher of the first and the last |
//! | sum of returns | the return from the first to the last |
//! | sum of squares of returns | nothing |
//!
//! For squares that is the sum of the squares of the differences to the first price: small,
//! and exact all the same. Words are LEB128, whole numbers a length and a little-endian
//! magnitude. A symbol of four ticks takes about 85 bytes.
//!
//! No bytes at all follow for a symbol whose totals are lost: they were to be put together from
//! cells of which one could not be read. Whoever needs that symbol takes the cell for one that
//! cannot be read, whoever needs others does not.

use std::collections::BTreeMap;

use crate::domain::{
    price::{
        logarithm::{LN_DECIMALS, log_return},
        tick::PRICE_DECIMALS_MAX,
        totals::{Tick, TickTotals},
    },
    running_total::{
        cell::BrokenCell,
        varint::{Reader, put_signed, put_unsigned, put_whole},
        whole::Whole,
    },
};

const VERSION: u8 = 1;

/// Bytes of a symbol, about.
const SYMBOL_BYTES: usize = 96;

/// No logarithm of a price is as far from zero: prices have at most 60 digits.
const LN_BOUND: u128 = 140 * 10u128.pow(LN_DECIMALS);

/// A cell of prices.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PriceCell {
    /// Where its span begins, in microseconds since the Unix epoch. No tick is earlier.
    pub start: i64,
    /// What the ticks of each symbol come to, ids of symbols ascending.
    pub totals: Vec<(i32, TickTotals)>,
}

impl PriceCell {
    /// The cell as bytes, without where it begins. Equal cells have equal bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(self.start, self.totals.iter().map(|(id, totals)| (*id, Some(totals))))
    }

    /// Reads a cell whose span begins at `start`.
    ///
    /// # Errors
    /// If the bytes are not those of a cell.
    pub fn decode(start: i64, bytes: &[u8]) -> Result<Self, BrokenCell> {
        let mut totals = Vec::new();
        visit(start, bytes, |_| true, |symbol_id, of_symbol| totals.push((symbol_id, of_symbol)))?;
        Ok(Self { start, totals })
    }
}

/// What a cell says of each symbol; `None` of one whose totals are lost.
pub type Told = BTreeMap<i32, Option<TickTotals>>;

/// A cell as bytes that says this of each symbol, of a span that begins at `start`.
#[must_use]
pub fn encode_told(start: i64, told: &Told) -> Vec<u8> {
    encode(start, told.iter().map(|(id, totals)| (*id, totals.as_ref())))
}

/// Reads what a cell says of each symbol, as far as it can be read.
///
/// # Errors
/// If not even the symbols can be told apart.
pub fn decode_told(start: i64, bytes: &[u8]) -> Result<Told, BrokenCell> {
    let mut told = Told::new();
    visit_told(start, bytes, |_| true, |id, totals| _ = told.insert(id, totals))?;
    Ok(told)
}

fn encode<'a>(
    start: i64,
    symbols: impl ExactSizeIterator<Item = (i32, Option<&'a TickTotals>)>,
) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + symbols.len() * SYMBOL_BYTES);
    let mut of_symbol = Vec::with_capacity(SYMBOL_BYTES);
    bytes.push(VERSION);
    put_unsigned(symbols.len() as u64, &mut bytes);
    let mut last_id = None;
    for (symbol_id, totals) in symbols {
        put_id(symbol_id, last_id.replace(symbol_id), &mut bytes);
        of_symbol.clear();
        if let Some(totals) = totals {
            put_totals(start, totals, &mut of_symbol);
        }
        put_unsigned(of_symbol.len() as u64, &mut bytes);
        bytes.extend_from_slice(&of_symbol);
    }
    bytes
}

/// Reads what the ticks of the symbols that are wanted come to, in the order of their ids, from
/// a cell whose span begins at `start`. Those of other symbols are passed over unread.
///
/// # Errors
/// If the bytes are not those of a cell. The symbols before may have been visited.
pub fn visit(
    start: i64,
    bytes: &[u8],
    want: impl Fn(i32) -> bool,
    mut with: impl FnMut(i32, TickTotals),
) -> Result<(), BrokenCell> {
    let mut is_whole = true;
    visit_told(start, bytes, want, |symbol_id, totals| match totals {
        Some(totals) if is_whole => with(symbol_id, totals),
        Some(_) => {}
        None => is_whole = false,
    })?;
    if is_whole { Ok(()) } else { Err(BrokenCell) }
}

/// Reads what the ticks of the symbols that are wanted come to, as [`visit`] does, and shows `None`
/// for one whose bytes cannot be read.
///
/// # Errors
/// If the symbols cannot be told apart. Those before may have been visited.
pub fn visit_told(
    start: i64,
    bytes: &[u8],
    want: impl Fn(i32) -> bool,
    mut with: impl FnMut(i32, Option<TickTotals>),
) -> Result<(), BrokenCell> {
    let mut reader = Reader::new(bytes);
    if reader.byte()? != VERSION {
        return Err(BrokenCell);
    }
    let symbols = reader.unsigned()?;
    let mut last_id = None;
    for _ in 0..symbols {
        let symbol_id = read_id(&mut reader, last_id)?;
        last_id = Some(symbol_id);
        let length = usize::try_from(reader.unsigned()?).map_err(|_| BrokenCell)?;
        let of_symbol = reader.bytes(length)?;
        if want(symbol_id) {
            with(symbol_id, read_totals(start, of_symbol).ok());
        }
    }
    if reader.is_at_end() { Ok(()) } else { Err(BrokenCell) }
}

/// Appends a symbol's id as its distance to the one before.
pub(super) fn put_id(symbol_id: i32, last: Option<i32>, into: &mut Vec<u8>) {
    let id = i64::from(symbol_id);
    match last {
        None => put_signed(id, into),
        Some(last) => put_unsigned((id - i64::from(last)).cast_unsigned(), into),
    }
}

/// Reads what [`put_id`] wrote: ids ascend.
#[inline]
pub(super) fn read_id(reader: &mut Reader<'_>, last: Option<i32>) -> Result<i32, BrokenCell> {
    let id = match last {
        None => reader.signed()?,
        Some(last) => match reader.unsigned()? {
            0 => return Err(BrokenCell),
            distance => i64::from(last).checked_add_unsigned(distance).ok_or(BrokenCell)?,
        },
    };
    i32::try_from(id).map_err(|_| BrokenCell)
}

fn put_totals(start: i64, totals: &TickTotals, into: &mut Vec<u8>) {
    let TickTotals { scale, count, sum, squares, low, high, first, last, .. } = totals;
    put_unsigned(count.cast_unsigned(), into);
    put_unsigned(u64::from(*scale), into);
    put_unsigned(first.at.wrapping_sub(start).cast_unsigned(), into);
    put_whole(&first.price, into);
    put_whole(&Whole::Small(first.ln), into);
    if *count == 1 {
        return;
    }
    put_unsigned(last.at.wrapping_sub(first.at).cast_unsigned(), into);
    put_whole(&last.price.minus(&first.price), into);
    put_whole(&Whole::Small(last.ln - first.ln), into);
    let sum_of_first = first.price.times(&Whole::Small(i128::from(*count)));
    let excess = sum.minus(&sum_of_first);
    put_whole(&excess, into);
    put_whole(&squares.minus(&guessed_squares(&first.price, &sum_of_first, &excess)), into);
    put_whole(&low.minus((&first.price).min(&last.price)), into);
    put_whole(&high.minus((&first.price).max(&last.price)), into);
    let whole_return = Whole::Small(log_return(first.ln, last.ln));
    put_whole(&totals.return_sum.minus(&whole_return), into);
    put_whole(&totals.return_squares, into);
}

fn read_totals(start: i64, bytes: &[u8]) -> Result<TickTotals, BrokenCell> {
    let mut reader = Reader::new(bytes);
    let count = i64::try_from(reader.unsigned()?).map_err(|_| BrokenCell)?;
    let scale = u32::try_from(reader.unsigned()?).map_err(|_| BrokenCell)?;
    // Whoever brings totals to one scale multiplies by a power of ten.
    if count < 1 || scale > PRICE_DECIMALS_MAX {
        return Err(BrokenCell);
    }
    let at = start.wrapping_add(reader.unsigned()?.cast_signed());
    let first = Tick { at, price: reader.whole()?, ln: read_ln(&mut reader, 0)? };
    if count == 1 {
        let totals = TickTotals::of_known(scale, first);
        return if reader.is_at_end() { Ok(totals) } else { Err(BrokenCell) };
    }
    let at = first.at.wrapping_add(reader.unsigned()?.cast_signed());
    let price = first.price.plus(&reader.whole()?);
    let last = Tick { at, price, ln: read_ln(&mut reader, first.ln)? };
    let sum_of_first = first.price.times(&Whole::Small(i128::from(count)));
    let excess = reader.whole()?;
    let guessed_squares = guessed_squares(&first.price, &sum_of_first, &excess);
    let totals = TickTotals {
        scale,
        count,
        sum: sum_of_first.plus(&excess),
        squares: guessed_squares.plus(&reader.whole()?),
        low: (&first.price).min(&last.price).plus(&reader.whole()?),
        high: (&first.price).max(&last.price).plus(&reader.whole()?),
        return_sum: Whole::Small(log_return(first.ln, last.ln)).plus(&reader.whole()?),
        return_squares: reader.whole()?,
        first,
        last,
    };
    if reader.is_at_end() { Ok(totals) } else { Err(BrokenCell) }
}

/// A logarithm that is written as what it differs by from another one.
fn read_ln(reader: &mut Reader<'_>, from: i128) -> Result<i128, BrokenCell> {
    let Whole::Small(difference) = reader.whole()? else { return Err(BrokenCell) };
    let ln = from.checked_add(difference).ok_or(BrokenCell)?;
    if ln.unsigned_abs() < LN_BOUND { Ok(ln) } else { Err(BrokenCell) }
}

/// What the squares of prices add up to that differ from the first price by `excess` together,
/// but for the squares of the differences: with f the first price and n prices f + d,
/// `sum (f + d)^2 = f * (n * f + 2 * sum d) + sum d^2`.
fn guessed_squares(first: &Whole, sum_of_first: &Whole, excess: &Whole) -> Whole {
    first.times(&sum_of_first.plus(excess).plus(excess))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{
        decimal::Decimal,
        price::{
            spans::UNIT_MICROS,
            totals::tests::{ticks, totals},
        },
    };

    fn cells() -> impl Strategy<Value = PriceCell> {
        let symbols = proptest::collection::btree_map(
            prop_oneof![128..256, any::<i32>()],
            ticks(0..UNIT_MICROS, 6),
            0..6,
        );
        (-1i64 << 40..1 << 40, symbols).prop_map(|(unit, symbols)| {
            let start = unit * 1_000;
            let of_symbol = |mut ticks: Vec<(i64, Decimal)>| {
                ticks.iter_mut().for_each(|(at, _)| *at += start);
                totals(&ticks)
            };
            let totals = symbols.into_iter().map(|(id, ticks)| (id, of_symbol(ticks))).collect();
            PriceCell { start, totals }
        })
    }

    /// A cell of all symbols of a group, each with these prices, a minute apart.
    fn cell(prices: &[&str]) -> PriceCell {
        let price = |text: &str| Decimal::parse(text).expect("the test wrote a number");
        let at = (1..).map(|minute| minute * 60_000_000 - 17);
        let ticks: Vec<_> = at.zip(prices.iter().map(|text| price(text))).collect();
        let totals = totals(&ticks);
        PriceCell { start: 0, totals: (128..256).map(|id| (id, totals.clone())).collect() }
    }

    #[test]
    fn a_symbol_takes_few_bytes() {
        for (prices, most) in [
            (&["64321.12345678"][..], 31),
            (&["64321.12345678", "64350.5", "64298.00000001", "64310.77777777"], 90),
            (&["1.0001", "1.0001", "1.0002", "1.0001"], 60),
            (&["1", "1", "1", "1"], 24),
        ] {
            let bytes = cell(prices).encode().len();
            assert!(bytes / 128 <= most, "{prices:?}: {bytes}");
        }
    }

    #[test]
    fn cells_that_nobody_wrote_are_broken() {
        let mut one = cell(&["2"]);
        one.totals.truncate(1);
        let one = one.encode();
        let none = Ok(PriceCell { start: 0, totals: vec![] });
        assert_eq!(PriceCell::decode(0, &[VERSION, 0]), none);
        assert_eq!(PriceCell::decode(0, &[]), Err(BrokenCell));
        assert_eq!(PriceCell::decode(0, &[VERSION + 1]), Err(BrokenCell));
        // Behind version, number of symbols, id (two bytes) and length stand ticks and scale.
        for (place, byte) in [(1, 0), (1, 2), (5, 0), (5, 2), (6, 31), (6, 127)] {
            let mut bytes = one.clone();
            bytes[place] = byte;
            assert_eq!(PriceCell::decode(0, &bytes), Err(BrokenCell), "{place}: {byte}");
        }
        // Symbols that are not in the order of their ids.
        for places in [[0, 0], [1, 0]] {
            let group = cell(&["2"]);
            let totals = places.map(|place: usize| group.totals[place].clone()).to_vec();
            let bytes = PriceCell { start: 0, totals }.encode();
            assert_eq!(PriceCell::decode(0, &bytes), Err(BrokenCell), "{places:?}");
        }
    }

    #[test]
    fn a_logarithm_of_no_price_is_broken() {
        for (ln, is_right) in [
            (LN_BOUND.cast_signed() - 1, true),
            (LN_BOUND.cast_signed(), false),
            (-LN_BOUND.cast_signed(), false),
            (i128::MAX, false),
        ] {
            let tick = Tick { at: 0, price: Whole::Small(1), ln };
            let cell = PriceCell { start: 0, totals: vec![(1, TickTotals::of_known(0, tick))] };
            assert_eq!(PriceCell::decode(0, &cell.encode()).is_ok(), is_right, "{ln}");
        }
    }

    proptest! {
        #[test]
        fn reading_undoes_writing(cell in cells(), wanted in any::<i32>()) {
            let bytes = cell.encode();
            prop_assert_eq!(PriceCell::decode(cell.start, &bytes), Ok(cell.clone()));
            for want in cell.totals.iter().map(|(id, _)| *id).chain([wanted]) {
                let mut found = Vec::new();
                visit(cell.start, &bytes, |id| id == want, |id, totals| found.push((id, totals)))
                    .expect("just encoded");
                let expected: Vec<_> =
                    cell.totals.iter().filter(|(id, _)| *id == want).cloned().collect();
                prop_assert_eq!(found, expected);
            }
        }

        #[test]
        fn a_lost_symbol_is_missed_by_those_who_need_it_alone(
            cell in cells(), places in proptest::collection::vec(0usize..6, 0..3),
        ) {
            let mut told: Told =
                cell.totals.iter().cloned().map(|(id, totals)| (id, Some(totals))).collect();
            prop_assert_eq!(encode_told(cell.start, &told), cell.encode());
            for place in places {
                if let Some(totals) = told.values_mut().nth(place) {
                    *totals = None;
                }
            }
            let bytes = encode_told(cell.start, &told);
            prop_assert_eq!(decode_told(cell.start, &bytes), Ok(told.clone()));
            let is_whole = told.values().all(Option::is_some);
            prop_assert_eq!(PriceCell::decode(cell.start, &bytes).is_ok(), is_whole);
            for (id, totals) in &told {
                let mut found = Vec::new();
                let of_one = visit(cell.start, &bytes, |of| of == *id, |_, one| found.push(one));
                prop_assert_eq!(of_one.is_ok(), totals.is_some());
                prop_assert_eq!(found.first(), totals.as_ref());
            }
        }

        #[test]
        fn part_of_a_cell_is_broken_and_so_is_more_than_one(cell in cells(), more in any::<u8>()) {
            let mut bytes = cell.encode();
            for length in 0..bytes.len() {
                prop_assert_eq!(PriceCell::decode(cell.start, &bytes[..length]), Err(BrokenCell));
            }
            bytes.push(more);
            prop_assert_eq!(PriceCell::decode(cell.start, &bytes), Err(BrokenCell));
        }

        #[test]
        fn no_bytes_make_the_reader_panic(
            start in any::<i64>(), mut bytes in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let _ = PriceCell::decode(start, &bytes);
            let _ = read_totals(start, &bytes);
            bytes.insert(0, VERSION);
            let _ = PriceCell::decode(start, &bytes);
        }

        #[test]
        fn what_is_read_from_changed_bytes_can_be_used(
            cell in cells(), changes in proptest::collection::vec(any::<(u16, u8)>(), 1..4),
        ) {
            let mut bytes = cell.encode();
            for (place, byte) in changes {
                let place = usize::from(place) % bytes.len();
                bytes[place] = byte;
            }
            if let Ok(read) = PriceCell::decode(cell.start, &bytes) {
                // What was read is written and read again, and can be added up.
                prop_assert_eq!(PriceCell::decode(cell.start, &read.encode()), Ok(read.clone()));
                for (_, totals) in read.totals {
                    let twice = totals.clone().followed_by(&totals);
                    let _ = (twice.price_moments(), twice.return_moments());
                }
            }
        }
    }
}
