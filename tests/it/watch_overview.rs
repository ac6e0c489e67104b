//! `WatchOverview`: every message is what the other rpcs and a scan of the rows say, and nothing
//! that changes is missed.

mod ends;
mod sharing;

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use daybook::{
    grpc::pb::v1::{
        AccountKey, AllAccounts, BucketUnit, Direction, NewTransaction, RankMetric, RankRequest,
        RankRow, RecordTransactionRequest, SumSeriesRequest, WatchOverviewRequest,
        WatchOverviewResponse, sum_series_request::Subject, watch_overview_request::Range,
    },
    upkeep::sealing::{SEALED_ROWS_MAX, seal_once},
};
use prost_types::Timestamp;
use rand::RngExt;
use tokio_postgres::Client;
use tonic::{Status, Streaming};

use crate::{
    sum_amount::{timestamp, window},
    support::{
        ledger::{TestUser, add, add_user, ensure_days},
        random::random,
        service::TestService,
    },
};

/// Two days and a half.
const CUT: (&str, &str) = ("2024-05-05T06:30:00Z", "2024-05-07T18:15:00.000001Z");

/// A question for a window, answered as often as may be.
fn question(start: &str, end: &str) -> WatchOverviewRequest {
    WatchOverviewRequest {
        range: window(start, end).map(Range::Window),
        bucket_unit: BucketUnit::Hour.into(),
        interval: Some(prost_types::Duration { seconds: 0, nanos: 250_000_000 }),
        ..WatchOverviewRequest::default()
    }
}

/// The same for the last so many seconds.
fn last(seconds: i64) -> WatchOverviewRequest {
    let range = Some(Range::Last(prost_types::Duration { seconds, nanos: 0 }));
    WatchOverviewRequest { range, bucket_unit: BucketUnit::Minute.into(), ..question(CUT.0, CUT.1) }
}

async fn watch(
    service: &TestService,
    request: WatchOverviewRequest,
) -> Streaming<WatchOverviewResponse> {
    service.analytics().await.watch_overview(request).await.unwrap().into_inner()
}

/// The next message, heartbeats too.
async fn message(
    stream: &mut Streaming<WatchOverviewResponse>,
) -> Result<WatchOverviewResponse, Status> {
    let message = tokio::time::timeout(Duration::from_secs(30), stream.message()).await;
    Ok(message.expect("a message in time")?.expect("a stream does not end without a word"))
}

/// The next answer.
async fn answer(stream: &mut Streaming<WatchOverviewResponse>) -> WatchOverviewResponse {
    loop {
        let message = message(stream).await.unwrap();
        if !message.is_unchanged {
            return message;
        }
    }
}

/// The next answer that has so many transactions.
async fn counted(
    stream: &mut Streaming<WatchOverviewResponse>,
    count: i64,
) -> WatchOverviewResponse {
    loop {
        let answer = answer(stream).await;
        if answer.transaction_count == count {
            return answer;
        }
    }
}

fn micros(at: Option<Timestamp>) -> i64 {
    let at = at.expect("an instant");
    at.seconds * 1_000_000 + i64::from(at.nanos / 1_000)
}

/// Three users, and a day ahead of each row.
async fn users(service: &TestService) -> Vec<TestUser> {
    ensure_days(&service.sql, &["2024-05-05", "2024-05-06", "2024-05-07"]).await;
    let mut users = Vec::new();
    for name in ["ann", "bob", "cid", "dan"] {
        users.push(add_user(&service.sql, name).await);
    }
    users
}

fn series_of(asked: &WatchOverviewRequest) -> SumSeriesRequest {
    let Some(Range::Window(window)) = asked.range else { panic!("{asked:?}") };
    SumSeriesRequest {
        subject: Some(Subject::All(AllAccounts {})),
        window: Some(window),
        bucket_unit: asked.bucket_unit,
        bucket_count: asked.bucket_count,
        time_zone: asked.time_zone.clone(),
        direction: Direction::Sender.into(),
        ..SumSeriesRequest::default()
    }
}

async fn ranked(
    service: &TestService,
    asked: &WatchOverviewRequest,
    direction: Direction,
) -> Vec<RankRow> {
    let Some(Range::Window(window)) = asked.range else { panic!("{asked:?}") };
    let request = RankRequest {
        window: Some(window),
        direction: direction.into(),
        metric: RankMetric::Sum.into(),
        page_size: asked.top_count,
        ..RankRequest::default()
    };
    service.analytics().await.rank(request).await.unwrap().into_inner().rows
}

/// Holds a message against what the other rpcs say, and against the rows.
async fn check(service: &TestService, asked: &WatchOverviewRequest, found: &WatchOverviewResponse) {
    let series = series_of(asked);
    let series = service.analytics().await.sum_series(series).await.unwrap().into_inner();
    assert_eq!(found.buckets, series.series[0].buckets);
    assert_eq!(found.asset, series.asset);
    assert_eq!(found.top_senders, ranked(service, asked, Direction::Sender).await);
    assert_eq!(found.top_receivers, ranked(service, asked, Direction::Receiver).await);
    let Some(Range::Window(window)) = asked.range else { panic!("{asked:?}") };
    assert_eq!(found.window, Some(window));
    let text = "SELECT round(coalesce(sum(amount), 0), 5)::text, count(*) FROM transactions
        WHERE asset_id = 1
          AND occurred_at >= 'epoch'::timestamptz + $1::bigint * interval '1 microsecond'
          AND occurred_at < 'epoch'::timestamptz + $2::bigint * interval '1 microsecond'";
    let (start, end) = (micros(window.start), micros(window.end));
    let row = service.sql.query_one(text, &[&start, &end]).await.unwrap();
    assert_eq!((&found.sum_amount, found.transaction_count), (&row.get(0), row.get(1)));
    let counts: i64 = found.buckets.iter().map(|bucket| bucket.transaction_count).sum();
    assert_eq!(counts, found.transaction_count);
    assert!(found.database_seconds > 0.0 && !found.is_unchanged, "{found:?}");
}

/// A random row of the days.
async fn add_random(sql: &Client, users: &[TestUser], random: &mut impl RngExt) {
    let first = timestamp("2024-05-05T00:00:00Z").seconds * 1_000_000;
    let micros = first + random.random_range(0..3 * 86_400_000_000_i64);
    let at = chrono::DateTime::from_timestamp_micros(micros).unwrap().to_rfc3339();
    let (from, to) = (random.random_range(0..users.len()), random.random_range(0..users.len()));
    let units: i64 = random.random_range(1..1_000_000);
    let amount = format!("{}.{:05}", units / 100_000, units % 100_000);
    add(sql, &at, users[from].account_id, users[to].account_id, &amount).await;
}

#[tokio::test]
async fn every_message_is_what_series_ranks_and_the_rows_say() {
    let service = TestService::start().await;
    let (users, mut random) = (users(&service).await, random());
    for _ in 0..60 {
        add_random(&service.sql, &users, &mut random).await;
    }
    seal_once(&service.database, SEALED_ROWS_MAX).await.unwrap();
    for _ in 0..20 {
        add_random(&service.sql, &users, &mut random).await;
    }
    let berlin = WatchOverviewRequest {
        bucket_unit: BucketUnit::Day.into(),
        time_zone: "Europe/Berlin".to_owned(),
        top_count: 2,
        ..question(CUT.0, CUT.1)
    };
    let empty = question("2023-01-01T00:00:00Z", "2023-01-01T05:00:00Z");
    for asked in [question(CUT.0, CUT.1), berlin.clone(), empty] {
        let mut stream = watch(&service, asked.clone()).await;
        check(&service, &asked, &answer(&mut stream).await).await;
    }
    // And each later one: rows that come, change and go, and users that others are ranked with.
    let mut stream = watch(&service, berlin.clone()).await;
    check(&service, &berlin, &answer(&mut stream).await).await;
    let of_ann = format!("WHERE sender_id = {}", users[0].account_id);
    for change in [
        format!("UPDATE transactions SET amount = amount + 1000 {of_ann}"),
        format!("DELETE FROM transactions {of_ann}"),
        "UPDATE users SET username = 'eve' WHERE username = 'bob'".to_owned(),
        format!(
            "INSERT INTO user_wallets SELECT user_id, {} FROM users WHERE username = 'eve'",
            users[2].account_id
        ),
    ] {
        service.sql.batch_execute(&change).await.unwrap();
        let found = answer(&mut stream).await;
        check(&service, &berlin, &found).await;
    }
}

#[tokio::test]
async fn a_row_that_is_recorded_comes_in_a_later_message() {
    let service = TestService::start().await;
    let users = users(&service).await;
    let asked = question(CUT.0, CUT.1);
    let mut stream = watch(&service, asked.clone()).await;
    assert_eq!(answer(&mut stream).await.transaction_count, 0);
    let account = |user: &TestUser| {
        let address = user.user_uuid.to_string();
        Some(AccountKey { network: "internal".to_owned(), address })
    };
    for number in 1..=3 {
        let transaction = NewTransaction {
            occurred_at: Some(timestamp("2024-05-06T00:00:00Z")),
            sender: account(&users[0]),
            receiver: account(&users[number]),
            amount: number.to_string(),
            ..NewTransaction::default()
        };
        let request =
            RecordTransactionRequest { transaction: Some(transaction), create_accounts: false };
        service.ingest().await.record_transaction(request).await.unwrap();
        let found = answer(&mut stream).await;
        assert_eq!(found.transaction_count, i64::try_from(number).unwrap());
        check(&service, &asked, &found).await;
        // What is sealed is no other answer, and what is not in the window neither.
        seal_once(&service.database, SEALED_ROWS_MAX).await.unwrap();
        let (from, to) = (users[1].account_id, users[2].account_id);
        add(&service.sql, "2024-05-05T00:00:00Z", from, to, "7").await;
    }
}

#[tokio::test]
async fn while_nothing_changes_there_are_heartbeats() {
    let service = TestService::start().await;
    users(&service).await;
    let mut stream = watch(&service, question(CUT.0, CUT.1)).await;
    let first = message(&mut stream).await.unwrap();
    let begun_at = std::time::Instant::now();
    let heartbeat = message(&mut stream).await.unwrap();
    assert!(begun_at.elapsed() < Duration::from_secs(10), "{:?}", begun_at.elapsed());
    let expected = WatchOverviewResponse {
        window: first.window,
        answered_at: heartbeat.answered_at,
        is_unchanged: true,
        ..WatchOverviewResponse::default()
    };
    assert_eq!(heartbeat, expected);
    assert!(micros(heartbeat.answered_at) > micros(first.answered_at));
}

#[tokio::test]
async fn a_window_follows_the_clock() {
    let service = TestService::start().await;
    let users = users(&service).await;
    let now = Utc::now();
    let days = [now - TimeDelta::days(1), now, now + TimeDelta::days(1)];
    let days = days.map(|day| day.date_naive().to_string());
    ensure_days(&service.sql, &days.each_ref().map(String::as_str)).await;
    // One leaves it in some seconds, another one comes into it.
    let (leaves, comes) = (now - TimeDelta::seconds(56), now + TimeDelta::seconds(6));
    for (at, amount) in [(leaves, "5"), (comes, "40")] {
        let at = at.to_rfc3339();
        add(&service.sql, &at, users[0].account_id, users[1].account_id, amount).await;
    }
    let mut stream = watch(&service, last(60)).await;
    let mut sums: Vec<String> = Vec::new();
    let (mut ends, mut edges) = (0, Vec::new());
    while sums.last().is_none_or(|sum| sum != "40.00000") {
        let found = message(&mut stream).await.unwrap();
        let window = found.window.unwrap();
        assert_eq!(micros(window.end) - micros(window.start), 60_000_000);
        assert!(micros(window.end) > ends, "the window goes on: {found:?}");
        ends = micros(window.end);
        if found.is_unchanged {
            continue;
        }
        let buckets = &found.buckets;
        assert!(buckets.iter().map(|bucket| bucket.transaction_count).sum::<i64>() <= 1);
        assert_eq!(buckets.first().unwrap().window.unwrap().start, window.start);
        assert_eq!(buckets.last().unwrap().window.unwrap().end, window.end);
        edges.push(micros(buckets[0].window.unwrap().end));
        if sums.last() != Some(&found.sum_amount) {
            sums.push(found.sum_amount);
        }
    }
    assert_eq!(sums, ["5.00000", "0.00000", "40.00000"]);
    assert!(edges.iter().all(|edge| edge % 60_000_000 == 0), "{edges:?}");
}
