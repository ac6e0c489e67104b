//! How much may come: of rows, bytes and streams.

use std::time::Duration;

use daybook::grpc::pb::v1::{NewTransaction, RecordingStart};
use tonic::Code;
use tonic_types::StatusExt;

use super::{recorded, served, served_with};
use crate::{
    invalid_requests::fields,
    support::{
        schema::one,
        service::sql,
        upload::{Upload, row},
    },
};

#[tokio::test]
async fn a_chunk_has_as_many_rows_and_bytes_as_it_may() {
    let service = served().await;
    let mut client = service.ingest().await;
    let mut upload = Upload::start(&mut client, RecordingStart::default()).await;
    let rows: Vec<_> = (0..5_000).map(row).collect();
    upload.chunk(1, &rows).await;
    assert_eq!(upload.acknowledged().await.recorded_count, 5_000);
    // About 300 bytes a row.
    let large = |count: u128| -> Vec<_> {
        let reference = "x".repeat(200);
        (10_000..10_000 + count)
            .map(|n| NewTransaction { reference: reference.clone(), ..row(n) })
            .collect()
    };
    upload.chunk(2, &large(3_000)).await;
    assert_eq!(upload.acknowledged().await.recorded_count, 3_000);
    upload.chunk(3, &large(4_000)).await;
    let status = upload.failure().await;
    assert_eq!(fields(&status), ["chunk"]);
    assert!(status.message().contains("1048576 bytes"), "{}", status.message());
    assert_eq!(recorded(&service).await.len(), 8_000);
}

#[tokio::test]
async fn streams_beyond_the_limit_are_told_to_come_back() {
    let service = served_with(|settings| settings.server.ingest_streams_max = 2).await;
    let mut client = service.ingest().await;
    let mut first = Upload::start(&mut client, RecordingStart::default()).await;
    let second = Upload::start(&mut client, RecordingStart::default()).await;
    let status = Upload::open(&mut client).await.err().expect("there are two");
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.get_details_retry_info().is_some());
    first.end(0).await;
    first.summary().await;
    let third = Upload::open(&mut client).await;
    assert!(third.is_ok(), "{:?}", third.err());
    drop(second);
}

/// While nothing is recorded, little is taken: the rest waits with its client.
#[tokio::test]
async fn a_client_that_is_faster_than_the_database_waits() {
    let service = served().await;
    let holder = sql(service.target.config.clone(), &service.target.schema).await;
    holder.batch_execute("BEGIN; LOCK TABLE transactions IN SHARE MODE").await.unwrap();
    let mut upload = Upload::start(&mut service.ingest().await, RecordingStart::default()).await;
    let rows = |chunk: i64| -> Vec<_> {
        (0..4_500u128).map(|n| row(u128::try_from(chunk).unwrap() * 5_000 + n)).collect()
    };
    let mut sent = 0i64;
    while let Ok(true) =
        tokio::time::timeout(Duration::from_secs(2), upload.chunk(sent + 1, &rows(sent + 1))).await
    {
        sent += 1;
        assert!(sent < 12, "the server takes in what it cannot record");
    }
    // Questions are answered meanwhile.
    let question = daybook::grpc::pb::v1::ListUsersRequest::default();
    service.ledger().await.list_users(question).await.unwrap();
    holder.batch_execute("ROLLBACK").await.unwrap();
    for number in 1..=sent {
        assert_eq!(upload.acknowledged().await.chunk_number, number);
    }
    let count = "SELECT count(*) FROM transactions";
    assert!(one::<i64>(&service.sql, count).await >= sent * 4_500);
}
