//! Seeding, complete and durable, against a binary COPY of the same rows into one bare
//! table on the same server in the same run. Both end in a CHECKPOINT.
//!
//! `cargo bench --bench seeding`; DAYBOOK_BENCH_TRANSACTIONS and DAYBOOK_BENCH_DAYS set
//! the size.
#![allow(clippy::print_stdout, reason = "a benchmark prints its result")]

mod support;

use std::time::Instant;

use daybook::{
    seed::{SeedPlan, rows::RowMaker},
    store::binary_copy::CopyBuffer,
};
use support::Bench;
use tokio_postgres::Client;

/// Rows in one message of the bare COPY.
const BATCH_ROWS: usize = 20_000;

fn main() -> anyhow::Result<()> {
    tokio::runtime::Runtime::new()?.block_on(run())
}

async fn run() -> anyhow::Result<()> {
    let bench = Bench::start().await?;
    let superuser = bench.superuser().await?;
    let plan = bench.plan()?;
    let rows = plan.transaction_count;
    println!("{rows} transactions over {} days", plan.day_count);
    let bare = encode(&plan);
    let before = copy_bare(&superuser, bare.clone()).await?;
    let seeded = bench.seed(&superuser).await?;
    let after = copy_bare(&superuser, bare).await?;
    let mean = f64::midpoint(before, after);
    println!("bare COPY        {before:6.2} s before, {after:.2} s after the seeding");
    println!("seeding          {seeded:6.2} s");
    println!("seeding / bare   {:6.2} x", seeded / mean);
    bench.stop().await
}

/// The rows, encoded beforehand: only the COPY is timed.
fn encode(plan: &SeedPlan) -> Vec<CopyBuffer> {
    let accounts = (1..=i64::from(plan.user_count)).collect();
    let maker = RowMaker::new(plan.clone(), accounts, 1);
    let rows: Vec<_> = (0..)
        .zip(plan.rows_by_day())
        .flat_map(|(day, rows)| maker.day(day, rows))
        .flatten()
        .collect();
    let encode_batch = |batch: &[daybook::domain::transaction::SeededTransaction]| {
        let mut buffer = CopyBuffer::with_capacity(batch.len() * 96);
        for row in batch {
            buffer.row(7);
            buffer.timestamptz(row.occurred_at);
            buffer.bigint(row.position);
            buffer.bigint(row.sender_id);
            buffer.bigint(row.receiver_id);
            buffer.uuid(row.transaction_id);
            buffer.integer(row.asset_id);
            buffer.numeric(row.amount.mantissa(), 5);
        }
        buffer
    };
    rows.chunks(BATCH_ROWS).map(encode_batch).collect()
}

async fn copy_bare(client: &Client, batches: Vec<CopyBuffer>) -> anyhow::Result<f64> {
    client
        .batch_execute(
            "DROP TABLE IF EXISTS bare;
             CREATE TABLE bare (occurred_at timestamptz, position bigint, sender_id bigint,
                 receiver_id bigint, transaction_id uuid, asset_id integer, amount numeric);
             CHECKPOINT",
        )
        .await?;
    let begun_at = Instant::now();
    client.batch_execute("BEGIN").await?;
    for batch in batches {
        batch.send(client, "bare", "COPY bare FROM STDIN (FORMAT binary)").await?;
    }
    client.batch_execute("COMMIT; CHECKPOINT").await?;
    let seconds = begun_at.elapsed().as_secs_f64();
    client.batch_execute("DROP TABLE bare").await?;
    Ok(seconds)
}
