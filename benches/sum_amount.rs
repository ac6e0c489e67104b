//! SumAmount over the real port: what one caller waits, for windows of several
//! lengths, beside the health check through the same client.
//!
//! `cargo bench --bench sum_amount`; DAYBOOK_BENCH_TRANSACTIONS and DAYBOOK_BENCH_DAYS
//! set the size of the database, DAYBOOK_BENCH_CALLS the calls of each kind.
#![allow(clippy::print_stdout, reason = "a benchmark prints its result")]

mod support;

use std::time::{Duration, Instant};

use daybook::{
    grpc::pb::v1::{
        Direction, SumAmountRequest, Window, analytics_service_client::AnalyticsServiceClient,
        sum_amount_request::Subject,
    },
    seed::{SeedPlan, people},
};
use prost_types::Timestamp;
use rand::{RngExt, SeedableRng, rngs::ChaCha12Rng};
use support::{Bench, number};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

const MICROS_PER_DAY: i64 = 86_400_000_000;

fn main() -> anyhow::Result<()> {
    tokio::runtime::Runtime::new()?.block_on(run())
}

async fn run() -> anyhow::Result<()> {
    let bench = Bench::start().await?;
    let superuser = bench.superuser().await?;
    bench.seed(&superuser).await?;
    let plan = bench.plan()?;
    let channel = bench.serve().await?;
    let calls = usize::try_from(number("DAYBOOK_BENCH_CALLS", 500))?;
    let mut health = HealthClient::new(channel.clone());
    let floor =
        median(calls, async || health.check(HealthCheckRequest::default()).await.map(drop)).await?;
    println!("health check                    p50 {:9.1} us", micros(floor));
    let users = people::users(&plan);
    let mut random = ChaCha12Rng::seed_from_u64(1);
    let mut client = AnalyticsServiceClient::new(channel);
    for days in [1, 30, i64::from(plan.day_count)] {
        let p50 = median(calls.min(if days > 30 { 200 } else { calls }), async || {
            let user = &users[random.random_range(0..users.len())];
            let request = question(&plan, user.user_uuid.to_string(), days, &mut random);
            client.sum_amount(request).await.map(drop)
        })
        .await?;
        println!(
            "SumAmount, {days:3} days, unaligned  p50 {:9.1} us  {:6.1} x health",
            micros(p50),
            p50.as_secs_f64() / floor.as_secs_f64()
        );
    }
    bench.stop().await
}

fn question(
    plan: &SeedPlan,
    user_uuid: String,
    days: i64,
    random: &mut ChaCha12Rng,
) -> SumAmountRequest {
    let first = plan.first_day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_micros();
    let slack = (i64::from(plan.day_count) - days) * MICROS_PER_DAY;
    // Edges inside days: the longest window moves by up to an hour at both ends.
    let shift = random.random_range(1..3_600_000_000);
    let start = first + shift + random.random_range(0..=slack);
    let timestamp = |micros: i64| Timestamp {
        seconds: micros.div_euclid(1_000_000),
        nanos: i32::try_from(micros.rem_euclid(1_000_000) * 1_000).unwrap_or(0),
    };
    let end = start + days * MICROS_PER_DAY;
    SumAmountRequest {
        subject: Some(Subject::UserUuid(user_uuid)),
        asset: String::new(),
        window: Some(Window { start: Some(timestamp(start)), end: Some(timestamp(end)) }),
        direction: Direction::Sender.into(),
        ..Default::default()
    }
}

/// The median time of calls, one after the other, after some that warm up.
async fn median<E>(
    calls: usize,
    mut call: impl AsyncFnMut() -> Result<(), E>,
) -> Result<Duration, E> {
    let mut times = Vec::with_capacity(calls);
    for number in 0..calls + calls / 10 {
        let begun_at = Instant::now();
        call().await?;
        if number >= calls / 10 {
            times.push(begun_at.elapsed());
        }
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
