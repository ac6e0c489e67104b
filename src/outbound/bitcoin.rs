//! Sources of Bitcoin's chains: Esplora, as Blockstream and as mempool.space serve it, and
//! blockchain.info.
//!
//! One method is one HTTP call, so that whoever calls can take a turn and count it before. Each
//! source's file has its questions and the pure reading of its answers. Nothing is tried again
//! here, nothing is remembered between calls, and answers are not held against each other: what a
//! list is worth is decided by `sync`.

mod blockchain_info;
mod esplora;

use std::time::Duration;

use chrono::{DateTime, Utc};
use http::{HeaderMap, StatusCode, header};
use reqwest::Url;
use serde::de::DeserializeOwned;

use crate::{
    domain::{
        account::{Address, Network},
        bitcoin::{Block, BlockHash, Coin, FoundTransaction, Owner, Satoshis, Txid},
        hex,
    },
    outbound::{
        headers::retry_after,
        http::{Http, HttpSetupError},
        source_error::{SourceError, SourceUrl},
    },
};

/// Longest time for a whole call, once it is sent.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// Largest answer that is read. A page of transactions with thousands of inputs each, and a whole
/// block in JSON, have tens of megabytes.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Longest wait that an answer may ask for.
const WAIT_MAX: Duration = Duration::from_secs(3 * 86_400);

/// Whose API a source speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Dialect {
    /// Esplora as Blockstream serves it
    /// (<https://github.com/Blockstream/esplora/blob/master/API.md>).
    Blockstream,
    /// Esplora as mempool.space serves it (<https://mempool.space/docs/api/rest>).
    Mempool,
    /// blockchain.info (<https://www.blockchain.com/explorer/api/blockchain_api>).
    BlockchainInfo,
}

/// The newest block of the best chain that a source knows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tip {
    /// Its hash.
    pub hash: BlockHash,
    /// How many blocks are before it, where the answer says so.
    pub height: Option<u32>,
}

/// The block at a height of the best chain.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BlockAt {
    /// Its hash.
    pub hash: BlockHash,
    /// When it was mined, where the answer says so.
    pub mined_at: Option<DateTime<Utc>>,
}

/// How many transactions of the chain an address took part in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HistoryCount {
    /// Those in blocks.
    Confirmed(u64),
    /// Those in blocks and those in none yet.
    WithUnconfirmed(u64),
}

/// What a source knows of an address as a whole.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AddressStats {
    /// How long its history is.
    pub history: HistoryCount,
    /// What the blocks leave it with, where the source tells it apart from what is in no block.
    pub confirmed_balance: Option<Satoshis>,
}

/// Where the next page of a history begins. It means something to the source that it is from, and
/// to no other.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Cursor {
    /// The last transaction of the page before.
    pub last: Txid,
    /// How many transactions are before that one, for a source that counts places.
    pub offset: u64,
}

/// A page of a history: newest first.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HistoryPage {
    /// Its transactions, without those that the page before ended with. Of Esplora they are all in
    /// blocks.
    pub transactions: Vec<FoundTransaction>,
    /// How many transactions of the history are before the first of these, where a source counts
    /// places; else 0.
    pub offset: u64,
    /// Where it goes on. `None` if there is nothing more.
    pub next: Option<Cursor>,
}

impl HistoryPage {
    /// Where a page begins after one of these transactions, by its index.
    #[must_use]
    pub fn cursor_after(&self, index: usize) -> Option<Cursor> {
        let last = self.transactions.get(index)?.transaction.txid();
        let index = u64::try_from(index).ok()?;
        Some(Cursor { last, offset: self.offset + index })
    }
}

/// A client of one source of one of Bitcoin's chains.
#[derive(Clone, Debug)]
pub struct BitcoinSource {
    dialect: Dialect,
    network: Network,
    url: SourceUrl,
    http: Http,
}

impl BitcoinSource {
    /// A client of a source of this network that is served at this URL. Nothing is asked yet.
    ///
    /// # Errors
    /// If connections cannot be encrypted.
    pub fn new(dialect: Dialect, network: Network, url: SourceUrl) -> Result<Self, HttpSetupError> {
        let http = Http::new(url.is_encrypted(), CALL_TIMEOUT, ANSWER_BYTES_MAX)?;
        Ok(Self { dialect, network, url, http })
    }

    /// Whose API it speaks.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Which chain it is asked about.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The newest block.
    ///
    /// # Errors
    /// Says what the source said instead.
    pub async fn tip(&self) -> Result<Tip, SourceError> {
        match self.dialect {
            Dialect::Blockstream | Dialect::Mempool => {
                let answer = self.expect(self.path(&["blocks", "tip", "hash"])).await?;
                Ok(Tip { hash: esplora::hash(&answer)?, height: None })
            }
            Dialect::BlockchainInfo => {
                blockchain_info::tip(&self.expect(self.path(&["latestblock"])).await?)
            }
        }
    }

    /// The block at a height of the best chain. `None` if there is none so high.
    ///
    /// # Errors
    /// Says what the source said instead.
    pub async fn block_at(&self, height: u32) -> Result<Option<BlockAt>, SourceError> {
        let mut url = self.path(&["block-height", &height.to_string()]);
        match self.dialect {
            Dialect::Blockstream | Dialect::Mempool => {
                let Some(answer) = self.find(url).await? else { return Ok(None) };
                Ok(Some(BlockAt { hash: esplora::hash(&answer)?, mined_at: None }))
            }
            Dialect::BlockchainInfo => {
                url.query_pairs_mut().append_pair("format", "json");
                let Some(answer) = self.find(url).await? else { return Ok(None) };
                blockchain_info::block_at(height, &answer)
            }
        }
    }

    /// A block. `None` if the source does not know it.
    ///
    /// # Errors
    /// Says what the source said instead.
    pub async fn block(&self, hash: BlockHash) -> Result<Option<Block>, SourceError> {
        let name = hash.to_string();
        let block = match self.dialect {
            Dialect::Blockstream | Dialect::Mempool => {
                let Some(answer) = self.find(self.path(&["block", &name])).await? else {
                    return Ok(None);
                };
                esplora::block(&answer)?
            }
            Dialect::BlockchainInfo => {
                let Some(answer) = self.find(self.path(&["rawblock", &name])).await? else {
                    return Ok(None);
                };
                blockchain_info::block(&answer)?
            }
        };
        if block.hash == hash { Ok(Some(block)) } else { Err(malformed("it is another block")) }
    }

    /// A block's transactions in their order, the coinbase first. `None` if the source does not
    /// know the block.
    ///
    /// # Errors
    /// Says what the source said instead.
    pub async fn block_txids(&self, hash: BlockHash) -> Result<Option<Vec<Txid>>, SourceError> {
        let name = hash.to_string();
        match self.dialect {
            Dialect::Blockstream | Dialect::Mempool => {
                let answer = self.find(self.path(&["block", &name, "txids"])).await?;
                answer.map(|answer| esplora::txids(&answer)).transpose()
            }
            Dialect::BlockchainInfo => {
                let answer = self.find(self.path(&["rawblock", &name])).await?;
                answer.map(|answer| blockchain_info::txids(&answer)).transpose()
            }
        }
    }

    /// What the source knows of an address as a whole.
    ///
    /// # Errors
    /// Says what the source said instead.
    pub async fn stats(&self, address: &Address) -> Result<AddressStats, SourceError> {
        match self.dialect {
            Dialect::Blockstream | Dialect::Mempool => {
                let url = self.path(&["address", address.as_str()]);
                esplora::stats(&self.expect(url).await?)
            }
            Dialect::BlockchainInfo => {
                let url = self.rawaddr(address, 0, 1);
                blockchain_info::stats(&self.expect(url).await?)
            }
        }
    }

    /// A page of an address's history: the newest, or the one that a page ended with. Where a
    /// source counts places, the page must still have what the one before ended with.
    ///
    /// # Errors
    /// Says what the source said instead; [`SourceError::UnknownPlace`] if the list has changed so
    /// that it cannot be gone on with.
    pub async fn history(
        &self,
        address: &Address,
        after: Option<Cursor>,
    ) -> Result<HistoryPage, SourceError> {
        match self.dialect {
            Dialect::Blockstream | Dialect::Mempool => {
                let last = after.map(|cursor| cursor.last.to_string());
                let mut segments = vec!["address", address.as_str(), "txs", "chain"];
                segments.extend(last.as_deref());
                let answer = self.expect(self.path(&segments)).await?;
                esplora::history(&self.network, &answer)
            }
            Dialect::BlockchainInfo => {
                let offset = after.map_or(0, |cursor| cursor.offset);
                let url = self.rawaddr(address, offset, blockchain_info::PAGE_LENGTH_MAX);
                blockchain_info::history(&self.network, after, &self.expect(url).await?)
            }
        }
    }

    /// Transactions of an address that are in no block yet: as many as one answer has.
    ///
    /// # Errors
    /// Says what the source said instead.
    pub async fn unconfirmed(
        &self,
        address: &Address,
    ) -> Result<Vec<FoundTransaction>, SourceError> {
        match self.dialect {
            Dialect::Blockstream | Dialect::Mempool => {
                let url = self.path(&["address", address.as_str(), "txs", "mempool"]);
                esplora::unconfirmed(&self.network, &self.expect(url).await?)
            }
            Dialect::BlockchainInfo => {
                let mut page = self.history(address, None).await?.transactions;
                page.retain(|found| found.found.height().is_none());
                Ok(page)
            }
        }
    }

    fn path(&self, segments: &[&str]) -> Url {
        self.url.with_path(segments)
    }

    fn rawaddr(&self, address: &Address, offset: u64, limit: u64) -> Url {
        let mut url = self.path(&["rawaddr", address.as_str()]);
        let (limit, offset) = (limit.to_string(), offset.to_string());
        url.query_pairs_mut().extend_pairs([("limit", limit), ("offset", offset)]);
        url
    }

    /// The answer to a question that has one.
    async fn expect(&self, url: Url) -> Result<Answer, SourceError> {
        let answer = self.find(url).await?;
        answer.ok_or_else(|| SourceError::Unsupported("it was not found".to_owned()))
    }

    /// An answer. `None` if what was asked for is not there.
    async fn find(&self, url: Url) -> Result<Option<Answer>, SourceError> {
        let request = self.http.client().get(url).header(header::ACCEPT, "application/json");
        let answer = self.http.send(request).await?;
        // The status comes first: bodies of refusals are text, JSON or HTML, as it happens.
        let body = match answer.status {
            StatusCode::OK => answer.body?,
            StatusCode::NOT_FOUND => return Ok(None),
            _ => answer.body.unwrap_or_default(),
        };
        let said = Answer { from: self.url.clone(), body };
        match answer.status {
            StatusCode::OK => Ok(Some(said)),
            status => Err(refusal(status, &answer.headers, &said)),
        }
    }
}

/// What a source said. Only here is it quoted: below, where its parts are read, an error says what
/// is wrong in our own words.
struct Answer {
    from: SourceUrl,
    body: Vec<u8>,
}

impl Answer {
    fn read<T: DeserializeOwned>(&self) -> Result<T, SourceError> {
        let unreadable = |error: serde_json::Error| {
            let why = self.from.quoted(error.to_string().as_bytes());
            malformed(format!("{why}, in what begins with {}", self.quoted()))
        };
        serde_json::from_slice(&self.body).map_err(unreadable)
    }

    /// Its beginning, harmless in a log and without keys.
    fn quoted(&self) -> String {
        self.from.quoted(&self.body)
    }

    /// Whether an address has more history than the server looks through.
    fn says_too_many(&self) -> bool {
        String::from_utf8_lossy(&self.body).to_ascii_lowercase().contains("too many")
    }
}

/// What a status other than 200 and 404 means.
fn refusal(status: StatusCode, headers: &HeaderMap, answer: &Answer) -> SourceError {
    let own = || {
        let said = format!("HTTP {status}: {}", answer.quoted());
        match status.as_u16() {
            // mempool.space's answer to a place in a history that is not there.
            422 => SourceError::UnknownPlace(said),
            413 => SourceError::TooMuch(said),
            400 if answer.says_too_many() => SourceError::TooMuch(said),
            400..=499 => SourceError::Unsupported(said),
            _ => malformed(said),
        }
    };
    SourceError::of_status(status, retry_after(headers, WAIT_MAX)).unwrap_or_else(own)
}

fn block_hash(text: &str) -> Result<BlockHash, SourceError> {
    BlockHash::parse(text).ok_or_else(|| malformed("a block's hash is none"))
}

fn txid(text: &str) -> Result<Txid, SourceError> {
    Txid::parse(text).ok_or_else(|| malformed("a transaction's hash is none"))
}

/// The instant of seconds since 1970.
fn instant(seconds: i64) -> Result<DateTime<Utc>, SourceError> {
    DateTime::from_timestamp_secs(seconds).ok_or_else(|| malformed(format!("no time: {seconds}")))
}

fn coin(network: &Network, script: &str, value: u64) -> Result<Coin, SourceError> {
    let bytes = hex::bare_bytes(script);
    let bytes = bytes.ok_or_else(|| malformed("a script is not in hexadecimal digits"));
    let value = Satoshis::new(value).ok_or_else(|| malformed(format!("no amount: {value}")))?;
    Ok(Coin { owner: Owner::of_script(network, &bytes?), value })
}

fn malformed(what: impl Into<String>) -> SourceError {
    SourceError::Malformed(what.into())
}

#[cfg(test)]
mod tests;
