//! `GetStatus`: what is recorded, what is missing, and how far it is sealed.

use chrono::Utc;
use daybook::{
    grpc::pb::v1::{
        DayState, GetStatusRequest, GetStatusResponse, IngestStatus, ListUsersRequest,
        PartitionDay, SyncStatus, VerifierStatus,
    },
    store::{days, migrate::MIGRATIONS},
    upkeep::sealing::{SEALED_ROWS_MAX, seal_once},
};

use rand::RngExt;

use crate::{
    sum_amount::timestamp,
    support::{
        ledger::{add, add_user, ensure_days},
        random::random,
        schema::{TestSchema, day, one},
        service::TestService,
        upload::{Upload, row},
    },
};

/// What is told without the days.
pub(crate) async fn status(service: &TestService) -> GetStatusResponse {
    service.status().await.get_status(GetStatusRequest::default()).await.unwrap().into_inner()
}

/// The same with every day.
async fn days(service: &TestService) -> GetStatusResponse {
    let request = GetStatusRequest { include_days: true };
    service.status().await.get_status(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn partitions_and_the_schema_are_counted() {
    let schema = TestSchema::prepared().await;
    let service = TestService::start_with(schema.target.clone(), schema.settings.clone()).await;
    let ahead = schema.ahead().await;
    let found = status(&service).await;
    let age = Utc::now().timestamp() - found.started_at.unwrap().seconds;
    assert!((0..60).contains(&age), "{found:?}");
    let expected = GetStatusResponse {
        partition_count: 3,
        first_day: ahead[0].to_string(),
        last_day: ahead[2].to_string(),
        schema_version: MIGRATIONS.last().unwrap().version.into(),
        verifier: Some(VerifierStatus::default()),
        ingest: Some(IngestStatus::default()),
        calls: found.calls,
        sync: Some(SyncStatus::default()),
        started_at: found.started_at,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..Default::default()
    };
    assert_eq!(found, expected);
    schema.ensure(&[day("2024-02-29")]).await;
    let expected =
        GetStatusResponse { partition_count: 4, first_day: "2024-02-29".to_owned(), ..expected };
    let found = status(&service).await;
    assert_eq!(found, GetStatusResponse { calls: found.calls, ..expected });
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
    // Rows that are not at hand still count, by the day and together.
    for is_sealed in [false, true] {
        if is_sealed {
            seal_once(&schema.database, SEALED_ROWS_MAX).await.unwrap();
        }
        let found = days(&service).await;
        let told: Vec<_> = found.days[..3].iter().map(told).collect();
        let expected = [
            ("2024-05-05", DayState::Dropped, 1, false),
            ("2024-05-06", DayState::Present, 1, true),
            ("2024-05-07", DayState::Detached, 1, false),
        ];
        assert_eq!(told, expected);
        assert_eq!((found.days.len(), found.transaction_count), (6, 3));
    }
}

/// What is told of a day: which, how it stands with it, how many rows, whether it takes space.
fn told(day: &PartitionDay) -> (&str, DayState, i64, bool) {
    (&day.day, day.state(), day.row_count, day.size_bytes > 0)
}

/// Rows of several assets on days with gaps between them, sealed in part, corrected and deleted.
#[tokio::test]
async fn rows_are_counted_exactly_together_and_by_the_day() {
    let service = TestService::start().await;
    let (sql, mut random) = (&service.sql, random());
    let texts = ["2023-12-31", "2024-01-01", "2024-02-29", "2024-03-01", "2024-07-07"];
    ensure_days(sql, &texts).await;
    sql.batch_execute(
        "INSERT INTO assets (code, name, decimals) VALUES ('EUR', 'Euro', 2), ('X', 'X', 0)",
    )
    .await
    .unwrap();
    let (ann, bob) = (add_user(sql, "ann").await, add_user(sql, "bob").await);
    for round in 0..4 {
        for text in texts {
            // More than a leaf of a tree holds, so that there are trees of several levels.
            let insert = format!(
                "INSERT INTO transactions (occurred_at, sender_id, receiver_id, asset_id, amount)
                 SELECT timestamptz '{text} 00:00Z' + n * interval '7 seconds', {}, {},
                     (SELECT asset_id FROM assets ORDER BY asset_id OFFSET n % 2 LIMIT 1), n
                 FROM generate_series(0, {}) AS n",
                ann.account_id,
                bob.account_id,
                random.random_range(0..400)
            );
            sql.batch_execute(&insert).await.unwrap();
        }
        if round == 1 {
            seal_once(&service.database, SEALED_ROWS_MAX).await.unwrap();
        }
        sql.batch_execute(
            "DELETE FROM transactions WHERE amount = 3;
             UPDATE transactions SET amount = 1000 WHERE amount = 4",
        )
        .await
        .unwrap();
        let found = days(&service).await;
        let count: i64 = one(sql, "SELECT count(*) FROM transactions").await;
        assert_eq!(found.transaction_count, count, "round {round}");
        let text = "SELECT (occurred_at AT TIME ZONE 'UTC')::date::text, count(*)
            FROM transactions GROUP BY 1 ORDER BY 1";
        let expected: Vec<(String, i64)> = sql
            .query(text, &[])
            .await
            .unwrap()
            .iter()
            .map(|row| (row.get(0), row.get(1)))
            .collect();
        let counted = found.days.iter().filter(|day| day.row_count != 0);
        let counted: Vec<_> = counted.map(|day| (day.day.clone(), day.row_count)).collect();
        assert_eq!(counted, expected, "round {round}");
        assert_eq!(found.days.len(), texts.len() + 3);
        assert_eq!(status(&service).await.transaction_count, count);
        assert_eq!(status(&service).await.days, []);
    }
}

#[tokio::test]
async fn a_cell_that_cannot_be_read_hides_a_number_and_nothing_else() {
    let service = TestService::start().await;
    ensure_days(&service.sql, &["2024-05-05"]).await;
    let (ann, bob) = (add_user(&service.sql, "ann").await, add_user(&service.sql, "bob").await);
    add(&service.sql, "2024-05-05T12:00:00Z", ann.account_id, bob.account_id, "1").await;
    seal_once(&service.database, SEALED_ROWS_MAX).await.unwrap();
    let breaking = "UPDATE running_totals SET cell = '\\x63' WHERE account_id = 0";
    service.sql.batch_execute(breaking).await.unwrap();
    let found = days(&service).await;
    assert_eq!((found.transaction_count, found.partition_count), (-1, 4));
    assert!(found.days.iter().all(|day| day.row_count == -1), "{found:?}");
    assert!(found.days[0].size_bytes > 0);
}

#[tokio::test]
async fn what_this_process_did_is_counted() {
    let service = TestService::start().await;
    ensure_days(&service.sql, &["2024-05-05"]).await;
    let before = status(&service).await;
    assert_eq!(
        (before.ingest, before.sync),
        (Some(IngestStatus::default()), Some(SyncStatus::default()))
    );
    // Twice: what is there already does not count.
    for number in 1..=2 {
        let start =
            daybook::grpc::pb::v1::RecordingStart { create_accounts: true, ..Default::default() };
        let mut upload = Upload::start(&mut service.ingest().await, start).await;
        upload.chunk(1, &[row(1), row(2), row(3)]).await;
        upload.acknowledged().await;
        let ingest = status(&service).await.ingest.unwrap();
        assert_eq!(ingest.rows_recorded, 3, "upload {number}");
        assert!(ingest.rows_per_second > 0.0 && ingest.rows_per_second <= 3.0, "{ingest:?}");
    }
    let mut ledger = service.ledger().await;
    let calls = status(&service).await.calls.unwrap();
    for page_size in [1, 1, 1, -1] {
        let request = ListUsersRequest { page_size, ..Default::default() };
        let _ = ledger.list_users(request).await;
    }
    let more = status(&service).await.calls.unwrap();
    // The call that told of those before it counts, too, and streams do not.
    assert_eq!((more.calls - calls.calls, more.errors - calls.errors), (5, 1));
    assert!(more.calls_per_second > 0.0, "{more:?}");
    assert!(0.0 < more.p50_seconds && more.p50_seconds <= more.p99_seconds, "{more:?}");
    let waiting = "
        INSERT INTO chain_assets (asset_id, network) VALUES (1, 'bitcoin');
        INSERT INTO sync_streams (account_id, asset_id) SELECT n, 1 FROM generate_series(1, 3) n;
        INSERT INTO sync_jobs (job_id, stream_id, network, state, priority)
            SELECT gen_random_uuid(), stream_id, 'bitcoin',
                (ARRAY['queued', 'running', 'parked'])[account_id], 0
            FROM sync_streams";
    service.sql.batch_execute(waiting).await.unwrap();
    let expected = SyncStatus { queued: 1, running: 1, parked: 1 };
    assert_eq!(status(&service).await.sync, Some(expected));
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
