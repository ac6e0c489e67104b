//! The same behaviour on the other line of pg_partman, on a Postgres of its own that
//! `scripts/partman5` makes.

use std::{env, path::PathBuf};

use daybook::{
    cluster::{Cluster, ClusterRole},
    grpc::pb::v1::{Direction, SumAmountRequest, sum_amount_request::Subject},
    seed::{SeedOutcome, SeedPlan, seed},
    store::DatabaseTarget,
};

use crate::{
    partitions::check_upkeep,
    price_retention::check_partman_drops_no_prices,
    retention::check_retention,
    seed::{check_seeded, plan},
    sum_amount::window,
    support::{
        cluster::TestFolder,
        not_run::not_run,
        schema::{TestSchema, day, one},
        service::{TestService, settings},
    },
};

/// Runs everything on the server whose programs the variable names; says loudly if there is
/// none.
async fn check_line(line: &str) {
    let variable = format!("DAYBOOK_TEST_PARTMAN{line}_BIN");
    // Set and empty means that scripts/partman5 could not make one.
    let bin = env::var_os(&variable).filter(|bin| !bin.is_empty()).map(PathBuf::from);
    let Some(bin) = bin else {
        let reason = format!("{variable} is not set (scripts/partman5 makes a Postgres for it)");
        not_run(&format!("pg_partman {line}.x"), &reason);
        return;
    };
    // Its data is not of the other tests' template, which has the other line's extension.
    let folder = TestFolder::empty();
    let mut cluster_settings = folder.settings();
    cluster_settings.postgres_bin_dir = Some(bin);
    let cluster = Cluster::start(&cluster_settings).await.unwrap_or_else(|error| panic!("{error}"));
    let target = |schema: &str| {
        DatabaseTarget::plain(cluster.connection(ClusterRole::Owner), schema.to_owned())
    };

    let schema = TestSchema::prepared_on(target("upkeep"), settings()).await;
    let text = "SELECT extversion FROM pg_extension WHERE extname = 'pg_partman'";
    let version: String = one(&schema.sql, text).await;
    assert!(version.starts_with(&format!("{line}.")), "{version}");
    check_upkeep(&schema).await;
    drop(schema);

    let schema = TestSchema::prepared_on(target("retention"), settings()).await;
    check_retention(&schema).await;
    check_partman_drops_no_prices(&schema).await;

    let schema = TestSchema::prepared_on(target("seeded"), settings()).await;
    check_seeded_service(schema).await;
    cluster.stop().await.unwrap();
}

async fn check_seeded_service(schema: TestSchema) {
    let plan: SeedPlan = plan(800, 3);
    let outcome = seed(&schema.database, Some(plan.clone()), 2, &schema.settings.partitions).await;
    assert!(matches!(outcome.unwrap(), SeedOutcome::Seeded { rows: 800, .. }));
    check_seeded(&schema, &plan).await;
    assert_eq!(schema.days().await[..3], ["2023-01-01", "2023-01-02", "2023-01-03"].map(day));

    let (target, settings) = (schema.target.clone(), schema.settings.clone());
    let service = TestService::start_with(target, settings).await;
    let busiest = "SELECT u.user_uuid::text, count(*), round(sum(t.amount), 5)::text
        FROM transactions t JOIN user_wallets w ON w.account_id = t.sender_id
        JOIN users u USING (user_id) WHERE occurred_at >= '2023-01-02 00:00Z'
        GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 1";
    let row = service.sql.query_one(busiest, &[]).await.unwrap();
    let request = SumAmountRequest {
        subject: Some(Subject::UserUuid(row.get(0))),
        asset: String::new(),
        window: window("2023-01-02T00:00:00Z", "2024-01-01T00:00:00Z"),
        direction: Direction::Sender.into(),
        ..Default::default()
    };
    let answer = service.analytics().await.sum_amount(request).await.unwrap().into_inner();
    let expected: (i64, String) = (row.get(1), row.get(2));
    assert_eq!((answer.transaction_count, answer.sum_amount), expected);
}

#[tokio::test]
async fn everything_runs_on_pg_partman_5() {
    Box::pin(check_line("5")).await;
}

/// Where pg_partman 5 is the installed one, the script makes a 4.7.
#[tokio::test]
async fn everything_runs_on_pg_partman_4() {
    let on_shared = TestSchema::prepared().await;
    let text = "SELECT extversion FROM pg_extension WHERE extname = 'pg_partman'";
    if one::<String>(&on_shared.sql, text).await.starts_with("4.") {
        // Its upkeep is what every other test runs on.
        check_seeded_service(on_shared).await;
    } else {
        Box::pin(check_line("4")).await;
    }
}
