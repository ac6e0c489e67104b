//! `RecordTransactions`: the stream's protocol, what it says of each row, and its limits.

mod ends;
mod limits;

use daybook::grpc::pb::v1::{
    ChunkAcknowledgement, NewTransaction, RecordingEnd, RecordingStart, RecordingSummary,
    RefusalReason, SumAmountRequest, record_transactions_request::Message,
};
use tonic::Code;
use uuid::Uuid;

use crate::{
    invalid_requests::fields,
    sum_amount::window,
    support::{
        ledger::{add_account, ensure_days},
        schema::one,
        service::{TestService, new_target, settings},
        upload::{Upload, bank, chunk, row},
    },
};

/// A service with the accounts a and b and a day long ago.
pub(crate) async fn served() -> TestService {
    served_with(|_| ()).await
}

async fn served_with(change: impl FnOnce(&mut daybook::config::ServeSettings)) -> TestService {
    let mut settings = settings();
    change(&mut settings);
    let service = TestService::start_with(new_target(), settings).await;
    ensure_days(&service.sql, &["2024-05-05"]).await;
    for address in ["a", "b"] {
        add_account(&service.sql, "bank", address).await;
    }
    service
}

/// Numbers of the rows that are recorded, in order.
async fn recorded(service: &TestService) -> Vec<u128> {
    let text = "SELECT coalesce(array_agg(transaction_id ORDER BY transaction_id), '{}')
        FROM transactions";
    let ids: Vec<Uuid> = one(&service.sql, text).await;
    ids.into_iter().map(|id| id.as_u128()).collect()
}

/// Place, reason and field of each row that was refused.
fn refused(chunk: &ChunkAcknowledgement) -> Vec<(i32, RefusalReason, &str)> {
    chunk
        .refused
        .iter()
        .map(|row| {
            assert!(!row.description.is_empty(), "{row:?}");
            (row.row_index, row.reason(), row.field.as_str())
        })
        .collect()
}

#[tokio::test]
async fn chunks_are_acknowledged_in_order_and_summed_up() {
    let service = served().await;
    let mut upload = Upload::start(&mut service.ingest().await, RecordingStart::default()).await;
    let without = NewTransaction { transaction_id: String::new(), ..row(0) };
    upload.chunk(1, &[row(1), row(2), without.clone()]).await;
    let first = upload.acknowledged().await;
    assert_eq!((first.chunk_number, first.recorded_count, first.already_present_count), (1, 3, 0));
    assert_eq!(first.made_ids.len(), 1);
    assert_eq!(first.made_ids[0].row_index, 2);
    let made: Uuid = first.made_ids[0].transaction_id.parse().unwrap();
    assert!(recorded(&service).await.contains(&made.as_u128()));
    let rows = [
        NewTransaction { amount: "x".to_owned(), ..row(3) },
        NewTransaction { amount: "0".to_owned(), ..row(4) },
        row(5),
        NewTransaction { transaction_id: "x".to_owned(), ..row(6) },
        NewTransaction { sender: bank("nobody"), ..without },
        row(1),
        NewTransaction { amount: "12.51".to_owned(), ..row(2) },
    ];
    upload.chunk(2, &rows).await;
    upload.chunk(3, &[row(7)]).await;
    upload.end(11).await;
    let second = upload.acknowledged().await;
    assert_eq!((second.recorded_count, second.already_present_count), (1, 1));
    let expected = [
        (0, RefusalReason::WrongField, "amount"),
        (1, RefusalReason::WrongField, "amount"),
        (3, RefusalReason::WrongField, "transaction_id"),
        (4, RefusalReason::UnknownAccount, "sender"),
        (6, RefusalReason::OtherContent, "amount"),
    ];
    assert_eq!(refused(&second), expected);
    assert_eq!(second.made_ids, []);
    assert_eq!(upload.acknowledged().await.chunk_number, 3);
    let summary = RecordingSummary {
        chunk_count: 3,
        row_count: 11,
        recorded_count: 5,
        already_present_count: 1,
        refused_count: 5,
        replaced_count: 0,
    };
    assert_eq!(upload.summary().await, summary);
}

/// What was acknowledged counts in the very next answer.
#[tokio::test]
async fn an_acknowledged_chunk_is_in_the_very_next_sum() {
    let service = served().await;
    let mut upload = Upload::start(&mut service.ingest().await, RecordingStart::default()).await;
    for number in 1..=5u8 {
        let rows: Vec<_> = (0..10).map(|n| row(u128::from(number) * 100 + n)).collect();
        upload.chunk(number.into(), &rows).await;
        upload.acknowledged().await;
        let request = SumAmountRequest {
            subject: bank("a").map(daybook::grpc::pb::v1::sum_amount_request::Subject::Account),
            window: window("2024-05-05T00:00:00Z", "2024-05-06T00:00:00Z"),
            direction: daybook::grpc::pb::v1::Direction::Sender.into(),
            verify: true,
            ..SumAmountRequest::default()
        };
        let answer = service.analytics().await.sum_amount(request).await.unwrap().into_inner();
        assert_eq!(answer.sum_amount, format!("{}.00000", u32::from(number) * 125));
        assert_eq!(answer.verification.unwrap().difference, "");
    }
    upload.end(50).await;
    assert_eq!(upload.summary().await.recorded_count, 50);
}

#[tokio::test]
async fn a_stream_sent_again_is_there_already() {
    let service = served().await;
    let chunks: Vec<Vec<_>> =
        (0..4u128).map(|chunk| (0..50).map(|n| row(chunk * 50 + n)).collect()).collect();
    for is_again in [false, true, true] {
        let start = RecordingStart::default();
        let mut upload = Upload::start(&mut service.ingest().await, start).await;
        for (number, rows) in (1..).zip(&chunks) {
            upload.chunk(number, rows).await;
            let chunk = upload.acknowledged().await;
            let counts = (chunk.recorded_count, chunk.already_present_count);
            assert_eq!(counts, if is_again { (0, 50) } else { (50, 0) });
        }
        upload.end(200).await;
        upload.summary().await;
    }
    assert_eq!(recorded(&service).await, (0..200).collect::<Vec<_>>());
}

#[tokio::test]
async fn whole_chunks_only_means_that_a_refused_row_takes_the_others_along() {
    let service = served().await;
    let start = RecordingStart { create_accounts: false, whole_chunks_only: true };
    let mut upload = Upload::start(&mut service.ingest().await, start).await;
    let without = NewTransaction { transaction_id: String::new(), ..row(0) };
    for (number, wrong) in (1..).zip([
        NewTransaction { amount: "x".to_owned(), ..row(2) },
        NewTransaction { sender: bank("nobody"), ..row(2) },
    ]) {
        upload.chunk(number, &[row(1), wrong, without.clone()]).await;
        let chunk = upload.acknowledged().await;
        assert_eq!((chunk.recorded_count, chunk.refused.len(), chunk.made_ids.len()), (0, 1, 0));
    }
    upload.chunk(3, &[row(1), row(2)]).await;
    assert_eq!(upload.acknowledged().await.recorded_count, 2);
    upload.end(8).await;
    assert_eq!(upload.summary().await.refused_count, 2);
    assert_eq!(recorded(&service).await, [1, 2]);
}

#[tokio::test]
async fn accounts_are_made_on_the_way_where_that_is_asked() {
    let service = served().await;
    let start = RecordingStart { create_accounts: true, whole_chunks_only: false };
    let mut upload = Upload::start(&mut service.ingest().await, start).await;
    let rows: Vec<_> = (0..300)
        .map(|n| NewTransaction { sender: bank(&format!("account {}", n % 40)), ..row(n) })
        .collect();
    upload.chunk(1, &rows).await;
    assert_eq!(upload.acknowledged().await.recorded_count, 300);
    let count = "SELECT count(*) FROM accounts";
    assert_eq!(one::<i64>(&service.sql, count).await, 42);
}

#[tokio::test]
async fn messages_out_of_order_are_refused_by_name() {
    let service = served().await;
    let mut client = service.ingest().await;
    let start = || Message::Start(RecordingStart::default());
    let end = |row_count| Message::End(RecordingEnd { row_count });
    let many = vec![row(1); 5_001];
    let cases: [(&str, Vec<Message>); 11] = [
        ("start", vec![]),
        ("start", vec![chunk(1, &[row(1)])]),
        ("start", vec![end(0)]),
        ("start", vec![start(), start()]),
        ("chunk.chunk_number", vec![start(), chunk(0, &[row(1)])]),
        ("chunk.chunk_number", vec![start(), chunk(2, &[row(1)])]),
        ("chunk.chunk_number", vec![start(), chunk(1, &[row(91)]), chunk(1, &[row(1)])]),
        ("chunk.transactions", vec![start(), chunk(1, &[])]),
        ("chunk.transactions", vec![start(), chunk(1, &many)]),
        ("end.row_count", vec![start(), chunk(1, &[row(92)]), end(2)]),
        ("end", vec![start(), chunk(1, &[row(93)])]),
    ];
    for (field, messages) in cases {
        let mut upload = Upload::open(&mut client).await.unwrap();
        for message in messages {
            upload.send(message).await;
        }
        upload.close();
        let status = upload.failure().await;
        assert_eq!(fields(&status), [field], "{status:?}");
    }
    let mut upload = Upload::open(&mut client).await.unwrap();
    upload.send(start()).await;
    upload.end(0).await;
    assert_eq!(upload.summary().await, RecordingSummary::default());
    // Chunks that came before what was wrong stay.
    assert_eq!(recorded(&service).await, [91, 92, 93]);
}

#[tokio::test]
async fn two_streams_with_the_same_ids_record_each_once() {
    let service = served().await;
    let rounds = 15u128;
    let upload = async |is_second: bool| {
        let mut client = service.ingest().await;
        let mut upload = Upload::start(&mut client, RecordingStart::default()).await;
        for round in 0..rounds {
            let order = (0..100u128).map(|n| if is_second { 99 - n } else { n });
            let rows: Vec<_> = order.map(|n| row(round * 100 + n)).collect();
            upload.chunk(i64::try_from(round).unwrap() + 1, &rows).await;
            assert_eq!(upload.acknowledged().await.refused, []);
        }
        upload.end(i64::try_from(rounds * 100).unwrap()).await;
        upload.summary().await
    };
    let (first, second) = tokio::join!(upload(false), upload(true));
    assert_eq!(first.recorded_count + second.recorded_count, 1_500);
    assert_eq!(first.already_present_count + second.already_present_count, 1_500);
    assert_eq!(recorded(&service).await, (0..1_500).collect::<Vec<_>>());
}

/// The database stops working in the midst: the stream ends, and says that it may be tried
/// again.
#[tokio::test]
async fn a_chunk_that_the_database_refuses_ends_the_stream() {
    let service = served().await;
    let mut upload = Upload::start(&mut service.ingest().await, RecordingStart::default()).await;
    upload.chunk(1, &[row(1)]).await;
    upload.acknowledged().await;
    let fault = "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'secret'; END $$;
        CREATE TRIGGER zz_fail AFTER INSERT ON transactions FOR EACH STATEMENT
            EXECUTE FUNCTION fail()";
    service.sql.batch_execute(fault).await.unwrap();
    upload.chunk(2, &[row(2)]).await;
    let status = upload.failure().await;
    assert_eq!(status.code(), Code::Internal);
    assert!(!status.message().contains("secret"), "{}", status.message());
    assert_eq!(recorded(&service).await, [1]);
}
