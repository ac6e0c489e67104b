//! Whether the database answers, felt on a connection of one's own.

use std::time::Duration;

use crate::store::{Connection, Database, StoreError, server_facts};

/// Feels whether the database answers.
pub struct Pulse {
    database: Database,
    connection: Option<Connection>,
}

impl Pulse {
    /// A pulse of this database, not yet connected.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database, connection: None }
    }

    /// Whether the database answers in time. A connection that did not is given up.
    pub async fn is_felt(&mut self, patience: Duration) -> bool {
        let is_felt = matches!(tokio::time::timeout(patience, self.feel()).await, Ok(Ok(())));
        if !is_felt {
            self.connection = None;
        }
        is_felt
    }

    async fn feel(&mut self) -> Result<(), StoreError> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(self.database.connect().await?),
        };
        server_facts::check(connection).await
    }
}
