//! Where Bitcoin's transactions are recorded, and in which of them a wallet takes part.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use crate::{
    domain::{
        bitcoin::{DECIMALS, Satoshis},
        transaction::KeyedTransaction,
    },
    store::{
        Database, StoreError, record_transactions::copy_in_tx, statement::statement, tx::PooledTx,
    },
};

/// A transaction in which a wallet takes part, as it was recorded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Participation {
    /// The transaction of the chain.
    pub reference: String,
    /// The block in which its rows are recorded; `None` if they are not.
    pub block: Option<RecordedBlock>,
}

/// A block in which rows are recorded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RecordedBlock {
    /// Its height.
    pub height: i64,
    /// Its hash.
    pub hash: String,
    /// Which of its transactions the rows are of, if that is known.
    pub index: Option<i64>,
}

/// A block that a transaction of the chain is in, and where in it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Placed {
    /// The transaction of the chain.
    pub reference: String,
    /// Height of its block.
    pub height: i64,
    /// Which of the block's transactions it is, if that is known.
    pub block_index: Option<i64>,
    /// When the block was mined.
    pub mined_at: DateTime<Utc>,
    /// The block's hash.
    pub block_hash: String,
    /// What the miner got.
    pub fee: Satoshis,
}

/// What is recorded of a transaction of the chain, locked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Standing {
    /// Which of its block's transactions it is, if that is known.
    pub block_index: Option<i64>,
    /// When the block was mined.
    pub mined_at: DateTime<Utc>,
    /// The block's hash.
    pub block_hash: String,
    /// Of the ids of its rows.
    pub generation: i64,
    /// Whether its rows are recorded.
    pub is_recorded: bool,
}

/// The transactions in which a wallet takes part, from one height to another, both meant.
///
/// # Errors
/// If the database cannot answer.
pub async fn participations(
    database: &Database,
    (stream_id, network): (i64, &str),
    (lowest, highest): (i64, i64),
) -> Result<Vec<Participation>, StoreError> {
    let params = [&stream_id as _, &lowest as _, &highest as _, &network as _];
    let answer = database.read(statement!("sync_transactions_span"), &params).await?;
    let one = |row: &tokio_postgres::Row| {
        let height: Option<i64> = row.get("height");
        let (hash, index) = (row.get("block_hash"), row.get("block_index"));
        let block = height.zip(hash).map(|(height, hash)| RecordedBlock { height, hash, index });
        Participation { reference: row.get("reference"), block }
    };
    Ok(answer.value.iter().map(one).collect())
}

/// Height and hash of the newest block, up to a height, with a recorded transaction in which a
/// wallet takes part.
///
/// # Errors
/// If the database cannot answer.
pub async fn anchor(
    database: &Database,
    (stream_id, network): (i64, &str),
    height: i64,
) -> Result<Option<(i64, String)>, StoreError> {
    let params = [&stream_id as _, &height as _, &network as _];
    let answer = database.read(statement!("sync_transactions_anchor"), &params).await?;
    Ok(answer.value.first().map(|row| (row.get("height"), row.get("block_hash"))))
}

/// In how many transactions up to a height a wallet takes part.
///
/// # Errors
/// If the database cannot answer.
pub async fn count_participations(
    tx: &PooledTx,
    stream_id: i64,
    height: i64,
) -> Result<i64, StoreError> {
    let rows = tx.rows(statement!("sync_transactions_count"), &[&stream_id, &height]).await?;
    let row = rows.first().ok_or_else(|| StoreError::lost("sync_transactions_count"))?;
    Ok(row.get("count"))
}

/// What is recorded of transactions of a chain, by their references: of those that are placed,
/// which have a standing from now on, and of others that may be withdrawn. Nobody else changes any
/// of it until the tx ends.
///
/// # Errors
/// If the database refuses.
pub async fn lock(
    tx: &PooledTx,
    network: &str,
    placed: &[&Placed],
    others: &[&str],
) -> Result<HashMap<String, Standing>, StoreError> {
    let (references, heights, times, hashes, fees) = (
        placed.iter().map(|one| one.reference.as_str()).collect::<Vec<_>>(),
        placed.iter().map(|one| one.height).collect::<Vec<_>>(),
        placed.iter().map(|one| one.mined_at).collect::<Vec<_>>(),
        placed.iter().map(|one| one.block_hash.as_str()).collect::<Vec<_>>(),
        placed.iter().map(|one| bitcoins(one.fee)).collect::<Vec<_>>(),
    );
    let params =
        [&network as _, &references as _, &heights as _, &times as _, &hashes as _, &fees as _];
    tx.rows(statement!("chain_transactions_reserve"), &params).await?;
    let all = [&references[..], others].concat();
    let rows = tx.rows(statement!("chain_transactions_lock"), &[&network, &all]).await?;
    let standing = |row: &tokio_postgres::Row| Standing {
        block_index: row.get("block_index"),
        mined_at: row.get("mined_at"),
        block_hash: row.get("block_hash"),
        generation: row.get("generation"),
        is_recorded: row.get("is_recorded"),
    };
    Ok(rows.iter().map(|row| (row.get("reference"), standing(row))).collect())
}

/// Takes back the rows of a reference that are recorded at this instant.
///
/// # Errors
/// If the database refuses.
pub async fn delete_rows(
    tx: &PooledTx,
    asset_id: i32,
    reference: &str,
    mined_at: DateTime<Utc>,
) -> Result<(), StoreError> {
    let statement = statement!("chain_transactions_delete_rows");
    tx.rows(statement, &[&asset_id, &reference, &mined_at]).await?;
    Ok(())
}

/// Notes that the rows of these references are taken back, which the lock holds.
///
/// # Errors
/// If the database refuses.
pub async fn withdraw(tx: &PooledTx, network: &str, references: &[&str]) -> Result<(), StoreError> {
    tx.rows(statement!("chain_transactions_withdraw"), &[&network, &references]).await?;
    Ok(())
}

/// Records rows of these transactions of a chain, each with the generation of its rows' ids; the
/// lock holds them.
///
/// # Errors
/// If the database refuses.
pub async fn place(
    tx: &PooledTx,
    network: &str,
    placed: &[(&Placed, i64)],
    rows: &[KeyedTransaction],
) -> Result<(), StoreError> {
    if placed.is_empty() {
        return Ok(());
    }
    copy_in_tx(tx, rows.iter()).await?;
    let ones = || placed.iter().map(|(one, _)| *one);
    let (references, heights, indexes, times, hashes, fees, generations) = (
        ones().map(|one| one.reference.as_str()).collect::<Vec<_>>(),
        ones().map(|one| one.height).collect::<Vec<_>>(),
        ones().map(|one| one.block_index).collect::<Vec<_>>(),
        ones().map(|one| one.mined_at).collect::<Vec<_>>(),
        ones().map(|one| one.block_hash.as_str()).collect::<Vec<_>>(),
        ones().map(|one| bitcoins(one.fee)).collect::<Vec<_>>(),
        placed.iter().map(|(_, generation)| *generation).collect::<Vec<_>>(),
    );
    let params = [
        &network as _,
        &references as _,
        &heights as _,
        &indexes as _,
        &times as _,
        &hashes as _,
        &fees as _,
        &generations as _,
    ];
    tx.rows(statement!("chain_transactions_place"), &params).await?;
    Ok(())
}

/// Notes in which transactions of a span of heights, both ends meant, a wallet takes part: in these
/// and no others.
///
/// # Errors
/// If the database refuses.
pub async fn replace_participations(
    tx: &PooledTx,
    stream_id: i64,
    (lowest, highest): (i64, i64),
    placed: &[&Placed],
) -> Result<(), StoreError> {
    let params = [&stream_id as _, &lowest as _, &highest as _];
    tx.rows(statement!("sync_transactions_clear"), &params).await?;
    let references: Vec<&str> = placed.iter().map(|one| one.reference.as_str()).collect();
    let heights: Vec<i64> = placed.iter().map(|one| one.height).collect();
    let params = [&stream_id as _, &references as _, &heights as _];
    tx.rows(statement!("sync_transactions_add"), &params).await?;
    Ok(())
}

/// A transaction that is in no block yet, as a wallet sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unconfirmed {
    /// The transaction of the chain.
    pub reference: String,
    /// What it brings the wallet.
    pub received: u64,
    /// What the wallet puts in.
    pub sent: u64,
}

/// Notes which transactions of a wallet are in no block yet: these and no others.
///
/// # Errors
/// If the database refuses.
pub async fn replace_unconfirmed(
    tx: &PooledTx,
    stream_id: i64,
    unconfirmed: &[Unconfirmed],
) -> Result<(), StoreError> {
    tx.rows(statement!("unconfirmed_transactions_clear"), &[&stream_id]).await?;
    let references: Vec<&str> = unconfirmed.iter().map(|one| one.reference.as_str()).collect();
    let received: Vec<String> = unconfirmed.iter().map(|one| satoshis(one.received)).collect();
    let sent: Vec<String> = unconfirmed.iter().map(|one| satoshis(one.sent)).collect();
    let params = [&stream_id as _, &references as _, &received as _, &sent as _];
    tx.rows(statement!("unconfirmed_transactions_add"), &params).await?;
    Ok(())
}

fn bitcoins(amount: Satoshis) -> String {
    satoshis(amount.count())
}

/// Satoshis in whole bitcoins, as NUMERIC reads them.
fn satoshis(count: u64) -> String {
    crate::domain::decimal::Decimal::new(count.into(), DECIMALS).to_text(DECIMALS)
}
