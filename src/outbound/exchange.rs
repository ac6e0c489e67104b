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
use reqwest::{Client, Response, Url, redirect::Policy};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

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
        tls::{config, system_roots},
    },
};

/// Longest time to be connected.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest time for a whole call, once it is sent.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);

/// Largest answer that is read: the largest ones that are meant have some hundred kilobytes.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// Longest wait that an answer may ask for: longer than any ban that is documented.
const WAIT_MAX: Duration = Duration::from_secs(3 * 86_400);

/// Most of a foreign text that is repeated in an error.
const QUOTED_LENGTH_MAX: usize = 120;

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

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeSetupError {
    /// There are no roots.
    #[error("the system trusts no roots to verify an exchange's certificate by")]
    NoRoots,
    /// TLS cannot be prepared.
    #[error("TLS to an exchange cannot be prepared")]
    Tls(#[source] tokio_rustls::rustls::Error),
    /// The client cannot be built.
    #[error("a client of an exchange cannot be made")]
    Client(#[source] reqwest::Error),
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
    client: Client,
    limit: CallLimit,
}

impl Exchange {
    /// A client of a source that is served at this URL. Nothing is asked yet.
    ///
    /// # Errors
    /// If connections cannot be encrypted.
    pub fn new(source: Source, base_url: BaseUrl) -> Result<Self, ExchangeSetupError> {
        let client = Client::builder()
            .tls_backend_preconfigured(tls(base_url.is_encrypted())?)
            .https_only(base_url.is_encrypted())
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_TIMEOUT)
            .user_agent(concat!("daybook/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(ExchangeSetupError::Client)?;
        Ok(Self { source, base_url, client, limit: source.limit() })
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
        let sent = self.client.get(url).header(header::ACCEPT, "application/json").send();
        let mut response = sent.await.map_err(unavailable)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let told_at = date(&headers);
        self.limit.heed(&headers);
        let body = body(&mut response).await;
        if status != StatusCode::OK {
            let body = body.unwrap_or_default();
            return Err(self.fault(status, &headers, &body));
        }
        let mut candles = self.source.parse(pair, &body?)?;
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

fn tls(is_encrypted: bool) -> Result<ClientConfig, ExchangeSetupError> {
    let roots = if is_encrypted { system_roots() } else { RootCertStore::empty() };
    if is_encrypted && roots.is_empty() {
        return Err(ExchangeSetupError::NoRoots);
    }
    config(roots).map_err(ExchangeSetupError::Tls)
}

/// The body of an answer, unless it is too large or was cut off.
async fn body(response: &mut Response) -> Result<Vec<u8>, ExchangeError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unavailable)? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(malformed(format!("more than {ANSWER_BYTES_MAX} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// An answer that did not come, or not whole. The URL, which may be a mirror's, is left out.
fn unavailable(error: reqwest::Error) -> ExchangeError {
    let error = error.without_url();
    let mut why = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        why = format!("{why}: {cause}");
        source = cause.source();
    }
    ExchangeError::Unavailable { why, wait: None }
}

fn malformed(what: impl Into<String>) -> ExchangeError {
    ExchangeError::Malformed(what.into())
}

/// The beginning of a foreign text, harmless in a log.
fn quoted(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(4 * QUOTED_LENGTH_MAX)]);
    let text: String = text.chars().take(QUOTED_LENGTH_MAX).collect();
    format!("{text:?}")
}

#[cfg(test)]
mod tests;
