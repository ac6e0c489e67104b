//! What is recorded and what is missing, in one row.

use chrono::{DateTime, NaiveDate, Utc};

use crate::store::{Database, StoreError, StoreErrorKind, statement::statement};

/// What the database knows of itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DatabaseStatus {
    /// Daily partitions of the transactions.
    pub partition_count: i64,
    /// First and last day with a partition; `None` without partitions.
    pub days: Option<(NaiveDate, NaiveDate)>,
    /// Days that retention dropped.
    pub dropped_day_count: i64,
    /// Days that somebody detached or dropped, earliest first, at most 100.
    pub detached_days: Vec<NaiveDate>,
    /// Number of the last migration.
    pub schema_version: i64,
    /// Corrections that wait to be folded into running totals, counted up to a million.
    pub correction_count: i64,
    /// Running totals that cannot be read and are set aside.
    pub damaged_count: i64,
    /// The earliest instant of a row that is not sealed yet; `None` if all are.
    pub sealed_until: Option<DateTime<Utc>>,
}

/// Reads the status.
///
/// # Errors
/// If the database cannot answer.
pub async fn get_status(database: &Database) -> Result<DatabaseStatus, StoreError> {
    let statement = statement!("get_status");
    let answer = database.read(statement, &[]).await?;
    let Some(row) = answer.value.first() else {
        return Err(StoreError::new(StoreErrorKind::Unexpected, statement.stem));
    };
    let (first, last): (Option<_>, Option<_>) = (row.get("first_day"), row.get("last_day"));
    Ok(DatabaseStatus {
        partition_count: row.get("partition_count"),
        days: first.zip(last),
        dropped_day_count: row.get("dropped_day_count"),
        detached_days: row.get("detached_days"),
        schema_version: row.get("schema_version"),
        correction_count: row.get("correction_count"),
        damaged_count: row.get("damaged_count"),
        sealed_until: row.get("sealed_until"),
    })
}
