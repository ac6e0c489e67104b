//! Ranking symbols by the deviation of their prices through the real port, against the GROUP BY
//! over the same ticks, by turns; and what folding those ticks costs.
//!
//! `cargo bench --bench rank_symbols`; DAYBOOK_BENCH_SYMBOLS (1,000) symbols have a tick a minute
//! for two days, of which windows of 24 hours are ranked, DAYBOOK_BENCH_ROUNDS (20) of them.
#![allow(clippy::print_stdout, reason = "a benchmark prints its result")]

mod support;

use std::time::Instant;

use chrono::DateTime;
use daybook::{
    grpc::pb::v1::{
        RankSymbolsRequest, SymbolMetric, Window, price_service_client::PriceServiceClient,
    },
    upkeep::price_folding::fold_all,
};
use prost_types::Timestamp;
use rand::{RngExt, SeedableRng, rngs::ChaCha12Rng};
use support::{Bench, number};
use tokio_postgres::Client;
use tonic::transport::Channel;

/// 2024-05-01T00:00:00Z.
const FIRST: i64 = 1_714_521_600;

const DAY: i64 = 86_400;

const TICKS: &str = "INSERT INTO prices (symbol_id, ticked_at, price)
    SELECT s.symbol_id, to_timestamp($1::bigint + m * 60 + s.symbol_id % 60),
        round((100 + s.symbol_id + 10 * random())::numeric, 8)
    FROM generate_series(0, 1439) AS m
    CROSS JOIN symbols s
    ORDER BY m";

const RAW: &str = "SELECT p.symbol_id, count(*), stddev_samp(p.price)
    FROM prices p
    WHERE p.ticked_at >= $1 AND p.ticked_at < $2
    GROUP BY p.symbol_id
    ORDER BY 3 DESC";

const RAW_RETURNS: &str = "SELECT r.symbol_id, count(*) + 1, stddev_samp(r.difference)
    FROM (SELECT p.symbol_id,
                 round(l.ln - lag(l.ln) OVER (PARTITION BY p.symbol_id ORDER BY p.ticked_at), 18)
          FROM prices p
          CROSS JOIN LATERAL (SELECT ln(round(p.price, 30))) AS l (ln)
          WHERE p.ticked_at >= $1 AND p.ticked_at < $2) AS r (symbol_id, difference)
    WHERE r.difference IS NOT NULL
    GROUP BY r.symbol_id
    ORDER BY 3 DESC";

fn main() -> anyhow::Result<()> {
    tokio::runtime::Runtime::new()?.block_on(run())
}

async fn run() -> anyhow::Result<()> {
    let bench = Bench::start().await?;
    let sql = bench.database.connect().await?;
    let symbols = i32::try_from(number("DAYBOOK_BENCH_SYMBOLS", 1_000))?;
    load(&bench, &sql, symbols).await?;
    let mut client =
        PriceServiceClient::new(bench.serve().await?).max_decoding_message_size(usize::MAX);
    sql.batch_execute("SET plan_cache_mode = force_custom_plan").await?;
    let rounds = number("DAYBOOK_BENCH_ROUNDS", 20);
    compare(&sql, &mut client, (SymbolMetric::StddevOfPrice, RAW, rounds), symbols).await?;
    // The logarithms of a window take Postgres many seconds.
    let rounds = rounds.min(3);
    let of_returns = (SymbolMetric::StddevOfReturn, RAW_RETURNS, rounds);
    compare(&sql, &mut client, of_returns, symbols).await?;
    bench.stop().await
}

async fn load(bench: &Bench, sql: &Client, symbols: i32) -> anyhow::Result<()> {
    let text = "INSERT INTO symbols (name, base, quote)
        SELECT 'c' || n || 'usd', 'c' || n, 'usd' FROM generate_series(1, $1) AS n";
    sql.execute(text, &[&symbols]).await?;
    let days = ["2024-05-01".parse::<chrono::NaiveDate>()?, "2024-05-02".parse()?];
    sql.query("SELECT ensure_price_partitions($1, 36500, 100000)", &[&&days[..]]).await?;
    for day in 0..2 {
        sql.execute(TICKS, &[&(FIRST + day * DAY)]).await?;
    }
    let begun_at = Instant::now();
    fold_all(&bench.database).await?;
    let seconds = begun_at.elapsed().as_secs_f64();
    let ticks = f64::from(symbols) * 2_880.0;
    println!("folded {ticks:.0} ticks in {seconds:.1} s: {:.0} a second", ticks / seconds);
    let text = "SELECT pg_total_relation_size('price_totals')::float8
        / (SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits
           WHERE inhparent = 'prices'::regclass)::float8";
    sql.batch_execute("VACUUM ANALYZE").await?;
    let share: f64 = sql.query_one(text, &[]).await?.get(0);
    println!("cells take {share:.2} of the bytes of ticks and their indexes");
    Ok(())
}

async fn compare(
    sql: &Client,
    client: &mut PriceServiceClient<Channel>,
    (metric, raw, rounds): (SymbolMetric, &str, u64),
    symbols: i32,
) -> anyhow::Result<()> {
    let mut random = ChaCha12Rng::seed_from_u64(1);
    let raw = sql.prepare(raw).await?;
    let mut ratios = Vec::new();
    for _ in 0..rounds {
        let start = FIRST * 1_000_000 + random.random_range(0..DAY * 1_000_000);
        let (start, end) = (start, start + DAY * 1_000_000);
        let at = |micros| DateTime::from_timestamp_micros(micros).expect("it is a day of 2024");
        let begun_at = Instant::now();
        let rows = sql.query(&raw, &[&at(start), &at(end)]).await?;
        let scanned = begun_at.elapsed();
        let request = RankSymbolsRequest {
            window: Some(Window { start: Some(timestamp(start)), end: Some(timestamp(end)) }),
            metric: metric.into(),
            page_size: symbols,
            ..RankSymbolsRequest::default()
        };
        let begun_at = Instant::now();
        let answer = client.rank_symbols(request).await?.into_inner();
        let ranked = begun_at.elapsed();
        anyhow::ensure!(answer.rows.len() == rows.len(), "all symbols are ranked");
        ratios.push((ranked.as_secs_f64() / scanned.as_secs_f64(), ranked, scanned));
    }
    ratios.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (ratio, ranked, scanned) = ratios[ratios.len() / 2];
    println!(
        "{}: ranked in {ranked:.1?}, GROUP BY in {scanned:.1?}: 1/{:.0}",
        metric.as_str_name(),
        1.0 / ratio
    );
    Ok(())
}

fn timestamp(micros: i64) -> Timestamp {
    let nanos = i32::try_from(micros.rem_euclid(1_000_000) * 1_000).unwrap_or(0);
    Timestamp { seconds: micros.div_euclid(1_000_000), nanos }
}
