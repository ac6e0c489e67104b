//! Where a source's chain leaves the one that is recorded.

use crate::{
    domain::erc20::logs::Block,
    store::{sync_blocks::StreamBlock, sync_streams::Stream},
    sync::{
        erc20::{asker::Asker, signed, unsigned},
        error::JobError,
    },
};

/// Where it does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fork {
    /// It has all that is recorded.
    Nowhere,
    /// It does not reach so far, and is the same as far as it does.
    Behind,
    /// Above this height.
    Above(i64),
}

/// Compares blocks that are recorded, lowest first, with the source's. `head` is the source's last
/// block.
pub(super) async fn find(
    asker: &Asker,
    stream: &Stream,
    recorded: &[StreamBlock],
    head: &Block,
) -> Result<Fork, JobError> {
    let Some(top) = stream.head_height else { return Ok(Fork::Nowhere) };
    let mut known: Vec<(i64, &str)> = recorded
        .iter()
        .filter(|block| !block.hash.is_empty())
        .map(|block| (block.height, block.hash.as_str()))
        .collect();
    if known.last().is_none_or(|&(height, _)| height < top) {
        known.extend(stream.head_hash.as_deref().map(|hash| (top, hash)));
    }
    let reached: Vec<(i64, &str)> =
        known.iter().copied().filter(|&(height, _)| height <= signed(head.height)).collect();
    let Some((&(highest, hash), below)) = reached.split_last() else { return Ok(Fork::Behind) };
    let theirs = if signed(head.height) == highest {
        head.hash
    } else {
        asker.block(unsigned(highest)).await?.hash
    };
    if theirs.to_string() == hash {
        return Ok(if highest == top { Fork::Nowhere } else { Fork::Behind });
    }
    let heights: Vec<u64> = below.iter().map(|&(height, _)| unsigned(height)).collect();
    let blocks = asker.blocks(&heights).await?;
    let same =
        blocks.iter().zip(below).rev().find(|(block, (_, hash))| block.hash.to_string() == *hash);
    match (same, known.first()) {
        (Some((_, &(height, _))), _) => Ok(Fork::Above(height)),
        // Nothing of it is final: it goes back to where the stream begins.
        (None, Some(&(lowest, _))) if lowest > stream.final_height => Ok(Fork::Above(lowest - 1)),
        (None, _) => Err(JobError::Incident(format!(
            "the chain is another one below block {}, which was final: nothing is withdrawn",
            stream.final_height
        ))),
    }
}
