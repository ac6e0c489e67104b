//! The functions for SQL: the same answers as the rpcs and the rows, digit for digit, in one
//! snapshot with the statement around them.

mod decoder;
mod refusals;
mod views;
mod world;

use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use daybook::{
    cluster::ClusterRole,
    domain::{
        buckets::{BucketSize, BucketUnit, edges, time_zone},
        window::Window,
    },
    upkeep::sealing::{SEALED_ROWS_MAX, seal_once},
};
use rand::RngExt;
use tokio_postgres::Client;

use self::{views::VIEWS, world::World};
use crate::support::{
    cluster::shared,
    ledger::{add, add_user, at, ensure_days},
    random::random,
    schema::{TestSchema, one, refusal, state},
    service::{TestService, sql},
    totals::ALL_TIME,
};

/// Questions of each kind after each change.
const QUESTIONS: usize = 12;

#[tokio::test]
async fn answers_equal_the_rpcs_and_the_rows_whatever_is_folded() {
    let mut world = World::new().await;
    // Nothing there at all; corrections alone; trees of three levels; late rows beside them; rows
    // that went; all of it folded.
    for step in 0..6 {
        match step {
            0 => {}
            1 => world.add_rows(300).await,
            2 => {
                world.add_rows(2_000).await;
                world.add_many_rows_of_one(9_000).await;
                world.seal().await;
            }
            3 => world.add_rows(300).await,
            4 => world.delete_rows().await,
            _ => world.seal().await,
        }
        for _ in 0..QUESTIONS {
            world.check_sum().await;
            world.check_balance().await;
        }
        for _ in 0..QUESTIONS / 3 {
            world.check_series().await;
            world.check_rank().await;
        }
    }
    let levels: i16 = one(&world.service.sql, "SELECT max(level) FROM running_totals").await;
    assert!(levels >= 2, "{levels}");
}

/// Writers write, a worker folds, and a function beside a scan in one statement never differs
/// from it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_sees_one_snapshot_in_functions_and_rows() {
    let mut world = World::new().await;
    world.add_rows(500).await;
    let is_over = AtomicBool::new(false);
    let writer = world.service.target.clone();
    let writer = sql(writer.config, &writer.schema).await;
    let (first, second) = (world.accounts[0].account_id, world.accounts[1].account_id);
    let write = async {
        let text = format!(
            "INSERT INTO transactions (occurred_at, sender_id, receiver_id, asset_id, amount)
             SELECT '2024-01-01Z'::timestamptz + random() * interval '1 day', {first}, {second},
                 1, round((random() * 1000)::numeric, 5)
             FROM generate_series(1, 5);
             DELETE FROM transactions WHERE transaction_id = (
                 SELECT transaction_id FROM transactions
                 WHERE occurred_at >= '2024-01-01Z' AND occurred_at < '2024-01-02Z' LIMIT 1)"
        );
        while !is_over.load(Ordering::Relaxed) {
            writer.batch_execute(&text).await.unwrap();
        }
    };
    let fold = async {
        let mut folded = 0;
        while !is_over.load(Ordering::Relaxed) {
            folded += seal_once(&world.service.database, 7).await.unwrap();
        }
        folded
    };
    let user = world.users[0].user_uuid;
    let window = "'2023-12-31 11:00Z', '2024-01-02 01:00Z'";
    let text = format!(
        "SELECT
             {schema}.sum_amount('{user}', {window}, 'sender') = (
                 SELECT coalesce(sum(t.amount), 0)
                 FROM {schema}.transactions t
                 JOIN {schema}.user_wallets w ON w.account_id = t.sender_id
                 JOIN {schema}.users u USING (user_id)
                 WHERE u.user_uuid = '{user}' AND t.asset_id = 1
                   AND t.occurred_at >= '2023-12-31 11:00Z' AND t.occurred_at < '2024-01-02 01:00Z')
             AND (SELECT sum(value) FROM {schema}.rank_accounts('internal', {window}, 'sender')) = (
                 SELECT sum(t.amount)
                 FROM {schema}.transactions t
                 JOIN {schema}.accounts a ON a.account_id = t.sender_id AND a.network = 'internal'
                 WHERE t.asset_id = 1
                   AND t.occurred_at >= '2023-12-31 11:00Z' AND t.occurred_at < '2024-01-02 01:00Z')
             AND (SELECT sum(sum_amount)
                  FROM {schema}.sum_series_of_all({window}, 'hour')) = (
                 SELECT sum(t.amount) FROM {schema}.transactions t
                 WHERE t.asset_id = 1
                   AND t.occurred_at >= '2023-12-31 11:00Z'
                   AND t.occurred_at < '2024-01-02 01:00Z')",
        schema = world.service.target.schema
    );
    let read = async {
        for _ in 0..60 {
            assert!(one::<bool>(&world.reader, &text).await);
        }
        is_over.store(true, Ordering::Relaxed);
    };
    let ((), folded, ()) = tokio::join!(write, fold, read);
    assert!(folded > 0);
}

/// Parallel workers answer as well as the backend that was asked.
#[tokio::test]
async fn parallel_workers_give_the_same_answers() {
    let mut world = World::new().await;
    world.add_rows(400).await;
    world.seal().await;
    world.add_rows(20).await;
    let forced = match one::<String>(&world.reader, "SHOW server_version_num").await.as_str() {
        version if version < "160000" => "force_parallel_mode",
        _ => "debug_parallel_query",
    };
    let text = format!(
        "SELECT string_agg(format('%s %s %s', u.username,
             {schema}.sum_amount(u.user_uuid, '2023-12-29Z', '2024-01-05 03:00Z', 'sender'),
             {schema}.balance(u.user_uuid)), ',' ORDER BY u.username)
         FROM {schema}.users u",
        schema = world.service.target.schema
    );
    let alone: String = one(&world.reader, &text).await;
    world.reader.batch_execute(&format!("SET {forced} = on")).await.unwrap();
    let plan = world.reader.query(&format!("EXPLAIN {text}"), &[]).await.unwrap();
    let has_gather = plan.iter().any(|row| row.get::<_, &str>(0).contains("Gather"));
    assert!(has_gather, "{plan:?}");
    assert_eq!(one::<String>(&world.reader, &text).await, alone);
}

/// Who may call what: those who look, not everybody.
#[tokio::test]
async fn roles_that_look_may_call_and_others_may_not() {
    let schema = TestSchema::prepared().await;
    let ann = add_user(&schema.sql, "ann").await;
    ensure_days(&schema.sql, &["2024-05-05"]).await;
    let user = ann.user_uuid;
    let window = "'2024-05-05Z', '2024-05-05 07:00Z'";
    let account = format!("'internal', '{user}'");
    let calls = [
        format!("sum_amount('{user}', {window}, 'sender')"),
        format!("sum_amount_of_account({account}, {window}, 'sender')"),
        format!("moments('{user}', {window}, 'sender')"),
        format!("moments_of_account({account}, {window}, 'sender')"),
        format!("balance('{user}')"),
        format!("balance_of_account({account})"),
        format!("sum_series('{user}', {window}, 'sender', 'hour')"),
        format!("sum_series_of_account({account}, {window}, 'sender', 'hour')"),
        format!("sum_series_of_all({window}, 'hour')"),
        format!("rank_users({window}, 'sender', include_idle => true)"),
        format!("rank_accounts('internal', {window}, 'sender', 'stddev_sample')"),
    ];
    for role in [ClusterRole::Reader, ClusterRole::Client, ClusterRole::Service] {
        // Without the schema in the path, and with somebody else's names in front of it.
        let client = sql(shared().connection(role), "pg_temp").await;
        for call in &calls {
            let text = format!("SELECT * FROM {}.{call}", schema.target.schema);
            client.batch_execute(&text).await.unwrap_or_else(|error| panic!("{text}: {error:?}"));
        }
        for view in VIEWS {
            let text = format!("SELECT FROM {}.{view}", schema.target.schema);
            client.batch_execute(&text).await.unwrap_or_else(|error| panic!("{text}: {error:?}"));
        }
    }
    let open = "SELECT count(*) FROM pg_proc p, aclexplode(coalesce(p.proacl,
            acldefault('f', p.proowner))) a
        WHERE p.pronamespace = current_schema::regnamespace AND a.grantee = 0
          AND p.proname = ANY ($1)";
    let names: Vec<&str> = calls.iter().map(|call| call.split('(').next().unwrap()).collect();
    assert_eq!(schema.sql.query_one(open, &[&names]).await.unwrap().get::<_, i64>(0), 0);
    let helpers =
        vec!["cell_sum", "cell_parts", "stored_total", "window_total", "moved_by_account"];
    assert_eq!(schema.sql.query_one(open, &[&helpers]).await.unwrap().get::<_, i64>(0), 0);
}

/// A snapshot that is older than a drop: the rows of the day are gone for it too, and nothing is
/// answered without them.
#[tokio::test]
async fn days_that_go_behind_a_snapshot_are_missed() {
    let schema = TestSchema::prepared().await;
    ensure_days(&schema.sql, &["2024-05-05", "2024-05-06"]).await;
    let (ann, bob) = (add_user(&schema.sql, "ann").await, add_user(&schema.sql, "bob").await);
    add(&schema.sql, "2024-05-05T01:00:00Z", ann.account_id, bob.account_id, "1.5").await;
    let reader = schema.sql_as(ClusterRole::Reader).await;
    let rank = "SELECT sum(value)::text FROM rank_users('2024-05-05Z', '2024-05-05 02:00Z',
        'sender')";
    assert_eq!(one::<String>(&reader, rank).await, "1.50000");
    reader.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM users").await.unwrap();
    one::<Option<chrono::NaiveDate>>(&schema.sql, "SELECT drop_day_before('2024-05-06')").await;
    assert_eq!(refusal(&reader, rank).await, "55000");
    reader.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(refusal(&reader, rank).await, "55000");
    // One that was dropped by hand, and that nobody has noted.
    schema.drop_day("2024-05-06".parse().unwrap()).await;
    let next = "SELECT FROM rank_users('2024-05-06Z', '2024-05-06 02:00Z', 'sender')";
    assert_eq!(refusal(&reader, next).await, "55000");
}

/// Zones whose clocks do what clocks do: some are changed at midnight, one left a day out.
const ZONES: [&str; 17] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Havana",
    "America/Sao_Paulo",
    "America/Asuncion",
    "America/Scoresbysund",
    "America/St_Johns",
    "Asia/Beirut",
    "Asia/Gaza",
    "Asia/Tehran",
    "Asia/Kathmandu",
    "Africa/Cairo",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Kwajalein",
    "Etc/GMT+5",
];

/// Units with their seconds, about.
const UNITS: [(&str, BucketUnit, i64); 6] = [
    ("minute", BucketUnit::Minute, 60),
    ("hour", BucketUnit::Hour, 3_600),
    ("day", BucketUnit::Day, 86_400),
    ("week", BucketUnit::Week, 7 * 86_400),
    ("month", BucketUnit::Month, 30 * 86_400),
    ("year", BucketUnit::Year, 365 * 86_400),
];

/// Buckets of a window begin where the rpc has them begin, or are refused as there.
async fn check_edges(
    sql: &Client,
    window: Window,
    (name, unit, count): (&str, BucketUnit, u32),
    zone: &str,
) {
    let size = BucketSize::new(unit, count).unwrap();
    let expected = edges(window, size, time_zone(zone).unwrap());
    let count = i32::try_from(count).unwrap();
    let params = [&window.start() as _, &window.end() as _, &name as _, &zone as _, &count as _];
    let found = sql.query_one("SELECT bucket_edges($1, $2, $3, $4, $5)", &params).await;
    let what = format!("{window:?} {name} {count} {zone}");
    match (expected, found) {
        (Ok(expected), Ok(row)) => {
            assert_eq!(row.get::<_, Vec<DateTime<Utc>>>(0), expected, "{what}");
        }
        (Err(_), Err(error)) => assert_eq!(state(&error), "22023", "{what}"),
        (expected, found) => panic!("{what}: {expected:?} {found:?}"),
    }
}

#[tokio::test]
async fn buckets_are_those_of_the_rpc() {
    let schema = TestSchema::prepared().await;
    let mut rng = random();
    let instant = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
    // 1970 to 2020: rules that no release of the zones changes any more.
    let last = 1_577_836_800;
    for round in 0..200 {
        let (name, unit, seconds) = UNITS[rng.random_range(0..UNITS.len())];
        let count = if rng.random_bool(0.6) { 1 } else { rng.random_range(2..50) };
        let start = rng.random_range(0..last);
        let length = rng.random_range(1..300) * seconds * i64::from(count) / 3 + 1;
        let window = Window::new(instant(start), instant((start + length).min(last)));
        let zone = ZONES[round % ZONES.len()];
        check_edges(&schema.sql, window.unwrap(), (name, unit, count), zone).await;
    }
    // Every day of years in which clocks were changed at midnight.
    for (zone, first) in [
        ("America/Havana", "1999-01-01"),
        ("America/Sao_Paulo", "2000-01-01"),
        ("Asia/Beirut", "2005-01-01"),
        ("Asia/Gaza", "2010-01-01"),
        ("Pacific/Apia", "2011-01-01"),
        ("Pacific/Kwajalein", "1993-01-01"),
    ] {
        let start = at(&format!("{first}T00:00:00Z"));
        let window = Window::new(start, start + TimeDelta::days(400)).unwrap();
        check_edges(&schema.sql, window, ("day", BucketUnit::Day, 1), zone).await;
        check_edges(&schema.sql, window, ("hour", BucketUnit::Hour, 5), zone).await;
    }
    // The year 1 begins before it does in UTC, or after.
    for zone in ["America/New_York", "Asia/Tehran"] {
        let window = Window::new(at(ALL_TIME.0), at("0002-03-01T00:00:00Z")).unwrap();
        for (name, unit, _) in UNITS {
            check_edges(&schema.sql, window, (name, unit, 3), zone).await;
        }
    }
}

/// The service sees to it that what is asked about is there.
async fn folded(service: &TestService) -> u64 {
    seal_once(&service.database, SEALED_ROWS_MAX).await.unwrap()
}
