//! Syncing a token from answers that lie in memory, as a node writes them, into the database:
//! everything from bytes on a socket to rows in place, registered and durable. Against a plain
//! binary COPY of the same rows, into a table without and one with the same indexes.
//!
//! `cargo bench --bench sync_token`; DAYBOOK_BENCH_BLOCKS and DAYBOOK_BENCH_TRANSFERS (a block) set
//! the size of the chain, DAYBOOK_BENCH_HOLDERS how many take part, DAYBOOK_BENCH_ROUNDS how often
//! each is measured. 10,000 blocks are what the indexer that this takes the place of needed 33
//! minutes for.
#![allow(clippy::print_stdout, reason = "a benchmark prints its result")]

mod support;

use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use daybook::{
    config::ChainsFile,
    domain::{
        account::Network,
        erc20::{Address, Hash, TRANSFER_TOPIC},
        hex,
    },
    ingest::Ingest,
    store::sync_jobs::{self, Priority},
    sync::{Sync, SyncPolicy, networks::SyncNetworks},
};
use futures_util::{SinkExt, StreamExt, pin_mut};
use rand::{RngExt, SeedableRng, rngs::ChaCha12Rng};
use serde_json::{Value, json};
use support::{Bench, number};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

/// When the first block was made.
const BEGIN: u64 = 1_714_521_600;

/// Seconds from block to block.
const BLOCK_SECONDS: u64 = 12;

/// What the other indexer needed for 10,000 blocks.
const OTHER_SECONDS: f64 = 33.0 * 60.0;

fn main() -> anyhow::Result<()> {
    tokio::runtime::Runtime::new()?.block_on(run())
}

async fn run() -> anyhow::Result<()> {
    let bench = Bench::start().await?;
    let superuser = bench.superuser().await?;
    let blocks = number("DAYBOOK_BENCH_BLOCKS", 10_000);
    let rounds = number("DAYBOOK_BENCH_ROUNDS", 3);
    for round in 0..rounds {
        // Each round is of another token: the same rows again would be refused.
        let token = Address([u8::try_from(round + 1)?; 20]);
        let chain = Arc::new(Chain::new(token, blocks));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let node = tokio::spawn(serve(listener, Arc::clone(&chain)));
        let synced = sync(&bench, &url, &token).await?;
        node.abort();
        let rows = chain.transfers;
        let bytes = copy_out(&superuser, round).await?;
        let bare = copy_in(&superuser, &bytes, "").await?;
        let indexed = copy_in(&superuser, &bytes, "INCLUDING INDEXES").await?;
        let rate = |seconds: f64| count(rows) / seconds;
        println!(
            "{rows} transfers of {blocks} blocks in {synced:.2} s: {:.0} transfers/s, {} calls; \
             COPY of the rows {:.0}/s bare, {:.0}/s with indexes; 10,000 blocks {:.0} times as \
             fast as in {OTHER_SECONDS:.0} s",
            rate(synced),
            chain.calls.load(Ordering::Relaxed),
            rate(bare),
            rate(indexed),
            OTHER_SECONDS * count(blocks) / 10_000.0 / synced,
        );
        // Read by scripts/bench.
        println!("RATE {:.0}", rate(synced));
    }
    Ok(())
}

/// For a ratio only.
#[allow(clippy::cast_precision_loss, reason = "counts of a benchmark are small")]
fn count(number: u64) -> f64 {
    number as f64
}

/// Syncs all of it and says in how many seconds.
async fn sync(bench: &Bench, url: &str, token: &Address) -> anyhow::Result<f64> {
    let text = format!(
        "[[network]]\nname = \"evm-31337\"\n[[network.source]]\nname = \"{token}\"\n\
         kind = \"rpc\"\nurl = \"{url}\"\nper_second = 100000.0\n"
    );
    let file: ChainsFile = toml::from_str(&text)?;
    let networks =
        SyncNetworks::of(&file).map_err(|(what, rule)| anyhow::anyhow!("{what} {rule}"))?;
    let ingest = Ingest::new(&bench.database, &bench.settings.partitions);
    let sync = Sync::new(&bench.database, ingest, networks, SyncPolicy::new(&bench.settings.sync));
    let network = Network::parse("evm-31337").context("a network")?;
    let stream = sync.token_stream(&network, &token.to_string(), Some(0), None).await?;
    let (stream_id, wait) = (stream.stream_id, Duration::ZERO);
    sync_jobs::request(&bench.database, stream_id, Priority::Requested, wait).await?;
    let begun_at = Instant::now();
    let stop = CancellationToken::new();
    while sync.work_at_one("bench", &stop).await? {}
    Ok(begun_at.elapsed().as_secs_f64())
}

/// The rows of one round, as COPY writes them.
async fn copy_out(superuser: &Client, round: u64) -> anyhow::Result<Vec<u8>> {
    let asset = i64::try_from(round)?;
    let rows = format!(
        "COPY (SELECT * FROM daybook.transactions WHERE asset_id = (
             SELECT asset_id FROM daybook.chain_assets ORDER BY asset_id OFFSET {asset} LIMIT 1
         )) TO STDOUT (FORMAT binary)"
    );
    let stream = superuser.copy_out(&rows).await?;
    pin_mut!(stream);
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        bytes.extend_from_slice(&chunk?);
    }
    Ok(bytes)
}

/// Copies them into a table of their own and says in how many seconds.
async fn copy_in(superuser: &Client, bytes: &[u8], like: &str) -> anyhow::Result<f64> {
    let table = format!(
        "DROP TABLE IF EXISTS daybook.plain_copy;
         CREATE TABLE daybook.plain_copy (LIKE daybook.transactions {like})"
    );
    superuser.batch_execute(&table).await?;
    let begun_at = Instant::now();
    let sink = superuser.copy_in("COPY daybook.plain_copy FROM STDIN (FORMAT binary)").await?;
    pin_mut!(sink);
    for chunk in bytes.chunks(256 * 1024) {
        sink.send(bytes::Bytes::copy_from_slice(chunk)).await?;
    }
    ensure!(sink.finish().await? > 0, "no rows");
    Ok(begun_at.elapsed().as_secs_f64())
}

/// A chain as a node tells it.
struct Chain {
    /// Logs of each block, in JSON, with commas between them.
    logs: Vec<String>,
    transfers: u64,
    calls: AtomicU64,
}

impl Chain {
    fn new(token: Address, blocks: u64) -> Self {
        let mut random = ChaCha12Rng::seed_from_u64(1);
        let per_block = number("DAYBOOK_BENCH_TRANSFERS", 20);
        let holders = number("DAYBOOK_BENCH_HOLDERS", 5_000);
        let mut transfers = 0;
        let mut logs = Vec::new();
        for height in 0..blocks {
            let mut text = String::new();
            for index in 0..random.random_range(0..=2 * per_block) {
                let mut party = || format!("0x{:064x}", random.random_range(1..=holders));
                let (sender, receiver) = (party(), party());
                let amount: u128 = random.random_range(0..5_000_000_000_000_000_000_000);
                let comma = if text.is_empty() { "" } else { "," };
                let _ = write!(
                    text,
                    "{comma}{{\"address\":\"{token}\",\"topics\":[\"{TRANSFER_TOPIC}\",\
                     \"{sender}\",\"{receiver}\"],\"data\":\"0x{amount:064x}\",\
                     \"blockHash\":\"{}\",\"blockNumber\":\"{height:#x}\",\
                     \"blockTimestamp\":\"{:#x}\",\"transactionHash\":\"{}\",\
                     \"transactionIndex\":\"{index:#x}\",\"logIndex\":\"{index:#x}\",\
                     \"removed\":false}}",
                    hash(&token, height, 0),
                    BEGIN + height * BLOCK_SECONDS,
                    hash(&token, height, index + 1),
                );
                transfers += 1;
            }
            logs.push(text);
        }
        Self { logs, transfers, calls: AtomicU64::new(0) }
    }

    fn answer(&self, question: &Value) -> String {
        let number = |text: &Value| text.as_str().and_then(hex::quantity);
        let result = match question["method"].as_str() {
            Some("eth_chainId") => "\"0x7a69\"".to_owned(),
            Some("eth_getBlockByNumber") => {
                let head = self.logs.len() as u64 - 1;
                let height = number(&question["params"][0]).unwrap_or(head);
                let token = Address::default();
                json!({
                    "number": format!("{height:#x}"),
                    "hash": hash(&token, height, 0).to_string(),
                    "parentHash": hash(&token, height.wrapping_sub(1), 0).to_string(),
                    "timestamp": format!("{:#x}", BEGIN + height * BLOCK_SECONDS),
                })
                .to_string()
            }
            Some("eth_getLogs") => {
                let filter = &question["params"][0];
                let ends = [&filter["fromBlock"], &filter["toBlock"]].map(number);
                let [Some(first), Some(last)] = ends else { return String::new() };
                let texts = self.logs.iter().skip(usize::try_from(first).unwrap_or(0));
                let count = usize::try_from(last - first + 1).unwrap_or(0);
                let texts: Vec<&str> =
                    texts.take(count).filter(|text| !text.is_empty()).map(String::as_str).collect();
                format!("[{}]", texts.join(","))
            }
            // A number or a text, whichever was asked for: eighteen decimals, and no name.
            _ => format!("\"0x{:064x}\"", 18),
        };
        format!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{result}}}", question["id"])
    }
}

/// A digest that is none, but as unlike others as one is. Blocks of all chains are alike: only
/// references differ.
fn hash(token: &Address, height: u64, place: u64) -> Hash {
    let mut bytes = [0; 32];
    if place > 0 {
        bytes[..8].copy_from_slice(&token.0[..8]);
    }
    bytes[8..16].copy_from_slice(&height.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    bytes[16..24].copy_from_slice(&place.to_be_bytes());
    Hash(bytes)
}

async fn serve(listener: TcpListener, chain: Arc<Chain>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(converse(stream, Arc::clone(&chain)));
    }
}

async fn converse(stream: TcpStream, chain: Arc<Chain>) -> anyhow::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let line = line.trim().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        chain.calls.fetch_add(1, Ordering::Relaxed);
        let question: Value = serde_json::from_slice(&body)?;
        let text = if let Value::Array(questions) = &question {
            let answers: Vec<String> =
                questions.iter().map(|question| chain.answer(question)).collect();
            format!("[{}]", answers.join(","))
        } else {
            chain.answer(&question)
        };
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", text.len());
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(text.as_bytes()).await?;
    }
}
