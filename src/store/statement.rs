//! Statements: one file each under `sql/queries/`, known by its stem.

use std::time::Instant;

use tokio_postgres::{Client, Row, types::ToSql};

use crate::{
    store::StoreError,
    telemetry::{metrics, traces::StatementSpan},
};

/// A statement with the name that errors and logs know it by.
#[derive(Clone, Copy, Debug)]
pub struct Statement {
    /// Name of its file under `sql/queries/`, without the ending.
    pub stem: &'static str,
    /// Its text.
    pub text: &'static str,
}

impl Statement {
    /// Runs the statement on a connection of one's own and reads all its rows.
    pub(crate) async fn query(
        self,
        client: &Client,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        let _measure = self.measure();
        client
            .query(self.text, params)
            .await
            .map_err(|source| StoreError::from_postgres(self.stem, source))
    }

    /// Runs a file of statements without parameters or rows.
    pub(crate) async fn batch(self, client: &Client) -> Result<(), StoreError> {
        let _measure = self.measure();
        client
            .batch_execute(self.text)
            .await
            .map_err(|source| StoreError::from_postgres(self.stem, source))
    }

    /// Measures from here on how long the database takes for it, whatever comes of it.
    pub(super) fn measure(self) -> Measure {
        Measure::of(self.stem)
    }
}

/// A statement at work: counted, and in the trace of its call, until this is dropped.
pub(super) struct Measure {
    stem: &'static str,
    begun_at: Instant,
    _span: StatementSpan,
}

impl Measure {
    /// Measures from here on what is known by this stem.
    pub(super) fn of(stem: &'static str) -> Self {
        Self { stem, begun_at: Instant::now(), _span: StatementSpan::begin(stem) }
    }
}

impl Drop for Measure {
    fn drop(&mut self) {
        metrics::statement_took(self.stem, self.begun_at.elapsed());
    }
}

/// Loads the statement of this stem at compile time.
macro_rules! statement {
    ($stem:literal) => {
        $crate::store::statement::Statement {
            stem: $stem,
            text: include_str!(concat!("../../sql/queries/", $stem, ".sql")),
        }
    };
}
pub(crate) use statement;
