//! The accounts of a network, by address.

use tokio_postgres::Row;

use crate::{
    domain::account::{Account, Network},
    store::{Database, StoreError, accounts::account_key, statement::statement},
};

/// Up to `limit` accounts of a network whose addresses begin with `prefix` and sort behind
/// `after` (byte order).
///
/// # Errors
/// If the database cannot answer.
pub async fn list_accounts(
    database: &Database,
    network: &Network,
    prefix: &str,
    after: &str,
    limit: i64,
) -> Result<Vec<Account>, StoreError> {
    let statement = statement!("list_accounts");
    let answer = database.read(statement, &[&network.as_str(), &after, &limit, &prefix]).await?;
    let account = |row: &Row| {
        let key = account_key(row, "list_accounts")?;
        Ok(Account { key, created_at: row.get("created_at") })
    };
    answer.value.iter().map(account).collect()
}
