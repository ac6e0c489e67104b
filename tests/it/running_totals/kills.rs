//! Sealing that is cut off at any moment loses nothing and counts nothing twice; two sealers
//! never work at once.

use std::time::{Duration, Instant};

use daybook::{
    cluster::ClusterRole,
    store::{
        Database, DatabaseTarget,
        sealing::{self, Sealed},
    },
    upkeep::sealing::{SEALED_ROWS_MAX, Sealing, seal_once},
};
use rand::RngExt;
use rustix::process::{Pid, Signal, kill_process};
use tokio_postgres::Client;

use super::{DAYS, ROWS};
use crate::support::{
    cluster::{TestFolder, connect, eventually, try_connect},
    random::random,
    schema::{TestSchema, one, state},
    service::{TestService, settings},
    totals::Totals,
};

/// Cuts that must hit a sealer at work.
const CUTS: usize = 25;

/// Rows on many days and accounts, so that a seal goes through many statements.
async fn write_many(totals: &Totals, number: usize) {
    let text = format!(
        "INSERT INTO transactions (occurred_at, sender_id, receiver_id, asset_id, amount)
         SELECT timestamptz '2024-05-05 00:00Z' + (random() * 259199) * interval '1 second',
             CASE WHEN n % 3 = 0 THEN {{b}} ELSE {{a}} END, {{c}}, 1, n + {number}::numeric / 7
         FROM generate_series(1, 150) AS n;
         DELETE FROM transactions WHERE transaction_id IN
             (SELECT transaction_id FROM transactions ORDER BY amount LIMIT 10);
         UPDATE transactions SET amount = amount + 1 WHERE transaction_id IN
             (SELECT transaction_id FROM transactions ORDER BY transaction_id LIMIT 10)"
    );
    totals.run(&text).await;
}

/// Ends a sealer's session from the server's side.
async fn terminate(sql: &Client, name: &str) -> bool {
    let text = "SELECT coalesce(bool_or(pg_terminate_backend(pid)), false)
        FROM pg_stat_activity WHERE application_name = $1";
    sql.query_one(text, &[&name]).await.unwrap().get(0)
}

/// Where nothing is locked any more by a sealer that was cut off.
async fn gone(sql: &Client, name: &str) {
    eventually("the sealer is gone", async || {
        let text = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1";
        sql.query_one(text, &[&name]).await.unwrap().get::<_, i64>(0) == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sealer_that_is_cut_off_at_any_moment_loses_nothing_and_counts_nothing_twice() {
    let totals = Totals::new(&DAYS).await;
    let name = format!("sealer of {}", totals.service.target.schema);
    let database = totals.service.database.renamed(&name);
    let sql = totals.more_sql().await;
    let mut random = random();
    totals.run(ROWS).await;
    write_many(&totals, 0).await;
    let begun_at = Instant::now();
    totals.seal().await;
    let mut whole = begun_at.elapsed();
    let (mut cuts, mut tries) = (0, 0);
    while cuts < CUTS {
        tries += 1;
        assert!(tries < 40 * CUTS, "only {cuts} of {tries} tries hit a sealer at work");
        if totals.corrections().await < 150 {
            write_many(&totals, tries).await;
        }
        let before = totals.corrections().await;
        let moment = whole.mul_f64(random.random_range(0.0..1.1));
        let by_server = random.random_bool(0.5);
        let begun_at = Instant::now();
        let sealer = database.clone();
        let mut task = tokio::spawn(async move { seal_once(&sealer, SEALED_ROWS_MAX).await });
        match tokio::time::timeout(moment, &mut task).await {
            Ok(_) => whole = begun_at.elapsed(),
            Err(_) if by_server => {
                terminate(&sql, &name).await;
                let _ = task.await.unwrap();
            }
            Err(_) => {
                // As by kill -9 of the client: the connection is just gone.
                task.abort();
                let _ = task.await;
            }
        }
        gone(&sql, &name).await;
        // All of them are folded or none, whatever was cut.
        let after = totals.corrections().await;
        assert!(after == 0 || after == before, "{after} of {before} corrections are left");
        cuts += usize::from(after == before);
        if cuts % 5 == 0 || after == 0 {
            totals.check("after a cut").await;
            assert_eq!(totals.audit().await, []);
        }
    }
    eprintln!("{tries} seals, {cuts} of them cut off");
    totals.check_sealing("after all cuts").await;
    // With nothing to fold, nothing is written.
    let before = totals.stored().await;
    assert_eq!(totals.seal().await, 0);
    assert_eq!(totals.stored().await, before);
}

/// A backend that is killed takes the whole server with it, which then recovers from its log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_crashes_while_it_seals_loses_nothing() {
    let folder = TestFolder::initialised();
    let cluster = folder.start().await;
    let config = cluster.connection(ClusterRole::Owner);
    let target = DatabaseTarget::plain(config, "daybook".to_owned());
    let service = TestService::start_with(target.clone(), settings()).await;
    let mut totals = Totals::over(service, &DAYS).await;
    totals.run(ROWS).await;
    // Held up before its first cell, and between the cells of accounts and those of days.
    for (round, table) in ["running_totals", "day_totals"].into_iter().enumerate() {
        write_many(&totals, round).await;
        let database = totals.service.database.renamed("the sealer");
        let admin = connect(&cluster.connection(ClusterRole::Superuser)).await;
        let hold = format!("BEGIN; LOCK TABLE daybook.{table} IN EXCLUSIVE MODE");
        admin.batch_execute(&hold).await.unwrap();
        let task = tokio::spawn(async move { seal_once(&database, SEALED_ROWS_MAX).await });
        let mut pid = None;
        eventually("the sealer waits", async || {
            let text = format!(
                "SELECT max(pid) FROM pg_locks
                 WHERE NOT granted AND relation = 'daybook.{table}'::regclass"
            );
            pid = one::<Option<i32>>(&admin, &text).await;
            pid.is_some()
        })
        .await;
        kill_process(Pid::from_raw(pid.unwrap()).unwrap(), Signal::KILL).unwrap();
        assert!(task.await.unwrap().is_err(), "the sealer was killed");
        eventually("all sessions have ended", async || admin.is_closed()).await;
        eventually("the server is back", async || {
            let config = cluster.connection(ClusterRole::Owner);
            let Ok(client) = try_connect(&config).await else { return false };
            client.simple_query("SELECT 1").await.is_ok()
        })
        .await;
        totals.service.sql = totals.more_sql().await;
        eventually("calls are answered", async || {
            let mut ledger = totals.ledger();
            ledger.list_users(daybook::grpc::pb::v1::ListUsersRequest::default()).await.is_ok()
        })
        .await;
        totals.check("after a crash").await;
        assert_eq!(totals.audit().await, [], "after a crash");
    }
    totals.check_sealing("after all crashes").await;
    drop(totals);
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn of_two_sealers_one_works_and_the_other_leaves_at_once() {
    let schema = TestSchema::prepared().await;
    let (first, second) = (schema.connect().await, schema.connect().await);
    let lock = "BEGIN; SELECT pg_advisory_xact_lock(
        hashtext('daybook.seal'), hashtext(current_schema()))";
    first.batch_execute(lock).await.unwrap();
    let begun_at = Instant::now();
    assert_eq!(sealing::seal(&second, 10).await.unwrap(), Sealed::Busy);
    assert_eq!(seal_once(&schema.database, SEALED_ROWS_MAX).await.unwrap(), 0);
    assert_eq!(
        Sealing::new(schema.database.clone(), schema.database.clone()).seal(1).await.unwrap(),
        0
    );
    assert!(begun_at.elapsed() < Duration::from_secs(2), "{:?}", begun_at.elapsed());
    // Its connection is of use again.
    first.batch_execute("COMMIT").await.unwrap();
    assert_eq!(sealing::seal(&second, 10).await.unwrap(), Sealed::Folded(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sealers_that_start_together_fold_each_correction_once() {
    let totals = Totals::new(&DAYS).await;
    totals.run(ROWS).await;
    for round in 0..5 {
        write_many(&totals, round).await;
        let before = totals.corrections().await;
        let databases: [Database; 4] = std::array::from_fn(|_| totals.service.database.clone());
        let sealers = databases.iter().map(|database| seal_once(database, SEALED_ROWS_MAX));
        let folded = futures_util::future::join_all(sealers).await;
        let folded: u64 = folded.into_iter().map(Result::unwrap).sum();
        let after = totals.corrections().await;
        assert_eq!(i64::try_from(folded).unwrap(), before - after);
        totals.check("after four sealers").await;
    }
    totals.check_sealing("at last").await;
}

#[tokio::test]
async fn a_tx_left_open_delays_no_sealer_and_a_sealer_no_writer() {
    let totals = Totals::new(&DAYS).await;
    totals.run(ROWS).await;
    let open = totals.more_sql().await;
    let insert = "INSERT INTO transactions (occurred_at, sender_id, receiver_id, asset_id, amount)
        VALUES ('2024-05-05 10:00Z', {a}, {b}, 1, 11)";
    totals.run_on(&open, &format!("BEGIN; {insert}")).await;
    let client = totals.service.database.connect().await.unwrap();
    client.batch_execute("SET lock_timeout = '1ms'").await.unwrap();
    assert_eq!(sealing::seal(&client, 100).await.unwrap(), Sealed::Folded(6));
    totals.check("while a writer's tx is open").await;

    // A sealer's tx that has taken everything and is left open: writers and readers go on.
    totals.run(insert).await;
    let sealer = totals.more_sql().await;
    let text = "BEGIN; SELECT pg_advisory_xact_lock(
            hashtext('daybook.seal'), hashtext(current_schema()));
        DELETE FROM corrections; LOCK TABLE running_totals, day_totals IN ROW EXCLUSIVE MODE;
        DELETE FROM running_totals; DELETE FROM day_totals";
    totals.run_on(&sealer, text).await;
    let writer = totals.more_sql().await;
    let text = format!(
        "SET lock_timeout = '1ms'; {insert}; UPDATE transactions SET amount = 21 WHERE amount = 20;
         DELETE FROM transactions WHERE amount = 21"
    );
    totals.run_on(&writer, &text).await;
    totals.check("while a sealer's tx is open").await;
    totals.run_on(&open, "COMMIT").await;
    totals.check("while a sealer's tx is open, and a writer's was committed").await;
    totals.run_on(&sealer, "ROLLBACK").await;
    totals.check_sealing("after all").await;
}

/// Sealing takes a bounded number of rows a tx; what is left is found the next time.
#[tokio::test]
async fn a_seal_folds_so_many_rows_and_leaves_the_others() {
    let totals = Totals::new(&DAYS).await;
    totals.run(ROWS).await;
    let client = totals.service.database.connect().await.unwrap();
    for left in [5, 4, 3, 2, 1, 0] {
        assert_eq!(sealing::seal(&client, 1).await.unwrap(), Sealed::Folded(1));
        assert_eq!(totals.corrections().await, left);
        totals.check("one more").await;
        assert_eq!(totals.audit().await, []);
    }
    assert_eq!(sealing::seal(&client, 1).await.unwrap(), Sealed::Folded(0));
}

/// A tx of a server whose sessions are stricter than usual: refused rather than wrong.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sealers_with_stricter_isolation_are_right_or_refused() {
    let totals = Totals::new(&DAYS).await;
    for level in ["repeatable read", "serializable"] {
        write_many(&totals, 1).await;
        let mut sealers = Vec::new();
        for _ in 0..3 {
            let client = totals.service.database.connect().await.unwrap();
            let text = format!("SET default_transaction_isolation = '{level}'");
            client.batch_execute(&text).await.unwrap();
            sealers.push(tokio::spawn(async move {
                for _ in 0..10 {
                    // A conflict is no loss: the next round folds what was left.
                    let _ = sealing::seal(&client, 40).await;
                    let _ = client.batch_execute("ROLLBACK").await;
                }
            }));
        }
        for sealer in sealers {
            sealer.await.unwrap();
        }
        totals.check(level).await;
        assert_eq!(totals.audit().await, [], "{level}");
    }
    totals.check_sealing("at last").await;
    let error = totals.service.sql.batch_execute("SELECT 1 / 0").await.unwrap_err();
    assert_eq!(state(&error), "22012");
}
