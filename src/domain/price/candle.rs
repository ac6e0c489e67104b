//! Candles of one minute, as exchanges tell them, and which minutes lack a tick.

use std::collections::BTreeSet;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};

use crate::domain::decimal::Decimal;

/// Length of a candle.
pub const MINUTE: TimeDelta = TimeDelta::minutes(1);

/// What a symbol's trades of one minute came to, as far as it is recorded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Candle {
    /// First instant of the minute.
    pub opens_at: DateTime<Utc>,
    /// Price of the last trade in it.
    pub close: Decimal,
}

impl Candle {
    /// The first instant after the minute: the instant of its tick.
    #[must_use]
    pub fn closes_at(&self) -> DateTime<Utc> {
        self.opens_at + MINUTE
    }
}

/// Begin of the minute that an instant lies in.
#[must_use]
pub fn minute_of(at: DateTime<Utc>) -> DateTime<Utc> {
    at.duration_trunc(MINUTE).unwrap_or(at)
}

/// Minutes that follow each other, named by the instants at which they close: their ticks'.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Minutes {
    /// When the first one closes.
    pub first: DateTime<Utc>,
    /// When the last one closes.
    pub last: DateTime<Utc>,
}

impl Minutes {
    /// When the first one opens.
    #[must_use]
    pub fn opens_at(&self) -> DateTime<Utc> {
        self.first - MINUTE
    }

    /// Whether one of them closes at this instant.
    #[must_use]
    pub fn has(&self, closes_at: DateTime<Utc>) -> bool {
        (self.first..=self.last).contains(&closes_at)
    }

    /// When each of them closes.
    pub fn each(self) -> impl Iterator<Item = DateTime<Utc>> {
        std::iter::successors(Some(self.first), |at| Some(*at + MINUTE))
            .take_while(move |at| *at <= self.last)
    }
}

/// Cuts minutes that are wanted into spans that one question may be about, of at most so many
/// minutes each, earliest first. What is not wanted in between is asked along; before and after
/// it is not.
#[must_use]
pub fn pages(wanted: &BTreeSet<DateTime<Utc>>, minutes_max: i32) -> Vec<Minutes> {
    let mut pages: Vec<Minutes> = Vec::new();
    for &at in wanted {
        match pages.last_mut() {
            Some(page) if at < page.first + MINUTE * minutes_max => page.last = at,
            _ => pages.push(Minutes { first: at, last: at }),
        }
    }
    pages
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + MINUTE * i32::try_from(minute).expect("small")
    }

    #[test]
    fn minutes_that_are_wanted_are_asked_for_in_few_spans() {
        for (wanted, expected) in [
            (vec![], vec![]),
            (vec![5], vec![(5, 5)]),
            (vec![1, 2, 3], vec![(1, 3)]),
            (vec![1, 4], vec![(1, 4)]),
            (vec![1, 5], vec![(1, 1), (5, 5)]),
            ((1..=9).collect(), vec![(1, 4), (5, 8), (9, 9)]),
        ] {
            let set = wanted.iter().map(|minute| at(*minute)).collect();
            let expected: Vec<Minutes> = expected
                .into_iter()
                .map(|(first, last)| Minutes { first: at(first), last: at(last) })
                .collect();
            assert_eq!(pages(&set, 4), expected, "{wanted:?}");
            let each: Vec<_> = expected.iter().flat_map(|page| page.each()).collect();
            assert!(set.iter().all(|at| each.contains(at)), "{wanted:?}");
        }
    }

    #[test]
    fn a_tick_is_at_the_end_of_its_minute() {
        let candle = Candle { opens_at: at(7), close: Decimal::from(1) };
        assert_eq!(candle.closes_at(), at(8));
        let minutes = Minutes { first: at(8), last: at(9) };
        assert_eq!(minutes.opens_at(), candle.opens_at);
        assert!(minutes.has(candle.closes_at()) && !minutes.has(candle.opens_at));
        assert_eq!(minute_of(at(8) + TimeDelta::seconds(59)), at(8));
    }
}
