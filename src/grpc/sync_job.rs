//! Jobs of syncing as the API writes them, and the rpcs that ask for one by its id.

use uuid::Uuid;

use crate::{
    domain::{access::Scope, job::JobState},
    error::Error,
    grpc::{
        decode::timestamp,
        pb::v1::{
            AccountKey, GetSyncJobRequest, GetSyncJobResponse, SyncJob, SyncJobPriority,
            SyncJobState, TokenKey, sync_job::Subject,
        },
        violations::Violations,
    },
    sync::{
        Sync,
        request::{ListedJob, Priority},
    },
};

pub(super) async fn get_sync_job(
    sync: &Sync,
    request: &GetSyncJobRequest,
    scope: Scope,
) -> Result<GetSyncJobResponse, Error> {
    let mut violations = Violations::default();
    let job_id = job_id(&request.job_id, &mut violations);
    let job = sync.get_job(violations.finish(job_id)?, scope).await?;
    Ok(GetSyncJobResponse { job: Some(job_pb(job)) })
}

/// Checks the field `job_id`.
pub(super) fn job_id(given: &str, violations: &mut Violations) -> Option<Uuid> {
    violations.require(Uuid::parse_str(given).ok(), "job_id", "must be the id of a job, a UUID")
}

/// A job as the API writes it.
pub(super) fn job_pb(job: ListedJob) -> SyncJob {
    let network = job.network;
    let subject = match (job.contract, job.address) {
        (Some(contract), _) => Some(Subject::Token(TokenKey { network, contract })),
        (None, Some(address)) => Some(Subject::Wallet(AccountKey { network, address })),
        (None, None) => None,
    };
    let state = match job.state {
        JobState::Queued => SyncJobState::Queued,
        JobState::Running => SyncJobState::Running,
        JobState::Parked => SyncJobState::Parked,
        JobState::Succeeded => SyncJobState::Succeeded,
    };
    let priority = match job.priority {
        Priority::Requested => SyncJobPriority::Requested,
        Priority::Stale => SyncJobPriority::Stale,
        Priority::Periodic => SyncJobPriority::Periodic,
    };
    SyncJob {
        job_id: job.job_id.to_string(),
        subject,
        state: state.into(),
        priority: priority.into(),
        requested_at: Some(timestamp(job.requested_at)),
        started_at: job.started_at.map(timestamp),
        finished_at: job.finished_at.map(timestamp),
        next_try_at: job.run_at.map(timestamp),
        attempts: job.attempts,
        progress: job.progress.done,
        progress_of: job.progress.of.unwrap_or(0),
        source: job.progress.source.unwrap_or_default(),
        message: job.message.unwrap_or_default(),
        complete_until: job.complete_until.map(timestamp),
        head_height: job.head_height,
    }
}
