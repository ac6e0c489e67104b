//! What happens on a chain of Bitcoin, drawn by chance: payments of every kind, and other
//! histories of the same blocks.

use bitcoin::{
    OutPoint, ScriptBuf, Transaction,
    opcodes::{OP_TRUE, all::OP_CHECKMULTISIG},
    script::Builder,
};
use rand::{Rng, RngExt, seq::SliceRandom};

use crate::support::bitcoin_chain::{Chain, KEYS, MATURITY, NewBlock, data, script};

/// A chain whose keys own something.
pub(crate) async fn settle(chain: &mut Chain) {
    for key in 0..KEYS {
        chain.mine_empty(key, 1).await;
    }
    chain.mine_empty(KEYS - 1, MATURITY).await;
}

/// Somebody who may be paid: mostly a key, else a script that nobody's key is for.
fn payee(random: &mut impl Rng) -> ScriptBuf {
    match random.random_range(0..20) {
        0 => data(random.random()),
        1 => Builder::new().push_opcode(OP_TRUE).into_script(),
        2 => Builder::new()
            .push_int(1)
            .push_slice([2; 33])
            .push_int(1)
            .push_opcode(OP_CHECKMULTISIG)
            .into_script(),
        3 => ScriptBuf::new_op_return([random.random::<u8>(); 8]),
        _ => script(random.random_range(0..KEYS)),
    }
}

/// Transactions for one block, each possible after those before it.
pub(crate) async fn payments(
    chain: &Chain,
    count: usize,
    random: &mut impl Rng,
) -> Vec<Transaction> {
    let mut coins = chain.spendable();
    let waiting = chain.index().lock().unwrap().mempool.clone();
    let spent = waiting.iter().flat_map(|one| &one.input).map(|input| input.previous_output);
    let spent: Vec<OutPoint> = spent.collect();
    coins.retain(|(point, value, _)| *value > 20_000 && !spent.contains(point));
    coins.shuffle(random);
    let mut transactions = Vec::new();
    for _ in 0..count {
        let inputs = random.random_range(1..4).min(coins.len());
        let taken: Vec<_> = coins.drain(..inputs).collect();
        if taken.is_empty() {
            break;
        }
        let created = outputs(&taken, random);
        let points: Vec<OutPoint> = taken.iter().map(|coin| coin.0).collect();
        let transaction = chain.sign(&points, &created).await;
        let txid = transaction.compute_txid();
        // Some of it is spent in the same block.
        for (number, (script, value)) in (0..).zip(&created) {
            let owner = (0..KEYS).find(|key| super::bitcoin_chain::script(*key) == *script);
            if let (Some(key), true) = (owner, *value > 20_000 && random.random_bool(0.3)) {
                coins.insert(0, (OutPoint::new(txid, number), *value, key));
            }
        }
        transactions.push(transaction);
    }
    transactions
}

/// What a transaction pays that takes these coins.
fn outputs(taken: &[(OutPoint, u64, u8)], random: &mut impl Rng) -> Vec<(ScriptBuf, u64)> {
    let fee = if random.random_bool(0.2) { 0 } else { random.random_range(1..2_000) };
    if let ([first, last], true) = (taken, random.random_bool(0.5)) {
        // The first gets just what it put in, unless the other is the same.
        return vec![(script(first.2), first.1), (script(last.2), last.1 - fee)];
    }
    let mut left = taken.iter().map(|coin| coin.1).sum::<u64>() - fee;
    let mut created = Vec::new();
    for _ in 0..random.random_range(0..4) {
        let value = if random.random_bool(0.1) { 0 } else { random.random_range(0..left / 2) };
        created.push((payee(random), value));
        left -= value;
    }
    created.push((script(random.random_range(0..KEYS)), left));
    created.shuffle(random);
    created
}

/// Another history after this many blocks less: some transactions are in other blocks, some in
/// none any more, some are replaced by others that spend the same, and some are new.
pub(crate) async fn other_history(
    chain: &Chain,
    depth: u32,
    random: &mut impl Rng,
) -> Vec<NewBlock> {
    let fork = chain.height() - depth;
    let before: Vec<Transaction> = {
        let index = chain.index();
        let index = index.lock().unwrap();
        let blocks = (fork + 1..=fork + depth).map(|height| index.best_block(height).unwrap());
        let taken = blocks.flat_map(|block| block.block.txdata[1..].to_vec());
        taken.chain(index.mempool.clone()).collect()
    };
    let mut wanted = Vec::new();
    for transaction in before {
        match random.random_range(0..10) {
            0..=2 => {}
            3..=4 => {
                let points = transaction.input.iter().map(|input| input.previous_output);
                let points: Vec<OutPoint> = points.collect();
                let sum: u64 = {
                    let index = chain.index();
                    let index = index.lock().unwrap();
                    index.spent(&transaction).iter().map(|output| output.value.to_sat()).sum()
                };
                let payee = script(random.random_range(0..KEYS));
                wanted.push(chain.sign(&points, &[(payee, sum - sum.min(777))]).await);
            }
            _ => wanted.push(transaction),
        }
    }
    let mut left = chain.possible_after(fork, wanted);
    let count = depth + random.random_range(0..3);
    let mut blocks = Vec::new();
    for number in 0..count {
        let most = left.len();
        let taken = if number + 1 == count && random.random_bool(0.5) {
            most
        } else {
            random.random_range(0..=most)
        };
        let transactions = left.drain(..taken).collect();
        blocks.push(NewBlock { miner: random.random_range(0..KEYS), transactions });
    }
    blocks
}
