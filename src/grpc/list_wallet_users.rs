//! `LedgerService.ListWalletUsers`.

use crate::{
    domain::wallet::WalletUser,
    error::Error,
    grpc::{
        decode, page_token,
        pb::v1::{self, ListWalletUsersRequest, ListWalletUsersResponse},
        violations::Violations,
    },
    ledger::Ledger,
};

pub(super) async fn list_wallet_users(
    ledger: &Ledger,
    request: &ListWalletUsersRequest,
) -> Result<ListWalletUsersResponse, Error> {
    let cleared =
        ListWalletUsersRequest { page_size: 0, page_token: String::new(), ..request.clone() };
    let digest = page_token::digest(&cleared);
    let mut violations = Violations::default();
    let account = decode::required_account(request.account.as_ref(), &mut violations);
    let size = decode::list_size(request.page_size, &mut violations);
    let after = page_token::position(digest, &request.page_token, &mut violations);
    let ((account, size), after) = violations.finish(account.zip(size).zip(after))?;
    let page = ledger.list_wallet_users(&account, &after, size).await?;
    Ok(ListWalletUsersResponse {
        users: page.rows.into_iter().map(wallet_user).collect(),
        next_page_token: page_token::next(digest, page.next_after.as_deref()),
    })
}

fn wallet_user(tracking: WalletUser) -> v1::WalletUser {
    v1::WalletUser {
        added_at: Some(decode::timestamp(tracking.added_at)),
        user: Some(decode::user_pb(tracking.user)),
    }
}
