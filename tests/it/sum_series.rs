//! `SumSeries`: buckets along the calendar, and what is counted in them.

use daybook::{
    grpc::pb::v1::{
        AccountKey, AllAccounts, BucketUnit, Direction, SumSeriesRequest, SumSeriesResponse,
        sum_series_request::Subject,
    },
    upkeep::sealing::{SEALED_ROWS_MAX, seal_once},
};
use prost_types::Timestamp;
use rand::RngExt;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::{
    sum_amount::{timestamp, window},
    support::{
        ledger::{TestUser, add, add_account, add_user, at, ensure_days, track},
        oracle::{Oracle, OracleRow},
        random::random,
        service::TestService,
    },
};

/// What a bucket shows: when it starts, how many, how much.
type Shown = (String, i64, String);

fn question(subject: Subject, start: &str, end: &str) -> SumSeriesRequest {
    SumSeriesRequest {
        subject: Some(subject),
        window: window(start, end),
        bucket_unit: BucketUnit::Day.into(),
        direction: Direction::Sender.into(),
        ..SumSeriesRequest::default()
    }
}

fn user(user: &TestUser) -> Subject {
    Subject::UserUuid(user.user_uuid.to_string())
}

async fn ask(
    service: &TestService,
    request: &SumSeriesRequest,
) -> Result<SumSeriesResponse, Status> {
    let answer = service.analytics().await.sum_series(request.clone()).await?.into_inner();
    assert!(answer.database_seconds > 0.0);
    assert_eq!((&answer.explanation, &answer.verification), (&None, &None));
    for series in &answer.series {
        // Without a gap, together the whole window.
        let given = request.window.unwrap();
        let windows: Vec<_> = series.buckets.iter().map(|bucket| bucket.window.unwrap()).collect();
        assert_eq!(windows.first().unwrap().start, given.start);
        assert_eq!(windows.last().unwrap().end, given.end);
        assert!(windows.windows(2).all(|pair| pair[0].end == pair[1].start));
    }
    Ok(answer)
}

fn micros(at: Timestamp) -> i64 {
    at.seconds * 1_000_000 + i64::from(at.nanos / 1_000)
}

/// The buckets of the one series of an answer.
fn shown(answer: &SumSeriesResponse) -> Vec<Shown> {
    assert_eq!(answer.series.len(), 1);
    shown_of(answer, 0)
}

fn shown_of(answer: &SumSeriesResponse, series: usize) -> Vec<Shown> {
    let buckets = answer.series[series].buckets.iter();
    let shown = buckets.map(|bucket| {
        let start = micros(bucket.window.unwrap().start.unwrap());
        let start = chrono::DateTime::from_timestamp_micros(start).unwrap();
        let text = start.format("%m-%dT%H:%M").to_string();
        (text, bucket.transaction_count, bucket.sum_amount.clone())
    });
    shown.collect()
}

fn expected(buckets: &[(&str, i64, &str)]) -> Vec<Shown> {
    buckets.iter().map(|&(start, count, sum)| (start.into(), count, sum.into())).collect()
}

#[tokio::test]
async fn buckets_are_half_open_clipped_and_zero_where_nothing_moved() {
    let service = TestService::start().await;
    let sql = &service.sql;
    ensure_days(sql, &["2024-02-28", "2024-02-29", "2024-03-01", "2024-03-02"]).await;
    let (ann, bob) = (add_user(sql, "ann").await, add_user(sql, "bob").await);
    for (at, amount) in [
        ("2024-02-28T11:59:59.999999Z", "1000"),
        ("2024-02-28T12:00:00Z", "1"),
        ("2024-02-28T23:59:59.999999Z", "2"),
        ("2024-02-29T00:00:00Z", "4.00001"),
        ("2024-03-02T05:59:59.999999Z", "8"),
        ("2024-03-02T06:00:00Z", "1000"),
    ] {
        add(sql, at, ann.account_id, bob.account_id, amount).await;
    }
    let request = question(user(&ann), "2024-02-28T12:00:00Z", "2024-03-02T06:00:00Z");
    let answer = ask(&service, &request).await.unwrap();
    let days = [
        ("02-28T12:00", 2, "3.00000"),
        ("02-29T00:00", 1, "4.00001"),
        ("03-01T00:00", 0, "0.00000"),
        ("03-02T00:00", 1, "8.00000"),
    ];
    assert_eq!(shown(&answer), expected(&days));
    assert_eq!((answer.asset.as_str(), answer.time_zone.as_str()), ("USD", "UTC"));
    assert_eq!(answer.series[0].direction, i32::from(Direction::Sender));
    let month = SumSeriesRequest { bucket_unit: BucketUnit::Month.into(), ..request.clone() };
    let months = [("02-28T12:00", 3, "7.00001"), ("03-01T00:00", 1, "8.00000")];
    assert_eq!(shown(&ask(&service, &month).await.unwrap()), expected(&months));
    let receiver = SumSeriesRequest {
        direction: Direction::Receiver.into(),
        bucket_unit: BucketUnit::Year.into(),
        ..request.clone()
    };
    let none = [("02-28T12:00", 0, "0.00000")];
    assert_eq!(shown(&ask(&service, &receiver).await.unwrap()), expected(&none));
    let to_bob = SumSeriesRequest { subject: Some(user(&bob)), ..receiver };
    let all = [("02-28T12:00", 4, "15.00001")];
    assert_eq!(shown(&ask(&service, &to_bob).await.unwrap()), expected(&all));
    let hours = SumSeriesRequest {
        bucket_unit: BucketUnit::Hour.into(),
        bucket_count: 9,
        window: window("2024-02-28T12:00:00Z", "2024-02-29T12:00:00Z"),
        ..request
    };
    let found = [
        ("02-28T12:00", 1, "1.00000"),
        ("02-28T18:00", 1, "2.00000"),
        ("02-29T00:00", 1, "4.00001"),
        ("02-29T09:00", 0, "0.00000"),
    ];
    assert_eq!(shown(&ask(&service, &hours).await.unwrap()), expected(&found));
}

/// A transaction at either end of a local day, on days that are longer or shorter.
#[tokio::test]
async fn days_are_as_long_as_the_clocks_of_the_zone_make_them() {
    let service = TestService::start().await;
    let sql = &service.sql;
    let (ann, bob) = (add_user(sql, "ann").await, add_user(sql, "bob").await);
    for (zone, start, end) in [
        ("Europe/Berlin", "2023-03-25T23:00:00Z", "2023-03-26T22:00:00Z"),
        ("Europe/Berlin", "2023-10-28T22:00:00Z", "2023-10-29T23:00:00Z"),
        ("America/New_York", "2023-03-12T05:00:00Z", "2023-03-13T04:00:00Z"),
        ("America/New_York", "2023-11-05T04:00:00Z", "2023-11-06T05:00:00Z"),
        ("Australia/Lord_Howe", "2024-04-06T13:00:00Z", "2024-04-07T13:30:00Z"),
        ("Australia/Lord_Howe", "2024-10-05T13:30:00Z", "2024-10-06T13:00:00Z"),
    ] {
        ensure_days(sql, &[&start[..10], &end[..10]]).await;
        let before = (at(start) - chrono::Duration::microseconds(1)).to_rfc3339();
        let last = (at(end) - chrono::Duration::microseconds(1)).to_rfc3339();
        for (at, amount) in [(before.as_str(), "1"), (start, "10"), (&last, "200"), (end, "1000")] {
            add(sql, at, ann.account_id, bob.account_id, amount).await;
        }
        let wide = (at(start) - chrono::Duration::hours(5), at(end) + chrono::Duration::hours(5));
        let request = SumSeriesRequest {
            time_zone: zone.into(),
            ..question(user(&ann), &wide.0.to_rfc3339(), &wide.1.to_rfc3339())
        };
        let answer = ask(&service, &request).await.unwrap();
        assert_eq!(answer.time_zone, zone);
        let buckets = &answer.series[0].buckets;
        let sums: Vec<_> = buckets.iter().map(|bucket| bucket.sum_amount.as_str()).collect();
        assert_eq!(sums, ["1.00000", "210.00000", "1000.00000"], "{zone} {start}");
        let day = buckets[1].window.unwrap();
        let found = (day.start, day.end);
        assert_eq!(found, (Some(timestamp(start)), Some(timestamp(end))), "{zone}");
    }
}

#[tokio::test]
async fn everybody_counts_once_and_both_directions_come_back_sender_first() {
    let service = TestService::start().await;
    let sql = &service.sql;
    ensure_days(sql, &["2024-05-05", "2024-05-06"]).await;
    let (ann, bob) = (add_user(sql, "ann").await, add_user(sql, "bob").await);
    let shared = add_account(sql, "bank", "CZ-77").await;
    track(sql, ann.user_id, shared).await;
    track(sql, bob.user_id, shared).await;
    add(sql, "2024-05-05T01:00:00Z", ann.account_id, bob.account_id, "1").await;
    add(sql, "2024-05-05T02:00:00Z", ann.account_id, shared, "20").await;
    add(sql, "2024-05-06T03:00:00Z", shared, bob.account_id, "300").await;
    let split = |subject| SumSeriesRequest {
        direction: Direction::Unspecified.into(),
        split_by_direction: true,
        ..question(subject, "2024-05-05T00:00:00Z", "2024-05-07T00:00:00Z")
    };
    let bank = AccountKey { network: "bank".into(), address: "CZ-77".into() };
    let (one, other) = ("05-05T00:00", "05-06T00:00");
    for (subject, sent, received) in [
        (
            user(&ann),
            [(one, 2, "21.00000"), (other, 1, "300.00000")],
            [(one, 1, "20.00000"), (other, 0, "0.00000")],
        ),
        (
            user(&bob),
            [(one, 0, "0.00000"), (other, 1, "300.00000")],
            [(one, 2, "21.00000"), (other, 1, "300.00000")],
        ),
        (
            Subject::Account(bank),
            [(one, 0, "0.00000"), (other, 1, "300.00000")],
            [(one, 1, "20.00000"), (other, 0, "0.00000")],
        ),
        (
            Subject::All(AllAccounts {}),
            [(one, 2, "21.00000"), (other, 1, "300.00000")],
            [(one, 2, "21.00000"), (other, 1, "300.00000")],
        ),
    ] {
        let answer = ask(&service, &split(subject.clone())).await.unwrap();
        let directions: Vec<_> = answer.series.iter().map(|series| series.direction()).collect();
        assert_eq!(directions, [Direction::Sender, Direction::Receiver]);
        assert_eq!(shown_of(&answer, 0), expected(&sent), "{subject:?}");
        assert_eq!(shown_of(&answer, 1), expected(&received), "{subject:?}");
        // A direction that is given along changes nothing; alone it gives its series.
        for (direction, buckets) in [(Direction::Sender, sent), (Direction::Receiver, received)] {
            let direction = direction.into();
            let both = SumSeriesRequest { direction, ..split(subject.clone()) };
            assert_eq!(ask(&service, &both).await.unwrap().series, answer.series);
            let alone = SumSeriesRequest { split_by_direction: false, ..both };
            let alone = ask(&service, &alone).await.unwrap();
            assert_eq!(shown(&alone), expected(&buckets), "{subject:?}");
        }
    }
}

#[tokio::test]
async fn a_known_subject_without_rows_has_empty_buckets_and_an_unknown_one_is_not_found() {
    let service = TestService::start().await;
    let ann = add_user(&service.sql, "ann").await;
    let week = ("2024-05-06T00:00:00Z", "2024-05-13T00:00:00Z");
    for subject in [user(&ann), Subject::All(AllAccounts {})] {
        let answer = ask(&service, &question(subject, week.0, week.1)).await.unwrap();
        let sums: Vec<_> = shown(&answer).into_iter().map(|(_, count, sum)| (count, sum)).collect();
        assert_eq!(sums, vec![(0, "0.00000".to_owned()); 7]);
    }
    let nobody = AccountKey { network: "bank".into(), address: "nobody".into() };
    for (subject, message) in [
        (Subject::UserUuid(Uuid::new_v4().to_string()), "there is no such user"),
        (Subject::Account(nobody), "there is no such account"),
    ] {
        for split_by_direction in [false, true] {
            let request = question(subject.clone(), week.0, week.1);
            let request = SumSeriesRequest { split_by_direction, ..request };
            let status = ask(&service, &request).await.unwrap_err();
            assert_eq!((status.code(), status.message()), (Code::NotFound, message));
        }
    }
}

#[tokio::test]
async fn ten_thousand_buckets_are_served() {
    let service = TestService::start().await;
    let all =
        question(Subject::All(AllAccounts {}), "2024-05-06T00:00:00Z", "2024-05-12T22:40:00Z");
    let request = SumSeriesRequest {
        bucket_unit: BucketUnit::Minute.into(),
        split_by_direction: true,
        ..all
    };
    let answer = ask(&service, &request).await.unwrap();
    let counts: Vec<_> = answer.series.iter().map(|series| series.buckets.len()).collect();
    assert_eq!(counts, [10_000, 10_000]);
}

#[tokio::test]
async fn buckets_are_summed_some_at_a_time_and_none_is_lost_in_between() {
    let service = TestService::start().await;
    ensure_days(&service.sql, &["2024-05-05", "2024-05-06"]).await;
    let (ann, bob) = (add_user(&service.sql, "ann").await, add_user(&service.sql, "bob").await);
    // One row a minute, half of them sealed: the amount says which minute.
    for (first, last) in [(0, 999), (1_000, 2_006)] {
        let rows = format!(
            "INSERT INTO transactions (occurred_at, sender_id, receiver_id, asset_id, amount)
             SELECT timestamptz '2024-05-05 00:00Z' + n * interval '1 minute', {}, {}, 1, n
             FROM generate_series({first}, {last}) AS n",
            ann.account_id, bob.account_id
        );
        service.sql.batch_execute(&rows).await.unwrap();
        if first == 0 {
            seal_once(&service.database, SEALED_ROWS_MAX).await.unwrap();
        }
    }
    for subject in [user(&ann), Subject::All(AllAccounts {})] {
        let request = question(subject, "2024-05-05T00:00:00Z", "2024-05-06T09:27:00Z");
        let request = SumSeriesRequest { bucket_unit: BucketUnit::Minute.into(), ..request };
        let answer = ask(&service, &request).await.unwrap();
        let sums: Vec<_> = shown(&answer).into_iter().map(|(_, count, sum)| (count, sum)).collect();
        let expected: Vec<_> = (0..2_007).map(|minute| (1, format!("{minute}.00000"))).collect();
        assert_eq!(sums, expected);
    }
}

/// Random rows and questions: every bucket is what the oracle sums up in its window.
#[tokio::test]
async fn every_bucket_equals_the_oracles_sum() {
    const ZONES: [&str; 6] = [
        "",
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Asia/Kathmandu",
        "Pacific/Apia",
    ];
    const DAY_MICROS: i64 = 86_400_000_000;
    let service = TestService::start().await;
    let sql = &service.sql;
    let days = ["2023-03-25", "2023-03-26", "2023-03-27", "2023-03-28"];
    ensure_days(sql, &days).await;
    let users = [add_user(sql, "ann").await, add_user(sql, "bob").await];
    let first = at("2023-03-25T00:00:00Z").timestamp_micros();
    let mut rng = random();
    let mut oracle = Oracle::default();
    for _ in 0..200 {
        let quarter = rng.random_range(0..4 * 96) * DAY_MICROS / 96;
        let micros = first + quarter + rng.random_range(0..2);
        let (sender, receiver) = (rng.random_range(0..2), rng.random_range(0..2));
        let units: i64 = rng.random_range(0..1_000_000);
        let when = chrono::DateTime::from_timestamp_micros(micros).unwrap().to_rfc3339();
        let amount = format!("{}.{:05}", units / 100_000, units % 100_000);
        add(sql, &when, users[sender].account_id, users[receiver].account_id, &amount).await;
        oracle.rows.push(OracleRow { micros, sender, receiver, units: units.into() });
    }
    for _ in 0..300 {
        let member = rng.random_range(0..2);
        let start = first + rng.random_range(-DAY_MICROS..4 * DAY_MICROS);
        let end = start + rng.random_range(1..5 * DAY_MICROS);
        let text = |micros| chrono::DateTime::from_timestamp_micros(micros).unwrap().to_rfc3339();
        let request = SumSeriesRequest {
            bucket_unit: rng.random_range(2..=6),
            bucket_count: rng.random_range(0..9),
            time_zone: ZONES[rng.random_range(0..ZONES.len())].to_owned(),
            split_by_direction: true,
            ..question(user(&users[member]), &text(start), &text(end))
        };
        let answer = ask(&service, &request).await.unwrap();
        for (series, is_sender) in answer.series.iter().zip([true, false]) {
            for bucket in &series.buckets {
                let window = bucket.window.unwrap();
                let (start, end) = (micros(window.start.unwrap()), micros(window.end.unwrap()));
                let found = (bucket.transaction_count, bucket.sum_amount.clone());
                assert_eq!(found, oracle.sum(member, is_sender, start, end), "{request:?}");
            }
        }
    }
}
