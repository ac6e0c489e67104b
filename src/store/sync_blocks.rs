//! Blocks of a token's stream, and the rows that are withdrawn with them.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;

use crate::store::{Database, StoreError, statement::statement, tx::PooledTx};

/// A block with rows, or one that may still be taken back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StreamBlock {
    /// Its height.
    pub height: i64,
    /// When it was made.
    pub mined_at: DateTime<Utc>,
    /// Its hash; empty where the source does not tell it.
    pub hash: String,
    /// Hash of the block before it, likewise.
    pub parent: String,
    /// Transfers in it.
    pub transfers: i64,
    /// Events in it that look like transfers and are none of this token's.
    pub others: i64,
}

/// What was withdrawn with blocks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Withdrawn {
    /// How many blocks.
    pub blocks: i64,
    /// How many rows.
    pub rows: i64,
    /// How many other events.
    pub others: i64,
}

/// Blocks of a stream from a height on, lowest first.
///
/// # Errors
/// If the database cannot answer.
pub async fn from(
    database: &Database,
    stream_id: i64,
    height: i64,
) -> Result<Vec<StreamBlock>, StoreError> {
    let answer = database.read(statement!("sync_blocks_after"), &[&stream_id, &height]).await?;
    Ok(answer.value.iter().map(block).collect())
}

fn block(row: &Row) -> StreamBlock {
    StreamBlock {
        height: row.get("height"),
        mined_at: row.get("mined_at"),
        hash: row.get("block_hash"),
        parent: row.get("parent_hash"),
        transfers: row.get("transfer_count"),
        others: row.get("other_count"),
    }
}

/// Records blocks, in the tx that writes their rows.
///
/// # Errors
/// If the database refuses.
pub async fn add(tx: &PooledTx, stream_id: i64, blocks: &[StreamBlock]) -> Result<(), StoreError> {
    let heights: Vec<i64> = blocks.iter().map(|block| block.height).collect();
    let times: Vec<DateTime<Utc>> = blocks.iter().map(|block| block.mined_at).collect();
    let hashes: Vec<&str> = blocks.iter().map(|block| block.hash.as_str()).collect();
    let parents: Vec<&str> = blocks.iter().map(|block| block.parent.as_str()).collect();
    let transfers: Vec<i64> = blocks.iter().map(|block| block.transfers).collect();
    let others: Vec<i64> = blocks.iter().map(|block| block.others).collect();
    let params =
        [&stream_id as _, &heights as _, &times as _, &hashes as _, &parents as _, &transfers as _];
    let params = [&params[..], &[&others as _]].concat();
    tx.rows(statement!("sync_blocks_add"), &params).await?;
    Ok(())
}

/// Forgets blocks without rows that became final: those from `first` on and before `end`.
///
/// # Errors
/// If the database refuses.
pub async fn prune(tx: &PooledTx, stream_id: i64, first: i64, end: i64) -> Result<(), StoreError> {
    tx.rows(statement!("sync_blocks_prune"), &[&stream_id, &first, &end]).await?;
    Ok(())
}

/// Withdraws blocks above a height and the rows of their asset, whose positions begin with
/// `position`.
///
/// # Errors
/// If the database refuses; `Lost` if rows and blocks do not agree on how many rows there were.
pub async fn withdraw(
    tx: &PooledTx,
    (stream_id, asset_id): (i64, i32),
    height: i64,
    position: i64,
) -> Result<Withdrawn, StoreError> {
    let stem = "sync_blocks_withdraw";
    let found = tx.rows(statement!("sync_blocks_withdraw"), &[&stream_id, &height]).await?;
    let found = found.first().ok_or_else(|| StoreError::lost(stem))?;
    let (blocks, transfers, others): (i64, i64, i64) =
        (found.get("blocks"), found.get("transfers"), found.get("others"));
    let span = (found.get("first_at"), found.get("last_at"));
    let (Some(first_at), Some(last_at)): (Option<DateTime<Utc>>, Option<DateTime<Utc>>) = span
    else {
        return Ok(Withdrawn::default());
    };
    let params = [&asset_id as _, &first_at as _, &last_at as _, &position as _];
    let deleted = tx.rows(statement!("sync_rows_withdraw"), &params).await?;
    let rows: i64 = deleted.first().map_or(0, |row| row.get("rows"));
    if rows != transfers {
        return Err(StoreError::lost(stem));
    }
    Ok(Withdrawn { blocks, rows, others })
}
