//! `LedgerService.ListWallets`.

use crate::{
    domain::{
        access::Scope,
        account::{AccountKey, NetworkKind},
        job::JobState,
    },
    error::Error,
    grpc::{
        decode, page_token,
        pb::v1::{self, ListWalletsRequest, ListWalletsResponse, WalletSyncState},
        violations::Violations,
    },
    ledger::{
        Ledger,
        list_wallets::{HeldWallet, WalletBalance, WalletSync},
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
        synced_at: held.sync.as_ref().and_then(|sync| sync.synced_at).map(decode::timestamp),
        sync: sync_pb(&held.wallet.account, held.sync),
    }
}

fn sync_pb(account: &AccountKey, sync: Option<WalletSync>) -> Option<v1::WalletSync> {
    let Some(sync) = sync else {
        let is_synced = account.network().kind() == NetworkKind::Bitcoin && !account.is_system();
        let state = WalletSyncState::Never.into();
        return is_synced.then(|| v1::WalletSync { state, ..v1::WalletSync::default() });
    };
    let job = sync.job.as_ref();
    let state = match (job.map(|(_, state, _)| state), sync.complete_until) {
        (Some(JobState::Queued), _) => WalletSyncState::Queued,
        (Some(JobState::Running), _) => WalletSyncState::Syncing,
        (Some(JobState::Parked), _) => WalletSyncState::Parked,
        (Some(JobState::Succeeded) | None, Some(_)) => WalletSyncState::UpToDate,
        (Some(JobState::Succeeded) | None, None) => WalletSyncState::Never,
    };
    Some(v1::WalletSync {
        state: state.into(),
        complete_until: sync.complete_until.map(decode::timestamp),
        job_id: job.map(|(id, ..)| id.to_string()).unwrap_or_default(),
        progress: sync.progress.done,
        progress_of: sync.progress.of.unwrap_or(0),
        message: job.and_then(|(_, _, message)| message.clone()).unwrap_or_default(),
        unconfirmed_count: sync.unconfirmed_count,
        unconfirmed_received: sync.unconfirmed_received.to_text(sync.decimals),
        unconfirmed_sent: sync.unconfirmed_sent.to_text(sync.decimals),
    })
}

fn balance(balance: WalletBalance) -> v1::WalletBalance {
    v1::WalletBalance {
        asset: balance.asset,
        balance: balance.balance,
        received_count: balance.received_count,
        sent_count: balance.sent_count,
    }
}
