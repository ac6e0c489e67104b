//! `daybook.v1.LedgerService`: the index of its rpcs.

use tonic::{Request, Response, Status};

use crate::{
    analytics::Analytics,
    domain::wallet::WalletLimits,
    grpc::{
        add_wallet::add_wallet,
        admission::identity,
        create_asset::create_asset,
        create_user::create_user,
        delete_transaction::delete_transaction,
        delete_user::delete_user,
        get_balance::get_balance,
        get_transaction::get_transaction,
        get_user::get_user,
        list_accounts::list_accounts,
        list_assets::list_assets,
        list_transactions::list_transactions,
        list_users::list_users,
        list_wallet_users::list_wallet_users,
        list_wallets::list_wallets,
        pb::v1::{
            AddWalletRequest, AddWalletResponse, CreateAssetRequest, CreateAssetResponse,
            CreateUserRequest, CreateUserResponse, DeleteTransactionRequest,
            DeleteTransactionResponse, DeleteUserRequest, DeleteUserResponse, GetBalanceRequest,
            GetBalanceResponse, GetTransactionRequest, GetTransactionResponse, GetUserRequest,
            GetUserResponse, ListAccountsRequest, ListAccountsResponse, ListAssetsRequest,
            ListAssetsResponse, ListTransactionsRequest, ListTransactionsResponse,
            ListUsersRequest, ListUsersResponse, ListWalletUsersRequest, ListWalletUsersResponse,
            ListWalletsRequest, ListWalletsResponse, RemoveWalletRequest, RemoveWalletResponse,
            ledger_service_server::LedgerService,
        },
        remove_wallet::remove_wallet,
        status::to_status,
    },
    ledger::Ledger,
};

/// What bounds records and answers, from the settings.
#[derive(Clone, Copy, Debug)]
pub struct LedgerLimits {
    /// Most wallets of a user, and users of a wallet.
    pub wallets: WalletLimits,
    /// Largest answer message, in bytes: a page ends before it.
    pub response_bytes_max: usize,
    /// Most rows of a reference that are added up.
    pub reference_rows_max: usize,
    /// Most series that are merged into one list of transactions.
    pub list_series_max: usize,
}

/// Serves `LedgerService`.
#[derive(Clone)]
pub struct LedgerApi {
    analytics: Analytics,
    ledger: Ledger,
    limits: LedgerLimits,
}

impl LedgerApi {
    /// Serves the records of this ledger within these limits; the analytics know the assets.
    #[must_use]
    pub fn new(analytics: Analytics, ledger: Ledger, limits: LedgerLimits) -> Self {
        Self { analytics, ledger, limits }
    }
}

#[tonic::async_trait]
impl LedgerService for LedgerApi {
    async fn create_user(
        &self,
        request: Request<CreateUserRequest>,
    ) -> Result<Response<CreateUserResponse>, Status> {
        let by = identity(&request)?;
        let answer = create_user(&self.ledger, request.get_ref(), &by).await;
        answer.map(Response::new).map_err(to_status)
    }

    async fn get_user(
        &self,
        request: Request<GetUserRequest>,
    ) -> Result<Response<GetUserResponse>, Status> {
        let scope = identity(&request)?.scope;
        let answer = get_user(&self.ledger, request.get_ref(), scope).await;
        answer.map(Response::new).map_err(to_status)
    }

    async fn list_users(
        &self,
        request: Request<ListUsersRequest>,
    ) -> Result<Response<ListUsersResponse>, Status> {
        let scope = identity(&request)?.scope;
        let answer = list_users(&self.ledger, request.get_ref(), scope).await;
        answer.map(Response::new).map_err(to_status)
    }

    async fn delete_user(
        &self,
        request: Request<DeleteUserRequest>,
    ) -> Result<Response<DeleteUserResponse>, Status> {
        let by = identity(&request)?;
        let answer = delete_user(&self.ledger, request.get_ref(), &by).await;
        answer.map(Response::new).map_err(to_status)
    }

    async fn add_wallet(
        &self,
        request: Request<AddWalletRequest>,
    ) -> Result<Response<AddWalletResponse>, Status> {
        let (by, limits) = (identity(&request)?, self.limits.wallets);
        let answer = add_wallet(&self.ledger, limits, request.get_ref(), &by).await;
        answer.map(Response::new).map_err(to_status)
    }

    async fn remove_wallet(
        &self,
        request: Request<RemoveWalletRequest>,
    ) -> Result<Response<RemoveWalletResponse>, Status> {
        let by = identity(&request)?;
        let answer = remove_wallet(&self.ledger, request.get_ref(), &by).await;
        answer.map(Response::new).map_err(to_status)
    }

    async fn list_wallets(
        &self,
        request: Request<ListWalletsRequest>,
    ) -> Result<Response<ListWalletsResponse>, Status> {
        let scope = identity(&request)?.scope;
        let answer = list_wallets(&self.ledger, request.get_ref(), scope).await;
        answer.map(Response::new).map_err(to_status)
    }

    async fn list_wallet_users(
        &self,
        request: Request<ListWalletUsersRequest>,
    ) -> Result<Response<ListWalletUsersResponse>, Status> {
        let answer = list_wallet_users(&self.ledger, request.get_ref()).await;
        answer.map(Response::new).map_err(to_status)
    }

    async fn list_accounts(
        &self,
        request: Request<ListAccountsRequest>,
    ) -> Result<Response<ListAccountsResponse>, Status> {
        let answer = list_accounts(&self.ledger, request.get_ref()).await;
        answer.map(Response::new).map_err(to_status)
    }

    async fn create_asset(
        &self,
        request: Request<CreateAssetRequest>,
    ) -> Result<Response<CreateAssetResponse>, Status> {
        let by = identity(&request)?;
        let answer = create_asset(&self.ledger, request.get_ref(), &by).await;
        answer.map(Response::new).map_err(to_status)
    }

    async fn list_assets(
        &self,
        request: Request<ListAssetsRequest>,
    ) -> Result<Response<ListAssetsResponse>, Status> {
        let answer = list_assets(&self.ledger, request.get_ref()).await;
        answer.map(Response::new).map_err(to_status)
    }

    async fn get_balance(
        &self,
        request: Request<GetBalanceRequest>,
    ) -> Result<Response<GetBalanceResponse>, Status> {
        let (analytics, scope) = (&self.analytics, identity(&request)?.scope);
        let answer = get_balance(analytics, &self.ledger, request.get_ref(), scope).await;
        answer.map(Response::new).map_err(to_status)
    }

    async fn get_transaction(
        &self,
        request: Request<GetTransactionRequest>,
    ) -> Result<Response<GetTransactionResponse>, Status> {
        let scope = identity(&request)?.scope;
        let answer = get_transaction(&self.ledger, self.limits, request.get_ref(), scope).await;
        answer.map(Response::new).map_err(to_status)
    }

    async fn list_transactions(
        &self,
        request: Request<ListTransactionsRequest>,
    ) -> Result<Response<ListTransactionsResponse>, Status> {
        let (request, scope) = (request.get_ref(), identity(&request)?.scope);
        let answer =
            list_transactions(&self.analytics, &self.ledger, self.limits, request, scope).await;
        answer.map(Response::new).map_err(to_status)
    }

    async fn delete_transaction(
        &self,
        request: Request<DeleteTransactionRequest>,
    ) -> Result<Response<DeleteTransactionResponse>, Status> {
        let by = identity(&request)?;
        let answer = delete_transaction(&self.ledger, request.get_ref(), &by).await;
        answer.map(Response::new).map_err(to_status)
    }
}
