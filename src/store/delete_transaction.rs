//! Deleting a transaction.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::store::{StoreError, statement::statement, tx::PooledTx};

/// Deletes the row of an id that occurred at this instant; whether it was there.
///
/// # Errors
/// If the database refuses.
pub async fn delete_row(
    tx: &PooledTx,
    transaction_id: Uuid,
    occurred_at: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let statement = statement!("delete_transaction");
    Ok(!tx.rows(statement, &[&transaction_id, &occurred_at]).await?.is_empty())
}
