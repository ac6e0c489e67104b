//! `GetStatus`: what is recorded and what is missing.

use daybook::{
    grpc::pb::v1::{GetStatusRequest, GetStatusResponse},
    store::{days, migrate::MIGRATIONS},
};

use crate::support::{
    ledger::{add, add_user},
    schema::{TestSchema, day},
    service::TestService,
};

async fn status(service: &TestService) -> GetStatusResponse {
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
        schema_version: i64::try_from(MIGRATIONS.len()).unwrap(),
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
