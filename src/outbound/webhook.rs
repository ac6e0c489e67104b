//! Webhooks: a signed message by POST, over https alone, to public addresses unless a setting says
//! otherwise.

use std::{error::Error as StdError, io, net::SocketAddr, path::Path, time::Duration};

use reqwest::{
    Client, StatusCode, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header::CONTENT_TYPE,
    redirect,
};
use tokio_rustls::rustls::{
    self, ClientConfig,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::{
    domain::alert::WebhookSecret,
    error::BoxError,
    outbound::{
        Failure, OutboundError, SEND_TIMEOUT,
        addresses::{address_of, is_public},
        headers::retry_after,
        tls::{config, system_roots},
    },
};

/// Longest address of a webhook, in bytes.
const URL_LENGTH_MAX: usize = 2_048;

/// Longest that a recipient may want to be left alone.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(86_400);

/// What Daybook calls itself.
const USER_AGENT: &str = concat!("daybook/", env!("CARGO_PKG_VERSION"));

/// Sends webhooks.
#[derive(Clone)]
pub struct Webhooks {
    client: Client,
    allows_private: bool,
}

/// A message to send.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Its id: the same for each attempt.
    pub id: &'a str,
    /// The second at which it is sent.
    pub second: i64,
    /// JSON.
    pub body: &'a str,
}

impl Webhooks {
    /// Trusts what the system trusts, and the roots of this file; sends to private addresses only
    /// if that is allowed.
    ///
    /// # Errors
    /// If the file cannot be read, or no client can be made.
    pub fn new(roots: Option<&Path>, allows_private: bool) -> Result<Self, OutboundError> {
        let client = Client::builder()
            .tls_backend_preconfigured(tls(roots)?)
            .https_only(true)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .user_agent(USER_AGENT)
            .timeout(SEND_TIMEOUT)
            .pool_max_idle_per_host(2)
            .dns_resolver(CheckedNames { allows_private })
            .build()
            .map_err(|error| OutboundError::Client(Box::new(error)))?;
        Ok(Self { client, allows_private })
    }

    /// Checks the address of a webhook as far as that can be done without asking for names, and
    /// returns the one way to write it.
    ///
    /// # Errors
    /// What would be right.
    pub fn check(&self, text: &str) -> Result<String, &'static str> {
        const HINT: &str = "must be an https URL with a host, without a user or a fragment";
        if text.len() > URL_LENGTH_MAX {
            return Err("must be at most 2,048 bytes");
        }
        if text.contains(|c: char| c.is_control() || c.is_whitespace()) {
            return Err(HINT);
        }
        let url = Url::parse(text).map_err(|_| HINT)?;
        let has_user = !url.username().is_empty() || url.password().is_some();
        if url.scheme() != "https" || has_user || url.fragment().is_some() {
            return Err(HINT);
        }
        let host = url.host_str().ok_or(HINT)?;
        if host.split('.').rev().skip(1).any(str::is_empty) || url.port() == Some(0) {
            return Err(HINT);
        }
        if !self.allows_private && is_private_host(host) {
            return Err("must have a public address: see --webhook-private-addresses");
        }
        Ok(url.into())
    }

    /// Sends a message, signed.
    ///
    /// # Errors
    /// Why it was not taken.
    pub async fn send(
        &self,
        url: &str,
        secret: &WebhookSecret,
        message: Message<'_>,
    ) -> Result<(), Failure> {
        // Rules are older than settings, and another server may have others.
        self.check(url).map_err(|hint| Failure::passing(format!("the address {hint}")))?;
        let Message { id, second, body } = message;
        let sent = self
            .client
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", second)
            .header("webhook-signature", secret.sign(id, second, body))
            .body(body.to_owned())
            .send();
        let answer = sent.await.map_err(|error| Failure::passing(describe(&error)))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let failure = format!("the answer was {}", status.as_u16());
        // Whoever says so wants no more.
        if status == StatusCode::GONE {
            return Err(Failure::lasting(failure));
        }
        let retry_after = retry_after(answer.headers(), RETRY_AFTER_MAX);
        Err(Failure { retry_after, ..Failure::passing(failure) })
    }
}

/// What is told of a request that failed: without addresses, which names of the inside may stand
/// for.
fn describe(error: &reqwest::Error) -> String {
    let mut source = StdError::source(error);
    while let Some(inner) = source {
        if let Some(tls) = unwrapped(inner).downcast_ref::<rustls::Error>() {
            return format!("the connection could not be encrypted: {tls}");
        }
        source = inner.source();
    }
    let what = match (error.is_timeout(), error.is_connect()) {
        (true, _) => "there was no answer in time",
        (false, true) => "no connection could be made",
        (false, false) => "the connection broke before an answer came",
    };
    what.to_owned()
}

/// What errors of input and output were made of, which they do not name as their source.
fn unwrapped<'e>(error: &'e (dyn StdError + 'static)) -> &'e (dyn StdError + 'static) {
    let mut error = error;
    while let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        error = inner;
    }
    error
}

/// Whether a host is an address that is not public, or this machine by name.
fn is_private_host(host: &str) -> bool {
    match address_of(host) {
        Some(address) => !is_public(address),
        None => {
            let name = host.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
    }
}

/// A name stands for no public address.
#[derive(Debug, thiserror::Error)]
#[error("the host has no public address")]
struct NotPublic;

/// Looks names up, and lets nothing through that must not be reached: what is connected to is what
/// was checked.
struct CheckedNames {
    allows_private: bool,
}

impl Resolve for CheckedNames {
    fn resolve(&self, name: Name) -> Resolving {
        let allows_private = self.allows_private;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> =
                found.filter(|address| allows_private || is_public(address.ip())).collect();
            if allowed.is_empty() {
                return Err(Box::new(NotPublic) as BoxError);
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

fn tls(roots: Option<&Path>) -> Result<ClientConfig, OutboundError> {
    let mut trusted = system_roots();
    if let Some(path) = roots {
        let wrong = |error: BoxError| OutboundError::Roots(error);
        let certificates =
            CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.into()))?;
        for certificate in certificates {
            let certificate = certificate.map_err(|error| wrong(error.into()))?;
            trusted.add(certificate).map_err(|error| wrong(error.into()))?;
        }
    }
    config(trusted).map_err(|error| OutboundError::Client(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_webhooks_are_https_and_public() {
        let strict = Webhooks::new(None, false).expect("a client");
        let open = Webhooks::new(None, true).expect("a client");
        for (url, is_right, is_right_where_private) in [
            ("https://example.com/hook?a=b", true, true),
            ("https://example.com:8443", true, true),
            ("https://1.1.1.1/", true, true),
            ("https://127.0.0.1/", false, true),
            ("https://2130706433/", false, true),
            ("https://0x7f.1/", false, true),
            ("https://[::1]:8443/", false, true),
            ("https://[::ffff:10.0.0.1]/", false, true),
            ("https://169.254.169.254/latest", false, true),
            ("https://localhost/", false, true),
            ("https://a.localhost./", false, true),
            ("http://example.com/", false, false),
            ("https://user@example.com/", false, false),
            ("https://user:secret@example.com/", false, false),
            ("https://example.com/#there", false, false),
            ("https://", false, false),
            ("https://.", false, false),
            ("https://a..example.com/", false, false),
            ("https://example.com:0/", false, false),
            ("https://example.com/\0", false, false),
            ("https://example.com/a b", false, false),
            (" https://example.com/", false, false),
            ("file:///etc/passwd", false, false),
            ("example.com", false, false),
            ("", false, false),
        ] {
            assert_eq!(strict.check(url).is_ok(), is_right, "{url}");
            assert_eq!(open.check(url).is_ok(), is_right_where_private, "{url}");
        }
        let long = format!("https://example.com/{}", "a".repeat(URL_LENGTH_MAX));
        assert!(open.check(&long).is_err());
    }
}
