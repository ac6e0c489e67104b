//! What was done by whom.

use std::net::IpAddr;

use crate::{
    domain::access::{Identity, Role},
    store::{Database, StoreError, statement::statement, tx::PooledTx},
};

/// Who it was of whom nothing is known.
const UNKNOWN: &str = "unknown";

/// Notes, in the tx that does it, that somebody did something to something.
///
/// # Errors
/// If the database refuses; the tx fails with it.
pub async fn note(
    tx: &PooledTx,
    by: &Identity,
    action: &str,
    subject: &str,
) -> Result<(), StoreError> {
    let principal = by.principal.to_string();
    add(tx, (&principal, Some(by.role), by.peer), action, subject).await
}

/// Notes, in a tx of its own, that callers of whom nothing is known were refused. Who they were is
/// in the subjects.
///
/// # Errors
/// If the database refuses; nothing is noted then. If the connection broke, whether it was noted is
/// unknown.
pub async fn note_refusals(
    database: &Database,
    action: &str,
    subjects: &[String],
) -> Result<(), StoreError> {
    let tx = PooledTx::begin(database, "audit_log_add").await?;
    for subject in subjects {
        add(&tx, (UNKNOWN, None, None), action, subject).await?;
    }
    tx.commit().await
}

async fn add(
    tx: &PooledTx,
    (principal, role, peer): (&str, Option<Role>, Option<IpAddr>),
    action: &str,
    subject: &str,
) -> Result<(), StoreError> {
    let role = role.map(Role::as_str);
    let statement = statement!("audit_log_add");
    tx.rows(statement, &[&principal, &role, &peer, &action, &subject]).await.map(drop)
}
