//! Rows that come from chains: what one is called, and where it stands among those of its instant.

use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Bits of a row's position that number what is in its block; the rest is the block's height.
const INDEX_BITS: u32 = 24;

/// Largest height of a block whose rows have positions: more blocks than any chain will have.
pub const HEIGHT_MAX: i64 = (1 << (i64::BITS - 1 - INDEX_BITS)) - 1;

/// The position of a row: by the height of its block, then by what numbers the log or the
/// transaction in the block, so that rows in the order of positions are in the order of the chain.
/// `None` for numbers beyond those of any chain.
#[must_use]
pub fn position(height: u64, index: u32) -> Option<i64> {
    let height = i64::try_from(height).ok().filter(|&height| height <= HEIGHT_MAX)?;
    (index < 1 << INDEX_BITS).then_some(first_position(height) + i64::from(index))
}

/// The least position of rows of a block, and of any block above the height before it; the
/// largest number for a height that no row can have.
#[must_use]
pub fn first_position(height: i64) -> i64 {
    height.checked_mul(1 << INDEX_BITS).unwrap_or(i64::MAX)
}

/// The height of the block and the number in it that a row's position stands for.
#[must_use]
pub fn height_and_index(position: i64) -> (i64, i64) {
    (position >> INDEX_BITS, position & ((1 << INDEX_BITS) - 1))
}

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
    fn positions_follow_blocks_and_then_what_is_in_them() {
        let last = (1 << 24) - 1;
        let places =
            [(0, 0), (0, 1), (0, last), (1, 0), (7, last), (8, 0), (u64::from(u32::MAX), 0)];
        let positions = places.map(|(height, index)| position(height, index).expect("a place"));
        assert!(positions.is_sorted_by(|a, b| a < b), "{positions:?}");
        assert_eq!(position(20_000_000, 5), Some((20_000_000 << 24) + 5));
        assert_eq!(position((1 << 39) - 1, last), Some(i64::MAX));
        for (height, index) in [(1, 1 << 24), (1 << 39, 0), (u64::MAX, 0)] {
            assert_eq!(position(height, index), None, "{height} {index}");
        }
        assert_eq!(HEIGHT_MAX, (1 << 39) - 1);
    }

    #[test]
    fn a_position_is_a_height_and_an_index() {
        assert_eq!(first_position(0), 0);
        assert_eq!(height_and_index(first_position(20_000_000) + 5), (20_000_000, 5));
        assert_eq!(height_and_index(first_position(7) - 1), (6, (1 << 24) - 1));
        assert_eq!(height_and_index(i64::MAX), (HEIGHT_MAX, (1 << 24) - 1));
        assert_eq!(first_position(i64::MAX), i64::MAX);
    }

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
