//! Wallets, removed.

use uuid::Uuid;

use crate::{
    domain::{access::Identity, account::AccountKey},
    store::{
        Database, StoreError, audit_log::note, session::Params, statement::statement, tx::PooledTx,
    },
};

/// What came of removing a wallet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RemovedWallet {
    /// Whether there is such a user.
    pub has_user: bool,
    /// Whether there is such an account.
    pub has_account: bool,
}

/// Has a user track an account no more, in one tx.
///
/// # Errors
/// If the database refuses. If the connection broke, whether it was removed is unknown.
pub async fn remove_wallet(
    database: &Database,
    user_uuid: Uuid,
    account: &AccountKey,
    by: &Identity,
) -> Result<RemovedWallet, StoreError> {
    let tx = PooledTx::begin(database, "remove_wallet").await?;
    let (network, address) = (account.network().as_str(), account.address().as_str());
    let owner = by.scope.owner();
    let params: &Params<'_> = &[&user_uuid, &network, &address, &owner];
    let rows = tx.rows(statement!("remove_wallet"), params).await?;
    let row = rows.first().ok_or_else(|| StoreError::lost("remove_wallet"))?;
    if row.get("was_tracked") {
        note(&tx, by, "remove wallet", &format!("{user_uuid} {network}:{address}")).await?;
    }
    tx.commit().await?;
    Ok(RemovedWallet {
        has_user: row.get::<_, Option<i64>>("user_id").is_some(),
        has_account: row.get::<_, Option<i64>>("account_id").is_some(),
    })
}
