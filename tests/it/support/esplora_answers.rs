//! The shapes of answers of Esplora and of blockchain.info.

use bitcoin::{Address, Network, Script, ScriptBuf, Transaction, TxOut, Txid};
use serde_json::{Value, json};

use crate::support::bitcoin_index::{Index, IndexedBlock};

pub(crate) fn block(index: &Index, block: &IndexedBlock) -> Value {
    let header = &block.block.header;
    let previous = Some(header.prev_blockhash).filter(|_| block.height > 0);
    json!({
        "id": block.hash, "height": block.height, "version": header.version.to_consensus(),
        "timestamp": header.time, "mediantime": index.median_time(block),
        "tx_count": block.txids.len(),
        "size": block.block.total_size(), "weight": block.block.weight().to_wu(),
        "merkle_root": header.merkle_root, "previousblockhash": previous,
        "nonce": header.nonce, "bits": header.bits.to_consensus(), "difficulty": 0,
    })
}

pub(crate) fn block_status(index: &Index, block: &IndexedBlock) -> Value {
    let is_best = index.best_block(block.height).is_some_and(|best| best.hash == block.hash);
    let next = index.best_block(block.height + 1).filter(|_| is_best).map(|next| next.hash);
    let height = is_best.then_some(block.height);
    json!({"in_best_chain": is_best, "height": height, "next_best": next})
}

pub(crate) fn txids(block: &IndexedBlock) -> Value {
    json!(block.txids)
}

pub(crate) fn status(index: &Index, txid: Txid) -> Value {
    let Some((height, _)) = index.place(txid) else {
        return json!({"confirmed": false});
    };
    let block = index.best_block(height).unwrap();
    json!({
        "confirmed": true, "block_height": height, "block_hash": block.hash,
        "block_time": block.block.header.time,
    })
}

pub(crate) fn transaction(index: &Index, transaction: &Transaction) -> Value {
    let txid = transaction.compute_txid();
    let input = |input: &bitcoin::TxIn| {
        let point = input.previous_output;
        json!({
            "txid": point.txid, "vout": point.vout, "is_coinbase": point.is_null(),
            "scriptsig": input.script_sig, "scriptsig_asm": "", "sequence": input.sequence,
            "prevout": index.output(&point).map(output),
        })
    };
    json!({
        "txid": txid, "version": transaction.version, "locktime": transaction.lock_time,
        "size": transaction.total_size(), "weight": transaction.weight().to_wu(),
        "fee": fee(index, transaction),
        "vin": transaction.input.iter().map(input).collect::<Vec<_>>(),
        "vout": transaction.output.iter().map(output).collect::<Vec<_>>(),
        "status": status(index, txid),
    })
}

fn output(output: &TxOut) -> Value {
    let script = &output.script_pubkey;
    let mut told = json!({
        "scriptpubkey": script, "scriptpubkey_asm": "", "scriptpubkey_type": "any",
        "value": output.value.to_sat(),
    });
    if let Ok(address) = Address::from_script(script, Network::Regtest) {
        told["scriptpubkey_address"] = json!(address.to_string());
    }
    told
}

fn fee(index: &Index, transaction: &Transaction) -> u64 {
    if transaction.is_coinbase() {
        return 0;
    }
    let sum = |outputs: &mut dyn Iterator<Item = &TxOut>| -> u64 {
        outputs.map(|output| output.value.to_sat()).sum()
    };
    let taken = sum(&mut index.spent(transaction).into_iter());
    taken - sum(&mut transaction.output.iter())
}

/// What a script took part in.
pub(crate) fn stats(index: &Index, script: &ScriptBuf, address: &str) -> Value {
    let history = index.history(script).iter().map(|&place| index.transaction(place));
    let confirmed = summary(index, script, history);
    let is_party = |one: &&Transaction| index.parties(one).contains(script);
    let unconfirmed = summary(index, script, index.mempool.iter().filter(is_party));
    json!({"address": address, "chain_stats": confirmed, "mempool_stats": unconfirmed})
}

fn summary<'a>(
    index: &Index,
    script: &Script,
    transactions: impl Iterator<Item = &'a Transaction>,
) -> Value {
    let [mut count, mut funded, mut funded_sum, mut spent, mut spent_sum] = [0_u64; 5];
    for transaction in transactions {
        count += 1;
        for output in transaction.output.iter().filter(|one| *one.script_pubkey == *script) {
            funded += 1;
            funded_sum += output.value.to_sat();
        }
        let inputs = index.spent(transaction).into_iter();
        for output in inputs.filter(|one| *one.script_pubkey == *script) {
            spent += 1;
            spent_sum += output.value.to_sat();
        }
    }
    json!({
        "tx_count": count, "funded_txo_count": funded, "funded_txo_sum": funded_sum,
        "spent_txo_count": spent, "spent_txo_sum": spent_sum,
    })
}

pub(crate) fn latest_block(index: &Index) -> Value {
    let tip = index.tip();
    json!({
        "hash": tip.hash, "time": tip.block.header.time, "block_index": tip.height,
        "height": tip.height, "txIndexes": [],
    })
}

pub(crate) fn raw_block(index: &Index, block: &IndexedBlock) -> Value {
    let is_best = index.best_block(block.height).is_some_and(|best| best.hash == block.hash);
    let header = &block.block.header;
    let transaction = |txid: &Txid| json!({"hash": txid, "inputs": [], "out": []});
    json!({
        "hash": block.hash, "ver": header.version.to_consensus(), "time": header.time,
        "prev_block": header.prev_blockhash, "height": block.height, "main_chain": is_best,
        "n_tx": block.txids.len(), "block_index": block.height,
        "tx": block.txids.iter().map(transaction).collect::<Vec<_>>(),
    })
}

pub(crate) fn blocks_at_height(index: &Index, block: &IndexedBlock) -> Value {
    json!({"blocks": [raw_block(index, block)]})
}

pub(crate) fn raw_address(
    index: &Index,
    address: &str,
    count: usize,
    page: &[Transaction],
) -> Value {
    let txs: Vec<Value> = page.iter().map(|one| raw_transaction(index, one)).collect();
    json!({
        "hash160": "", "address": address, "n_tx": count, "n_unredeemed": 0,
        "total_received": 0, "total_sent": 0, "final_balance": 0, "txs": txs,
    })
}

fn raw_transaction(index: &Index, transaction: &Transaction) -> Value {
    let txid = transaction.compute_txid();
    let output = |(number, output): (u32, &TxOut)| {
        json!({
            "type": 0, "spent": false, "value": output.value.to_sat(), "n": number,
            "script": output.script_pubkey, "tx_index": 1,
        })
    };
    let input = |input: &bitcoin::TxIn| {
        let point = input.previous_output;
        let previous = index.output(&point).map(|one| output((point.vout, one)));
        json!({"sequence": input.sequence, "script": input.script_sig, "prev_out": previous})
    };
    // The time is that of arrival, which is not the block's.
    json!({
        "hash": txid, "ver": 2, "vin_sz": transaction.input.len(), "time": 1_700_000_000,
        "vout_sz": transaction.output.len(), "fee": fee(index, transaction), "tx_index": 1,
        "double_spend": false, "result": 0, "balance": 0,
        "block_height": index.place(txid).map(|(height, _)| height),
        "inputs": transaction.input.iter().map(input).collect::<Vec<_>>(),
        "out": (0..).zip(&transaction.output).map(output).collect::<Vec<_>>(),
    })
}
