//! `GetStatus`: what is recorded, what is missing, and how far it is sealed.

use daybook::{
    grpc::pb::v1::{GetStatusRequest, GetStatusResponse, VerifierStatus},
    store::{days, migrate::MIGRATIONS},
    upkeep::sealing::{SEALED_ROWS_MAX, seal_once},
};

use crate::{
    sum_amount::timestamp,
    support::{
        ledger::{add, add_user},
        schema::{TestSchema, day},
        service::TestService,
    },
};

pub(crate) async fn status(service: &TestService) -> GetStatusResponse {
    service.status().await.get_status(GetStatusRequest {}).await.unwrap().into_inner()
}

#[tokio::test]
async fn partitions_and_the_schema_are_counted() {
    let schema = TestSchema::prepared().await;
    let service = TestService::start_with(schema.target.clone(), schema.settings.clone()).await;
    let ahead = schema.ahead().await;
    let expected = GetStatusResponse {
        partition_count: 3,
        first_day: ahead[0].to_string(),
        last_day: ahead[2].to_string(),
        schema_version: MIGRATIONS.last().unwrap().version.into(),
        verifier: Some(VerifierStatus::default()),
        ..Default::default()
    };
    assert_eq!(status(&service).await, expected);
    schema.ensure(&[day("2024-02-29")]).await;
    let expected =
        GetStatusResponse { partition_count: 4, first_day: "2024-02-29".to_owned(), ..expected };
    assert_eq!(status(&service).await, expected);
}

#[tokio::test]
async fn days_that_are_gone_are_told_apart() {
    let schema = TestSchema::prepared().await;
    let service = TestService::start_with(schema.target.clone(), schema.settings.clone()).await;
    let (ann, bob) = (add_user(&schema.sql, "ann").await, add_user(&schema.sql, "bob").await);
    for text in ["2024-05-05", "2024-05-06", "2024-05-07"] {
        schema.ensure(&[day(text)]).await;
        add(&schema.sql, &format!("{text}T12:00:00Z"), ann.account_id, bob.account_id, "1").await;
    }
    schema.sql.batch_execute("SELECT drop_day_before('2024-05-06')").await.unwrap();
    schema.drop_day(day("2024-05-07")).await;
    days::note(&schema.connect().await).await.unwrap();
    let found = status(&service).await;
    assert_eq!((found.partition_count, found.first_day.as_str()), (4, "2024-05-06"));
    assert_eq!((found.dropped_day_count, found.detached_days), (1, vec!["2024-05-07".to_owned()]));
}

#[tokio::test]
async fn what_waits_to_be_sealed_is_counted_and_dated() {
    let schema = TestSchema::prepared().await;
    let service = TestService::start_with(schema.target.clone(), schema.settings.clone()).await;
    let (ann, bob) = (add_user(&schema.sql, "ann").await, add_user(&schema.sql, "bob").await);
    schema.ensure(&[day("2024-05-05"), day("2024-05-06")]).await;
    let waiting = async || {
        let found = status(&service).await;
        (found.correction_count, found.sealed_until)
    };
    assert_eq!(waiting().await, (0, None));
    for at in ["2024-05-06T12:00:00.000001Z", "2024-05-06T01:00:00Z"] {
        add(&schema.sql, at, ann.account_id, bob.account_id, "1").await;
    }
    assert_eq!(waiting().await, (2, Some(timestamp("2024-05-06T01:00:00Z"))));
    seal_once(&schema.database, SEALED_ROWS_MAX).await.unwrap();
    assert_eq!(waiting().await, (0, None));
    // A row that comes late, one that is changed, and one that goes.
    add(&schema.sql, "2024-05-05T23:59:59.999999Z", ann.account_id, bob.account_id, "1").await;
    assert_eq!(waiting().await, (1, Some(timestamp("2024-05-05T23:59:59.999999Z"))));
    seal_once(&schema.database, SEALED_ROWS_MAX).await.unwrap();
    let changed = "UPDATE transactions SET amount = 2 WHERE occurred_at = '2024-05-06 01:00Z'";
    schema.sql.batch_execute(changed).await.unwrap();
    assert_eq!(waiting().await, (2, Some(timestamp("2024-05-06T01:00:00Z"))));
    let gone = "DELETE FROM transactions WHERE occurred_at = '2024-05-05 23:59:59.999999Z'";
    schema.sql.batch_execute(gone).await.unwrap();
    assert_eq!(waiting().await, (3, Some(timestamp("2024-05-05T23:59:59.999999Z"))));
    seal_once(&schema.database, SEALED_ROWS_MAX).await.unwrap();
    assert_eq!(waiting().await, (0, None));
}
