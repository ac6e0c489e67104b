//! `SyncService.WatchSyncJob`: a job's progress until it is over or parked.

use std::{pin::Pin, time::Duration};

use futures_util::{Stream, stream};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};
use uuid::Uuid;

use crate::{
    domain::{access::Scope, job::JobState},
    error::{Error, ErrorKind},
    grpc::{
        admission::{Pass, identity, pass},
        deadline,
        pb::v1::{WatchSyncJobRequest, WatchSyncJobResponse},
        status::to_status,
        sync_job::{job_id, job_pb},
        sync_service::SyncApi,
        violations::Violations,
    },
    sync::{Sync, request::ListedJob},
};

/// Time between two looks at a job.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// Longest time for a stream whose client sets no deadline: a year.
const TIME_MAX: Duration = Duration::from_secs(31_536_000);

/// What a stream sends.
pub(super) type JobStream =
    Pin<Box<dyn Stream<Item = Result<WatchSyncJobResponse, Status>> + Send>>;

/// Opens a stream.
pub(super) async fn watch_sync_job(
    api: &SyncApi,
    request: &Request<WatchSyncJobRequest>,
) -> Result<JobStream, Status> {
    let (scope, pass) = (identity(request)?.scope, pass(request).map_err(to_status)?);
    let headers = request.metadata().clone().into_headers();
    // The request layer has refused one that cannot be read.
    let time = deadline::time_limit(&headers, TIME_MAX).unwrap_or_default();
    let open = async {
        let mut violations = Violations::default();
        let job_id = job_id(&request.get_ref().job_id, &mut violations);
        let job_id = violations.finish(job_id)?;
        let place = api.places.clone().try_acquire_owned().map_err(|_| {
            Error::new(ErrorKind::ResourceExhausted("the server is at its limit of streams"))
        })?;
        // An unknown job is told before the stream begins.
        let job = api.sync.get_job(job_id, scope).await?;
        Ok::<_, Error>(Watching {
            sync: api.sync.clone(),
            job_id,
            scope,
            pass,
            stop: api.stop.clone(),
            ends_at: Instant::now() + time,
            first: Some(job),
            sent: None,
            _place: place,
        })
    };
    let watching = open.await.map_err(to_status)?;
    Ok(Box::pin(stream::unfold(Some(watching), |watching| async move {
        let mut watching = watching?;
        match watching.next().await {
            Ok(Some(job)) => {
                Some((Ok(WatchSyncJobResponse { job: Some(job_pb(job)) }), Some(watching)))
            }
            Ok(None) => None,
            Err(error) => Some((Err(to_status(error)), None)),
        }
    })))
}

/// A stream at work.
struct Watching {
    sync: Sync,
    job_id: Uuid,
    scope: Scope,
    pass: Pass,
    stop: CancellationToken,
    ends_at: Instant,
    first: Option<ListedJob>,
    /// What was sent last.
    sent: Option<ListedJob>,
    _place: OwnedSemaphorePermit,
}

impl Watching {
    /// The job once it has changed; `None` when there is nothing more to come.
    async fn next(&mut self) -> Result<Option<ListedJob>, Error> {
        if let Some(job) = self.first.take() {
            self.sent = Some(job.clone());
            return Ok(Some(job));
        }
        loop {
            let is_over =
                |job: &ListedJob| matches!(job.state, JobState::Succeeded | JobState::Parked);
            if self.sent.as_ref().is_some_and(is_over) {
                return Ok(None);
            }
            let look_at = Instant::now() + LOOK_INTERVAL;
            tokio::select! {
                () = sleep_until(look_at.min(self.ends_at)) => {}
                () = self.stop.cancelled() => {
                    return Err(Error::new(ErrorKind::Unavailable("the server is stopping")));
                }
            }
            if Instant::now() >= self.ends_at {
                return Err(Error::new(ErrorKind::DeadlineExceeded));
            }
            // What lets a stream in may be revoked or expire while it lasts.
            self.pass.check().await?;
            let job = self.sync.get_job(self.job_id, self.scope).await?;
            if self.sent.as_ref() != Some(&job) {
                self.sent = Some(job.clone());
                return Ok(Some(job));
            }
        }
    }
}
