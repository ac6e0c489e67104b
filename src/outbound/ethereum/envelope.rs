//! JSON-RPC's envelope (<https://www.jsonrpc.org/specification>): questions put into it, answers
//! and errors taken out of it.
//!
//! Errors come in it with any HTTP status, and without it where something stands before the node.

use std::{borrow::Cow, time::Duration};

use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    domain::erc20::refusals::{self, Refusal, Wording},
    outbound::{
        ethereum::LogsError,
        headers::retry_after,
        http::HttpAnswer,
        source_error::{SourceError, SourceUrl},
    },
};

/// Longest wait that an answer may ask for.
const WAIT_MAX: Duration = Duration::from_secs(86_400);

/// Code of a method that is not there.
const UNKNOWN_METHOD: i64 = -32601;

/// Code of a method that is there and not answered.
const UNSUPPORTED_METHOD: i64 = -32004;

/// A question.
#[derive(Serialize)]
pub(super) struct Question<'a, P> {
    jsonrpc: &'static str,
    id: usize,
    method: &'a str,
    params: P,
}

impl<'a, P> Question<'a, P> {
    /// One with this number, which its answer has, too.
    pub(super) fn new(id: usize, method: &'a str, params: P) -> Self {
        Self { jsonrpc: "2.0", id, method, params }
    }
}

/// An answer: a result or an error.
#[derive(Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
pub(super) struct Reply<'a, T> {
    #[serde(default)]
    pub(super) id: Option<usize>,
    // A null is a result, too: that of a block that is not there.
    pub(super) result: Option<T>,
    #[serde(borrow, default)]
    pub(super) error: Option<Fault<'a>>,
}

/// An error.
#[derive(Debug, Deserialize)]
pub(super) struct Fault<'a> {
    #[serde(default)]
    code: i64,
    #[serde(borrow, default)]
    message: Cow<'a, str>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

/// Ends of a range that would be answered, as one provider puts them beside its words.
#[derive(Deserialize)]
struct NamedRange<'a> {
    #[serde(borrow)]
    from: Cow<'a, str>,
    #[serde(borrow)]
    to: Cow<'a, str>,
}

impl Fault<'_> {
    /// Whether a contract refused the call: it has no such function.
    pub(super) fn is_reverted(&self) -> bool {
        let text = self.message.to_ascii_lowercase();
        self.code == 3
            || ["revert", "invalid opcode", "out of gas", "invalid jump"]
                .iter()
                .any(|words| text.contains(words))
    }

    /// What it means for a question for logs.
    pub(super) fn of_logs(&self, url: &SourceUrl, headers: &HeaderMap) -> LogsError {
        match self.refusal() {
            Refusal::TooMuch(advice) => LogsError::TooMuch { advice, why: self.quoted(url) },
            Refusal::Ahead
            | Refusal::TooOften
            | Refusal::UsedUp
            | Refusal::UnknownBlock
            | Refusal::Pruned
            | Refusal::Other => LogsError::Source(self.meaning(url, headers)),
        }
    }

    /// What it means.
    pub(super) fn meaning(&self, url: &SourceUrl, headers: &HeaderMap) -> SourceError {
        let wait = retry_after(headers, WAIT_MAX);
        match self.refusal() {
            Refusal::TooMuch(_) => SourceError::TooMuch(self.quoted(url)),
            Refusal::Ahead => SourceError::Ahead(self.quoted(url)),
            Refusal::TooOften => SourceError::RateLimited { wait },
            Refusal::UsedUp => SourceError::QuotaUsedUp { wait },
            Refusal::UnknownBlock => SourceError::UnknownPlace(self.quoted(url)),
            Refusal::Pruned => SourceError::Unsupported(self.quoted(url)),
            Refusal::Other if matches!(self.code, UNKNOWN_METHOD | UNSUPPORTED_METHOD) => {
                SourceError::Unsupported(self.quoted(url))
            }
            Refusal::Other => SourceError::Unavailable { why: self.quoted(url), wait },
        }
    }

    fn refusal(&self) -> Refusal {
        let named: Option<NamedRange<'_>> =
            self.data.and_then(|data| serde_json::from_str(data.get()).ok());
        refusals::read(&Wording {
            code: self.code,
            message: &self.message,
            named: named.as_ref().map(|range| (&*range.from, &*range.to)),
        })
    }

    fn quoted(&self, url: &SourceUrl) -> String {
        format!("{} {}", self.code, url.quoted(self.message.as_bytes()))
    }
}

/// The body of an answer that may hold what was asked for.
///
/// # Errors
/// If the status says that it does not and no error lies in the body, or if it was cut off.
pub(super) fn body<'a>(url: &SourceUrl, answer: &'a HttpAnswer) -> Result<&'a [u8], SourceError> {
    let body = answer.body.as_deref();
    if answer.status == StatusCode::OK {
        return body.map_err(|fault| fault.clone().into());
    }
    let body = body.unwrap_or_default();
    let is_envelope = serde_json::from_slice::<Reply<'_, &RawValue>>(body)
        .is_ok_and(|reply| reply.error.is_some());
    if is_envelope { Ok(body) } else { Err(status_fault(url, answer, body)) }
}

/// What a status other than 200 means.
fn status_fault(url: &SourceUrl, answer: &HttpAnswer, body: &[u8]) -> SourceError {
    let (status, wait) = (answer.status, retry_after(&answer.headers, WAIT_MAX));
    let own = || match status {
        StatusCode::PAYLOAD_TOO_LARGE => SourceError::TooMuch(format!("HTTP {status}")),
        _ => malformed(format!("HTTP {status}: {}", url.quoted(body))),
    };
    SourceError::of_status(status, wait).unwrap_or_else(own)
}

/// Reads JSON.
///
/// # Errors
/// If it is none, or not what was meant.
pub(super) fn read<'a, T: Deserialize<'a>>(
    url: &SourceUrl,
    body: &'a [u8],
) -> Result<T, SourceError> {
    // Checked as text once, and not string by string.
    let text = std::str::from_utf8(body).map_err(|_| malformed("bytes that are no text"))?;
    serde_json::from_str(text).map_err(|error| {
        let (error, begins) = (url.quoted(error.to_string().as_bytes()), url.quoted(body));
        malformed(format!("{error}, in what begins with {begins}"))
    })
}

/// What was answered is not what is documented.
pub(super) fn malformed(what: impl Into<String>) -> SourceError {
    SourceError::Malformed(what.into())
}

#[cfg(test)]
mod tests;
