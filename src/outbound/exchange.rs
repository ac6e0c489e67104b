//! Public price APIs of exchanges: candles of one minute, by REST, without a key.
//!
//! One client for three sources. Each source's file has its spelling of pairs, its question and
//! what its answers look like; parsing is pure. Here are the connection, its limits, and what a
//! status means. Whether and when to ask again is decided by `feeds`.

mod binance;
mod coinbase;
mod kraken;
mod limits;
mod rows;
mod source;

use std::time::Duration;

use chrono::{DateTime, Utc};
use http::{HeaderMap, StatusCode, header};
use reqwest::Url;

pub use self::source::Source;
use self::{limits::CallLimit, rows::check, source::Question};
use crate::{
    domain::price::{
        candle::{Candle, Minutes},
        pair::Pair,
    },
    outbound::{
        addresses::is_this_machine,
        headers::{date, retry_after},
        http::{Http, HttpFault, HttpSetupError, quoted},
    },
};

/// Longest time for a whole call, once it is sent.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);

/// Largest answer that is read: the largest ones that are meant have some hundred kilobytes.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// Longest wait that an answer may ask for: longer than any ban that is documented.
const WAIT_MAX: Duration = Duration::from_secs(3 * 86_400);

/// Where a source is asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BaseUrl(Url);

impl BaseUrl {
    /// What it must be.
    pub const RULE: &str = "must be an https URL without user, query and fragment; http only where \
                            the host is a loopback address";

    /// Reads one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let is_here = is_this_machine(url.host_str()?);
        let is_right = (url.scheme() == "https" || (url.scheme() == "http" && is_here))
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        is_right.then_some(Self(url))
    }

    fn is_encrypted(&self) -> bool {
        self.0.scheme() == "https"
    }

    fn with(&self, question: &Question) -> Url {
        let mut url = self.0.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(&question.path);
        }
        url.query_pairs_mut().extend_pairs(&question.parameters);
        url
    }
}

/// Why there are no candles.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ExchangeError {
    /// Asked too often (429, or the source's own words).
    #[error("asked too often")]
    RateLimited {
        /// How long to wait, if the answer says.
        wait: Option<Duration>,
    },
    /// Asked too often for too long (418).
    #[error("banned for asking too often")]
    Banned {
        /// How long to wait, if the answer says.
        wait: Option<Duration>,
    },
    /// The source does not answer whoever asks from here (403, 451).
    #[error("refuses whoever asks from this place or country (HTTP {0})")]
    Forbidden(u16),
    /// It does not know the pair, or not by this name any more.
    #[error("does not know the pair: {0}")]
    UnknownPair(String),
    /// It is away, or not well.
    #[error("is not available: {why}")]
    Unavailable {
        /// What happened.
        why: String,
        /// How long to wait, if the answer says.
        wait: Option<Duration>,
    },
    /// What it answers is not what its documents say.
    #[error("answers something else than documented: {0}")]
    Malformed(String),
}

/// What came of a question.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// Candles of the minutes that were asked for, earliest first: of those in which something was
    /// traded and that are over, by the source's clock and by ours.
    pub candles: Vec<Candle>,
    /// The source's clock, where the answer tells it.
    pub told_at: Option<DateTime<Utc>>,
}

/// A client of one source. Calls wait for their turn by the source's documented limit.
pub struct Exchange {
    source: Source,
    base_url: BaseUrl,
    http: Http,
    limit: CallLimit,
}

impl Exchange {
    /// A client of a source that is served at this URL. Nothing is asked yet.
    ///
    /// # Errors
    /// If connections cannot be encrypted.
    pub fn new(source: Source, base_url: BaseUrl) -> Result<Self, HttpSetupError> {
        let http = Http::new(base_url.is_encrypted(), CALL_TIMEOUT, ANSWER_BYTES_MAX)?;
        Ok(Self { source, base_url, http, limit: source.limit() })
    }

    /// Which exchange it is.
    #[must_use]
    pub fn source(&self) -> Source {
        self.source
    }

    /// Candles of a pair, of these minutes; at most as many as one question may be about.
    ///
    /// # Errors
    /// Says what the source said instead.
    pub async fn candles(
        &self,
        pair: &Pair,
        minutes: Minutes,
        now: DateTime<Utc>,
    ) -> Result<Answer, ExchangeError> {
        self.limit.wait().await;
        let url = self.base_url.with(&self.source.question(pair, minutes));
        let request = self.http.client().get(url).header(header::ACCEPT, "application/json");
        let answer = self.http.send(request).await?;
        let told_at = date(&answer.headers);
        self.limit.heed(&answer.headers);
        if answer.status != StatusCode::OK {
            let body = answer.body.unwrap_or_default();
            return Err(self.fault(answer.status, &answer.headers, &body));
        }
        let mut candles = self.source.parse(pair, &answer.body?)?;
        let clock = told_at.map_or(now, |told_at| told_at.min(now));
        check(&mut candles, told_at.unwrap_or(now).max(now))?;
        candles.retain(|candle| minutes.has(candle.closes_at()) && candle.closes_at() <= clock);
        Ok(Answer { candles, told_at })
    }

    /// What a status other than 200 means.
    fn fault(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ExchangeError {
        let wait = retry_after(headers, WAIT_MAX);
        match status.as_u16() {
            429 => ExchangeError::RateLimited { wait },
            418 => ExchangeError::Banned { wait },
            403 | 451 => ExchangeError::Forbidden(status.as_u16()),
            _ if self.source.denies_pair(status, body) => ExchangeError::UnknownPair(quoted(body)),
            500.. => ExchangeError::Unavailable { why: format!("HTTP {status}"), wait },
            _ => ExchangeError::Malformed(format!("HTTP {status}: {}", quoted(body))),
        }
    }
}

impl From<HttpFault> for ExchangeError {
    fn from(fault: HttpFault) -> Self {
        match fault {
            HttpFault::Unavailable(why) => Self::Unavailable { why, wait: None },
            HttpFault::TooLarge(bytes) => malformed(format!("more than {bytes} bytes")),
        }
    }
}

fn malformed(what: impl Into<String>) -> ExchangeError {
    ExchangeError::Malformed(what.into())
}

#[cfg(test)]
mod tests;
