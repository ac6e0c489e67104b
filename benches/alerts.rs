//! What alert rules cost: minutes of ticks, one of each symbol, recorded by turns without rules and
//! with rules about all symbols.
//!
//! `cargo bench --bench alerts`; DAYBOOK_BENCH_SYMBOLS (10,000) symbols have ticks of two hours (a
//! day for the rule that looks back on one), and then DAYBOOK_BENCH_ROUNDS (10) minutes more each.
//! A minute is recorded by one writer, so that the time that it takes, of sixty seconds, is the
//! share of one core that it keeps busy at most.
#![allow(clippy::print_stdout, reason = "a benchmark prints its result")]

mod support;

use std::time::{Duration, Instant};

use chrono::DateTime;
use daybook::{
    domain::{
        decimal::Decimal,
        price::{symbol::SymbolName, tick::NewPrice},
    },
    ingest::{Ingest, record_prices::PriceOptions},
};
use support::{Bench, number};
use tokio_postgres::Client;

/// 2024-05-02T00:00:00Z.
const START: i64 = 1_714_608_000;

const CHUNK: usize = 5_000;

const TICKS: &str = "INSERT INTO prices (symbol_id, ticked_at, price)
    SELECT s.symbol_id, to_timestamp($1::bigint - m * 60),
        round((100 + s.symbol_id % 900 + 10 * random())::numeric, 8)
    FROM generate_series($2::int, $3::int, -1) AS m
    CROSS JOIN symbols s";

const RULE: &str = "INSERT INTO alert_rules (rule_id, user_id, name, kind, threshold,
        rearm_threshold, window_seconds, ticks_min, cooldown_seconds, webhook_urls, emails,
        webhook_secret)
    SELECT gen_random_uuid(), user_id, n::text, $3, $4::int, $4::int, $1::int, 5, 0, '{}', '{}',
           decode(repeat('00', 32), 'hex')
    FROM users, generate_series(1, $2::int) AS n";

fn main() -> anyhow::Result<()> {
    tokio::runtime::Runtime::new()?.block_on(run())
}

async fn run() -> anyhow::Result<()> {
    let bench = Bench::start().await?;
    let sql = bench.database.connect().await?;
    let symbols = i32::try_from(number("DAYBOOK_BENCH_SYMBOLS", 10_000))?;
    let text = "INSERT INTO symbols (name) SELECT 'c' || n || 'usd' FROM generate_series(1, $1) n";
    sql.execute(text, &[&symbols]).await?;
    let user = "INSERT INTO users (user_uuid, username, name)
                VALUES (gen_random_uuid(), 'bench', '')";
    sql.execute(user, &[]).await?;
    let days = ["2024-05-01".parse::<chrono::NaiveDate>()?, "2024-05-02".parse()?];
    sql.query("SELECT ensure_price_partitions($1, 36500, 100000)", &[&&days[..]]).await?;
    fill(&sql, 120, 1).await?;
    let ingest = Ingest::new(&bench.database, &bench.settings.partitions);
    let mut minute = 0;
    let rounds = number("DAYBOOK_BENCH_ROUNDS", 10);
    let quiet = |window, rules| Rules { kind: "times_average", level: 3, window, rules };
    compare(&sql, &ingest, (symbols, rounds, &mut minute), &quiet(3_600, 1)).await?;
    compare(&sql, &ingest, (symbols, rounds, &mut minute), &quiet(3_600, 100)).await?;
    let firing = Rules { kind: "above", level: 1, window: 3_600, rules: 1 };
    compare(&sql, &ingest, (symbols, rounds, &mut minute), &firing).await?;
    for hour in (2..24).step_by(2) {
        fill(&sql, (hour + 2) * 60, hour * 60 + 1).await?;
    }
    compare(&sql, &ingest, (symbols, rounds, &mut minute), &quiet(86_400, 1)).await?;
    bench.stop().await
}

/// Has a tick of each symbol for each of these minutes before the start.
async fn fill(sql: &Client, from: i32, to: i32) -> anyhow::Result<()> {
    sql.execute(TICKS, &[&START, &from, &to]).await?;
    sql.batch_execute("VACUUM ANALYZE").await?;
    Ok(())
}

/// Rules about all symbols.
struct Rules {
    kind: &'static str,
    level: i32,
    window: i32,
    rules: i32,
}

async fn compare(
    sql: &Client,
    ingest: &Ingest,
    (symbols, rounds, minute): (i32, u64, &mut i64),
    &Rules { kind, level, window, rules }: &Rules,
) -> anyhow::Result<()> {
    sql.execute(RULE, &[&window, &rules, &kind, &level]).await?;
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..2 * rounds {
        let is_watched = round % 2 == 1;
        // Armed anew: those that fire do so each time.
        let text = "UPDATE alert_rules SET is_enabled = $1, revision = revision + 1";
        sql.execute(text, &[&is_watched]).await?;
        let taken = record_minute(ingest, symbols, *minute).await?;
        times[usize::from(is_watched)].push(taken);
        *minute += 1;
    }
    let [without, with] = times.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2]
    });
    let share = with.as_secs_f64() / 60.0;
    println!(
        "{rules} rules ({kind}) of {window} s: a minute of {symbols} symbols is recorded in \
         {with:.2?}, in {without:.2?} without rules: {:.1} x, {:.1} % of a core",
        with.as_secs_f64() / without.as_secs_f64(),
        100.0 * share
    );
    sql.execute("DELETE FROM alert_rules", &[]).await?;
    Ok(())
}

async fn record_minute(ingest: &Ingest, symbols: i32, minute: i64) -> anyhow::Result<Duration> {
    let ticked_at = DateTime::from_timestamp(START + minute * 60, 0).expect("it is a day of 2024");
    let price = |symbol: i32| Decimal::from(100 + i64::from(symbol) % 900 + minute % 7);
    let rows: Vec<NewPrice> = (1..=symbols)
        .filter_map(|symbol| {
            let name = SymbolName::parse(&format!("c{symbol}usd"))?;
            Some(NewPrice { symbol: name, ticked_at, price: price(symbol) })
        })
        .collect();
    let options =
        PriceOptions { tick_interval_seconds: 60, replace: false, whole_chunks_only: false };
    let begun_at = Instant::now();
    for chunk in rows.chunks(CHUNK) {
        let outcome = ingest.record_prices(chunk.to_vec(), &options).await?;
        anyhow::ensure!(outcome.recorded == chunk.len(), "all are recorded");
    }
    Ok(begun_at.elapsed())
}
