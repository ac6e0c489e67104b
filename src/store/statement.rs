//! Statements: one file each under `sql/queries/`, known by its stem.

use tokio_postgres::{Client, Row, types::ToSql};

use crate::store::StoreError;

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
        client
            .query(self.text, params)
            .await
            .map_err(|source| StoreError::from_postgres(self.stem, source))
    }

    /// Runs a file of statements without parameters or rows.
    pub(crate) async fn batch(self, client: &Client) -> Result<(), StoreError> {
        client
            .batch_execute(self.text)
            .await
            .map_err(|source| StoreError::from_postgres(self.stem, source))
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
