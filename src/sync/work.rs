//! Working at one job: taken, held by a heartbeat while its walk goes on, and settled.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rand::RngExt;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    domain::account::NetworkKind,
    error::Error,
    store::{
        coverage::NOTICED_WITHIN,
        sync_jobs::{self, Again, HeldJob, Progress},
        sync_sources, sync_streams,
    },
    sync::{Sync, bitcoin, erc20, error::JobError, lease::Lease},
};

/// First wait before a job is tried again; doubled with each try without anything recorded.
const RETRY_WAIT: Duration = Duration::from_secs(1);

/// Longest such wait.
const RETRY_WAIT_MAX: Duration = Duration::from_secs(600);

/// Wait where no source may be asked and it is not known until when.
const NO_SOURCE_WAIT: Duration = Duration::from_secs(60);

/// Longest time until others are told how far a job has come.
const TELL_INTERVAL: Duration = Duration::from_secs(2);

/// Which job is taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Which<'a> {
    /// Whichever is due.
    Any,
    /// One on this network.
    On(&'a str),
    /// This one.
    Job(Uuid),
}

/// What a walk came to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Walked {
    /// What it counts: rows that were recorded or withdrawn.
    pub changed: i64,
    /// What is to be said of it, in a sentence.
    pub message: String,
}

impl Sync {
    /// Takes a job and works at it until it is settled, or `stop`. Whether there was one.
    ///
    /// # Errors
    /// If the database cannot be asked for a job, or told what became of it.
    pub async fn work_at_one(&self, worker: &str, stop: &CancellationToken) -> Result<bool, Error> {
        self.work_at(worker, Which::Any, Arc::default(), stop).await
    }

    /// Takes such a job and works at it until it is settled, or `stop`. Whether there was one to be
    /// taken. How far it has come can be read from `progress` meanwhile.
    ///
    /// # Errors
    /// As for [`Self::work_at_one`].
    pub async fn work_at(
        &self,
        worker: &str,
        which: Which<'_>,
        progress: Arc<Mutex<Progress>>,
        stop: &CancellationToken,
    ) -> Result<bool, Error> {
        let (networks, job_id) = match which {
            Which::Any => (self.networks.names(), None),
            Which::On(network) => (vec![network], None),
            Which::Job(job_id) => (self.networks.names(), Some(job_id)),
        };
        let taken =
            sync_jobs::claim(&self.database, worker, self.policy.lease, &networks, job_id).await?;
        let Some(job) = taken else { return Ok(false) };
        if job.attempts > self.policy.attempts_max {
            // Nobody came back to say why.
            self.park(job, "was tried too often without anything recorded").await?;
            return Ok(true);
        }
        let is_wanted = Arc::new(AtomicBool::new(false));
        let outcome = tokio::select! {
            outcome = self.walk(job, Arc::clone(&progress), Arc::clone(&is_wanted)) => outcome,
            lost = self.beat(job, &progress, &is_wanted) => lost,
            () = stop.cancelled() => {
                let again = Again::After(Duration::ZERO);
                sync_jobs::put_off(&self.database, job, again, "the worker stopped").await?;
                return Ok(true);
            }
        };
        let told = progress.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // A walk may end before the first heartbeat: whom it asked is told all the same.
        sync_jobs::beat(&self.database, job, self.policy.lease, &told).await?;
        self.settle(job, told.done, outcome).await?;
        Ok(true)
    }

    async fn walk(
        &self,
        job: HeldJob,
        progress: Arc<Mutex<Progress>>,
        is_wanted: Arc<AtomicBool>,
    ) -> Result<Walked, JobError> {
        let stream = sync_streams::get(&self.database, job.stream_id).await?;
        let Some(stream) = stream else {
            return Err(JobError::Incident("there is no such stream any more".to_owned()));
        };
        let Some(network) = self.networks.get(&stream.network) else {
            return Err(JobError::NoSource { wait: None });
        };
        // Whoever answers questions must know that the asset's rows come bit by bit.
        let unnoticed = (NOTICED_WITHIN * 2).saturating_sub(stream.asset_age);
        tokio::time::sleep(unnoticed).await;
        let lease = Lease {
            database: self.database.clone(),
            ingest: self.ingest.clone(),
            accounts: self.accounts.clone(),
            network: Arc::new(network.clone()),
            stream: Arc::new(stream),
            job,
            progress,
            is_wanted,
            begun_at: Instant::now(),
        };
        match network.kind {
            NetworkKind::Bitcoin => Box::pin(bitcoin::walk(lease)).await,
            NetworkKind::Ethereum { .. } => Box::pin(erc20::walk(lease)).await,
            NetworkKind::Other => {
                Err(JobError::Incident("there is nothing to sync on this network".to_owned()))
            }
        }
    }

    /// Holds the job until it is lost; ends with why.
    async fn beat(
        &self,
        job: HeldJob,
        progress: &Mutex<Progress>,
        is_wanted: &AtomicBool,
    ) -> Result<Walked, JobError> {
        let mut failed_for = Duration::ZERO;
        let pause = (self.policy.lease / 4).min(TELL_INTERVAL);
        loop {
            tokio::time::sleep(pause).await;
            let told = progress.lock().unwrap_or_else(PoisonError::into_inner).clone();
            match sync_jobs::beat(&self.database, job, self.policy.lease, &told).await {
                Ok(Some(others_wait)) => {
                    is_wanted.store(others_wait, Ordering::Relaxed);
                    failed_for = Duration::ZERO;
                }
                Ok(None) => return Err(JobError::LeaseLost),
                // What is written says itself whether the job is still held.
                Err(error) if failed_for > self.policy.lease * 2 => return Err(error.into()),
                Err(_) => failed_for += pause,
            }
        }
    }

    async fn settle(
        &self,
        job: HeldJob,
        done: i64,
        outcome: Result<Walked, JobError>,
    ) -> Result<(), Error> {
        let error = match outcome {
            Ok(Walked { changed, message }) => {
                let is_held = sync_jobs::finish(&self.database, job, changed, &message).await?;
                tracing::info!(job_id = %job.job_id, changed, is_held, "synced");
                return Ok(());
            }
            Err(error) => error,
        };
        tracing::info!(job_id = %job.job_id, done, %error, "a job did not come to its end");
        let (again, why) = match error {
            JobError::LeaseLost => return Ok(()),
            JobError::Incident(why) => return self.park(job, &why).await,
            JobError::NoSource { wait } => {
                let wait = wait.unwrap_or(NO_SOURCE_WAIT) + drawn(RETRY_WAIT);
                (Again::After(wait), self.why_no_source(job).await?)
            }
            JobError::GivesWay => (Again::After(Duration::ZERO), error.to_string()),
            JobError::Source(_)
            | JobError::Inconsistent(_)
            | JobError::Store(_)
            | JobError::Record(_) => {
                let again = Again::BackOff {
                    first: RETRY_WAIT,
                    most: RETRY_WAIT_MAX,
                    attempts_max: self.policy.attempts_max,
                };
                (again, error.to_string())
            }
        };
        sync_jobs::put_off(&self.database, job, again, &why).await?;
        Ok(())
    }

    /// What is known of the sources of a job that none of them answers.
    async fn why_no_source(&self, job: HeldJob) -> Result<String, Error> {
        let stream = sync_streams::get(&self.database, job.stream_id).await?;
        let network = stream.and_then(|stream| self.networks.get(&stream.network));
        let Some(network) = network.filter(|network| !network.sources.is_empty()) else {
            return Ok("no source is named for the network".to_owned());
        };
        let names: Vec<&str> =
            network.sources.iter().map(|source| source.key.source.as_str()).collect();
        let mut whys: Vec<String> = sync_sources::list(&self.database, &names)
            .await?
            .into_iter()
            .filter_map(|standing| {
                Some(format!("{}: {}", standing.key.source, standing.blocked_why?))
            })
            .collect();
        whys.sort_unstable();
        whys.dedup();
        let whys = if whys.is_empty() { "limits are used up".to_owned() } else { whys.join("; ") };
        Ok(format!("no source may be asked now: {whys}"))
    }

    async fn park(&self, job: HeldJob, why: &str) -> Result<(), Error> {
        tracing::warn!(job_id = %job.job_id, why, "a job waits until somebody asks for it");
        sync_jobs::park(&self.database, job, why).await?;
        Ok(())
    }
}

/// A wait drawn by chance, up to half of this one: jobs that failed together come back apart.
fn drawn(wait: Duration) -> Duration {
    wait.mul_f64(rand::rng().random_range(0.0..0.5))
}
