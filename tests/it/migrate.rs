//! Migrations: once, however many start; all or nothing; and nothing outside of the schema.

use daybook::{
    cluster::ClusterRole,
    store::{
        DatabaseTarget,
        migrate::{MIGRATIONS, Migration, applied, apply},
    },
    upkeep::{UpkeepError, migrate::migrate},
};
use tokio_postgres::Client;

use crate::support::{
    cluster::{TestFolder, connect},
    schema::{TestSchema, one},
    service::{new_target, prepare, settings},
};

/// Everything that there is in this schema, as one value.
const INSIDE: &str = "SELECT coalesce(string_agg(line, chr(10) ORDER BY line), '') FROM (
    SELECT format('%s %s %s', c.relkind, c.relname, c.relacl) AS line FROM pg_class c
    WHERE c.relnamespace = to_regnamespace(current_setting('search_path'))
    UNION ALL
    SELECT format('%s %s', p.oid::regprocedure, p.proacl) FROM pg_proc p
    WHERE p.pronamespace = to_regnamespace(current_setting('search_path'))
) AS lines";

/// Everything of the database, of its roles and of their settings that is not in this schema.
const OUTSIDE: &str = "SELECT string_agg(line, chr(10) ORDER BY line) FROM (
    SELECT format('schema %s %s %s', nspname, nspowner::regrole, nspacl) AS line
    FROM pg_namespace WHERE nspname <> current_setting('search_path') AND nspname !~ '^pg_t'
    UNION ALL
    SELECT format('relation %s.%s %s %s', n.nspname, c.relname, c.relkind, c.relacl)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname <> current_setting('search_path') AND n.nspname !~ '^pg_t'
    UNION ALL
    SELECT format('function %s.%s %s', n.nspname, p.proname, p.proacl)
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname <> current_setting('search_path')
    UNION ALL
    SELECT format('role %s', r.*) FROM pg_roles r
    UNION ALL
    SELECT format('setting %s', s.*) FROM pg_db_role_setting s
    UNION ALL
    SELECT format('database %s %s', datname, datacl) FROM pg_database
    UNION ALL
    SELECT format('extension %s %s', extname, extversion) FROM pg_extension
    UNION ALL
    SELECT format('event trigger %s', evtname) FROM pg_event_trigger
    UNION ALL
    SELECT format('large object %s', oid) FROM pg_largeobject_metadata
) AS lines";

async fn unprepared() -> TestSchema {
    TestSchema::unprepared(new_target(), settings()).await
}

async fn inside(schema: &TestSchema) -> String {
    one(&schema.sql, INSIDE).await
}

async fn unfit(schema: &TestSchema) -> String {
    match migrate(&schema.database).await.expect_err("the database is not as it was made") {
        UpkeepError::Unfit(text) => text,
        UpkeepError::Store(error) => panic!("{:?}", error.server_message()),
    }
}

#[tokio::test]
async fn a_fresh_schema_gets_every_migration_and_a_second_run_does_nothing() {
    let schema = unprepared().await;
    assert_eq!(inside(&schema).await, "");
    assert_eq!(migrate(&schema.database).await.unwrap(), MIGRATIONS.len());
    let recorded = applied(&schema.connect().await).await.unwrap();
    let found: Vec<_> = recorded.iter().map(|one| (one.version, one.checksum.clone())).collect();
    let expected: Vec<_> = MIGRATIONS.iter().map(|one| (one.version, one.checksum())).collect();
    assert_eq!(found, expected);
    let before = inside(&schema).await;
    assert!(before.contains("p transactions ") && before.contains("maintain_partitions"));
    assert_eq!(migrate(&schema.database).await.unwrap(), 0);
    assert_eq!(inside(&schema).await, before);
    let usd = "SELECT count(*) FROM assets WHERE code = 'USD'";
    assert_eq!(one::<i64>(&schema.sql, usd).await, 1);
}

#[tokio::test]
async fn of_many_servers_that_start_at_once_one_migrates_and_all_succeed() {
    let schema = unprepared().await;
    let starts = (0..8).map(|_| migrate(&schema.database));
    let mut counts: Vec<usize> =
        futures_util::future::join_all(starts).await.into_iter().map(Result::unwrap).collect();
    counts.sort_unstable();
    assert_eq!(counts, [0, 0, 0, 0, 0, 0, 0, MIGRATIONS.len()]);
    let usd = "SELECT count(*) FROM assets WHERE code = 'USD'";
    assert_eq!(one::<i64>(&schema.sql, usd).await, 1);
}

#[tokio::test]
async fn of_many_servers_that_start_at_once_all_get_ready() {
    // Rights are changed by all of them, which collides more often than not.
    for _ in 0..3 {
        let schema = unprepared().await;
        let starts = (0..6).map(|_| prepare(&schema.database, &schema.settings));
        futures_util::future::join_all(starts).await;
    }
}

#[tokio::test]
async fn a_changed_or_unknown_migration_stops_the_start_and_changes_nothing() {
    for (change, word) in [
        (
            "UPDATE schema_migrations SET checksum = repeat('0', 64) WHERE version = 1",
            "0001_ledger",
        ),
        ("INSERT INTO schema_migrations VALUES (99, '0099_later', '')", "made by a newer one"),
    ] {
        let schema = unprepared().await;
        migrate(&schema.database).await.unwrap();
        // A migration that is missing must not be applied either.
        let remove = "DROP TABLE seed_runs, seed_days;
            DELETE FROM schema_migrations WHERE version = (SELECT max(version)
            FROM schema_migrations)";
        schema.sql.batch_execute(remove).await.unwrap();
        schema.sql.batch_execute(change).await.unwrap();
        let before = inside(&schema).await;
        let text = unfit(&schema).await;
        assert!(text.contains(word) && text.contains("restore a backup"), "{text}");
        assert_eq!(inside(&schema).await, before);
    }
}

#[tokio::test]
async fn a_migration_that_fails_leaves_nothing() {
    let schema = TestSchema::migrated().await;
    let before = inside(&schema).await;
    let client = schema.connect().await;
    for text in [
        "CREATE TABLE half (n integer); INSERT INTO half VALUES (1); SELECT 1 / 0",
        "CREATE TABLE half (n integer); CREATE TABLE half (n integer)",
        "CREATE TABLE half (n integer); this is no SQL",
        // What breaks only when the tx ends.
        "CREATE TABLE half (n integer UNIQUE DEFERRABLE INITIALLY DEFERRED);
         INSERT INTO half VALUES (1), (1)",
    ] {
        let bad = Migration { version: 4_711, name: "4711_bad", text };
        apply(&client, &bad).await.expect_err(text);
        assert_eq!(inside(&schema).await, before, "{text}");
        let recorded = "SELECT count(*) FROM schema_migrations WHERE version = 4711";
        assert_eq!(one::<i64>(&schema.sql, recorded).await, 0, "{text}");
    }
    let good = Migration { version: 4_711, name: "4711_good", text: "CREATE TABLE half ()" };
    apply(&client, &good).await.unwrap();
    assert_ne!(inside(&schema).await, before);
    apply(&client, &good).await.expect_err("it is there already");
}

async fn lines(sql: &Client, text: &str) -> Vec<String> {
    one::<String>(sql, text).await.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_guest_changes_nothing_outside_of_the_schema() {
    // A server of its own: on the shared one other tests make schemas meanwhile.
    let folder = TestFolder::initialised();
    let cluster = folder.start().await;
    let admin = connect(&cluster.connection(ClusterRole::Superuser)).await;
    // A role with the least that a guest needs, and a schema that is there already.
    let guest = "CREATE ROLE guest LOGIN; GRANT CONNECT ON DATABASE daybook TO guest;
        CREATE SCHEMA books AUTHORIZATION guest;
        GRANT USAGE ON SCHEMA partman TO guest;
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA partman TO guest;
        GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA partman TO guest;
        GRANT EXECUTE ON ALL ROUTINES IN SCHEMA partman TO guest";
    admin.batch_execute(guest).await.unwrap();
    let mut config = cluster.connection(ClusterRole::Owner);
    config.user("guest");
    let target = DatabaseTarget::plain(config, "books".to_owned());
    let schema = TestSchema::unprepared(target, settings()).await;
    admin.batch_execute("SET search_path = books").await.unwrap();
    let before = lines(&admin, OUTSIDE).await;
    let config_rows = "SELECT count(*) FROM partman.part_config";
    assert_eq!(one::<i64>(&admin, config_rows).await, 0);
    prepare(&schema.database, &schema.settings).await;
    assert_eq!(schema.days().await, schema.ahead().await);
    let after = lines(&admin, OUTSIDE).await;
    let changed: Vec<_> = after
        .iter()
        .filter(|line| !before.contains(line))
        .chain(before.iter().filter(|line| !after.contains(line)))
        .collect();
    assert_eq!(changed, Vec::<&String>::new());
    let own_row =
        "SELECT string_agg(parent_table, ',' ORDER BY parent_table) FROM partman.part_config";
    assert_eq!(one::<String>(&admin, own_row).await, "books.prices,books.transactions");
    if one::<bool>(&admin, "SELECT to_regclass('cron.job') IS NOT NULL").await {
        assert_eq!(one::<i64>(&admin, "SELECT count(*) FROM cron.job").await, 0);
    }
    cluster.stop().await.unwrap();
}
