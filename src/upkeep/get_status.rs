//! How Daybook itself is doing.

pub use crate::store::get_status::DatabaseStatus;
use crate::{
    error::Error,
    store::{Database, get_status},
};

/// Tells how one Daybook and its database are doing.
#[derive(Clone)]
pub struct StatusReader {
    database: Database,
}

impl StatusReader {
    /// Reads the status of this database.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// What is recorded and what is missing.
    ///
    /// # Errors
    /// What the database says.
    pub async fn get_status(&self) -> Result<DatabaseStatus, Error> {
        Ok(get_status::get_status(&self.database).await?)
    }
}
