//! Jobs of syncing: asked for, taken by one worker at a time, held by its token, and over.
//!
//! Statements that change a job name the token that it is held by: whoever lost it changes nothing,
//! and is told.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    domain::job::JobState,
    store::{
        Database, StoreError,
        statement::{Statement, statement},
        tx::PooledTx,
    },
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

    fn of(number: i16) -> Self {
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

/// Takes a job on one of these networks, or this one, if there is one to be taken.
///
/// # Errors
/// If the database cannot answer.
pub async fn claim(
    database: &Database,
    worker: &str,
    lease: Duration,
    networks: &[&str],
    job_id: Option<Uuid>,
) -> Result<Option<HeldJob>, StoreError> {
    let token = Uuid::new_v4();
    let params =
        [&worker as _, &token as _, &lease.as_secs_f64() as _, &networks as _, &job_id as _];
    let answer = database.read(statement!("sync_jobs_claim"), &params).await?;
    let held = |row: &Row| HeldJob {
        job_id: row.get("job_id"),
        token,
        stream_id: row.get("stream_id"),
        attempts: row.get("attempts"),
    };
    Ok(answer.value.first().map(held))
}

/// Says that the worker is alive and how far it has come: `None` if it does not hold the job any
/// more, else whether other jobs of its network wait.
///
/// # Errors
/// If the database cannot answer.
pub async fn beat(
    database: &Database,
    job: HeldJob,
    lease: Duration,
    progress: &Progress,
) -> Result<Option<bool>, StoreError> {
    let params = [
        &job.job_id as _,
        &job.token as _,
        &lease.as_secs_f64() as _,
        &progress.done as _,
        &progress.of as _,
        &progress.source as _,
    ];
    let answer = database.read(statement!("sync_jobs_beat"), &params).await?;
    Ok(answer.value.first().map(|row| row.get("is_wanted")))
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

/// A job as it is listed, over or not.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListedJob {
    /// Its id.
    pub job_id: Uuid,
    /// Its network.
    pub network: String,
    /// The contract of a token's job.
    pub contract: Option<String>,
    /// The address of a wallet's job.
    pub address: Option<String>,
    /// How it stands.
    pub state: JobState,
    /// Why it is there.
    pub priority: Priority,
    /// When it was asked for first.
    pub requested_at: DateTime<Utc>,
    /// When a worker first took it.
    pub started_at: Option<DateTime<Utc>>,
    /// When it was over.
    pub finished_at: Option<DateTime<Utc>>,
    /// When it is tried next, while it is queued.
    pub run_at: Option<DateTime<Utc>>,
    /// Tries since something was last recorded for it.
    pub attempts: i32,
    /// How far it has come.
    pub progress: Progress,
    /// What is to be said of it.
    pub message: Option<String>,
    /// Rows before this instant are recorded.
    pub complete_until: Option<DateTime<Utc>>,
    /// The block up to which they are.
    pub head_height: Option<i64>,
}

/// Which jobs are listed.
#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    /// Those behind the one that was asked for then and has this id.
    pub before: Option<(DateTime<Utc>, Uuid)>,
    /// Those that stand like this.
    pub state: Option<JobState>,
    /// Those on this network.
    pub network: Option<String>,
    /// The one with this id.
    pub job_id: Option<Uuid>,
    /// Those of this stream.
    pub stream_id: Option<i64>,
    /// Those of wallets of this user, and those of tokens.
    pub owner: Option<Uuid>,
}

/// Jobs, those asked for last first, `count_max` at most.
///
/// # Errors
/// If the database cannot answer.
pub async fn list(
    database: &Database,
    filter: &JobFilter,
    count_max: i64,
) -> Result<Vec<ListedJob>, StoreError> {
    let (requested_at, job_id) = filter.before.unzip();
    let params = [
        &requested_at as _,
        &job_id as _,
        &filter.state.map(JobState::word) as _,
        &filter.network as _,
        &filter.job_id as _,
        &filter.stream_id as _,
        &count_max as _,
        &filter.owner as _,
    ];
    let answer = database.read(statement!("sync_jobs_list"), &params).await?;
    Ok(answer.value.iter().map(listed).collect())
}

fn listed(row: &Row) -> ListedJob {
    ListedJob {
        job_id: row.get("job_id"),
        network: row.get("network"),
        contract: row.get("contract"),
        address: row.get("address"),
        state: JobState::of(row.get("state")),
        priority: Priority::of(row.get("priority")),
        requested_at: row.get("requested_at"),
        started_at: row.get("started_at"),
        finished_at: row.get("finished_at"),
        run_at: row.get("run_at"),
        attempts: row.get("attempts"),
        progress: Progress {
            done: row.get("progress"),
            of: row.get("progress_of"),
            source: row.get("source"),
        },
        message: row.get("message"),
        complete_until: row.get("complete_until"),
        head_height: row.get("head_height"),
    }
}

/// Has jobs on these networks tried again that were parked a day ago; how many.
///
/// # Errors
/// If the database cannot answer.
pub async fn revive(database: &Database, networks: &[&str]) -> Result<i64, StoreError> {
    let answer = database.read(statement!("sync_jobs_revive"), &[&networks]).await?;
    Ok(answer.value.first().map_or(0, |row| row.get("revived")))
}

/// Forgets jobs that were over so many days ago, some of them at a time; how many.
///
/// # Errors
/// If the database cannot answer.
pub async fn prune(database: &Database, days: i32) -> Result<i64, StoreError> {
    let answer = database.read(statement!("sync_jobs_prune"), &[&days]).await?;
    Ok(answer.value.first().map_or(0, |row| row.get("pruned")))
}

async fn changed(
    database: &Database,
    statement: Statement,
    params: &crate::store::session::Params<'_>,
) -> Result<bool, StoreError> {
    Ok(!database.read(statement, params).await?.value.is_empty())
}
