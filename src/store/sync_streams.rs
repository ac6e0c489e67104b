//! Streams: what is synced, and how far it has come.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio_postgres::Row;

use crate::store::{Database, StoreError, assets::decimals, statement::statement, tx::PooledTx};

/// An asset whose rows are synced from a chain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ChainAsset {
    /// Its key.
    pub asset_id: i32,
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// Decimals that one unit of it is divided into.
    pub decimals: u32,
    /// What its contract calls it; empty where it does not.
    pub symbol: String,
}

/// What one walk fills.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stream {
    /// Its key.
    pub stream_id: i64,
    /// The network.
    pub network: String,
    /// The contract of a token; `None` for the network's coin.
    pub contract: Option<String>,
    /// The asset.
    pub asset_id: i32,
    /// Its code.
    pub asset_code: String,
    /// Decimals that one unit of it is divided into.
    pub decimals: u32,
    /// The account of a wallet; 0 for a token.
    pub account_id: i64,
    /// The address of a wallet.
    pub address: Option<String>,
    /// First block that is asked for.
    pub first_height: i64,
    /// Last block that is asked for; `None`: the head.
    pub last_height: Option<i64>,
    /// Block up to which everything is recorded.
    pub head_height: Option<i64>,
    /// Its hash.
    pub head_hash: Option<String>,
    /// Block up to which nothing is taken back any more; -1: none.
    pub final_height: i64,
    /// Rows from here on are recorded; `None`: from the beginning of the chain.
    pub complete_from: Option<DateTime<Utc>>,
    /// Rows before this instant are recorded; `None`: it was never synced.
    pub complete_until: Option<DateTime<Utc>>,
    /// Counts withdrawals.
    pub generation: i64,
    /// Transfers that are recorded (tokens).
    pub transfer_count: i64,
    /// Events that look like transfers and are none of this token's.
    pub other_count: i64,
    /// Where a scan goes on that was cut off.
    pub resume: Option<String>,
    /// When a job last reached the head.
    pub synced_at: Option<DateTime<Utc>>,
    /// How long ago it was recorded that its asset is synced.
    pub asset_age: Duration,
}

fn stream(row: &Row) -> Stream {
    Stream {
        stream_id: row.get("stream_id"),
        network: row.get("network"),
        contract: row.get("contract"),
        asset_id: row.get("asset_id"),
        asset_code: row.get("code"),
        decimals: decimals(row),
        account_id: row.get("account_id"),
        address: row.get("address"),
        first_height: row.get("first_height"),
        last_height: row.get("last_height"),
        head_height: row.get("head_height"),
        head_hash: row.get("head_hash"),
        final_height: row.get("final_height"),
        complete_from: row.get("complete_from"),
        complete_until: row.get("complete_until"),
        generation: row.get("generation"),
        transfer_count: row.get("transfer_count"),
        other_count: row.get("other_count"),
        resume: row.get("resume"),
        synced_at: row.get("synced_at"),
        asset_age: Duration::try_from_secs_f64(row.get("asset_age_seconds")).unwrap_or_default(),
    }
}

/// The asset that is synced from a network: a contract's, or the network's coin.
///
/// # Errors
/// If the database cannot answer.
pub async fn find_asset(
    database: &Database,
    network: &str,
    contract: Option<&str>,
) -> Result<Option<ChainAsset>, StoreError> {
    let answer = database.read(statement!("sync_assets_find"), &[&network, &contract]).await?;
    Ok(answer.value.first().map(|row| ChainAsset {
        asset_id: row.get("asset_id"),
        code: row.get("code"),
        name: row.get("name"),
        decimals: decimals(row),
        symbol: row.get("symbol"),
    }))
}

/// Has an asset synced from a network. Nothing if it is.
///
/// # Errors
/// If the database cannot answer.
pub async fn add_asset(
    database: &Database,
    asset_code: &str,
    network: &str,
    contract: Option<&str>,
    symbol: &str,
) -> Result<(), StoreError> {
    let params = [&asset_code as _, &network as _, &contract as _, &symbol as _];
    database.read(statement!("sync_assets_add"), &params).await?;
    Ok(())
}

/// Whether an asset that is not synced has transactions.
///
/// # Errors
/// If the database cannot answer.
pub async fn has_rows(database: &Database, asset_code: &str) -> Result<bool, StoreError> {
    let answer = database.read(statement!("sync_assets_has_rows"), &[&asset_code]).await?;
    Ok(answer.value.first().is_some_and(|row| row.get("has_rows")))
}

/// The stream of an asset and an account (0: all of them), made from `first_height` to
/// `last_height` (`None`: the head) if it was not there.
///
/// # Errors
/// If the database cannot answer.
pub async fn ensure(
    database: &Database,
    (asset_id, account_id): (i32, i64),
    first_height: i64,
    last_height: Option<i64>,
) -> Result<Stream, StoreError> {
    let params = [&asset_id as _, &account_id as _, &first_height as _, &last_height as _];
    database.read(statement!("sync_streams_add"), &params).await?;
    let added = look_up(database, None, Some((asset_id, account_id))).await?;
    added.ok_or_else(|| StoreError::lost("sync_streams_get"))
}

/// A stream by its key.
///
/// # Errors
/// If the database cannot answer.
pub async fn get(database: &Database, stream_id: i64) -> Result<Option<Stream>, StoreError> {
    look_up(database, Some(stream_id), None).await
}

/// A stream by its key, or by its asset and account.
async fn look_up(
    database: &Database,
    stream_id: Option<i64>,
    subject: Option<(i32, i64)>,
) -> Result<Option<Stream>, StoreError> {
    let (asset_id, account_id) = subject.unzip();
    let params = [&stream_id as _, &asset_id as _, &account_id as _];
    let answer = database.read(statement!("sync_streams_get"), &params).await?;
    Ok(answer.value.first().map(stream))
}

/// How far a stream has come, as of a tx that writes its rows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mark {
    /// Block up to which everything is recorded; `None` leaves it as it is.
    pub head: Option<Head>,
    /// Block up to which nothing is taken back any more; it never goes down.
    pub final_height: i64,
    /// Rows from here on are recorded, for a stream that does not begin with the chain; `None`
    /// leaves it as it is.
    pub complete_from: Option<DateTime<Utc>>,
    /// Transfers that came, less those that were withdrawn.
    pub transfers_added: i64,
    /// Events that look like transfers and are none of this token's, likewise.
    pub others_added: i64,
    /// Whether rows were withdrawn: what is recorded from now on has other ids.
    pub is_withdrawal: bool,
    /// Whether something came of it that the next try need not do again: tries are counted anew.
    pub is_progress: bool,
    /// Where a scan goes on that is cut off.
    pub resume: Option<String>,
}

impl Mark {
    /// One that moves nothing and counts nothing.
    pub const UNMOVED: Self = Self {
        head: None,
        final_height: -1,
        complete_from: None,
        transfers_added: 0,
        others_added: 0,
        is_withdrawal: false,
        is_progress: false,
        resume: None,
    };
}

/// The block up to which everything is recorded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Head {
    /// Its height.
    pub height: i64,
    /// Its hash.
    pub hash: String,
    /// Rows before this instant are recorded: for a block's time `t`, `t` and a microsecond.
    pub complete_until: DateTime<Utc>,
}

/// Moves the mark of a stream, in the tx that writes its rows.
///
/// # Errors
/// If the database refuses.
pub async fn mark(tx: &PooledTx, stream_id: i64, mark: &Mark) -> Result<(), StoreError> {
    let head = mark.head.as_ref();
    let (height, hash, complete_until) = (
        head.map(|head| head.height),
        head.map(|head| head.hash.as_str()),
        head.map(|head| head.complete_until),
    );
    let params = [
        &stream_id as _,
        &height as _,
        &hash as _,
        &complete_until as _,
        &mark.final_height as _,
        &mark.complete_from as _,
        &mark.transfers_added as _,
        &mark.others_added as _,
        &mark.is_withdrawal as _,
        &mark.resume as _,
        &mark.is_progress as _,
    ];
    tx.rows(statement!("sync_streams_mark"), &params).await?;
    Ok(())
}
