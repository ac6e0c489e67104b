//! Database transactions with a checked end.
//!
//! Postgres answers COMMIT of a failed tx with ROLLBACK, and the driver takes that
//! for success. Here a statement goes ahead of COMMIT in the same message: in a
//! failed tx it is refused, and the failure is seen.

use tokio_postgres::Client;

use crate::store::StoreError;

/// An open tx on a connection of one's own. Rolled back unless committed: the
/// connection must be dropped with it if it is left open.
pub struct Tx<'a> {
    client: &'a Client,
    stem: &'static str,
}

impl<'a> Tx<'a> {
    /// Begins a tx; `stem` names it in errors.
    ///
    /// # Errors
    /// If the connection is gone.
    pub async fn begin(client: &'a Client, stem: &'static str) -> Result<Self, StoreError> {
        let tx = Self { client, stem };
        tx.batch("BEGIN").await?;
        Ok(tx)
    }

    /// Runs statements without parameters.
    ///
    /// # Errors
    /// What the first failing statement says.
    pub async fn batch(&self, text: &str) -> Result<(), StoreError> {
        self.client
            .batch_execute(text)
            .await
            .map_err(|source| StoreError::from_postgres(self.stem, source))
    }

    /// The connection, for statements with parameters.
    #[must_use]
    pub fn client(&self) -> &Client {
        self.client
    }

    /// Commits.
    ///
    /// # Errors
    /// If the tx had failed before, or the database refused it now. If the
    /// connection broke, whether it was committed is unknown.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.batch("SELECT; COMMIT").await
    }

    /// Gives the tx up.
    ///
    /// # Errors
    /// If the connection is gone.
    pub async fn roll_back(self) -> Result<(), StoreError> {
        self.batch("ROLLBACK").await
    }
}
