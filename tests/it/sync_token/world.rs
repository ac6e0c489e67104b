//! A private chain with a token, a ledger that syncs it, and what the chain itself says.

use std::{collections::BTreeMap, time::Duration};

use clap::ValueEnum;
use daybook::{
    config::{ChainsFile, SourceKind},
    domain::{
        account::Network,
        chain::position,
        decimal::Decimal,
        erc20::{Address, Event, TRANSFER_TOPIC, Word},
        hex,
    },
    ingest::Ingest,
    store::{
        sync_jobs::{self, Priority},
        sync_streams::{self, Stream},
    },
    sync::{Sync, SyncPolicy, networks::SyncNetworks},
    upkeep::audit::audit,
};
use num_bigint::BigInt;
use rand::{Rng, RngExt};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::support::{
    anvil::{Anvil, Move, NETWORK, amount, holder},
    schema::TestSchema,
};

/// A row, as the chain and the ledger both have it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Row {
    position: i64,
    seconds: i64,
    sender: String,
    receiver: String,
    /// In the smallest unit.
    amount: String,
    reference: String,
}

/// A ledger that syncs a token.
pub(crate) struct World {
    pub(crate) schema: TestSchema,
    pub(crate) sync: Sync,
    pub(crate) stream_id: i64,
}

/// How jobs are worked at in tests: without pauses between syncs.
pub(crate) fn policy() -> SyncPolicy {
    SyncPolicy {
        lease: Duration::from_secs(30),
        attempts_max: 1_000,
        cooldown: Duration::ZERO,
        interval: None,
        stale_after: None,
    }
}

/// The file that names sources, each with its kind and where it is asked.
pub(crate) fn networks(sources: &[Source<'_>]) -> SyncNetworks {
    final_after(64, sources)
}

/// A source: its name, what it speaks, where it is asked.
pub(crate) type Source<'a> = (&'a str, SourceKind, &'a str);

/// The same, where nothing is taken back any more that has so many blocks on it.
pub(crate) fn final_after(blocks: u32, sources: &[Source<'_>]) -> SyncNetworks {
    let file: ChainsFile = toml::from_str(&file_text(blocks, sources)).unwrap();
    SyncNetworks::of(&file).unwrap()
}

/// The same as a file.
pub(crate) fn file_text(finality: u32, sources: &[Source<'_>]) -> String {
    let mut text = format!("[[network]]\nname = \"{NETWORK}\"\nfinality = {finality}\n");
    for (name, kind, url) in sources {
        let kind = kind.to_possible_value().unwrap();
        text += &format!(
            "[[network.source]]\nname = \"{name}\"\nkind = \"{}\"\nurl = \"{url}\"\n\
             per_second = 2000.0\n",
            kind.get_name()
        );
    }
    text
}

impl World {
    /// A ledger with the stream of a token, not synced yet.
    pub(crate) async fn new(
        networks: SyncNetworks,
        token: &Address,
        (first, last): (i64, Option<i64>),
    ) -> Self {
        let schema = TestSchema::prepared().await;
        let ingest = Ingest::new(&schema.database, &schema.settings.partitions);
        let sync = Sync::new(&schema.database, ingest, networks, policy());
        let network = Network::parse(NETWORK).unwrap();
        let stream =
            sync.token_stream(&network, &token.to_string(), Some(first), last).await.unwrap();
        Self { schema, sync, stream_id: stream.stream_id }
    }

    /// Asks for a job and works until it is over, whichever way.
    pub(crate) async fn sync(&self) {
        self.request().await;
        while self.work().await {}
    }

    pub(crate) async fn request(&self) {
        let database = &self.schema.database;
        let (stream_id, wait) = (self.stream_id, Duration::ZERO);
        sync_jobs::request(database, stream_id, Priority::Requested, wait).await.unwrap();
    }

    /// What waits to be tried again is due now.
    pub(crate) async fn hurry(&self) {
        let text = "UPDATE sync_jobs SET run_at = clock_timestamp()";
        self.schema.sql.execute(text, &[]).await.unwrap();
    }

    /// Works at a job if one is due.
    pub(crate) async fn work(&self) -> bool {
        self.sync.work_at_one("test", &CancellationToken::new()).await.unwrap()
    }

    pub(crate) async fn stream(&self) -> Stream {
        let found = sync_streams::get(&self.schema.database, self.stream_id).await.unwrap();
        found.unwrap()
    }

    /// The states of jobs that are not over, with what is said of them.
    pub(crate) async fn jobs(&self) -> Vec<(String, Option<String>)> {
        let rows = self.schema.sql.query("SELECT state, message FROM sync_jobs", &[]).await;
        rows.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    /// Rows of the ledger, in their order.
    pub(crate) async fn rows(&self) -> Vec<Row> {
        let rows = self.schema.sql.query(
            "SELECT position, extract(epoch FROM occurred_at)::bigint AS seconds,
                 s.address AS sender, r.address AS receiver,
                 trunc(amount * 10::numeric ^ 18)::text AS amount, reference
             FROM transactions
             JOIN accounts s ON s.account_id = sender_id
             JOIN accounts r ON r.account_id = receiver_id
             ORDER BY occurred_at, position",
            &[],
        );
        let rows = rows.await.unwrap();
        let of = |row: &tokio_postgres::Row| Row {
            position: row.get("position"),
            seconds: row.get("seconds"),
            sender: row.get("sender"),
            receiver: row.get("receiver"),
            amount: row.get("amount"),
            reference: row.get("reference"),
        };
        rows.iter().map(of).collect()
    }

    /// Holds the ledger against the chain up to the block `last`: every row, every balance by the
    /// token itself, and what the stream says of itself.
    pub(crate) async fn check(&self, anvil: &Anvil, token: &Address, last: u64) {
        let (expected, others) = chain_rows(anvil, token, last).await;
        let rows = self.rows().await;
        let first_wrong = rows.iter().zip(&expected).position(|(a, b)| a != b);
        if let Some(place) = first_wrong {
            panic!("row {place}: {:?} instead of {:?}", rows[place], expected[place]);
        }
        assert_eq!(rows.len(), expected.len(), "rows");
        let stream = self.stream().await;
        assert_eq!(stream.transfer_count, i64::try_from(rows.len()).unwrap());
        assert_eq!(stream.other_count, others, "other events");
        assert_eq!(stream.head_height, Some(i64::try_from(last).unwrap()));
        let blocks = self.schema.sql.query_one(
            "SELECT coalesce(sum(transfer_count), 0)::bigint, coalesce(sum(other_count), 0)::bigint
             FROM sync_blocks",
            &[],
        );
        let blocks = blocks.await.unwrap();
        assert_eq!((blocks.get(0), blocks.get(1)), (stream.transfer_count, others));
        let known = "SELECT count(*) FROM transaction_ids WHERE deleted_at IS NULL";
        let known: i64 = self.schema.sql.query_one(known, &[]).await.unwrap().get(0);
        assert_eq!(known, stream.transfer_count, "ids");
        let differences = audit(&self.schema.database, 2, |_, _| ()).await.unwrap();
        assert_eq!(differences, [], "running totals and rows");
    }

    /// Holds every balance against what the token itself says; how many holders there are.
    pub(crate) async fn check_balances(&self, anvil: &Anvil, token: &Address) -> usize {
        let balances = balances(&self.rows().await);
        let mut holders = 0;
        for (address, balance) in &balances {
            let address = Address::parse(address).unwrap();
            if address == Address::ZERO {
                continue;
            }
            let said = anvil.balance(token, &address).await;
            assert_eq!(said.to_decimal(0), Decimal::new(balance.clone(), 0), "{address}");
            holders += usize::from(*balance != BigInt::ZERO);
        }
        holders
    }
}

/// Balances that rows come to.
pub(crate) fn balances(rows: &[Row]) -> BTreeMap<String, BigInt> {
    let mut balances = BTreeMap::new();
    for row in rows {
        let amount: BigInt = row.amount.parse().unwrap();
        *balances.entry(row.sender.clone()).or_default() -= &amount;
        *balances.entry(row.receiver.clone()).or_default() += &amount;
    }
    balances
}

/// Transfers by the node itself, and how many other events have their topic.
async fn chain_rows(anvil: &Anvil, token: &Address, last: u64) -> (Vec<Row>, i64) {
    let filter = json!([{
        "address": token.to_string(),
        "topics": [TRANSFER_TOPIC],
        "fromBlock": "0x0",
        "toBlock": format!("{last:#x}"),
    }]);
    let logs = anvil.rpc("eth_getLogs", filter).await;
    let (mut rows, mut others) = (Vec::new(), 0);
    for log in logs.as_array().unwrap() {
        let number = |name: &str| hex::quantity(log[name].as_str().unwrap()).unwrap();
        let topics: Vec<&str> =
            log["topics"].as_array().unwrap().iter().map(|topic| topic.as_str().unwrap()).collect();
        let Event::Transfer(transfer) = Event::read(&topics, log["data"].as_str().unwrap()) else {
            others += 1;
            continue;
        };
        let index = u32::try_from(number("logIndex")).unwrap();
        rows.push(Row {
            position: position(number("blockNumber"), index).unwrap(),
            seconds: i64::try_from(number("blockTimestamp")).unwrap(),
            sender: transfer.sender.to_string(),
            receiver: transfer.receiver.to_string(),
            amount: transfer.amount.to_decimal(0).to_string(),
            reference: log["transactionHash"].as_str().unwrap().to_owned(),
        });
    }
    (rows, others)
}

/// Moves between a few holders that all have enough: nobody sends more than was made for them.
pub(crate) fn random_moves(random: &mut impl Rng, holders: u32, count: usize) -> Vec<Move> {
    (0..count)
        .map(|_| Move {
            from: holder(random.random_range(0..holders)),
            to: holder(random.random_range(0..holders)),
            amount: amount(random.random_range(0..1_000)),
        })
        .collect()
}

/// Makes tokens for so many holders.
pub(crate) fn mints(holders: u32) -> Vec<Move> {
    let mint = |number| Move {
        from: Address::ZERO,
        to: holder(number),
        amount: amount(1_000_000_000_000),
    };
    (0..holders).map(mint).collect()
}

/// The largest amount that there is: made, moved to another holder and to oneself, destroyed.
pub(crate) fn largest() -> Vec<Move> {
    let (one, other) = (holder(7_000), holder(7_001));
    let way = [(Address::ZERO, one), (one, one), (one, other), (other, Address::ZERO)];
    way.map(|(from, to)| Move { from, to, amount: Word([0xff; 32]) }).to_vec()
}

impl Row {
    /// Whether the row is of one of these blocks.
    pub(crate) fn is_in_blocks(&self, first: i64, last: i64) -> bool {
        (first..=last).contains(&(self.position >> 24))
    }
}
