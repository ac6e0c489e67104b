//! Answers of blockchain.info (<https://www.blockchain.com/explorer/api/blockchain_api>).
//!
//! A history is one list, newest first, in which what is in no block yet comes first; places are
//! counted from the newest end, so that they move when a transaction comes. Pages overlap by one
//! transaction, and a page that does not have it shows that the list moved too far. A transaction
//! says the height of its block, but neither the block's hash nor its time: its own time is that
//! of its arrival. Both come from the block at that height.

use serde::Deserialize;

use super::{
    AddressStats, Answer, BlockAt, Cursor, HistoryCount, HistoryPage, Tip, block_hash, coin,
    instant, malformed, txid,
};
use crate::{
    domain::{
        account::Network,
        bitcoin::{BitcoinTransaction, Block, Coin, Found, FoundTransaction, Txid},
    },
    outbound::source_error::SourceError,
};

/// Most transactions of a page.
pub(super) const PAGE_LENGTH_MAX: u64 = 50;

/// The number of the output that a coinbase's input names, where it names one.
const NO_OUTPUT: u64 = u32::MAX as u64;

#[derive(Deserialize)]
struct RawAddress {
    n_tx: u64,
    txs: Vec<Transaction>,
}

#[derive(Deserialize)]
struct AddressHead {
    n_tx: u64,
}

#[derive(Deserialize)]
struct Transaction {
    hash: String,
    inputs: Vec<Input>,
    out: Vec<Output>,
    fee: Option<u64>,
    block_height: Option<u32>,
}

#[derive(Deserialize)]
struct Input {
    prev_out: Option<Output>,
}

#[derive(Deserialize)]
struct Output {
    script: String,
    value: u64,
    n: Option<u64>,
}

#[derive(Deserialize)]
struct LatestBlock {
    hash: String,
    height: u32,
}

#[derive(Deserialize)]
struct BlocksAtHeight {
    blocks: Vec<RawBlock>,
}

#[derive(Deserialize)]
struct RawBlock {
    hash: String,
    height: u32,
    time: i64,
    prev_block: String,
    main_chain: Option<bool>,
    tx: Vec<BlockTransaction>,
}

#[derive(Deserialize)]
struct BlockTransaction {
    hash: String,
}

pub(super) fn tip(answer: &Answer) -> Result<Tip, SourceError> {
    let block: LatestBlock = answer.read()?;
    Ok(Tip { hash: block_hash(&block.hash)?, height: Some(block.height) })
}

/// The block of the best chain among those at a height.
pub(super) fn block_at(height: u32, answer: &Answer) -> Result<Option<BlockAt>, SourceError> {
    let mut blocks = answer.read::<BlocksAtHeight>()?.blocks;
    blocks.retain(|block| block.main_chain != Some(false));
    let [block] = &blocks[..] else {
        let count = blocks.len();
        return if count == 0 { Ok(None) } else { Err(malformed(format!("{count} best blocks"))) };
    };
    if block.height != height {
        return Err(malformed("it is the block of another height"));
    }
    Ok(Some(BlockAt { hash: block_hash(&block.hash)?, mined_at: Some(instant(block.time)?) }))
}

pub(super) fn block(answer: &Answer) -> Result<Block, SourceError> {
    let block: RawBlock = answer.read()?;
    let previous = Some(block_hash(&block.prev_block)?).filter(|_| block.height > 0);
    let (hash, mined_at) = (block_hash(&block.hash)?, instant(block.time)?);
    Ok(Block { height: block.height, hash, mined_at, median_at: None, previous })
}

pub(super) fn txids(answer: &Answer) -> Result<Vec<Txid>, SourceError> {
    answer.read::<RawBlock>()?.tx.iter().map(|one| txid(&one.hash)).collect()
}

pub(super) fn stats(answer: &Answer) -> Result<AddressStats, SourceError> {
    let history = HistoryCount::WithUnconfirmed(answer.read::<AddressHead>()?.n_tx);
    Ok(AddressStats { history, confirmed_balance: None })
}

/// A page of `rawaddr`, without what the page before has already shown.
pub(super) fn history(
    network: &Network,
    after: Option<Cursor>,
    answer: &Answer,
) -> Result<HistoryPage, SourceError> {
    let told: RawAddress = answer.read()?;
    let (count, offset) = (told.n_tx, after.map_or(0, |cursor| cursor.offset));
    let end = offset + u64::try_from(told.txs.len()).unwrap_or(u64::MAX);
    let told = told.txs.into_iter().map(|one| transaction(network, one));
    let mut transactions = told.collect::<Result<Vec<_>, _>>()?;
    let mut begin = offset;
    if let Some(Cursor { last, .. }) = after {
        let seen = transactions.iter().position(|one| one.transaction.txid() == last);
        let seen = seen.ok_or_else(|| {
            SourceError::UnknownPlace(format!("{last} is not at place {offset} of the history"))
        })?;
        transactions.drain(..=seen);
        begin += u64::try_from(seen).unwrap_or(u64::MAX) + 1;
    }
    let next = transactions
        .last()
        .filter(|_| end < count)
        .map(|last| Cursor { last: last.transaction.txid(), offset: end - 1 });
    Ok(HistoryPage { transactions, offset: begin, next })
}

fn transaction(network: &Network, told: Transaction) -> Result<FoundTransaction, SourceError> {
    let txid = txid(&told.hash)?;
    let created = coins(network, &told.out)?;
    let is_output = |output: &Output| output.n != Some(NO_OUTPUT);
    let inputs = told.inputs.into_iter().map(|input| input.prev_out.filter(is_output));
    let spent: Vec<Option<Output>> = inputs.collect();
    let made = if let [None] = &spent[..] {
        BitcoinTransaction::coinbase(txid, created)
    } else {
        let spent: Option<Vec<Output>> = spent.into_iter().collect();
        let spent = spent.ok_or_else(|| malformed("an input does not say what it spends"))?;
        BitcoinTransaction::new(txid, coins(network, &spent)?, created, told.fee)
    };
    let transaction = made.map_err(|fault| malformed(format!("of {txid}: {fault}")))?;
    let found = told.block_height.map_or(Found::Unconfirmed, Found::AtHeight);
    Ok(FoundTransaction { transaction, found })
}

fn coins(network: &Network, outputs: &[Output]) -> Result<Vec<Coin>, SourceError> {
    outputs.iter().map(|output| coin(network, &output.script, output.value)).collect()
}
