//! A server that shows a chain the way Esplora does, in the dialects of Blockstream and of
//! mempool.space, and the way blockchain.info does, with the errors that a test wants.
//! `tests/it/esplora_server.rs` holds it against a client that is not ours.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use bitcoin::{Address, ScriptBuf, Transaction, Txid, address::NetworkUnchecked};
use serde_json::Value;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinHandle,
};

use crate::support::{
    bitcoin_index::{Index, SharedIndex},
    esplora_answers as answers,
    request_target::{request_target, target_parts},
};

/// Whose API is spoken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Api {
    Blockstream,
    Mempool,
    BlockchainInfo,
}

impl Api {
    /// The kind of source in settings.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Blockstream => "esplora",
            Self::Mempool => "mempool",
            Self::BlockchainInfo => "blockchain-info",
        }
    }
}

/// What a question is answered with instead.
#[derive(Clone, Debug)]
pub(crate) enum Refusal {
    /// A status, more headers and a body.
    Status(u16, Vec<(&'static str, &'static str)>, &'static str),
    /// Status 200 and this body.
    Body(&'static str),
    /// Half of what is announced, and then the end.
    Truncated,
}

/// What a test may change.
#[derive(Debug)]
pub(crate) struct Knobs {
    /// Most transactions of a page.
    pub(crate) page_length: usize,
    /// Transactions that lists leave out.
    pub(crate) hidden: Vec<Txid>,
    /// Where it is set, histories have no end: so many transactions that are in no chain were told,
    /// all of them in the block of the newest one.
    pub(crate) endless: Option<usize>,
    /// Refusals of questions whose path has this in it, each so many times.
    pub(crate) refusals: Vec<(&'static str, usize, Refusal)>,
    /// Paths of questions, as they came.
    pub(crate) questions: Vec<String>,
    /// Of which questions the answer is held back: so many of those whose path has this in it
    /// come before.
    held: Option<(&'static str, usize, Arc<Held>)>,
}

/// An answer that is held back.
#[derive(Debug, Default)]
pub(crate) struct Held {
    asked: Notify,
    freed: Notify,
}

impl Held {
    /// Waits until it is asked for.
    pub(crate) async fn asked(&self) {
        self.asked.notified().await;
    }

    /// Has it answered, by what the chain is then.
    pub(crate) fn free(&self) {
        self.freed.notify_one();
    }
}

pub(crate) struct EsploraServer {
    address: SocketAddr,
    knobs: Arc<Mutex<Knobs>>,
    serving: JoinHandle<()>,
}

impl Drop for EsploraServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl EsploraServer {
    pub(crate) async fn start(api: Api, index: SharedIndex) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let page_length = if api == Api::BlockchainInfo { 50 } else { 25 };
        let knobs = Arc::new(Mutex::new(Knobs {
            page_length,
            hidden: Vec::new(),
            endless: None,
            refusals: Vec::new(),
            questions: Vec::new(),
            held: None,
        }));
        let shared = Arc::clone(&knobs);
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (knobs, index) = (Arc::clone(&shared), Arc::clone(&index));
                tokio::spawn(async move { serve(stream, api, &knobs, &index).await });
            }
        });
        Self { address, knobs, serving }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn knobs(&self) -> MutexGuard<'_, Knobs> {
        self.knobs.lock().unwrap()
    }

    /// Refuses the next questions whose path has this in it.
    pub(crate) fn refuse(&self, part: &'static str, count: usize, refusal: Refusal) {
        self.knobs().refusals.push((part, count, refusal));
    }

    /// Paths of questions that came since this was last asked.
    pub(crate) fn questions(&self) -> Vec<String> {
        std::mem::take(&mut self.knobs().questions)
    }

    /// Holds back the answer to one question whose path has this in it, after so many others.
    pub(crate) fn hold(&self, part: &'static str, after: usize) -> Arc<Held> {
        let held = Arc::new(Held::default());
        self.knobs().held = Some((part, after, Arc::clone(&held)));
        held
    }
}

impl Knobs {
    /// Counts a question. What holds its answer back, and what it is refused with.
    fn note(&mut self, path: &str) -> (Option<Arc<Held>>, Option<Refusal>) {
        self.questions.push(path.to_owned());
        let held = match &mut self.held {
            Some((part, after, _)) if path.contains(*part) && *after > 0 => {
                *after -= 1;
                None
            }
            Some((part, _, _)) if path.contains(*part) => self.held.take().map(|held| held.2),
            _ => None,
        };
        let fits = |(part, count, _): &&mut (&str, usize, _)| path.contains(*part) && *count > 0;
        let refusal = self.refusals.iter_mut().find(fits).map(|(_, count, refusal)| {
            *count -= 1;
            refusal.clone()
        });
        (held, refusal)
    }
}

/// A status and a body.
pub(crate) type Answer = (u16, String);

async fn serve(mut stream: TcpStream, api: Api, knobs: &Mutex<Knobs>, index: &Mutex<Index>) {
    let Some(target) = request_target(&mut stream).await else { return };
    let target = target.as_str();
    let (held, refusal) = knobs.lock().unwrap().note(target);
    if let Some(held) = held {
        held.asked.notify_one();
        held.freed.notified().await;
    }
    let (page_length, hidden) = {
        let knobs = knobs.lock().unwrap();
        (knobs.page_length, knobs.hidden.clone())
    };
    let look = || answer(api, target, (page_length, &hidden), &index.lock().unwrap());
    let bytes = match refusal {
        Some(Refusal::Status(status, headers, body)) => response(status, &headers, body),
        Some(Refusal::Body(body)) => response(200, &[], body),
        Some(Refusal::Truncated) => {
            let (_, body) = look();
            let whole = response(200, &[], &body);
            whole[..whole.len() - body.len().div_ceil(2)].to_vec()
        }
        None => {
            let (status, body) = match knobs.lock().unwrap().endless.as_mut() {
                Some(told) if target.contains("/txs/chain") => {
                    let first = target.split_inclusive("/chain").next().unwrap();
                    let (_, body) = answer(api, first, (1, &hidden), &index.lock().unwrap());
                    (200, endless_page(&body, page_length, told))
                }
                _ => look(),
            };
            response(status, &[], &body)
        }
    };
    let _ = stream.write_all(&bytes).await;
    let _ = stream.shutdown().await;
}

/// A page of transactions that are like the newest one.
fn endless_page(newest: &str, length: usize, told: &mut usize) -> String {
    let newest: Value = serde_json::from_str(newest).unwrap();
    let one = |number: usize| {
        let mut one = newest[0].clone();
        one["txid"] = Value::String(format!("{number:064x}"));
        one
    };
    let page: Vec<Value> = (*told..*told + length).map(one).collect();
    *told += length;
    Value::Array(page).to_string()
}

fn response(status: u16, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let length = body.len();
    let mut head =
        format!("HTTP/1.1 {status} So\r\nConnection: close\r\nContent-Length: {length}\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    format!("{head}\r\n{body}").into_bytes()
}

fn answer(api: Api, target: &str, (length, hidden): (usize, &[Txid]), index: &Index) -> Answer {
    let (url, parameters) = target_parts(target);
    let path: Vec<&str> = url.path_segments().unwrap().collect();
    let page = Page { api, index, length, hidden };
    let answer = match api {
        Api::Blockstream | Api::Mempool => page.esplora(&path),
        Api::BlockchainInfo => page.blockchain_info(&path, &parameters),
    };
    answer.unwrap_or_else(|refusal| refusal)
}

struct Page<'a> {
    api: Api,
    index: &'a Index,
    length: usize,
    hidden: &'a [Txid],
}

impl Page<'_> {
    fn esplora(&self, path: &[&str]) -> Result<Answer, Answer> {
        let index = self.index;
        let tip = index.tip();
        let no_block = || (404, "Block not found".to_owned());
        let block =
            |hash: &str| hash.parse().ok().and_then(|hash| index.block(hash)).ok_or_else(no_block);
        Ok(match path {
            ["blocks", "tip", "height"] => text(&tip.height),
            ["blocks", "tip", "hash"] => text(&tip.hash),
            ["block-height", height] => {
                let height = height.parse().map_err(|_| (400, "Invalid height".to_owned()))?;
                text(&index.best_block(height).ok_or_else(no_block)?.hash)
            }
            ["block", hash] => json(answers::block(index, block(hash)?)),
            ["block", hash, "status"] => json(answers::block_status(index, block(hash)?)),
            ["block", hash, "txids"] => json(answers::txids(block(hash)?)),
            ["tx", txid, "status"] => {
                let txid = txid.parse().map_err(|_| (400, "Invalid hex string".to_owned()))?;
                json(answers::status(index, txid))
            }
            ["address", address] => json(answers::stats(index, &script_of(address)?, address)),
            ["address", address, "txs"] => {
                let script = script_of(address)?;
                let mut page = self.mempool(&script);
                let confirmed = match self.api {
                    Api::Mempool => self.length.saturating_sub(page.len()),
                    Api::Blockstream | Api::BlockchainInfo => self.length,
                };
                page.extend(self.confirmed(&script, None, confirmed).unwrap_or_default());
                self.transactions(&page)
            }
            ["address", address, "txs", "mempool"] => {
                self.transactions(&self.mempool(&script_of(address)?))
            }
            ["address", address, "txs", "chain", last @ ..] => {
                // A cursor that is no hash is left out of account.
                let last: Option<Txid> = last.first().and_then(|last| last.parse().ok());
                match self.confirmed(&script_of(address)?, last, self.length) {
                    Some(page) => self.transactions(&page),
                    None if self.api == Api::Mempool => {
                        return Err((422, "after_txid not found".to_owned()));
                    }
                    None => self.transactions(&[]),
                }
            }
            _ => (404, "endpoint does not exist".to_owned()),
        })
    }

    fn transactions(&self, page: &[Transaction]) -> Answer {
        let one = |transaction| answers::transaction(self.index, transaction);
        json(Value::Array(page.iter().map(one).collect()))
    }

    /// What a script took part in that is in no block, newest first, at most 50.
    fn mempool(&self, script: &ScriptBuf) -> Vec<Transaction> {
        let is_party = |one: &&Transaction| self.index.parties(one).contains(script);
        self.index.mempool.iter().rev().filter(is_party).take(50).cloned().collect()
    }

    /// Where the transactions are that a script took part in, newest block first, from below a
    /// height on. Inside a block Blockstream's server has the order of hashes, mempool.space's that
    /// of the block, each backwards.
    fn places(&self, script: &ScriptBuf, highest: u32) -> impl Iterator<Item = (u32, usize)> {
        let history = self.index.history(script);
        let end = history.partition_point(|(height, _)| *height <= highest);
        let blocks = history[..end].chunk_by(|one, next| one.0 == next.0).rev();
        blocks
            .flat_map(|block| {
                let mut block = block.to_vec();
                let txid = |&(height, number): &(u32, usize)| {
                    self.index.best_block(height).unwrap().txids[number].to_string()
                };
                if self.api == Api::Blockstream {
                    block.sort_by_cached_key(txid);
                }
                block.into_iter().rev()
            })
            .filter(|&(height, number)| {
                !self.hidden.contains(&self.index.best_block(height).unwrap().txids[number])
            })
    }

    /// What a script took part in that is in blocks, after this transaction of it, or from the
    /// newest on. `None` if the transaction is not there.
    fn confirmed(
        &self,
        script: &ScriptBuf,
        after: Option<Txid>,
        length: usize,
    ) -> Option<Vec<Transaction>> {
        let transaction = |place| self.index.transaction(place).clone();
        let Some(last) = after else {
            return Some(self.places(script, u32::MAX).take(length).map(transaction).collect());
        };
        let place = self.index.place(last)?;
        let mut places = self.places(script, place.0).skip_while(|one| *one != place);
        places.next()?;
        Some(places.take(length).map(transaction).collect())
    }

    fn blockchain_info(
        &self,
        path: &[&str],
        parameters: &HashMap<String, String>,
    ) -> Result<Answer, Answer> {
        let index = self.index;
        let missing = || (404, r#"{"error":"not-found-or-invalid-arg"}"#.to_owned());
        let number = |name: &str| parameters.get(name).and_then(|text| text.parse().ok());
        Ok(match path {
            ["latestblock"] => json(answers::latest_block(index)),
            ["rawblock", hash] => {
                let hash = hash.parse().map_err(|_| missing())?;
                json(answers::raw_block(index, index.block(hash).ok_or_else(missing)?))
            }
            ["block-height", height] => {
                let height = height.parse().map_err(|_| missing())?;
                let block = index.best_block(height).ok_or_else(missing)?;
                json(answers::blocks_at_height(index, block))
            }
            ["rawaddr", address] => {
                let script = script_of(address).map_err(|_| missing())?;
                let mut all = self.mempool(&script);
                let count = all.len() + index.history(&script).len();
                let (offset, limit) = (number("offset").unwrap_or(0), number("limit"));
                let limit = limit.unwrap_or(self.length).min(self.length);
                let confirmed = self.confirmed(&script, None, offset + limit);
                all.extend(confirmed.unwrap_or_default());
                let page = all.iter().skip(offset).take(limit).cloned().collect::<Vec<_>>();
                json(answers::raw_address(index, address, count, &page))
            }
            _ => missing(),
        })
    }
}

fn script_of(address: &str) -> Result<ScriptBuf, Answer> {
    let address: Result<Address<NetworkUnchecked>, _> = address.parse();
    let address = address.map_err(|_| (400, "Invalid Bitcoin address".to_owned()))?;
    Ok(address.assume_checked().script_pubkey())
}

fn text(value: &impl ToString) -> Answer {
    (200, value.to_string())
}

#[expect(clippy::needless_pass_by_value, reason = "answers are made to be written once")]
fn json(value: Value) -> Answer {
    (200, value.to_string())
}
