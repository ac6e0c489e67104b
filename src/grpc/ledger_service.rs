//! `daybook.v1.LedgerService`: the index of its rpcs.

use tonic::{Request, Response, Status};

use crate::{
    grpc::{
        list_users::list_users,
        pb::v1::{
            GetBalanceRequest, GetBalanceResponse, ListUsersRequest, ListUsersResponse,
            ledger_service_server::LedgerService,
        },
        status::to_status,
    },
    ledger::Ledger,
};

/// Serves `LedgerService`.
#[derive(Clone)]
pub struct LedgerApi {
    ledger: Ledger,
}

impl LedgerApi {
    /// Serves the records of this ledger.
    #[must_use]
    pub fn new(ledger: Ledger) -> Self {
        Self { ledger }
    }
}

#[tonic::async_trait]
impl LedgerService for LedgerApi {
    async fn list_users(
        &self,
        request: Request<ListUsersRequest>,
    ) -> Result<Response<ListUsersResponse>, Status> {
        let answer = list_users(&self.ledger, request.get_ref()).await;
        answer.map(Response::new).map_err(to_status)
    }

    async fn get_balance(
        &self,
        _: Request<GetBalanceRequest>,
    ) -> Result<Response<GetBalanceResponse>, Status> {
        Err(Status::unimplemented("not served yet"))
    }
}
