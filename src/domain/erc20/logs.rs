//! Logs and blocks as a source answers them, and what must hold of an answer before it is
//! believed.

use std::cmp::Ordering;

use chrono::{DateTime, Utc};

use crate::domain::erc20::{Event, Hash, bloom::Bloom, ranges::Range};

/// A block's header, as far as it is of use.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Block {
    /// Its number.
    pub height: u64,
    /// Its name.
    pub hash: Hash,
    /// The block before it.
    pub parent: Hash,
    /// When it was made.
    pub time: DateTime<Utc>,
    /// Which addresses and topics its logs may have, where the source says.
    pub bloom: Option<Bloom>,
}

/// A log with the topic of a transfer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Log {
    /// Number of its block.
    pub height: u64,
    /// Its number in the block.
    pub index: u32,
    /// Name of its block, where the source says.
    pub block: Option<Hash>,
    /// When its block was made, where the source says.
    pub time: Option<DateTime<Utc>>,
    /// The transaction that it is of.
    pub reference: Hash,
    /// What it says.
    pub event: Event,
}

/// Why an answer is not believed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum LogsFault {
    /// A log of a block that was not asked for.
    #[error("a log of block {0}, which was not asked for")]
    OutOfRange(u64),
    /// Two logs of one number.
    #[error("two logs {1} of block {0}")]
    Twice(u64, u32),
    /// Two blocks of one height, as where the chain changed while it was read.
    #[error("two blocks {0}")]
    TwoBlocks(u64),
}

/// Puts logs into the order of the chain, and leaves out those that are there twice.
///
/// # Errors
/// If they cannot all be logs of these blocks of one chain.
pub fn check(logs: &mut Vec<Log>, range: Range) -> Result<(), LogsFault> {
    if let Some(log) = logs.iter().find(|log| !range.has(log.height)) {
        return Err(LogsFault::OutOfRange(log.height));
    }
    let place = |log: &Log| (log.height, log.index);
    if !logs.is_sorted_by(|a, b| place(a) < place(b)) {
        logs.sort_by_key(place);
        logs.dedup();
    }
    for pair in logs.windows(2) {
        let [a, b] = pair else { continue };
        let is_same_block = a.block == b.block && a.time == b.time;
        match place(a).cmp(&place(b)) {
            Ordering::Less if a.height < b.height || is_same_block => {}
            Ordering::Less => return Err(LogsFault::TwoBlocks(a.height)),
            Ordering::Equal | Ordering::Greater if is_same_block => {
                return Err(LogsFault::Twice(a.height, a.index));
            }
            Ordering::Equal | Ordering::Greater => return Err(LogsFault::TwoBlocks(a.height)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(height: u64, index: u32, block: u8) -> Log {
        Log {
            height,
            index,
            block: Some(Hash([block; 32])),
            time: None,
            reference: Hash::default(),
            event: Event::NotFungible,
        }
    }

    #[test]
    fn logs_are_put_in_order_once_each() {
        let range = Range { first: 7, last: 8 };
        let mut logs = vec![log(8, 0, 8), log(7, 1, 7), log(7, 0, 7), log(7, 1, 7)];
        assert_eq!(check(&mut logs, range), Ok(()));
        assert_eq!(logs, [log(7, 0, 7), log(7, 1, 7), log(8, 0, 8)]);
        assert_eq!(check(&mut Vec::new(), range), Ok(()));
    }

    #[test]
    fn answers_that_contradict_themselves_are_not_believed() {
        let range = Range { first: 7, last: 8 };
        let other = Log { event: Event::Malformed, ..log(7, 0, 7) };
        for (mut logs, fault) in [
            (vec![log(6, 0, 6)], LogsFault::OutOfRange(6)),
            (vec![log(7, 0, 7), log(9, 0, 9)], LogsFault::OutOfRange(9)),
            (vec![log(7, 0, 7), other], LogsFault::Twice(7, 0)),
            (vec![log(7, 0, 7), log(7, 1, 9)], LogsFault::TwoBlocks(7)),
            (vec![log(7, 0, 7), log(7, 0, 9)], LogsFault::TwoBlocks(7)),
        ] {
            assert_eq!(check(&mut logs, range), Err(fault));
        }
    }
}
