//! Clients of servers of others: exchanges are asked for prices, webhooks and mailboxes are told of
//! alerts.
//!
//! Everything has a time limit, and nothing is followed elsewhere. When to ask or tell, and what
//! becomes of an answer, is decided above.

mod addresses;
pub mod bitcoin;
pub mod ethereum;
pub mod exchange;
mod headers;
mod http;
pub mod mail;
pub mod source_error;
mod tls;
pub mod webhook;

use std::time::Duration;

pub use crate::outbound::http::HttpSetupError;

/// Longest time to tell one recipient.
pub const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a recipient was not told. The message is for whoever owns the rule: it names no address that
/// a name stands for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Failure {
    /// What happened.
    pub message: String,
    /// Whether it is no use to try again.
    pub is_final: bool,
    /// How long the recipient wants to be left alone.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// One after which it is tried again.
    pub fn passing(message: impl Into<String>) -> Self {
        Self { message: message.into(), is_final: false, retry_after: None }
    }

    /// One after which it is not.
    fn lasting(message: impl Into<String>) -> Self {
        Self { message: message.into(), is_final: true, retry_after: None }
    }
}

/// Why nothing can be sent with the settings as they are.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// The file with roots cannot be read, or is no PEM.
    #[error("--webhook-ca cannot be read as certificates in PEM")]
    Roots(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The HTTP client cannot be made.
    #[error("webhooks cannot be sent")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The URL of the SMTP server is wrong.
    #[error(
        "--smtp-url must be like smtps://user:password@host, smtp://host?tls=required, or \
         smtp://127.0.0.1:25"
    )]
    SmtpUrl,
    /// The sender is wrong.
    #[error("--smtp-from must be a mailbox, for example Daybook <alerts@example.com>")]
    SmtpFrom,
}
