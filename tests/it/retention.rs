//! Retention: whole days go when asked, nothing else does, and nobody is told a smaller sum.

use std::time::{Duration, Instant};

use chrono::{Days, NaiveDate};
use daybook::{
    grpc::pb::v1::{
        AllAccounts, BucketUnit, Direction, SumSeriesRequest, sum_series_request::Subject,
    },
    store::{Database, partitions},
    upkeep::{
        days::{Retention, Step},
        sealing::seal_some,
    },
    workers,
};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::{
    absent_days::{days_of, sent},
    sum_amount::window,
    support::{
        cluster::eventually,
        ledger::{TestUser, add, add_user},
        schema::{TestSchema, one, refusal},
        service::TestService,
    },
};

/// Drops until nothing is left to drop, or somebody holds a day.
async fn drop_all(database: &Database, retention_days: u32) -> (Vec<NaiveDate>, Step) {
    let retention = Retention::new(database.clone(), retention_days);
    let mut dropped = Vec::new();
    loop {
        match retention.step().await.unwrap() {
            Step::Dropped(day) => dropped.push(day),
            last @ (Step::Done | Step::Held | Step::Unfolded(_)) => return (dropped, last),
        }
    }
}

fn midnight(day: NaiveDate) -> String {
    format!("{day}T00:00:00Z")
}

/// The last days before today, earliest first, each with a row of 1; and who sent them.
async fn with_past(schema: &TestSchema, count: u64) -> (Vec<NaiveDate>, TestUser) {
    let today = schema.today().await;
    let past: Vec<_> = (1..=count).rev().map(|back| today - Days::new(back)).collect();
    schema.ensure(&past).await;
    let (ann, bob) = (add_user(&schema.sql, "ann").await, add_user(&schema.sql, "bob").await);
    for day in past.iter().chain([&today]) {
        add(&schema.sql, &format!("{day}T12:00:00Z"), ann.account_id, bob.account_id, "1").await;
    }
    (past, ann)
}

async fn absent(schema: &TestSchema, is_dropped: bool) -> Vec<NaiveDate> {
    let text = "SELECT day FROM absent_days WHERE is_dropped = $1 ORDER BY day";
    let rows = schema.sql.query(text, &[&is_dropped]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// What must hold on every line of pg_partman; also run by `partman_versions`.
pub(crate) async fn check_retention(schema: &TestSchema) {
    let (past, _) = with_past(schema, 6).await;
    let client = schema.connect().await;
    let parent = format!("{}.transactions", schema.target.schema);

    // Daybook's own.
    assert_eq!(drop_all(&schema.database, 5).await, (past[..1].to_vec(), Step::Done));
    assert_eq!(drop_all(&schema.database, 5).await, (Vec::new(), Step::Done));
    assert_eq!(absent(schema, true).await, past[..1]);

    // pg_partman's, which somebody set: detached tables and dropped ones.
    for (days, is_kept, left) in [("4 days", true, &past[2..]), ("3 days", false, &past[3..])] {
        let text = "UPDATE partman.part_config SET retention = $2, retention_keep_table = $3
            WHERE parent_table = $1";
        schema.sql.execute(text, &[&parent, &days, &is_kept]).await.unwrap();
        // pg_partman passes a round over while it is at work anywhere in the database.
        eventually("pg_partman has dropped them", async || {
            partitions::maintain(&client).await.unwrap();
            schema.days().await[..left.len()] == *left
        })
        .await;
        assert_eq!(absent(schema, true).await, past[..6 - left.len()], "{days}");
    }
    assert_eq!(absent(schema, false).await, []);

    // No round and nobody makes a day again that was dropped.
    let before = schema.days().await;
    for &dropped in &past[..3] {
        let error = partitions::ensure(&client, &[dropped], 10, 1_000).await.unwrap_err();
        let text = error.server_message().unwrap();
        assert!(text.contains(&dropped.to_string()) && text.contains("dropped"), "{text}");
        let error = partitions::check(&client, &[dropped], 10, 1_000).await.unwrap_err();
        assert!(error.server_message().unwrap().contains(&dropped.to_string()));
        let late = format!(
            "INSERT INTO transactions (occurred_at, sender_id, receiver_id, asset_id, amount)
             VALUES ('{dropped} 13:00Z', 1, 2, 1, 1)"
        );
        assert_eq!(refusal(&schema.sql, &late).await, "23514");
    }
    for _ in 0..2 {
        partitions::maintain(&client).await.unwrap();
    }
    assert_eq!(schema.days().await, before);
    assert_eq!(one::<i64>(&schema.sql, "SELECT count(*) FROM transaction_ids").await, 7);
    assert_eq!(one::<i64>(&schema.sql, "SELECT count(*) FROM transactions").await, 4);
}

#[tokio::test]
async fn retention_is_recorded_whoever_runs_it() {
    check_retention(&TestSchema::prepared().await).await;
}

#[tokio::test]
async fn sums_of_kept_days_stay_and_those_of_dropped_days_are_refused() {
    let schema = TestSchema::prepared().await;
    let (past, ann) = with_past(&schema, 4).await;
    let service = TestService::start_with(schema.target.clone(), schema.settings.clone()).await;
    let end = midnight(schema.today().await + Days::new(1));
    let kept = (midnight(past[2]), end.clone());
    let kept = (kept.0.as_str(), kept.1.as_str());
    let before = sent(&service, &ann, kept).await.unwrap();
    assert_eq!((before.transaction_count, before.sum_amount.as_str()), (3, "3.00000"));
    assert_eq!(drop_all(&schema.database, 2).await, (past[..2].to_vec(), Step::Done));
    let after = sent(&service, &ann, kept).await.unwrap();
    assert_eq!((after.transaction_count, after.sum_amount), (3, before.sum_amount));
    let dropped = |days: &[NaiveDate]| -> Vec<_> {
        days.iter().map(|day| ("DAY_DROPPED".to_owned(), day.to_string())).collect()
    };
    // Whole days are answered from running totals, however many of them were dropped.
    let whole = sent(&service, &ann, (&midnight(past[0]), &end)).await.unwrap();
    assert_eq!((whole.transaction_count, whole.sum_amount.as_str()), (5, "5.00000"));
    for (start, end, days) in [
        (format!("{}T00:00:00.000001Z", past[0]), end, &past[..1]),
        (format!("{}T23:59:59.999999Z", past[1]), midnight(past[2]), &past[1..2]),
        (format!("{}T10:00:00Z", past[0]), format!("{}T11:00:00Z", past[0]), &past[..1]),
    ] {
        let status = sent(&service, &ann, (&start, &end)).await.unwrap_err();
        assert_eq!(days_of(&status), dropped(days), "{start} {end}");
    }
}

/// Buckets of whole days, UTC, over dropped days are answered; whatever cuts one is refused.
#[tokio::test]
async fn series_whose_edges_lie_between_days_are_answered_over_dropped_days() {
    let schema = TestSchema::prepared().await;
    let (past, ann) = with_past(&schema, 4).await;
    // One of the rows that are dropped is in cells, the other one is not folded yet.
    seal_some(&schema.connect().await, 1).await.unwrap();
    let service = TestService::start_with(schema.target.clone(), schema.settings.clone()).await;
    let end = schema.today().await + Days::new(1);
    assert_eq!(drop_all(&schema.database, 2).await, (past[..2].to_vec(), Step::Done));
    let all = || Subject::All(AllAccounts {});
    let user = || Subject::UserUuid(ann.user_uuid.to_string());
    for subject in [user(), all()] {
        let ask = async |unit: BucketUnit, count: i32, zone: &str, start: &str| {
            let request = SumSeriesRequest {
                subject: Some(subject.clone()),
                window: window(start, &midnight(end)),
                bucket_unit: unit.into(),
                bucket_count: count,
                time_zone: zone.to_owned(),
                direction: Direction::Sender.into(),
                ..SumSeriesRequest::default()
            };
            let answer = service.analytics().await.sum_series(request).await?.into_inner();
            let buckets = answer.series[0].buckets.iter();
            Ok::<_, Status>(buckets.map(|bucket| bucket.transaction_count).collect::<Vec<_>>())
        };
        let first = midnight(past[0]);
        assert_eq!(ask(BucketUnit::Day, 1, "UTC", &first).await.unwrap(), [1; 5]);
        assert_eq!(ask(BucketUnit::Hour, 24, "UTC", &first).await.unwrap(), [1; 5]);
        for unit in [BucketUnit::Week, BucketUnit::Month, BucketUnit::Year] {
            let counts = ask(unit, 1, "UTC", &first).await.unwrap();
            assert_eq!(counts.iter().sum::<i64>(), 5, "{unit:?}: {counts:?}");
        }
        let earlier = midnight(past[0] - Days::new(9));
        let counts = ask(BucketUnit::Day, 2, "UTC", &earlier).await.unwrap();
        assert_eq!(counts.iter().sum::<i64>(), 5, "{counts:?}");
        let dropped: Vec<_> =
            past[..2].iter().map(|day| ("DAY_DROPPED".to_owned(), day.to_string())).collect();
        for (unit, zone, start, days) in [
            (BucketUnit::Day, "Asia/Tokyo", first.clone(), &dropped[..]),
            (BucketUnit::Hour, "UTC", first.clone(), &dropped),
            (BucketUnit::Day, "UTC", first.replace("00Z", "01Z"), &dropped[..1]),
        ] {
            let status = ask(unit, 1, zone, &start).await.unwrap_err();
            assert_eq!(days_of(&status), days, "{unit:?} {zone} {start}");
        }
        // Behind the dropped days buckets may cut what they like.
        let kept = midnight(past[2]);
        assert_eq!(ask(BucketUnit::Hour, 13, "UTC", &kept).await.unwrap(), [1, 0, 1, 0, 1, 0]);
    }
}

#[tokio::test]
async fn today_and_later_days_are_never_dropped() {
    let schema = TestSchema::prepared().await;
    let before = schema.days().await;
    for days in [1, 30] {
        let text = format!("SELECT drop_day_before((now() AT TIME ZONE 'UTC')::date + {days})");
        assert_eq!(refusal(&schema.sql, &text).await, "22023", "{days}");
    }
    assert_eq!(drop_all(&schema.database, 0).await, (Vec::new(), Step::Done));
    assert_eq!(schema.days().await, before);
}

#[tokio::test]
async fn a_long_reader_is_not_waited_for_and_the_day_goes_later() {
    let schema = TestSchema::prepared().await;
    let (past, _) = with_past(&schema, 2).await;
    let reader = schema.more_sql().await;
    reader.batch_execute("BEGIN; SELECT count(*) FROM transactions").await.unwrap();
    let other = schema.more_sql().await;
    let begun_at = Instant::now();
    let (held, _) = tokio::join!(drop_all(&schema.database, 1), async {
        // Somebody who comes after it is not kept waiting for longer than it waits itself.
        eventually("retention waits", async || {
            let waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted
                AND relation = 'transactions'::regclass)";
            one(&schema.sql, waits).await
        })
        .await;
        other.batch_execute("SELECT count(*) FROM transactions").await.unwrap();
    });
    assert_eq!(held, (Vec::new(), Step::Held));
    assert!(begun_at.elapsed() < Duration::from_secs(5));
    assert_eq!((absent(&schema, true).await, schema.days().await[0]), (Vec::new(), past[0]));
    reader.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(drop_all(&schema.database, 1).await, (past[..1].to_vec(), Step::Done));
}

#[tokio::test]
async fn writers_of_accounts_do_not_hold_retention_up() {
    let schema = TestSchema::prepared().await;
    let (past, _) = with_past(&schema, 2).await;
    let writer = schema.more_sql().await;
    let text = "BEGIN; INSERT INTO accounts (network, address) VALUES ('bank', 'x');
        UPDATE assets SET name = name";
    writer.batch_execute(text).await.unwrap();
    assert_eq!(drop_all(&schema.database, 0).await, (past, Step::Done));
}

#[tokio::test]
async fn two_servers_drop_each_day_once() {
    let schema = TestSchema::prepared().await;
    let (past, _) = with_past(&schema, 6).await;
    let (first, second) =
        tokio::join!(drop_all(&schema.database, 1), drop_all(&schema.database, 1));
    let mut dropped = [first.0, second.0].concat();
    dropped.sort_unstable();
    assert_eq!(dropped, past[..5]);
    assert_eq!(absent(&schema, true).await, past[..5]);
}

/// What somebody put aside is theirs: it counts as dropped once it is old enough.
#[tokio::test]
async fn a_detached_day_of_that_age_counts_as_dropped_and_its_table_stays() {
    let schema = TestSchema::prepared().await;
    let (past, _) = with_past(&schema, 3).await;
    let leaf = schema.leaf(past[0]).await;
    let text = format!("ALTER TABLE transactions DETACH PARTITION {leaf}");
    schema.sql.batch_execute(&text).await.unwrap();
    assert_eq!(drop_all(&schema.database, 3).await, (Vec::new(), Step::Done));
    assert_eq!(absent(&schema, false).await, past[..1]);
    assert_eq!(drop_all(&schema.database, 1).await, (past[1..2].to_vec(), Step::Done));
    assert_eq!((absent(&schema, true).await, absent(&schema, false).await.len()), {
        (past[..2].to_vec(), 0)
    });
    assert_eq!(one::<i64>(&schema.sql, &format!("SELECT count(*) FROM {leaf}")).await, 1);
}

#[tokio::test]
async fn the_worker_drops_what_becomes_too_old_until_it_is_stopped() {
    let schema = TestSchema::prepared().await;
    let (past, _) = with_past(&schema, 3).await;
    let stop = CancellationToken::new();
    let retention = Retention::new(schema.database.clone(), 1);
    let interval = Duration::from_millis(50);
    let running = tokio::spawn(workers::retention::run(retention, interval, stop.clone()));
    eventually("both days are gone", async || schema.days().await[0] == past[2]).await;
    // A day that is made meanwhile, as after a night, in the next round.
    schema.ensure(&[past[0] - Days::new(7)]).await;
    eventually("it is gone too", async || schema.days().await[0] == past[2]).await;
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(5), running).await.unwrap().unwrap();
    assert_eq!(absent(&schema, true).await.len(), 3);
}
