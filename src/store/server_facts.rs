//! What the server is and how it is set.

use tokio_postgres::Client;

use crate::store::{StoreError, statement::statement};

/// Facts about the server that Daybook depends on.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, read in one row")]
pub struct ServerFacts {
    /// `server_version_num`: 150018 is 15.18.
    pub version_num: i32,
    /// Places in the server's lock table.
    pub lock_count_max: i64,
    /// Connections that are not reserved for superusers.
    pub connections_max: i64,
    /// Whether `fsync` is on.
    pub is_fsync_on: bool,
    /// Whether `full_page_writes` is on.
    pub is_full_page_writes_on: bool,
    /// Version of pg_partman in this database.
    pub partman_version: Option<String>,
    /// Whether pg_partman's files are on the server.
    pub is_partman_available: bool,
    /// Whether pg_cron is in this database and this role may use its schema.
    pub is_cron_there: bool,
}

/// Reads the facts.
///
/// # Errors
/// If the database cannot answer.
pub async fn server_facts(client: &Client) -> Result<ServerFacts, StoreError> {
    let statement = statement!("server_facts");
    let row = client
        .query_one(statement.text, &[])
        .await
        .map_err(|source| StoreError::from_postgres(statement.stem, source))?;
    Ok(ServerFacts {
        version_num: row.get("version_num"),
        lock_count_max: row.get("lock_count_max"),
        connections_max: row.get("connections_max"),
        is_fsync_on: row.get("is_fsync_on"),
        is_full_page_writes_on: row.get("is_full_page_writes_on"),
        partman_version: row.get("partman_version"),
        is_partman_available: row.get("is_partman_available"),
        is_cron_there: row.get("is_cron_there"),
    })
}

/// Whether the database answers on this connection.
///
/// # Errors
/// If it does not.
pub async fn check(client: &Client) -> Result<(), StoreError> {
    let statement = statement!("health_check");
    client
        .simple_query(statement.text)
        .await
        .map(drop)
        .map_err(|source| StoreError::from_postgres(statement.stem, source))
}
