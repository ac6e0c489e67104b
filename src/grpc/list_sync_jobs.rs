//! `SyncService.ListSyncJobs`.

use chrono::DateTime;
use uuid::Uuid;

use crate::{
    domain::{account::Network, job::JobState},
    error::Error,
    grpc::{
        decode, page_token,
        pb::v1::{ListSyncJobsRequest, ListSyncJobsResponse, SyncJobState},
        sync_job::job_pb,
        violations::Violations,
    },
    sync::Sync,
};

pub(super) async fn list_sync_jobs(
    sync: &Sync,
    request: &ListSyncJobsRequest,
) -> Result<ListSyncJobsResponse, Error> {
    let cleared =
        ListSyncJobsRequest { page_size: 0, page_token: String::new(), ..request.clone() };
    let digest = page_token::digest(&cleared);
    let mut violations = Violations::default();
    let state = match SyncJobState::try_from(request.state) {
        Ok(SyncJobState::Unspecified) => Some(None),
        Ok(SyncJobState::Queued) => Some(Some(JobState::Queued)),
        Ok(SyncJobState::Running) => Some(Some(JobState::Running)),
        Ok(SyncJobState::Parked) => Some(Some(JobState::Parked)),
        Ok(SyncJobState::Succeeded) => Some(Some(JobState::Succeeded)),
        Err(_) => None,
    };
    let state = violations.require(state, "state", "must be a state of jobs, or 0 for any");
    let network = match request.network.as_str() {
        "" => Some(None),
        name => {
            let network = Network::parse(name);
            violations.require(network, "network", decode::NETWORK_HINT).map(Some)
        }
    };
    let size = decode::list_size(request.page_size, &mut violations);
    let read = |text: &str| {
        let (at, id) = text.split_once(' ')?;
        let at = DateTime::from_timestamp_micros(at.parse().ok()?)?;
        Some((at, Uuid::parse_str(id).ok()?))
    };
    let before = page_token::place(digest, &request.page_token, read, &mut violations);
    let parts = violations.finish(state.zip(network).zip(size.zip(before)))?;
    let ((state, network), (size, before)) = parts;
    let network = network.map(|network| network.as_str().to_owned());
    let page = sync.list_jobs(before, (state, network), size).await?;
    let next = page.jobs.last().filter(|_| page.has_more);
    let next = next.map(|job| format!("{} {}", job.requested_at.timestamp_micros(), job.job_id));
    Ok(ListSyncJobsResponse {
        jobs: page.jobs.into_iter().map(job_pb).collect(),
        next_page_token: page_token::next(digest, next.as_deref()),
    })
}
