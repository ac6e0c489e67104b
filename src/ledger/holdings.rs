//! What accounts hold of each asset, from running totals.

use std::collections::HashMap;

use crate::{
    domain::{
        access::Scope, account::AccountKey, asset::Asset, direction::Direction, window::Window,
    },
    error::Error,
    store::{
        Reader,
        account_assets::account_assets,
        days,
        sum_amount::{Subject, SumQuery, Total, sum_amounts},
    },
};

/// Sides of a holding, in the order in which they are asked.
const SIDES: [Direction; 2] = [Direction::Receiver, Direction::Sender];

/// What an account has transactions of.
#[derive(Clone, Debug)]
pub(super) struct Holdings {
    /// The assets, by code.
    pub(super) assets: Vec<Asset>,
    /// Whether there are more than were asked for.
    pub(super) has_more: bool,
}

/// What an account received and sent of an asset.
#[derive(Clone, Debug)]
pub(super) struct Holding {
    /// The asset.
    pub(super) asset: Asset,
    /// All that was received.
    pub(super) received: Total,
    /// All that was sent.
    pub(super) sent: Total,
}

/// Assets of these accounts, up to `limit` of each, in the order of the accounts.
pub(super) async fn assets_held(
    reader: Reader<'_>,
    account_ids: &[i64],
    limit: usize,
) -> Result<Vec<Holdings>, Error> {
    let wanted = i32::try_from(limit.saturating_add(1)).unwrap_or(i32::MAX);
    let mut by_account = HashMap::<i64, Vec<Asset>>::new();
    for found in account_assets(reader, account_ids, wanted).await? {
        by_account.entry(found.account_id).or_default().push(found.asset);
    }
    let holdings = account_ids.iter().map(|account_id| {
        let mut assets = by_account.remove(account_id).unwrap_or_default();
        let has_more = assets.len() > limit;
        if has_more {
            assets.sort_unstable_by_key(|asset| asset.asset_id);
            assets.truncate(limit);
        }
        assets.sort_unstable_by(|one, other| one.code.cmp(&other.code));
        Holdings { assets, has_more }
    });
    Ok(holdings.collect())
}

/// What accounts received and sent of some assets, in their order. Assets whose every
/// transaction went away again are left out.
pub(super) async fn holdings(
    reader: Reader<'_>,
    accounts: &[(&AccountKey, &[Asset])],
) -> Result<Vec<Vec<Holding>>, Error> {
    let query = |account: &AccountKey, asset: &Asset, direction| SumQuery {
        subject: Subject::Account(account.clone()),
        asset_id: asset.asset_id,
        window: Window::before(None),
        direction,
        // They are wallets that were found before.
        scope: Scope::Everybody,
    };
    let mut queries = Vec::new();
    for (account, assets) in accounts {
        for asset in *assets {
            queries.extend(SIDES.map(|direction| query(account, asset, direction)));
        }
    }
    if queries.is_empty() {
        return Ok(accounts.iter().map(|_| Vec::new()).collect());
    }
    let found = sum_amounts(reader, &queries, false).await?.value;
    for sum in &found {
        days::refuse_days(reader, &sum.days_in_the_way).await?;
    }
    let mut totals = found.into_iter().map(|sum| sum.total.unwrap_or_else(Total::none));
    let mut next = || totals.next().unwrap_or_else(Total::none);
    let mut all = Vec::with_capacity(accounts.len());
    for (_, assets) in accounts {
        let each = assets.iter().map(|asset| Holding {
            asset: asset.clone(),
            received: next(),
            sent: next(),
        });
        let has_rows = |held: &Holding| held.received.count != 0 || held.sent.count != 0;
        all.push(each.filter(has_rows).collect());
    }
    Ok(all)
}
