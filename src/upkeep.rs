//! What keeps the database fit to serve: migrations, partitions, checks at start.

pub mod audit;
pub mod days;
pub mod gather_metrics;
pub mod get_status;
pub mod migrate;
pub mod partitions;
pub mod price_folding;
pub mod pulse;
pub mod sealing;
pub mod server_check;
pub mod verifier;

use std::fmt;

use crate::store::{StoreError, StoreErrorKind};

/// Why the database is not fit to serve, in words for the person who runs Daybook.
#[derive(Debug)]
pub enum UpkeepError {
    /// Something is not as it must be; the text says what to do.
    Unfit(String),
    /// The database refused a statement.
    Store(StoreError),
}

impl UpkeepError {
    /// Whether the database was away or too busy.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Store(error) => matches!(
                error.kind(),
                StoreErrorKind::Disconnected
                    | StoreErrorKind::TooManyConnections
                    | StoreErrorKind::PoolTimeout
            ),
            Self::Unfit(_) => false,
        }
    }
}

impl fmt::Display for UpkeepError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unfit(text) => formatter.write_str(text),
            Self::Store(error) => match error.server_message() {
                Some(message) => write!(formatter, "the database refused: {message}"),
                None => write!(formatter, "the database did not answer"),
            },
        }
    }
}

impl std::error::Error for UpkeepError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // What Postgres said is in the text already.
            Self::Store(error) if error.server_message().is_none() => error.source(),
            Self::Unfit(_) | Self::Store(_) => None,
        }
    }
}

impl From<StoreError> for UpkeepError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
