//! Days whose rows are not at hand: noticing them, dropping them, telling them apart.

use chrono::NaiveDate;
use tokio_postgres::{Client, Row};

use crate::{
    domain::window::Window,
    error::{AbsentDay, Error, ErrorKind},
    store::{Database, Reader, Snapshot, StoreError, instant::Micros, statement::statement},
};

/// The day that stands for a seeding which is not complete, in the way of every window.
const SEEDING_DAY: NaiveDate = NaiveDate::from_ymd_opt(1, 1, 1).expect("the year 1 has a day 1");

/// Why nothing is answered while a seeding is not complete, whoever began it.
const SEEDING: ErrorKind = ErrorKind::Unavailable(
    "the database is being seeded: ask again when that is complete. If it was cut off, start \
     `daybook` or `seeder`, which go on with it",
);

/// Most days that a refusal names.
const DAYS_NAMED_MAX: usize = 10;

/// What became of a day since somebody last looked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NoticedDay {
    /// Which day.
    pub day: NaiveDate,
    /// Whether its rows are not at hand from now on; else they are again.
    pub is_absent: bool,
}

/// Compares the partitions with the days that were known; returns what has changed, and says
/// it in the log: whoever looks first is the only one who sees it.
///
/// # Errors
/// If the database cannot answer; a lock that it could not get in time is a conflict.
pub async fn note(client: &Client) -> Result<Vec<NoticedDay>, StoreError> {
    let rows = statement!("days_note").query(client, &[]).await?;
    let noticed =
        |row: &Row| NoticedDay { day: row.get("noticed_day"), is_absent: row.get("is_absent") };
    let noticed: Vec<_> = rows.iter().map(noticed).collect();
    for NoticedDay { day, is_absent } in &noticed {
        if *is_absent {
            tracing::warn!(%day, "a day with rows was detached or dropped: questions that need \
                them are refused");
        } else {
            tracing::info!(%day, "all rows of the day are at hand again");
        }
    }
    Ok(noticed)
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
/// `FailedPrecondition` with the days; `Unavailable` during a seeding; what the database says.
pub async fn refuse(reader: Reader<'_>, window: Window, needs: Needs) -> Result<(), Error> {
    // All time reaches beyond what Postgres can hold.
    let start = Micros(window.start().timestamp_micros());
    let end = Micros(window.end().timestamp_micros());
    let days = in_the_way(reader, start, end, needs).await?;
    refuse_days(reader, &days).await
}

/// Whether a seeding is not complete.
///
/// # Errors
/// If the database cannot answer.
pub async fn is_seeding(reader: Reader<'_>) -> Result<bool, StoreError> {
    let days = in_the_way(reader, Micros(0), Micros(1), Needs::Totals).await?;
    Ok(days.contains(&SEEDING_DAY))
}

async fn in_the_way(
    reader: Reader<'_>,
    start: Micros,
    end: Micros,
    needs: Needs,
) -> Result<Vec<NaiveDate>, StoreError> {
    let needs_rows = needs == Needs::Rows;
    let answer = reader.read(statement!("days_in_the_way"), &[&start, &end, &needs_rows]).await?;
    Ok(answer.value.iter().map(|row| row.get("day")).collect())
}

/// Times that days are looked for before an answer is given up.
const LOOKS_MAX: usize = 3;

/// Opens a snapshot in which every day that has come or gone is known, so that no answer lacks
/// a day in silence: days that were detached by hand are noticed here at the latest.
///
/// # Errors
/// `Unavailable` while days come and go; what the database says.
pub async fn noted_snapshot(database: &Database) -> Result<Snapshot, Error> {
    for _ in 0..LOOKS_MAX {
        let snapshot = database.snapshot().await?;
        let rows = snapshot.rows(statement!("days_are_noted"), &[]).await?;
        if rows.first().is_some_and(|row| row.get("is_noted")) {
            return Ok(snapshot);
        }
        snapshot.end().await?;
        note(&database.connect().await?).await?;
    }
    Err(Error::new(ErrorKind::Unavailable("days come and go: ask again")))
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
    let snapshot = noted_snapshot(database).await?;
    let Err(error) = refuse(Reader::Snapshot(&snapshot), window, needs).await else {
        return Ok(snapshot);
    };
    if is_refusal(&error) {
        snapshot.end().await?;
    }
    Err(error)
}

/// Whether an error is a refusal of this module's, and no failure of the database.
#[must_use]
pub fn is_refusal(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::FailedPrecondition(_)) || *error.kind() == SEEDING
}

/// Refuses an answer that these days are in the way of, if there are any.
///
/// # Errors
/// As for [`refuse`].
pub async fn refuse_days(reader: Reader<'_>, days: &[NaiveDate]) -> Result<(), Error> {
    if days.is_empty() {
        return Ok(());
    }
    if days.contains(&SEEDING_DAY) {
        return Err(Error::new(SEEDING));
    }
    let absent = absent(reader, &days[..days.len().min(DAYS_NAMED_MAX)]).await?;
    Err(Error::new(ErrorKind::FailedPrecondition(absent)))
}

/// Which of these days have rows that are not at hand, earliest first. All that are known: in
/// a [`noted_snapshot`] those are all that there are.
///
/// # Errors
/// `Unavailable` during a seeding; what the database says.
pub async fn among_absent(reader: Reader<'_>, days: &[NaiveDate]) -> Result<Vec<NaiveDate>, Error> {
    let answer = reader.read(statement!("days_among_absent"), &[&days]).await?;
    let absent: Vec<NaiveDate> = answer.value.iter().map(|row| row.get("day")).collect();
    if absent.contains(&SEEDING_DAY) {
        return Err(Error::new(SEEDING));
    }
    Ok(absent)
}

/// Refuses an answer that needs rows of these days, if some of them are not at hand.
///
/// # Errors
/// As for [`refuse`].
pub async fn refuse_absent(reader: Reader<'_>, days: &[NaiveDate]) -> Result<(), Error> {
    refuse_days(reader, &among_absent(reader, days).await?).await
}

/// The fault of rows that are recorded on a day that is at hand, and are not there.
#[must_use]
pub fn missing_rows(day: NaiveDate) -> Error {
    let source = format!("rows that are recorded are missing on {day}: run `daybook audit`");
    Error::with_source(ErrorKind::Internal, source)
}

/// How these days became absent, earliest first.
async fn absent(reader: Reader<'_>, days: &[NaiveDate]) -> Result<Vec<AbsentDay>, StoreError> {
    let answer = reader.read(statement!("days_absent"), &[&days]).await?;
    let day = |row: &Row| AbsentDay { day: row.get("day"), is_dropped: row.get("is_dropped") };
    Ok(answer.value.iter().map(day).collect())
}
