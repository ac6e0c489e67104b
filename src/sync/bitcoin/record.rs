//! Writing a span of a history in one tx, so that what is recorded of the span is what was read.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::{Walk, batch::Listed, inconsistent, scan::Scan};
use crate::{
    domain::{
        account::AccountKey,
        bitcoin::{BlockHash, Txid, ValueTransfer},
        chain::{chain_row_id, position},
        transaction::KeyedTransaction,
    },
    store::{
        sync_bitcoin::{self, Participation, Placed, RecordedBlock, Unconfirmed},
        sync_streams::{self, Head, Mark, Stream},
        tx::PooledTx,
    },
    sync::error::JobError,
    telemetry::metrics,
};

/// Heights, both ends meant, and what a history has there.
pub(super) struct Span {
    pub(super) lowest: i64,
    pub(super) highest: i64,
    pub(super) listed: Vec<Listed>,
}

/// A transaction of a span with its rows.
struct Prepared {
    placed: Placed,
    /// Sender, receiver and amount; nothing where it is recorded just so.
    transfers: Vec<(i64, i64, ValueTransfer)>,
    is_known: bool,
}

/// A span that is ready to be written.
struct Ready {
    span: (i64, i64),
    prepared: Vec<Prepared>,
    /// Transactions that the history does not have any more, and the blocks, proved to be none of
    /// the best chain, in which they are recorded.
    gone: Vec<(String, Option<String>)>,
}

impl Walk<'_> {
    /// Writes a part of a scan; `resume` is where it goes on.
    pub(super) async fn record_part(
        &mut self,
        span: Span,
        resume: Option<String>,
    ) -> Result<(), JobError> {
        let ready = self.prepare(span).await?;
        let tx = self.lease.begin("sync_bitcoin_part").await?;
        let changes = self.write(&tx, &ready).await?;
        let (is_withdrawal, is_progress) = (changes.is_withdrawal, changes.count > 0);
        let mark = Mark { is_withdrawal, is_progress, resume, ..Mark::UNMOVED };
        sync_streams::mark(&tx, self.key().0, &mark).await?;
        tx.commit().await?;
        metrics::rows_synced(changes.count);
        self.changed += changes.count;
        self.written += changes.transactions;
        Ok(())
    }

    /// Writes the last part of a scan, and that it is complete. Whether it is: where the source
    /// counts otherwise, only the part is written.
    pub(super) async fn record_last(
        &mut self,
        stream: &Stream,
        span: Span,
        scan: &Scan,
        unconfirmed: &[Unconfirmed],
    ) -> Result<bool, JobError> {
        let ready = self.prepare(span).await?;
        let tx = self.lease.begin("sync_bitcoin_last").await?;
        let changes = self.write(&tx, &ready).await?;
        let (stream_id, top) = (stream.stream_id, &scan.top);
        let mut is_complete = true;
        if let Some(expected) = scan.expected {
            let count = sync_bitcoin::count_participations(&tx, stream_id, top.height).await?;
            is_complete = count + scan.beside == expected;
            if !is_complete {
                tracing::info!(count, beside = scan.beside, expected, "a history is not whole");
            }
        }
        let (is_withdrawal, is_progress) = (changes.is_withdrawal, changes.count > 0);
        let mut mark = Mark { is_withdrawal, is_progress, ..Mark::UNMOVED };
        if is_complete {
            // Times of blocks go back and forth, but each is later than the median of the eleven
            // blocks before it: nothing can come any more before the top's median.
            let complete_until = top.certain_until + TimeDelta::microseconds(1);
            let (height, hash) = (top.height, top.hash.clone());
            mark.head = Some(Head { height, hash, complete_until });
            mark.final_height = top.height - self.lease.network.finality;
            sync_bitcoin::replace_unconfirmed(&tx, stream_id, unconfirmed).await?;
        }
        sync_streams::mark(&tx, stream_id, &mark).await?;
        tx.commit().await?;
        metrics::rows_synced(changes.count);
        self.changed += changes.count;
        Ok(is_complete)
    }

    /// Writes what is in no block yet, where no block is new.
    pub(super) async fn record_unconfirmed(
        &self,
        stream: &Stream,
        unconfirmed: &[Unconfirmed],
    ) -> Result<(), JobError> {
        let tx = self.lease.begin("sync_bitcoin_unconfirmed").await?;
        sync_bitcoin::replace_unconfirmed(&tx, stream.stream_id, unconfirmed).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Asks the source for what a span lacks, and makes days and accounts for its rows.
    async fn prepare(&self, span: Span) -> Result<Ready, JobError> {
        let heights = (span.lowest, span.highest);
        let recorded =
            sync_bitcoin::participations(&self.lease.database, self.key(), heights).await?;
        let blocks = self.blocks(&span.listed).await?;
        let indexes = self.indexes(&span.listed, &blocks).await?;
        let known: HashMap<&str, &RecordedBlock> = recorded
            .iter()
            .filter_map(|one| Some((one.reference.as_str(), one.block.as_ref()?)))
            .collect();
        let mut prepared = Vec::with_capacity(span.listed.len());
        let mut seen = HashSet::new();
        for one in &span.listed {
            let txid = one.transaction.txid();
            if !seen.insert(txid) {
                continue;
            }
            let (hash, mined_at) = blocks[&one.height];
            let placed = Placed {
                reference: txid.to_string(),
                height: i64::from(one.height),
                block_index: indexes.get(&txid).map(|index| i64::from(*index)),
                mined_at,
                block_hash: hash.to_string(),
                fee: one.transaction.fee(),
            };
            let before = known.get(placed.reference.as_str());
            let is_known = before.is_some_and(|block| is_same(&placed, &block.hash, block.index));
            prepared.push(Prepared { placed, transfers: Vec::new(), is_known });
        }
        self.name_parties(&span.listed, &mut prepared).await?;
        let listed: HashSet<&str> =
            prepared.iter().map(|one| one.placed.reference.as_str()).collect();
        let gone = recorded.into_iter().filter(|one| !listed.contains(&*one.reference)).collect();
        let gone = self.prove_gone(heights, gone).await?;
        Ok(Ready { span: heights, prepared, gone })
    }

    /// The blocks of a list, by their heights: where it does not tell them the source is asked.
    async fn blocks(
        &self,
        listed: &[Listed],
    ) -> Result<BTreeMap<u32, (BlockHash, DateTime<Utc>)>, JobError> {
        let mut blocks = BTreeMap::new();
        for one in listed {
            let told = match (one.block, blocks.get(&one.height)) {
                (Some(told), _) => told,
                (None, Some(known)) => *known,
                (None, None) => {
                    let block = self.turns.call(self.source.block_at(one.height)).await?;
                    let told = block.and_then(|block| Some((block.hash, block.mined_at?)));
                    told.ok_or_else(|| inconsistent("a block of the history is not there"))?
                }
            };
            if *blocks.entry(one.height).or_insert(told) != told {
                return Err(inconsistent("the history has two blocks of one height"));
            }
        }
        Ok(blocks)
    }

    /// Which of their blocks' transactions they are, where a block has several of the list: the
    /// order of others among rows of their blocks matters to nobody.
    async fn indexes(
        &self,
        listed: &[Listed],
        blocks: &BTreeMap<u32, (BlockHash, DateTime<Utc>)>,
    ) -> Result<HashMap<Txid, u32>, JobError> {
        let mut counts: BTreeMap<u32, BTreeSet<Txid>> = BTreeMap::new();
        for one in listed {
            counts.entry(one.height).or_default().insert(one.transaction.txid());
        }
        let mut indexes = HashMap::new();
        for (height, wanted) in counts.iter().filter(|(_, wanted)| wanted.len() > 1) {
            let txids = self.turns.call(self.source.block_txids(blocks[height].0)).await?;
            let txids = txids.ok_or_else(|| inconsistent("a block of the history is gone"))?;
            let all = (0..).zip(txids).map(|(index, txid)| (txid, index));
            let found = all.filter(|(txid, _)| wanted.contains(txid));
            let before = indexes.len();
            indexes.extend(found);
            if indexes.len() - before != wanted.len() {
                return Err(inconsistent("a block lacks what the history has in it"));
            }
        }
        Ok(indexes)
    }

    /// Makes the accounts and days of rows that are to be written.
    async fn name_parties(
        &self,
        listed: &[Listed],
        prepared: &mut [Prepared],
    ) -> Result<(), JobError> {
        let transactions: HashMap<String, &Listed> =
            listed.iter().map(|one| (one.transaction.txid().to_string(), one)).collect();
        let (mut keys, mut rows, mut days) = (Vec::new(), Vec::new(), BTreeSet::new());
        let network = &self.lease.network.network;
        for (number, one) in prepared.iter().enumerate().filter(|(_, one)| !one.is_known) {
            days.insert(one.placed.mined_at.date_naive());
            for row in transactions[&one.placed.reference].transaction.rows() {
                for party in [&row.sender, &row.receiver] {
                    let key = party.account(network).map_err(|error| {
                        JobError::Incident(format!("{} {error}", party.address()))
                    })?;
                    keys.push(key);
                }
                rows.push((number, row));
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        self.lease.make_days(days).await?;
        let ids = self.lease.account_ids(&keys.iter().collect::<Vec<&AccountKey>>()).await?;
        for ((number, row), ids) in rows.into_iter().zip(ids.chunks_exact(2)) {
            prepared[number].transfers.push((ids[0], ids[1], row));
        }
        Ok(())
    }

    /// Proves of transactions that the history does not have any more that their blocks are none of
    /// the best chain.
    async fn prove_gone(
        &self,
        (lowest, highest): (i64, i64),
        gone: Vec<Participation>,
    ) -> Result<Vec<(String, Option<String>)>, JobError> {
        let mut proved: HashMap<(i64, String), bool> = HashMap::new();
        let mut proofs = Vec::with_capacity(gone.len());
        for Participation { reference, block } in gone {
            // What was moved out of these heights is where it was moved to.
            let block = block.filter(|block| (lowest..=highest).contains(&block.height));
            let block = block.map(|block| (block.height, block.hash));
            let Some(block) = block else {
                proofs.push((reference, None));
                continue;
            };
            let is_best = match proved.get(&block) {
                Some(is_best) => *is_best,
                None => self.hash_at(block.0).await?.as_ref() == Some(&block.1),
            };
            if is_best {
                let height = block.0;
                let what = format!("the history lacks {reference}, whose block {height} is there");
                return Err(inconsistent(what));
            }
            proofs.push((reference, Some(block.1.clone())));
            proved.insert(block, is_best);
        }
        Ok(proofs)
    }

    /// Makes what is recorded of a span what was read of it.
    async fn write(&self, tx: &PooledTx, ready: &Ready) -> Result<Changes, JobError> {
        let (stream_id, network) = self.key();
        let asset_id = self.lease.stream.asset_id;
        let placed: Vec<&Placed> = ready.prepared.iter().map(|one| &one.placed).collect();
        let others: Vec<&str> = ready.gone.iter().map(|(reference, _)| &**reference).collect();
        let standings = sync_bitcoin::lock(tx, network, &placed, &others).await?;
        let transactions = i64::try_from(ready.prepared.len()).unwrap_or(i64::MAX);
        let mut changes = Changes { transactions, ..Changes::default() };
        let mut withdrawn: Vec<&str> = Vec::new();
        for (reference, disproved) in &ready.gone {
            let standing = standings.get(reference).filter(|standing| standing.is_recorded);
            let (Some(standing), Some(disproved)) = (standing, disproved) else { continue };
            if standing.block_hash != *disproved {
                return Err(inconsistent("another wallet's walk has moved a transaction"));
            }
            sync_bitcoin::delete_rows(tx, asset_id, reference, standing.mined_at).await?;
            withdrawn.push(reference);
        }
        sync_bitcoin::withdraw(tx, network, &withdrawn).await?;
        changes.note(withdrawn.len(), !withdrawn.is_empty());
        let (mut places, mut rows) = (Vec::new(), Vec::new());
        for one in &ready.prepared {
            let standing = standings.get(&one.placed.reference);
            let standing =
                standing.ok_or_else(|| inconsistent("a transaction's place is not there"))?;
            let (hash, index) = (&standing.block_hash, standing.block_index);
            if standing.is_recorded && is_same(&one.placed, hash, index) {
                continue;
            }
            if one.is_known {
                return Err(inconsistent("another wallet's walk has moved a transaction"));
            }
            let mut generation = standing.generation;
            if standing.is_recorded {
                let reference = &one.placed.reference;
                sync_bitcoin::delete_rows(tx, asset_id, reference, standing.mined_at).await?;
                generation += 1;
                changes.note(1, true);
            }
            places.push((&one.placed, generation));
            rows.extend(self.rows(one, generation)?);
        }
        rows.sort_by_key(|row| (row.occurred_at, row.position));
        sync_bitcoin::place(tx, network, &places, &rows).await?;
        changes.note(rows.len(), false);
        sync_bitcoin::replace_participations(tx, stream_id, ready.span, &placed).await?;
        Ok(changes)
    }

    fn rows(&self, one: &Prepared, generation: i64) -> Result<Vec<KeyedTransaction>, JobError> {
        let Placed { reference, height, block_index, mined_at, block_hash, .. } = &one.placed;
        let position = u64::try_from(*height)
            .ok()
            .zip(u32::try_from(block_index.unwrap_or(0)).ok())
            .and_then(|(height, index)| position(height, index))
            .ok_or_else(|| inconsistent("a block is too high to be one"))?;
        let network = self.lease.network.network.as_str();
        let row =
            |(place, (sender_id, receiver_id, transfer)): (u64, &(i64, i64, ValueTransfer))| {
                KeyedTransaction {
                    transaction_id: chain_row_id(network, block_hash, reference, place, generation),
                    occurred_at: *mined_at,
                    position,
                    asset_id: self.lease.stream.asset_id,
                    asset_decimals: self.lease.stream.decimals,
                    sender_id: *sender_id,
                    receiver_id: *receiver_id,
                    amount: transfer.amount.clone(),
                    reference: Some(reference.clone()),
                }
            };
        Ok((0..).zip(&one.transfers).map(row).collect())
    }
}

/// What a tx has changed.
#[derive(Default)]
struct Changes {
    /// Transactions of the history that are written, changed or not.
    transactions: i64,
    count: i64,
    is_withdrawal: bool,
}

impl Changes {
    fn note(&mut self, count: usize, is_withdrawal: bool) {
        self.count += i64::try_from(count).unwrap_or(i64::MAX);
        self.is_withdrawal |= is_withdrawal;
    }
}

/// Whether a transaction is recorded where it was found, with its index if that is known now.
fn is_same(placed: &Placed, hash: &str, index: Option<i64>) -> bool {
    placed.block_hash == hash && (placed.block_index.is_none() || placed.block_index == index)
}
