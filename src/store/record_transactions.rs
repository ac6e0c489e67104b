//! Recording transactions: one tx for the rows of a chunk, and what must be known to tell
//! why it was refused.

use std::collections::HashMap;

use bytes::BytesMut;
use chrono::{DateTime, NaiveDate, Utc};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    domain::transaction::KeyedTransaction,
    store::{
        Database, StoreError,
        binary_copy::CopyBuffer,
        content_hash::{CONTENT_HASH_BYTES, content_hash},
        numeric::Numeric,
        statement::{Statement, statement},
        tx::PooledTx,
    },
};

/// Bytes of an encoded row, about.
const ROW_BYTES: usize = 128;

/// Copies rows into the parent.
const RECORD: Statement = statement!("record_transactions");

/// What the register has of an id.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KnownId {
    /// When its row occurred.
    pub occurred_at: DateTime<Utc>,
    /// Its content.
    pub content_hash: Vec<u8>,
    /// Whether its row was deleted.
    pub is_deleted: bool,
}

impl KnownId {
    /// Whether the row of this id has the content of the transaction.
    #[must_use]
    pub fn is_of(&self, row: &KeyedTransaction) -> bool {
        let hash: [u8; CONTENT_HASH_BYTES] = content_hash(row, &mut BytesMut::new());
        self.content_hash == hash
    }
}

/// How it stands with a day.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DayState {
    /// Which day.
    pub day: NaiveDate,
    /// Whether rows can be written to it.
    pub has_partition: bool,
    /// Whether its rows are not at hand any more; if so, whether retention dropped it.
    pub absent: Option<bool>,
}

/// Days, today, and how many partitions there are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DayStates {
    /// The days that were asked for.
    pub days: Vec<DayState>,
    /// Today by the server's clock, in UTC.
    pub today: NaiveDate,
    /// Partitions that there are.
    pub partition_count: i64,
}

/// Records rows, all of them or none.
///
/// # Errors
/// `Unique` if an id is known already, `Check` without a constraint if a day has no
/// partition, or what else the database says: nothing is recorded then. If the connection
/// broke, whether they were recorded is unknown.
pub async fn record_transactions(
    database: &Database,
    rows: impl ExactSizeIterator<Item = &KeyedTransaction>,
) -> Result<(), StoreError> {
    let tx = PooledTx::begin(database, RECORD.stem).await?;
    match copy_in_tx(&tx, rows).await {
        Ok(_) => tx.commit().await,
        Err(error) => {
            // In order, so that the connection is kept.
            if let Err(second) = tx.roll_back().await {
                tracing::debug!(error = %second, "could not roll back");
            }
            Err(error)
        }
    }
}

/// Copies rows in a tx of the caller's, in their order; how many came.
///
/// # Errors
/// As for [`record_transactions`]; the tx can only be given up then.
pub async fn copy_in_tx(
    tx: &PooledTx,
    rows: impl ExactSizeIterator<Item = &KeyedTransaction>,
) -> Result<u64, StoreError> {
    let mut copy = CopyBuffer::with_capacity(rows.len() * ROW_BYTES);
    rows.for_each(|row| encode(row, &mut copy));
    copy.send(tx.client(), RECORD.stem, RECORD.text).await
}

fn encode(row: &KeyedTransaction, copy: &mut CopyBuffer) {
    copy.row(8);
    copy.uuid(row.transaction_id);
    copy.timestamptz(row.occurred_at);
    copy.bigint(row.position);
    copy.bigint(row.sender_id);
    copy.bigint(row.receiver_id);
    copy.integer(row.asset_id);
    copy.decimal(&row.amount, row.asset_decimals);
    match &row.reference {
        Some(reference) => copy.bytea(reference.as_bytes()),
        None => copy.null(),
    }
}

/// What the register knows of these ids.
///
/// # Errors
/// If the database cannot answer.
pub async fn known_ids(
    database: &Database,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, KnownId>, StoreError> {
    let answer = database.read(statement!("record_transactions_ids"), &[&ids]).await?;
    let known = |row: &Row| {
        let known = KnownId {
            occurred_at: row.get("occurred_at"),
            content_hash: row.get("content_hash"),
            is_deleted: row.get("is_deleted"),
        };
        (row.get("transaction_id"), known)
    };
    Ok(answer.value.iter().map(known).collect())
}

/// The recorded rows with these ids and instants, as far as they are at hand. Their
/// `asset_decimals` are zero.
///
/// # Errors
/// If the database cannot answer.
pub async fn recorded_rows(
    database: &Database,
    keys: &[(Uuid, DateTime<Utc>)],
) -> Result<HashMap<Uuid, KeyedTransaction>, StoreError> {
    let (ids, instants): (Vec<Uuid>, Vec<DateTime<Utc>>) = keys.iter().copied().unzip();
    let statement = statement!("record_transactions_rows");
    let answer = database.read(statement, &[&ids, &instants]).await?;
    let recorded = |row: &Row| {
        let Numeric(amount) = row.get("amount");
        let recorded = KeyedTransaction {
            transaction_id: row.get("transaction_id"),
            occurred_at: row.get("occurred_at"),
            position: row.get("position"),
            asset_id: row.get("asset_id"),
            asset_decimals: 0,
            sender_id: row.get("sender_id"),
            receiver_id: row.get("receiver_id"),
            amount,
            reference: row.get("reference"),
        };
        (recorded.transaction_id, recorded)
    };
    Ok(answer.value.iter().map(recorded).collect())
}

/// How it stands with these days.
///
/// # Errors
/// If the database cannot answer.
pub async fn day_states(
    database: &Database,
    days: &[NaiveDate],
) -> Result<Option<DayStates>, StoreError> {
    let answer = database.read(statement!("record_transactions_days"), &[&days]).await?;
    Ok(states_of(&answer.value))
}

/// Reads what a statement says of days, of whatever table.
pub(super) fn states_of(rows: &[Row]) -> Option<DayStates> {
    let first = rows.first()?;
    let state = |row: &Row| DayState {
        day: row.get("day"),
        has_partition: row.get("has_partition"),
        absent: row.get("is_dropped"),
    };
    Some(DayStates {
        days: rows.iter().map(state).collect(),
        today: first.get("today"),
        partition_count: first.get("partition_count"),
    })
}
