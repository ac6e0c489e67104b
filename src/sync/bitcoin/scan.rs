//! Where a pass stands, and how that is written down between two batches.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    domain::bitcoin::Txid,
    outbound::bitcoin::{Cursor, Dialect},
};

/// The block that a pass is as of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Top {
    pub(super) height: i64,
    pub(super) hash: String,
    /// No block after it says that it was mined before this.
    pub(super) certain_until: DateTime<Utc>,
}

/// Where a pass stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Scan {
    pub(super) top: Top,
    /// What is up to this height is left as it is.
    pub(super) floor: i64,
    /// How long the source says that the history is, for a scan of all of it.
    pub(super) expected: Option<i64>,
    /// What the source counts in it and is not recorded.
    pub(super) beside: i64,
    /// Everything from this height on is recorded.
    pub(super) below: Option<i64>,
    /// Where the next page begins.
    pub(super) cursor: Option<Cursor>,
    /// Whether a walk before this one has begun it.
    pub(super) is_resumed: bool,
}

/// A scan as it is written down.
#[derive(Deserialize, Serialize)]
struct Written {
    counts_places: bool,
    height: i64,
    hash: String,
    /// Seconds since 1970.
    certain_until: i64,
    floor: i64,
    expected: Option<i64>,
    beside: i64,
    below: i64,
    last: String,
    offset: u64,
}

impl Scan {
    /// One that has read nothing.
    pub(super) fn new(top: Top, floor: i64, expected: Option<i64>) -> Self {
        let (beside, below, cursor, is_resumed) = (0, None, None, false);
        Self { top, floor, expected, beside, below, cursor, is_resumed }
    }

    /// Where another walk can go on. `None` before anything is recorded.
    pub(super) fn write(&self, dialect: Dialect) -> Option<String> {
        let (below, cursor) = (self.below?, self.cursor?);
        let written = Written {
            counts_places: counts_places(dialect),
            height: self.top.height,
            hash: self.top.hash.clone(),
            certain_until: self.top.certain_until.timestamp(),
            floor: self.floor,
            expected: self.expected,
            beside: self.beside,
            below,
            last: cursor.last.to_string(),
            offset: cursor.offset,
        };
        serde_json::to_string(&written).ok()
    }

    /// What was written down, unless it means nothing to sources of this dialect.
    pub(super) fn read(text: &str, dialect: Dialect) -> Option<Self> {
        let written: Written = serde_json::from_str(text).ok()?;
        if written.counts_places != counts_places(dialect) {
            return None;
        }
        let certain_until = DateTime::from_timestamp_secs(written.certain_until)?;
        let cursor = Cursor { last: Txid::parse(&written.last)?, offset: written.offset };
        Some(Self {
            top: Top { height: written.height, hash: written.hash, certain_until },
            floor: written.floor,
            expected: written.expected,
            beside: written.beside,
            below: Some(written.below),
            cursor: Some(cursor),
            is_resumed: true,
        })
    }
}

/// Whether cursors are places in a list. Other cursors are transactions, which mean the same to all
/// sources.
fn counts_places(dialect: Dialect) -> bool {
    match dialect {
        Dialect::Blockstream | Dialect::Mempool => false,
        Dialect::BlockchainInfo => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_goes_on_where_sources_of_its_kind_understand_it() {
        let top = Top { height: 9, hash: "ab".repeat(32), certain_until: DateTime::UNIX_EPOCH };
        let mut scan = Scan::new(top, 2, Some(7));
        assert_eq!(scan.write(Dialect::Mempool), None);
        let last = Txid::parse(&"cd".repeat(32)).expect("a hash");
        scan.below = Some(5);
        scan.beside = 1;
        scan.cursor = Some(Cursor { last, offset: 3 });
        let text = scan.write(Dialect::Mempool).expect("a text");
        scan.is_resumed = true;
        assert_eq!(Scan::read(&text, Dialect::Blockstream), Some(scan.clone()));
        assert_eq!(Scan::read(&text, Dialect::BlockchainInfo), None);
        assert_eq!(Scan::read("{}", Dialect::Mempool), None);
    }
}
