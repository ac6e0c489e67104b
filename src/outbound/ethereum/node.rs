//! A node, asked by JSON-RPC: <https://ethereum.github.io/execution-apis/>.
//!
//! Heads come from the node that is asked for logs, too: another one may be further.

use std::time::Duration;

use http::header;
use serde::{Deserialize, Serialize};
use serde_json::{json, value::RawValue};

use crate::{
    domain::{
        erc20::{
            Address, Hash, TRANSFER_TOPIC, Word, abi,
            logs::{Block, Log},
            ranges::Range,
        },
        hex,
    },
    outbound::{
        ethereum::{
            LogsError, TokenFacts,
            block_reader::{RawBlock, read_block},
            envelope::{Fault, Question, Reply, body, malformed, read},
            log_reader::{self, RawLog},
        },
        http::{Http, HttpAnswer, HttpSetupError},
        source_error::{SourceError, SourceUrl},
    },
};

/// Longest time for a whole call: providers give up after ten or twenty seconds themselves.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Largest answer that is read: some forty thousand logs. A larger one is asked for in parts.
const ANSWER_BYTES_MAX: usize = 32 << 20;

/// Most questions of one call: what providers take that say how many they take.
const BATCH_MAX: usize = 100;

/// A client of one node.
#[derive(Clone, Debug)]
pub struct Node {
    url: SourceUrl,
    http: Http,
}

impl Node {
    /// Most questions of one call.
    pub const BATCH_MAX: usize = BATCH_MAX;

    /// A client of the node at this URL. Nothing is asked yet.
    ///
    /// # Errors
    /// If connections cannot be encrypted.
    pub fn new(url: SourceUrl) -> Result<Self, HttpSetupError> {
        let http = Http::new(url.is_encrypted(), CALL_TIMEOUT, ANSWER_BYTES_MAX)?;
        Ok(Self { url, http })
    }

    /// Number of the chain (EIP-155).
    ///
    /// # Errors
    /// Says what the node said instead.
    pub async fn chain_id(&self) -> Result<u64, SourceError> {
        let answer = self.ask("eth_chainId", json!([])).await?;
        let id: &str =
            result(&self.url, &answer)?.ok_or_else(|| malformed("a chain without a number"))?;
        hex::quantity(id).ok_or_else(|| malformed("a chain without a number"))
    }

    /// The last block.
    ///
    /// # Errors
    /// Says what the node said instead.
    pub async fn head(&self) -> Result<Block, SourceError> {
        let block = self.block_by("eth_getBlockByNumber", "latest").await?;
        block.ok_or_else(|| malformed("no last block"))
    }

    /// The last block that is final. `None` if the node does not know the word.
    ///
    /// # Errors
    /// Says what the node said instead.
    pub async fn finalized_head(&self) -> Result<Option<Block>, SourceError> {
        match self.block_by("eth_getBlockByNumber", "finalized").await {
            Err(SourceError::Unsupported(_) | SourceError::UnknownPlace(_)) => Ok(None),
            answered => answered,
        }
    }

    /// The block of this height. `None` if the chain is not so high.
    ///
    /// # Errors
    /// Says what the node said instead.
    pub async fn block(&self, height: u64) -> Result<Option<Block>, SourceError> {
        let block = self.block_by("eth_getBlockByNumber", &quantity(height)).await?;
        match block {
            Some(block) if block.height != height => Err(malformed("a block of another height")),
            block => Ok(block),
        }
    }

    /// The block of this name. `None` if the node does not know it, or not any more.
    ///
    /// # Errors
    /// Says what the node said instead.
    pub async fn block_of_hash(&self, hash: &Hash) -> Result<Option<Block>, SourceError> {
        let answered = self.block_by("eth_getBlockByHash", &hash.to_string()).await;
        match answered {
            Ok(Some(block)) if block.hash != *hash => Err(malformed("a block of another hash")),
            Err(SourceError::UnknownPlace(_)) => Ok(None),
            answered => answered,
        }
    }

    /// The blocks of these heights, at most [`Self::BATCH_MAX`], in one call; `None` where the
    /// chain is not so high.
    ///
    /// # Errors
    /// Says what the node said instead.
    pub async fn blocks(&self, heights: &[u64]) -> Result<Vec<Option<Block>>, SourceError> {
        let questions = heights.iter().map(|&height| json!([quantity(height), false]));
        let answer = self.ask_all("eth_getBlockByNumber", questions).await?;
        let replies = replies::<RawBlock<'_>>(&self.url, &answer, heights.len())?;
        let blocks = replies.into_iter().zip(heights).map(|(reply, &height)| {
            let block = reply.map_err(|fault| fault.meaning(&self.url, &answer.headers))?;
            let block = block.as_ref().map(read_block).transpose()?;
            match block {
                Some(block) if block.height != height => {
                    Err(malformed("a block of another height"))
                }
                block => Ok(block),
            }
        });
        blocks.collect()
    }

    /// Transfers of a token in these blocks, in the order of the chain.
    ///
    /// # Errors
    /// Says what the node said instead.
    pub async fn logs(&self, token: &Address, range: Range) -> Result<Vec<Log>, LogsError> {
        let filter = json!({
            "address": token.to_string(),
            "topics": [TRANSFER_TOPIC],
            "fromBlock": quantity(range.first),
            "toBlock": quantity(range.last),
        });
        let answer = self.ask("eth_getLogs", [filter]).await?;
        let reply: Reply<'_, Vec<RawLog<'_>>> = read(&self.url, body(&self.url, &answer)?)?;
        if let Some(fault) = reply.error {
            return Err(fault.of_logs(&self.url, &answer.headers));
        }
        let raw = reply.result.ok_or_else(|| malformed("neither logs nor an error"))?;
        Ok(log_reader::logs(&raw, token, range)?)
    }

    /// Transfers of a token in the blocks of these names and heights, at most
    /// [`Self::BATCH_MAX`], in one call.
    ///
    /// # Errors
    /// Says what the node said instead: an unknown place where the chain does not have a block any
    /// more.
    pub async fn logs_of_blocks(
        &self,
        token: &Address,
        blocks: &[(Hash, u64)],
    ) -> Result<Vec<Vec<Log>>, SourceError> {
        let filters = blocks.iter().map(|(hash, _)| {
            [json!({
                "address": token.to_string(),
                "topics": [TRANSFER_TOPIC],
                "blockHash": hash.to_string(),
            })]
        });
        let answer = self.ask_all("eth_getLogs", filters).await?;
        let replies = replies::<Vec<RawLog<'_>>>(&self.url, &answer, blocks.len())?;
        let lists = replies.into_iter().zip(blocks).map(|(reply, &(hash, height))| {
            let raw = reply.map_err(|fault| fault.meaning(&self.url, &answer.headers))?;
            let raw = raw.ok_or_else(|| malformed("neither logs nor an error"))?;
            let logs = log_reader::logs(&raw, token, Range { first: height, last: height })?;
            if logs.iter().any(|log| log.block.is_some_and(|block| block != hash)) {
                return Err(malformed("logs of another block"));
            }
            Ok(logs)
        });
        lists.collect()
    }

    /// What a token says of itself at the last block.
    ///
    /// # Errors
    /// Says what the node said instead.
    pub async fn token_facts(&self, token: &Address) -> Result<TokenFacts, SourceError> {
        let calls = TokenFacts::CALLS.map(|call| call_of(token, call, "latest"));
        let answer = self.ask_all("eth_call", calls).await?;
        let mut facts = Vec::new();
        for reply in replies::<&str>(&self.url, &answer, 4)? {
            facts.push(match reply {
                Ok(returned) => returned.and_then(hex::bytes).unwrap_or_default(),
                Err(fault) if fault.is_reverted() => Vec::new(),
                Err(fault) => return Err(fault.meaning(&self.url, &answer.headers)),
            });
        }
        Ok(TokenFacts::read(&facts))
    }

    /// Balances of these holders, at most [`Self::BATCH_MAX`], after the block of this height, by
    /// the token itself.
    ///
    /// # Errors
    /// Says what the node said instead.
    pub async fn balances(
        &self,
        token: &Address,
        holders: &[Address],
        height: u64,
    ) -> Result<Vec<Word>, SourceError> {
        let height = quantity(height);
        let calls = holders.iter().map(|holder| call_of(token, &abi::balance_of(holder), &height));
        let answer = self.ask_all("eth_call", calls).await?;
        let replies = replies::<&str>(&self.url, &answer, holders.len())?;
        let balances = replies.into_iter().map(|reply| {
            let returned = reply.map_err(|fault| fault.meaning(&self.url, &answer.headers))?;
            let word = returned.and_then(hex::bytes).and_then(|bytes| abi::number(&bytes));
            word.ok_or_else(|| malformed("a balance that is no number"))
        });
        balances.collect()
    }

    /// All there is of a token after the block of this height, by the token itself; `None` if it
    /// does not say.
    ///
    /// # Errors
    /// Says what the node said instead.
    pub async fn total_supply(
        &self,
        token: &Address,
        height: u64,
    ) -> Result<Option<Word>, SourceError> {
        let call = call_of(token, abi::TOTAL_SUPPLY, &quantity(height));
        let answer = self.ask_all("eth_call", [call]).await?;
        match replies::<&str>(&self.url, &answer, 1)?.pop() {
            Some(Ok(returned)) => {
                Ok(returned.and_then(hex::bytes).and_then(|bytes| abi::number(&bytes)))
            }
            Some(Err(fault)) if fault.is_reverted() => Ok(None),
            Some(Err(fault)) => Err(fault.meaning(&self.url, &answer.headers)),
            None => Err(malformed("no answer to a question")),
        }
    }

    async fn block_by(&self, method: &str, name: &str) -> Result<Option<Block>, SourceError> {
        let answer = self.ask(method, json!([name, false])).await?;
        result::<RawBlock<'_>>(&self.url, &answer)?.as_ref().map(read_block).transpose()
    }

    async fn ask(&self, method: &str, params: impl Serialize) -> Result<HttpAnswer, SourceError> {
        self.send(&Question::new(0, method, params)).await
    }

    async fn ask_all<P: Serialize>(
        &self,
        method: &str,
        params: impl IntoIterator<Item = P>,
    ) -> Result<HttpAnswer, SourceError> {
        let numbered = params.into_iter().enumerate();
        let questions: Vec<_> =
            numbered.map(|(id, params)| Question::new(id, method, params)).collect();
        self.send(&questions).await
    }

    async fn send(&self, question: &impl Serialize) -> Result<HttpAnswer, SourceError> {
        let text = serde_json::to_vec(question)
            .map_err(|error| SourceError::Unsupported(error.to_string()))?;
        let request = self
            .http
            .client()
            .post(self.url.url().clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json")
            .body(text);
        Ok(self.http.send(request).await?)
    }
}

/// The result of the answer to one question.
fn result<'a, T: Deserialize<'a>>(
    url: &SourceUrl,
    answer: &'a HttpAnswer,
) -> Result<Option<T>, SourceError> {
    let reply: Reply<'a, T> = read(url, body(url, answer)?)?;
    match reply.error {
        Some(fault) => Err(fault.meaning(url, &answer.headers)),
        None => Ok(reply.result),
    }
}

type Outcome<'a, T> = Result<Option<T>, Fault<'a>>;

/// The answers to so many questions, in their order, whichever order they came in.
fn replies<'a, T: Deserialize<'a>>(
    url: &SourceUrl,
    answer: &'a HttpAnswer,
    count: usize,
) -> Result<Vec<Outcome<'a, T>>, SourceError> {
    let body = body(url, answer)?;
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{') {
        // One answer for all: they were too many, or too often.
        let reply: Reply<'_, &RawValue> = read(url, body)?;
        let fault = reply.error.map(|fault| fault.meaning(url, &answer.headers));
        return Err(fault.unwrap_or_else(|| malformed("one answer to several questions")));
    }
    let mut outcomes: Vec<Option<Outcome<'a, T>>> = (0..count).map(|_| None).collect();
    for reply in read::<Vec<Reply<'a, T>>>(url, body)? {
        let place = reply.id.and_then(|id| outcomes.get_mut(id));
        let place = place.ok_or_else(|| malformed("an answer to no question"))?;
        *place = Some(reply.error.map_or(Ok(reply.result), Err));
    }
    let outcomes: Option<Vec<_>> = outcomes.into_iter().collect();
    outcomes.ok_or_else(|| malformed("fewer answers than questions"))
}

fn call_of(token: &Address, data: &str, block: &str) -> serde_json::Value {
    json!([{ "to": token.to_string(), "data": data }, block])
}

fn quantity(number: u64) -> String {
    format!("{number:#x}")
}
