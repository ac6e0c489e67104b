//! What a feed tells of itself, for everybody to read at any time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

pub use crate::feeds::pauses::PauseReason;
use crate::{
    domain::price::symbol::SymbolName,
    feeds::{
        followed::{Followed, is_old},
        pauses::Pause,
    },
    outbound::exchange::Source,
};

/// How it stands with the feed of this process; clones share it. Empty where there is no feed.
#[derive(Clone, Debug, Default)]
pub struct FeedReport(Arc<Mutex<Option<Told>>>);

/// What a feed last told.
#[derive(Debug)]
struct Told {
    source: Source,
    is_asking: bool,
    pause: Pause,
    pairs: Vec<ToldPair>,
}

#[derive(Debug)]
struct ToldPair {
    symbol: SymbolName,
    newest_at: Option<DateTime<Utc>>,
    is_stale: bool,
    pause: Pause,
}

/// How it stands with a feed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FeedStatus {
    /// Which exchange is asked.
    pub source: Source,
    /// Whether this server is the one that asks.
    pub is_asking: bool,
    /// Why nothing is asked for a while, if so.
    pub pause: Option<FeedPause>,
    /// The pairs that are followed, as the settings name them.
    pub pairs: Vec<PairStatus>,
}

/// How it stands with a pair.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PairStatus {
    /// Which pair.
    pub symbol: SymbolName,
    /// The end of the newest minute that has a price; `None` where none is known, or another
    /// server asks.
    pub newest_at: Option<DateTime<Utc>>,
    /// Whether that is long ago.
    pub is_stale: bool,
    /// Why it is not asked for a while, if so.
    pub pause: Option<FeedPause>,
}

/// That an exchange, or one pair, is left alone for a while.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FeedPause {
    /// When it is over.
    pub until: DateTime<Utc>,
    /// Why.
    pub reason: PauseReason,
}

impl FeedReport {
    /// How it stands with the feed at this moment; `None` where there is none.
    #[must_use]
    pub fn read(&self, now: DateTime<Utc>) -> Option<FeedStatus> {
        let told = self.told();
        let told = told.as_ref()?;
        let pair = |pair: &ToldPair| {
            let newest_at = pair.newest_at.filter(|_| told.is_asking);
            PairStatus {
                symbol: pair.symbol.clone(),
                newest_at,
                is_stale: told.is_asking
                    && (pair.is_stale || newest_at.is_some_and(|newest| is_old(newest, now))),
                pause: pair.pause.of(now),
            }
        };
        Some(FeedStatus {
            source: told.source,
            is_asking: told.is_asking,
            pause: told.pause.of(now),
            pairs: told.pairs.iter().map(pair).collect(),
        })
    }

    /// Takes note of how it stands.
    pub(super) fn tell(
        &self,
        source: Source,
        is_asking: bool,
        pause: Pause,
        followed: &[Followed],
    ) {
        let pair = |one: &Followed| ToldPair {
            symbol: one.pair.symbol().clone(),
            newest_at: one.newest(),
            is_stale: one.is_stale,
            pause: one.pause,
        };
        let pairs = followed.iter().map(pair).collect();
        *self.told() = Some(Told { source, is_asking, pause, pairs });
    }

    fn told(&self) -> MutexGuard<'_, Option<Told>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pause {
    /// What is told of it at this moment.
    fn of(self, now: DateTime<Utc>) -> Option<FeedPause> {
        Some(FeedPause { until: self.until(now)?, reason: self.reason()? })
    }
}
