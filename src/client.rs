//! A client of Daybook for Rust: a typed handle for every service, with deadlines, a token, TLS,
//! and calls that are made again where that is safe and the server asks for it.
//!
//! It is a client like any other: of Daybook's it uses the contracts' generated types, and the way
//! to an address that the other commands use. `daybook ask` is made with it.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use daybook::client::{Client, v1};
//! use prost_types::Timestamp;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder("http://127.0.0.1:50051")
//!     .deadline(Duration::from_secs(5))
//!     .connect()
//!     .await?;
//!
//! let question = v1::GetUserRequest {
//!     user: Some(v1::get_user_request::User::Username("ann".to_owned())),
//! };
//! let user = client.ledger().get_user(question).await?.into_inner().user.unwrap_or_default();
//!
//! let june: Timestamp = "2026-06-01T00:00:00Z".parse()?;
//! let july: Timestamp = "2026-07-01T00:00:00Z".parse()?;
//! let question = v1::SumAmountRequest {
//!     subject: Some(v1::sum_amount_request::Subject::UserUuid(user.user_uuid)),
//!     window: Some(v1::Window { start: Some(june), end: Some(july) }),
//!     direction: v1::Direction::Sender.into(),
//!     ..Default::default()
//! };
//! let answer = client.analytics().sum_amount(question).await?.into_inner();
//! println!("{} {} in {} rows", answer.sum_amount, answer.asset, answer.transaction_count);
//! # Ok(())
//! # }
//! ```
//!
//! Calls with one request and one answer are made again after UNAVAILABLE, after a connection that
//! broke, and after RESOURCE_EXHAUSTED that says when to come back; [`RetryPolicy`] tells how
//! often. They may be repeated: those that ask change nothing, and those that write are answered
//! the same for the same content. Where the content would be new each time, because the server
//! makes an id, the client puts one in before the first try. Streams are never made again: what
//! was acknowledged of them only their caller knows.

mod builder;
mod line;
mod repeats;
mod retry;

use std::sync::atomic::Ordering;

pub use builder::{ClientBuilder, ConnectError, Secret};
pub use line::Line;
pub use retry::RetryPolicy;

/// The types of Daybook's contracts: requests, answers, and the clients that carry them.
pub use crate::grpc::pb::v1;
use v1::{
    analytics_service_client::AnalyticsServiceClient, ingest_service_client::IngestServiceClient,
    ledger_service_client::LedgerServiceClient, price_service_client::PriceServiceClient,
    status_service_client::StatusServiceClient, sync_service_client::SyncServiceClient,
    token_service_client::TokenServiceClient,
};

/// A connection to a Daybook, for any number of calls at once; clones share it.
///
/// Handles of services are made when they are asked for, which costs nothing worth saving. A
/// request's own deadline ([`tonic::Request::set_timeout`]) goes before the client's.
#[derive(Clone, Debug)]
pub struct Client {
    line: Line,
    answer_bytes_max: usize,
}

/// A handle of a service, whose answers may be as large as the client takes them.
macro_rules! handle {
    ($(#[$comment:meta])* $name:ident, $service:ident) => {
        $(#[$comment])*
        #[must_use]
        pub fn $name(&self) -> $service<Line> {
            $service::new(self.line.clone()).max_decoding_message_size(self.answer_bytes_max)
        }
    };
}

impl Client {
    /// Says where Daybook serves, for example `http://127.0.0.1:50051`, and lets everything else
    /// be said.
    #[must_use]
    pub fn builder(address: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(address.into())
    }

    /// Connects with everything as it is by default.
    ///
    /// # Errors
    /// If the address cannot be read, or nobody answers there.
    pub async fn connect(address: impl Into<String>) -> Result<Self, ConnectError> {
        Self::builder(address).connect().await
    }

    handle! {
        /// Questions about windows of time.
        analytics, AnalyticsServiceClient
    }
    handle! {
        /// Recording transactions and prices.
        ingest, IngestServiceClient
    }
    handle! {
        /// Users, wallets, assets, balances and transactions.
        ledger, LedgerServiceClient
    }
    handle! {
        /// Prices of symbols, and rules that watch them.
        prices, PriceServiceClient
    }
    handle! {
        /// How Daybook itself is doing.
        status, StatusServiceClient
    }
    handle! {
        /// Syncing wallets and tokens from chains.
        syncs, SyncServiceClient
    }
    handle! {
        /// Tokens of chains and their holders.
        tokens, TokenServiceClient
    }

    /// How many calls of this client and its clones were made again so far, each time counted.
    #[must_use]
    pub fn retries(&self) -> u64 {
        self.line.orders.retries.load(Ordering::Relaxed)
    }
}
