//! Ranges of blocks, several at a time, handed on in the order of the chain.

use std::collections::BTreeMap;

use tokio::task::JoinSet;

use crate::{
    domain::erc20::{
        logs::Log,
        ranges::{Planner, Range},
        refusals::Advice,
    },
    outbound::source_error::SourceError,
    sync::{
        erc20::{
            asker::{Asker, changing},
            malformed,
        },
        error::JobError,
    },
};

/// Ranges that are asked for at a time.
const AT_ONCE: usize = 4;

/// Logs that may wait for those before them: bounds the memory.
const LOGS_WAITING_MAX: usize = 200_000;

/// A range and its logs.
pub(super) struct Read {
    pub(super) range: Range,
    /// In the order of the chain, each with its time.
    pub(super) logs: Vec<Log>,
}

type Outcome = Result<Result<Vec<Log>, Advice>, JobError>;

/// Fetches a range. Dropped, it asks nothing more.
pub(super) struct Fetcher {
    asker: Asker,
    planner: Planner,
    at_work: JoinSet<(Range, Outcome)>,
    waiting: BTreeMap<u64, Read>,
    logs_waiting: usize,
    next: u64,
}

impl Fetcher {
    pub(super) fn new(asker: Asker, range: Range, mut planner: Planner) -> Self {
        planner.add(range);
        Self {
            asker,
            planner,
            at_work: JoinSet::new(),
            waiting: BTreeMap::new(),
            logs_waiting: 0,
            next: range.first,
        }
    }

    /// The next range of the chain; `None` after the last one.
    pub(super) async fn next(&mut self) -> Result<Option<Read>, JobError> {
        loop {
            self.ask();
            if let Some(read) = self.waiting.remove(&self.next) {
                self.next = read.range.last + 1;
                self.logs_waiting -= read.logs.len();
                return Ok(Some(read));
            }
            let Some(done) = self.at_work.join_next().await else { return Ok(None) };
            let (range, outcome) =
                done.map_err(|error| JobError::Inconsistent(error.to_string()))?;
            match outcome {
                Ok(Ok(logs)) => {
                    self.planner.answered(range, logs.len() as u64);
                    self.logs_waiting += logs.len();
                    self.waiting.insert(range.first, Read { range, logs });
                }
                Ok(Err(advice)) => self.refused(range, &advice)?,
                Err(error) => {
                    // What was cut off may have been too long; it is no harm to ask for less.
                    if matches!(error, JobError::Source(SourceError::Unavailable { .. })) {
                        let _ = self.planner.refused(range, &Advice::default());
                    }
                    return Err(error);
                }
            }
        }
    }

    /// Blocks that the source answers for at once, as far as is known.
    pub(super) fn length(&self) -> u64 {
        self.planner.length()
    }

    fn ask(&mut self) {
        while self.at_work.len() < AT_ONCE
            && (self.at_work.is_empty() || self.logs_waiting < LOGS_WAITING_MAX)
        {
            let Some(range) = self.planner.take() else { return };
            let asker = self.asker.clone();
            self.at_work.spawn(async move { (range, timed_logs(&asker, range).await) });
        }
    }

    fn refused(&mut self, range: Range, advice: &Advice) -> Result<(), JobError> {
        let refused = self.planner.refused(range, advice);
        refused.map_err(|fault| JobError::Incident(fault.to_string()))
    }
}

/// Logs of a range, each with its time: blocks are asked for where the logs do not tell.
async fn timed_logs(asker: &Asker, range: Range) -> Outcome {
    let mut logs = match asker.logs(range).await? {
        Ok(logs) => logs,
        Err(advice) => return Ok(Err(advice)),
    };
    let untimed = logs.iter().filter(|log| log.time.is_none()).map(|log| log.height);
    let mut heights: Vec<u64> = untimed.collect();
    heights.dedup();
    if heights.is_empty() {
        return Ok(Ok(logs));
    }
    let blocks = asker.blocks(&heights).await?;
    let blocks: BTreeMap<u64, _> = blocks.iter().map(|block| (block.height, block)).collect();
    for log in logs.iter_mut().filter(|log| log.time.is_none()) {
        let block = blocks.get(&log.height).ok_or_else(|| malformed("no block of a log"))?;
        if log.block.is_some_and(|hash| hash != block.hash) {
            return Err(changing());
        }
        log.block = Some(block.hash);
        log.time = Some(block.time);
    }
    Ok(Ok(logs))
}
