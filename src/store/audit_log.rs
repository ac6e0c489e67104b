//! What was done by whom.

use crate::{
    domain::access::Principal,
    store::{StoreError, statement::statement, tx::PooledTx},
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
