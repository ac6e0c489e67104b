//! Spans of time that cells of prices are kept for.
//!
//! The shortest spans, the units, are four minutes long; four spans of a level make one of the
//! next, up to two years. All begin at multiples of their length, counted from the Unix epoch,
//! so any run of units is at most three cells a level on either side.

use std::{collections::BTreeSet, ops::Range};

use crate::domain::running_total::day_cells::{self, FANOUT, MICROS_PER_DAY, day_of};

/// Levels: spans of four minutes to 728 days.
pub const LEVELS: u8 = 10;

/// Microseconds in a unit.
pub const UNIT_MICROS: i64 = 240_000_000;

/// Units in a day.
pub const UNITS_PER_DAY: i64 = MICROS_PER_DAY / UNIT_MICROS;

/// Symbols whose numbers share a cell.
pub const GROUP_SYMBOLS: i32 = 128;

/// A span of time.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PriceSpan {
    /// The span is `FANOUT` to the power of the level units long.
    pub level: u8,
    /// Number of the span in its level; 0 begins at the Unix epoch.
    pub number: i64,
}

impl PriceSpan {
    /// A unit (counted from the Unix epoch) as a span of the lowest level.
    #[must_use]
    pub fn of_unit(unit: i64) -> Self {
        Self { level: 0, number: unit }
    }

    /// The unit of an instant, in microseconds since the Unix epoch.
    #[must_use]
    pub fn of_instant(instant: i64) -> Self {
        Self::of_unit(unit_of(instant))
    }

    /// The span of the next level that holds this one.
    #[must_use]
    pub fn above(self) -> Self {
        Self { level: self.level + 1, number: self.number.div_euclid(FANOUT) }
    }

    /// The spans of the level below that make up this one, in the order of time.
    ///
    /// # Panics
    /// If the span is a unit.
    #[must_use]
    pub fn below(self) -> [Self; 4] {
        assert!(self.level > 0, "nothing makes up a unit");
        let first = self.number * FANOUT;
        [0, 1, 2, 3].map(|further| Self { level: self.level - 1, number: first + further })
    }

    /// The units of the span.
    #[must_use]
    pub fn units(self) -> Range<i64> {
        let length = FANOUT.pow(u32::from(self.level));
        self.number * length..(self.number + 1) * length
    }

    /// Where the span begins, in microseconds since the Unix epoch.
    #[must_use]
    pub fn start(self) -> i64 {
        self.units().start * UNIT_MICROS
    }

    /// Where the span ends and the next begins, in microseconds since the Unix epoch.
    #[must_use]
    pub fn end(self) -> i64 {
        self.units().end * UNIT_MICROS
    }
}

/// The unit of an instant (microseconds since the Unix epoch), counted from the epoch.
#[must_use]
pub fn unit_of(instant: i64) -> i64 {
    instant.div_euclid(UNIT_MICROS)
}

/// The UTC day that a unit lies in, counted from the epoch: none lies in two.
#[must_use]
pub fn day_of_unit(unit: i64) -> i64 {
    day_of(unit * UNIT_MICROS)
}

/// The number of the group that a symbol's numbers are kept in.
#[must_use]
pub fn group_of(symbol_id: i32) -> i32 {
    symbol_id.div_euclid(GROUP_SYMBOLS)
}

/// All symbols that a group can have.
pub fn symbols_of(group: i32) -> impl Iterator<Item = i32> {
    (0..GROUP_SYMBOLS).map(move |place| group * GROUP_SYMBOLS + place)
}

/// The fewest spans that together make up the units that are not in `without`, in the order of
/// time.
#[must_use]
pub fn cover(units: Range<i64>, without: &BTreeSet<i64>) -> Vec<PriceSpan> {
    let mut spans = Vec::new();
    let mut cover_run = |run: Range<i64>| {
        let cells = day_cells::cover_levels(run, LEVELS);
        spans.extend(cells.into_iter().map(|(level, number)| PriceSpan { level, number }));
    };
    if units.is_empty() {
        return spans;
    }
    // No span reaches across a unit that is left out.
    let mut first = units.start;
    for &unit in without.range(units.clone()) {
        cover_run(first..unit);
        first = unit + 1;
    }
    cover_run(first..units.end);
    spans
}

/// How a window is made up of whole units and of parts of units.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PriceWindow {
    /// What lies before the first whole unit, in microseconds since the Unix epoch.
    pub head: Range<i64>,
    /// Whole units, counted from the epoch.
    pub units: Range<i64>,
    /// What lies behind the last whole unit, in microseconds since the epoch.
    pub tail: Range<i64>,
}

/// Takes a window apart. One that lies inside a unit is all head.
#[must_use]
pub fn take_apart(window: &Range<i64>) -> PriceWindow {
    // The first unit that begins in the window, and the one that the window ends in.
    let first = unit_of(window.start - 1) + 1;
    let end = unit_of(window.end);
    if end < first {
        let tail = window.end..window.end;
        return PriceWindow { head: window.clone(), units: first..first, tail };
    }
    PriceWindow {
        head: window.start..first * UNIT_MICROS,
        units: first..end,
        tail: end * UNIT_MICROS..window.end,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_longest_spans_are_two_years_long() {
        let days = PriceSpan { level: LEVELS - 1, number: 0 }.end() / 86_400_000_000;
        assert_eq!(days, 728);
    }

    #[test]
    fn windows_are_taken_apart_at_units() {
        const U: i64 = UNIT_MICROS;
        for (window, head, units, tail) in [
            (0..U, 0..0, 0..1, U..U),
            (1..U, 1..U, 1..1, U..U),
            (0..U - 1, 0..0, 0..0, 0..U - 1),
            (1..U - 1, 1..U - 1, 1..1, U - 1..U - 1),
            (1..U + 1, 1..U, 1..1, U..U + 1),
            (-1..2 * U + 1, -1..0, 0..2, 2 * U..2 * U + 1),
            (-U..U, -U..-U, -1..1, U..U),
        ] {
            assert_eq!(take_apart(&window), PriceWindow { head, units, tail }, "{window:?}");
        }
    }

    fn runs() -> impl Strategy<Value = Range<i64>> {
        let first = prop_oneof![-300i64..300, -2_000_000i64..9_000_000];
        (first, prop_oneof![0i64..100, 0i64..3_000]).prop_map(|(first, n)| first..first + n)
    }

    proptest! {
        #[test]
        fn every_unit_is_covered_once_and_in_order(
            units in runs(), gaps in proptest::collection::vec(0i64..3_000, 0..8),
        ) {
            let without: BTreeSet<i64> = gaps.iter().map(|gap| units.start - 5 + gap).collect();
            let spans = cover(units.clone(), &without);
            let found: Vec<_> = spans.iter().copied().flat_map(PriceSpan::units).collect();
            let expected: Vec<_> = units.filter(|unit| !without.contains(unit)).collect();
            prop_assert_eq!(found, expected);
            // Fewest: nowhere do four spans make up one of the next level.
            let all: BTreeSet<PriceSpan> = spans.iter().copied().collect();
            for span in spans.into_iter().filter(|span| span.level + 1 < LEVELS) {
                prop_assert!(!span.above().below().iter().all(|part| all.contains(part)));
            }
        }

        #[test]
        fn a_run_is_at_most_three_spans_a_level_a_side(
            first in any::<i32>(), count in 0i64..3_000_000,
        ) {
            let first = i64::from(first);
            let spans = cover(first..first + count, &BTreeSet::new());
            let total: i64 = spans.iter().map(|span| span.units().end - span.units().start).sum();
            prop_assert_eq!(total, count);
            for pair in spans.windows(2) {
                prop_assert_eq!(pair[0].end(), pair[1].start());
            }
            let top = spans.iter().map(|span| span.level).max().unwrap_or(0);
            let highest = spans.iter().position(|span| span.level == top).unwrap_or(0);
            let (left, right) = spans.split_at(highest);
            for level in 0..LEVELS - 1 {
                let is_at = |span: &&PriceSpan| span.level == level;
                prop_assert!(left.iter().filter(is_at).count() <= 3);
                let most = if level == top { 6 } else { 3 };
                prop_assert!(right.iter().filter(is_at).count() <= most);
            }
        }

        #[test]
        fn parts_make_up_the_window(
            start in -3 * UNIT_MICROS..3 * UNIT_MICROS,
            length in prop_oneof![0..UNIT_MICROS / 8, 0..5 * UNIT_MICROS],
        ) {
            let window = start..start + length;
            let PriceWindow { head, units, tail } = take_apart(&window);
            prop_assert!(head.start == start && tail.end == start + length);
            for part in [&head, &tail] {
                prop_assert!(part.end - part.start < UNIT_MICROS);
                prop_assert!(part.is_empty() || unit_of(part.start) == unit_of(part.end - 1));
            }
            if units.is_empty() {
                prop_assert_eq!(head.end, tail.start);
            } else {
                prop_assert_eq!(head.end, units.start * UNIT_MICROS);
                prop_assert_eq!(tail.start, units.end * UNIT_MICROS);
            }
        }

        #[test]
        fn an_instant_lies_in_its_spans(instant in -1i64 << 56..1 << 56) {
            let mut span = PriceSpan::of_unit(unit_of(instant));
            for _ in 1..LEVELS {
                prop_assert!((span.start()..span.end()).contains(&instant));
                prop_assert!(span.above().below().contains(&span));
                span = span.above();
            }
        }
    }
}
