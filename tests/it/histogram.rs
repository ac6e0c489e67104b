//! `Histogram`: how amounts are distributed over sizes.

use daybook::grpc::pb::v1::{
    AccountKey, AllAccounts, Direction, HistogramRequest, HistogramResponse,
    histogram_request::Subject,
};
use rand::RngExt;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::{
    sum_amount::window,
    support::{
        ledger::{TestUser, add, add_account, add_user, ensure_days, track},
        oracle::{Oracle, OracleRow},
        random::random,
        service::{TestService, new_target, settings},
    },
};

const DAY: (&str, &str) = ("2024-05-05T00:00:00Z", "2024-05-06T00:00:00Z");

fn user(user: &TestUser) -> Subject {
    Subject::UserUuid(user.user_uuid.to_string())
}

fn question(subject: Subject, bounds: &[&str]) -> HistogramRequest {
    HistogramRequest {
        subject: Some(subject),
        window: window(DAY.0, DAY.1),
        direction: Direction::Sender.into(),
        bounds: bounds.iter().map(|&bound| bound.to_owned()).collect(),
        ..HistogramRequest::default()
    }
}

async fn ask(
    service: &TestService,
    request: HistogramRequest,
) -> Result<HistogramResponse, Status> {
    let answer = service.analytics().await.histogram(request).await?.into_inner();
    let inside: i64 = answer.buckets.iter().map(|bucket| bucket.transaction_count).sum();
    if !answer.buckets.is_empty() {
        assert_eq!(inside + answer.below_count, answer.transaction_count);
    }
    Ok(answer)
}

/// Lower, upper, count and sum of each bucket.
fn shown(answer: &HistogramResponse) -> Vec<(&str, &str, i64, &str)> {
    let buckets = answer.buckets.iter();
    let shown = buckets.map(|bucket| {
        let (lower, upper) = (bucket.lower.as_str(), bucket.upper.as_str());
        (lower, upper, bucket.transaction_count, bucket.sum_amount.as_str())
    });
    shown.collect()
}

async fn add_amounts(service: &TestService, from: &TestUser, to: &TestUser, amounts: &[&str]) {
    for (minute, amount) in amounts.iter().enumerate() {
        let at = format!("2024-05-05T{:02}:{:02}:00Z", minute / 60, minute % 60);
        add(&service.sql, &at, from.account_id, to.account_id, amount).await;
    }
}

#[tokio::test]
async fn a_bound_is_inside_its_bucket_and_outside_the_one_before() {
    let service = TestService::start().await;
    ensure_days(&service.sql, &["2024-05-05"]).await;
    let (ann, bob) = (add_user(&service.sql, "ann").await, add_user(&service.sql, "bob").await);
    let amounts = ["0", "0.99999", "1", "1.00001", "9.99999", "10", "100", "5000"];
    add_amounts(&service, &ann, &bob, &amounts).await;
    let answer = ask(&service, question(user(&ann), &["1", "10.0", "50", "100"])).await.unwrap();
    let expected = [
        ("1.00000", "10.00000", 3, "12.00000"),
        ("10.00000", "50.00000", 1, "10.00000"),
        ("50.00000", "100.00000", 0, "0.00000"),
        ("100.00000", "", 2, "5100.00000"),
    ];
    assert_eq!(shown(&answer), expected);
    assert_eq!((answer.below_count, answer.transaction_count), (2, 8));
    let extent = (answer.smallest_amount.as_str(), answer.largest_amount.as_str());
    assert_eq!(extent, ("0.00000", "5000.00000"));
    assert_eq!(answer.asset, "USD");
    assert!(answer.database_seconds > 0.0);
    // Bounds finer than the asset, below every amount, and above every amount.
    for (bounds, below, expected) in [
        (vec!["0.999999"], 2, vec![("0.999999", "", 6, "5122.00000")]),
        (vec!["-5"], 0, vec![("-5.00000", "", 8, "5122.99999")]),
        (vec!["5000.00001"], 8, vec![("5000.00001", "", 0, "0.00000")]),
    ] {
        let answer = ask(&service, question(user(&ann), &bounds)).await.unwrap();
        assert_eq!((shown(&answer), answer.below_count), (expected, below), "{bounds:?}");
    }
}

#[tokio::test]
async fn without_bounds_there_are_twenty_buckets_of_exactly_equal_width() {
    let service = TestService::start().await;
    ensure_days(&service.sql, &["2024-05-05"]).await;
    let (ann, bob) = (add_user(&service.sql, "ann").await, add_user(&service.sql, "bob").await);
    add_amounts(&service, &ann, &bob, &["0.00001", "0.00002", "0.0000105", "0.00001051"]).await;
    let answer = ask(&service, question(user(&ann), &[])).await.unwrap();
    let shown = shown(&answer);
    assert_eq!(shown.len(), 20);
    // The width is 0.0000005, finer than the asset: no bound is rounded.
    assert_eq!(shown[0], ("0.00001", "0.0000105", 1, "0.00001"));
    assert_eq!(shown[1], ("0.0000105", "0.000011", 2, "0.00002101"));
    assert_eq!(shown[2], ("0.000011", "0.0000115", 0, "0.00000"));
    assert_eq!(shown[18], ("0.000019", "0.0000195", 0, "0.00000"));
    // The largest amount is in the last bucket, though it is its end.
    assert_eq!(shown[19], ("0.0000195", "0.00002", 1, "0.00002"));
    assert_eq!((answer.below_count, answer.transaction_count), (0, 4));
}

#[tokio::test]
async fn equal_amounts_make_one_bucket_and_no_amounts_none() {
    let service = TestService::start().await;
    ensure_days(&service.sql, &["2024-05-05"]).await;
    let (ann, bob) = (add_user(&service.sql, "ann").await, add_user(&service.sql, "bob").await);
    add_amounts(&service, &ann, &bob, &["7.5", "7.50", "7.5"]).await;
    let answer = ask(&service, question(user(&ann), &[])).await.unwrap();
    assert_eq!(shown(&answer), [("7.50000", "7.50000", 3, "22.50000")]);
    let answer = ask(&service, question(user(&bob), &[])).await.unwrap();
    let nothing = HistogramResponse {
        asset: "USD".into(),
        database_seconds: answer.database_seconds,
        ..HistogramResponse::default()
    };
    assert_eq!(answer, nothing);
    let answer = ask(&service, question(user(&bob), &["1", "2"])).await.unwrap();
    let empty = [("1.00000", "2.00000", 0, "0.00000"), ("2.00000", "", 0, "0.00000")];
    assert_eq!(shown(&answer), empty);
}

#[tokio::test]
async fn subjects_and_directions_are_those_of_sums() {
    let service = TestService::start().await;
    let sql = &service.sql;
    ensure_days(sql, &["2024-05-05"]).await;
    let (ann, bob) = (add_user(sql, "ann").await, add_user(sql, "bob").await);
    let shared = add_account(sql, "bank", "CZ-77").await;
    track(sql, ann.user_id, shared).await;
    add(sql, "2024-05-05T01:00:00Z", ann.account_id, bob.account_id, "1").await;
    add(sql, "2024-05-05T02:00:00Z", shared, bob.account_id, "20").await;
    add(sql, "2024-05-05T03:00:00Z", ann.account_id, shared, "300").await;
    // Outside the window.
    ensure_days(sql, &["2024-05-06"]).await;
    add(sql, "2024-05-06T00:00:00Z", ann.account_id, shared, "4000").await;
    let bank = |address: &str| {
        Subject::Account(AccountKey { network: "bank".into(), address: address.into() })
    };
    let all = Subject::All(AllAccounts {});
    for (subject, sent, received) in [
        (user(&ann), (3, "321.00000"), (1, "300.00000")),
        (user(&bob), (0, "0.00000"), (2, "21.00000")),
        (bank("CZ-77"), (1, "20.00000"), (1, "300.00000")),
        (all, (3, "321.00000"), (3, "321.00000")),
    ] {
        for (direction, expected) in [(Direction::Sender, sent), (Direction::Receiver, received)] {
            let request = question(subject.clone(), &["0"]);
            let request = HistogramRequest { direction: direction.into(), ..request };
            let answer = ask(&service, request).await.unwrap();
            let (count, sum) = expected;
            assert_eq!(shown(&answer), [("0.00000", "", count, sum)], "{subject:?} {direction:?}");
        }
    }
    let nobody = Subject::UserUuid(Uuid::new_v4().to_string());
    for (subject, message) in
        [(nobody, "there is no such user"), (bank("no"), "there is no such account")]
    {
        for direction in [Direction::Sender, Direction::Receiver] {
            let request = question(subject.clone(), &[]);
            let request = HistogramRequest { direction: direction.into(), ..request };
            let status = ask(&service, request).await.unwrap_err();
            assert_eq!((status.code(), status.message()), (Code::NotFound, message));
        }
    }
}

#[tokio::test]
async fn more_rows_than_the_setting_allows_are_refused() {
    let mut settings = settings();
    settings.server.histogram_rows_max = 3;
    let service = TestService::start_with(new_target(), settings).await;
    ensure_days(&service.sql, &["2024-05-05"]).await;
    let (ann, bob) = (add_user(&service.sql, "ann").await, add_user(&service.sql, "bob").await);
    add_amounts(&service, &ann, &bob, &["1", "2", "3"]).await;
    let all = Subject::All(AllAccounts {});
    for (subject, bounds) in [(user(&ann), vec![]), (all.clone(), vec!["2"])] {
        let answer = ask(&service, question(subject, &bounds)).await.unwrap();
        assert_eq!(answer.transaction_count, 3);
    }
    add(&service.sql, "2024-05-05T23:00:00Z", ann.account_id, bob.account_id, "4").await;
    for (subject, bounds) in [(user(&ann), vec![]), (all, vec!["2"])] {
        let status = ask(&service, question(subject, &bounds)).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
        assert!(status.message().contains("--histogram-rows-max"), "{}", status.message());
        // Nor will it hold less when it is asked again.
        assert!(status.get_details_retry_info().is_none());
    }
    let answer = ask(&service, question(user(&bob), &[])).await.unwrap();
    assert_eq!(answer.transaction_count, 0);
}

#[tokio::test]
async fn buckets_hold_what_the_oracle_counts_in_them() {
    let service = TestService::start().await;
    ensure_days(&service.sql, &["2024-05-05"]).await;
    let (ann, bob) = (add_user(&service.sql, "ann").await, add_user(&service.sql, "bob").await);
    let mut rng = random();
    let amounts: Vec<i64> = (0..300).map(|_| rng.random_range(0..40)).collect();
    let texts: Vec<_> = amounts.iter().map(i64::to_string).collect();
    let given: Vec<_> = texts.iter().map(String::as_str).collect();
    add_amounts(&service, &ann, &bob, &given).await;
    // The oracle knows windows of time: here an amount is an instant.
    let rows = amounts.iter().map(|&amount| OracleRow {
        micros: amount,
        sender: 0,
        receiver: 1,
        units: i128::from(amount) * 100_000,
    });
    let oracle = Oracle { rows: rows.collect() };
    for _ in 0..100 {
        let mut bounds: Vec<i64> = (0..40).filter(|_| rng.random_bool(0.2)).collect();
        bounds.push(rng.random_range(40..50));
        let texts: Vec<_> = bounds.iter().map(i64::to_string).collect();
        let given: Vec<_> = texts.iter().map(String::as_str).collect();
        let answer = ask(&service, question(user(&ann), &given)).await.unwrap();
        assert_eq!(answer.below_count, oracle.sum(0, true, i64::MIN, bounds[0]).0);
        let uppers = bounds[1..].iter().copied().chain([i64::MAX]);
        for ((lower, upper), bucket) in bounds.iter().zip(uppers).zip(&answer.buckets) {
            let found = (bucket.transaction_count, bucket.sum_amount.clone());
            assert_eq!(found, oracle.sum(0, true, *lower, upper), "{bounds:?}");
        }
        assert_eq!(answer.buckets.len(), bounds.len());
    }
}
