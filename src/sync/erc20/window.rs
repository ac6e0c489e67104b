//! Blocks that may still be taken back: read with their headers, which prove by their hashes that
//! they are of one chain, and that no log of theirs is missing.

use std::collections::HashMap;

use crate::{
    domain::erc20::{
        Hash,
        logs::{Block, Log},
        ranges::{Planner, Range},
    },
    store::{sync_blocks::StreamBlock, sync_streams::Stream},
    sync::{
        erc20::{
            asker::{Asker, changing},
            signed,
        },
        error::JobError,
    },
};

/// A block and its logs, in their order.
#[derive(Clone, Debug)]
pub(super) struct ReadBlock {
    pub(super) block: Block,
    pub(super) logs: Vec<Log>,
}

/// Reads the blocks of a range, lowest first.
pub(super) async fn read(
    asker: &Asker,
    range: Range,
    planner: Planner,
) -> Result<Vec<ReadBlock>, JobError> {
    let heights: Vec<u64> = (range.first..=range.last).collect();
    let blocks = asker.blocks(&heights).await?;
    let is_chain = blocks.windows(2).all(|pair| pair[1].parent == pair[0].hash);
    if !is_chain {
        return Err(changing());
    }
    let mut read: Vec<ReadBlock> =
        blocks.into_iter().map(|block| ReadBlock { block, logs: Vec::new() }).collect();
    let mut places: HashMap<u64, &mut ReadBlock> =
        read.iter_mut().map(|read| (read.block.height, read)).collect();
    for mut log in logs_of(asker, range, planner).await? {
        let place = places.get_mut(&log.height).ok_or_else(changing)?;
        if log.block.is_some_and(|hash| hash != place.block.hash) {
            return Err(changing());
        }
        log.block = Some(place.block.hash);
        log.time = Some(place.block.time);
        place.logs.push(log);
    }
    let Some(node) = asker.node() else {
        // It proves nothing by hashes of logs, so that the chain must be the same afterwards.
        let last = read.last().map(|last| (last.block.height, last.block.hash));
        return match last {
            Some((height, hash)) if asker.block(height).await?.hash != hash => Err(changing()),
            _ => Ok(read),
        };
    };
    let token = asker.token();
    let doubtful = |read: &ReadBlock| {
        let bloom = read.block.bloom.as_ref().filter(|bloom| !bloom.is_empty());
        read.logs.is_empty() && bloom.is_some_and(|bloom| bloom.may_have_transfer_of(token))
    };
    let doubtful: Vec<(Hash, u64)> = read
        .iter()
        .filter(|read| doubtful(read))
        .map(|read| (read.block.hash, read.block.height))
        .collect();
    if !doubtful.is_empty() {
        let lists = asker.logs_of_blocks(node, &doubtful).await?;
        fill(&mut read, lists);
    }
    Ok(read)
}

/// Asks once more for blocks without logs, by their hashes: where rows were and shall not be any
/// more, one empty answer is not enough. An explorer is asked again for the whole range.
pub(super) async fn look_again(asker: &Asker, read: &mut [ReadBlock]) -> Result<(), JobError> {
    let empty: Vec<(Hash, u64)> = read
        .iter()
        .filter(|read| read.logs.is_empty())
        .map(|read| (read.block.hash, read.block.height))
        .collect();
    let (Some(first), Some(last)) = (empty.first(), empty.last()) else { return Ok(()) };
    let Some(node) = asker.node() else {
        let range = Range { first: first.1, last: last.1 };
        let again = logs_of(asker, range, Planner::new(range.length())).await?;
        let is_same = again.iter().all(|log| empty.iter().all(|&(_, height)| height != log.height));
        return if is_same { Ok(()) } else { Err(changing()) };
    };
    let lists = asker.logs_of_blocks(node, &empty).await?;
    fill(read, lists);
    Ok(())
}

/// Refuses blocks that do not follow the last one that is recorded.
pub(super) fn check_parent(stream: &Stream, read: &[ReadBlock]) -> Result<(), JobError> {
    let (Some(first), Some(height)) = (read.first(), stream.head_height) else { return Ok(()) };
    let is_next = signed(first.block.height) == height + 1;
    let hash = stream.head_hash.as_deref().unwrap_or_default();
    if is_next && !hash.is_empty() && first.block.parent.to_string() != hash {
        return Err(changing());
    }
    Ok(())
}

/// Refuses blocks that do not follow the one that is recorded at this height.
pub(super) fn check_base(
    known: &[StreamBlock],
    base: i64,
    read: &[ReadBlock],
) -> Result<(), JobError> {
    let base = known.iter().find(|block| block.height == base && !block.hash.is_empty());
    match (base, read.first()) {
        (Some(base), Some(first)) if first.block.parent.to_string() != base.hash => Err(changing()),
        _ => Ok(()),
    }
}

async fn logs_of(asker: &Asker, range: Range, mut planner: Planner) -> Result<Vec<Log>, JobError> {
    planner.add(range);
    let mut logs = Vec::new();
    while let Some(range) = planner.take() {
        match asker.logs(range).await? {
            Ok(mut more) => {
                planner.answered(range, more.len() as u64);
                logs.append(&mut more);
            }
            Err(advice) => planner
                .refused(range, &advice)
                .map_err(|fault| JobError::Incident(fault.to_string()))?,
        }
    }
    Ok(logs)
}

/// Puts logs that were asked for by their blocks' hashes where they belong.
fn fill(read: &mut [ReadBlock], lists: Vec<Vec<Log>>) {
    for logs in lists.into_iter().filter(|logs| !logs.is_empty()) {
        let height = logs[0].height;
        let Some(place) = read.iter_mut().find(|read| read.block.height == height) else {
            continue;
        };
        let (hash, time) = (place.block.hash, place.block.time);
        let named = |log| Log { block: Some(hash), time: Some(time), ..log };
        place.logs = logs.into_iter().map(named).collect();
    }
}
