//! What accounts have transactions of.

use crate::{
    domain::asset::Asset,
    store::{Reader, StoreError, assets::asset, statement::statement},
};

/// An asset that an account has, or once had, transactions of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AccountAsset {
    /// Key of the account.
    pub account_id: i64,
    /// The asset.
    pub asset: Asset,
}

/// Assets of these accounts, in no order: at most `limit` of each account.
///
/// # Errors
/// If the database cannot answer.
pub async fn account_assets(
    reader: Reader<'_>,
    account_ids: &[i64],
    limit: i32,
) -> Result<Vec<AccountAsset>, StoreError> {
    let statement = statement!("account_assets");
    let rows = reader.read_totals(statement, &[&account_ids, &limit]).await?.value;
    let found = rows
        .iter()
        .map(|row| AccountAsset { account_id: row.get("account_id"), asset: asset(row) });
    Ok(found.collect())
}
