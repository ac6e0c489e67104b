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

/// The same, beginning with the block's height: rows of one time lie together in the register of
/// ids, which is filled several times as fast then as with ids in no order. 74 bits of the digest
/// are left, which tell the rows of one height apart.
#[must_use]
pub fn ordered_row_id(height: u64, row_id: Uuid) -> Uuid {
    let mut bytes = *row_id.as_bytes();
    // 48 bits: more blocks than any chain will have.
    bytes[..6].copy_from_slice(&height.to_be_bytes()[2..]);
    Uuid::from_bytes(bytes)
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

    #[test]
    fn ordered_ids_follow_heights_and_keep_rows_apart() {
        let ids: Vec<Uuid> = (0..3)
            .flat_map(|height| [7, 8].map(|place| (height << 20, place)))
            .map(|(height, place)| {
                ordered_row_id(height, chain_row_id("evm-1", "0xa", "0xb", place, 0))
            })
            .collect();
        assert!(ids[1] < ids[2] && ids[0] < ids[3] && ids[3] < ids[4] && ids[2] < ids[5]);
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
        assert!(ids.iter().all(|id| id.get_version_num() == 8));
    }
}
