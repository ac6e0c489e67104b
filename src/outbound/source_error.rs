//! Why a source of a chain did not answer a question, and where sources are asked.

use std::time::Duration;

use http::StatusCode;
use reqwest::Url;

use crate::outbound::{
    addresses::{address_of, is_public, is_this_machine},
    http::{HttpFault, quoted_without},
};

/// Longest segment of a path, and longest value of a query, that is never taken for a key.
const NO_KEY_LENGTH_MAX: usize = 6;

/// Why there is no answer. Texts are the source's own, quoted and cut; they hold no URL and no key.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SourceError {
    /// Asked too often (429, or the source's own words).
    #[error("asked too often")]
    RateLimited {
        /// How long to wait, if the answer says.
        wait: Option<Duration>,
    },
    /// The key's quota for the day, or longer, is used up.
    #[error("the quota is used up")]
    QuotaUsedUp {
        /// How long until it begins anew, if that is known; else the next midnight in UTC.
        wait: Option<Duration>,
    },
    /// It does not answer whoever asks from here, or not with this key (401, 403, 451).
    #[error("refuses whoever asks from here, or the key (HTTP {0})")]
    Forbidden(u16),
    /// It is away, or not well.
    #[error("is not available: {why}")]
    Unavailable {
        /// What happened.
        why: String,
        /// How long to wait, if the answer says.
        wait: Option<Duration>,
    },
    /// What was asked for is more than it answers at once.
    #[error("does not answer so much at once: {0}")]
    TooMuch(String),
    /// What was asked for is beyond what it knows yet, for example blocks ahead of its head.
    #[error("does not know so far: {0}")]
    Ahead(String),
    /// It does not know a place in a list any more, or a block: the list begins anew.
    #[error("does not know the place any more: {0}")]
    UnknownPlace(String),
    /// It cannot answer this question at all: a method that is not there, an address it calls none.
    #[error("does not answer this: {0}")]
    Unsupported(String),
    /// What it answers is not what its documents say, or not consistent.
    #[error("answers something else than documented: {0}")]
    Malformed(String),
}

impl SourceError {
    /// What a status means whoever answers with it, where the answer asks for this wait. `None` for
    /// one that each source uses in its own way.
    pub(super) fn of_status(status: StatusCode, wait: Option<Duration>) -> Option<Self> {
        Some(match status.as_u16() {
            429 => Self::RateLimited { wait },
            402 => Self::QuotaUsedUp { wait },
            code @ (401 | 403 | 451) => Self::Forbidden(code),
            408 | 500.. => Self::Unavailable { why: format!("HTTP {status}"), wait },
            _ => return None,
        })
    }
}

impl From<HttpFault> for SourceError {
    fn from(fault: HttpFault) -> Self {
        match fault {
            HttpFault::Unavailable(why) => Self::Unavailable { why, wait: None },
            HttpFault::TooLarge(bytes) => Self::TooMuch(format!("more than {bytes} bytes")),
        }
    }
}

/// Where a source is asked. It may hold a key, so it is never shown or logged.
#[derive(Clone, Eq, PartialEq)]
pub struct SourceUrl(Url);

impl std::fmt::Debug for SourceUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SourceUrl(..)")
    }
}

impl SourceUrl {
    /// What it must be.
    pub const RULE: &str = "must be an https URL without user and fragment; http only where the \
                            host is localhost or an address that is not public";

    /// Reads one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let host = url.host_str()?;
        let is_near =
            is_this_machine(host) || address_of(host).is_some_and(|address| !is_public(address));
        let is_right = (url.scheme() == "https" || (url.scheme() == "http" && is_near))
            && url.username().is_empty()
            && url.password().is_none()
            && url.fragment().is_none();
        is_right.then_some(Self(url))
    }

    /// Whether connections are encrypted.
    pub(super) fn is_encrypted(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The URL itself, as it was given.
    pub(super) fn url(&self) -> &Url {
        &self.0
    }

    /// The URL with these segments behind its path; what is in them is escaped.
    pub(super) fn with_path(&self, segments: &[&str]) -> Url {
        let mut url = self.0.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    /// The beginning of what the source says, harmless in a log. Some sources repeat the URL that
    /// they were asked at: what may be a key in it, which is each longer segment of its path and
    /// each longer value of its query, is struck out.
    pub(super) fn quoted(&self, body: &[u8]) -> String {
        let segments = self.0.path_segments().into_iter().flatten().map(str::to_owned);
        let values = self.0.query_pairs().map(|(_, value)| value.into_owned());
        // A value that is escaped in the URL may be repeated either way.
        let pairs = self.0.query().into_iter().flat_map(|query| query.split('&'));
        let escaped = pairs.map(|pair| pair.split_once('=').map_or(pair, |(_, value)| value));
        let runs = segments.chain(values).chain(escaped.map(str::to_owned));
        let keys = runs.filter(|run| run.len() > NO_KEY_LENGTH_MAX).map(String::into_bytes);
        quoted_without(body, &keys.collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_near_sources_are_asked_in_clear() {
        for (text, expected) in [
            ("https://blockstream.info/api", true),
            ("https://api.etherscan.io/v2/api?chainid=1", true),
            ("http://127.0.0.1:8545", true),
            ("http://localhost:8545", true),
            ("http://10.1.2.3:8545", true),
            ("http://example.com/api", false),
            ("http://1.1.1.1/api", false),
            ("https://user@example.com", false),
            ("https://example.com/#a", false),
            ("ftp://example.com", false),
            ("example.com", false),
        ] {
            assert_eq!(SourceUrl::parse(text).is_some(), expected, "{text}");
        }
    }

    #[test]
    fn a_source_s_url_is_not_shown() {
        let url = SourceUrl::parse("https://example.com/v3/secret").expect("a URL");
        assert_eq!(format!("{url:?}"), "SourceUrl(..)");
        assert_eq!(url.with_path(&["a b", "c"]).as_str(), "https://example.com/v3/secret/a%20b/c");
        assert!(url.is_encrypted());
        assert_eq!(url.url().host_str(), Some("example.com"));
    }
    #[test]
    fn keys_of_a_source_s_url_are_not_quoted() {
        let url = "https://example.com/v3/Secret-1/x?apikey=secret%2B2&chainid=1&lonesome";
        let url = SourceUrl::parse(url).expect("a URL");
        for (said, expected) in [
            ("no /v3/SECRET-1/x here", r#""no /v3/[..]/x here""#),
            ("secret+2 secret%2B2 secret lonesome 1", r#""[..] [..] secret [..] 1""#),
            ("Secret-1secret+2", r#""[..][..]""#),
            ("a \"line\"\n", r#""a \"line\"\n""#),
        ] {
            assert_eq!(url.quoted(said.as_bytes()), expected, "{said}");
        }
        // Where a text is cut, and behind what was struck out, no part of a key is left.
        for padding in 0..500 {
            let text = format!("{}Secret-1 Secret-1{}", "é".repeat(padding), "ü".repeat(50));
            let quoted = url.quoted(text.as_bytes());
            assert!(!quoted.contains('S') && quoted.chars().count() <= 122, "{quoted}");
        }
    }
}
