//! `RecordTransaction`: one row, and every way in which it is not recorded.

use daybook::grpc::pb::v1::{
    AccountKey, NewTransaction, RecordTransactionRequest, RecordTransactionResponse,
};
use tonic::{Code, Status};
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::{
    invalid_requests::fields,
    record_transactions::served,
    support::{
        schema::one,
        service::TestService,
        upload::{bank, instant, row},
    },
};

async fn record(
    service: &TestService,
    transaction: NewTransaction,
) -> Result<RecordTransactionResponse, Status> {
    ask(service, Some(transaction), false).await
}

async fn ask(
    service: &TestService,
    transaction: Option<NewTransaction>,
    create_accounts: bool,
) -> Result<RecordTransactionResponse, Status> {
    let request = RecordTransactionRequest { transaction, create_accounts };
    let answer = service.ingest().await.record_transaction(request).await?;
    Ok(answer.into_inner())
}

#[tokio::test]
async fn a_transaction_is_recorded_once() {
    let service = served().await;
    for is_again in [false, true] {
        let answer = record(&service, row(1)).await.unwrap();
        assert_eq!(answer.transaction_id, row(1).transaction_id);
        assert_eq!(answer.already_present, is_again);
    }
    let without = NewTransaction { transaction_id: String::new(), ..row(1) };
    let answer = record(&service, without).await.unwrap();
    let made: Uuid = answer.transaction_id.parse().unwrap();
    assert_eq!((made.get_version_num(), answer.already_present), (7, false));
    let text = "SELECT count(*) FROM transactions WHERE amount = 12.5 AND reference = 'first'";
    assert_eq!(one::<i64>(&service.sql, text).await, 2);
}

#[tokio::test]
async fn every_wrong_field_is_named_at_once() {
    let service = served().await;
    let account = |network: &str, address: &str| {
        Some(AccountKey { network: network.to_owned(), address: address.to_owned() })
    };
    let all = NewTransaction {
        transaction_id: "x".to_owned(),
        occurred_at: None,
        sender: None,
        receiver: account("Bank", ""),
        amount: "1e3".to_owned(),
        ..row(1)
    };
    for (transaction, expected) in [
        (None, vec!["transaction"]),
        (
            Some(all),
            vec![
                "transaction.transaction_id",
                "transaction.occurred_at",
                "transaction.sender",
                "transaction.receiver.network",
                "transaction.receiver.address",
                "transaction.amount",
            ],
        ),
        (Some(NewTransaction { amount: "0.00".into(), ..row(1) }), vec!["transaction.amount"]),
        (Some(NewTransaction { amount: "-1".into(), ..row(1) }), vec!["transaction.amount"]),
        (Some(NewTransaction { amount: "NaN".into(), ..row(1) }), vec!["transaction.amount"]),
        (Some(NewTransaction { amount: "9".repeat(79), ..row(1) }), vec!["transaction.amount"]),
        (Some(NewTransaction { amount: "9".repeat(90_000), ..row(1) }), vec!["transaction.amount"]),
        (
            Some(NewTransaction { reference: "a\nb".into(), ..row(1) }),
            vec!["transaction.reference"],
        ),
        (
            Some(NewTransaction { sender: account("internal", "ann"), ..row(1) }),
            vec!["transaction.sender.address"],
        ),
        (
            Some(NewTransaction { occurred_at: Some(instant("1850-01-01T00:00:00Z")), ..row(1) }),
            vec!["transaction.occurred_at"],
        ),
        (
            Some(NewTransaction {
                occurred_at: Some(prost_types::Timestamp { seconds: 0, nanos: 1 }),
                ..row(1)
            }),
            vec!["transaction.occurred_at"],
        ),
    ] {
        let status = ask(&service, transaction, false).await.expect_err("it is wrong");
        assert_eq!(fields(&status), expected, "{status:?}");
    }
    assert_eq!(one::<i64>(&service.sql, "SELECT count(*) FROM transaction_ids").await, 0);
}

#[tokio::test]
async fn what_is_not_recorded_is_not_found() {
    let service = served().await;
    let sender = NewTransaction { sender: bank("nobody"), ..row(1) };
    let receiver = NewTransaction { receiver: bank("nobody else"), ..row(2) };
    let asset = NewTransaction { asset: "XXX".to_owned(), ..row(3) };
    for (transaction, what) in [
        (sender.clone(), "there is no such sender account"),
        (receiver, "there is no such receiver account"),
        (asset, "there is no such asset"),
    ] {
        let status = record(&service, transaction).await.expect_err(what);
        assert_eq!((status.code(), status.message()), (Code::NotFound, what));
    }
    // Unless it is to be made.
    ask(&service, Some(sender), true).await.unwrap();
}

#[tokio::test]
async fn an_id_with_other_content_exists_already() {
    let service = served().await;
    record(&service, row(1)).await.unwrap();
    let other = NewTransaction { amount: "13".to_owned(), ..row(1) };
    let status = record(&service, other).await.expect_err("the id is used");
    assert_eq!(status.code(), Code::AlreadyExists);
    assert_eq!(
        status.message(),
        "transaction.amount differs from what is recorded under this transaction_id"
    );
    service.sql.batch_execute("DELETE FROM transactions").await.unwrap();
    let status = record(&service, row(1)).await.expect_err("the id is used");
    assert_eq!(status.code(), Code::AlreadyExists);
    assert!(status.message().contains("deleted"), "{}", status.message());
}

#[tokio::test]
async fn a_day_that_is_gone_is_in_the_way() {
    let service = served().await;
    record(&service, row(1)).await.unwrap();
    let client = service.database.connect().await.unwrap();
    // The day is far back: the retention of one day drops it.
    let dropped = daybook::store::days::drop_oldest(&client, 1).await.unwrap();
    assert_eq!(dropped.unwrap().to_string(), "2024-05-05");
    let status = record(&service, row(2)).await.expect_err("its day is gone");
    assert_eq!(status.code(), Code::FailedPrecondition);
    let details = status.get_details_precondition_failure().expect("it has details");
    let violation = &details.violations[0];
    assert_eq!(
        (&*violation.r#type, &*violation.subject),
        ("DAY_ABSENT", "transaction.occurred_at")
    );
    assert!(violation.description.contains("2024-05-05"), "{violation:?}");
}
