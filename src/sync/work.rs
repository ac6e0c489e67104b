//! Working at one job: taken, held by a heartbeat while its walk goes on, and settled.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
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
        sync_streams,
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
        self.work_at(worker, None, Arc::default(), stop).await
    }

    /// Takes this job, or any, and works at it until it is settled, or `stop`. Whether it was there
    /// to be taken. How far it has come can be read from `progress` meanwhile.
    ///
    /// # Errors
    /// As for [`Self::work_at_one`].
    pub async fn work_at(
        &self,
        worker: &str,
        job_id: Option<Uuid>,
        progress: Arc<Mutex<Progress>>,
        stop: &CancellationToken,
    ) -> Result<bool, Error> {
        let networks = self.networks.names();
        if networks.is_empty() {
            return Ok(false);
        }
        let taken =
            sync_jobs::claim(&self.database, worker, self.policy.lease, &networks, job_id).await?;
        let Some(job) = taken else { return Ok(false) };
        if job.attempts > self.policy.attempts_max {
            // Nobody came back to say why.
            self.park(job, "was tried too often without anything recorded").await?;
            return Ok(true);
        }
        let outcome = tokio::select! {
            outcome = self.walk(job, Arc::clone(&progress)) => outcome,
            lost = self.beat(job, &progress) => lost,
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

    async fn walk(&self, job: HeldJob, progress: Arc<Mutex<Progress>>) -> Result<Walked, JobError> {
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
    async fn beat(&self, job: HeldJob, progress: &Mutex<Progress>) -> Result<Walked, JobError> {
        let mut failed_for = Duration::ZERO;
        let pause = (self.policy.lease / 4).min(TELL_INTERVAL);
        loop {
            tokio::time::sleep(pause).await;
            let told = progress.lock().unwrap_or_else(PoisonError::into_inner).clone();
            match sync_jobs::beat(&self.database, job, self.policy.lease, &told).await {
                Ok(true) => failed_for = Duration::ZERO,
                Ok(false) => return Err(JobError::LeaseLost),
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
        match error {
            JobError::LeaseLost => Ok(()),
            JobError::Incident(why) => self.park(job, &why).await,
            JobError::NoSource { wait } => {
                let again = Again::After(wait.unwrap_or(NO_SOURCE_WAIT) + drawn(RETRY_WAIT));
                let why = "no source may be asked now";
                sync_jobs::put_off(&self.database, job, again, why).await?;
                Ok(())
            }
            error @ (JobError::Source(_)
            | JobError::Inconsistent(_)
            | JobError::Store(_)
            | JobError::Record(_)) => {
                let again = Again::BackOff {
                    first: RETRY_WAIT,
                    most: RETRY_WAIT_MAX,
                    attempts_max: self.policy.attempts_max,
                };
                sync_jobs::put_off(&self.database, job, again, &error.to_string()).await?;
                Ok(())
            }
        }
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
