//! `LedgerService.AddWallet`.

use crate::{
    domain::{
        access::Identity,
        account::{AccountKey, INTERNAL_NETWORK},
        wallet::WalletLimits,
    },
    error::Error,
    grpc::{
        decode,
        pb::v1::{AddWalletRequest, AddWalletResponse},
        violations::Violations,
    },
    ledger::Ledger,
};

pub(super) async fn add_wallet(
    ledger: &Ledger,
    limits: WalletLimits,
    request: &AddWalletRequest,
    by: &Identity,
) -> Result<AddWalletResponse, Error> {
    let mut violations = Violations::default();
    let user = decode::user_uuid(&request.user_uuid, "user_uuid", &mut violations);
    let account = decode::required_account(request.account.as_ref(), &mut violations);
    if let (Some(user), Some(account)) = (user, &account)
        && account.network().as_str() == INTERNAL_NETWORK
        && *account != AccountKey::payments(user)
    {
        violations.add(
            "account.address",
            "must be the user's own UUID: a payments account is tracked by its owner alone",
        );
    }
    let (user, account) = violations.finish(user.zip(account))?;
    let added_at = ledger.add_wallet(user, &account, limits, by).await?;
    Ok(AddWalletResponse {
        account: Some(decode::account_pb(&account)),
        added_at: Some(decode::timestamp(added_at)),
    })
}
