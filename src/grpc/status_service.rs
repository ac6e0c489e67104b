//! `daybook.v1.StatusService`: the index of its rpcs.

use tonic::{Request, Response, Status};

use crate::{
    grpc::{
        get_status::get_status,
        pb::v1::{GetStatusRequest, GetStatusResponse, status_service_server::StatusService},
        status::to_status,
    },
    upkeep::get_status::StatusReader,
};

/// Serves `StatusService`.
#[derive(Clone)]
pub struct StatusApi {
    reader: StatusReader,
}

impl StatusApi {
    /// Serves what this reader reads.
    #[must_use]
    pub fn new(reader: StatusReader) -> Self {
        Self { reader }
    }
}

#[tonic::async_trait]
impl StatusService for StatusApi {
    async fn get_status(
        &self,
        _: Request<GetStatusRequest>,
    ) -> Result<Response<GetStatusResponse>, Status> {
        get_status(&self.reader).await.map(Response::new).map_err(to_status)
    }
}
