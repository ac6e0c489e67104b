//! Snapshots: several statements that see one state, and connections that never go back to
//! the pool inside a tx.

use std::time::Duration;

use daybook::{
    analytics::{
        Analytics,
        histogram::{HistogramQuestion, SeriesSubject},
    },
    domain::{access::Scope, direction::Direction, window::Window},
    error::ErrorKind,
    store::{Database, Snapshot, statement::Statement},
};
use tokio_postgres::{Client, Row};

use crate::support::{
    cluster::eventually,
    ledger::add_user,
    schema::{TestSchema, one},
    service::{new_target, settings},
};

const COUNT: Statement = Statement {
    stem: "count",
    text: "SELECT count(*) AS users, pg_backend_pid() AS pid, \
           current_setting('transaction_isolation') AS isolation, \
           current_setting('transaction_read_only') AS read_only FROM users",
};
const WRONG: Statement = Statement { stem: "wrong", text: "SELECT 1 / 0" };
const WRITES: Statement = Statement { stem: "writes", text: "DELETE FROM users" };
const SLEEPS: Statement = Statement { stem: "sleeps", text: "SELECT pg_sleep(600)" };

async fn schema() -> TestSchema {
    let mut settings = settings();
    settings.pool.pool_size = 1;
    TestSchema::prepared_on(new_target(), settings).await
}

async fn count(snapshot: &Snapshot) -> Row {
    snapshot.rows(COUNT, &[]).await.unwrap().remove(0)
}

/// The process that serves the pool's one connection, which must not be in a tx.
async fn serving(database: &Database) -> i32 {
    let snapshot = database.snapshot().await.unwrap();
    let row = count(&snapshot).await;
    snapshot.end().await.unwrap();
    row.get("pid")
}

/// Waits until a process has gone.
async fn until_gone(sql: &Client, pid: i32) {
    let text = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}");
    eventually("the process is gone", async || one::<i64>(sql, &text).await == 0).await;
}

#[tokio::test]
async fn a_snapshot_sees_one_state_and_gives_its_connection_back() {
    let schema = schema().await;
    let snapshot = schema.database.snapshot().await.unwrap();
    let before = count(&snapshot).await;
    add_user(&schema.sql, "ann").await;
    let (second, third) = futures_util::join!(count(&snapshot), count(&snapshot));
    let took = snapshot.end().await.unwrap();
    assert!(took > Duration::ZERO);
    for row in [&before, &second, &third] {
        assert_eq!(row.get::<_, i64>("users"), 0);
        assert_eq!(row.get::<_, &str>("isolation"), "repeatable read");
        assert_eq!(row.get::<_, &str>("read_only"), "on");
    }
    let pid: i32 = before.get("pid");
    let snapshot = schema.database.snapshot().await.unwrap();
    let after = count(&snapshot).await;
    assert_eq!((after.get::<_, i64>("users"), after.get::<_, i32>("pid")), (1, pid));
    snapshot.end().await.unwrap();
    let text = format!("SELECT state FROM pg_stat_activity WHERE pid = {pid}");
    assert_eq!(one::<String>(&schema.sql, &text).await, "idle");
}

#[tokio::test]
async fn a_snapshot_that_fails_or_is_left_takes_its_connection_along() {
    let schema = schema().await;
    let (database, sql) = (&schema.database, &schema.sql);
    add_user(sql, "ann").await;
    for statement in [Some(WRONG), Some(WRITES), None] {
        let before = serving(database).await;
        let snapshot = database.snapshot().await.unwrap();
        count(&snapshot).await;
        if let Some(statement) = statement {
            snapshot.rows(statement, &[]).await.unwrap_err();
        }
        drop(snapshot);
        assert_ne!(serving(database).await, before, "{statement:?}");
        until_gone(sql, before).await;
    }
    // Dropped in the middle of a statement.
    let before = serving(database).await;
    let snapshot = database.snapshot().await.unwrap();
    let limit = Duration::from_millis(50);
    tokio::time::timeout(limit, snapshot.rows(SLEEPS, &[])).await.unwrap_err();
    drop(snapshot);
    assert_ne!(serving(database).await, before);
    until_gone(sql, before).await;
    assert_eq!(one::<i64>(sql, "SELECT count(*) FROM users").await, 1);
}

#[tokio::test]
async fn a_failed_snapshot_that_is_ended_leaves_no_tx_behind() {
    let schema = schema().await;
    let snapshot = schema.database.snapshot().await.unwrap();
    let pid: i32 = count(&snapshot).await.get("pid");
    snapshot.rows(WRONG, &[]).await.unwrap_err();
    snapshot.end().await.unwrap();
    assert_eq!(serving(&schema.database).await, pid);
}

#[tokio::test]
async fn a_dead_connection_is_replaced_when_a_snapshot_begins() {
    let schema = schema().await;
    let before = serving(&schema.database).await;
    let text = format!("SELECT pg_terminate_backend({before}, 5000)");
    assert!(one::<bool>(&schema.sql, &text).await);
    assert_ne!(serving(&schema.database).await, before);
}

#[tokio::test]
async fn a_refusal_gives_its_connection_back() {
    let schema = schema().await;
    let absent = "INSERT INTO absent_days (day, is_dropped) VALUES (current_date, true)";
    schema.sql.batch_execute(absent).await.unwrap();
    let analytics = Analytics::new(schema.database.clone());
    let question = HistogramQuestion {
        subject: SeriesSubject::All,
        scope: Scope::Everybody,
        asset: analytics.find_asset("").await.unwrap().unwrap(),
        window: Window::before(None),
        direction: Direction::Sender,
        bounds: Vec::new(),
        rows_max: 10,
    };
    let before = serving(&schema.database).await;
    let refused = analytics.histogram(&question).await.unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::FailedPrecondition(_)), "{refused:?}");
    assert_eq!(serving(&schema.database).await, before);
}
