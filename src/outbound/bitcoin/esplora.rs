//! Answers of Esplora (<https://github.com/Blockstream/esplora/blob/master/API.md>).
//!
//! Hashes and heights come as plain text, everything else as JSON, amounts in satoshis. A
//! coinbase's input has no `prevout`; another input without one is of a server whose index is not
//! complete, and its answer is refused. The address that an answer gives with a script is compared
//! with the script's own, and else left alone.

use serde::Deserialize;

use super::{
    AddressStats, Answer, Cursor, HistoryCount, HistoryPage, block_hash, coin, instant, malformed,
    txid,
};
use crate::{
    domain::{
        account::Network,
        bitcoin::{
            BitcoinTransaction, Block, BlockHash, BlockPlace, Coin, Found, FoundTransaction, Owner,
            Satoshis, Txid,
        },
    },
    outbound::source_error::SourceError,
};

#[derive(Deserialize)]
struct Transaction {
    txid: String,
    vin: Vec<Input>,
    vout: Vec<Output>,
    fee: Option<u64>,
    status: Status,
}

#[derive(Deserialize)]
struct Input {
    #[serde(default)]
    is_coinbase: bool,
    prevout: Option<Output>,
}

#[derive(Deserialize)]
struct Output {
    scriptpubkey: String,
    scriptpubkey_address: Option<String>,
    value: u64,
}

#[derive(Deserialize)]
struct Status {
    confirmed: bool,
    block_height: Option<u32>,
    block_hash: Option<String>,
    block_time: Option<i64>,
}

#[derive(Deserialize)]
struct BlockHead {
    id: String,
    height: u32,
    timestamp: i64,
    mediantime: Option<i64>,
    previousblockhash: Option<String>,
}

#[derive(Deserialize)]
struct AddressHead {
    chain_stats: ChainStats,
}

#[derive(Deserialize)]
struct ChainStats {
    tx_count: u64,
    funded_txo_sum: u64,
    spent_txo_sum: u64,
}

/// A hash in plain text.
pub(super) fn hash(answer: &Answer) -> Result<BlockHash, SourceError> {
    let read = BlockHash::parse(String::from_utf8_lossy(&answer.body).trim());
    read.ok_or_else(|| malformed(format!("no hash: {}", answer.quoted())))
}

pub(super) fn block(answer: &Answer) -> Result<Block, SourceError> {
    let head: BlockHead = answer.read()?;
    Ok(Block {
        height: head.height,
        hash: block_hash(&head.id)?,
        mined_at: instant(head.timestamp)?,
        median_at: head.mediantime.map(instant).transpose()?,
        previous: head.previousblockhash.as_deref().map(block_hash).transpose()?,
    })
}

pub(super) fn txids(answer: &Answer) -> Result<Vec<Txid>, SourceError> {
    answer.read::<Vec<String>>()?.iter().map(|text| txid(text)).collect()
}

pub(super) fn stats(answer: &Answer) -> Result<AddressStats, SourceError> {
    let stats = answer.read::<AddressHead>()?.chain_stats;
    let balance = stats.funded_txo_sum.checked_sub(stats.spent_txo_sum);
    let balance = balance.and_then(Satoshis::new);
    let balance = balance.ok_or_else(|| malformed("an address spends more than it has"))?;
    let history = HistoryCount::Confirmed(stats.tx_count);
    Ok(AddressStats { history, confirmed_balance: Some(balance) })
}

/// A page of `txs/chain`. Only a page without anything is the end of the list: pages have no fixed
/// length.
pub(super) fn history(network: &Network, answer: &Answer) -> Result<HistoryPage, SourceError> {
    let transactions = transactions(network, answer)?;
    if transactions.iter().any(|one| one.found == Found::Unconfirmed) {
        return Err(malformed("a list of what is in blocks has something that is in none"));
    }
    let next = transactions.last().map(|last| Cursor { last: last.transaction.txid(), offset: 0 });
    Ok(HistoryPage { transactions, offset: 0, next })
}

/// The page of `txs/mempool`. What got into a block while it was made is left out.
pub(super) fn unconfirmed(
    network: &Network,
    answer: &Answer,
) -> Result<Vec<FoundTransaction>, SourceError> {
    let mut transactions = transactions(network, answer)?;
    transactions.retain(|one| one.found == Found::Unconfirmed);
    Ok(transactions)
}

fn transactions(network: &Network, answer: &Answer) -> Result<Vec<FoundTransaction>, SourceError> {
    let listed: Vec<Transaction> = answer.read()?;
    listed.into_iter().map(|one| transaction(network, one)).collect()
}

fn transaction(network: &Network, told: Transaction) -> Result<FoundTransaction, SourceError> {
    let txid = txid(&told.txid)?;
    let created: Vec<Coin> = coins(network, &told.vout)?;
    let made = if told.vin.iter().any(|input| input.is_coinbase) {
        BitcoinTransaction::coinbase(txid, created)
    } else {
        let spent: Option<Vec<Output>> = told.vin.into_iter().map(|input| input.prevout).collect();
        let spent = spent.ok_or_else(|| malformed("an input does not say what it spends"))?;
        BitcoinTransaction::new(txid, coins(network, &spent)?, created, told.fee)
    };
    let transaction = made.map_err(|fault| malformed(format!("of {txid}: {fault}")))?;
    Ok(FoundTransaction { transaction, found: found(&told.status)? })
}

fn found(status: &Status) -> Result<Found, SourceError> {
    if !status.confirmed {
        return Ok(Found::Unconfirmed);
    }
    let (Some(height), Some(hash), Some(time)) =
        (status.block_height, &status.block_hash, status.block_time)
    else {
        return Err(malformed("in a block, but not in which"));
    };
    let place = BlockPlace { height, hash: block_hash(hash)? };
    Ok(Found::InBlock { place, mined_at: instant(time)? })
}

fn coins(network: &Network, outputs: &[Output]) -> Result<Vec<Coin>, SourceError> {
    let one = |output: &Output| {
        let coin = coin(network, &output.scriptpubkey, output.value)?;
        match (&coin.owner, &output.scriptpubkey_address) {
            (Owner::Address(own), Some(told)) if own.as_str() != told => {
                Err(malformed(format!("{} is called otherwise", own.as_str())))
            }
            _ => Ok(coin),
        }
    };
    outputs.iter().map(one).collect()
}
