//! The ticks of a group of symbols in a unit, packed: as bytes in the database. A window that
//! begins or ends in the unit reads them instead of the rows, a few hundred at a time.
//!
//! The bytes: a version (1), what instants are multiples of, and the number of symbols, as in
//! briefs; then for each symbol the distance of its id to the one before (the first: the id
//! itself), the number of ticks, their scale, and each tick: its distance to the one before (the
//! first: to the unit's beginning), and what its price differs by from that of the one before. A
//! tick takes about seven bytes.

use std::cmp::Ordering;

use crate::domain::{
    price::{
        brief::PricePoint,
        brief_cell::{grain_of, read_head, read_instant, read_scale},
        cell::{put_id, read_id},
        totals::TickTotals,
    },
    running_total::{
        cell::BrokenCell,
        varint::{Reader, put_unsigned, put_whole},
        whole::Whole,
    },
};

const VERSION: u8 = 1;

/// Bytes of a tick, about.
const TICK_BYTES: usize = 8;

/// The ticks of a symbol, in the order of time.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SymbolTicks {
    /// Digits behind the point of their prices.
    scale: u32,
    ticks: Vec<PricePoint>,
}

impl SymbolTicks {
    /// Adds a tick that is later than all others, with a price at this scale.
    pub fn push(&mut self, scale: u32, mut tick: PricePoint) {
        match scale.cmp(&self.scale) {
            Ordering::Equal => {}
            Ordering::Less => tick.price = tick.price.shifted(self.scale - scale),
            Ordering::Greater => {
                let digits = scale - self.scale;
                self.scale = scale;
                for tick in &mut self.ticks {
                    tick.price = tick.price.shifted(digits);
                }
            }
        }
        self.ticks.push(tick);
    }

    /// What the ticks come to; `None` where there are none, or one has a price that no tick can
    /// have.
    #[must_use]
    pub fn totals(&self) -> Option<TickTotals> {
        let of_tick = |tick: &PricePoint| {
            let is_price = tick.price > Whole::ZERO;
            is_price.then(|| TickTotals::of_scaled(tick.at, tick.price.clone(), self.scale))
        };
        let mut totals = of_tick(self.ticks.first()?)?;
        for tick in &self.ticks[1..] {
            totals.append(&of_tick(tick)?);
        }
        Some(totals)
    }

    /// Whether both say the same, at whatever scale.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        let scale = self.scale.max(other.scale);
        let price = |of: &Self, tick: &PricePoint| tick.price.shifted(scale - of.scale);
        let is_same = |(own, others): (&PricePoint, &PricePoint)| {
            own.at == others.at && price(self, own) == price(other, others)
        };
        self.ticks.len() == other.ticks.len() && self.ticks.iter().zip(&other.ticks).all(is_same)
    }
}

/// The ticks of a group as bytes, ids of symbols ascending, of a unit that begins at `start`; those
/// without ticks are left out.
#[must_use]
pub fn encode(start: i64, symbols: &[(i32, SymbolTicks)]) -> Vec<u8> {
    let distances = |of_symbol: &SymbolTicks| {
        let mut last = start;
        let instants = of_symbol.ticks.iter().map(|tick| tick.at);
        let distances =
            instants.map(|at| at.wrapping_sub(std::mem::replace(&mut last, at)).cast_unsigned());
        distances.collect::<Vec<_>>()
    };
    let present = || symbols.iter().filter(|(_, of_symbol)| !of_symbol.ticks.is_empty());
    let (number, grain) = grain_of(present().flat_map(|(_, of_symbol)| distances(of_symbol)));
    let count: usize = symbols.iter().map(|(_, of_symbol)| of_symbol.ticks.len()).sum();
    let mut bytes = Vec::with_capacity(8 + count * TICK_BYTES + symbols.len() * 4);
    bytes.extend([VERSION, number]);
    put_unsigned(present().count() as u64, &mut bytes);
    let mut last_id = None;
    for (symbol_id, of_symbol) in present() {
        put_id(*symbol_id, last_id.replace(*symbol_id), &mut bytes);
        put_unsigned(of_symbol.ticks.len() as u64, &mut bytes);
        put_unsigned(u64::from(of_symbol.scale), &mut bytes);
        let mut last_price = &Whole::ZERO;
        for (tick, distance) in of_symbol.ticks.iter().zip(distances(of_symbol)) {
            put_unsigned(distance / grain, &mut bytes);
            put_whole(&tick.price.minus(last_price), &mut bytes);
            last_price = &tick.price;
        }
    }
    bytes
}

/// Reads the ticks of the symbols that are wanted, with the scale of their prices, in the order of
/// ids and then of time, of a unit that begins at `start`.
///
/// # Errors
/// If the bytes are not those of ticks. Those before may have been visited.
pub fn visit(
    start: i64,
    bytes: &[u8],
    want: impl Fn(i32) -> bool,
    mut with: impl FnMut(i32, u32, PricePoint),
) -> Result<(), BrokenCell> {
    let mut reader = Reader::new(bytes);
    let (grain, symbols) = read_head(&mut reader, VERSION)?;
    let mut last_id = None;
    for _ in 0..symbols {
        let symbol_id = read_id(&mut reader, last_id)?;
        last_id = Some(symbol_id);
        let is_wanted = want(symbol_id);
        let ticks = reader.unsigned()?;
        let scale = read_scale(&mut reader)?;
        if ticks == 0 {
            return Err(BrokenCell);
        }
        let (mut at, mut price) = (start, Whole::ZERO);
        for number in 0..ticks {
            let last_at = at;
            at = read_instant(at, grain, &mut reader)?;
            if number > 0 && at <= last_at {
                return Err(BrokenCell);
            }
            price.add(&reader.whole()?);
            if is_wanted {
                with(symbol_id, scale, PricePoint { at, price: price.clone() });
            }
        }
    }
    if reader.is_at_end() { Ok(()) } else { Err(BrokenCell) }
}

/// Reads the ticks of all symbols, as [`encode`] takes them.
///
/// # Errors
/// As for [`visit`].
pub fn decode(start: i64, bytes: &[u8]) -> Result<Vec<(i32, SymbolTicks)>, BrokenCell> {
    let mut symbols: Vec<(i32, SymbolTicks)> = Vec::new();
    visit(
        start,
        bytes,
        |_| true,
        |symbol_id, scale, tick| match symbols.last_mut() {
            Some((id, of_symbol)) if *id == symbol_id => of_symbol.push(scale, tick),
            _ => symbols.push((symbol_id, SymbolTicks { scale, ticks: vec![tick] })),
        },
    )?;
    Ok(symbols)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{
        decimal::Decimal,
        price::{brief_cell::tests::symbols, totals::tests::totals},
    };

    fn of_symbol(ticks: &[(i64, Decimal)]) -> SymbolTicks {
        let mut packed = SymbolTicks::default();
        for (at, price) in ticks {
            let (unscaled, scale) = price.to_parts();
            packed.push(scale, PricePoint { at: *at, price: Whole::from(unscaled) });
        }
        packed
    }

    fn all(symbols: &[(i32, Vec<(i64, Decimal)>)]) -> Vec<(i32, SymbolTicks)> {
        symbols.iter().map(|(id, ticks)| (*id, of_symbol(ticks))).collect()
    }

    #[test]
    fn a_tick_takes_few_bytes() {
        let price = |text: &str| Decimal::parse(text).expect("the test wrote a number");
        let prices = ["64321.12345678", "64350.5", "64298.00000001", "64310.77777777"];
        let ticks: Vec<_> = (1..).map(|n| n * 60_000_000).zip(prices.map(price)).collect();
        let symbols: Vec<_> = (128..256).map(|id| (id, of_symbol(&ticks))).collect();
        let bytes = encode(0, &symbols).len();
        assert!(bytes / (4 * 128) <= 7, "{bytes}");
    }

    #[test]
    fn what_nobody_wrote_is_broken() {
        let ticks: Vec<_> = [1, 2].map(|at| (at, Decimal::from(2))).to_vec();
        let one = encode(0, &[(1, of_symbol(&ticks))]);
        // Version, grain, symbols, id, ticks, scale, an instant, a price, the next instant.
        for (place, byte) in
            [(0, 2), (1, 3), (2, 0), (2, 2), (4, 0), (4, 1), (4, 3), (5, 31), (9, 0)]
        {
            let mut bytes = one.clone();
            bytes[place] = byte;
            assert_eq!(decode(0, &bytes), Err(BrokenCell), "{place}: {byte}");
        }
        for ids in [[1, 1], [2, 1]] {
            let bytes = encode(0, &ids.map(|id| (id, of_symbol(&ticks))));
            assert_eq!(decode(0, &bytes), Err(BrokenCell), "{ids:?}");
        }
        // Nothing is written of a symbol without ticks.
        let none = encode(0, &[(1, SymbolTicks::default()), (2, of_symbol(&ticks))]);
        assert_eq!(decode(0, &none), Ok(vec![(2, of_symbol(&ticks))]));
    }

    proptest! {
        #[test]
        fn ticks_say_what_their_totals_say((_, symbols) in symbols()) {
            for (_, ticks) in symbols {
                let packed = of_symbol(&ticks);
                let found = packed.totals().expect("there is a tick");
                prop_assert!(found.says_the_same(&totals(&ticks)));
                let mut other = packed.clone();
                let scale = other.scale + 3;
                let last = other.ticks.pop().expect("there is a tick");
                prop_assert!(!packed.says_the_same(&other) && !other.says_the_same(&packed));
                let price = last.price.shifted(3);
                other.push(scale, PricePoint { at: last.at, price: price.clone() });
                prop_assert!(packed.says_the_same(&other) && other.says_the_same(&packed));
                for (at, price) in
                    [(last.at + 1, price.clone()), (last.at, price.plus(&Whole::Small(1)))]
                {
                    other.ticks.pop();
                    other.push(scale, PricePoint { at, price });
                    prop_assert!(!packed.says_the_same(&other) && !other.says_the_same(&packed));
                }
                other.push(scale, PricePoint { at: last.at + 2, price: Whole::ZERO });
                prop_assert_eq!(other.totals(), None);
            }
        }

        #[test]
        fn reading_undoes_writing((start, symbols) in symbols(), wanted in any::<i32>()) {
            let bytes = encode(start, &all(&symbols));
            prop_assert_eq!(decode(start, &bytes), Ok(all(&symbols)));
            for want in symbols.iter().map(|(id, _)| *id).chain([wanted]) {
                let mut found = Vec::new();
                visit(start, &bytes, |id| id == want, |id, scale, tick| {
                    found.push((id, tick.at, Decimal::new(tick.price.to_big(), scale)));
                })
                .expect("just encoded");
                let of_wanted = symbols.iter().filter(|(id, _)| *id == want);
                let expected: Vec<_> = of_wanted
                    .flat_map(|(id, ticks)| {
                        ticks.iter().map(|(at, price)| (*id, *at, price.clone()))
                    })
                    .collect();
                prop_assert_eq!(found, expected);
            }
        }

        #[test]
        fn part_of_it_is_broken_and_so_is_more(
            (start, symbols) in symbols(), more in any::<u8>(),
        ) {
            let mut bytes = encode(start, &all(&symbols));
            for length in 0..bytes.len() {
                prop_assert_eq!(decode(start, &bytes[..length]), Err(BrokenCell));
            }
            bytes.push(more);
            prop_assert_eq!(decode(start, &bytes), Err(BrokenCell));
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
