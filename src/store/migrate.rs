//! Migrations: embedded, checksummed, each in a tx, under an advisory lock.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};
use tokio_postgres::Client;

use crate::store::{StoreError, statement::statement, tx::Tx};

/// A migration as it is built into this program.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Its number; they run in this order.
    pub version: i32,
    /// Its name.
    pub name: &'static str,
    /// Its statements.
    pub text: &'static str,
}

macro_rules! migration {
    ($version:literal, $name:literal) => {
        Migration {
            version: $version,
            name: $name,
            text: include_str!(concat!("../../sql/migrations/", $name, ".sql")),
        }
    };
}

/// Every migration, in order.
pub const MIGRATIONS: [Migration; 29] = [
    migration!(1, "0001_ledger"),
    migration!(2, "0002_partitions"),
    migration!(3, "0003_seed"),
    migration!(4, "0004_running_totals"),
    migration!(5, "0005_days"),
    migration!(6, "0006_references"),
    migration!(7, "0007_records"),
    migration!(8, "0008_transaction_references"),
    migration!(9, "0009_trust"),
    migration!(10, "0010_content_hash"),
    migration!(11, "0011_days_ahead"),
    migration!(12, "0012_reference_counts"),
    migration!(13, "0013_access"),
    migration!(14, "0014_set_aside"),
    migration!(15, "0015_users_of_tokens"),
    migration!(16, "0016_revoked_for_good"),
    migration!(17, "0017_prices"),
    migration!(18, "0018_alerts"),
    migration!(19, "0019_chains"),
    migration!(20, "0020_token_checks"),
    migration!(21, "0021_audit_log_callers"),
    migration!(22, "0022_sql_cells"),
    migration!(23, "0023_sql_sums"),
    migration!(24, "0024_sql_series"),
    migration!(25, "0025_sql_rankings"),
    migration!(26, "0026_search_and_views"),
    migration!(27, "0027_price_briefs"),
    migration!(28, "0028_damaged_price_totals"),
    migration!(29, "0029_price_retention"),
];

/// A migration that is recorded in the database.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AppliedMigration {
    /// Its number.
    pub version: i32,
    /// Its name.
    pub name: String,
    /// SHA-256 of its text, in hexadecimal.
    pub checksum: String,
}

impl Migration {
    /// SHA-256 of the text, in hexadecimal.
    #[must_use]
    pub fn checksum(&self) -> String {
        Sha256::digest(self.text).iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

/// What a role may do with the schema.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rights {
    /// Whether it may change it: it owns it, or there is none yet.
    pub is_owner: bool,
    /// Whether it may read which migrations were applied.
    pub is_open: bool,
}

/// What the role of this connection may do with the schema.
///
/// # Errors
/// If the database cannot answer.
pub async fn rights(client: &Client, schema: &str) -> Result<Rights, StoreError> {
    let statement = statement!("migrate_rights");
    let row = client
        .query_one(statement.text, &[&schema])
        .await
        .map_err(|source| StoreError::from_postgres(statement.stem, source))?;
    Ok(Rights { is_owner: row.get("is_owner"), is_open: row.get("is_open") })
}

/// Whether no other server migrates this schema. If so the lock is ours, as long as the
/// connection lasts.
///
/// # Errors
/// If the database cannot answer.
pub async fn try_lock(client: &Client, schema: &str) -> Result<bool, StoreError> {
    let rows = statement!("migrate_lock").query(client, &[&schema]).await?;
    Ok(rows.first().is_some_and(|row| row.get("is_ours")))
}

/// Makes the schema and the record of migrations where they are missing. Call with
/// the lock held.
///
/// # Errors
/// If the role may not make them.
pub async fn prepare(client: &Client) -> Result<(), StoreError> {
    statement!("migrate_prepare").batch(client).await
}

/// Migrations recorded in the database, in order.
///
/// # Errors
/// If the database cannot answer.
pub async fn applied(client: &Client) -> Result<Vec<AppliedMigration>, StoreError> {
    let rows = statement!("migrate_applied").query(client, &[]).await?;
    let applied = |row: &tokio_postgres::Row| AppliedMigration {
        version: row.get("version"),
        name: row.get("name"),
        checksum: row.get("checksum"),
    };
    Ok(rows.iter().map(applied).collect())
}

/// Runs a migration and records it, in one tx.
///
/// # Errors
/// What its failing statement says; then nothing of it is there.
pub async fn apply(client: &Client, migration: &Migration) -> Result<(), StoreError> {
    let tx = Tx::begin(client, migration.name).await?;
    let outcome = async {
        statement!("migrate_path").query(client, &[]).await?;
        tx.batch(migration.text).await?;
        let checksum = migration.checksum();
        let params = [&migration.version as _, &migration.name as _, &checksum as _];
        statement!("migrate_record").query(client, &params).await
    };
    match outcome.await {
        Ok(_) => tx.commit().await,
        Err(error) => {
            tx.roll_back().await?;
            Err(error)
        }
    }
}
