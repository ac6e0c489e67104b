//! Days whose rows are not at hand: noticing them, dropping them, telling them apart.

use chrono::NaiveDate;
use tokio_postgres::{Client, Row};

use crate::{
    error::AbsentDay,
    store::{Database, StoreError, statement::statement},
};

/// What became of a day since somebody last looked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NoticedDay {
    /// Which day.
    pub day: NaiveDate,
    /// Whether its rows are not at hand from now on; else they are again.
    pub is_absent: bool,
}

/// Compares the partitions with the days that were known; returns what has changed.
///
/// # Errors
/// If the database cannot answer; a lock that it could not get in time is a conflict.
pub async fn note(client: &Client) -> Result<Vec<NoticedDay>, StoreError> {
    let rows = statement!("days_note").query(client, &[]).await?;
    let noticed =
        |row: &Row| NoticedDay { day: row.get("noticed_day"), is_absent: row.get("is_absent") };
    Ok(rows.iter().map(noticed).collect())
}

/// Drops the oldest day that lies more than so many days before today, with its rows;
/// returns it, or `None` if there is none.
///
/// # Errors
/// If the database refuses; a lock that it could not get in time is a conflict.
pub async fn drop_oldest(
    client: &Client,
    retention_days: u32,
) -> Result<Option<NaiveDate>, StoreError> {
    let retention_days = i32::try_from(retention_days).unwrap_or(i32::MAX);
    let rows = statement!("days_drop_oldest").query(client, &[&retention_days]).await?;
    Ok(rows.first().and_then(|row| row.get("dropped_day")))
}

/// How these days became absent, earliest first.
///
/// # Errors
/// If the database cannot answer.
pub async fn absent(database: &Database, days: &[NaiveDate]) -> Result<Vec<AbsentDay>, StoreError> {
    let answer = database.read(statement!("days_absent"), &[&days]).await?;
    let day = |row: &Row| AbsentDay { day: row.get("day"), is_dropped: row.get("is_dropped") };
    Ok(answer.value.iter().map(day).collect())
}
