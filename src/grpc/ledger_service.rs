//! `daybook.v1.LedgerService`: the index of its rpcs.

use tonic::{Request, Response, Status};

use crate::{
    analytics::Analytics,
    grpc::{
        get_balance::get_balance,
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
    analytics: Analytics,
    ledger: Ledger,
}

impl LedgerApi {
    /// Serves the records of this ledger; the analytics know the assets.
    #[must_use]
    pub fn new(analytics: Analytics, ledger: Ledger) -> Self {
        Self { analytics, ledger }
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
        request: Request<GetBalanceRequest>,
    ) -> Result<Response<GetBalanceResponse>, Status> {
        let answer = get_balance(&self.analytics, &self.ledger, request.get_ref()).await;
        answer.map(Response::new).map_err(to_status)
    }
}
