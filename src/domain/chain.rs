//! Rows that come from chains: what one is called.

use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The id of a row of a chain: a UUID of version 8 (RFC 9562, section 5.8) from a digest of where
/// the row comes from, so that a row that is recorded twice is refused.
///
/// `place` tells apart the rows of one reference in one block. `generation` tells apart rows that
/// were taken back and are recorded anew: an id is never used again.
#[must_use]
pub fn chain_row_id(
    network: &str,
    block_hash: &str,
    reference: &str,
    place: u64,
    generation: i64,
) -> Uuid {
    let mut digest = Sha256::new();
    // None of the texts holds a line feed, so that no two rows are written alike.
    for text in [network, block_hash, reference] {
        digest.update(text);
        digest.update("\n");
    }
    digest.update(place.to_be_bytes());
    digest.update(generation.to_be_bytes());
    let digest = digest.finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_part_makes_another_id() {
        let rows = [
            chain_row_id("ethereum", "0xa", "0xb", 0, 0),
            chain_row_id("evm-1", "0xa", "0xb", 0, 0),
            chain_row_id("ethereum", "0xab", "", 0, 0),
            chain_row_id("ethereum", "", "0xab", 0, 0),
            chain_row_id("ethereum", "0xa", "0xb", 1, 0),
            chain_row_id("ethereum", "0xa", "0xb", 0, 1),
        ];
        assert_eq!(rows.iter().collect::<HashSet<_>>().len(), rows.len());
        assert!(rows.iter().all(|id| id.get_version_num() == 8));
        assert_eq!(rows[0], chain_row_id("ethereum", "0xa", "0xb", 0, 0));
    }
}
