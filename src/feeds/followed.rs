//! One pair that is followed: which of its minutes are wanted, and what is known of it.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    domain::price::{
        candle::{Candle, MINUTE, Minutes},
        pair::Pair,
    },
    feeds::pauses::Pause,
};

/// Time after which a minute that an answer leaves out has no trade: until then the source may
/// not have written it yet.
const SETTLE: TimeDelta = TimeDelta::minutes(5);

/// Age of the newest price from which on it is called stale.
const STALE_AFTER: TimeDelta = TimeDelta::minutes(5);

/// A pair that is followed.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) pair: Pair,
    /// Minutes without a tick that are not asked for again: nothing was traded in them, or they
    /// cannot be recorded.
    settled: BTreeSet<DateTime<Utc>>,
    /// The newest minute that has a price, recorded or seen.
    newest: Option<DateTime<Utc>>,
    pub(super) is_stale: bool,
    pub(super) pause: Pause,
}

impl Followed {
    pub(super) fn new(pair: Pair) -> Self {
        Self {
            pair,
            settled: BTreeSet::new(),
            newest: None,
            is_stale: false,
            pause: Pause::default(),
        }
    }

    /// Which minutes are to be asked for, where these have no tick.
    pub(super) fn wanted(&mut self, gaps: &[Minutes], within: Minutes) -> BTreeSet<DateTime<Utc>> {
        // What is older is never asked for again.
        self.settled = self.settled.split_off(&within.first);
        let missing: BTreeSet<DateTime<Utc>> = gaps.iter().flat_map(|gap| gap.each()).collect();
        let recorded = within.each().filter(|at| !missing.contains(at)).last();
        self.see(recorded);
        missing.difference(&self.settled).copied().collect()
    }

    /// Notes a minute that has a price.
    fn see(&mut self, minute: Option<DateTime<Utc>>) {
        self.newest = self.newest.max(minute);
    }

    /// Takes note of an answer about a span, at this moment by the source's clock and ours: the
    /// wanted minutes that it leaves out, although they are long over and it has later ones, had
    /// no trade.
    pub(super) fn learn(&mut self, seen: &Seen) {
        self.see(seen.newest);
        let Some(newest) = self.newest else { return };
        let is_silent = |at: &&DateTime<Utc>| **at < newest && **at + SETTLE <= seen.told_at;
        self.settled.extend(seen.left_out.iter().filter(is_silent));
        self.settled.extend(&seen.refused);
    }

    /// Whether its newest price is old now; `None` where that is as it was.
    pub(super) fn turns_stale(&mut self, now: DateTime<Utc>) -> Option<bool> {
        let is_stale = self.newest.is_none_or(|newest| is_old(newest, now));
        let before = std::mem::replace(&mut self.is_stale, is_stale);
        (before != is_stale).then_some(is_stale)
    }

    /// The newest minute that has a price.
    pub(super) fn newest(&self) -> Option<DateTime<Utc>> {
        self.newest
    }
}

/// Whether the newest price is called stale at this moment.
pub(super) fn is_old(newest: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    newest + STALE_AFTER + MINUTE < now
}

/// What answers about a pair said.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// The source's clock or ours, whichever is behind.
    pub(super) told_at: DateTime<Utc>,
    /// The newest minute with a price.
    pub(super) newest: Option<DateTime<Utc>>,
    /// Wanted minutes that the answers left out.
    pub(super) left_out: Vec<DateTime<Utc>>,
    /// Wanted minutes whose prices the database refuses.
    pub(super) refused: Vec<DateTime<Utc>>,
}

impl Seen {
    pub(super) fn nothing(now: DateTime<Utc>) -> Self {
        Self { told_at: now, newest: None, left_out: Vec::new(), refused: Vec::new() }
    }

    /// Adds an answer about a span.
    pub(super) fn add(
        &mut self,
        candles: &[Candle],
        told_at: Option<DateTime<Utc>>,
        wanted: &BTreeSet<DateTime<Utc>>,
        page: Minutes,
    ) {
        self.told_at = told_at.map_or(self.told_at, |told_at| told_at.min(self.told_at));
        let there: BTreeSet<DateTime<Utc>> = candles.iter().map(Candle::closes_at).collect();
        self.newest = self.newest.max(there.last().copied());
        let wanted = wanted.range(page.first..=page.last);
        self.left_out.extend(wanted.filter(|at| !there.contains(at)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i32) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + MINUTE * minute
    }

    fn span(first: i32, last: i32) -> Minutes {
        Minutes { first: at(first), last: at(last) }
    }

    fn followed() -> Followed {
        Followed::new(Pair::parse("BTC-USD").expect("a pair"))
    }

    fn set(minutes: &[i32]) -> BTreeSet<DateTime<Utc>> {
        minutes.iter().map(|minute| at(*minute)).collect()
    }

    #[test]
    fn minutes_without_a_trade_are_not_asked_for_again_once_that_is_sure() {
        for (newest, told, expected) in [
            // Nothing later is known: they may come.
            (None, 60, set(&[3, 4, 9])),
            // Later ones are there, and enough time has gone by.
            (Some(10), 60, set(&[])),
            // The last one is too young.
            (Some(10), 10, set(&[9])),
            (Some(4), 60, set(&[4, 9])),
        ] {
            let mut followed = followed();
            let seen = Seen {
                newest: newest.map(at),
                left_out: vec![at(3), at(4), at(9)],
                ..Seen::nothing(at(told))
            };
            followed.learn(&seen);
            let gaps = [span(3, 4), span(9, 9)];
            // The minutes around the gaps are recorded, which settles nothing by itself.
            assert_eq!(followed.wanted(&gaps, span(1, 11)), expected, "{newest:?} {told}");
        }
    }

    #[test]
    fn what_is_recorded_later_proves_that_a_minute_was_left_out() {
        let mut followed = followed();
        assert_eq!(followed.wanted(&[span(3, 3)], span(1, 20)), set(&[3]));
        assert_eq!(followed.newest(), Some(at(20)));
        followed.learn(&Seen { left_out: vec![at(3)], ..Seen::nothing(at(20)) });
        assert_eq!(followed.wanted(&[span(3, 3)], span(1, 20)), set(&[]));
        // Beyond the reach it is forgotten.
        assert_eq!(followed.wanted(&[], span(4, 20)), set(&[]));
        assert!(followed.settled.is_empty());
    }

    #[test]
    fn prices_are_stale_when_the_newest_one_is_old_and_that_is_told_once() {
        let mut followed = followed();
        assert_eq!(followed.turns_stale(at(20)), Some(true));
        assert_eq!(followed.turns_stale(at(20)), None);
        followed.learn(&Seen { newest: Some(at(19)), ..Seen::nothing(at(20)) });
        assert_eq!(followed.turns_stale(at(20)), Some(false));
        assert_eq!(followed.turns_stale(at(25)), None);
        assert_eq!(followed.turns_stale(at(26)), Some(true));
    }
}
