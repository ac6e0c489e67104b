//! Windows of time drawn from the span of the data.

use rand::{RngExt, rngs::ChaCha12Rng};

use crate::config::{WindowLength, WindowShape};

/// A day, in microseconds.
pub(super) const DAY_MICROS: i64 = 86_400_000_000;

/// Most that an edge of a window as long as the data is moved into it.
const PULL_MICROS: i64 = 3_600_000_000;

/// A half-open span of time, in microseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Span {
    /// First instant inside.
    pub(super) start: i64,
    /// First instant after.
    pub(super) end: i64,
}

impl Span {
    fn length(self) -> i64 {
        self.end - self.start
    }
}

/// Draws a window that lies inside the data, which begins and ends at midnight.
#[must_use]
pub(super) fn draw(
    data: Span,
    length: WindowLength,
    shape: WindowShape,
    random: &mut ChaCha12Rng,
) -> Span {
    let span = match (shape, length) {
        (WindowShape::Aligned, WindowLength::Days(days)) => {
            let whole = data.length() / DAY_MICROS;
            let days = i64::from(days).min(whole);
            let first = random.random_range(0..=whole - days);
            Span { start: first * DAY_MICROS, end: (first + days) * DAY_MICROS }
        }
        (WindowShape::Aligned, WindowLength::Random) => {
            let days = two(data.length() / DAY_MICROS, random);
            Span { start: days.start * DAY_MICROS, end: days.end * DAY_MICROS }
        }
        (WindowShape::Random, WindowLength::Random) => two(data.length(), random),
        (WindowShape::Random, WindowLength::Days(days)) => {
            let length = i64::from(days) * DAY_MICROS;
            let slack = data.length() - length;
            if slack < PULL_MICROS {
                pulled_in(data.length(), random)
            } else {
                let start = random.random_range(0..=slack);
                Span { start, end: start + length }
            }
        }
    };
    Span { start: data.start + span.start, end: data.start + span.end }
}

/// Two different places from 0 to `last`, the smaller one first.
fn two(last: i64, random: &mut ChaCha12Rng) -> Span {
    let one = random.random_range(0..=last);
    // Drawn from those that are left: a place from the first one on stands for the next.
    let other = random.random_range(0..last);
    let other = if other < one { other } else { other + 1 };
    Span { start: one.min(other), end: one.max(other) }
}

/// As much as there is, with both edges inside a day.
fn pulled_in(length: i64, random: &mut ChaCha12Rng) -> Span {
    let start = random.random_range(1..PULL_MICROS);
    Span { start, end: length - random.random_range(1..PULL_MICROS) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;

    use super::*;

    fn length() -> impl Strategy<Value = WindowLength> {
        prop_oneof![Just(WindowLength::Random), (1u32..500).prop_map(WindowLength::Days)]
    }

    proptest! {
        #[test]
        fn windows_lie_inside_the_data_and_are_as_long_as_asked(
            seed in any::<u64>(),
            days in 1i64..400,
            length in length(),
            is_aligned in any::<bool>(),
        ) {
            let start = 1_672_531_200_000_000;
            let data = Span { start, end: start + days * DAY_MICROS };
            let shape = if is_aligned { WindowShape::Aligned } else { WindowShape::Random };
            let mut random = ChaCha12Rng::seed_from_u64(seed);
            for _ in 0..20 {
                let window = draw(data, length, shape, &mut random);
                prop_assert!(window.start < window.end);
                prop_assert!(data.start <= window.start && window.end <= data.end);
                if is_aligned {
                    prop_assert_eq!(window.start % DAY_MICROS, 0);
                    prop_assert_eq!(window.end % DAY_MICROS, 0);
                }
                if let WindowLength::Days(wanted) = length {
                    let exact = i64::from(wanted).min(days) * DAY_MICROS;
                    let is_whole = i64::from(wanted) >= days && !is_aligned;
                    let lost = if is_whole { 2 * PULL_MICROS } else { 0 };
                    prop_assert!(window.length() <= exact && window.length() >= exact - lost);
                }
            }
        }
    }

    #[test]
    fn random_windows_do_not_keep_to_days() {
        let data = Span { start: 0, end: 365 * DAY_MICROS };
        for length in [WindowLength::Random, WindowLength::Days(1), WindowLength::Days(365)] {
            let mut random = ChaCha12Rng::seed_from_u64(7);
            for _ in 0..100 {
                let window = draw(data, length, WindowShape::Random, &mut random);
                assert!(window.start % DAY_MICROS != 0 && window.end % DAY_MICROS != 0);
            }
        }
    }
}
