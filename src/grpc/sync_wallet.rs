//! `SyncService.SyncWallet` and `SyncService.SyncUserWallets`.

use crate::{
    domain::access::Scope,
    error::Error,
    grpc::{
        decode::{self, AccountFields},
        pb::v1::{
            SyncUserWalletsRequest, SyncUserWalletsResponse, SyncWalletRequest, SyncWalletResponse,
        },
        sync_job::job_pb,
        violations::Violations,
    },
    sync::{Sync, request::Priority},
};

pub(super) async fn sync_wallet(
    sync: &Sync,
    request: &SyncWalletRequest,
    scope: Scope,
) -> Result<SyncWalletResponse, Error> {
    let mut violations = Violations::default();
    let account = match &request.wallet {
        Some(wallet) => decode::account_parts(
            &wallet.network,
            &wallet.address,
            AccountFields { network: "wallet.network", address: "wallet.address" },
            &mut violations,
        ),
        None => violations.require(None, "wallet", "must be set"),
    };
    let account = violations.finish(account)?;
    let requested = sync.request_wallet(&account, scope, Priority::Requested).await?;
    Ok(SyncWalletResponse {
        job: Some(job_pb(requested.job)),
        is_cooling_down: requested.is_cooling_down,
    })
}

pub(super) async fn sync_user_wallets(
    sync: &Sync,
    request: &SyncUserWalletsRequest,
    scope: Scope,
) -> Result<SyncUserWalletsResponse, Error> {
    let mut violations = Violations::default();
    let user = decode::user_uuid(&request.user_uuid, "user_uuid", &mut violations);
    let requested = sync.request_user(violations.finish(user)?, scope).await?;
    Ok(SyncUserWalletsResponse {
        jobs: requested.into_iter().map(|requested| job_pb(requested.job)).collect(),
    })
}
