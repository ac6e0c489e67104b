//! Deleting a transaction.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::store::{StoreError, statement::statement, tx::PooledTx};

/// Deletes the row of an id that occurred at this instant; `None` if it was not there, else
/// whether its asset is synced from a chain.
///
/// # Errors
/// If the database refuses.
pub async fn delete_row(
    tx: &PooledTx,
    transaction_id: Uuid,
    occurred_at: DateTime<Utc>,
) -> Result<Option<bool>, StoreError> {
    let statement = statement!("delete_transaction");
    let rows = tx.rows(statement, &[&transaction_id, &occurred_at]).await?;
    Ok(rows.first().map(|row| row.get("is_synced")))
}
