//! Which rows a list of transfers is about.
//!
//! The rows themselves are listed by the ledger, as those of any asset are: here a token becomes
//! its asset, and a range of blocks the instants and positions that it stands for.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

use crate::{
    domain::{
        account::AccountKey,
        asset::Asset,
        chain::first_position,
        recorded_transaction::RowPlace,
        running_total::instants::TimeOrder,
        token::{KnownBlock, TokenStream},
        window::Window,
    },
    error::Error,
    store::{Snapshot, days, tokens},
    tokens::{Tokens, find, recorded},
};

/// Blocks by height, both ends inside.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Heights {
    /// The first one.
    pub first: i64,
    /// The last one; the largest number for all that follow.
    pub last: i64,
}

impl Heights {
    /// Whether a row of this position belongs to them.
    #[must_use]
    pub fn hold(self, position: i64) -> bool {
        let beyond = first_position(self.last.saturating_add(1));
        first_position(self.first) <= position && (position < beyond || beyond == i64::MAX)
    }
}

/// Rows to list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TransferRows {
    /// Their asset.
    pub asset: Asset,
    /// How far the token is recorded.
    pub stream: TokenStream,
    /// The last block that is.
    pub head: KnownBlock,
    /// Where the blocks are that were asked for, if some were.
    pub span: Option<BlockSpan>,
}

/// Where the rows of a range of blocks are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BlockSpan {
    /// When; `None` if the blocks have no rows.
    pub window: Option<Window>,
    /// The place behind which the list begins: rows of blocks outside may have the same instant.
    pub after: Option<RowPlace>,
}

impl Tokens {
    /// Which rows a list of the transfers of a token is about, for one that begins at the end of
    /// `order`.
    ///
    /// # Errors
    /// `NotFound` for an unknown token; `InTheWay` for one of which no block is recorded; what
    /// the database says.
    pub async fn transfer_rows(
        &self,
        contract: &AccountKey,
        heights: Option<Heights>,
        order: TimeOrder,
    ) -> Result<TransferRows, Error> {
        let snapshot = days::noted_snapshot(&self.database).await?;
        let outcome = rows(&snapshot, contract, heights, order).await;
        // A refusal is an answer too: its snapshot ends in order.
        let ended = snapshot.end().await;
        let rows = outcome?;
        ended?;
        Ok(rows)
    }
}

async fn rows(
    session: &Snapshot,
    contract: &AccountKey,
    heights: Option<Heights>,
    order: TimeOrder,
) -> Result<TransferRows, Error> {
    let token = find(session, contract).await?;
    let (stream, head) = recorded(&token)?;
    let span = match heights {
        Some(heights) => Some(block_span(session, stream.stream_id, heights, order).await?),
        None => None,
    };
    let asset = Asset {
        asset_id: token.asset_id,
        code: Arc::from(token.asset_code.as_str()),
        decimals: token.decimals,
    };
    Ok(TransferRows { asset, stream: stream.clone(), head: head.clone(), span })
}

async fn block_span(
    session: &Snapshot,
    stream_id: i64,
    heights: Heights,
    order: TimeOrder,
) -> Result<BlockSpan, Error> {
    let first = tokens::block_from_height(session, stream_id, heights.first).await?;
    let last = tokens::block_at_height(session, stream_id, heights.last).await?;
    let ends = first.zip(last).filter(|(first, last)| first.height <= last.height);
    let Some((first, last)) = ends else { return Ok(BlockSpan { window: None, after: None }) };
    let after = match order {
        TimeOrder::OldestFirst => just_before(first.mined_at, heights.first),
        TimeOrder::NewestFirst => just_behind(last.mined_at, heights.last),
    };
    let window = Window::new(first.mined_at, last.mined_at + Duration::microseconds(1));
    Ok(BlockSpan { window, after: Some(after) })
}

/// The last place before the rows of a block.
fn just_before(occurred_at: DateTime<Utc>, height: i64) -> RowPlace {
    let position = first_position(height).saturating_sub(1);
    RowPlace { occurred_at, position, transaction_id: Uuid::max() }
}

/// The first place behind the rows of a block.
fn just_behind(occurred_at: DateTime<Utc>, height: i64) -> RowPlace {
    let position = first_position(height.saturating_add(1));
    let transaction_id = if position == i64::MAX { Uuid::max() } else { Uuid::nil() };
    RowPlace { occurred_at, position, transaction_id }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heights_hold_the_rows_of_their_blocks_and_no_others() {
        let heights = Heights { first: 3, last: 4 };
        for (position, expected) in [
            (first_position(3) - 1, false),
            (first_position(3), true),
            (first_position(5) - 1, true),
            (first_position(5), false),
        ] {
            assert_eq!(heights.hold(position), expected, "{position}");
        }
        let all = Heights { first: 0, last: i64::MAX };
        assert!(all.hold(0) && all.hold(i64::MAX));
    }
}
