//! Whose turn it is to ask a source: kept in the database, so that all workers of all servers
//! together keep to a source's limits.

use std::time::Duration;

use crate::store::{Database, StoreError, statement::statement};

/// Whether a source may be asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Turn {
    /// Now; the turn is taken.
    Now,
    /// Not yet: others have the turns until then.
    Later(Duration),
    /// It is left alone for so long.
    Blocked(Duration),
}

/// What a turn costs, and what there is.
#[derive(Clone, Copy, Debug)]
pub struct TurnPrice {
    /// What this call costs, in what the source counts: calls or credits.
    pub cost: i64,
    /// Until the next call, after this one.
    pub interval: Duration,
    /// How much there is a day, in UTC.
    pub per_day: Option<i64>,
}

/// A key of a source.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SourceKey {
    /// Name of the source.
    pub source: String,
    /// Which of its keys, from 0.
    pub key_number: i32,
}

/// How it stands with a key of a source.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceStanding {
    /// Which.
    pub key: SourceKey,
    /// When it may be asked.
    pub turn: Turn,
    /// Why it is left alone, or was.
    pub blocked_why: Option<String>,
    /// What was used of it today, in UTC.
    pub used: i64,
}

/// Makes keys known.
///
/// # Errors
/// If the database cannot answer.
pub async fn add(database: &Database, keys: &[SourceKey]) -> Result<(), StoreError> {
    for key in keys {
        database.read(statement!("sync_sources_add"), &[&key.source, &key.key_number]).await?;
    }
    Ok(())
}

/// How it stands with all keys of these sources.
///
/// # Errors
/// If the database cannot answer.
pub async fn list(
    database: &Database,
    sources: &[&str],
) -> Result<Vec<SourceStanding>, StoreError> {
    let answer = database.read(statement!("sync_sources_list"), &[&sources]).await?;
    let standing = |row: &tokio_postgres::Row| SourceStanding {
        key: SourceKey { source: row.get("source"), key_number: row.get("key_number") },
        turn: turn(row.get("wait_seconds"), row.get("is_blocked")),
        blocked_why: row.get("blocked_why"),
        used: row.get("used"),
    };
    Ok(answer.value.iter().map(standing).collect())
}

/// Takes a turn if there is one.
///
/// # Errors
/// If the database cannot answer.
pub async fn take(
    database: &Database,
    key: &SourceKey,
    price: TurnPrice,
) -> Result<Turn, StoreError> {
    let params = [
        &key.source as _,
        &key.key_number as _,
        &price.cost as _,
        &price.interval.as_secs_f64() as _,
        &price.per_day as _,
    ];
    let rows = database.read(statement!("sync_sources_take"), &params).await?;
    let Some(row) = rows.value.first() else {
        add(database, std::slice::from_ref(key)).await?;
        return Ok(Turn::Later(Duration::ZERO));
    };
    Ok(turn(row.get("wait_seconds"), row.get("is_blocked")))
}

fn turn(wait_seconds: f64, is_blocked: bool) -> Turn {
    let wait = Duration::try_from_secs_f64(wait_seconds).unwrap_or(Duration::MAX);
    match (wait.is_zero(), is_blocked) {
        (true, _) => Turn::Now,
        (false, true) => Turn::Blocked(wait),
        (false, false) => Turn::Later(wait),
    }
}

/// A source answered.
///
/// # Errors
/// If the database cannot answer.
pub async fn note_well(database: &Database, key: &SourceKey) -> Result<(), StoreError> {
    let params = [&key.source as _, &key.key_number as _];
    database.read(statement!("sync_sources_well"), &params).await?;
    Ok(())
}

/// Why a source is left alone, and how long.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a> {
    /// How long at least.
    pub wait: Duration,
    /// Why.
    pub why: &'a str,
    /// Whether it failed: then each failure in a row doubles the wait.
    pub is_failure: bool,
    /// Longest wait that doubling comes to.
    pub wait_max: Duration,
}

/// Has everybody leave a source alone.
///
/// # Errors
/// If the database cannot answer.
pub async fn block(
    database: &Database,
    key: &SourceKey,
    block: Block<'_>,
) -> Result<(), StoreError> {
    let params = [
        &key.source as _,
        &key.key_number as _,
        &block.wait.as_secs_f64() as _,
        &block.why as _,
        &block.is_failure as _,
        &block.wait_max.as_secs_f64() as _,
    ];
    database.read(statement!("sync_sources_block"), &params).await?;
    Ok(())
}
