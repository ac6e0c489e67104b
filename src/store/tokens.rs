//! Tokens: what is recorded of them, and their known blocks. In the snapshot of the answer, so
//! that rows and what is said of them are of one moment.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;

use crate::{
    domain::{
        job::JobState,
        token::{KnownBlock, Token, TokenCheck, TokenStream, ZERO_ADDRESS},
    },
    store::{Snapshot, StoreError, assets::decimals, numeric::Numeric, statement::statement},
};

/// The token of a contract on a network.
///
/// # Errors
/// If the database cannot answer.
pub async fn find(
    session: &Snapshot,
    network: &str,
    contract: &str,
) -> Result<Option<Token>, StoreError> {
    let params = [&network as _, &contract as _, &ZERO_ADDRESS as _];
    let rows = session.rows(statement!("token_find"), &params).await?;
    Ok(rows.first().map(token))
}

fn token(row: &Row) -> Token {
    Token {
        asset_id: row.get("asset_id"),
        asset_code: row.get("code"),
        network: row.get("network"),
        contract: row.get("contract"),
        name: row.get("name"),
        symbol: row.get("symbol"),
        decimals: decimals(row),
        zero_account_id: row.get("zero_account_id"),
        stream: row.get::<_, Option<i64>>("stream_id").map(|stream_id| stream(stream_id, row)),
        check: check(row),
    }
}

fn stream(stream_id: i64, row: &Row) -> TokenStream {
    let head = (|| {
        Some(KnownBlock {
            height: row.get::<_, Option<_>>("head_height")?,
            hash: row.get::<_, Option<_>>("head_hash")?,
            mined_at: row.get::<_, Option<_>>("head_mined_at")?,
        })
    })();
    TokenStream {
        stream_id,
        first_height: row.get("first_height"),
        last_height: row.get("last_height"),
        head,
        final_height: row.get("final_height"),
        generation: row.get("generation"),
        transfer_count: row.get("transfer_count"),
        other_count: row.get("other_count"),
        synced_at: row.get("synced_at"),
        job: row.get::<_, Option<&str>>("job_state").map(JobState::of),
    }
}

fn check(row: &Row) -> Option<TokenCheck> {
    Some(TokenCheck {
        checked_at: row.get::<_, Option<_>>("checked_at")?,
        height: row.get("checked_height"),
        sampled: row.get("sampled"),
        differing: row.get("differing"),
        recorded_supply: row.get::<_, Numeric>("recorded_supply").0,
        contract_supply: row.get::<_, Option<Numeric>>("contract_supply").map(|number| number.0),
    })
}

/// The last known block at a height or below.
///
/// # Errors
/// If the database cannot answer.
pub async fn block_at_height(
    session: &Snapshot,
    stream_id: i64,
    height: i64,
) -> Result<Option<KnownBlock>, StoreError> {
    let rows = session.rows(statement!("token_block_at_height"), &[&stream_id, &height]).await?;
    Ok(rows.first().map(block))
}

/// The first known block at a height or above.
///
/// # Errors
/// If the database cannot answer.
pub async fn block_from_height(
    session: &Snapshot,
    stream_id: i64,
    height: i64,
) -> Result<Option<KnownBlock>, StoreError> {
    let rows = session.rows(statement!("token_block_from_height"), &[&stream_id, &height]).await?;
    Ok(rows.first().map(block))
}

/// The last known block that was made at an instant or before.
///
/// # Errors
/// If the database cannot answer.
pub async fn block_at_instant(
    session: &Snapshot,
    stream_id: i64,
    at: DateTime<Utc>,
) -> Result<Option<KnownBlock>, StoreError> {
    let rows = session.rows(statement!("token_block_at_instant"), &[&stream_id, &at]).await?;
    Ok(rows.first().map(block))
}

fn block(row: &Row) -> KnownBlock {
    KnownBlock {
        height: row.get("height"),
        hash: row.get("block_hash"),
        mined_at: row.get("mined_at"),
    }
}
