//! A job in the hands of a worker.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::NaiveDate;

use crate::{
    domain::account::AccountKey,
    ingest::Ingest,
    store::{
        Database,
        account_ids::AccountIds,
        sync_jobs::{self, HeldJob, Progress},
        sync_streams::Stream,
        tx::PooledTx,
    },
    sync::{error::JobError, networks::SyncNetwork},
};

/// A job that this worker holds, and what it needs to do it. Clones are of the same job.
#[derive(Clone)]
pub struct Lease {
    /// Where rows are recorded.
    pub database: Database,
    /// Makes days and accounts.
    pub ingest: Arc<Ingest>,
    /// Ids of accounts.
    pub accounts: AccountIds,
    /// The network, with its sources.
    pub network: Arc<SyncNetwork>,
    /// The stream as it was when the job was taken.
    pub stream: Arc<Stream>,
    pub(super) job: HeldJob,
    pub(super) progress: Arc<Mutex<Progress>>,
    /// Whether other jobs of the network wait, as of the last heartbeat.
    pub(super) is_wanted: Arc<AtomicBool>,
    pub(super) begun_at: Instant,
}

/// How long a job is worked at while others wait.
const SLICE: Duration = Duration::from_secs(60);

impl Lease {
    /// Begins a tx that writes for this job: until it ends nobody else takes the job.
    ///
    /// # Errors
    /// `LeaseLost` if somebody has taken it before.
    pub async fn begin(&self, stem: &'static str) -> Result<PooledTx, JobError> {
        let tx = PooledTx::begin(&self.database, stem).await?;
        if sync_jobs::hold(&tx, self.job).await? {
            return Ok(tx);
        }
        tx.roll_back().await?;
        Err(JobError::LeaseLost)
    }

    /// To be called when something was committed: whether the job may go on.
    ///
    /// # Errors
    /// `GivesWay` if its time is over and other jobs of the network wait.
    pub fn give_way(&self) -> Result<(), JobError> {
        let is_over = self.begun_at.elapsed() >= SLICE && self.is_wanted.load(Ordering::Relaxed);
        if is_over { Err(JobError::GivesWay) } else { Ok(()) }
    }

    /// Says how far the job has come: `done` of `of`, asking this source. Told to others with the
    /// next heartbeat.
    pub fn report(&self, done: i64, of: Option<i64>, source: &str) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        *progress = Progress { done, of, source: Some(source.to_owned()) };
    }

    /// Makes partitions for these days where they lack one. Before the tx that writes to them.
    ///
    /// # Errors
    /// `Incident` if a day is one that rows are not taken for; what the database says.
    pub async fn make_days(&self, days: BTreeSet<NaiveDate>) -> Result<(), JobError> {
        match self.ingest.make_days(days).await? {
            None => Ok(()),
            Some(fault) => Err(JobError::Incident(format!(
                "rows of the chain cannot be recorded: {} {}",
                fault.field, fault.message
            ))),
        }
    }

    /// The ids of these accounts, in their order; missing ones are recorded. Before the tx that
    /// names them.
    ///
    /// # Errors
    /// What the database says.
    pub async fn account_ids(&self, keys: &[&AccountKey]) -> Result<Vec<i64>, JobError> {
        let mut missing: Vec<&AccountKey> = Vec::new();
        let found = self.accounts.find(keys).await?;
        missing.extend(keys.iter().zip(&found).filter(|(_, id)| id.is_none()).map(|(key, _)| *key));
        if missing.is_empty() {
            return Ok(found.into_iter().flatten().collect());
        }
        // In one order, whoever records them: so nobody waits in a circle.
        missing.sort_unstable();
        missing.dedup();
        self.accounts.create(&missing).await?;
        let found = self.accounts.find(keys).await?;
        let ids: Vec<i64> = found.into_iter().flatten().collect();
        if ids.len() == keys.len() {
            return Ok(ids);
        }
        Err(JobError::Inconsistent("accounts that were just recorded are not there".to_owned()))
    }
}
