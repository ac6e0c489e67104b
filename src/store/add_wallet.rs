//! Wallets, added.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    domain::{access::Identity, account::AccountKey, wallet::WalletLimits},
    store::{Database, StoreError, audit_log::note, statement::statement, tx::PooledTx},
};

/// What came of adding a wallet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AddedWallet {
    /// The user tracks the account, since this instant.
    Tracked(DateTime<Utc>),
    /// There is no such user.
    NoUser,
    /// The user tracks as many accounts as there may be.
    UserFull,
    /// As many users track the account as there may be.
    AccountFull,
}

/// Has a user track an account, which is recorded if it is not there, in one tx.
///
/// Others who add wallets of this user, or this account as a wallet, wait for each other,
/// always in the order user, account.
///
/// # Errors
/// If the database refuses. If the connection broke, whether it was added is unknown.
pub async fn add_wallet(
    database: &Database,
    user_uuid: Uuid,
    account: &AccountKey,
    limits: WalletLimits,
    by: &Identity,
) -> Result<AddedWallet, StoreError> {
    let tx = PooledTx::begin(database, "add_wallet").await?;
    let user = tx.rows(statement!("add_wallet_user"), &[&user_uuid, &by.scope.owner()]).await?;
    let Some(user_id) = user.first().map(|row| row.get::<_, i64>("user_id")) else {
        tx.roll_back().await?;
        return Ok(AddedWallet::NoUser);
    };
    let (network, address) = (account.network().as_str(), account.address().as_str());
    tx.rows(statement!("add_wallet_account"), &[&network, &address]).await?;
    let account = tx.rows(statement!("add_wallet_account_lock"), &[&network, &address]).await?;
    let account = account.first().ok_or_else(|| StoreError::lost("add_wallet_account_lock"))?;
    let account_id: i64 = account.get("account_id");
    let wallets_max = i64::from(limits.user_wallets_max);
    let users_max = i64::from(limits.wallet_users_max);
    let statement = statement!("add_wallet");
    let added = tx.rows(statement, &[&user_id, &account_id, &wallets_max, &users_max]).await?;
    let added = added.first().ok_or_else(|| StoreError::lost("add_wallet"))?;
    let Some(added_at) = added.get("added_at") else {
        // Gives up the account too, if it was not there before.
        tx.roll_back().await?;
        let has_room: bool = added.get("has_room_for_wallet");
        return Ok(if has_room { AddedWallet::AccountFull } else { AddedWallet::UserFull });
    };
    if added.get("is_new") {
        note(&tx, by, "add wallet", &format!("{user_uuid} {network}:{address}")).await?;
    }
    tx.commit().await?;
    Ok(AddedWallet::Tracked(added_at))
}
