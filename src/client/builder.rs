//! What a client is told before it connects.

use std::{
    collections::HashSet,
    fmt,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use http::HeaderValue;
use tonic::transport::{Channel, Endpoint};

use crate::{
    client::{
        Client,
        line::{Line, Orders},
        repeats,
        retry::{Budget, RetryPolicy},
    },
    endpoint::{EndpointError, endpoint},
};

/// How long a call may take unless it is said.
const DEADLINE: Duration = Duration::from_secs(30);

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Largest answer unless it is said: what a server sends unless it is set otherwise.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A token, which shows itself nowhere but to the server.
#[derive(Clone)]
pub struct Secret(String);

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address or what belongs to it cannot be used.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The token is none.
    #[error("a token is one word of visible ASCII characters")]
    Token,
    /// The token would be readable on the way.
    #[error("a token is sent over https, or to this machine: {address} is neither")]
    TokenInClear {
        /// Where it would have been sent.
        address: String,
    },
    /// No connection.
    #[error("nobody answers at {address}")]
    Unreachable {
        /// Where.
        address: String,
        /// Why not.
        source: tonic::transport::Error,
    },
}

/// What a client is told before it connects.
#[derive(Clone, Debug)]
pub struct ClientBuilder {
    address: String,
    ca: Option<PathBuf>,
    server_name: Option<String>,
    token: Option<Secret>,
    is_token_sent_in_clear: bool,
    deadline: Option<Duration>,
    policy: RetryPolicy,
    answer_bytes_max: usize,
}

impl ClientBuilder {
    pub(super) fn new(address: String) -> Self {
        Self {
            address,
            ca: None,
            server_name: None,
            token: None,
            is_token_sent_in_clear: false,
            deadline: Some(DEADLINE),
            policy: RetryPolicy::default(),
            answer_bytes_max: ANSWER_BYTES_MAX,
        }
    }

    /// The file with the roots that sign the server's certificate, in PEM, for an address that
    /// begins with https; those that the system trusts unless it is said.
    #[must_use]
    pub fn ca(mut self, file: impl AsRef<Path>) -> Self {
        self.ca = Some(file.as_ref().to_owned());
        self
    }

    /// The name that the server's certificate must be for; that of the address unless it is said.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// The token to show with each call, as `daybook token create` prints it. It is sent over
    /// https, or to this machine, and appears in no error and no log.
    #[must_use]
    pub fn token(mut self, token: impl Into<Secret>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Sends the token also where others can read it on the way.
    #[must_use]
    pub fn send_token_in_clear(mut self) -> Self {
        self.is_token_sent_in_clear = true;
        self
    }

    /// How long a call may take, all its tries and the pauses between them together: 30 seconds
    /// unless it is said. Streams have no deadline but one that their request sets.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Lets calls take as long as they like, unless their request says otherwise.
    #[must_use]
    pub fn no_deadline(mut self) -> Self {
        self.deadline = None;
        self
    }

    /// How often and how soon calls are made again.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Largest answer that is taken, in bytes: 4 MiB unless it is said, which is also what a
    /// server sends at most unless it is set otherwise.
    #[must_use]
    pub fn answer_bytes_max(mut self, bytes: usize) -> Self {
        self.answer_bytes_max = bytes;
        self
    }

    /// Connects.
    ///
    /// # Errors
    /// If what was said cannot be used, or nobody answers.
    pub async fn connect(self) -> Result<Client, ConnectError> {
        let (endpoint, token) = self.prepare()?;
        let unreachable =
            |source| ConnectError::Unreachable { address: self.address.clone(), source };
        let channel = endpoint.connect().await.map_err(unreachable)?;
        Ok(self.client(channel, token))
    }

    /// Connects with the first call, which waits for that: for a server that may still be
    /// starting. Must be called inside a Tokio runtime.
    ///
    /// # Errors
    /// If what was said cannot be used.
    pub fn connect_lazy(self) -> Result<Client, ConnectError> {
        let (endpoint, token) = self.prepare()?;
        Ok(self.client(endpoint.connect_lazy(), token))
    }

    fn prepare(&self) -> Result<(Endpoint, Option<HeaderValue>), ConnectError> {
        let endpoint = endpoint(&self.address, self.ca.as_deref(), self.server_name.as_deref())?
            .connect_timeout(CONNECT_TIMEOUT);
        let Some(token) = &self.token else { return Ok((endpoint, None)) };
        let uri = endpoint.uri();
        let is_protected = uri.scheme_str() == Some("https") || uri.host().is_some_and(is_here);
        if !is_protected && !self.is_token_sent_in_clear {
            return Err(ConnectError::TokenInClear { address: self.address.clone() });
        }
        let token = token.0.trim();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ConnectError::Token);
        }
        let value = HeaderValue::try_from(format!("Bearer {token}"));
        let mut value = value.map_err(|_| ConnectError::Token)?;
        value.set_sensitive(true);
        Ok((endpoint, Some(value)))
    }

    fn client(self, channel: Channel, token: Option<HeaderValue>) -> Client {
        let orders = Orders {
            token,
            deadline: self.deadline,
            budget: Budget::new(),
            policy: self.policy,
            answer_bytes_max: self.answer_bytes_max,
            unary: repeats::unary_paths().into_iter().collect::<HashSet<_>>(),
            retries: AtomicU64::new(0),
        };
        let line = Line { channel, orders: Arc::new(orders) };
        Client { line, answer_bytes_max: self.answer_bytes_max }
    }
}

/// Whether a host is this machine.
fn is_here(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(builder: ClientBuilder) -> String {
        builder.prepare().map(|_| ()).expect_err("it cannot be used").to_string()
    }

    #[test]
    fn a_token_is_not_sent_where_others_can_read_it() {
        for address in ["http://10.0.0.1:50051", "http://daybook.test:50051"] {
            let builder = Client::builder(address).token("dbk_secret");
            let words = refused(builder.clone());
            assert!(words.contains(address) && !words.contains("secret"), "{words}");
            assert!(builder.send_token_in_clear().prepare().is_ok());
        }
        for address in ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1"] {
            assert!(Client::builder(address).token("dbk_secret").prepare().is_ok(), "{address}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_said_without_the_secret() {
        let here = || Client::builder("http://127.0.0.1:50051");
        for token in ["", "two words", "line\nline", "\u{e4}"] {
            assert_eq!(refused(here().token(token)), ConnectError::Token.to_string(), "{token:?}");
        }
        // A file ends in a line feed.
        assert!(here().token("dbk_secret\n").prepare().is_ok());
        assert!(!format!("{:?}", here().token("dbk_x")).contains("dbk"));
        assert!(!format!("{:?}", here().token("dbk_x").prepare().expect("fine").1).contains("dbk"));
        assert!(refused(Client::builder("nowhere at all")).contains("http://127.0.0.1:50051"));
        assert!(refused(here().ca("roots.pem")).contains("https"));
    }
}
