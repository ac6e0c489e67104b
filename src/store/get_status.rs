//! What is recorded and what is missing, in one row.

use chrono::{DateTime, NaiveDate, Utc};
use tokio_postgres::Row;

use crate::{
    domain::running_total::{cell::BrokenCell, prefix::Prefix},
    store::{Reader, StoreError, StoreErrorKind, statement::statement},
};

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
    /// Running totals that cannot be read and are set aside, and cells of prices that cannot be
    /// read and not be built anew.
    pub damaged_count: i64,
    /// The earliest instant of a row that is not sealed yet; `None` if all are.
    pub sealed_until: Option<DateTime<Utc>>,
    /// Transactions of all assets; `None` where a cell of theirs cannot be read.
    pub transaction_count: Option<i64>,
    /// Jobs that sync wallets and tokens, by how it stands with them.
    pub jobs: JobCounts,
    /// Deliveries of alerts that were given up.
    pub dead_delivery_count: i64,
    /// Notes of units of symbols whose ticks changed and are not folded yet, counted up to a
    /// million.
    pub price_change_count: i64,
    /// Days of prices that retention dropped.
    pub dropped_price_day_count: i64,
}

/// Jobs that are not over.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct JobCounts {
    /// Those that wait for a worker.
    pub queued: i64,
    /// Those that a worker is at.
    pub running: i64,
    /// Those that wait for somebody to ask for them.
    pub parked: i64,
}

/// Reads the status.
///
/// # Errors
/// If the database cannot answer.
pub async fn get_status(reader: Reader<'_>) -> Result<DatabaseStatus, StoreError> {
    let statement = statement!("get_status");
    let answer = reader.read(statement, &[]).await?;
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
        transaction_count: transaction_count(row).ok(),
        jobs: JobCounts {
            queued: row.get("queued_job_count"),
            running: row.get("running_job_count"),
            parked: row.get("parked_job_count"),
        },
        dead_delivery_count: row.get("dead_delivery_count"),
        price_change_count: row.get("price_change_count"),
        dropped_price_day_count: row.get("dropped_price_day_count"),
    })
}

/// Rows that are sealed, and what came and went since.
fn transaction_count(row: &Row) -> Result<i64, BrokenCell> {
    let levels: Vec<i16> = row.get("total_levels");
    let cells: Vec<&[u8]> = row.get("total_cells");
    let mut count = row.get::<_, i64>("unsealed_count");
    let mut tree = Prefix::before(i64::MAX);
    for (level, cell) in levels.into_iter().zip(cells) {
        if level == 0 {
            count += tree.total().sums.count;
            tree = Prefix::before(i64::MAX);
        }
        tree.add_level(cell)?;
    }
    Ok(count + tree.total().sums.count)
}
