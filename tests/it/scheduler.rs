//! Who runs the upkeep of partitions: pg_cron where it is usable, else the server's ticker.

use std::{fs, io::Write};

use daybook::{
    cluster::{Cluster, ClusterRole},
    config::Scheduler,
    store::DatabaseTarget,
    upkeep::{
        UpkeepError, migrate,
        partitions::{Keeper, prepare},
        server_check,
    },
};

use crate::support::{
    cluster::{TestFolder, connect, eventually},
    not_run::not_run,
    schema::{TestSchema, one},
    service::settings,
};

const JOBS: &str = "SELECT coalesce(string_agg(format('%s|%s|%s|%s|%s',
        jobname, schedule, command, username, database), ','), '') FROM cron.job";

/// The schema `daybook` of a cluster; it is unprepared the first time.
async fn schema_of(cluster: &Cluster) -> TestSchema {
    let config = cluster.connection(ClusterRole::Owner);
    let target = DatabaseTarget::plain(config, "daybook".to_owned());
    TestSchema::unprepared(target, settings()).await
}

/// Makes the schema fit to serve with this scheduler, as a start does.
async fn start(schema: &TestSchema, scheduler: Scheduler) -> Result<Keeper, UpkeepError> {
    let facts = server_check::check(&schema.database, &schema.settings.pool).await?;
    migrate::migrate(&schema.database).await?;
    let mut settings = schema.settings.partitions.clone();
    settings.scheduler = scheduler;
    prepare(&schema.database, &settings, &facts, daybook::upkeep::migrate::Standing::Owner).await
}

/// Whether this server has pg_cron; says so loudly where it has not.
async fn has_cron(schema: &TestSchema, test: &str) -> bool {
    let text = "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron')";
    let has_cron: bool = one(&schema.sql, text).await;
    if !has_cron {
        not_run(test, "this Postgres has no pg_cron");
    }
    has_cron
}

async fn check_refused(schema: &TestSchema, reason: &str) {
    match start(schema, Scheduler::Cron).await.expect_err("pg_cron is not usable") {
        UpkeepError::Unfit(text) => {
            for part in ["--scheduler cron", reason, "shared_preload_libraries", "USAGE"] {
                assert!(text.contains(part), "{text}");
            }
        }
        UpkeepError::Store(error) => panic!("{:?}", error.server_message()),
    }
    let keeper = start(schema, Scheduler::Auto).await.unwrap();
    assert!(matches!(keeper, Keeper::Ticker), "auto falls back");
}

#[tokio::test]
async fn pg_cron_has_one_job_that_really_keeps_days_of_utc_ahead() {
    let folder = TestFolder::initialised();
    let cluster = folder.start().await;
    let schema = schema_of(&cluster).await;
    if !has_cron(&schema, "pg_cron_has_one_job_that_really_keeps_days_of_utc_ahead").await {
        return;
    }
    for scheduler in [Scheduler::Auto, Scheduler::Cron, Scheduler::Auto] {
        assert_eq!(start(&schema, scheduler).await.unwrap(), Keeper::Cron);
        let jobs: String = one(&schema.sql, JOBS).await;
        let expected = "daybook upkeep of daybook|7 * * * *|SELECT daybook.maintain_partitions()\
                        |daybook|daybook";
        assert_eq!(jobs, expected);
    }
    // The job's own command, at the next start of the server instead of in an hour; and in a
    // database that a person has set to another time zone.
    let ahead = schema.ahead().await;
    for day in &ahead[1..] {
        schema.drop_day(*day).await;
    }
    let now = "SELECT cron.schedule(jobname, '@reboot', command) FROM cron.job;
        ALTER ROLE daybook IN DATABASE daybook SET timezone = 'America/New_York'";
    schema.sql.batch_execute(now).await.unwrap();
    drop(schema);
    cluster.stop().await.unwrap();
    let cluster = folder.start().await;
    let schema = schema_of(&cluster).await;
    eventually("the job has run", async || schema.days().await == ahead).await;
    // The ticker's turn: the job goes, also when asked twice.
    for _ in 0..2 {
        let keeper = start(&schema, Scheduler::Ticker).await.unwrap();
        assert!(matches!(keeper, Keeper::Ticker));
        assert_eq!(one::<String>(&schema.sql, JOBS).await, "");
    }
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn without_a_usable_pg_cron_auto_takes_the_ticker_and_cron_refuses() {
    let folder = TestFolder::initialised();
    let cluster = folder.start().await;
    let schema = schema_of(&cluster).await;
    if !has_cron(&schema, "without_a_usable_pg_cron_auto_takes_the_ticker_and_cron_refuses").await {
        return;
    }
    let admin = connect(&cluster.connection(ClusterRole::Superuser)).await;
    admin.batch_execute("REVOKE USAGE ON SCHEMA cron FROM daybook").await.unwrap();
    check_refused(&schema, "closed to this role").await;
    admin.batch_execute("GRANT USAGE ON SCHEMA cron TO daybook").await.unwrap();
    assert_eq!(start(&schema, Scheduler::Cron).await.unwrap(), Keeper::Cron);
    drop((schema, admin));
    cluster.stop().await.unwrap();

    // The extension stays in the database while its library is no longer loaded.
    let path = folder.data().join("pgdata/postgresql.conf");
    let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
    writeln!(file, "shared_preload_libraries = ''").unwrap();
    let cluster = folder.start().await;
    let schema = schema_of(&cluster).await;
    check_refused(&schema, "pg_cron").await;
    // The job from before cannot be taken away, and does not keep the ticker from starting.
    let keeper = start(&schema, Scheduler::Ticker).await.unwrap();
    assert!(matches!(keeper, Keeper::Ticker));
    cluster.stop().await.unwrap();
}
