//! A user's wallets, by network and address.

use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    domain::{access::Scope, wallet::Wallet},
    store::{Reader, StoreError, accounts::account_key, session::Params, statement::statement},
};

/// A wallet, with the key of its account in the database.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FoundWallet {
    /// Key of the account.
    pub account_id: i64,
    /// The wallet.
    pub wallet: Wallet,
}

/// Up to `limit` wallets of a user behind a network and address (byte order); `None` for an
/// unknown user, which every one beyond the scope is.
///
/// # Errors
/// If the database cannot answer.
pub async fn list_wallets(
    reader: Reader<'_>,
    (user_uuid, scope): (Uuid, Scope),
    (network, address): (&str, &str),
    limit: i64,
) -> Result<Option<Vec<FoundWallet>>, StoreError> {
    let statement = statement!("list_wallets");
    let owner = scope.owner();
    let params: &Params<'_> = &[&user_uuid, &network, &address, &limit, &owner];
    let rows = reader.read(statement, params).await?.value;
    if rows.is_empty() {
        return Ok(None);
    }
    // A known user without wallets on the page is one row of nulls.
    rows.iter().filter_map(|row| found(row).transpose()).collect::<Result<_, _>>().map(Some)
}

fn found(row: &Row) -> Result<Option<FoundWallet>, StoreError> {
    let Some(account_id) = row.get("account_id") else { return Ok(None) };
    let wallet =
        Wallet { account: account_key(row, "list_wallets")?, added_at: row.get("added_at") };
    Ok(Some(FoundWallet { account_id, wallet }))
}
