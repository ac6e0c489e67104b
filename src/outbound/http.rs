//! One HTTP call at a time: encrypted where its URL says so, with a time limit and a size limit,
//! never followed elsewhere and never through a proxy.
//!
//! Shared by the clients of exchanges and of chains. What a status or a body means is theirs.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use reqwest::{Client, RequestBuilder, Response, redirect::Policy};
use tokio_rustls::rustls::{self, RootCertStore};

use crate::outbound::tls::{config, system_roots};

/// Longest time to be connected.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Most of a foreign text that is repeated in an error.
const QUOTED_LENGTH_MAX: usize = 120;

/// What stands where something was struck out of a foreign text.
const STRUCK: &[u8] = b"[..]";

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum HttpSetupError {
    /// There are no roots.
    #[error("the system trusts no roots to verify a server's certificate by")]
    NoRoots,
    /// TLS cannot be prepared.
    #[error("TLS cannot be prepared")]
    Tls(#[source] rustls::Error),
    /// The client cannot be built.
    #[error("an HTTP client cannot be made")]
    Client(#[source] reqwest::Error),
}

/// What was answered, whatever its status.
#[derive(Clone, Debug)]
pub(super) struct HttpAnswer {
    /// The status.
    pub(super) status: StatusCode,
    /// The headers.
    pub(super) headers: HeaderMap,
    /// The body: whole, or why it is not. Of an answer that is no success the beginning is enough.
    pub(super) body: Result<Vec<u8>, HttpFault>,
}

/// Why there is no answer, or not the whole of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum HttpFault {
    /// It did not come, or was cut off. The URL, which may hold a key, is left out.
    Unavailable(String),
    /// It is larger than this number of bytes.
    TooLarge(usize),
}

/// A client for servers of one kind of URL.
#[derive(Clone, Debug)]
pub(super) struct Http {
    client: Client,
    bytes_max: usize,
}

impl Http {
    /// A client; with `is_encrypted` it speaks to nobody whose certificate it cannot verify.
    /// `timeout` is for a whole call, `bytes_max` for one answer.
    ///
    /// # Errors
    /// If connections cannot be encrypted.
    pub(super) fn new(
        is_encrypted: bool,
        timeout: Duration,
        bytes_max: usize,
    ) -> Result<Self, HttpSetupError> {
        let roots = if is_encrypted { system_roots() } else { RootCertStore::empty() };
        if is_encrypted && roots.is_empty() {
            return Err(HttpSetupError::NoRoots);
        }
        let client = Client::builder()
            .tls_backend_preconfigured(config(roots).map_err(HttpSetupError::Tls)?)
            .https_only(is_encrypted)
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(timeout)
            .user_agent(concat!("daybook/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(HttpSetupError::Client)?;
        Ok(Self { client, bytes_max })
    }

    /// What a call is made with.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Makes a call.
    ///
    /// # Errors
    /// If not even a status came.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<HttpAnswer, HttpFault> {
        let mut response = request.send().await.map_err(unavailable)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = body(&mut response, self.bytes_max).await;
        Ok(HttpAnswer { status, headers, body })
    }
}

/// The body of an answer, unless it is too large or was cut off.
async fn body(response: &mut Response, bytes_max: usize) -> Result<Vec<u8>, HttpFault> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unavailable)? {
        if body.len() + chunk.len() > bytes_max {
            return Err(HttpFault::TooLarge(bytes_max));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn unavailable(error: reqwest::Error) -> HttpFault {
    let error = error.without_url();
    let mut why = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        why = format!("{why}: {cause}");
        source = cause.source();
    }
    HttpFault::Unavailable(why)
}

/// The beginning of a foreign text, harmless in a log.
pub(super) fn quoted(body: &[u8]) -> String {
    quoted_without(body, &[])
}

/// The beginning of a foreign text, harmless in a log, without any run of it that is one of these,
/// in whatever case. They are struck out before the text is cut, so that no part of one is left.
pub(super) fn quoted_without(body: &[u8], struck: &[Vec<u8>]) -> String {
    let mut left = Vec::new();
    let mut struck_until = 0;
    for (index, byte) in body.iter().enumerate() {
        if left.len() >= 4 * QUOTED_LENGTH_MAX {
            break;
        }
        let begins = |run: &&Vec<u8>| {
            let there = body.get(index..index + run.len());
            there.is_some_and(|there| there.eq_ignore_ascii_case(run))
        };
        if let Some(length) = struck.iter().filter(begins).map(Vec::len).max() {
            if index >= struck_until {
                left.extend_from_slice(STRUCK);
            }
            struck_until = struck_until.max(index + length);
        }
        if index >= struck_until {
            left.push(*byte);
        }
    }
    let text = String::from_utf8_lossy(&left);
    let text: String = text.chars().take(QUOTED_LENGTH_MAX).collect();
    format!("{text:?}")
}
