//! Users, deleted.

use uuid::Uuid;

use crate::store::{StoreError, statement::statement, tx::PooledTx};

/// What is known of a UUID.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UserFacts {
    /// Key of the user whose it is; the user is locked until the tx ends.
    pub user_id: Option<i64>,
    /// Whether it was that of a user who was deleted.
    pub is_deleted: bool,
    /// Key of the payments account.
    pub account_id: Option<i64>,
    /// Whether a seeding has loaded rows that are in no running total yet.
    pub is_seeding: bool,
}

/// Locks the user of a UUID, and says what is known of it.
///
/// # Errors
/// If the database cannot answer.
pub async fn lock_user(tx: &PooledTx, user_uuid: Uuid) -> Result<UserFacts, StoreError> {
    let locked = tx.rows(statement!("delete_user_lock"), &[&user_uuid]).await?;
    // Asked after the lock was waited for: whoever held it may have deleted the user.
    let facts = tx.rows(statement!("delete_user_facts"), &[&user_uuid]).await?;
    let facts = facts.first().ok_or_else(|| StoreError::lost("delete_user_facts"))?;
    Ok(UserFacts {
        user_id: locked.first().map(|row| row.get("user_id")),
        is_deleted: facts.get("is_deleted"),
        account_id: facts.get("account_id"),
        is_seeding: facts.get("is_seeding"),
    })
}

/// Deletes a user, and what wallets the user tracked.
///
/// # Errors
/// If the database refuses.
pub async fn delete_user(tx: &PooledTx, user_id: i64) -> Result<(), StoreError> {
    tx.rows(statement!("delete_user"), &[&user_id]).await.map(drop)
}
