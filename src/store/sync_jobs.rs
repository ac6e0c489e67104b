//! Jobs of syncing: asked for, taken by one worker at a time, held by its token, and over.
//!
//! Statements that change a job name the token that it is held by: whoever lost it changes nothing,
//! and is told.

use std::time::Duration;

use tokio_postgres::Row;
use uuid::Uuid;

use crate::store::{
    Database, StoreError,
    statement::{Statement, statement},
    tx::PooledTx,
};

/// Why a job is there; the first are taken first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Priority {
    /// Somebody asked for it.
    Requested,
    /// A reader found the wallet stale.
    Stale,
    /// Its time had come.
    Periodic,
}

impl Priority {
    fn number(self) -> i16 {
        match self {
            Self::Requested => 0,
            Self::Stale => 1,
            Self::Periodic => 2,
        }
    }

    pub(super) fn of(number: i16) -> Self {
        match number {
            0 => Self::Requested,
            1 => Self::Stale,
            _ => Self::Periodic,
        }
    }
}

/// A job that a worker holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HeldJob {
    /// Its id.
    pub job_id: Uuid,
    /// What the worker holds it by.
    pub token: Uuid,
    /// Its stream.
    pub stream_id: i64,
    /// Tries since something was last committed for it, this one included.
    pub attempts: i32,
}

/// How far a worker has come.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Progress {
    /// Blocks, pages or transactions that are done: what it counts is its own.
    pub done: i64,
    /// Of how many, where that is known.
    pub of: Option<i64>,
    /// The source that is asked.
    pub source: Option<String>,
}

/// Asks for a job of a stream; `None` if it was synced less than `cooldown` ago.
///
/// # Errors
/// If the database cannot answer.
pub async fn request(
    database: &Database,
    stream_id: i64,
    priority: Priority,
    cooldown: Duration,
) -> Result<Option<Uuid>, StoreError> {
    let params = [
        &Uuid::new_v4() as _,
        &stream_id as _,
        &priority.number() as _,
        &cooldown.as_secs_f64() as _,
    ];
    let answer = database.read(statement!("sync_jobs_request"), &params).await?;
    Ok(answer.value.first().map(|row| row.get("job_id")))
}

/// Takes a job on one of these networks, if there is one to be taken.
///
/// # Errors
/// If the database cannot answer.
pub async fn claim(
    database: &Database,
    worker: &str,
    lease: Duration,
    networks: &[&str],
) -> Result<Option<HeldJob>, StoreError> {
    let token = Uuid::new_v4();
    let params = [&worker as _, &token as _, &lease.as_secs_f64() as _, &networks as _];
    let answer = database.read(statement!("sync_jobs_claim"), &params).await?;
    let held = |row: &Row| HeldJob {
        job_id: row.get("job_id"),
        token,
        stream_id: row.get("stream_id"),
        attempts: row.get("attempts"),
    };
    Ok(answer.value.first().map(held))
}

/// Says that the worker is alive and how far it has come. Whether it still holds the job.
///
/// # Errors
/// If the database cannot answer.
pub async fn beat(
    database: &Database,
    job: HeldJob,
    lease: Duration,
    progress: &Progress,
) -> Result<bool, StoreError> {
    let params = [
        &job.job_id as _,
        &job.token as _,
        &lease.as_secs_f64() as _,
        &progress.done as _,
        &progress.of as _,
        &progress.source as _,
    ];
    changed(database, statement!("sync_jobs_beat"), &params).await
}

/// Holds the job until the end of a tx that writes for it. Whether it still may.
///
/// # Errors
/// If the database refuses.
pub async fn hold(tx: &PooledTx, job: HeldJob) -> Result<bool, StoreError> {
    let rows = tx.rows(statement!("sync_jobs_hold"), &[&job.job_id, &job.token]).await?;
    Ok(!rows.is_empty())
}

/// The job has done its work. Whether it was still held.
///
/// # Errors
/// If the database cannot answer.
pub async fn finish(
    database: &Database,
    job: HeldJob,
    done: i64,
    message: &str,
) -> Result<bool, StoreError> {
    let params = [&job.job_id as _, &job.token as _, &done as _, &message as _];
    changed(database, statement!("sync_jobs_finish"), &params).await
}

/// When a job is tried again.
#[derive(Clone, Copy, Debug)]
pub enum Again {
    /// After this wait: nothing was tried now.
    After(Duration),
    /// After a wait that is doubled with each try without anything recorded, up to `most`; parked
    /// after `attempts_max` of them.
    BackOff {
        /// The first wait.
        first: Duration,
        /// The longest.
        most: Duration,
        /// Tries after which it is parked.
        attempts_max: i32,
    },
}

/// The job is tried again later. Whether it was still held.
///
/// # Errors
/// If the database cannot answer.
pub async fn put_off(
    database: &Database,
    job: HeldJob,
    again: Again,
    why: &str,
) -> Result<bool, StoreError> {
    let (wait, is_no_try, most, attempts_max) = match again {
        Again::After(wait) => (wait, true, wait, i32::MAX),
        Again::BackOff { first, most, attempts_max } => (first, false, most, attempts_max),
    };
    let params = [
        &job.job_id as _,
        &job.token as _,
        &wait.as_secs_f64() as _,
        &why as _,
        &is_no_try as _,
        &most.as_secs_f64() as _,
        &attempts_max as _,
    ];
    changed(database, statement!("sync_jobs_put_off"), &params).await
}

/// The job waits until somebody asks for it. Whether it was still held.
///
/// # Errors
/// If the database cannot answer.
pub async fn park(database: &Database, job: HeldJob, why: &str) -> Result<bool, StoreError> {
    changed(database, statement!("sync_jobs_park"), &[&job.job_id, &job.token, &why]).await
}

async fn changed(
    database: &Database,
    statement: Statement,
    params: &crate::store::session::Params<'_>,
) -> Result<bool, StoreError> {
    Ok(!database.read(statement, params).await?.value.is_empty())
}
