//! Database transactions with a checked end.
//!
//! Postgres answers COMMIT of a failed tx with ROLLBACK, and the driver takes that
//! for success. Here a statement goes ahead of COMMIT in the same message: in a
//! failed tx it is refused, and the failure is seen.

use tokio_postgres::{Client, Row};

use crate::store::{
    Database, StoreError, StoreErrorKind,
    session::{Params, Session},
    statement::Statement,
};

/// Ends a tx that went well.
const COMMIT: &str = "SELECT; COMMIT";

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

    /// Begins a tx whose statements all read the state of one moment, and in which no day
    /// can go; it is ended by [`Self::roll_back`].
    ///
    /// # Errors
    /// If the connection is gone.
    pub async fn snapshot(client: &'a Client, stem: &'static str) -> Result<Self, StoreError> {
        let tx = Self::begin(client, stem).await?;
        tx.batch(
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; \
             LOCK TABLE ONLY transactions, ONLY prices IN ACCESS SHARE MODE",
        )
        .await?;
        Ok(tx)
    }

    /// The same for days of prices.
    ///
    /// # Errors
    /// If the connection is gone.
    pub async fn snapshot_of_prices(
        client: &'a Client,
        stem: &'static str,
    ) -> Result<Self, StoreError> {
        let tx = Self::begin(client, stem).await?;
        tx.batch(
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; \
             LOCK TABLE ONLY prices IN ACCESS SHARE MODE",
        )
        .await?;
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
        self.batch(COMMIT).await
    }

    /// Gives the tx up.
    ///
    /// # Errors
    /// If the connection is gone.
    pub async fn roll_back(self) -> Result<(), StoreError> {
        self.batch("ROLLBACK").await
    }
}

/// An open tx on a pooled connection, for requests that write.
///
/// It is ended by [`PooledTx::commit`] or [`PooledTx::roll_back`]. Dropped before that, for
/// whatever reason (an error, a deadline, a client that went away), it takes its connection
/// out of the pool: what runs is cancelled, and the tx ends with the connection.
pub struct PooledTx {
    session: Session,
    stem: &'static str,
}

impl PooledTx {
    /// Begins a tx; `stem` names it in errors. Tried once more if the connection turns out
    /// to be dead: a pool keeps connections that a restart of the database has cut.
    ///
    /// # Errors
    /// If no connection comes free, or the database is away.
    pub async fn begin(database: &Database, stem: &'static str) -> Result<Self, StoreError> {
        let session = match database.session().await?.begin(stem).await {
            Err(error) if error.kind() == StoreErrorKind::Disconnected => {
                database.session().await?.begin(stem).await?
            }
            other => other?,
        };
        Ok(Self { session, stem })
    }

    /// Runs a statement and reads all its rows. After an error the tx can only be given up.
    ///
    /// # Errors
    /// What the database says.
    pub async fn rows(
        &self,
        statement: Statement,
        params: &Params<'_>,
    ) -> Result<Vec<Row>, StoreError> {
        self.session.rows_in_tx(statement, params).await
    }

    /// The connection, for what is no plain statement: COPY.
    #[must_use]
    pub fn client(&self) -> &Client {
        self.session.client()
    }

    /// Commits.
    ///
    /// # Errors
    /// If the tx had failed before, or the database refused it now. If the connection broke,
    /// whether it was committed is unknown.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.session.end(self.stem, COMMIT).await
    }

    /// Gives the tx up and the connection back.
    ///
    /// # Errors
    /// If the connection is gone.
    pub async fn roll_back(self) -> Result<(), StoreError> {
        self.session.end(self.stem, "ROLLBACK").await
    }
}
