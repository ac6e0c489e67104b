//! What was done by whom.

use crate::{
    domain::access::Principal,
    store::{Database, StoreError, statement::statement, tx::PooledTx},
};

/// Notes, in the tx that does it, that somebody did something to something.
///
/// # Errors
/// If the database refuses; the tx fails with it.
pub async fn note(
    tx: &PooledTx,
    by: &Principal,
    action: &str,
    subject: &str,
) -> Result<(), StoreError> {
    let params = [&by.to_string() as _, &action as _, &subject as _];
    tx.rows(statement!("audit_log_add"), &params).await.map(drop)
}

/// Notes, in a tx of its own, that somebody did something to several things.
///
/// # Errors
/// If the database refuses; nothing is noted then. If the connection broke, whether it was noted is
/// unknown.
pub async fn note_all(
    database: &Database,
    by: &Principal,
    action: &str,
    subjects: &[String],
) -> Result<(), StoreError> {
    let tx = PooledTx::begin(database, "audit_log_add").await?;
    for subject in subjects {
        note(&tx, by, action, subject).await?;
    }
    tx.commit().await
}
