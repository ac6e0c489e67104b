//! What an explorer of a chain knows: its blocks, who took part in what, and what is in no block
//! yet. Filled by `bitcoin_chain.rs` or `bitcoind.rs`, shown by `esplora.rs`.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use bitcoin::{
    Block, BlockHash, OutPoint, Script, ScriptBuf, Transaction, TxOut, Txid, hashes::Hash,
};

/// An index that its chain changes while a server shows it.
pub(crate) type SharedIndex = Arc<Mutex<Index>>;

/// A block with its transactions' names.
#[derive(Debug)]
pub(crate) struct IndexedBlock {
    pub(crate) height: u32,
    pub(crate) hash: BlockHash,
    pub(crate) block: Block,
    pub(crate) txids: Vec<Txid>,
}

#[derive(Debug, Default)]
pub(crate) struct Index {
    /// Blocks of the best chain, by height.
    best: Vec<Arc<IndexedBlock>>,
    /// All blocks there ever were.
    blocks: HashMap<BlockHash, Arc<IndexedBlock>>,
    /// All outputs there ever were.
    outputs: HashMap<OutPoint, TxOut>,
    /// Heights and indexes of transactions of the best chain that each script took part in.
    histories: HashMap<ScriptBuf, Vec<(u32, usize)>>,
    /// Where transactions of the best chain are.
    places: HashMap<Txid, (u32, usize)>,
    /// Newest last.
    pub(crate) mempool: Vec<Transaction>,
}

impl Index {
    /// The newest block.
    pub(crate) fn tip(&self) -> &IndexedBlock {
        self.best.last().unwrap()
    }

    pub(crate) fn best_block(&self, height: u32) -> Option<&IndexedBlock> {
        self.best.get(usize::try_from(height).unwrap()).map(AsRef::as_ref)
    }

    pub(crate) fn block(&self, hash: BlockHash) -> Option<&IndexedBlock> {
        self.blocks.get(&hash).map(AsRef::as_ref)
    }

    /// The median of what a block and the ten before it say of their time.
    pub(crate) fn median_time(&self, block: &IndexedBlock) -> u32 {
        let before = |at: &&IndexedBlock| self.block(at.block.header.prev_blockhash);
        let chain = std::iter::successors(Some(block), |at| before(at)).take(11);
        let mut times: Vec<u32> = chain.map(|at| at.block.header.time).collect();
        times.sort_unstable();
        times[times.len() / 2]
    }

    pub(crate) fn place(&self, txid: Txid) -> Option<(u32, usize)> {
        self.places.get(&txid).copied()
    }

    pub(crate) fn transaction(&self, (height, index): (u32, usize)) -> &Transaction {
        &self.best_block(height).unwrap().block.txdata[index]
    }

    /// Where the transactions are that a script took part in, oldest first.
    pub(crate) fn history(&self, script: &Script) -> &[(u32, usize)] {
        self.histories.get(script).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn output(&self, point: &OutPoint) -> Option<&TxOut> {
        self.outputs.get(point)
    }

    /// What a transaction spends; nothing if it is a coinbase.
    pub(crate) fn spent(&self, transaction: &Transaction) -> Vec<&TxOut> {
        let inputs = transaction.input.iter().filter(|input| !input.previous_output.is_null());
        inputs.map(|input| &self.outputs[&input.previous_output]).collect()
    }

    /// Scripts of inputs and outputs, some of them more than once.
    pub(crate) fn parties(&self, transaction: &Transaction) -> Vec<ScriptBuf> {
        let coins = self.spent(transaction).into_iter().chain(&transaction.output);
        coins.map(|coin| coin.script_pubkey.clone()).collect()
    }

    /// Outputs of the best chain that nothing of it spends, with the heights of their blocks; a
    /// coinbase's is there, too, while it cannot be spent.
    pub(crate) fn unspent(&self) -> HashMap<OutPoint, u32> {
        let mut unspent = HashMap::new();
        for block in &self.best[1..] {
            for (transaction, &txid) in block.block.txdata.iter().zip(&block.txids) {
                for input in &transaction.input {
                    unspent.remove(&input.previous_output);
                }
                for (number, output) in (0..).zip(&transaction.output) {
                    if !output.script_pubkey.is_op_return() {
                        unspent.insert(OutPoint::new(txid, number), block.height);
                    }
                }
            }
        }
        unspent
    }

    pub(crate) fn remember_outputs(&mut self, txid: Txid, transaction: &Transaction) {
        for (number, output) in (0..).zip(&transaction.output) {
            self.outputs.insert(OutPoint::new(txid, number), output.clone());
        }
    }

    /// Takes the newest blocks of the best chain away, and puts others there.
    pub(crate) fn reorganise(&mut self, depth: u32, blocks: Vec<Block>) {
        for _ in 0..depth {
            let block = self.best.pop().unwrap();
            for (transaction, txid) in block.block.txdata.iter().zip(&block.txids) {
                self.places.remove(txid);
                for script in self.parties(transaction) {
                    let history = self.histories.get_mut(&script).unwrap();
                    while history.last().is_some_and(|(height, _)| *height >= block.height) {
                        history.pop();
                    }
                }
            }
        }
        for block in blocks {
            self.connect(block);
        }
    }

    fn connect(&mut self, block: Block) {
        let height = u32::try_from(self.best.len()).unwrap();
        let expected = self.best.last().map_or(BlockHash::all_zeros(), |tip| tip.hash);
        assert_eq!(block.header.prev_blockhash, expected, "at {height}");
        let txids: Vec<Txid> = block.txdata.iter().map(Transaction::compute_txid).collect();
        for (index, (transaction, &txid)) in block.txdata.iter().zip(&txids).enumerate() {
            self.remember_outputs(txid, transaction);
            self.places.insert(txid, (height, index));
            for script in self.parties(transaction) {
                let history = self.histories.entry(script).or_default();
                if history.last() != Some(&(height, index)) {
                    history.push((height, index));
                }
            }
        }
        let hash = block.block_hash();
        let indexed = Arc::new(IndexedBlock { height, hash, block, txids });
        self.best.push(Arc::clone(&indexed));
        self.blocks.insert(hash, indexed);
    }
}
