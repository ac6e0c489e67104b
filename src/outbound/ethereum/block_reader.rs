//! Blocks as they come.

use serde::Deserialize;

use crate::{
    domain::{
        erc20::{Hash, bloom::Bloom, logs::Block},
        hex,
    },
    outbound::{
        ethereum::{envelope::malformed, log_reader::instant},
        source_error::SourceError,
    },
};

/// A block, of which only the header is of use.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawBlock<'a> {
    number: &'a str,
    hash: &'a str,
    parent_hash: &'a str,
    timestamp: &'a str,
    #[serde(borrow, default)]
    logs_bloom: Option<&'a str>,
}

/// Reads one.
///
/// # Errors
/// If it makes no sense.
pub(super) fn read_block(raw: &RawBlock<'_>) -> Result<Block, SourceError> {
    let odd = |what: &str| malformed(format!("a block without {what}"));
    Ok(Block {
        height: hex::quantity(raw.number).ok_or_else(|| odd("its number"))?,
        hash: Hash::parse(raw.hash).ok_or_else(|| odd("its hash"))?,
        parent: Hash::parse(raw.parent_hash).ok_or_else(|| odd("its parent"))?,
        time: instant(raw.timestamp).ok_or_else(|| odd("its time"))?,
        bloom: raw.logs_bloom.and_then(Bloom::parse),
    })
}
