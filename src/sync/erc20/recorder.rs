//! Logs made into rows and recorded: rows, blocks and the stream's mark in one tx.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    domain::{
        account::AccountKey,
        chain::{chain_row_id, ordered_row_id, position},
        erc20::{
            Address, Event, Hash, Transfer,
            logs::{Block, Log},
        },
        transaction::KeyedTransaction,
    },
    store::{
        record_transactions,
        sync_blocks::{self, StreamBlock, Withdrawn},
        sync_streams::{self, Head, Mark, Stream},
        tx::PooledTx,
    },
    sync::{
        erc20::{asker::Asker, malformed, signed, unsigned, window::ReadBlock},
        error::JobError,
        lease::Lease,
    },
    telemetry::metrics,
};

/// Name of the tx in errors.
const STEM: &str = "sync_token";

/// Accounts whose ids are kept at hand: bounds the memory.
const IDS_MAX: usize = 200_000;

/// Records for one job.
pub(super) struct Recorder {
    lease: Lease,
    ids: HashMap<Address, i64>,
    /// When the first block of a stream was made that does not begin with the chain.
    begin_at: Option<DateTime<Utc>>,
    /// Height and time of the block after the walk's last one, where there is one.
    followed_by: Option<(i64, DateTime<Utc>)>,
    committed: u64,
    changed: i64,
}

impl Recorder {
    pub(super) fn new(lease: Lease) -> Self {
        let ids = HashMap::new();
        Self { lease, ids, begin_at: None, followed_by: None, committed: 0, changed: 0 }
    }

    /// How many txs were committed.
    pub(super) fn committed(&self) -> u64 {
        self.committed
    }

    /// Rows that were recorded or withdrawn.
    pub(super) fn changed(&self) -> i64 {
        self.changed
    }

    /// The stream is complete from here on, as of what is recorded next.
    pub(super) fn begin_at(&mut self, time: DateTime<Utc>) {
        self.begin_at = Some(time);
    }

    /// This block comes after the last one that the walk records.
    pub(super) fn followed_by(&mut self, block: &Block) {
        self.followed_by = Some((signed(block.height), block.time));
    }

    /// Records logs of blocks that nothing takes back any more. Everything up to the block
    /// `scanned` was read; `end` is that block, where the walk through such blocks ends.
    pub(super) async fn finals(
        &mut self,
        asker: &Asker,
        stream: &Stream,
        logs: &[Log],
        scanned: u64,
        end: Option<&Block>,
    ) -> Result<(), JobError> {
        let mut blocks = blocks_of(logs)?;
        let fetched = match (end, logs.last()) {
            (Some(end), _) => Some(end.clone()),
            (None, Some(last)) if last.block.is_none() => Some(asker.block(last.height).await?),
            (None, _) => None,
        };
        if let Some(block) = &fetched {
            name(&mut blocks, block);
        }
        let rows = self.rows(stream, logs, stream.generation).await?;
        let head = blocks.last().map(|block| head_of(block, self.followed_by));
        let final_height = head.as_ref().map_or(stream.final_height, |head| head.height);
        let others = blocks.iter().map(|block| block.others).sum();
        let tx = self.lease.begin(STEM).await?;
        write(&tx, stream, &rows, &blocks).await?;
        let mark = Mark {
            final_height,
            head,
            complete_from: self.begin_at,
            transfers_added: count(rows.len()),
            others_added: others,
            is_withdrawal: false,
            is_progress: true,
            resume: end.is_none().then(|| scanned.to_string()),
        };
        sync_streams::mark(&tx, stream.stream_id, &mark).await?;
        // Those that might still have been taken back when the walk began.
        if let Some(height) = stream.head_height {
            let end = final_height.min(height + 1);
            sync_blocks::prune(&tx, stream.stream_id, stream.final_height, end).await?;
        }
        self.commit(tx, count(rows.len())).await
    }

    /// Records blocks that follow what is recorded and may still be taken back, up to the block
    /// `final_height`. With `base` they take the place of all that is recorded above that height.
    pub(super) async fn window(
        &mut self,
        stream: &Stream,
        read: &[ReadBlock],
        final_height: Option<u64>,
        base: Option<i64>,
    ) -> Result<(), JobError> {
        let Some(first) = read.first() else { return Ok(()) };
        if stream.head_height.is_none() && stream.first_height > 0 {
            self.begin_at = Some(first.block.time);
        }
        let logs: Vec<Log> = read.iter().flat_map(|read| read.logs.iter().cloned()).collect();
        let generation = stream.generation + i64::from(base.is_some());
        let rows = self.rows(stream, &logs, generation).await?;
        let blocks: Vec<StreamBlock> = read.iter().map(stream_block).collect();
        let head = blocks.last().map(|block| head_of(block, self.followed_by));
        let others: i64 = blocks.iter().map(|block| block.others).sum();
        let tx = self.lease.begin(STEM).await?;
        let withdrawn = match base {
            Some(base) => withdraw(&tx, stream, base).await?,
            None => Withdrawn::default(),
        };
        write(&tx, stream, &rows, &blocks).await?;
        let height = head.as_ref().map_or(-1, |head| head.height);
        let is_final = final_height.map_or(-1, |final_height| signed(final_height).min(height));
        let mark = Mark {
            head,
            final_height: is_final,
            complete_from: self.begin_at,
            transfers_added: count(rows.len()) - withdrawn.rows,
            others_added: others - withdrawn.others,
            is_withdrawal: base.is_some(),
            is_progress: true,
            resume: None,
        };
        sync_streams::mark(&tx, stream.stream_id, &mark).await?;
        if is_final > stream.final_height {
            let first = stream.final_height;
            sync_blocks::prune(&tx, stream.stream_id, first, is_final).await?;
        }
        self.commit(tx, count(rows.len()) + withdrawn.rows).await
    }

    async fn commit(&mut self, tx: PooledTx, changed: i64) -> Result<(), JobError> {
        tx.commit().await?;
        metrics::rows_synced(changed);
        self.committed += 1;
        self.changed += changed;
        self.begin_at = None;
        Ok(())
    }

    /// Rows of logs, whose accounts and days are there then.
    async fn rows(
        &mut self,
        stream: &Stream,
        logs: &[Log],
        generation: i64,
    ) -> Result<Vec<KeyedTransaction>, JobError> {
        let transfers = || logs.iter().filter_map(|log| Some((log, transfer(log)?)));
        self.learn(transfers().flat_map(|(_, transfer)| [transfer.sender, transfer.receiver]))
            .await?;
        let mut days = BTreeSet::new();
        let mut rows = Vec::with_capacity(logs.len());
        let mut block = (None, String::new());
        for (log, transfer) in transfers() {
            let occurred_at = log.time.ok_or_else(|| malformed("a log without its time"))?;
            if block.0 != Some(log.block) {
                days.insert(occurred_at.date_naive());
                block = (Some(log.block), text(log.block));
            }
            let reference = log.reference.to_string();
            let place = u64::from(log.index);
            let row_id = chain_row_id(&stream.network, &block.1, &reference, place, generation);
            rows.push(KeyedTransaction {
                transaction_id: ordered_row_id(log.height, row_id),
                occurred_at,
                position: position_of(log)?,
                asset_id: stream.asset_id,
                asset_decimals: stream.decimals,
                sender_id: self.id(&transfer.sender)?,
                receiver_id: self.id(&transfer.receiver)?,
                amount: transfer.amount.to_decimal(stream.decimals),
                reference: Some(reference),
            });
        }
        self.lease.make_days(days).await?;
        Ok(rows)
    }

    /// Has the ids of these accounts at hand.
    async fn learn(&mut self, addresses: impl Iterator<Item = Address>) -> Result<(), JobError> {
        if self.ids.len() > IDS_MAX {
            self.ids.clear();
        }
        // Those that are known may be forgotten above, so that all are looked at.
        let unknown: BTreeSet<Address> =
            addresses.filter(|address| !self.ids.contains_key(address)).collect();
        let keys: Result<Vec<AccountKey>, _> = unknown
            .iter()
            .map(|address| AccountKey::on(&self.lease.network.network, &address.to_string()))
            .collect();
        let keys = keys.map_err(|error| malformed(&error.to_string()))?;
        let keys: Vec<&AccountKey> = keys.iter().collect();
        if keys.is_empty() {
            return Ok(());
        }
        let ids = self.lease.account_ids(&keys).await?;
        self.ids.extend(unknown.into_iter().zip(ids));
        Ok(())
    }

    fn id(&self, address: &Address) -> Result<i64, JobError> {
        let id = self.ids.get(address).copied();
        id.ok_or_else(|| JobError::Inconsistent(format!("the account {address} has no id")))
    }
}

/// Copies rows in and records blocks.
async fn write(
    tx: &PooledTx,
    stream: &Stream,
    rows: &[KeyedTransaction],
    blocks: &[StreamBlock],
) -> Result<(), JobError> {
    if !rows.is_empty() {
        record_transactions::copy_in_tx(tx, rows.iter()).await?;
    }
    if !blocks.is_empty() {
        sync_blocks::add(tx, stream.stream_id, blocks).await?;
    }
    Ok(())
}

async fn withdraw(tx: &PooledTx, stream: &Stream, base: i64) -> Result<Withdrawn, JobError> {
    let first = position(unsigned(base + 1), 0).ok_or_else(|| out_of_bounds(base))?;
    let ids = (stream.stream_id, stream.asset_id);
    Ok(sync_blocks::withdraw(tx, ids, base, first).await?)
}

fn transfer(log: &Log) -> Option<&Transfer> {
    match &log.event {
        Event::Transfer(transfer) => Some(transfer),
        Event::NotFungible | Event::Malformed => None,
    }
}

fn position_of(log: &Log) -> Result<i64, JobError> {
    position(log.height, log.index).ok_or_else(|| out_of_bounds(signed(log.height)))
}

fn out_of_bounds(height: i64) -> JobError {
    JobError::Incident(format!("block {height} has logs beyond what can be numbered"))
}

/// Blocks that logs are of, with how many there are of each kind.
fn blocks_of(logs: &[Log]) -> Result<Vec<StreamBlock>, JobError> {
    let mut blocks: Vec<StreamBlock> = Vec::new();
    for log in logs {
        let height = signed(log.height);
        if blocks.last().is_none_or(|block| block.height != height) {
            blocks.push(StreamBlock {
                height,
                mined_at: log.time.ok_or_else(|| malformed("a log without its time"))?,
                hash: text(log.block),
                parent: String::new(),
                transfers: 0,
                others: 0,
            });
        }
        if let Some(block) = blocks.last_mut() {
            add(block, log);
        }
    }
    Ok(blocks)
}

fn stream_block(read: &ReadBlock) -> StreamBlock {
    let mut block = header(&read.block);
    read.logs.iter().for_each(|log| add(&mut block, log));
    block
}

fn header(block: &Block) -> StreamBlock {
    StreamBlock {
        height: signed(block.height),
        mined_at: block.time,
        hash: block.hash.to_string(),
        parent: block.parent.to_string(),
        transfers: 0,
        others: 0,
    }
}

/// Puts a block's header to its logs, or at the end.
fn name(blocks: &mut Vec<StreamBlock>, block: &Block) {
    let named = header(block);
    match blocks.last_mut().filter(|last| last.height == named.height) {
        Some(last) => (last.hash, last.parent) = (named.hash, named.parent),
        None => blocks.push(named),
    }
}

fn add(block: &mut StreamBlock, log: &Log) {
    match transfer(log) {
        Some(_) => block.transfers += 1,
        None => block.others += 1,
    }
}

/// The mark of a block up to which everything is recorded. Windows are half-open, and the next
/// block may have the same time: the block's own rows are in the window only if the next one is
/// known to be later.
fn head_of(block: &StreamBlock, next: Option<(i64, DateTime<Utc>)>) -> Head {
    let is_later =
        next.is_some_and(|(height, time)| height == block.height + 1 && time > block.mined_at);
    Head {
        height: block.height,
        hash: block.hash.clone(),
        complete_until: block.mined_at + TimeDelta::microseconds(i64::from(is_later)),
    }
}

fn text(hash: Option<Hash>) -> String {
    hash.map_or_else(String::new, |hash| hash.to_string())
}

fn count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_s_own_instant_is_complete_only_if_the_next_block_is_later() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).expect("an instant");
        let block = StreamBlock {
            height: 7,
            mined_at: at(100),
            hash: String::new(),
            parent: String::new(),
            transfers: 1,
            others: 0,
        };
        let later = at(100) + TimeDelta::microseconds(1);
        for (next, expected) in [
            (None, at(100)),
            (Some((8, at(100))), at(100)),
            (Some((9, at(101))), at(100)),
            (Some((8, at(101))), later),
        ] {
            assert_eq!(head_of(&block, next).complete_until, expected, "{next:?}");
        }
    }
}
