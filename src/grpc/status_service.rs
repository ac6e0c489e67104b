//! `daybook.v1.StatusService`: the index of its rpcs.

use tonic::{Request, Response, Status};

use crate::{
    feeds::report::FeedReport,
    grpc::{
        call_counts::CallCounts,
        get_status::get_status,
        pb::v1::{GetStatusRequest, GetStatusResponse, status_service_server::StatusService},
        status::to_status,
    },
    ingest::Ingest,
    upkeep::get_status::StatusReader,
};

/// Serves `StatusService`.
#[derive(Clone)]
pub struct StatusApi {
    pub(super) reader: StatusReader,
    pub(super) ingest: Ingest,
    pub(super) calls: CallCounts,
    pub(super) feed: FeedReport,
}

impl StatusApi {
    /// Serves what this reader reads, what is counted of rows and calls, and what the feed tells.
    #[must_use]
    pub fn new(reader: StatusReader, ingest: Ingest, calls: CallCounts, feed: FeedReport) -> Self {
        Self { reader, ingest, calls, feed }
    }
}

#[tonic::async_trait]
impl StatusService for StatusApi {
    async fn get_status(
        &self,
        request: Request<GetStatusRequest>,
    ) -> Result<Response<GetStatusResponse>, Status> {
        get_status(self, request.into_inner()).await.map(Response::new).map_err(to_status)
    }
}
