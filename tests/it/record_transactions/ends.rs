//! Streams that do not end as they should: cancelled, cut, late, or stopped with the server.

use std::time::Duration;

use daybook::grpc::pb::v1::{NewTransaction, RecordingStart, record_transactions_request::Message};
use rand::RngExt;
use tonic::Code;
use tonic_types::StatusExt;

use super::{recorded, served, served_with};
use crate::support::{
    cluster::eventually,
    random::random,
    schema::one,
    service::TestService,
    upload::{Upload, bank, row},
};

/// Rows of a chunk of these tests.
const ROWS: u128 = 40;

fn rows_of(round: u128, chunk: u128) -> Vec<NewTransaction> {
    (0..ROWS).map(|n| row(round * 1_000_000 + chunk * ROWS + n)).collect()
}

/// Chunks of a round that are recorded; each must be there whole.
async fn chunks_of(service: &TestService, round: u128) -> Vec<u128> {
    let numbers = recorded(service).await;
    let mut counts = std::collections::BTreeMap::new();
    for number in numbers.into_iter().filter(|number| number / 1_000_000 == round) {
        *counts.entry(number % 1_000_000 / ROWS).or_insert(0u128) += 1;
    }
    for (chunk, count) in &counts {
        assert_eq!(*count, ROWS, "chunk {chunk} of round {round} is there in part");
    }
    counts.into_keys().collect()
}

/// No chunk is at work any more.
async fn until_idle(service: &TestService) {
    eventually("nobody records", async || {
        let text = "SELECT NOT EXISTS (SELECT FROM pg_locks
            WHERE relation = 'transactions'::regclass AND mode = 'RowExclusiveLock')";
        one(&service.sql, text).await
    })
    .await;
}

/// What was acknowledged is there, chunks are whole, none is there without those before it;
/// and the same stream, sent again, makes it complete.
#[tokio::test]
async fn streams_cut_off_anywhere_leave_whole_chunks() {
    let service = served().await;
    let mut random = random();
    let chunks = 8u128;
    for round in 1..=30u128 {
        let mut client = service.ingest().await;
        let opened = match random.random_range(0..3) {
            // Somebody who gives up after a while, perhaps before the stream is open.
            0 => {
                let time = Duration::from_millis(random.random_range(1..40));
                Upload::open_with(&mut client, |request| request.set_timeout(time)).await
            }
            _ => Upload::open(&mut client).await,
        };
        let Ok(mut upload) = opened else { continue };
        upload.send(Message::Start(RecordingStart::default())).await;
        let sent_count = random.random_range(0..=chunks);
        let mut acknowledged = 0;
        for chunk in 0..sent_count {
            let number = i64::try_from(chunk).unwrap() + 1;
            if !upload.chunk(number, &rows_of(round, chunk)).await {
                break;
            }
            if random.random_range(0..2) == 0 && upload.answer().await.is_ok_and(|a| a.is_some()) {
                acknowledged += 1;
            }
        }
        let pause = Duration::from_micros(random.random_range(0..8_000));
        tokio::time::sleep(pause).await;
        // The call is dropped, or the whole connection.
        drop(upload);
        drop(client);
        until_idle(&service).await;
        let there = chunks_of(&service, round).await;
        assert!(
            there.len() >= acknowledged,
            "round {round}: {there:?}, {acknowledged} acknowledged"
        );
        assert!(there.len() <= usize::try_from(sent_count).unwrap(), "round {round}: {there:?}");
        let expected: Vec<u128> = (0..).take(there.len()).collect();
        assert_eq!(there, expected, "round {round}");
        let start = RecordingStart::default();
        let mut again = Upload::start(&mut service.ingest().await, start).await;
        for chunk in 0..chunks {
            let number = i64::try_from(chunk).unwrap() + 1;
            again.chunk(number, &rows_of(round, chunk)).await;
            let answer = again.acknowledged().await;
            let is_there = chunk < u128::try_from(there.len()).unwrap();
            assert_eq!(answer.recorded_count == 0, is_there, "round {round}, chunk {chunk}");
        }
        again.end(i64::try_from(chunks * ROWS).unwrap()).await;
        again.summary().await;
    }
    let wrong =
        "SELECT (SELECT count(*) FROM transactions) - (SELECT count(*) FROM transaction_ids)
        + (SELECT count(*) FROM transactions) - (SELECT sum(row_count)::bigint FROM corrections)";
    assert_eq!(one::<i64>(&service.sql, wrong).await, 0);
}

/// Keeps everybody from recording until it is let go.
async fn hold(service: &TestService) -> tokio_postgres::Client {
    let holder =
        crate::support::service::sql(service.target.config.clone(), &service.target.schema).await;
    holder.batch_execute("BEGIN; LOCK TABLE transactions IN SHARE MODE").await.unwrap();
    holder
}

async fn until_waiting(service: &TestService) {
    eventually("a chunk waits", async || {
        let text = "SELECT EXISTS (SELECT FROM pg_locks
            WHERE NOT granted AND relation = 'transactions'::regclass)";
        one(&service.sql, text).await
    })
    .await;
}

#[tokio::test]
async fn a_stop_lets_the_chunk_at_work_finish_and_takes_no_other() {
    let mut service = served().await;
    let holder = hold(&service).await;
    let mut upload = Upload::start(&mut service.ingest().await, RecordingStart::default()).await;
    upload.chunk(1, &[row(1)]).await;
    until_waiting(&service).await;
    service.stop.drain.cancel();
    upload.chunk(2, &[row(2)]).await;
    holder.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(upload.acknowledged().await.recorded_count, 1);
    let status = upload.failure().await;
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(status.get_details_retry_info().is_some());
    assert_eq!(service.serving.take().unwrap().await.unwrap(), 0, "nothing was cut off");
    assert_eq!(recorded(&service).await, [1]);
}

#[tokio::test]
async fn a_stop_ends_streams_that_wait_for_their_clients() {
    let mut service = served().await;
    let mut client = service.ingest().await;
    let mut upload = Upload::start(&mut client, RecordingStart::default()).await;
    upload.chunk(1, &[row(1)]).await;
    upload.acknowledged().await;
    service.stop.drain.cancel();
    assert_eq!(upload.failure().await.code(), Code::Unavailable);
    assert_eq!(service.serving.take().unwrap().await.unwrap(), 0);
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_nothing_at_work() {
    let service = served().await;
    let holder = hold(&service).await;
    let mut upload = Upload::start(&mut service.ingest().await, RecordingStart::default()).await;
    upload.chunk(1, &[row(1)]).await;
    until_waiting(&service).await;
    drop(upload);
    // What waited is cancelled while the lock still holds.
    eventually("nobody waits", async || {
        let text = "SELECT NOT EXISTS (SELECT FROM pg_locks
            WHERE NOT granted AND relation = 'transactions'::regclass)";
        one(&service.sql, text).await
    })
    .await;
    holder.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(recorded(&service).await, []);
    assert!(service.end().await);
}

#[tokio::test]
async fn a_stream_lasts_as_long_as_it_may() {
    let service = served_with(|settings| settings.server.ingest_stream_timeout_ms = 300).await;
    let mut upload = Upload::start(&mut service.ingest().await, RecordingStart::default()).await;
    upload.chunk(1, &[row(1)]).await;
    upload.acknowledged().await;
    let status = upload.failure().await;
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("as long as it may"), "{}", status.message());
    assert_eq!(recorded(&service).await, [1]);
}

/// The time of a client that waits for an acknowledgement does not run.
#[tokio::test]
async fn a_client_that_sends_nothing_is_let_go() {
    let service = served_with(|settings| settings.server.ingest_idle_timeout_ms = 400).await;
    let mut client = service.ingest().await;
    let mut silent = Upload::open(&mut client).await.unwrap();
    assert_eq!(silent.failure().await.code(), Code::Unavailable);
    let holder = hold(&service).await;
    let mut upload = Upload::start(&mut client, RecordingStart::default()).await;
    upload.chunk(1, &[row(1)]).await;
    until_waiting(&service).await;
    tokio::time::sleep(Duration::from_millis(900)).await;
    holder.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(upload.acknowledged().await.recorded_count, 1);
    let status = upload.failure().await;
    assert_eq!(
        (status.code(), status.message()),
        (Code::Unavailable, "nothing was sent for too long")
    );
}

/// Its place is free for others again.
#[tokio::test]
async fn a_client_that_reads_nothing_is_let_go() {
    let service = served_with(|settings| {
        settings.server.ingest_idle_timeout_ms = 500;
        settings.server.ingest_streams_max = 1;
    })
    .await;
    let mut client = service.ingest().await;
    let mut upload = Upload::start(&mut client, RecordingStart::default()).await;
    // Long answers: every row is refused.
    let wrong = NewTransaction { amount: "x".repeat(10), sender: bank("a"), ..row(1) };
    let rows = vec![wrong; 5_000];
    let sending = tokio::spawn(async move {
        let mut number = 1;
        while upload.chunk(number, &rows).await {
            number += 1;
        }
        // Kept, and not read.
        upload
    });
    let mut other = service.ingest().await;
    eventually("the place is free", async || match Upload::open(&mut other).await {
        Ok(_) => true,
        Err(status) => {
            assert_eq!(status.code(), Code::ResourceExhausted);
            false
        }
    })
    .await;
    sending.abort();
}
