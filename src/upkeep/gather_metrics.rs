//! Gathers what the database knows and gauges show, on a connection of its own: a pool that is
//! used up hides nothing.

use std::time::Duration;

use crate::{
    store::{Connection, Database, StoreError, StoreErrorKind, gather_metrics as store},
    telemetry::metrics,
    upkeep::UpkeepError,
};

/// Name of what takes too long, in errors.
const STEM: &str = "gather_metrics";

/// Gathers from one database.
pub struct Gatherer {
    database: Database,
    networks: Vec<String>,
    connection: Option<Connection>,
}

impl Gatherer {
    /// Gathers from this database, of jobs those of these networks.
    #[must_use]
    pub fn new(database: Database, networks: Vec<String>) -> Self {
        Self { database, networks, connection: None }
    }

    /// Gathers once and shows it.
    ///
    /// # Errors
    /// If the database does not answer within so long. What is shown stays as it was then.
    pub async fn gather(&mut self, patience: Duration) -> Result<(), UpkeepError> {
        let gathered = tokio::time::timeout(patience, self.ask()).await;
        let gathered =
            gathered.unwrap_or_else(|_| Err(StoreError::new(StoreErrorKind::Cancelled, STEM)));
        if gathered.is_err() {
            // Something may still run on it.
            self.connection = None;
            metrics::gathering_failed();
        }
        Ok(gathered?)
    }

    async fn ask(&mut self) -> Result<(), StoreError> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(self.database.connect().await?),
        };
        let gauges = store::gather_metrics(connection).await?;
        if !self.networks.is_empty() {
            let jobs = store::sync_jobs(connection, &self.networks).await?;
            jobs.iter().for_each(metrics::show_sync_jobs);
        }
        metrics::gathered(&gauges);
        Ok(())
    }
}
