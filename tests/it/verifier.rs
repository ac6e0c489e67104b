//! The background verifier: finds nothing where nothing is wrong, whatever goes on beside it,
//! and finds what is wrong.

use std::time::Duration;

use chrono::{DateTime, Days, Utc};
use daybook::{
    cluster::{Cluster, ClusterRole, ServerState},
    config::ServeSettings,
    domain::running_total::{
        cell::{Cell, Part},
        sums::Sums,
        whole::Whole,
    },
    grpc::pb::v1::VerifierStatus,
    seed::{SeedPlan, seed},
    store::DatabaseTarget,
    upkeep::{
        price_folding::fold_all,
        sealing::{SEALED_ROWS_MAX, seal_once},
        verifier::{Verifier, VerifierCounts},
    },
    workers,
};
use rustix::process::{Pid, Signal, kill_process};
use tokio::task::JoinHandle;
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

use crate::{
    get_status::status,
    list_prices::leaf,
    rank_symbols::make_symbols_of_two_groups,
    support::{
        cluster::{TestFolder, eventually},
        schema::{TestSchema, day, one, statement_text},
        service::{TestService, new_target, settings},
    },
};

/// Most checks until something that is wrong must be found.
const CHECKS_MAX: usize = 5_000;

/// A few users with trees of several leaves.
async fn seeded(target: DatabaseTarget, settings: ServeSettings) -> TestSchema {
    let schema = TestSchema::prepared_on(target, settings).await;
    let plan = SeedPlan {
        user_count: 6,
        transaction_count: 3_000,
        first_day: day("2024-05-05"),
        day_count: 3,
        seed_number: 1,
        is_skewed: false,
    };
    seed(&schema.database, Some(plan), 1, &schema.settings.partitions).await.unwrap();
    schema
}

fn verifier(schema: &TestSchema, counts: &VerifierCounts) -> Verifier {
    Verifier::new(&schema.target, &schema.settings.pool, counts.clone()).unwrap()
}

/// A verifier that works as it does beside the requests.
fn run(
    schema: &TestSchema,
    counts: &VerifierCounts,
    interval: Duration,
) -> (CancellationToken, JoinHandle<()>) {
    let stop = CancellationToken::new();
    let running = workers::verifier::run(verifier(schema, counts), interval, stop.clone());
    (stop, tokio::spawn(running))
}

/// Writes rows of every age, changes some and takes some away.
async fn write(sql: &Client, round: i32) {
    let text = format!(
        "INSERT INTO transactions (occurred_at, sender_id, receiver_id, asset_id, amount)
         SELECT '2024-05-05'::timestamptz + random() * interval '3 days',
             1 + (random() * 5)::int, 1 + (random() * 5)::int, 1, (random() * 1000)::numeric(9, 5)
         FROM generate_series(1, 30);
         UPDATE transactions SET amount = amount + 1
         WHERE occurred_at >= '2024-05-05' AND occurred_at < '2024-05-08'
           AND extract(minute FROM occurred_at) = {0} % 60;
         DELETE FROM transactions
         WHERE occurred_at >= '2024-05-06' AND occurred_at < '2024-05-07'
           AND extract(minute FROM occurred_at) = ({0} + 30) % 60",
        round
    );
    sql.batch_execute(&text).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_found_while_writers_write_and_rows_are_sealed() {
    let schema = seeded(new_target(), settings()).await;
    let (stop, counts) = (CancellationToken::new(), VerifierCounts::default());
    let (sql, told) = (schema.more_sql().await, stop.clone());
    let writer = tokio::spawn(async move {
        let mut round = 0;
        while !told.is_cancelled() {
            write(&sql, round).await;
            round += 1;
        }
        round
    });
    let (database, told) = (schema.database.clone(), stop.clone());
    let sealer = tokio::spawn(async move {
        let mut sealed = 0;
        while !told.is_cancelled() {
            sealed += seal_once(&database, SEALED_ROWS_MAX).await.unwrap();
        }
        sealed
    });
    let mut verifier = verifier(&schema, &counts);
    for _ in 0..600 {
        verifier.check().await.unwrap();
    }
    stop.cancel();
    let (rounds, sealed) = (writer.await.unwrap(), sealer.await.unwrap());
    eprintln!("{rounds} rounds of writes, {sealed} corrections sealed");
    assert!(rounds > 3 && sealed > 100, "{rounds} rounds, {sealed} sealed");
    let found = counts.read();
    assert!(found.checks > 500, "{found:?}");
    assert_eq!(found.mismatches, 0);
    verifier.end().await;
}

/// What a cell is replaced by.
fn wrong(bytes: &[u8]) -> Vec<u8> {
    let mut cell = Cell::decode(bytes).unwrap();
    let Part { key, sums } = cell.parts.first_mut().unwrap();
    // Another amount in each cell, so that two of them do not make up for each other.
    let amount = Whole::Small(1 + i128::from(*key).rem_euclid(997));
    sums.add(&Sums { count: 0, sum: amount, squares: Whole::Small(0) });
    cell.encode()
}

/// Replaces the cells of these rows.
async fn corrupt(sql: &Client, table: &str, condition: &str, wrong: fn(&[u8]) -> Vec<u8>) {
    let text = format!("SELECT ctid::text, cell FROM {table} WHERE {condition}");
    let rows = sql.query(&text, &[]).await.unwrap();
    assert!(!rows.is_empty(), "{table} where {condition}");
    for row in rows {
        let place: &str = row.get("ctid");
        let text = format!("UPDATE {table} SET cell = $1 WHERE ctid = '{place}'");
        assert_eq!(sql.execute(&text, &[&wrong(row.get("cell"))]).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn what_does_not_agree_is_found_and_told() {
    let schema = seeded(new_target(), settings()).await;
    let service = TestService::start_with(schema.target.clone(), schema.settings.clone()).await;
    // One in the middle.
    let leaf = "account_id = 3 AND direction = 1 AND level = 0 AND start_at = (
        SELECT start_at FROM running_totals
        WHERE account_id = 3 AND direction = 1 AND level = 0
        ORDER BY start_at OFFSET 3 LIMIT 1)";
    let day_cell = "level = 0 AND direction = 0 AND span_number = date '2024-05-06' - '1970-01-01'";
    let unreadable = |_: &[u8]| vec![1, 2, 3];
    for (what, table, condition, wrong) in [
        ("a leaf", "running_totals", leaf, wrong as fn(&[u8]) -> Vec<u8>),
        ("everybody's leaves", "running_totals", "account_id = 0 AND level = 0", wrong),
        ("a day", "day_totals", day_cell, wrong),
        ("a leaf that cannot be read", "running_totals", leaf, unreadable),
        ("a day that cannot be read", "day_totals", day_cell, unreadable),
    ] {
        let kept = format!("CREATE TABLE kept AS SELECT {table} FROM {table} WHERE {condition}");
        schema.sql.batch_execute(&kept).await.unwrap();
        corrupt(&schema.sql, table, condition, wrong).await;
        let before = service.verified.read();
        let mut verifier = verifier(&schema, &service.verified);
        let mut checks = 0;
        while service.verified.read().mismatches == before.mismatches {
            assert!(checks < CHECKS_MAX, "{what} was not found");
            verifier.check().await.unwrap();
            checks += 1;
        }
        verifier.end().await;
        eprintln!("{what} was found by check {checks}");
        let told = status(&service).await.verifier.unwrap();
        assert_eq!(told.mismatches.unsigned_abs(), before.mismatches + 1, "{what}");
        assert!(told.checks > 0 && told.last_checked_at.is_some() && !told.is_running, "{told:?}");
        // Nothing was repaired, so the test does it.
        let still =
            format!("SELECT count(*) FROM {table} t, kept k WHERE (k.{table}) = t AND {condition}");
        assert_eq!(one::<i64>(&schema.sql, &still).await, 0, "{what}");
        let restore = format!(
            "DELETE FROM {table} WHERE {condition};
             INSERT INTO {table} SELECT (k.{table}).* FROM kept k;
             DROP TABLE kept"
        );
        schema.sql.batch_execute(&restore).await.unwrap();
    }
}

/// A tick each minute of three symbols in two groups, for a day; and a day without any.
async fn with_prices() -> TestService {
    let service = TestService::start().await;
    make_symbols_of_two_groups(&service).await;
    let text = "INSERT INTO prices (symbol_id, ticked_at, price)
        SELECT s, '2024-05-01T00:00:00.5Z'::timestamptz + n * interval '1 minute', 100 + n % 17
        FROM generate_series(0, 1439) AS n, generate_series(126, 128) AS s";
    service.sql.execute(text, &[]).await.unwrap();
    fold_all(&service.database).await.unwrap();
    service
}

#[tokio::test]
async fn cells_of_prices_that_do_not_agree_are_found() {
    let service = with_prices().await;
    let mut verifier =
        Verifier::new(&service.target, &settings().pool, service.verified.clone()).unwrap();
    for _ in 0..200 {
        verifier.check().await.unwrap();
    }
    let before = service.verified.read();
    assert!(before.checks >= 20, "one in eight is about prices: {before:?}");
    assert_eq!(before.mismatches, 0);
    // What is not folded is no mismatch.
    service.sql.batch_execute("UPDATE prices SET price = price + 1").await.unwrap();
    for _ in 0..100 {
        verifier.check().await.unwrap();
    }
    assert_eq!(service.verified.read().mismatches, 0);
    fold_all(&service.database).await.unwrap();
    for (what, harm) in [
        ("units that cannot be read", "cell = '\\x00' WHERE level = 0"),
        ("packed ticks that cannot be read", "brief = '\\x00' WHERE level = 0"),
        ("another unit's totals", "cell = {next} WHERE level = 0"),
        ("another unit's ticks", "brief = {next} WHERE level = 0"),
        ("another short span's totals", "cell = {next} WHERE level = 1"),
        ("another span's totals", "cell = {next} WHERE level IN (3, 4)"),
        ("another span's brief", "brief = {next} WHERE level IN (2, 3)"),
        ("the longest spans", "cell = '\\x00' WHERE level > 6"),
    ] {
        let column = &harm[..harm.find(' ').unwrap()];
        let next = format!(
            "coalesce((SELECT n.{column} FROM price_totals n
                WHERE n.level = t.level AND n.symbol_group = t.symbol_group
                  AND n.span_number = t.span_number + 1), '\\x00')"
        );
        let text = format!(
            "CREATE TABLE kept AS SELECT level, span_number, symbol_group, cell, brief
                FROM price_totals;
             UPDATE price_totals t SET rewrites = rewrites + 1, {}",
            harm.replace("{next}", &next)
        );
        service.sql.batch_execute(&text).await.unwrap();
        let before = service.verified.read();
        let mut checks = 0;
        while service.verified.read().mismatches == before.mismatches {
            assert!(checks < CHECKS_MAX, "{what}: not found");
            verifier.check().await.unwrap();
            checks += 1;
        }
        eprintln!("{what}: found by check {checks}");
        let restore =
            "UPDATE price_totals t SET rewrites = rewrites + 1, cell = k.cell, brief = k.brief
            FROM kept k
            WHERE (k.level, k.span_number, k.symbol_group)
                = (t.level, t.span_number, t.symbol_group);
            DROP TABLE kept";
        service.sql.batch_execute(restore).await.unwrap();
    }
    verifier.end().await;
    assert!(service.end().await);
}

#[tokio::test]
async fn prices_of_a_day_that_is_gone_are_passed_over() {
    let service = with_prices().await;
    let leaf = leaf(&service, "2024-05-01").await;
    service.sql.batch_execute(&format!("DROP TABLE {leaf}")).await.unwrap();
    let mut verifier =
        Verifier::new(&service.target, &settings().pool, service.verified.clone()).unwrap();
    for _ in 0..400 {
        verifier.check().await.unwrap();
    }
    let found = service.verified.read();
    assert!(found.checks > 0, "longer spans are held against shorter ones");
    assert_eq!(found.mismatches, 0);
    verifier.end().await;
    assert!(service.end().await);
}

#[tokio::test]
async fn days_that_are_gone_are_passed_over() {
    let schema = seeded(new_target(), settings()).await;
    let counts = VerifierCounts::default();
    let mut verifier = verifier(&schema, &counts);
    schema.sql.batch_execute("SELECT drop_day_before('2024-05-06')").await.unwrap();
    // Nobody has noted this one when the checks begin.
    schema.drop_day(day("2024-05-06")).await;
    for _ in 0..200 {
        verifier.check().await.unwrap();
    }
    let found = counts.read();
    assert!(found.checks > 50, "{found:?}");
    assert_eq!(found.mismatches, 0);
    assert_eq!(one::<i64>(&schema.sql, "SELECT count(*) FROM absent_days").await, 2);
    verifier.end().await;
}

#[tokio::test]
async fn an_empty_ledger_is_no_reason_to_count_or_to_fail() {
    let schema = TestSchema::prepared().await;
    let counts = VerifierCounts::default();
    let mut verifier = verifier(&schema, &counts);
    for _ in 0..32 {
        verifier.check().await.unwrap();
    }
    assert_eq!(counts.read().checks, 0);
    verifier.end().await;
}

#[tokio::test]
async fn the_window_of_a_check_lies_in_a_cell_and_is_short() {
    let schema = seeded(new_target(), settings()).await;
    let far: Vec<_> = (0..60).map(|n| day("2023-06-01") + Days::new(n)).collect();
    schema.ensure(&far).await;
    let pick = statement_text("verifier_pick");
    for (of_all, reach, longest) in [(false, 345_600.0, 691_200.0), (true, 1_800.0, 3_600.0)] {
        let mut seen = 0.0f64;
        for _ in 0..200 {
            let rows = schema.sql.query(&pick, &[&of_all, &reach]).await.unwrap();
            for row in &rows {
                let (start, end): (DateTime<Utc>, DateTime<Utc>) =
                    (row.get("start_at"), row.get("end_at"));
                assert!(start < end, "{start} {end}");
                assert_eq!(row.get::<_, i64>("account_id") == 0, of_all);
                seen = seen.max((end - start).as_seconds_f64());
            }
        }
        assert!(seen > 0.0 && seen <= longest, "{seen}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_goes_on_after_an_outage_and_ends_when_told() {
    let folder = TestFolder::initialised();
    let cluster: Cluster = folder.start().await;
    let target =
        DatabaseTarget::plain(cluster.connection(ClusterRole::Owner), "daybook".to_owned());
    let schema = seeded(target.clone(), settings()).await;
    let service = TestService::start_with(target, settings()).await;
    let counts = &service.verified;
    let (stop, task) = run(&schema, counts, Duration::from_millis(1));
    eventually("it has checked", async || counts.read().checks > 5).await;
    let told = status(&service).await.verifier.unwrap();
    assert!(told.is_running && told.checks > 5 && told.last_checked_at.is_some(), "{told:?}");
    let killed = folder.postmaster().unwrap();
    let pid = Pid::from_raw(killed.cast_signed()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    let mut state = cluster.state();
    let is_another =
        |state: &ServerState| matches!(state, ServerState::Running { pid } if *pid != Some(killed));
    state.wait_for(is_another).await.unwrap();
    let before = counts.read().checks;
    eventually("it checks again", async || counts.read().checks > before + 5).await;
    stop.cancel();
    task.await.unwrap();
    let told = status(&service).await.verifier.unwrap();
    assert!(!told.is_running, "{told:?}");
    assert_eq!(told.mismatches, 0);
    assert_ne!(told, VerifierStatus::default());
    cluster.stop().await.unwrap();
}
