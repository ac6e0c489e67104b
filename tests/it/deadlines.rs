//! Deadlines reach the client and the database; who goes away costs nothing.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use daybook::{config::ServeSettings, grpc::pb::v1::ListUsersRequest};
use futures_util::future::join_all;
use tokio_postgres::Client;
use tonic::Code;
use tonic_types::StatusExt;

use crate::{
    invalid_requests::sum_request,
    support::{
        raw::{LIST_USERS, RawAnswer, RawClient, SUM_AMOUNT},
        service::{TestService, settings},
        slow::{SlowService, at_work, quick, slow},
    },
};

/// How much later than its deadline a client may be answered.
const LATE: Duration = Duration::from_millis(100);

/// How much later than that a statement may still be there.
const GONE: Duration = Duration::from_millis(250);

fn pool(size: usize, wait_ms: u64) -> ServeSettings {
    let mut settings = settings();
    settings.pool.pool_size = size;
    settings.pool.pool_wait_ms = wait_ms;
    settings
}

fn assert_deadline(answer: &RawAnswer, deadline: Duration) {
    assert_eq!(answer.status.code(), Code::DeadlineExceeded, "{:?}", answer.status);
    assert_eq!(answer.status.message(), "the deadline passed");
    assert!(answer.took < deadline + LATE, "{deadline:?} was answered after {:?}", answer.took);
    assert!(answer.took > deadline / 2, "{deadline:?} was answered after {:?}", answer.took);
}

#[tokio::test]
async fn a_deadline_ends_a_statement_that_computes() {
    let slow_service = SlowService::start(pool(2, 1_000)).await;
    let client = slow_service.client().await;
    for millis in [100, 250, 400] {
        let header = format!("{millis}m");
        let answer = client.call(LIST_USERS, &slow(), Some(&header)).await.unwrap();
        slow_service.until_gone(GONE).await;
        assert_deadline(&answer, Duration::from_millis(millis));
    }
}

/// Holds a table against everybody until the session is dropped.
async fn hold(sql: &Client, table: &str) {
    let text = format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
    sql.batch_execute(&text).await.unwrap();
}

#[tokio::test]
async fn a_deadline_ends_a_wait_for_a_lock() {
    let service = TestService::start().await;
    let client = RawClient::open(service.address).await;
    let deadline = Duration::from_millis(300);
    for table in ["users", "running_totals", "corrections"] {
        let target = &service.target;
        let holder = crate::support::service::sql(target.config.clone(), &target.schema).await;
        hold(&holder, table).await;
        let answer = match table {
            "users" => client.call(LIST_USERS, &slow(), Some("300m")).await,
            _ => client.call(SUM_AMOUNT, &sum_request(), Some("300m")).await,
        };
        let begun_at = Instant::now();
        crate::support::cluster::eventually("the wait is over", async || {
            at_work(&service.sql).await.is_empty()
        })
        .await;
        assert!(begun_at.elapsed() < GONE, "{table}: {:?}", begun_at.elapsed());
        assert_deadline(&answer.unwrap(), deadline);
        holder.batch_execute("ROLLBACK").await.unwrap();
        let answer = client.call(LIST_USERS, &quick(), Some("2S")).await.unwrap();
        assert_eq!(answer.status.code(), Code::Ok, "{table}");
    }
}

#[tokio::test]
async fn a_deadline_ends_a_wait_for_the_pool() {
    let slow_service = SlowService::start(pool(1, 10_000)).await;
    let (first, second) = (slow_service.client().await, slow_service.client().await);
    let held = first.begin(LIST_USERS, &slow()).await;
    let held_by = slow_service.until_at_work(1).await;
    let answer = second.call(LIST_USERS, &quick(), Some("300m")).await.unwrap();
    assert_deadline(&answer, Duration::from_millis(300));
    assert_eq!(slow_service.at_work().await, held_by, "nothing else was begun");
    drop(held);
    slow_service.until_gone(GONE).await;
    slow_service.serving_process(&second).await;
}

#[tokio::test]
async fn the_servers_own_limit_counts_where_the_client_has_none_or_a_longer_one() {
    let mut settings = pool(2, 1_000);
    settings.server.request_timeout_ms = 300;
    let slow_service = SlowService::start(settings).await;
    let client = slow_service.client().await;
    for header in [None, Some("99999999H"), Some("1M")] {
        let answer = client.call(LIST_USERS, &slow(), header).await.unwrap();
        slow_service.until_gone(GONE).await;
        assert_deadline(&answer, Duration::from_millis(300));
    }
    let answer = client.call(LIST_USERS, &slow(), Some("100m")).await.unwrap();
    assert_deadline(&answer, Duration::from_millis(100));
    let answer = client.call(LIST_USERS, &quick(), Some("0n")).await.unwrap();
    assert_eq!(answer.status.code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn the_databases_own_limit_of_a_statement_is_a_deadline_too() {
    let mut settings = pool(1, 1_000);
    settings.pool.statement_timeout_ms = 200;
    let slow_service = SlowService::start(settings).await;
    let client = slow_service.client().await;
    let before = slow_service.serving_process(&client).await.0;
    let answer = client.call(LIST_USERS, &slow(), None).await.unwrap();
    assert_deadline(&answer, Duration::from_millis(200));
    // The statement ended in order: its session goes on.
    assert_eq!(slow_service.serving_process(&client).await.0, before);
}

#[tokio::test]
async fn a_client_that_goes_away_takes_its_statement_along() {
    let slow_service = SlowService::start(pool(4, 1_000)).await;
    // A dropped future of a real client, whose connection stays.
    let mut ledger = slow_service.service.ledger().await;
    let call = tokio::spawn({
        let mut ledger = ledger.clone();
        async move { ledger.list_users(slow()).await }
    });
    slow_service.until_at_work(1).await;
    call.abort();
    slow_service.until_gone(GONE).await;
    ledger.list_users(quick()).await.unwrap();
    // A stream that is reset by hand.
    let client = slow_service.client().await;
    let (response, mut stream) = client.begin(LIST_USERS, &slow()).await;
    slow_service.until_at_work(1).await;
    stream.send_reset(h2::Reason::CANCEL);
    slow_service.until_gone(GONE).await;
    assert!(response.await.is_err());
    // Streams whose connection is cut.
    let held = [client.begin(LIST_USERS, &slow()).await, client.begin(LIST_USERS, &slow()).await];
    slow_service.until_at_work(2).await;
    client.cut();
    slow_service.until_gone(GONE).await;
    drop(held);
    // A channel that is dropped with its call.
    let call = tokio::spawn(async move { ledger.list_users(slow()).await });
    slow_service.until_at_work(1).await;
    call.abort();
    drop(call);
    slow_service.until_gone(GONE).await;
}

#[tokio::test]
async fn a_session_that_was_left_at_work_never_serves_again() {
    let slow_service = SlowService::start(pool(1, 2_000)).await;
    let client = slow_service.client().await;
    let mut left = BTreeSet::new();
    for _ in 0..10 {
        let (now, _) = slow_service.serving_process(&client).await;
        assert!(!left.contains(&now), "{now} serves again");
        // With a pool of one, the session that answered is the one that will be left.
        let answer = client.call(LIST_USERS, &slow(), Some("60m")).await.unwrap();
        assert_eq!(answer.status.code(), Code::DeadlineExceeded);
        left.insert(now);
    }
    assert_eq!(left.len(), 10);
    slow_service.until_gone(GONE).await;
    slow_service.serving_process(&client).await;
}

#[tokio::test]
async fn two_hundred_calls_left_behind_disturb_nobody() {
    let slow_service = SlowService::start(pool(4, 5_000)).await;
    let leaving = slow_service.client().await;
    let honest = slow_service.client().await;
    let leave = async {
        for round in 0..20u64 {
            let calls = (0..10).map(|n| {
                let header = format!("{}m", 1 + (round * 10 + n) * 7 % 40);
                let leaving = &leaving;
                async move { leaving.call(LIST_USERS, &slow(), Some(&header)).await.unwrap() }
            });
            for answer in join_all(calls).await {
                assert_eq!(answer.status.code(), Code::DeadlineExceeded, "{:?}", answer.status);
            }
        }
    };
    let mut answered = 0;
    let ask = async {
        loop {
            slow_service.serving_process(&honest).await;
            answered += 1;
        }
    };
    tokio::select! { () = leave => {}, () = ask => {} }
    assert!(answered >= 5, "honest calls were answered meanwhile: {answered}");
    slow_service.until_gone(GONE).await;
    // The pool has its full size, and is quick.
    let calls: Vec<_> = join_all((0..4).map(|_| slow_service.client())).await;
    let request = slow();
    let held = join_all(calls.iter().map(|c| c.begin(LIST_USERS, &request))).await;
    slow_service.until_at_work(4).await;
    drop(held);
    slow_service.until_gone(GONE).await;
    slow_service.serving_process(&honest).await;
    let (_, took) = slow_service.serving_process(&honest).await;
    assert!(took < LATE, "{took:?}");
    assert!(slow_service.service.end().await, "nothing is left at work");
}

#[tokio::test]
async fn a_pool_that_is_used_up_is_an_answer_and_not_a_wait() {
    let slow_service = SlowService::start(pool(2, 250)).await;
    let client = slow_service.client().await;
    let held = [client.begin(LIST_USERS, &slow()).await, client.begin(LIST_USERS, &slow()).await];
    let held_by = slow_service.until_at_work(2).await;
    let request = ListUsersRequest::default();
    let answers = join_all((0..100).map(|_| client.call(LIST_USERS, &request, Some("5S")))).await;
    for answer in answers {
        let answer = answer.unwrap();
        let found = (answer.status.code(), answer.status.message());
        assert_eq!(found, (Code::Unavailable, "the database is busy"));
        let retry = answer.status.get_details_retry_info().expect("it says when");
        assert_eq!(retry.retry_delay, Some(Duration::from_secs(1)));
        let (least, most) = (Duration::from_millis(250), Duration::from_millis(250) + LATE);
        assert!((least..most).contains(&answer.took), "{:?}", answer.took);
    }
    assert_eq!(slow_service.at_work().await, held_by);
    drop(held);
    slow_service.until_gone(GONE).await;
    slow_service.serving_process(&client).await;
}
