//! `LedgerService.RemoveWallet`.

use crate::{
    domain::access::Identity,
    error::Error,
    grpc::{
        decode,
        pb::v1::{RemoveWalletRequest, RemoveWalletResponse},
        violations::Violations,
    },
    ledger::Ledger,
};

pub(super) async fn remove_wallet(
    ledger: &Ledger,
    request: &RemoveWalletRequest,
    by: &Identity,
) -> Result<RemoveWalletResponse, Error> {
    let mut violations = Violations::default();
    let user = decode::user_uuid(&request.user_uuid, "user_uuid", &mut violations);
    let account = decode::required_account(request.account.as_ref(), &mut violations);
    let (user, account) = violations.finish(user.zip(account))?;
    ledger.remove_wallet(user, &account, by).await?;
    Ok(RemoveWalletResponse {})
}
