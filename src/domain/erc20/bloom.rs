//! The filter in a block's header that tells which addresses and topics its logs may have: the
//! yellow paper, <https://ethereum.github.io/yellowpaper/paper.pdf>, section 4.4.1.
//!
//! It proves that an answer without logs is right, not that one is wrong: a filter may match by
//! accident, and some chains leave it empty.

use sha3::{Digest, Keccak256};

use crate::domain::{
    erc20::{Address, TRANSFER_DIGEST},
    hex,
};

/// Bytes of a filter.
const BYTES: usize = 256;

/// A block's filter.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bloom(Box<[u8; BYTES]>);

impl Bloom {
    /// Reads `0x` and 512 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        hex::fixed(text).map(|bytes| Self(Box::new(bytes)))
    }

    /// Whether the block may have a transfer of this token.
    #[must_use]
    pub fn may_have_transfer_of(&self, token: &Address) -> bool {
        self.may_have(&token.0) && self.may_have(&TRANSFER_DIGEST)
    }

    /// Whether no log at all is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|&byte| byte == 0)
    }

    /// Three bits stand for a value: the low eleven bits of each of its digest's first three
    /// pairs of bytes number them, from the filter's end.
    fn may_have(&self, value: &[u8]) -> bool {
        let digest = Keccak256::digest(value);
        let mut pairs = digest.chunks_exact(2).take(3);
        pairs.all(|pair| {
            let bit = (usize::from(pair[0]) << 8 | usize::from(pair[1])) % (8 * BYTES);
            self.0[BYTES - 1 - bit / 8] >> (bit % 8) & 1 == 1
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_filter_has_nothing_and_a_full_one_may_have_all() {
        let token = Address([7; 20]);
        let empty = Bloom::parse(&format!("0x{}", "00".repeat(BYTES))).expect("a filter");
        assert!(empty.is_empty() && !empty.may_have_transfer_of(&token));
        let full = Bloom::parse(&format!("0x{}", "ff".repeat(BYTES))).expect("a filter");
        assert!(!full.is_empty() && full.may_have_transfer_of(&token));
        assert_eq!(Bloom::parse("0x00"), None);
    }
}
