//! Briefs of prices: what the prices of a group of symbols in a span of time come to, as bytes in
//! the database. Beside a cell, which says all and is read where more than prices are asked for.
//!
//! The bytes: a version (1), what instants are multiples of (0: a microsecond, 1: a millisecond, 2:
//! a second), the number of symbols, then for each the distance of its id to the one before (the
//! first: the id itself), the number of ticks, the scale, and the first tick: its distance to the
//! span's beginning, and the price. Where there are more ticks than one follow the last one, as
//! what it differs by from the first, the sum and the sum of squares. Numbers are written as in
//! cells; nothing has to be multiplied to read them.

use crate::domain::{
    price::{
        brief::{PriceBrief, PricePoint},
        cell::{put_id, read_id},
        tick::PRICE_DECIMALS_MAX,
    },
    running_total::{
        cell::BrokenCell,
        varint::{Number, Reader, put_unsigned, put_whole},
    },
};

const VERSION: u8 = 1;

/// Bytes of a symbol, about.
const SYMBOL_BYTES: usize = 40;

/// What instants are multiples of, in microseconds, by the number that stands for it.
const GRAINS: [u64; 3] = [1, 1_000, 1_000_000];

/// The briefs of a group as bytes, ids of symbols ascending, of a span that begins at `start`.
#[must_use]
pub fn encode(start: i64, briefs: &[(i32, PriceBrief)]) -> Vec<u8> {
    let distances = |brief: &PriceBrief| {
        let first = brief.first.at.wrapping_sub(start).cast_unsigned();
        [first, brief.last.at.wrapping_sub(brief.first.at).cast_unsigned()]
    };
    let (number, grain) = grain_of(briefs.iter().flat_map(|(_, brief)| distances(brief)));
    let mut bytes = Vec::with_capacity(8 + briefs.len() * SYMBOL_BYTES);
    bytes.extend([VERSION, number]);
    put_unsigned(briefs.len() as u64, &mut bytes);
    let mut last_id = None;
    for (symbol_id, brief) in briefs {
        put_id(*symbol_id, last_id.replace(*symbol_id), &mut bytes);
        let [first, last] = distances(brief);
        put_unsigned(brief.count.cast_unsigned(), &mut bytes);
        put_unsigned(u64::from(brief.scale), &mut bytes);
        put_unsigned(first / grain, &mut bytes);
        put_whole(&brief.first.price, &mut bytes);
        if brief.count > 1 {
            put_unsigned(last / grain, &mut bytes);
            put_whole(&brief.last.price.minus(&brief.first.price), &mut bytes);
            put_whole(&brief.sum, &mut bytes);
            put_whole(&brief.squares, &mut bytes);
        }
    }
    bytes
}

/// A brief as it is stored: its numbers are read where they are needed.
#[derive(Clone, Copy, Debug)]
pub struct StoredBrief<'a> {
    scale: u32,
    count: i64,
    first_at: i64,
    first: Number<'a>,
    /// Where there are more ticks than one.
    more: Option<More<'a>>,
}

#[derive(Clone, Copy, Debug)]
struct More<'a> {
    last_at: i64,
    /// What the last price differs by from the first.
    difference: Number<'a>,
    sum: Number<'a>,
    squares: Number<'a>,
}

impl<'a> StoredBrief<'a> {
    #[inline]
    fn find(start: i64, grain: u64, reader: &mut Reader<'a>) -> Result<Self, BrokenCell> {
        let count = i64::try_from(reader.unsigned()?).map_err(|_| BrokenCell)?;
        if count < 1 {
            return Err(BrokenCell);
        }
        let scale = read_scale(reader)?;
        let first_at = read_instant(start, grain, reader)?;
        let first = reader.number()?;
        let more = match count {
            1 => None,
            _ => Some(More {
                last_at: read_instant(first_at, grain, reader)?,
                difference: reader.number()?,
                sum: reader.number()?,
                squares: reader.number()?,
            }),
        };
        Ok(Self { scale, count, first_at, first, more })
    }

    /// What it says.
    #[must_use]
    #[inline]
    pub fn read(&self) -> PriceBrief {
        let first = PricePoint { at: self.first_at, price: self.first.read() };
        let Some(more) = &self.more else { return PriceBrief::of_tick(self.scale, first) };
        PriceBrief {
            scale: self.scale,
            count: self.count,
            sum: more.sum.read(),
            squares: more.squares.read(),
            last: PricePoint { at: more.last_at, price: first.price.plus(&more.difference.read()) },
            first,
        }
    }

    /// Adds its ticks to others, of other instants, as [`PriceBrief::merge`] does.
    #[inline]
    pub fn add_to(&self, brief: &mut PriceBrief) {
        let Some(more) = self.more.as_ref().filter(|_| self.scale == brief.scale) else {
            brief.merge(self.read());
            return;
        };
        brief.count = brief.count.saturating_add(self.count);
        brief.sum.add(&more.sum.read());
        brief.squares.add(&more.squares.read());
        if self.first_at < brief.first.at {
            brief.first = PricePoint { at: self.first_at, price: self.first.read() };
        }
        if more.last_at > brief.last.at {
            let price = self.first.read().plus(&more.difference.read());
            brief.last = PricePoint { at: more.last_at, price };
        }
    }
}

/// Shows the briefs of the symbols that are wanted, in the order of their ids, of a span that
/// begins at `start`.
///
/// # Errors
/// If the bytes are not those of briefs. The symbols before may have been visited.
pub fn visit(
    start: i64,
    bytes: &[u8],
    want: impl Fn(i32) -> bool,
    mut with: impl FnMut(i32, &StoredBrief<'_>),
) -> Result<(), BrokenCell> {
    let mut reader = Reader::new(bytes);
    let (grain, symbols) = read_head(&mut reader, VERSION)?;
    let mut last_id = None;
    for _ in 0..symbols {
        let symbol_id = read_id(&mut reader, last_id)?;
        last_id = Some(symbol_id);
        let brief = StoredBrief::find(start, grain, &mut reader)?;
        if want(symbol_id) {
            with(symbol_id, &brief);
        }
    }
    if reader.is_at_end() { Ok(()) } else { Err(BrokenCell) }
}

/// The largest of the grains that all these distances are multiples of: its number, and itself.
pub(super) fn grain_of(distances: impl Iterator<Item = u64>) -> (u8, u64) {
    let mut number = GRAINS.len() - 1;
    for distance in distances {
        while !distance.is_multiple_of(GRAINS[number]) {
            number -= 1;
        }
    }
    (u8::try_from(number).unwrap_or_default(), GRAINS[number])
}

/// Reads what stands before the symbols: what instants are multiples of, and how many there are.
pub(super) fn read_head(reader: &mut Reader<'_>, version: u8) -> Result<(u64, u64), BrokenCell> {
    if reader.byte()? != version {
        return Err(BrokenCell);
    }
    let grain = *GRAINS.get(usize::from(reader.byte()?)).ok_or(BrokenCell)?;
    Ok((grain, reader.unsigned()?))
}

/// Reads an instant that is written as its distance to an earlier one.
#[inline]
pub(super) fn read_instant(
    from: i64,
    grain: u64,
    reader: &mut Reader<'_>,
) -> Result<i64, BrokenCell> {
    Ok(from.wrapping_add(reader.unsigned()?.wrapping_mul(grain).cast_signed()))
}

/// Reads digits behind the point: whoever brings prices to one scale multiplies by a power of ten.
#[inline]
pub(super) fn read_scale(reader: &mut Reader<'_>) -> Result<u32, BrokenCell> {
    let scale = u32::try_from(reader.unsigned()?).map_err(|_| BrokenCell)?;
    if scale > PRICE_DECIMALS_MAX { Err(BrokenCell) } else { Ok(scale) }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{
        decimal::Decimal,
        price::totals::tests::{ticks, totals},
        running_total::whole::Whole,
    };

    /// The ticks of each symbol.
    pub(in crate::domain::price) type Symbols = Vec<(i32, Vec<(i64, Decimal)>)>;

    /// Symbols with ticks in a span, whose instants are multiples of a grain, and its beginning.
    pub(in crate::domain::price) fn symbols() -> impl Strategy<Value = (i64, Symbols)> {
        let ids = prop_oneof![128..256, any::<i32>()];
        let symbols = proptest::collection::btree_map(ids, ticks(0..240, 6), 0..6);
        let grain = prop_oneof![Just(1), Just(1_000), Just(1_000_000), Just(500_000)];
        (-1i64 << 20..1 << 20, symbols, grain).prop_map(|(unit, symbols, grain)| {
            let start = unit * 240_000_000;
            let moved = |mut ticks: Vec<(i64, Decimal)>| {
                ticks.iter_mut().for_each(|(at, _)| *at = start + *at * grain);
                ticks
            };
            (start, symbols.into_iter().map(|(id, ticks)| (id, moved(ticks))).collect())
        })
    }

    fn briefs() -> impl Strategy<Value = (i64, Vec<(i32, PriceBrief)>)> {
        symbols().prop_map(|(start, symbols)| {
            let brief = |ticks: Vec<_>| PriceBrief::of_totals(&totals(&ticks));
            (start, symbols.into_iter().map(|(id, ticks)| (id, brief(ticks))).collect())
        })
    }

    fn decode(start: i64, bytes: &[u8]) -> Result<Vec<(i32, PriceBrief)>, BrokenCell> {
        let mut found = Vec::new();
        visit(start, bytes, |_| true, |id, brief| found.push((id, brief.read())))?;
        Ok(found)
    }

    #[test]
    fn a_symbol_takes_few_bytes() {
        let price = |text: &str| Decimal::parse(text).expect("the test wrote a number");
        let prices = ["64321.12345678", "64350.5", "64298.00000001", "64310.77777777"];
        let ticks: Vec<_> = (1..).map(|n| n * 60_000_000).zip(prices.map(price)).collect();
        let brief = PriceBrief::of_totals(&totals(&ticks));
        let all: Vec<_> = (128..256).map(|id| (id, brief.clone())).collect();
        assert!(encode(0, &all).len() / 128 <= 40, "{}", encode(0, &all).len());
    }

    #[test]
    fn what_nobody_wrote_is_broken() {
        let brief = PriceBrief::of_tick(0, PricePoint { at: 0, price: Whole::Small(2) });
        let one = encode(0, &[(1, brief.clone())]);
        // Version, grain, number of symbols, id, number of ticks, scale.
        for (place, byte) in [(0, 2), (1, 3), (2, 0), (2, 2), (4, 0), (4, 2), (5, 31)] {
            let mut bytes = one.clone();
            bytes[place] = byte;
            assert_eq!(decode(0, &bytes), Err(BrokenCell), "{place}: {byte}");
        }
        for ids in [[1, 1], [2, 1]] {
            let bytes = encode(0, &ids.map(|id| (id, brief.clone())));
            assert_eq!(decode(0, &bytes), Err(BrokenCell), "{ids:?}");
        }
    }

    proptest! {
        #[test]
        fn reading_undoes_writing((start, briefs) in briefs(), wanted in any::<i32>()) {
            let bytes = encode(start, &briefs);
            prop_assert_eq!(decode(start, &bytes), Ok(briefs.clone()));
            for want in briefs.iter().map(|(id, _)| *id).chain([wanted]) {
                let mut found = Vec::new();
                visit(start, &bytes, |id| id == want, |id, brief| found.push((id, brief.read())))
                    .expect("just encoded");
                let expected: Vec<_> = briefs.iter().filter(|(id, _)| *id == want).collect();
                prop_assert_eq!(found.iter().collect::<Vec<_>>(), expected);
            }
        }

        #[test]
        fn part_of_it_is_broken_and_so_is_more(
            (start, briefs) in briefs(), more in any::<u8>(),
        ) {
            let mut bytes = encode(start, &briefs);
            for length in 0..bytes.len() {
                prop_assert_eq!(decode(start, &bytes[..length]), Err(BrokenCell));
            }
            bytes.push(more);
            prop_assert_eq!(decode(start, &bytes), Err(BrokenCell));
        }

        #[test]
        fn what_is_read_from_changed_bytes_can_be_used(
            (start, briefs) in briefs(),
            changes in proptest::collection::vec(any::<(u16, u8)>(), 1..4),
        ) {
            let mut bytes = encode(start, &briefs);
            for (place, byte) in changes {
                let place = usize::from(place) % bytes.len();
                bytes[place] = byte;
            }
            if let Ok(read) = decode(start, &bytes) {
                prop_assert_eq!(decode(start, &encode(start, &read)), Ok(read.clone()));
                for (_, brief) in read {
                    let mut twice = brief.clone();
                    twice.merge(brief);
                    let _ = twice.spread();
                }
            }
        }

        #[test]
        fn no_bytes_make_the_reader_panic(
            start in any::<i64>(), mut bytes in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let _ = decode(start, &bytes);
            bytes.insert(0, VERSION);
            let _ = decode(start, &bytes);
        }
    }
}
