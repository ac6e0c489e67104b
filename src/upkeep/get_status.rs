//! How Daybook itself is doing.

use chrono::{DateTime, Utc};

pub use crate::store::{
    get_status::{DatabaseStatus, JobCounts},
    get_status_days::StoredDay,
};
use crate::{
    error::Error,
    store::{Database, Reader, get_status, get_status_days},
    upkeep::verifier::{VerifierCounts, VerifierStatus},
};

/// Tells how one Daybook and its database are doing.
#[derive(Clone)]
pub struct StatusReader {
    database: Database,
    verified: VerifierCounts,
    started_at: DateTime<Utc>,
}

impl StatusReader {
    /// Reads the status of this database, and what the verifier counts here. Made when the process
    /// starts.
    #[must_use]
    pub fn new(database: Database, verified: VerifierCounts) -> Self {
        Self { database, verified, started_at: Utc::now() }
    }

    /// When the process started.
    #[must_use]
    pub fn started_at(&self) -> DateTime<Utc> {
        self.started_at
    }

    /// What the verifier of this process did.
    #[must_use]
    pub fn verifier(&self) -> VerifierStatus {
        self.verified.read()
    }

    /// What is recorded and what is missing.
    ///
    /// # Errors
    /// What the database says.
    pub async fn get_status(&self) -> Result<DatabaseStatus, Error> {
        Ok(get_status::get_status(Reader::Pool(&self.database)).await?)
    }

    /// The same with every day, from one snapshot.
    ///
    /// # Errors
    /// What the database says.
    pub async fn get_status_with_days(&self) -> Result<(DatabaseStatus, Vec<StoredDay>), Error> {
        let snapshot = self.database.snapshot().await?;
        let status = get_status::get_status(Reader::Snapshot(&snapshot)).await?;
        let days = get_status_days::days(&snapshot).await?;
        snapshot.end().await?;
        Ok((status, days))
    }
}
