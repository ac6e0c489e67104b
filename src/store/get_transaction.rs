//! Transactions by id and by reference.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    domain::{access::Scope, recorded_transaction::Transaction},
    store::{
        Snapshot, StoreError,
        statement::{Statement, statement},
        transaction::transactions,
        tx::PooledTx,
    },
};

const FIND_ID: Statement = statement!("get_transaction_register");

/// What is known of an id.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RegisteredId {
    /// When its row occurred, which names the day that holds it.
    pub occurred_at: DateTime<Utc>,
    /// When it was deleted, if it was.
    pub deleted_at: Option<DateTime<Utc>>,
}

/// What is known of an id; `None` if it was never recorded.
///
/// # Errors
/// If the database cannot answer.
pub async fn find_id(
    snapshot: &Snapshot,
    transaction_id: Uuid,
) -> Result<Option<RegisteredId>, StoreError> {
    Ok(registered(&snapshot.rows(FIND_ID, &[&transaction_id]).await?))
}

/// The same inside a tx, which sees what others have committed by now.
///
/// # Errors
/// If the database cannot answer.
pub async fn find_id_in_tx(
    tx: &PooledTx,
    transaction_id: Uuid,
) -> Result<Option<RegisteredId>, StoreError> {
    Ok(registered(&tx.rows(FIND_ID, &[&transaction_id]).await?))
}

fn registered(rows: &[Row]) -> Option<RegisteredId> {
    rows.first().map(|row| RegisteredId {
        occurred_at: row.get("occurred_at"),
        deleted_at: row.get("deleted_at"),
    })
}

/// The row of an id, if the day that holds it is at hand and one side of it within the scope.
///
/// # Errors
/// If the database cannot answer.
pub async fn find_row(
    snapshot: &Snapshot,
    transaction_id: Uuid,
    occurred_at: DateTime<Utc>,
    scope: Scope,
) -> Result<Option<Transaction>, StoreError> {
    let statement = statement!("get_transaction_row");
    let owner = scope.owner();
    let rows = snapshot.rows(statement, &[&transaction_id, &occurred_at, &owner]).await?;
    Ok(transactions(statement.stem, &rows)?.pop())
}

/// Up to `limit` instants at which a reference has rows.
///
/// # Errors
/// If the database cannot answer.
pub async fn reference_instants(
    snapshot: &Snapshot,
    reference: &str,
    limit: i64,
) -> Result<Vec<DateTime<Utc>>, StoreError> {
    let statement = statement!("get_transaction_instants");
    let rows = snapshot.rows(statement, &[&reference, &limit]).await?;
    Ok(rows.iter().map(|row| row.get("occurred_at")).collect())
}

/// Up to `limit` rows of a reference at these instants, in their order.
///
/// # Errors
/// If the database cannot answer.
pub async fn reference_rows(
    snapshot: &Snapshot,
    reference: &str,
    instants: &[DateTime<Utc>],
    limit: i64,
) -> Result<Vec<Transaction>, StoreError> {
    let statement = statement!("get_transaction_rows");
    let rows = snapshot.rows(statement, &[&reference, &instants, &limit]).await?;
    transactions(statement.stem, &rows)
}
