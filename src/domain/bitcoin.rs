//! What happens on a chain of Bitcoin, as sources tell it, and the rows that it becomes.
//!
//! Pure: `outbound` makes these values of a source's answers, `sync` decides what becomes of them.
//! Nothing here verifies a signature or a proof of work; sources are believed, but not in what
//! contradicts itself.

mod hash;
mod owner;
mod transfer;

use chrono::{DateTime, Utc};

pub use self::{
    hash::{BlockHash, Txid},
    owner::Owner,
    transfer::{DECIMALS, ValueTransfer},
};

/// All the satoshis that there can be: 21 million bitcoins.
pub const SATOSHIS_MAX: u64 = 2_100_000_000_000_000;

/// Satoshis: hundred-millionths of a bitcoin, at most [`SATOSHIS_MAX`].
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Satoshis(u64);

impl Satoshis {
    /// So many. `None` if there cannot be so many.
    #[must_use]
    pub fn new(count: u64) -> Option<Self> {
        (count <= SATOSHIS_MAX).then_some(Self(count))
    }

    /// How many they are.
    #[must_use]
    pub fn count(self) -> u64 {
        self.0
    }
}

/// A block of the chain.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Block {
    /// How many blocks are before it.
    pub height: u32,
    /// Its hash.
    pub hash: BlockHash,
    /// When its miner says it was mined; later blocks may say earlier.
    pub mined_at: DateTime<Utc>,
    /// The median of what it and the ten blocks before it say, where the source tells it: all later
    /// blocks say something later.
    pub median_at: Option<DateTime<Utc>>,
    /// The block before it; the first has none.
    pub previous: Option<BlockHash>,
}

/// A block, by where it is: a height has another block after a reorganisation.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct BlockPlace {
    /// How many blocks are before it.
    pub height: u32,
    /// Its hash.
    pub hash: BlockHash,
}

/// An output, as it is created or spent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Coin {
    /// Whose it is.
    pub owner: Owner,
    /// What it is worth.
    pub value: Satoshis,
}

/// Where a source found a transaction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Found {
    /// In no block yet.
    Unconfirmed,
    /// In the block at this height, of which the source tells nothing else.
    AtHeight(u32),
    /// In a block.
    InBlock {
        /// Which.
        place: BlockPlace,
        /// When its miner says it was mined.
        mined_at: DateTime<Utc>,
    },
}

impl Found {
    /// The height of its block, if it is in one.
    #[must_use]
    pub fn height(self) -> Option<u32> {
        match self {
            Self::Unconfirmed => None,
            Self::AtHeight(height) => Some(height),
            Self::InBlock { place, .. } => Some(place.height),
        }
    }
}

/// A transaction of the chain, and where it was found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FoundTransaction {
    /// What it does.
    pub transaction: BitcoinTransaction,
    /// Where it is.
    pub found: Found,
}

/// A transaction of the chain whose sums are right.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BitcoinTransaction {
    txid: Txid,
    is_coinbase: bool,
    spent: Vec<Coin>,
    created: Vec<Coin>,
    fee: Satoshis,
}

/// Why what a source tells is no transaction of the chain.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TransactionFault {
    /// More than there is.
    #[error("it moves more bitcoins than there are")]
    TooMuch,
    /// It creates what nobody put in.
    #[error("it pays out more than it takes in")]
    Unfunded,
    /// The fee is not what is left.
    #[error("its fee is not what is left of what it takes in")]
    Fee,
    /// A coinbase that spends, or another that does not.
    #[error("it spends nothing and is no coinbase, or the other way round")]
    Inputs,
}

impl BitcoinTransaction {
    /// One that spends these outputs and creates those. The fee is what is left, and must be what
    /// the source says it is, if it says so.
    ///
    /// # Errors
    /// Says what contradicts itself.
    pub fn new(
        txid: Txid,
        spent: Vec<Coin>,
        created: Vec<Coin>,
        told_fee: Option<u64>,
    ) -> Result<Self, TransactionFault> {
        let (taken, paid) = (sum(&spent)?, sum(&created)?);
        if spent.is_empty() {
            return Err(TransactionFault::Inputs);
        }
        let fee = taken.0.checked_sub(paid.0).map(Satoshis).ok_or(TransactionFault::Unfunded)?;
        if told_fee.is_some_and(|told| told != fee.0) {
            return Err(TransactionFault::Fee);
        }
        Ok(Self { txid, is_coinbase: false, spent, created, fee })
    }

    /// The one of a block that spends nothing and creates what its miner gets.
    ///
    /// # Errors
    /// If it creates more than there is.
    pub fn coinbase(txid: Txid, created: Vec<Coin>) -> Result<Self, TransactionFault> {
        sum(&created)?;
        let (spent, fee) = (Vec::new(), Satoshis::default());
        Ok(Self { txid, is_coinbase: true, spent, created, fee })
    }

    /// What it is called.
    #[must_use]
    pub fn txid(&self) -> Txid {
        self.txid
    }

    /// Whether it is its block's coinbase.
    #[must_use]
    pub fn is_coinbase(&self) -> bool {
        self.is_coinbase
    }

    /// What it spends; nothing if it is a coinbase.
    #[must_use]
    pub fn spent(&self) -> &[Coin] {
        &self.spent
    }

    /// What it creates.
    #[must_use]
    pub fn created(&self) -> &[Coin] {
        &self.created
    }

    /// What is left for the miner.
    #[must_use]
    pub fn fee(&self) -> Satoshis {
        self.fee
    }

    /// Whether somebody puts something in or gets something out.
    #[must_use]
    pub fn involves(&self, owner: &Owner) -> bool {
        self.spent.iter().chain(&self.created).any(|coin| coin.owner == *owner)
    }
}

fn sum(coins: &[Coin]) -> Result<Satoshis, TransactionFault> {
    let add = |sum: Satoshis, coin: &Coin| Satoshis::new(sum.0 + coin.value.0);
    coins.iter().try_fold(Satoshis::default(), add).ok_or(TransactionFault::TooMuch)
}

#[cfg(test)]
mod tests;
