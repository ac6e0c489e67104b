//! A chain of Bitcoin to be scanned: one that is made up here, the same each time, or a real node's
//! in regtest. Both obey the rules of what may be spent; only the node verifies signatures and has
//! proofs of work.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
};

use bitcoin::{
    Address, Amount, Block, BlockHash, Network, OutPoint, PublicKey, ScriptBuf, Sequence,
    Transaction, TxIn, TxMerkleNode, TxOut, Witness,
    absolute::LockTime,
    block::{Header, Version},
    constants::genesis_block,
    hashes::Hash,
    opcodes::all::OP_RETURN,
    script::Builder,
    secp256k1::{Secp256k1, SecretKey},
    transaction,
};

use crate::support::{
    bitcoin_index::{Index, SharedIndex},
    bitcoind::Bitcoind,
};

/// Blocks that must be on a coinbase before it is spent.
pub(crate) const MATURITY: u32 = 100;

/// When the first block after the genesis was mined, about.
const BEGIN: u32 = 1_714_521_600;

/// Keys that own something.
pub(crate) const KEYS: u8 = 12;

pub(crate) fn secret(key: u8) -> SecretKey {
    SecretKey::from_slice(&[key + 1; 32]).unwrap()
}

fn public(key: u8) -> PublicKey {
    PublicKey::new(secret(key).public_key(&Secp256k1::signing_only()))
}

/// The script that pays a key: a witness program, a hash as of old, or the bare key, by its number.
pub(crate) fn script(key: u8) -> ScriptBuf {
    match key % 4 {
        0 | 1 => ScriptBuf::new_p2wpkh(&public(key).wpubkey_hash().unwrap()),
        2 => ScriptBuf::new_p2pkh(&public(key).pubkey_hash()),
        _ => ScriptBuf::new_p2pk(&public(key)),
    }
}

/// The address of a key whose script has one.
pub(crate) fn address(key: u8) -> String {
    Address::from_script(&script(key), Network::Regtest).unwrap().to_string()
}

/// A script that carries data.
pub(crate) fn data(bytes: [u8; 4]) -> ScriptBuf {
    Builder::new().push_opcode(OP_RETURN).push_slice(bytes).into_script()
}

/// A block to be mined: who is paid, and what is in it.
#[derive(Clone, Debug)]
pub(crate) struct NewBlock {
    pub(crate) miner: u8,
    pub(crate) transactions: Vec<Transaction>,
}

/// Where blocks come from.
enum Maker {
    Here,
    Node(Box<Bitcoind>),
}

pub(crate) struct Chain {
    maker: Maker,
    index: SharedIndex,
    /// Blocks that were mined: no two are the same, even at one height.
    mined: u32,
}

impl Chain {
    /// One that is made up.
    pub(crate) fn made() -> Self {
        let mut index = Index::default();
        index.reorganise(0, vec![genesis_block(Network::Regtest)]);
        Self { maker: Maker::Here, index: Arc::new(Mutex::new(index)), mined: 0 }
    }

    /// A real node's. `None` where there is none, which is said.
    pub(crate) async fn of_node(what: &str) -> Option<Self> {
        let node = Bitcoind::start(what).await?;
        Some(Self { maker: Maker::Node(Box::new(node)), ..Self::made() })
    }

    pub(crate) fn index(&self) -> SharedIndex {
        Arc::clone(&self.index)
    }

    /// The node, where there is one.
    pub(crate) fn node(&self) -> Option<&Bitcoind> {
        match &self.maker {
            Maker::Here => None,
            Maker::Node(node) => Some(node),
        }
    }

    pub(crate) fn height(&self) -> u32 {
        self.index.lock().unwrap().tip().height
    }

    /// A signed transaction that spends these outputs, which are there or in the mempool.
    pub(crate) async fn sign(
        &self,
        spent: &[OutPoint],
        created: &[(ScriptBuf, u64)],
    ) -> Transaction {
        let input = |&previous_output: &OutPoint| TxIn {
            previous_output,
            script_sig: ScriptBuf::new(),
            sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
            witness: Witness::new(),
        };
        let output = |(script_pubkey, value): &(ScriptBuf, u64)| TxOut {
            value: Amount::from_sat(*value),
            script_pubkey: script_pubkey.clone(),
        };
        let unsigned = Transaction {
            version: transaction::Version::TWO,
            lock_time: LockTime::ZERO,
            input: spent.iter().map(input).collect(),
            output: created.iter().map(output).collect(),
        };
        let outputs: Vec<TxOut> = {
            let index = self.index.lock().unwrap();
            index.spent(&unsigned).into_iter().cloned().collect()
        };
        let signed = match &self.maker {
            Maker::Here => unsigned,
            Maker::Node(node) => node.sign(&unsigned, &outputs).await,
        };
        // What is made on top of it finds what it spends.
        self.index.lock().unwrap().remember_outputs(signed.compute_txid(), &signed);
        signed
    }

    /// Puts a transaction into the mempool.
    pub(crate) async fn send(&mut self, transaction: &Transaction) {
        if let Maker::Node(node) = &self.maker {
            node.send(transaction).await;
        }
        self.index.lock().unwrap().mempool.push(transaction.clone());
    }

    /// Mines a block on top.
    pub(crate) async fn mine(&mut self, miner: u8, transactions: Vec<Transaction>) {
        self.reorganise(0, vec![NewBlock { miner, transactions }]).await;
    }

    /// Mines empty blocks.
    pub(crate) async fn mine_empty(&mut self, miner: u8, count: u32) {
        let block = NewBlock { miner, transactions: Vec::new() };
        self.reorganise(0, vec![block; usize::try_from(count).unwrap()]).await;
    }

    /// Takes the newest blocks away and mines others instead. Servers see it all at once. What was
    /// in blocks and is in none now, and is still possible, is in the mempool.
    pub(crate) async fn reorganise(&mut self, depth: u32, new: Vec<NewBlock>) {
        let (first, taken) = {
            let index = self.index.lock().unwrap();
            let first = index.tip().height - depth + 1;
            let blocks = (first..first + depth).map(|height| index.best_block(height).unwrap());
            let blocks: Vec<Block> = blocks.map(|block| block.block.clone()).collect();
            (first, blocks)
        };
        if let (Maker::Node(node), Some(block)) = (&self.maker, taken.first()) {
            node.invalidate(block.block_hash()).await;
        }
        let mut previous = self.index.lock().unwrap().best_block(first - 1).unwrap().hash;
        let mut blocks = Vec::new();
        for (height, new) in (first..).zip(new) {
            self.mined += 1;
            let time = block_time(height) + self.mined % 100;
            let block = match &self.maker {
                Maker::Here => make(previous, height, time, &new, self.mined),
                Maker::Node(node) => node.mine(time, &new).await,
            };
            previous = block.block_hash();
            blocks.push(block);
        }
        let again = taken.iter().flat_map(|block| block.txdata[1..].to_vec());
        let candidates: Vec<Transaction> = {
            let mut index = self.index.lock().unwrap();
            let candidates = again.chain(std::mem::take(&mut index.mempool)).collect();
            index.reorganise(depth, blocks);
            candidates
        };
        let mempool = match &self.maker {
            Maker::Here => self.possible(candidates),
            Maker::Node(node) => node.mempool().await,
        };
        self.index.lock().unwrap().mempool = mempool;
    }

    /// Which of these could be in the next block, in their order, and one of two that spend the
    /// same.
    pub(crate) fn possible(&self, candidates: Vec<Transaction>) -> Vec<Transaction> {
        let index = self.index.lock().unwrap();
        let height = index.tip().height;
        possible_from(&index, spendable(&index, height + 1), candidates)
    }

    /// Which of these could be in blocks after the best chain is cut off above this height.
    pub(crate) fn possible_after(
        &self,
        height: u32,
        candidates: Vec<Transaction>,
    ) -> Vec<Transaction> {
        let index = self.index.lock().unwrap();
        let cut = (0..=height).map(|at| index.best_block(at).unwrap().block.clone());
        let mut before = Index::default();
        before.reorganise(0, cut.collect());
        possible_from(&index, spendable(&before, height + 1), candidates)
    }

    /// Outputs of keys that the next block may spend.
    pub(crate) fn spendable(&self) -> Vec<(OutPoint, u64, u8)> {
        let index = self.index.lock().unwrap();
        let keys: HashMap<ScriptBuf, u8> = (0..KEYS).map(|key| (script(key), key)).collect();
        let owned = |point: OutPoint| {
            let output = index.output(&point).unwrap();
            let key = keys.get(&output.script_pubkey)?;
            Some((point, output.value.to_sat(), *key))
        };
        let points = spendable(&index, index.tip().height + 1);
        let mut owned: Vec<_> = points.into_iter().filter_map(owned).collect();
        owned.sort_unstable();
        owned
    }
}

/// Outputs that a block at this height may spend.
fn spendable(index: &Index, height: u32) -> HashSet<OutPoint> {
    let is_ripe = |(point, at): (OutPoint, u32)| {
        let (_, number) = index.place(point.txid).unwrap();
        (number > 0 || at + MATURITY <= height).then_some(point)
    };
    index.unspent().into_iter().filter_map(is_ripe).collect()
}

fn possible_from(
    index: &Index,
    mut unspent: HashSet<OutPoint>,
    candidates: Vec<Transaction>,
) -> Vec<Transaction> {
    let fits = |transaction: &Transaction| {
        let points = transaction.input.iter().map(|input| input.previous_output);
        let points: Vec<OutPoint> = points.collect();
        if !points.iter().all(|point| unspent.contains(point)) {
            return false;
        }
        points.iter().for_each(|point| assert!(unspent.remove(point), "spent twice"));
        let (paid, taken): (u64, u64) = (
            transaction.output.iter().map(|output| output.value.to_sat()).sum(),
            index.spent(transaction).iter().map(|output| output.value.to_sat()).sum(),
        );
        assert!(paid <= taken, "pays {paid} of {taken}");
        let txid = transaction.compute_txid();
        let created = (0..).zip(&transaction.output);
        let created = created.filter(|(_, output)| !output.script_pubkey.is_op_return());
        unspent.extend(created.map(|(number, _)| OutPoint::new(txid, number)));
        true
    };
    candidates.into_iter().filter(fits).collect()
}

/// When a block says that it was mined: ten minutes after the one before, more or less, so that
/// times go back now and then.
fn block_time(height: u32) -> u32 {
    BEGIN + 600 * height + height * 7_919 % 2_400
}

fn make(previous: BlockHash, height: u32, time: u32, new: &NewBlock, number: u32) -> Block {
    let fee_and_subsidy = 5_000_000_000 >> (height / 150);
    let coinbase = Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint::null(),
            script_sig: Builder::new()
                .push_int(i64::from(height))
                .push_slice(number.to_le_bytes())
                .into_script(),
            sequence: Sequence::MAX,
            witness: Witness::new(),
        }],
        output: vec![TxOut {
            value: Amount::from_sat(fee_and_subsidy),
            script_pubkey: script(new.miner),
        }],
    };
    let txdata = std::iter::once(coinbase).chain(new.transactions.clone()).collect();
    let header = Header {
        version: Version::TWO,
        prev_blockhash: previous,
        merkle_root: TxMerkleNode::all_zeros(),
        time,
        bits: genesis_block(Network::Regtest).header.bits,
        nonce: 0,
    };
    let mut block = Block { header, txdata };
    block.header.merkle_root = block.compute_merkle_root().unwrap();
    block
}
