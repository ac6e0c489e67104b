//! `daybook.v1.SyncService`: the index of its rpcs.

use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::{
    grpc::{
        admission::identity,
        list_sync_jobs::list_sync_jobs,
        pb::v1::{
            GetSyncJobRequest, GetSyncJobResponse, ListSyncJobsRequest, ListSyncJobsResponse,
            SyncTokenRequest, SyncTokenResponse, SyncUserWalletsRequest, SyncUserWalletsResponse,
            SyncWalletRequest, SyncWalletResponse, WatchSyncJobRequest, WatchSyncJobResponse,
            sync_service_server::SyncService,
        },
        status::to_status,
        sync_job::get_sync_job,
        sync_token::sync_token,
        sync_wallet::{sync_user_wallets, sync_wallet},
        watch_sync_job::watch_sync_job,
        watchers::{Messages, Watchers},
    },
    sync::Sync,
};

/// Serves `SyncService`.
#[derive(Clone)]
pub struct SyncApi {
    pub(super) sync: Sync,
    pub(super) watchers: Watchers,
}

impl SyncApi {
    /// Serves these jobs, to `streams_max` streams at most. They end once `stop` is told.
    #[must_use]
    pub fn new(sync: Sync, streams_max: usize, stop: CancellationToken) -> Self {
        Self { sync, watchers: Watchers::new(streams_max, stop) }
    }
}

#[tonic::async_trait]
impl SyncService for SyncApi {
    type WatchSyncJobStream = Messages<WatchSyncJobResponse>;

    async fn sync_wallet(
        &self,
        request: Request<SyncWalletRequest>,
    ) -> Result<Response<SyncWalletResponse>, Status> {
        let scope = identity(&request)?.scope;
        let answer = sync_wallet(&self.sync, request.get_ref(), scope).await;
        answer.map(Response::new).map_err(to_status)
    }

    async fn sync_user_wallets(
        &self,
        request: Request<SyncUserWalletsRequest>,
    ) -> Result<Response<SyncUserWalletsResponse>, Status> {
        let scope = identity(&request)?.scope;
        let answer = sync_user_wallets(&self.sync, request.get_ref(), scope).await;
        answer.map(Response::new).map_err(to_status)
    }

    async fn sync_token(
        &self,
        request: Request<SyncTokenRequest>,
    ) -> Result<Response<SyncTokenResponse>, Status> {
        let answer = sync_token(&self.sync, request.get_ref()).await;
        answer.map(Response::new).map_err(to_status)
    }

    async fn get_sync_job(
        &self,
        request: Request<GetSyncJobRequest>,
    ) -> Result<Response<GetSyncJobResponse>, Status> {
        let scope = identity(&request)?.scope;
        let answer = get_sync_job(&self.sync, request.get_ref(), scope).await;
        answer.map(Response::new).map_err(to_status)
    }

    async fn list_sync_jobs(
        &self,
        request: Request<ListSyncJobsRequest>,
    ) -> Result<Response<ListSyncJobsResponse>, Status> {
        let answer = list_sync_jobs(&self.sync, request.get_ref()).await;
        answer.map(Response::new).map_err(to_status)
    }

    async fn watch_sync_job(
        &self,
        request: Request<WatchSyncJobRequest>,
    ) -> Result<Response<Self::WatchSyncJobStream>, Status> {
        watch_sync_job(self, &request).await.map(Response::new)
    }
}
