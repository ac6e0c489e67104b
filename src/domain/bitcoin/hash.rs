//! The names of transactions and blocks of Bitcoin: 32 bytes, written the way explorers write them,
//! which is the reverse of how they stand in a block.

use std::fmt::{self, Display, Formatter};

use crate::domain::hex;

/// Bytes of a hash.
const BYTES: usize = 32;

/// What a transaction of the chain is called: the hash of what it says, without its witnesses.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Txid([u8; BYTES]);

/// What a block is called: the hash of its header.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct BlockHash([u8; BYTES]);

impl Txid {
    /// Reads 64 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        hex::bare_fixed(text).map(Self)
    }
}

impl BlockHash {
    /// Reads 64 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        hex::bare_fixed(text).map(Self)
    }
}

impl Display for Txid {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::bare_text(&self.0))
    }
}

impl Display for BlockHash {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::bare_text(&self.0))
    }
}
