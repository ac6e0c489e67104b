//! What is counted where requests come in.

use metrics::{Gauge, counter, gauge};

use super::families::{
    BUILD_INFO, CONNECTIONS_CLOSED, CONNECTIONS_OPEN, REQUESTS_AT_WORK, REQUESTS_REFUSED,
};

/// Why a request was refused before its work began.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refused {
    /// Too many requests are at work, or wait.
    AtLimit,
    /// Too many calls a second from its address.
    AddressRate,
    /// Too many calls a second with its token.
    TokenRate,
    /// Too many calls at once with its token.
    TokenConcurrency,
    /// Too many look-ups of tokens that are not known.
    LookUpRate,
    /// No token in force.
    Unauthenticated,
    /// A role that may not.
    PermissionDenied,
    /// The server does not answer requests yet.
    Starting,
}

impl Refused {
    const EVERY: [Self; 8] = [
        Self::AtLimit,
        Self::AddressRate,
        Self::TokenRate,
        Self::TokenConcurrency,
        Self::LookUpRate,
        Self::Unauthenticated,
        Self::PermissionDenied,
        Self::Starting,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::AtLimit => "at_limit",
            Self::AddressRate => "address_rate",
            Self::TokenRate => "token_rate",
            Self::TokenConcurrency => "token_concurrency",
            Self::LookUpRate => "token_lookup_rate",
            Self::Unauthenticated => "unauthenticated",
            Self::PermissionDenied => "permission_denied",
            Self::Starting => "starting",
        }
    }
}

/// Why the server ended a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ClosedConnection {
    /// There are too many.
    AtLimit,
    /// Its handshake failed or took too long.
    Handshake,
    /// Its first bytes did not come in time.
    Silent,
    /// It sent frames that ask nothing.
    Flood,
    /// It kept the server waiting, or made room for another.
    Late,
}

impl ClosedConnection {
    const EVERY: [Self; 5] =
        [Self::AtLimit, Self::Handshake, Self::Silent, Self::Flood, Self::Late];

    fn label(self) -> &'static str {
        match self {
            Self::AtLimit => "at_limit",
            Self::Handshake => "handshake",
            Self::Silent => "silent",
            Self::Flood => "flood",
            Self::Late => "late",
        }
    }
}

pub(super) fn begin() {
    gauge!(BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    gauge!(REQUESTS_AT_WORK).set(0.0);
    gauge!(CONNECTIONS_OPEN).set(0.0);
    for why in Refused::EVERY {
        counter!(REQUESTS_REFUSED, "reason" => why.label()).increment(0);
    }
    for why in ClosedConnection::EVERY {
        counter!(CONNECTIONS_CLOSED, "reason" => why.label()).increment(0);
    }
}

/// A request was refused.
pub fn refused(why: Refused) {
    counter!(REQUESTS_REFUSED, "reason" => why.label()).increment(1);
}

/// A connection was ended.
pub fn connection_closed(why: ClosedConnection) {
    counter!(CONNECTIONS_CLOSED, "reason" => why.label()).increment(1);
}

/// A connection that is counted as open until it is dropped.
#[derive(Debug)]
pub struct OpenConnection(());

impl OpenConnection {
    /// Counts it.
    #[must_use]
    pub fn begin() -> Self {
        gauge!(CONNECTIONS_OPEN).increment(1.0);
        Self(())
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        gauge!(CONNECTIONS_OPEN).decrement(1.0);
    }
}

/// Counts requests whose answer has not left.
#[derive(Clone)]
pub struct RequestAtWork(Gauge);

impl RequestAtWork {
    /// Counts from here on.
    #[must_use]
    pub fn gauge() -> Self {
        Self(gauge!(REQUESTS_AT_WORK))
    }

    /// One begins.
    pub fn begin(&self) {
        self.0.increment(1.0);
    }

    /// One has ended.
    pub fn end(&self) {
        self.0.decrement(1.0);
    }
}
