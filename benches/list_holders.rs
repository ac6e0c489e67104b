//! Listing holders of a token through the real port, against the same answer by GROUP BY over the
//! same rows, by turns.
//!
//! `cargo bench --bench list_holders`; DAYBOOK_BENCH_HOLDERS (100,000) addresses and
//! DAYBOOK_BENCH_TRANSFERS (1,000,000) transfers of one token over DAYBOOK_BENCH_DAYS (365) days,
//! DAYBOOK_BENCH_ROUNDS (10) answers of each kind.
#![allow(clippy::print_stdout, reason = "a benchmark prints its result")]

mod support;

use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDate};
use daybook::{
    grpc::pb::v1::{
        ListHoldersRequest, TokenKey, list_holders_request::AsOf,
        token_service_client::TokenServiceClient,
    },
    upkeep::sealing::{SEALED_ROWS_MAX, seal_once},
};
use futures_util::SinkExt;
use rand::{RngExt, SeedableRng, rngs::ChaCha12Rng};
use support::{Bench, number};
use tokio_postgres::Client;

/// 2023-01-01T00:00:00Z.
const FIRST: i64 = 1_672_531_200;

const DAY: i64 = 86_400;

/// Seconds between blocks.
const BLOCK: i64 = 12;

/// A coin in its smallest units.
const COIN: i64 = 1_000_000_000_000_000_000;

const NETWORK: &str = "ethereum";

const CONTRACT: &str = "0xd8da6bf26964af9d7eed9e03e53415d37aa96045";

/// The first page as of an instant and a position, with changes after another instant, and what
/// there is of all holders.
const RAW: &str = "WITH moves AS (
        SELECT receiver_id AS account_id, amount, occurred_at FROM transactions
        WHERE asset_id = $1 AND occurred_at <= $2 AND position < $3
        UNION ALL
        SELECT sender_id, -amount, occurred_at FROM transactions
        WHERE asset_id = $1 AND occurred_at <= $2 AND position < $3
    ), nets AS (
        SELECT account_id, sum(amount) AS balance,
            coalesce(sum(amount) FILTER (WHERE occurred_at > $4), 0) AS change
        FROM moves GROUP BY account_id
    ), holders AS (
        SELECT n.balance, n.change, a.address, rank() OVER (ORDER BY n.balance DESC) AS rank,
            count(*) OVER () AS holder_count, sum(n.balance) OVER () AS balance_sum
        FROM nets n JOIN accounts a USING (account_id)
        WHERE n.balance > 0 AND a.address <> '0x0000000000000000000000000000000000000000'
    )
    SELECT rank, address, balance::text, change::text, holder_count, balance_sum::text
    FROM holders ORDER BY rank, address LIMIT 100";

fn main() -> anyhow::Result<()> {
    tokio::runtime::Runtime::new()?.block_on(run())
}

async fn run() -> anyhow::Result<()> {
    let bench = Bench::start().await?;
    let sql = bench.database.connect().await?;
    let asset_id = load(&bench, &sql).await?;
    let mut client = TokenServiceClient::new(bench.serve().await?);
    sql.batch_execute("SET plan_cache_mode = force_custom_plan; SET work_mem = '256MB'").await?;
    let raw = sql.prepare(RAW).await?;
    let days = i64::try_from(number("DAYBOOK_BENCH_DAYS", 365))?;
    let mut random = ChaCha12Rng::seed_from_u64(2);
    for what in ["the head", "a past block"] {
        let mut rounds = Vec::new();
        for _ in 0..number("DAYBOOK_BENCH_ROUNDS", 10) {
            let head = days * DAY / BLOCK - 1;
            let height = if what == "the head" { head } else { random.random_range(0..=head) };
            let at = FIRST + height * BLOCK;
            let begun_at = Instant::now();
            let instant = |at| DateTime::from_timestamp(at, 0).expect("a day of 2023");
            let beyond = (height + 1) << 24;
            let after = instant(at - 7 * DAY);
            let rows = sql.query(&raw, &[&asset_id, &instant(at), &beyond, &after]).await?;
            let scanned = begun_at.elapsed();
            let request = ListHoldersRequest {
                token: Some(TokenKey { network: NETWORK.into(), contract: CONTRACT.into() }),
                as_of: Some(AsOf::AsOfHeight(height)),
                ..ListHoldersRequest::default()
            };
            let begun_at = Instant::now();
            let answer = client.list_holders(request).await?.into_inner();
            let listed = begun_at.elapsed();
            let holders = rows.first().map_or(0, |row| row.get::<_, i64>("holder_count"));
            anyhow::ensure!(answer.holder_count == holders, "as many holders");
            let same = answer.holders.iter().zip(&rows).all(|(holder, row)| {
                holder.rank == row.get::<_, i64>("rank")
                    && holder.address == row.get::<_, &str>("address")
                    && is_same(&holder.balance, row.get("balance"))
                    && is_same(&holder.change, row.get("change"))
            });
            anyhow::ensure!(same && answer.holders.len() == rows.len(), "the same page");
            rounds.push((listed.as_secs_f64() / scanned.as_secs_f64(), listed, scanned, holders));
        }
        print(what, rounds);
    }
    bench.stop().await
}

fn is_same(one: &str, other: &str) -> bool {
    let trim = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    trim(one) == trim(other)
}

fn print(what: &str, mut rounds: Vec<(f64, Duration, Duration, i64)>) {
    rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (ratio, listed, scanned, holders) = rounds[rounds.len() / 2];
    println!(
        "as of {what}, {holders} holders: listed in {listed:.1?}, GROUP BY in {scanned:.1?}: \
         1/{:.1}",
        1.0 / ratio
    );
}

/// Loads the token: a COPY a day in the order of time, sealed day by day as it would be.
async fn load(bench: &Bench, sql: &Client) -> anyhow::Result<i32> {
    let addresses = i64::try_from(number("DAYBOOK_BENCH_HOLDERS", 100_000))?;
    let days = i64::try_from(number("DAYBOOK_BENCH_DAYS", 365))?;
    let of_day = i64::try_from(number("DAYBOOK_BENCH_TRANSFERS", 1_000_000))? / days;
    let text = "INSERT INTO accounts (network, address)
        SELECT 'ethereum', '0x' || lpad(to_hex((n * 7919) % 99999989), 40, '0')
        FROM generate_series(0, $1::bigint) AS n";
    sql.execute(text, &[&addresses]).await?;
    let text = "INSERT INTO assets (code, name, decimals) VALUES ('COIN', 'Coin', 18)
        RETURNING asset_id";
    let asset_id: i32 = sql.query_one(text, &[]).await?.get(0);
    let text = "INSERT INTO chain_assets (asset_id, network, contract) VALUES ($1, $2, $3)";
    sql.execute(text, &[&asset_id, &NETWORK, &CONTRACT]).await?;
    let text = "SELECT min(account_id) FROM accounts WHERE network = 'ethereum'";
    let zero: i64 = sql.query_one(text, &[]).await?.get(0);
    let first = NaiveDate::from_ymd_opt(2023, 1, 1).expect("a day");
    let all: Vec<NaiveDate> = first.iter_days().take(usize::try_from(days)?).collect();
    sql.query("SELECT ensure_partitions($1, 36500, 100000)", &[&all]).await?;
    let mut random = ChaCha12Rng::seed_from_u64(1);
    let (mut minted, mut sealing, mut copying) = (0, Duration::ZERO, Duration::ZERO);
    for day in 0..days {
        let begun_at = Instant::now();
        let text = "COPY transactions
            (occurred_at, position, sender_id, receiver_id, asset_id, amount) FROM STDIN";
        let mut sink = Box::pin(sql.copy_in::<_, bytes::Bytes>(text).await?);
        let mut lines = String::new();
        let blocks = DAY / BLOCK;
        for place in 0..of_day {
            let height = day * blocks + place * blocks / of_day;
            let position = (height << 24) + place;
            let at = DateTime::from_timestamp(FIRST + height * BLOCK, 0).expect("a day of 2023");
            // At first everybody has a coin minted; then they send parts of it around.
            let other = zero + random.random_range(1..=addresses);
            let (from, to, amount) = if minted < addresses && place % 2 == 0 {
                minted += 1;
                (zero, zero + minted, COIN)
            } else {
                let holder = zero + random.random_range(1..=minted.max(1));
                (holder, other, random.random_range(1..1_000_000_000_000_000_i64))
            };
            let at = at.format("%Y-%m-%dT%H:%M:%SZ");
            let (whole, rest) = (amount / COIN, amount % COIN);
            let line = format!("{at}\t{position}\t{from}\t{to}\t{asset_id}\t{whole}.{rest:018}\n");
            lines.push_str(&line);
        }
        sink.send(lines.into()).await?;
        sink.as_mut().finish().await?;
        copying += begun_at.elapsed();
        let begun_at = Instant::now();
        seal_once(&bench.database, SEALED_ROWS_MAX).await?;
        sealing += begun_at.elapsed();
    }
    println!("{} transfers copied in {copying:.1?}, sealed in {sealing:.1?}", days * of_day);
    let text = "INSERT INTO sync_streams
            (asset_id, account_id, head_height, head_hash, complete_until)
        VALUES ($1, 0, $2, '0x', to_timestamp($3::bigint)) RETURNING stream_id";
    let head = days * DAY / BLOCK - 1;
    let until = FIRST + days * DAY;
    let stream_id: i64 = sql.query_one(text, &[&asset_id, &head, &until]).await?.get(0);
    let text = "INSERT INTO sync_blocks (stream_id, height, mined_at, block_hash, parent_hash)
        SELECT DISTINCT ON (position >> 24) $1, position >> 24, occurred_at, '0x', ''
        FROM transactions WHERE asset_id = $2";
    sql.execute(text, &[&stream_id, &asset_id]).await?;
    sql.batch_execute("VACUUM ANALYZE").await?;
    Ok(asset_id)
}
