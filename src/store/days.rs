//! Days whose rows are not at hand: noticing them, dropping them, telling them apart.

use chrono::NaiveDate;
use tokio_postgres::{Client, Row};

use crate::{
    domain::window::Window,
    error::{AbsentDay, Error, ErrorKind},
    store::{Database, Reader, Snapshot, StoreError, instant::Micros, statement::statement},
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

/// What an answer is made of, as far as days are concerned.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Needs {
    /// Running totals, and rows of the days that the window cuts.
    Totals,
    /// All rows of the window.
    Rows,
}

/// Refuses a window that days are in the way of, seen in the snapshot of the answer.
///
/// # Errors
/// `FailedPrecondition` with the days; what the database says.
pub async fn refuse(reader: Reader<'_>, window: Window, needs: Needs) -> Result<(), Error> {
    // All time reaches beyond what Postgres can hold.
    let start = Micros(window.start().timestamp_micros());
    let end = Micros(window.end().timestamp_micros());
    let needs_rows = needs == Needs::Rows;
    let answer = reader.read(statement!("days_in_the_way"), &[&start, &end, &needs_rows]).await?;
    let days: Vec<NaiveDate> = answer.value.iter().map(|row| row.get("day")).collect();
    refuse_days(reader, &days).await
}

/// Opens a snapshot for an answer about a window that no days are in the way of. A refusal is
/// an answer too: its snapshot ends in order, and the connection goes back to the pool.
///
/// # Errors
/// As for [`refuse`].
pub async fn snapshot_for(
    database: &Database,
    window: Window,
    needs: Needs,
) -> Result<Snapshot, Error> {
    let snapshot = database.snapshot().await?;
    let Err(error) = refuse(Reader::Snapshot(&snapshot), window, needs).await else {
        return Ok(snapshot);
    };
    if matches!(error.kind(), ErrorKind::FailedPrecondition(_)) {
        snapshot.end().await?;
    }
    Err(error)
}

/// Refuses an answer that these days are in the way of, if there are any.
///
/// # Errors
/// As for [`refuse`].
pub async fn refuse_days(reader: Reader<'_>, days: &[NaiveDate]) -> Result<(), Error> {
    if days.is_empty() {
        return Ok(());
    }
    let absent = absent(reader, days).await?;
    Err(Error::new(ErrorKind::FailedPrecondition(absent)))
}

/// How these days became absent, earliest first.
async fn absent(reader: Reader<'_>, days: &[NaiveDate]) -> Result<Vec<AbsentDay>, StoreError> {
    let answer = reader.read(statement!("days_absent"), &[&days]).await?;
    let day = |row: &Row| AbsentDay { day: row.get("day"), is_dropped: row.get("is_dropped") };
    Ok(answer.value.iter().map(day).collect())
}
