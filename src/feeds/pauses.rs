//! How long to leave a source, or one pair of it, alone after something went wrong. Pure: the
//! moment and the chance are handed in.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::outbound::exchange::ExchangeError;

/// First pause after a failure; doubled with each further one.
const FIRST: Duration = Duration::from_secs(1);

/// Longest pause after failures that pass by themselves.
const LONGEST: Duration = Duration::from_secs(300);

/// First pause of a pair that has no new prices: it is asked for each minute anyway.
const STALE_FIRST: Duration = Duration::from_secs(60);

/// Shortest pause after a ban: the shortest one that is documented.
const BAN_SHORTEST: Duration = Duration::from_secs(120);

/// Longest pause after bans whose length nobody tells.
const BAN_LONGEST: Duration = Duration::from_secs(3_600);

/// Pause after what only a person can change.
const FOR_PEOPLE: Duration = Duration::from_secs(3_600);

/// Whom a failure concerns.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Scope {
    /// All that is asked of the source.
    Source,
    /// One pair; the others are asked.
    Pair,
}

/// Whom this error concerns.
pub(super) fn scope(error: &ExchangeError) -> Scope {
    match error {
        ExchangeError::RateLimited { .. }
        | ExchangeError::Banned { .. }
        | ExchangeError::Forbidden(_) => Scope::Source,
        ExchangeError::UnknownPair(_)
        | ExchangeError::Unavailable { .. }
        | ExchangeError::Malformed(_) => Scope::Pair,
    }
}

/// Why a source, or one pair of it, is left alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PauseReason {
    /// It was asked too often.
    RateLimited,
    /// It was asked too often for too long.
    Banned,
    /// It does not answer whoever asks from here.
    Forbidden,
    /// It does not know the pair.
    UnknownPair,
    /// It is away, or not well.
    Unavailable,
    /// It answers something else than documented.
    Malformed,
    /// It has no new prices of the pair.
    Stale,
}

impl PauseReason {
    fn of(error: &ExchangeError) -> Self {
        match error {
            ExchangeError::RateLimited { .. } => Self::RateLimited,
            ExchangeError::Banned { .. } => Self::Banned,
            ExchangeError::Forbidden(_) => Self::Forbidden,
            ExchangeError::UnknownPair(_) => Self::UnknownPair,
            ExchangeError::Unavailable { .. } => Self::Unavailable,
            ExchangeError::Malformed(_) => Self::Malformed,
        }
    }
}

/// A pause, why there is one, and how many failures in a row led to it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Pause {
    failures: u32,
    until: Option<DateTime<Utc>>,
    reason: Option<PauseReason>,
}

impl Pause {
    /// Until when it lasts, if it does.
    pub(super) fn until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.until.filter(|until| *until > now)
    }

    /// Why there is one, or was.
    pub(super) fn reason(&self) -> Option<PauseReason> {
        self.reason
    }

    /// Whether it lasts longer than another one.
    pub(super) fn is_longer(&self, other: &Self) -> bool {
        self.until > other.until
    }

    /// Whether this was the first failure in a row.
    pub(super) fn is_first(&self) -> bool {
        self.failures == 1
    }

    /// All went well.
    pub(super) fn end(&mut self) {
        *self = Self::default();
    }

    /// Pauses because of an error; `chance` is drawn from 0 to 1, so that those who failed
    /// together do not come back together. Nobody comes back earlier than told.
    pub(super) fn begin(&mut self, error: &ExchangeError, now: DateTime<Utc>, chance: f64) {
        let (first, longest, told) = match error {
            ExchangeError::RateLimited { wait } | ExchangeError::Unavailable { wait, .. } => {
                (FIRST, LONGEST, *wait)
            }
            ExchangeError::Banned { wait } => {
                (BAN_SHORTEST, BAN_LONGEST, wait.map(|wait| wait.max(BAN_SHORTEST)))
            }
            ExchangeError::Malformed(_) => (FIRST, LONGEST, None),
            ExchangeError::Forbidden(_) | ExchangeError::UnknownPair(_) => {
                (FOR_PEOPLE, FOR_PEOPLE, None)
            }
        };
        let grown = self.grown(first, longest, chance);
        let pause = told.map_or(grown, |told| told.max(FIRST) + FIRST.mul_f64(chance));
        self.last(pause, PauseReason::of(error), now);
    }

    /// Pauses because a pair has no new prices.
    pub(super) fn begin_stale(&mut self, now: DateTime<Utc>, chance: f64) {
        self.last(self.grown(STALE_FIRST, LONGEST, chance), PauseReason::Stale, now);
    }

    /// A pause that grows with the failures before it; half of it is left to chance.
    fn grown(&self, first: Duration, longest: Duration, chance: f64) -> Duration {
        let grown = first.saturating_mul(1 << self.failures.min(16)).min(longest);
        first.max(grown.mul_f64(0.5 + 0.5 * chance.clamp(0.0, 1.0)))
    }

    fn last(&mut self, pause: Duration, reason: PauseReason, now: DateTime<Utc>) {
        self.failures += 1;
        self.reason = Some(reason);
        self.until =
            TimeDelta::from_std(pause).ok().and_then(|pause| now.checked_add_signed(pause));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause_of(error: &ExchangeError, failures: u32, chance: f64) -> f64 {
        let (now, mut pause) = (DateTime::UNIX_EPOCH, Pause::default());
        for _ in 0..failures {
            pause.begin(error, now, chance);
        }
        let until = pause.until(now).expect("there is a pause");
        (until - now).as_seconds_f64()
    }

    #[test]
    fn pauses_grow_up_to_a_limit_and_are_never_shorter_than_told() {
        let wait = |seconds| Some(Duration::from_secs(seconds));
        let why = String::new;
        for (error, failures, least, most) in [
            (ExchangeError::RateLimited { wait: None }, 1, 1.0, 1.0),
            (ExchangeError::RateLimited { wait: None }, 4, 4.0, 8.0),
            (ExchangeError::RateLimited { wait: None }, 99, 150.0, 300.0),
            (ExchangeError::RateLimited { wait: wait(7) }, 1, 7.0, 8.0),
            (ExchangeError::RateLimited { wait: wait(0) }, 9, 1.0, 2.0),
            (ExchangeError::Banned { wait: None }, 1, 120.0, 120.0),
            (ExchangeError::Banned { wait: None }, 99, 1_800.0, 3_600.0),
            (ExchangeError::Banned { wait: wait(5) }, 1, 120.0, 121.0),
            (ExchangeError::Banned { wait: wait(259_200) }, 1, 259_200.0, 259_201.0),
            (ExchangeError::Forbidden(451), 1, 3_600.0, 3_600.0),
            (ExchangeError::UnknownPair(why()), 3, 3_600.0, 3_600.0),
            (ExchangeError::Unavailable { why: why(), wait: wait(30) }, 1, 30.0, 31.0),
            (ExchangeError::Unavailable { why: why(), wait: None }, 3, 2.0, 4.0),
            (ExchangeError::Malformed(why()), 2, 1.0, 2.0),
        ] {
            for chance in [0.0, 0.3, 1.0] {
                let found = pause_of(&error, failures, chance);
                let is_right = (least..=most).contains(&found);
                assert!(is_right, "{error:?} {failures} {chance}: {found}");
            }
        }
    }

    #[test]
    fn a_pause_is_over_at_its_end_and_forgotten_when_all_is_well() {
        let (now, mut pause) = (DateTime::UNIX_EPOCH, Pause::default());
        assert_eq!(pause.until(now), None);
        pause.begin(&ExchangeError::RateLimited { wait: None }, now, 0.0);
        assert!(pause.is_first());
        assert!(pause.until(now).is_some());
        assert_eq!(pause.until(now + TimeDelta::seconds(1)), None);
        pause.begin(&ExchangeError::RateLimited { wait: None }, now, 0.0);
        assert!(!pause.is_first());
        pause.end();
        assert_eq!(pause, Pause::default());
        for most in [60, 120, 240, 300, 300] {
            pause.begin_stale(now, 1.0);
            assert_eq!(pause.until(now), Some(now + TimeDelta::seconds(most)));
        }
    }
}
