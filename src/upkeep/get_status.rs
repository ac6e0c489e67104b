//! How Daybook itself is doing.

pub use crate::store::get_status::DatabaseStatus;
use crate::{
    error::Error,
    store::{Database, get_status},
    upkeep::verifier::{VerifierCounts, VerifierStatus},
};

/// Tells how one Daybook and its database are doing.
#[derive(Clone)]
pub struct StatusReader {
    database: Database,
    verified: VerifierCounts,
}

impl StatusReader {
    /// Reads the status of this database, and what the verifier counts here.
    #[must_use]
    pub fn new(database: Database, verified: VerifierCounts) -> Self {
        Self { database, verified }
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
        Ok(get_status::get_status(&self.database).await?)
    }
}
