//! The users who track an account, by username.

use tokio_postgres::Row;

use crate::{
    domain::{account::AccountKey, wallet::WalletUser},
    store::{Database, StoreError, statement::statement, users::user},
};

/// Up to `limit` users who track an account, behind a username (byte order); `None` for an
/// unknown account.
///
/// # Errors
/// If the database cannot answer.
pub async fn list_wallet_users(
    database: &Database,
    account: &AccountKey,
    after: &str,
    limit: i64,
) -> Result<Option<Vec<WalletUser>>, StoreError> {
    let (network, address) = (account.network().as_str(), account.address().as_str());
    let statement = statement!("list_wallet_users");
    let rows = database.read(statement, &[&network, &address, &after, &limit]).await?.value;
    // A known account that nobody on the page tracks is one row of nulls.
    let found = |row: &Row| {
        let added_at = row.get::<_, Option<_>>("added_at")?;
        Some(WalletUser { user: user(row), added_at })
    };
    Ok((!rows.is_empty()).then(|| rows.iter().filter_map(found).collect()))
}
