//! Daily partitions: adopting, making, keeping ahead, checking, scheduling.

use chrono::NaiveDate;
use tokio_postgres::{Client, types::ToSql};

use crate::store::{
    StoreError,
    leaf::Leaf,
    statement::{Statement, statement},
};

/// Puts the tables under pg_partman's care with so many days ahead. Idempotent.
///
/// # Errors
/// If pg_partman is missing or the role may not use it.
pub async fn adopt(client: &Client, days_ahead: u16) -> Result<(), StoreError> {
    statement!("partitions_adopt").query(client, &[&i32::from(days_ahead)]).await.map(drop)
}

/// Makes the partitions of these days that are missing; returns how many it made.
///
/// # Errors
/// If a day is further back, or there would be more partitions, than allowed; the
/// message names the range.
pub async fn ensure(
    client: &Client,
    days: &[NaiveDate],
    days_back_max: u32,
    count_max: u32,
) -> Result<i32, StoreError> {
    make(client, statement!("partitions_ensure"), days, [days_back_max, count_max]).await
}

/// Makes the partitions of prices that these days lack; returns how many it made.
///
/// # Errors
/// As for [`ensure`].
pub async fn ensure_prices(
    client: &Client,
    days: &[NaiveDate],
    days_back_max: u32,
    count_max: u32,
) -> Result<i32, StoreError> {
    make(client, statement!("partitions_ensure_prices"), days, [days_back_max, count_max]).await
}

async fn make(
    client: &Client,
    statement: Statement,
    days: &[NaiveDate],
    limits: [u32; 2],
) -> Result<i32, StoreError> {
    let [back_max, count_max] = limits.map(|limit| i32::try_from(limit).unwrap_or(i32::MAX));
    let params: [&(dyn ToSql + Sync); 3] = [&days, &back_max, &count_max];
    let rows = statement.query(client, &params).await?;
    Ok(rows.first().map_or(0, |row| row.get("made")))
}

/// Refuses days that may not have partitions, as [`ensure`] would, and makes none.
///
/// # Errors
/// As for [`ensure`].
pub async fn check(
    client: &Client,
    days: &[NaiveDate],
    days_back_max: u32,
    count_max: u32,
) -> Result<(), StoreError> {
    let days_back_max = i32::try_from(days_back_max).unwrap_or(i32::MAX);
    let count_max = i32::try_from(count_max).unwrap_or(i32::MAX);
    let params: [&(dyn ToSql + Sync); 3] = [&days, &days_back_max, &count_max];
    statement!("partitions_check").query(client, &params).await.map(drop)
}

/// Days from today on that have a partition, without a gap between them.
///
/// # Errors
/// If the database cannot answer.
pub async fn days_ahead(client: &Client) -> Result<i64, StoreError> {
    let rows = statement!("partitions_ahead").query(client, &[]).await?;
    Ok(rows.first().map_or(0, |row| row.get("days")))
}

/// One round of upkeep; `None` if another server is at it.
///
/// # Errors
/// If the upkeep failed; a lock that it could not get in time is a conflict.
pub async fn maintain(client: &Client) -> Result<Option<i32>, StoreError> {
    let rows = statement!("partitions_maintain").query(client, &[]).await?;
    Ok(rows.first().and_then(|row| row.get("made")))
}

/// Every partition of the transactions, oldest first.
///
/// # Errors
/// If the database cannot answer.
pub async fn list(client: &Client) -> Result<Vec<Leaf>, StoreError> {
    let rows = statement!("partitions_list").query(client, &[]).await?;
    let leaf = |row: &tokio_postgres::Row| {
        Leaf::from_catalog(row.get("quoted_name"), row.get("lower_at"), row.get("upper_at"))
    };
    Ok(rows.iter().map(leaf).collect())
}

/// Names of up to three partitions whose bounds are not one UTC day.
///
/// # Errors
/// If the database cannot answer.
pub async fn misplaced(client: &Client) -> Result<Vec<String>, StoreError> {
    let rows = statement!("partitions_misplaced").query(client, &[]).await?;
    Ok(rows.iter().map(|row| row.get("quoted_name")).collect())
}

/// Has pg_cron run the upkeep.
///
/// # Errors
/// If the role may not schedule jobs.
pub async fn schedule(client: &Client) -> Result<(), StoreError> {
    statement!("cron_schedule").query(client, &[]).await.map(drop)
}

/// Takes the upkeep out of pg_cron.
///
/// # Errors
/// If the role may not use pg_cron.
pub async fn unschedule(client: &Client) -> Result<(), StoreError> {
    statement!("cron_unschedule").query(client, &[]).await.map(drop)
}

/// Gives the roles beside the owner what they may do, those that the server has.
///
/// # Errors
/// If the role of this connection does not own the tables.
pub async fn grant_roles(client: &Client) -> Result<(), StoreError> {
    statement!("grant_roles").batch(client).await
}
