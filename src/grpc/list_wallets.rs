//! `LedgerService.ListWallets`.

use crate::{
    domain::access::Scope,
    error::Error,
    grpc::{
        decode, page_token,
        pb::v1::{self, ListWalletsRequest, ListWalletsResponse},
        violations::Violations,
    },
    ledger::{
        Ledger,
        list_wallets::{HeldWallet, WalletBalance},
    },
};

pub(super) async fn list_wallets(
    ledger: &Ledger,
    request: &ListWalletsRequest,
    scope: Scope,
) -> Result<ListWalletsResponse, Error> {
    let cleared = ListWalletsRequest { page_size: 0, page_token: String::new(), ..request.clone() };
    let digest = page_token::digest(&cleared);
    let mut violations = Violations::default();
    let user = decode::user_uuid(&request.user_uuid, "user_uuid", &mut violations);
    let size = decode::list_size(request.page_size, &mut violations);
    let after = page_token::position(digest, &request.page_token, &mut violations);
    let ((user, size), after) = violations.finish(user.zip(size).zip(after))?;
    // The network, which has no blanks, and the address behind the first one.
    let after = after.split_once(' ').unwrap_or_default();
    let page = ledger.list_wallets((user, scope), after, size).await?;
    Ok(ListWalletsResponse {
        wallets: page.rows.into_iter().map(wallet).collect(),
        next_page_token: page_token::next(digest, page.next_after.as_deref()),
    })
}

fn wallet(held: HeldWallet) -> v1::Wallet {
    v1::Wallet {
        account: Some(decode::account_pb(&held.wallet.account)),
        added_at: Some(decode::timestamp(held.wallet.added_at)),
        balances: held.balances.into_iter().map(balance).collect(),
        has_more_balances: held.has_more_balances,
        // Nothing is synced yet.
        synced_at: None,
    }
}

fn balance(balance: WalletBalance) -> v1::WalletBalance {
    v1::WalletBalance {
        asset: balance.asset,
        balance: balance.balance,
        received_count: balance.received_count,
        sent_count: balance.sent_count,
    }
}
