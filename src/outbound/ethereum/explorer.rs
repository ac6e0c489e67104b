//! An explorer that speaks Etherscan's dialect: <https://docs.etherscan.io/>.
//!
//! Logs come in pages, whose walk `domain::erc20::pages` plans. Errors come with HTTP 200 and the
//! status "0", which is the status of an empty list, too. Blocks come by its module that passes
//! questions of JSON-RPC on, one a call.

use std::{borrow::Cow, time::Duration};

use http::header;
use reqwest::Url;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    domain::{
        erc20::{
            Address, TRANSFER_TOPIC, Word, abi,
            logs::{Block, Log},
            pages::Place,
        },
        hex,
    },
    outbound::{
        ethereum::{
            LogsError,
            block_reader::{RawBlock, read_block},
            envelope::{Reply, body, malformed, read},
            log_reader::{self, RawLog},
        },
        http::{Http, HttpAnswer, HttpSetupError},
        source_error::{SourceError, SourceUrl},
    },
};

/// Longest time for a whole call.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Largest answer that is read: a page of logs is far below a megabyte.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// A client of one explorer, for one chain with one key: both stand in its URL.
#[derive(Clone, Debug)]
pub struct Explorer {
    url: SourceUrl,
    http: Http,
}

/// An answer of its own modules.
#[derive(Deserialize)]
struct Listed<'a> {
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(borrow, default)]
    message: Cow<'a, str>,
    #[serde(borrow)]
    result: &'a RawValue,
}

impl Explorer {
    /// Logs of a page: the most that a free key gets.
    pub const PAGE_LOGS: u64 = 1_000;

    /// A client of the explorer at this URL, whose query names the chain and the key, as in
    /// `https://api.etherscan.io/v2/api?chainid=1&apikey=...`. Nothing is asked yet.
    ///
    /// # Errors
    /// If connections cannot be encrypted.
    pub fn new(url: SourceUrl) -> Result<Self, HttpSetupError> {
        let http = Http::new(url.is_encrypted(), CALL_TIMEOUT, ANSWER_BYTES_MAX)?;
        Ok(Self { url, http })
    }

    /// Number of the chain (EIP-155), by the URL.
    #[must_use]
    pub fn chain_id(&self) -> Option<u64> {
        let mut pairs = self.url.url().query_pairs();
        pairs.find(|(name, _)| name == "chainid")?.1.parse().ok()
    }

    /// A page of a token's transfers, in the order of the chain.
    ///
    /// # Errors
    /// Says what the explorer said instead.
    pub async fn logs_page(&self, token: &Address, place: &Place) -> Result<Vec<Log>, LogsError> {
        let answer = self
            .ask(&[
                ("module", "logs"),
                ("action", "getLogs"),
                ("address", &token.to_string()),
                ("topic0", TRANSFER_TOPIC),
                ("fromBlock", &place.range.first.to_string()),
                ("toBlock", &place.range.last.to_string()),
                ("page", &place.page.to_string()),
                ("offset", &place.per_page.to_string()),
            ])
            .await?;
        let listed: Listed<'_> = read(&self.url, body(&self.url, &answer)?)?;
        let text = listed.result.get();
        if !text.starts_with('[') {
            return Err(fault(&self.url, text, &listed.message).into());
        }
        let raw: Vec<RawLog<'_>> = read(&self.url, text.as_bytes())?;
        // The same status says that there are no logs, and that something went wrong.
        if listed.status != "1" && !raw.is_empty() {
            return Err(malformed(self.url.quoted(listed.message.as_bytes())).into());
        }
        if raw.len() as u64 > place.per_page {
            return Err(malformed("a page with more logs than asked for").into());
        }
        Ok(log_reader::logs(&raw, token, place.range)?)
    }

    /// The last block that the explorer has.
    ///
    /// # Errors
    /// Says what the explorer said instead.
    pub async fn head(&self) -> Result<Block, SourceError> {
        self.block_of("latest").await?.ok_or_else(|| malformed("no last block"))
    }

    /// The block of this height. `None` if the chain is not so high.
    ///
    /// # Errors
    /// Says what the explorer said instead.
    pub async fn block(&self, height: u64) -> Result<Option<Block>, SourceError> {
        let block = self.block_of(&format!("{height:#x}")).await?;
        match block {
            Some(block) if block.height != height => Err(malformed("a block of another height")),
            block => Ok(block),
        }
    }

    /// What a function of a token returns at the last block. `None` if there is no such function.
    ///
    /// # Errors
    /// Says what the explorer said instead.
    pub async fn call(&self, token: &Address, data: &str) -> Result<Option<Vec<u8>>, SourceError> {
        let token = token.to_string();
        let question = [("action", "eth_call"), ("to", &token), ("data", data), ("tag", "latest")];
        let answer = self.ask_node(&question).await?;
        let reply: Reply<'_, &str> = reply(&self.url, &answer)?;
        match reply.error {
            Some(fault) if fault.is_reverted() => Ok(None),
            Some(fault) => Err(fault.meaning(&self.url, &answer.headers)),
            None => Ok(reply.result.and_then(hex::bytes)),
        }
    }

    /// A holder's balance at the last block, by the token itself.
    ///
    /// # Errors
    /// Says what the explorer said instead.
    pub async fn balance(&self, token: &Address, holder: &Address) -> Result<Word, SourceError> {
        let returned = self.call(token, &abi::balance_of(holder)).await?;
        let word = returned.and_then(|bytes| abi::number(&bytes));
        word.ok_or_else(|| malformed("a balance that is no number"))
    }

    async fn block_of(&self, tag: &str) -> Result<Option<Block>, SourceError> {
        let question = [("action", "eth_getBlockByNumber"), ("tag", tag), ("boolean", "false")];
        let answer = self.ask_node(&question).await?;
        let reply: Reply<'_, RawBlock<'_>> = reply(&self.url, &answer)?;
        match reply.error {
            Some(fault) => Err(fault.meaning(&self.url, &answer.headers)),
            None => reply.result.as_ref().map(read_block).transpose(),
        }
    }

    async fn ask_node(&self, question: &[(&str, &str)]) -> Result<HttpAnswer, SourceError> {
        self.ask(&[&[("module", "proxy")], question].concat()).await
    }

    async fn ask(&self, question: &[(&str, &str)]) -> Result<HttpAnswer, SourceError> {
        let mut url: Url = self.url.url().clone();
        url.query_pairs_mut().extend_pairs(question);
        let request = self.http.client().get(url).header(header::ACCEPT, "application/json");
        Ok(self.http.send(request).await?)
    }
}

/// An answer of the module that passes questions on: in JSON-RPC's envelope, unless the explorer
/// itself refused.
fn reply<'a, T: Deserialize<'a>>(
    url: &SourceUrl,
    answer: &'a HttpAnswer,
) -> Result<Reply<'a, T>, SourceError> {
    let body = body(url, answer)?;
    if let Ok(listed) = serde_json::from_slice::<Listed<'_>>(body) {
        return Err(fault(url, listed.result.get(), &listed.message));
    }
    read(url, body)
}

/// What a refusal means. Texts of the daily limit hold the words of the other one.
fn fault(url: &SourceUrl, result: &str, message: &str) -> SourceError {
    let text = if result == "null" { message } else { result.trim_matches('"') };
    let lower = text.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|words| lower.contains(words));
    if says(&["daily", "day limit"]) {
        SourceError::QuotaUsedUp { wait: None }
    } else if says(&["rate limit", "calls per sec"]) {
        SourceError::RateLimited { wait: None }
    } else if says(&["api key", "apikey"]) {
        SourceError::Forbidden(200)
    } else if says(&["not supported for this chain", "unsupported chain", "chainid"]) {
        SourceError::Unsupported(url.quoted(text.as_bytes()))
    } else if says(&["smaller result", "too large", "query timeout"]) {
        SourceError::TooMuch(url.quoted(text.as_bytes()))
    } else if says(&["no records", "no logs"]) {
        malformed("an empty list that is none")
    } else {
        SourceError::Unavailable { why: url.quoted(text.as_bytes()), wait: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_apart_by_their_words() {
        let url = "https://api.etherscan.io/v2/api?chainid=1&apikey=ABCDEFGHIJ";
        let url = SourceUrl::parse(url).expect("a URL");
        let quoted = |text: &str| format!("{text:?}");
        for (text, expected) in [
            (
                "Max daily rate limit reached. 110000 (100%) of 100000 day/limit",
                SourceError::QuotaUsedUp { wait: None },
            ),
            (
                "Max calls per sec rate limit reached (3/sec)",
                SourceError::RateLimited { wait: None },
            ),
            (
                "Max rate limit reached, please use API Key for higher rate limit",
                SourceError::RateLimited { wait: None },
            ),
            ("Invalid API Key (#err2)|ADF1-", SourceError::Forbidden(200)),
            (
                "Free API access is not supported for this chain.",
                SourceError::Unsupported(quoted(
                    "Free API access is not supported for this chain.",
                )),
            ),
            (
                "Query Timeout occured. Please select a smaller result dataset",
                SourceError::TooMuch(quoted(
                    "Query Timeout occured. Please select a smaller result dataset",
                )),
            ),
            (
                "Unexpected error",
                SourceError::Unavailable { why: quoted("Unexpected error"), wait: None },
            ),
        ] {
            assert_eq!(fault(&url, &quoted(text), "NOTOK"), expected, "{text}");
        }
    }

    #[test]
    fn a_key_that_an_answer_repeats_is_not_quoted() {
        let url = "https://api.etherscan.io/v2/api?chainid=1&apikey=ABCDEFGHIJ";
        let url = SourceUrl::parse(url).expect("a URL");
        let said = fault(&url, "\"no such page: /ABCDEFGHIJ\"", "NOTOK").to_string();
        assert!(said.contains("no such page") && !said.contains("ABCDEFGHIJ"), "{said}");
        let body = b"{\"result\": \"ABCDEFGHIJ\"}";
        let read = super::read::<Vec<u8>>(&url, body).map_err(|error| error.to_string());
        assert!(read.is_err_and(|said| !said.contains("ABCDEFGHIJ")));
    }
}
