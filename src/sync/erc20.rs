//! The walk that fills a token's stream: all transfers of one contract, from a block to a block or
//! from a block on.
//!
//! Blocks that nothing takes back any more are read by ranges, several at a time, and recorded in
//! order. The others are read with their headers, whose hashes prove that nothing is missing, and
//! kept with them: when the chain has changed, the walk goes back to the last block that it still
//! has, and one tx withdraws what is above and records what was read in its place. Whatever is
//! committed has its mark with it, so a walk that ends anywhere goes on from there. Called by the
//! queue; balances and holders are not its business.

mod asker;
mod check;
mod doubts;
mod fetcher;
mod fork;
mod recorder;
mod token_stream;
mod window;

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use crate::{
    config::SourceKind,
    domain::{
        account::NetworkKind,
        erc20::{
            Address,
            logs::Block,
            ranges::{Planner, Range},
        },
    },
    outbound::source_error::SourceError,
    store::{
        sync_blocks,
        sync_streams::{self, Stream},
    },
    sync::{
        Walked,
        erc20::{asker::Asker, doubts::Doubts, fetcher::Fetcher, fork::Fork, recorder::Recorder},
        error::JobError,
        lease::Lease,
        networks::SyncSource,
        turns::Turns,
    },
};

/// Most blocks of one question where the file does not say.
const BLOCKS_MAX: u64 = 1_000_000;

/// Rows that are gathered before they are recorded.
const BATCH_ROWS: usize = 10_000;

/// Ranges after which it is recorded how far the walk has come, though there were few rows.
const BATCH_RANGES: usize = 64;

/// Time after which it is recorded how far the walk has come, however slow its source is: a walk
/// that is cut off loses no more.
const BATCH_TIME: Duration = Duration::from_secs(5);

/// Longest wait for a source within a job: for a longer one the job makes room.
const SOURCE_WAIT_MAX: Duration = Duration::from_secs(15);

/// Tries in a row without anything recorded.
const TRIES_MAX: u32 = 5;

/// Wait after an answer that contradicts itself.
const CONTRADICTION_WAIT: Duration = Duration::from_millis(200);

/// Walks until the stream is as far as it shall be, or no source answers any more.
pub(super) async fn walk(lease: Lease) -> Result<Walked, JobError> {
    let mut walk = Walk::new(lease)?;
    let mut tries = 0;
    loop {
        let before = walk.recorder.committed();
        let error = match walk.pick().await {
            Ok(turns) => {
                let source = turns.source.key.source.clone();
                let error = match Box::pin(walk.with_source(turns)).await {
                    Ok(Reached::Goal) => return Ok(walk.outcome()),
                    Ok(Reached::Behind) => {
                        let behind = JobError::Inconsistent("is behind what is recorded".into());
                        walk.doubts.give_up(&source, behind);
                        continue;
                    }
                    Err(error) => error,
                };
                let has_recorded = walk.recorder.committed() > before;
                let Some(error) = walk.doubts.weigh(&source, error, has_recorded) else { continue };
                error
            }
            Err(JobError::NoSource { wait: None }) => return Err(walk.doubts.sum()),
            Err(error) => error,
        };
        tries = if walk.recorder.committed() > before { 0 } else { tries + 1 };
        let wait = match &error {
            JobError::NoSource { wait: Some(wait) } if *wait <= SOURCE_WAIT_MAX => *wait,
            JobError::Inconsistent(_)
            | JobError::Source(SourceError::Ahead(_) | SourceError::UnknownPlace(_)) => {
                CONTRADICTION_WAIT * tries
            }
            JobError::Source(_) => Duration::ZERO,
            JobError::NoSource { .. }
            | JobError::LeaseLost
            | JobError::GivesWay
            | JobError::Incident(_)
            | JobError::Store(_)
            | JobError::Record(_) => return Err(error),
        };
        if tries > TRIES_MAX {
            return Err(error);
        }
        tracing::debug!(%error, "a walk goes on, perhaps with another source");
        tokio::time::sleep(wait).await;
    }
}

/// How far a walk came with a source that contradicted nothing.
enum Reached {
    /// As far as it shall be.
    Goal,
    /// Less far than what is recorded.
    Behind,
}

struct Walk {
    lease: Lease,
    token: Address,
    chain_id: u64,
    recorder: Recorder,
    /// Blocks of a range that each source answers, as far as that was found out.
    lengths: HashMap<String, u64>,
    doubts: Doubts,
    message: String,
}

impl Walk {
    fn new(lease: Lease) -> Result<Self, JobError> {
        let NetworkKind::Ethereum { chain_id } = lease.network.kind else {
            return Err(JobError::Incident("tokens are synced from chains like Ethereum".into()));
        };
        let contract = lease.stream.contract.as_deref().and_then(Address::parse);
        let token = contract
            .ok_or_else(|| JobError::Incident("the stream is of no contract".to_owned()))?;
        let recorder = Recorder::new(lease.clone());
        let (lengths, message) = (HashMap::new(), String::new());
        let doubts = Doubts::default();
        Ok(Self { lease, token, chain_id, recorder, lengths, doubts, message })
    }

    async fn pick(&self) -> Result<Turns, JobError> {
        let speaks = |kind| matches!(kind, SourceKind::Rpc | SourceKind::Etherscan);
        let network = &self.lease.network;
        let is_fit =
            |source: &SyncSource| speaks(source.kind) && self.doubts.may_ask(&source.key.source);
        Turns::pick(&self.lease.database, network, is_fit).await
    }

    fn outcome(self) -> Walked {
        Walked { changed: self.recorder.changed(), message: self.message }
    }

    /// Goes on from what is committed, with one source.
    async fn with_source(&mut self, turns: Turns) -> Result<Reached, JobError> {
        let asker = Asker::new(turns, self.token)?;
        asker.check_chain(self.chain_id).await?;
        let stream = self.stream().await?;
        let head = asker.head().await?;
        let known = sync_blocks::from(&self.lease.database, stream.stream_id, stream.final_height);
        let stream = match fork::find(&asker, &stream, &known.await?, &head).await? {
            Fork::Nowhere => stream,
            Fork::Behind => return Ok(Reached::Behind),
            Fork::Above(base) => {
                self.replace(&asker, &stream, base, &head).await?;
                self.lease.give_way()?;
                self.stream().await?
            }
        };
        let last = stream.last_height.map_or(head.height, |last| head.height.min(unsigned(last)));
        let next = stream.head_height.map_or(stream.first_height, |height| height + 1);
        let next = unsigned(next.max(scanned_to(&stream).map_or(next, |height| height + 1)));
        if next <= last && last < head.height {
            self.recorder.followed_by(&asker.block(last + 1).await?);
        }
        let finality = unsigned(self.lease.network.finality);
        let final_height = head.height.checked_sub(finality);
        if let Some(end) = final_height.map(|height| height.min(last)).filter(|&end| next <= end) {
            self.finals(&asker, &stream, Range { first: next, last: end }, last).await?;
        }
        let stream = self.stream().await?;
        let next = stream.head_height.map_or(next, |height| unsigned(height) + 1);
        if next <= last {
            let read = window::read(&asker, Range { first: next, last }, self.planner(&asker));
            let read = read.await?;
            window::check_parent(&stream, &read)?;
            self.recorder.window(&stream, &read, final_height, None).await?;
        }
        self.message = format!("up to block {last}, by {}", asker.source());
        check::check(&self.lease, &asker, &self.stream().await?).await;
        Ok(Reached::Goal)
    }

    async fn stream(&self) -> Result<Stream, JobError> {
        let stream_id = self.lease.stream.stream_id;
        let stream = sync_streams::get(&self.lease.database, stream_id).await?;
        // With its stream the job is gone, too.
        stream.ok_or(JobError::LeaseLost)
    }

    /// Reads what has taken the place of blocks above `base`, and puts it there.
    async fn replace(
        &mut self,
        asker: &Asker,
        stream: &Stream,
        base: i64,
        head: &Block,
    ) -> Result<(), JobError> {
        let recorded = stream.head_height.map_or(0, unsigned);
        let range = Range { first: unsigned(base + 1), last: recorded.min(head.height) };
        let mut read = window::read(asker, range, self.planner(asker)).await?;
        window::look_again(asker, &mut read).await?;
        let known = sync_blocks::from(&self.lease.database, stream.stream_id, base).await?;
        window::check_base(&known, base, &read)?;
        let final_height = head.height.checked_sub(unsigned(self.lease.network.finality));
        self.recorder.window(stream, &read, final_height, Some(base)).await?;
        tracing::info!(stream_id = stream.stream_id, base, "a chain has changed");
        Ok(())
    }

    /// Reads and records blocks that nothing takes back any more. `goal` is where the walk ends.
    async fn finals(
        &mut self,
        asker: &Asker,
        stream: &Stream,
        range: Range,
        goal: u64,
    ) -> Result<(), JobError> {
        if stream.head_height.is_none() && stream.first_height > 0 {
            let first = asker.block(unsigned(stream.first_height)).await?;
            self.recorder.begin_at(first.time);
        }
        let mut fetcher = Fetcher::new(asker.clone(), range, self.planner(asker));
        let outcome = self.record_finals(asker, stream, range, goal, &mut fetcher).await;
        self.lengths.insert(asker.source().to_owned(), fetcher.length());
        outcome
    }

    async fn record_finals(
        &mut self,
        asker: &Asker,
        stream: &Stream,
        range: Range,
        goal: u64,
        fetcher: &mut Fetcher,
    ) -> Result<(), JobError> {
        let (mut logs, mut ranges, mut scanned) = (Vec::new(), 0, range.first);
        let first = unsigned(stream.first_height);
        let of = signed(goal.saturating_sub(first) + 1);
        self.lease.report(signed(scanned.saturating_sub(first)), Some(of), asker.source());
        let mut begun_at = Instant::now();
        loop {
            let read = fetcher.next().await?;
            let is_over = read.is_none();
            if let Some(mut read) = read {
                scanned = read.range.last;
                ranges += 1;
                logs.append(&mut read.logs);
                let done = (scanned + 1).saturating_sub(first);
                self.lease.report(signed(done), Some(of), asker.source());
            }
            let is_small = logs.len() < BATCH_ROWS && ranges < BATCH_RANGES;
            if !is_over && is_small && begun_at.elapsed() < BATCH_TIME {
                continue;
            }
            let end = if is_over { Some(asker.block(range.last).await?) } else { None };
            self.recorder.finals(asker, stream, &logs, scanned, end.as_ref()).await?;
            self.lease.give_way()?;
            (logs, ranges, begun_at) = (Vec::new(), 0, Instant::now());
            if is_over {
                return Ok(());
            }
        }
    }

    fn planner(&self, asker: &Asker) -> Planner {
        let most = asker.blocks_max().unwrap_or(BLOCKS_MAX);
        let planner = Planner::new(most);
        match self.lengths.get(asker.source()) {
            Some(&length) => planner.with_length(length),
            None => planner,
        }
    }
}

/// Up to where blocks were read that nothing takes back, though the last of them had no logs.
fn scanned_to(stream: &Stream) -> Option<i64> {
    stream.resume.as_deref()?.parse().ok()
}

/// What a source answers instead of what its documents say.
fn malformed(what: &str) -> JobError {
    JobError::Source(SourceError::Malformed(what.to_owned()))
}

/// A height as the database has it: never below zero.
fn unsigned(height: i64) -> u64 {
    u64::try_from(height).unwrap_or(0)
}

/// A height for the database. Positions of rows end long before heights do not fit.
fn signed(height: u64) -> i64 {
    i64::try_from(height).unwrap_or(i64::MAX)
}
