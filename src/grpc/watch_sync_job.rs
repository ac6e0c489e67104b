//! `SyncService.WatchSyncJob`: a job's progress until it is over or parked.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tonic::{Request, Status};
use uuid::Uuid;

use crate::{
    domain::{access::Scope, job::JobState},
    error::Error,
    grpc::{
        admission::identity,
        pb::v1::{WatchSyncJobRequest, WatchSyncJobResponse},
        status::to_status,
        sync_job::{job_id, job_pb},
        sync_service::SyncApi,
        violations::Violations,
        watchers::{Messages, Stay, Watch, messages},
    },
    sync::{Sync, request::ListedJob},
};

/// Time between two looks at a job.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// Opens a stream.
pub(super) async fn watch_sync_job(
    api: &SyncApi,
    request: &Request<WatchSyncJobRequest>,
) -> Result<Messages<WatchSyncJobResponse>, Status> {
    let scope = identity(request)?.scope;
    let open = async {
        let mut violations = Violations::default();
        let job_id = job_id(&request.get_ref().job_id, &mut violations);
        let job_id = violations.finish(job_id)?;
        let stay = api.watchers.begin(request)?;
        // An unknown job is told before the stream begins.
        let job = api.sync.get_job(job_id, scope).await?;
        Ok::<_, Error>(Watching {
            sync: api.sync.clone(),
            job_id,
            scope,
            stay,
            first: Some(job),
            sent: None,
        })
    };
    open.await.map(messages).map_err(to_status)
}

/// A stream at work.
struct Watching {
    sync: Sync,
    job_id: Uuid,
    scope: Scope,
    stay: Stay,
    first: Option<ListedJob>,
    /// What was sent last.
    sent: Option<ListedJob>,
}

impl Watch for Watching {
    type Message = WatchSyncJobResponse;

    /// The job once it has changed.
    async fn next(&mut self) -> Result<Option<WatchSyncJobResponse>, Error> {
        if let Some(job) = self.first.take() {
            return Ok(Some(self.answer(job)));
        }
        loop {
            let is_over =
                |job: &ListedJob| matches!(job.state, JobState::Succeeded | JobState::Parked);
            if self.sent.as_ref().is_some_and(is_over) {
                return Ok(None);
            }
            let look_at = Instant::now() + LOOK_INTERVAL;
            tokio::select! {
                () = sleep_until(look_at.min(self.stay.ends_at())) => {}
                () = self.stay.stopped() => {}
            }
            self.stay.check_now().await?;
            let job = self.sync.get_job(self.job_id, self.scope).await?;
            if self.sent.as_ref() != Some(&job) {
                return Ok(Some(self.answer(job)));
            }
        }
    }
}

impl Watching {
    fn answer(&mut self, job: ListedJob) -> WatchSyncJobResponse {
        self.sent = Some(job.clone());
        WatchSyncJobResponse { job: Some(job_pb(job)) }
    }
}
