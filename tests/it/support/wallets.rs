//! A Daybook that syncs wallets of a chain of Bitcoin, and what it should have recorded, computed
//! naively from the chain itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bitcoin::{
    Address, Network, ScriptBuf, Transaction,
    hashes::{Hash, sha256},
};
use daybook::{
    config::ChainsFile,
    domain::account::AccountKey,
    ingest::Ingest,
    store::{
        sync_jobs::{self, Priority},
        sync_streams::{self, Stream},
    },
    sync::{Sync, SyncPolicy, networks::SyncNetworks},
    upkeep::audit::audit,
};
use tokio_util::sync::CancellationToken;

use crate::support::{
    bitcoin_chain::{Chain, address, script},
    bitcoin_index::Index,
    cluster::eventually,
    esplora::{Api, EsploraServer},
    service::TestService,
};

/// How deep blocks must be to be final.
pub(crate) const FINALITY: u32 = 6;

/// How long a worker that is gone keeps its job.
const LEASE: Duration = Duration::from_millis(800);

pub(crate) struct Wallets {
    pub(crate) service: TestService,
    pub(crate) sync: Sync,
    /// Whether all sources tell medians of blocks' times.
    tells_medians: bool,
}

/// The settings that name these servers.
pub(crate) fn chains_file(sources: &[(&EsploraServer, Api)]) -> String {
    let mut text = format!("[[network]]\nname = \"bitcoin-regtest\"\nfinality = {FINALITY}\n");
    for (number, (server, api)) in sources.iter().enumerate() {
        text.push_str(&format!(
            "[[network.source]]\nname = \"source{number}\"\nkind = \"{}\"\nurl = \"{}\"\n\
             per_second = 100000\n",
            api.kind(),
            server.url()
        ));
    }
    text
}

impl Wallets {
    /// An empty one that asks these servers, the first one first.
    pub(crate) async fn new(sources: &[(&EsploraServer, Api)]) -> Self {
        let service = TestService::start().await;
        let file: ChainsFile = toml::from_str(&chains_file(sources)).unwrap();
        let partitions = crate::support::service::settings().partitions;
        let ingest = Ingest::new(&service.database, &partitions);
        let policy = SyncPolicy {
            lease: LEASE,
            attempts_max: 30,
            cooldown: Duration::ZERO,
            interval: None,
            stale_after: None,
        };
        let networks = SyncNetworks::of(&file).unwrap();
        let sync = Sync::new(&service.database, ingest, networks, policy);
        let tells_medians = sources.iter().all(|(_, api)| *api != Api::BlockchainInfo);
        Self { service, sync, tells_medians }
    }

    pub(crate) async fn stream(&self, key: u8) -> Stream {
        let account = AccountKey::canonical("bitcoin-regtest", &address(key)).unwrap();
        self.sync.wallet_stream(&account).await.unwrap()
    }

    /// Asks for these wallets to be synced.
    pub(crate) async fn request(&self, keys: &[u8]) {
        for &key in keys {
            let stream_id = self.stream(key).await.stream_id;
            let database = &self.service.database;
            let priority = Priority::Requested;
            sync_jobs::request(database, stream_id, priority, Duration::ZERO).await.unwrap();
        }
    }

    /// Works at one job. Whether there was one.
    pub(crate) async fn work(&self) -> bool {
        self.sync.work_at_one("test", &CancellationToken::new()).await.unwrap()
    }

    /// Works until all jobs are over, also those that wait for another try.
    pub(crate) async fn finish(&self) {
        let left = "SELECT count(*) FROM sync_jobs WHERE state <> 'parked'";
        eventually("jobs are over", async || {
            while self.work().await {}
            crate::support::schema::one::<i64>(&self.service.sql, left).await == 0
        })
        .await;
    }

    /// Syncs these wallets, which must go well.
    pub(crate) async fn sync(&self, keys: &[u8]) {
        self.request(keys).await;
        self.finish().await;
        assert_eq!(self.parked().await, Vec::<String>::new());
    }

    /// Why jobs are parked.
    pub(crate) async fn parked(&self) -> Vec<String> {
        let text = "SELECT message FROM sync_jobs WHERE state = 'parked'";
        self.service.sql.query(text, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }

    /// All rows.
    pub(crate) async fn rows(&self) -> BTreeSet<String> {
        let text = "SELECT concat_ws(' ', t.reference, s.address, r.address, \
                trunc(t.amount * 100000000), extract(epoch FROM t.occurred_at)::bigint)
            FROM transactions t
            JOIN accounts s ON s.account_id = t.sender_id
            JOIN accounts r ON r.account_id = t.receiver_id";
        let rows = self.service.sql.query(text, &[]).await.unwrap();
        let set: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
        assert_eq!(set.len(), rows.len(), "a row is there twice");
        set
    }

    async fn list(&self, text: &str, key: u8) -> BTreeSet<String> {
        let stream_id = self.stream(key).await.stream_id;
        let rows = self.service.sql.query(text, &[&stream_id]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// What is recorded must be what the chain has of these wallets: rows, participations, what is
    /// in no block, balances, and how far it is complete; and running totals must be those of rows.
    pub(crate) async fn check(&self, chain: &Chain, keys: &[u8], what: &str) {
        let index = chain.index();
        let (expected, tip, median) = {
            let index = index.lock().unwrap();
            let tip = index.tip();
            (expected_rows(&index, keys), tip.hash.to_string(), index.median_time(tip))
        };
        let rows = self.rows().await;
        let missing: Vec<_> = expected.difference(&rows).take(3).collect();
        let more: Vec<_> = rows.difference(&expected).take(3).collect();
        assert!(rows == expected, "{what}: missing {missing:?}, too much {more:?}");
        for &key in keys {
            let (places, waiting) = {
                let index = index.lock().unwrap();
                (expected_places(&index, key), expected_unconfirmed(&index, key))
            };
            let text = "SELECT concat_ws(' ', reference, height) FROM sync_transactions \
                WHERE stream_id = $1";
            assert_eq!(self.list(text, key).await, places, "{what}: of {key}");
            let text = "SELECT concat_ws(' ', reference, trunc(received * 100000000), \
                trunc(sent * 100000000)) FROM unconfirmed_transactions WHERE stream_id = $1";
            assert_eq!(self.list(text, key).await, waiting, "{what}: of {key}");
            let stream = self.stream(key).await;
            let stream = sync_streams::get(&self.service.database, stream.stream_id).await;
            let stream = stream.unwrap().unwrap();
            assert_eq!(stream.head_hash.as_ref(), Some(&tip), "{what}: of {key}");
            let until = stream.complete_until.unwrap().timestamp_micros();
            let certain = i64::from(median) * 1_000_000 + 1;
            if self.tells_medians {
                assert_eq!(until, certain, "{what}: of {key}");
            } else {
                // Six blocks of ten minutes, and what their times go back and forth.
                let spread = 2 * 3_600_000_000;
                assert!((certain - spread..=certain).contains(&until), "{what}: of {key}");
            }
            assert_eq!(stream.resume, None, "{what}: of {key}");
        }
        let differences = audit(&self.service.database, 2, |_, _| ()).await.unwrap();
        assert_eq!(differences, [], "{what}");
    }
}

/// How a script is called.
fn name(script: &ScriptBuf) -> String {
    match Address::from_script(script, Network::Regtest) {
        Ok(address) => address.to_string(),
        Err(_) => format!("script:{}", sha256::Hash::hash(script.as_bytes())),
    }
}

/// Rows of all transactions in which one of these keys takes part.
fn expected_rows(index: &Index, keys: &[u8]) -> BTreeSet<String> {
    let mut rows = BTreeSet::new();
    for &key in keys {
        for &place in index.history(&script(key)) {
            rows.extend(rows_of(index, place));
        }
    }
    rows
}

fn rows_of(index: &Index, (height, number): (u32, usize)) -> Vec<String> {
    let block = index.best_block(height).unwrap();
    let (transaction, time) = (&block.block.txdata[number], block.block.header.time);
    let txid = block.txids[number];
    let row = |sender: &str, receiver: &str, amount: i64| {
        format!("{txid} {sender} {receiver} {amount} {time}")
    };
    let value = |output: &bitcoin::TxOut| i64::try_from(output.value.to_sat()).unwrap();
    let mut nets: BTreeMap<String, i64> = BTreeMap::new();
    for output in index.spent(transaction) {
        *nets.entry(name(&output.script_pubkey)).or_default() -= value(output);
    }
    for output in &transaction.output {
        *nets.entry(name(&output.script_pubkey)).or_default() += value(output);
    }
    let left: i64 = -nets.values().sum::<i64>();
    let mut rows = Vec::new();
    for (party, net) in nets {
        match net {
            1.. => rows.push(row("hub", &party, net)),
            0 => {}
            _ => rows.push(row(&party, "hub", -net)),
        }
    }
    match left {
        1.. => rows.push(row("hub", "fees", left)),
        0 => {}
        _ => rows.push(row("coinbase", "hub", -left)),
    }
    rows
}

fn expected_places(index: &Index, key: u8) -> BTreeSet<String> {
    let one = |&(height, number): &(u32, usize)| {
        format!("{} {height}", index.best_block(height).unwrap().txids[number])
    };
    index.history(&script(key)).iter().map(one).collect()
}

fn expected_unconfirmed(index: &Index, key: u8) -> BTreeSet<String> {
    let own = script(key);
    let is_party = |one: &&Transaction| index.parties(one).contains(&own);
    let one = |transaction: &Transaction| {
        let received: u64 = sum(&own, transaction.output.iter());
        let sent: u64 = sum(&own, index.spent(transaction).into_iter());
        format!("{} {received} {sent}", transaction.compute_txid())
    };
    index.mempool.iter().filter(is_party).map(one).collect()
}

fn sum<'a>(own: &ScriptBuf, outputs: impl Iterator<Item = &'a bitcoin::TxOut>) -> u64 {
    outputs.filter(|one| one.script_pubkey == *own).map(|one| one.value.to_sat()).sum()
}
