//! A user's wallets, page by page, with what each holds.

use uuid::Uuid;

pub use crate::store::sync_wallets::WalletSync;
use crate::{
    domain::{access::Scope, wallet::Wallet},
    error::{Error, ErrorKind},
    ledger::{
        Ledger,
        holdings::{Holding, Holdings, assets_held, holdings},
        page::{Page, rows_wanted},
    },
    store::{
        Reader,
        list_wallets::{self, FoundWallet},
        sync_wallets::sync_of_accounts,
    },
};

/// Most balances of one wallet that are shown.
const WALLET_BALANCES_MAX: usize = 1_000;

/// Most balances on a page of several wallets: each costs two running totals.
const PAGE_BALANCES_MAX: usize = 2_000;

/// What an account holds of an asset. The amount is exact, as text with the asset's decimals.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WalletBalance {
    /// Code of the asset.
    pub asset: String,
    /// Received minus sent.
    pub balance: String,
    /// Number of transactions received.
    pub received_count: i64,
    /// Number of transactions sent.
    pub sent_count: i64,
}

/// A wallet with what it holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HeldWallet {
    /// The wallet.
    pub wallet: Wallet,
    /// One a asset that it has transactions of, by code.
    pub balances: Vec<WalletBalance>,
    /// Whether there are more than are shown.
    pub has_more_balances: bool,
    /// How it stands with its sync; `None` if it was never asked to be synced.
    pub sync: Option<WalletSync>,
}

impl Ledger {
    /// Up to `size` wallets of a user behind a network and address, with what they hold, all
    /// in one snapshot. Fewer where they hold very many assets.
    ///
    /// # Errors
    /// `NotFound` for an unknown user, which every one beyond the scope is; `FailedPrecondition`
    /// where days that are not at hand are needed; what the database says.
    pub async fn list_wallets(
        &self,
        (user_uuid, scope): (Uuid, Scope),
        after: (&str, &str),
        size: usize,
    ) -> Result<Page<HeldWallet>, Error> {
        let snapshot = self.database.snapshot().await?;
        let reader = Reader::Snapshot(&snapshot);
        let limit = rows_wanted(size);
        let Some(found) =
            list_wallets::list_wallets(reader, (user_uuid, scope), after, limit).await?
        else {
            snapshot.end().await?;
            return Err(Error::new(ErrorKind::NotFound("user")));
        };
        let account_ids: Vec<i64> = found.iter().map(|wallet| wallet.account_id).collect();
        let assets = assets_held(reader, &account_ids, WALLET_BALANCES_MAX).await?;
        let counts = assets.iter().map(|held| held.assets.len());
        let fitting = wallets_fitting(counts, PAGE_BALANCES_MAX).min(size);
        let page = Page::cut(found, fitting, key);
        let accounts: Vec<_> = page
            .rows
            .iter()
            .zip(&assets)
            .map(|(found, held)| (&found.wallet.account, held.assets.as_slice()))
            .collect();
        let held = holdings(reader, &accounts).await?;
        // Of the same snapshot: what is shown is what the state says is there.
        let mut syncs = sync_of_accounts(reader, &account_ids).await?;
        snapshot.end().await?;
        let sync_of = |account_id: i64| {
            let place = syncs.iter().position(|sync| sync.account_id == account_id)?;
            Some(syncs.swap_remove(place))
        };
        let syncs: Vec<_> = page.rows.iter().map(|found| found.account_id).map(sync_of).collect();
        let rows = page.rows.into_iter().zip(held).zip(assets).zip(syncs);
        let rows = rows.map(|(wallet, sync)| HeldWallet { sync, ..held_wallet(wallet) }).collect();
        Ok(Page { rows, next_after: page.next_after })
    }
}

/// How many wallets have so many balances at most together; one at least.
fn wallets_fitting(counts: impl Iterator<Item = usize>, balances_max: usize) -> usize {
    let mut balances = 0;
    let fits = |count: usize| {
        balances += count;
        balances <= balances_max
    };
    counts.map(fits).take_while(|&fits| fits).count().max(1)
}

/// What a wallet is sorted by: a network has no blanks.
fn key(found: &FoundWallet) -> String {
    let account = &found.wallet.account;
    format!("{} {}", account.network().as_str(), account.address().as_str())
}

fn held_wallet(((found, held), assets): ((FoundWallet, Vec<Holding>), Holdings)) -> HeldWallet {
    let balance = |held: Holding| WalletBalance {
        asset: held.asset.code.to_string(),
        balance: held.received.sum.minus(&held.sent.sum).to_text(held.asset.decimals),
        received_count: held.received.count,
        sent_count: held.sent.count,
    };
    HeldWallet {
        wallet: found.wallet,
        balances: held.into_iter().map(balance).collect(),
        has_more_balances: assets.has_more,
        sync: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_one_wallet_at_least_and_ends_before_there_are_too_many_balances() {
        for (counts, expected) in [
            (&[][..], 1),
            (&[0, 0, 0], 3),
            (&[4, 6, 0, 1], 3),
            (&[10, 1], 1),
            (&[11], 1),
            (&[1, 11, 1], 1),
        ] {
            assert_eq!(wallets_fitting(counts.iter().copied(), 10), expected, "{counts:?}");
        }
    }
}
