//! What was read of a history and is not written yet.

use chrono::{DateTime, Utc};

use crate::{
    domain::bitcoin::{BitcoinTransaction, BlockHash, Found, FoundTransaction},
    outbound::bitcoin::Cursor,
    sync::bitcoin::BatchLimits,
};

/// A transaction of a history, with the place after it.
pub(super) struct Listed {
    pub(super) transaction: BitcoinTransaction,
    pub(super) height: u32,
    /// The block and its time, if the list says them.
    pub(super) block: Option<(BlockHash, DateTime<Utc>)>,
    pub(super) after: Cursor,
    /// What the source had counted until here and is not recorded.
    pub(super) beside: i64,
}

impl Listed {
    /// `None` if it is in no block.
    pub(super) fn new(found: FoundTransaction, after: Cursor, beside: i64) -> Option<Self> {
        let (height, block) = match found.found {
            Found::Unconfirmed => return None,
            Found::AtHeight(height) => (height, None),
            Found::InBlock { place, mined_at } => (place.height, Some((place.hash, mined_at))),
        };
        Some(Self { transaction: found.transaction, height, block, after, beside })
    }
}

/// Transactions of a history, newest first.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) listed: Vec<Listed>,
    coins: usize,
}

impl Batch {
    /// Adds the next one. Whether it belongs there: no higher than the one before.
    pub(super) fn push(&mut self, one: Listed) -> bool {
        if self.listed.last().is_some_and(|last| last.height < one.height) {
            return false;
        }
        self.coins += coins(&one);
        self.listed.push(one);
        true
    }

    /// Whether it is large enough to be written.
    pub(super) fn is_full(&self, limits: BatchLimits) -> bool {
        self.listed.len() >= limits.transactions || self.coins >= limits.coins
    }

    /// Takes what is above the lowest height, which may go on in the next page. `None` if there is
    /// nothing else.
    pub(super) fn take_whole(&mut self) -> Option<Self> {
        let lowest = self.listed.last()?.height;
        let cut = self.listed.partition_point(|one| one.height > lowest);
        if cut == 0 {
            return None;
        }
        let rest = self.listed.split_off(cut);
        let whole = std::mem::replace(&mut self.listed, rest);
        self.coins = self.listed.iter().map(coins).sum();
        Some(Self { listed: whole, coins: 0 })
    }
}

fn coins(one: &Listed) -> usize {
    one.transaction.spent().len() + one.transaction.created().len()
}
