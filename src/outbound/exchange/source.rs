//! The three sources, and what is common to them: which file speaks for which.

use std::{fmt, num::NonZeroU32};

use http::StatusCode;

use super::{ExchangeError, binance, coinbase, kraken, limits::CallLimit};
use crate::{
    config::PriceSource,
    domain::price::{
        candle::{Candle, Minutes},
        pair::Pair,
    },
};

/// One call, or the weight of one.
pub(super) const ONE: NonZeroU32 = NonZeroU32::MIN;

/// Which exchange.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Source {
    /// Kraken, spot.
    Kraken,
    /// Coinbase Exchange.
    Coinbase,
    /// Binance, spot.
    Binance,
}

impl Source {
    /// The source that a setting names, if any.
    #[must_use]
    pub fn of(setting: PriceSource) -> Option<Self> {
        match setting {
            PriceSource::None => None,
            PriceSource::Kraken => Some(Self::Kraken),
            PriceSource::Coinbase => Some(Self::Coinbase),
            PriceSource::Binance => Some(Self::Binance),
        }
    }

    /// Where its API is served.
    #[must_use]
    pub fn base_url(self) -> &'static str {
        match self {
            Self::Kraken => kraken::BASE_URL,
            Self::Coinbase => coinbase::BASE_URL,
            Self::Binance => binance::BASE_URL,
        }
    }

    /// Most minutes that one question may be about.
    #[must_use]
    pub fn page_minutes_max(self) -> i32 {
        match self {
            Self::Kraken => kraken::PAGE_MINUTES_MAX,
            Self::Coinbase => coinbase::PAGE_MINUTES_MAX,
            Self::Binance => binance::PAGE_MINUTES_MAX,
        }
    }

    /// How many minutes back it answers about at all, if that is less than forever.
    #[must_use]
    pub fn reach_minutes(self) -> Option<i32> {
        match self {
            Self::Kraken => Some(kraken::PAGE_MINUTES_MAX),
            Self::Coinbase | Self::Binance => None,
        }
    }

    /// The pair as the source writes it.
    #[must_use]
    pub fn spelling(self, pair: &Pair) -> String {
        match self {
            Self::Kraken => kraken::spelling(pair),
            Self::Coinbase => coinbase::spelling(pair),
            Self::Binance => binance::spelling(pair),
        }
    }

    pub(super) fn limit(self) -> CallLimit {
        match self {
            Self::Kraken => kraken::limit(),
            Self::Coinbase => coinbase::limit(),
            Self::Binance => binance::limit(),
        }
    }

    pub(super) fn question(self, pair: &Pair, minutes: Minutes) -> Question {
        match self {
            Self::Kraken => kraken::question(pair, minutes),
            Self::Coinbase => coinbase::question(pair, minutes),
            Self::Binance => binance::question(pair, minutes),
        }
    }

    /// What an answer with status 200 says.
    pub(super) fn parse(self, pair: &Pair, body: &[u8]) -> Result<Vec<Candle>, ExchangeError> {
        match self {
            Self::Kraken => kraken::parse(pair, body),
            Self::Coinbase => coinbase::parse(body),
            Self::Binance => binance::parse(body),
        }
    }

    /// Whether an answer with another status says that there is no such pair.
    pub(super) fn denies_pair(self, status: StatusCode, body: &[u8]) -> bool {
        match self {
            Self::Kraken => false,
            Self::Coinbase => coinbase::denies_pair(status, body),
            Self::Binance => binance::denies_pair(status, body),
        }
    }
}

impl Source {
    /// Its name as a setting spells it, and as it is counted.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Kraken => "kraken",
            Self::Coinbase => "coinbase",
            Self::Binance => "binance",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Kraken => "Kraken",
            Self::Coinbase => "Coinbase Exchange",
            Self::Binance => "Binance",
        })
    }
}

/// What is asked: a path, and parameters behind it.
pub(super) struct Question {
    pub(super) path: Vec<String>,
    pub(super) parameters: Vec<(&'static str, String)>,
}
