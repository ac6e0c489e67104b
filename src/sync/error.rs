//! Why a job did not come to its end, which says what becomes of it.

use std::time::Duration;

use crate::{error::Error, outbound::source_error::SourceError, store::StoreError};

/// Why a job did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// Another worker has the job: nothing more may be written for it.
    #[error("another worker has taken the job")]
    LeaseLost,
    /// No source may be asked now; the job comes again when one may.
    #[error("no source may be asked now")]
    NoSource {
        /// When one may, if one will.
        wait: Option<Duration>,
    },
    /// Its time is over and other jobs wait: it goes on after them, from what is recorded.
    #[error("other jobs wait")]
    GivesWay,
    /// A source did not answer; the job is tried again, perhaps with another source.
    #[error("the source {0}")]
    Source(SourceError),
    /// The source contradicts itself or the rows that are there; the job is tried again.
    #[error("{0}")]
    Inconsistent(String),
    /// Something that no further try will change: the job waits until somebody asks for it anew.
    #[error("{0}")]
    Incident(String),
    /// The database did not answer, or refused.
    #[error("the database did not take it")]
    Store(#[source] StoreError),
    /// What is recorded could not be looked up or written.
    #[error("could not be recorded")]
    Record(#[source] Error),
}

impl From<StoreError> for JobError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Error> for JobError {
    fn from(error: Error) -> Self {
        Self::Record(error)
    }
}

impl From<SourceError> for JobError {
    fn from(error: SourceError) -> Self {
        Self::Source(error)
    }
}
