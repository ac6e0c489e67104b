//! What was read of a history and is not written yet.

use std::time::Instant;

use chrono::{DateTime, Utc};

use crate::{
    domain::bitcoin::{BitcoinTransaction, BlockHash, Found, FoundTransaction},
    outbound::bitcoin::Cursor,
    sync::{
        bitcoin::{Amount, BATCH, BATCH_TIME, BLOCK_MAX, HELD_MAX, inconsistent, malformed},
        error::JobError,
    },
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
pub(super) struct Batch {
    pub(super) listed: Vec<Listed>,
    held: Amount,
    /// What of it is at its lowest height.
    lowest: Amount,
    begun_at: Instant,
}

impl Batch {
    pub(super) fn new() -> Self {
        Self { listed: Vec::new(), held: NOTHING, lowest: NOTHING, begun_at: Instant::now() }
    }

    /// Adds the next one.
    ///
    /// # Errors
    /// If it is higher than the one before, or of a block that holds more than any block does.
    pub(super) fn push(&mut self, one: Listed) -> Result<(), JobError> {
        match self.listed.last() {
            Some(last) if last.height < one.height => {
                return Err(inconsistent("the history is not in the order of blocks"));
            }
            Some(last) if last.height == one.height => {}
            Some(_) | None => self.lowest = NOTHING,
        }
        self.lowest.add(&one);
        if self.lowest.transactions > BLOCK_MAX.transactions || self.lowest.coins > BLOCK_MAX.coins
        {
            let what = format!("block {} has more than any block can hold", one.height);
            return Err(malformed(what));
        }
        self.held.add(&one);
        self.listed.push(one);
        Ok(())
    }

    /// Whether it is large or old enough to be written.
    pub(super) fn is_due(&self) -> bool {
        self.held.reaches(BATCH)
            || (!self.listed.is_empty() && self.begun_at.elapsed() >= BATCH_TIME)
    }

    /// Whether it is too large to wait until it can be written.
    pub(super) fn is_too_large(&self) -> bool {
        self.held.reaches(HELD_MAX)
    }

    /// Takes what is above this height and above the lowest one, which may go on in the next page.
    /// `None` if there is nothing.
    pub(super) fn take_above(&mut self, height: i64) -> Option<Vec<Listed>> {
        let bound = i64::from(self.listed.last()?.height).max(height);
        let cut = self.listed.partition_point(|one| i64::from(one.height) > bound);
        if cut == 0 {
            return None;
        }
        let rest = self.listed.split_off(cut);
        let taken = std::mem::replace(&mut self.listed, rest);
        self.held = NOTHING;
        self.listed.iter().for_each(|one| self.held.add(one));
        self.begun_at = Instant::now();
        Some(taken)
    }
}

const NOTHING: Amount = Amount { transactions: 0, coins: 0 };

impl Amount {
    fn add(&mut self, one: &Listed) {
        self.transactions += 1;
        self.coins += one.transaction.spent().len() + one.transaction.created().len();
    }

    fn reaches(self, most: Self) -> bool {
        self.transactions >= most.transactions || self.coins >= most.coins
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::bitcoin::{Coin, Owner, Satoshis, Txid},
        outbound::source_error::SourceError,
    };

    fn listed(number: usize, height: u32, coins: usize) -> Listed {
        let txid = Txid::parse(&format!("{number:064x}")).expect("a hash");
        let value = Satoshis::new(0).expect("an amount");
        let one = Coin { owner: Owner::Fees, value };
        let created = vec![one; coins];
        let transaction = BitcoinTransaction::coinbase(txid, created).expect("a transaction");
        let found = FoundTransaction { transaction, found: Found::AtHeight(height) };
        Listed::new(found, Cursor { last: txid, offset: 0 }, 0).expect("in a block")
    }

    fn is_a_lie(pushed: &Result<(), JobError>) -> bool {
        matches!(pushed, Err(JobError::Source(SourceError::Malformed(_))))
    }

    fn age(batch: &mut Batch) {
        batch.begun_at = batch.begun_at.checked_sub(BATCH_TIME).expect("the machine is up longer");
    }

    #[test]
    fn a_height_has_no_more_than_a_block_holds() {
        let mut batch = Batch::new();
        for (height, number) in [9, 8]
            .into_iter()
            .flat_map(|height| (0..BLOCK_MAX.transactions).map(move |number| (height, number)))
        {
            batch.push(listed(number, height, 1)).expect("room");
        }
        assert!(is_a_lie(&batch.push(listed(0, 8, 1))));
        let mut batch = Batch::new();
        batch.push(listed(0, 8, BLOCK_MAX.coins)).expect("room");
        assert!(is_a_lie(&batch.push(listed(1, 8, 1))));
        batch.push(listed(1, 7, 1)).expect("another block");
        assert!(matches!(batch.push(listed(2, 8, 1)), Err(JobError::Inconsistent(_))));
    }

    #[test]
    fn a_batch_is_written_by_its_size_or_after_a_while_down_to_a_whole_height() {
        let mut batch = Batch::new();
        age(&mut batch);
        assert!(!batch.is_due() && batch.take_above(0).is_none(), "nothing is there");
        let mut batch = Batch::new();
        for (number, height) in [9, 9, 8, 7, 7].into_iter().enumerate() {
            batch.push(listed(number, height, 1)).expect("room");
        }
        assert!(!batch.is_due());
        age(&mut batch);
        assert!(batch.is_due());
        assert!(batch.take_above(9).is_none());
        assert_eq!(batch.take_above(8).map(|taken| taken.len()), Some(2));
        assert!(!batch.is_due(), "the time begins anew");
        assert_eq!(batch.take_above(0).map(|taken| taken.len()), Some(1));
        assert!(batch.take_above(0).is_none(), "the lowest height may go on");
        batch.push(listed(5, 6, BATCH.coins)).expect("room");
        assert!(batch.is_due() && !batch.is_too_large());
    }
}
