//! Which day cells make up a span of whole days.
//!
//! A ranking needs what every account moved in a window: it adds up cells that hold all
//! accounts' sums of one day, of four days, of sixteen, and so on. Spans of a level begin
//! at multiples of their length, counted from the Unix epoch, so any run of days is at
//! most three cells a level on either side.

use std::ops::Range;

/// How many cells of a level make one of the next.
pub const FANOUT: i64 = 4;

/// Levels: spans of 1 to 4,096 days.
pub const LEVELS: u8 = 7;

/// Accounts whose numbers share a cell.
pub const GROUP_ACCOUNTS: i64 = 4_096;

/// Microseconds in a day.
pub const MICROS_PER_DAY: i64 = 86_400_000_000;

/// A span of days.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DaySpan {
    /// The span is `FANOUT` to the power of the level days long.
    pub level: u8,
    /// Number of the span in its level; 0 begins at the Unix epoch.
    pub number: i64,
}

impl DaySpan {
    /// A day (counted from the Unix epoch) as a span of the lowest level.
    #[must_use]
    pub fn of_day(day: i64) -> Self {
        Self { level: 0, number: day }
    }

    /// The span of the next level that holds this one.
    #[must_use]
    pub fn above(self) -> Self {
        Self { level: self.level + 1, number: self.number.div_euclid(FANOUT) }
    }

    /// The days of the span.
    #[must_use]
    pub fn days(self) -> Range<i64> {
        let length = length(self.level);
        self.number * length..(self.number + 1) * length
    }
}

/// The day of an instant (microseconds since the Unix epoch), counted from the epoch.
#[must_use]
pub fn day_of(instant: i64) -> i64 {
    instant.div_euclid(MICROS_PER_DAY)
}

/// The number of the group that an account's sums are kept in.
#[must_use]
pub fn group_of(account_id: i64) -> i64 {
    account_id.div_euclid(GROUP_ACCOUNTS)
}

/// The spans that together make up the days, in the order of time.
#[must_use]
pub fn cover(days: Range<i64>) -> Vec<DaySpan> {
    let spans = cover_levels(days, LEVELS);
    spans.into_iter().map(|(level, number)| DaySpan { level, number }).collect()
}

/// The fewest spans of so many levels, each as its level and its number there, that together
/// make up units of the lowest level, in the order of time.
pub(in crate::domain) fn cover_levels(units: Range<i64>, levels: u8) -> Vec<(u8, i64)> {
    let (mut spans, mut spans_of_end) = (Vec::new(), Vec::new());
    let (mut first, mut end) = (units.start, units.end);
    // From the shortest spans to the longest, from both sides inwards.
    for level in 0..levels {
        if first >= end {
            break;
        }
        let is_last = level + 1 == levels;
        while first < end && (is_last || first.rem_euclid(FANOUT) != 0) {
            spans.push((level, first));
            first += 1;
        }
        while first < end && end.rem_euclid(FANOUT) != 0 {
            end -= 1;
            spans_of_end.push((level, end));
        }
        first = first.div_euclid(FANOUT);
        end = end.div_euclid(FANOUT);
    }
    spans.extend(spans_of_end.into_iter().rev());
    spans
}

/// How a window is made up of whole days and of parts of days, all in microseconds since
/// the Unix epoch. No part is longer than half a day.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WindowParts {
    /// Whole days, counted from the epoch.
    pub days: Range<i64>,
    /// Parts of days that count beside them.
    pub added: Vec<Range<i64>>,
    /// Parts of the whole days that do not count.
    pub taken: Vec<Range<i64>>,
}

/// Takes a window apart.
#[must_use]
pub fn take_apart(window: &Range<i64>) -> WindowParts {
    const HALF: i64 = MICROS_PER_DAY / 2;
    let midnight = |day: i64| day * MICROS_PER_DAY;
    let (first, last) = (day_of(window.start), day_of(window.end - 1));
    let mut parts = WindowParts { days: first..last + 1, added: Vec::new(), taken: Vec::new() };
    if first == last && window.end - window.start <= HALF {
        parts.days = first..first;
        parts.added.push(window.clone());
        return parts;
    }
    let before = midnight(first)..window.start;
    if first < last && before.end - before.start > HALF {
        parts.days.start += 1;
        parts.added.push(window.start..midnight(first + 1));
    } else if !before.is_empty() {
        parts.taken.push(before);
    }
    let after = window.end..midnight(last + 1);
    if first < last && after.end - after.start > HALF {
        parts.days.end -= 1;
        parts.added.push(midnight(last)..window.end);
    } else if !after.is_empty() {
        parts.taken.push(after);
    }
    parts
}

fn length(level: u8) -> i64 {
    FANOUT.pow(u32::from(level))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_year_is_few_cells() {
        for first in 0..5_000 {
            assert!(cover(first..first + 365).len() <= 25, "{first}");
        }
    }

    proptest! {
        #[test]
        fn every_day_is_covered_once_and_in_order(
            first in -800_000i64..3_000_000, length in 0i64..9_000,
        ) {
            let days: Vec<_> =
                cover(first..first + length).into_iter().flat_map(DaySpan::days).collect();
            prop_assert_eq!(days, (first..first + length).collect::<Vec<_>>());
        }

        #[test]
        fn parts_make_up_the_window(
            start in -3 * MICROS_PER_DAY..3 * MICROS_PER_DAY,
            length in prop_oneof![1..MICROS_PER_DAY / 8, 1..5 * MICROS_PER_DAY],
            at in -4 * MICROS_PER_DAY..9 * MICROS_PER_DAY,
            is_at_edge in any::<bool>(),
        ) {
            let window = start..start + length;
            let parts = take_apart(&window);
            let at = if is_at_edge { start + length } else { at };
            for at in [at - 1, at] {
                let holds = |parts: &[Range<i64>]| {
                    i32::try_from(parts.iter().filter(|part| part.contains(&at)).count()).unwrap()
                };
                let in_days = i32::from(parts.days.contains(&day_of(at)));
                let counted = in_days + holds(&parts.added) - holds(&parts.taken);
                prop_assert_eq!(counted, i32::from(window.contains(&at)));
            }
            for part in parts.added.iter().chain(&parts.taken) {
                prop_assert!(!part.is_empty() && part.end - part.start <= MICROS_PER_DAY / 2);
                prop_assert_eq!(day_of(part.start), day_of(part.end - 1));
            }
        }

        #[test]
        fn a_day_lies_in_its_spans(day in any::<i32>()) {
            let day = i64::from(day);
            let mut span = DaySpan::of_day(day);
            while span.level < LEVELS {
                prop_assert!(span.days().contains(&day));
                span = span.above();
            }
        }
    }
}
