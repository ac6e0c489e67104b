//! `DeleteTransaction`: answers change at once, and nobody deletes a row twice.

use std::collections::BTreeSet;

use daybook::grpc::pb::v1::{
    DeleteTransactionRequest, DeleteTransactionResponse, GetTransactionRequest,
    get_transaction_request::Key,
};
use tonic::{Code, Status};
use uuid::Uuid;

use crate::{
    absent_days::{days_of, sent},
    invalid_requests::fields,
    list_transactions,
    sum_amount::timestamp,
    support::{
        cluster::eventually,
        ledger::{TestUser, add_user, ensure_days},
        rows::NewRow,
        schema::one,
        service::{TestService, sql},
    },
};

const ALL: (&str, &str) = ("2024-05-05T00:00:00Z", "2024-05-07T00:00:00Z");

async fn delete(
    service: &TestService,
    id: impl ToString,
) -> Result<DeleteTransactionResponse, Status> {
    let request = DeleteTransactionRequest { transaction_id: id.to_string() };
    Ok(service.ledger().await.delete_transaction(request).await?.into_inner())
}

/// A service with a row of 1 and a row of 20, and who sent them.
async fn with_rows() -> (TestService, TestUser, [Uuid; 2]) {
    let service = TestService::start().await;
    ensure_days(&service.sql, &["2024-05-05", "2024-05-06"]).await;
    let (ann, bob) = (add_user(&service.sql, "ann").await, add_user(&service.sql, "bob").await);
    let row = |instant: &str| NewRow::new(instant, ann.account_id, bob.account_id);
    let first = row("2024-05-05T10:00:00Z").of("1").add(&service.sql).await;
    let second = row("2024-05-05T10:00:00Z").of("20").add(&service.sql).await;
    (service, ann, [first, second])
}

/// One more connection in plain SQL, with an open tx that has run a statement.
async fn open_tx(service: &TestService, text: &str) -> tokio_postgres::Client {
    let client = sql(service.target.config.clone(), &service.target.schema).await;
    client.batch_execute(&format!("BEGIN; {text}")).await.unwrap();
    client
}

/// Waits until somebody waits for a lock of this client's.
async fn is_waited_for(service: &TestService, client: &tokio_postgres::Client) {
    let pid: i32 = one(client, "SELECT pg_backend_pid()").await;
    let text = format!(
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE {pid} = ANY (pg_blocking_pids(pid)))"
    );
    eventually("somebody waits", async || one::<bool>(&service.sql, &text).await).await;
}

#[tokio::test]
async fn every_answer_is_without_the_row_at_once() {
    let (service, ann, [first, second]) = with_rows().await;
    assert_eq!(sent(&service, &ann, ALL).await.unwrap().sum_amount, "21.00000");
    let before = timestamp(
        &one::<chrono::DateTime<chrono::Utc>>(&service.sql, "SELECT now()").await.to_rfc3339(),
    );
    let answer = delete(&service, second).await.unwrap();
    assert!(answer.was_deleted_now);
    let at = answer.deleted_at.unwrap();
    assert!((at.seconds, at.nanos) > (before.seconds, before.nanos), "{at:?}");
    let sum = sent(&service, &ann, ALL).await.unwrap();
    assert_eq!((sum.sum_amount.as_str(), sum.transaction_count), ("1.00000", 1));
    let list = list_transactions::ask(&service, list_transactions::of_user(&ann)).await.unwrap();
    let [left] = &list.transactions[..] else { panic!("{list:?}") };
    assert_eq!(left.transaction.as_ref().unwrap().transaction_id, first.to_string());
    let key = Some(Key::TransactionId(second.to_string()));
    let request = GetTransactionRequest { key, ..Default::default() };
    let status = service.ledger().await.get_transaction(request).await.unwrap_err();
    assert!(status.message().contains("deleted"), "{}", status.message());
}

#[tokio::test]
async fn deleting_twice_is_fine_and_unknown_ids_are_not_found() {
    let (service, _, [first, second]) = with_rows().await;
    let once = delete(&service, first).await.unwrap();
    let twice = delete(&service, first.simple()).await.unwrap();
    assert_eq!((once.was_deleted_now, twice.was_deleted_now), (true, false));
    assert_eq!(once.deleted_at, twice.deleted_at);
    // Whoever deleted it.
    let text = "DELETE FROM transactions WHERE transaction_id = $1";
    service.sql.execute(text, &[&second]).await.unwrap();
    assert!(!delete(&service, second).await.unwrap().was_deleted_now);
    let status = delete(&service, Uuid::new_v4()).await.unwrap_err();
    let unknown = (Code::NotFound, "there is no such transaction");
    assert_eq!((status.code(), status.message()), unknown);
    for wrong in ["", "7", "not-a-uuid"] {
        assert_eq!(fields(&delete(&service, wrong).await.unwrap_err()), ["transaction_id"]);
    }
}

#[tokio::test]
async fn of_many_calls_at_once_one_deletes_and_all_succeed() {
    let (service, ann, ids) = with_rows().await;
    for id in ids {
        let calls = (0..8).map(async |_| delete(&service, id).await.unwrap());
        let answers = futures_util::future::join_all(calls).await;
        let deleted = answers.iter().filter(|answer| answer.was_deleted_now).count();
        assert_eq!(deleted, 1);
        let instants: BTreeSet<_> = answers
            .iter()
            .map(|answer| answer.deleted_at.map(|at| (at.seconds, at.nanos)))
            .collect();
        assert_eq!(instants.len(), 1, "{answers:?}");
    }
    assert_eq!(sent(&service, &ann, ALL).await.unwrap().transaction_count, 0);
    assert_eq!(one::<i64>(&service.sql, "SELECT sum(row_count) FROM corrections").await, 0);
}

#[tokio::test]
async fn a_tx_that_deletes_or_moves_the_row_is_waited_for() {
    let (service, ann, [first, second]) = with_rows().await;
    let delete_first = format!("DELETE FROM transactions WHERE transaction_id = '{first}'");
    let move_second = |to: &str| {
        format!("UPDATE transactions SET occurred_at = '{to}' WHERE transaction_id = '{second}'")
    };
    let other_day = move_second("2024-05-06T12:00Z");
    let same_day = move_second("2024-05-06T13:00Z");
    for (id, change, end, expected) in [
        (first, &delete_first, "ROLLBACK", Some(true)),
        // A row that goes to another day cannot be followed there.
        (second, &other_day, "COMMIT", None),
        (second, &same_day, "COMMIT", Some(true)),
    ] {
        let other = open_tx(&service, change).await;
        let ending = async {
            is_waited_for(&service, &other).await;
            other.batch_execute(end).await.unwrap();
        };
        let (outcome, ()) = tokio::join!(delete(&service, id), ending);
        match expected {
            Some(was_deleted_now) => {
                assert_eq!(outcome.unwrap().was_deleted_now, was_deleted_now, "{change}");
            }
            None => assert_eq!(outcome.unwrap_err().code(), Code::Aborted, "{change}"),
        }
    }
    assert_eq!(sent(&service, &ann, ALL).await.unwrap().transaction_count, 0);
    let third = NewRow::new("2024-05-05T10:00:00Z", ann.account_id, ann.account_id);
    let third = third.add(&service.sql).await;
    let delete_third = format!("DELETE FROM transactions WHERE transaction_id = '{third}'");
    let other = open_tx(&service, &delete_third).await;
    let ending = async {
        is_waited_for(&service, &other).await;
        other.batch_execute("COMMIT").await.unwrap();
    };
    let (outcome, ()) = tokio::join!(delete(&service, third), ending);
    assert!(!outcome.unwrap().was_deleted_now, "the other one has deleted it");
    assert_eq!(one::<i64>(&service.sql, "SELECT sum(row_count) FROM corrections").await, 0);
}

#[tokio::test]
async fn a_row_on_an_absent_day_stays_and_its_day_is_named() {
    let (service, ann, [first, _]) = with_rows().await;
    let text = "SELECT leaf::text FROM partition_bounds('transactions')
        WHERE lower_at = '2024-05-05Z'";
    let leaf: String = one(&service.sql, text).await;
    let text = format!("ALTER TABLE transactions DETACH PARTITION {leaf}");
    service.sql.batch_execute(&text).await.unwrap();
    let expected = [("DAY_DETACHED".to_owned(), "2024-05-05".to_owned())];
    // Noticed or not.
    assert_eq!(days_of(&delete(&service, first).await.unwrap_err()), expected);
    eventually("the day is missed", async || {
        !service.sql.query("SELECT FROM absent_days", &[]).await.unwrap().is_empty()
    })
    .await;
    assert_eq!(days_of(&delete(&service, first).await.unwrap_err()), expected);
    let text = "ALTER TABLE transactions ATTACH PARTITION {leaf}
        FOR VALUES FROM ('2024-05-05 00:00Z') TO ('2024-05-06 00:00Z')";
    service.sql.batch_execute(&text.replace("{leaf}", &leaf)).await.unwrap();
    eventually("the day is back", async || sent(&service, &ann, ALL).await.is_ok()).await;
    assert!(delete(&service, first).await.unwrap().was_deleted_now);
}
