//! The walk of a wallet of Bitcoin: its history is read newest first, down to what is certain, and
//! what is recorded is made equal to it.
//!
//! One pass is as of one block, the top. It asks one source from its beginning to its end; where a
//! source fails, another one begins its own pass from what is committed. `scan` is where a pass
//! stands, `pages` reads the history, `batch` turns a span of it into rows, `record` writes them in
//! one tx. Nothing that is older than the finality depth is ever taken back: if all sources say
//! that it should be, the job waits for somebody.

mod batch;
mod pages;
mod pass;
mod record;
mod scan;

use std::time::Duration;

use crate::{
    config::SourceKind,
    domain::{account::Address, bitcoin::Owner},
    outbound::{
        bitcoin::{BitcoinSource, Dialect},
        source_error::SourceError,
    },
    store::{
        sync_sources::SourceKey,
        sync_streams::{self, Stream},
    },
    sync::{Walked, error::JobError, lease::Lease, networks::SyncSource, turns::Turns},
};

/// Passes that one source gets to come to an end while the chain changes.
const PASSES_MAX: u32 = 6;

/// An amount of a history.
#[derive(Clone, Copy, Debug)]
struct Amount {
    /// Transactions of the chain.
    transactions: usize,
    /// Inputs and outputs.
    coins: usize,
}

/// How much of a history is read until it is written.
const BATCH: Amount = Amount { transactions: 2_000, coins: 50_000 };

/// How long a history is read until what there is of it is written, so that what a slow source
/// tells is kept and seen.
const BATCH_TIME: Duration = Duration::from_secs(20);

/// Most that is held where it cannot be written in parts.
const HELD_MAX: Amount = Amount { transactions: 50_000, coins: 500_000 };

/// Most that a block holds by its weight of 4,000,000: a transaction has at least 60 bytes, an
/// output 9 and an input 41, and each such byte weighs 4
/// (<https://github.com/bitcoin/bips/blob/master/bip-0141.mediawiki>).
const BLOCK_MAX: Amount = Amount { transactions: 4_000_000 / (4 * 60), coins: 4_000_000 / (4 * 9) };

/// Most transactions that a history may have beyond what its source counts: some come while it is
/// read.
const UNCOUNTED_MAX: i64 = 1_000;

/// What a pass came to.
enum Passed {
    /// Everything is recorded up to the newest block.
    Complete,
    /// Everything is recorded up to a block that may not be the newest any more.
    Aged,
    /// The chain changed while it was read.
    Again,
}

/// A walk that asks one source.
struct Walk<'a> {
    lease: &'a Lease,
    turns: Turns,
    source: BitcoinSource,
    address: Address,
    owner: Owner,
    /// Rows that were recorded, and transactions that were taken back or moved.
    changed: i64,
    /// Transactions of the history that were written.
    written: i64,
    /// Whether the scan that was cut off cannot be gone on with.
    begins_anew: bool,
    /// A first scan that came to its end, but not its top: up to this height it needs no other.
    scanned_to: Option<i64>,
}

/// Walks the wallet of a job.
///
/// # Errors
/// Says what becomes of the job. What rests on one source's word is only an incident if all of the
/// network's sources say the like.
pub(super) async fn walk(lease: Lease) -> Result<Walked, JobError> {
    let text = lease.stream.address.as_deref().unwrap_or_default();
    let address = Address::parse(text)
        .ok_or_else(|| JobError::Incident("the wallet has no address".to_owned()))?;
    let mut given_up: Vec<(SourceKey, JobError)> = Vec::new();
    loop {
        let is_left = |source: &SyncSource| {
            // With another key a source would say the same again.
            let is_same = |(key, why): &(SourceKey, JobError)| {
                *key == source.key
                    || (key.source == source.key.source && matches!(why, JobError::Incident(_)))
            };
            !given_up.iter().any(is_same)
        };
        let turns = match Turns::pick(&lease.database, &lease.network, is_left).await {
            Ok(turns) => turns,
            Err(JobError::NoSource { wait }) => return Err(ending(&lease, given_up, wait).await),
            Err(error) => return Err(error),
        };
        let key = turns.source.key.clone();
        match Walk::new(&lease, turns, &address)?.run().await {
            Err(
                error @ (JobError::Source(_)
                | JobError::NoSource { .. }
                | JobError::Inconsistent(_)
                | JobError::Incident(_)),
            ) => {
                tracing::info!(source = key.source, %error, "a source is given up for this walk");
                given_up.push((key, error));
            }
            outcome => return outcome,
        }
    }
}

/// Why a walk ends that no source is left for. If all of them say what only somebody can judge, the
/// job waits for somebody; if one does and others could not be asked, it is tried again. Else it is
/// until one may be asked again, if all are left alone for now, or because of what the last said.
async fn ending(
    lease: &Lease,
    mut given_up: Vec<(SourceKey, JobError)>,
    wait: Option<Duration>,
) -> JobError {
    let said = |(key, error): &(SourceKey, JobError)| {
        let is_incident = matches!(error, JobError::Incident(_));
        is_incident.then(|| format!("{}: {error}", key.source))
    };
    let incidents: Vec<String> = given_up.iter().filter_map(said).collect();
    if !incidents.is_empty() {
        let says_so = |source: &SyncSource| {
            let own = |one: &(SourceKey, JobError)| one.0.source == source.key.source;
            given_up.iter().any(|one| own(one) && matches!(one.1, JobError::Incident(_)))
        };
        let why = incidents.join("; ");
        return if lease.network.sources.iter().all(says_so) {
            JobError::Incident(why)
        } else {
            inconsistent(format!("{why}; and no other source could say otherwise"))
        };
    }
    let Some((_, last)) = given_up.pop() else { return JobError::NoSource { wait } };
    if matches!(last, JobError::Inconsistent(_)) {
        return last;
    }
    match Turns::pick(&lease.database, &lease.network, |_| true).await {
        Ok(_) => last,
        Err(error) => error,
    }
}

impl<'a> Walk<'a> {
    fn new(lease: &'a Lease, turns: Turns, address: &Address) -> Result<Self, JobError> {
        let network = &lease.network.network;
        let dialect = match turns.source.kind {
            SourceKind::Esplora => Dialect::Blockstream,
            SourceKind::Mempool => Dialect::Mempool,
            SourceKind::BlockchainInfo => Dialect::BlockchainInfo,
            SourceKind::Rpc | SourceKind::Etherscan => {
                return Err(JobError::Incident("the source has no Bitcoin".to_owned()));
            }
        };
        let source = BitcoinSource::new(dialect, network.clone(), turns.source.url.clone());
        let source = source.map_err(|error| JobError::Incident(error.to_string()))?;
        let owner = Owner::Address(address.clone());
        Ok(Self {
            lease,
            turns,
            source,
            address: address.clone(),
            owner,
            changed: 0,
            written: 0,
            begins_anew: false,
            scanned_to: None,
        })
    }

    async fn run(mut self) -> Result<Walked, JobError> {
        for _ in 0..PASSES_MAX {
            let stream = self.stream().await?;
            match Box::pin(self.pass(&stream)).await? {
                Passed::Complete => {
                    let message = format!("as {} has it", self.turns.source.key.source);
                    return Ok(Walked { changed: self.changed, message });
                }
                Passed::Aged | Passed::Again => {}
            }
        }
        Err(inconsistent("the chain changed each time that it was read"))
    }

    /// The stream as it is now.
    async fn stream(&self) -> Result<Stream, JobError> {
        let stream = sync_streams::get(&self.lease.database, self.lease.stream.stream_id).await?;
        stream.ok_or_else(|| JobError::Incident("there is no such stream any more".to_owned()))
    }

    /// The stream's key, and its network's name.
    fn key(&self) -> (i64, &str) {
        (self.lease.stream.stream_id, self.lease.network.network.as_str())
    }

    /// The hash of the block at a height of the source's best chain; one call.
    async fn hash_at(&self, height: i64) -> Result<Option<String>, JobError> {
        let Ok(height) = u32::try_from(height) else { return Ok(None) };
        let block = self.turns.call(self.source.block_at(height)).await?;
        Ok(block.map(|block| block.hash.to_string()))
    }
}

fn inconsistent(what: impl Into<String>) -> JobError {
    JobError::Inconsistent(what.into())
}

/// What no honest source says.
fn malformed(what: impl Into<String>) -> JobError {
    JobError::Source(SourceError::Malformed(what.into()))
}
