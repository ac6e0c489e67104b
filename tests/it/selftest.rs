//! The selftest as a library function: it finds nothing where nothing is wrong, finds what is
//! wrong, and leaves nothing behind.

use daybook::{
    selftest::{self, SelftestOutcome, SelftestSettings},
    store::{DatabaseTarget, selftest::Outsider},
};
use tokio::task::JoinHandle;
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

use crate::support::{
    cluster::{connect, eventually},
    schema::TestSchema,
    service::{new_target, settings},
};

/// Operations of a whole run.
const OPERATIONS: u64 = 5_000;

/// A selftest under way, and a connection of somebody else's to its schema.
struct Running {
    target: DatabaseTarget,
    sql: Client,
    stop: CancellationToken,
    task: JoinHandle<SelftestOutcome>,
}

impl Running {
    async fn start(operations: u64) -> Self {
        let seed = std::env::var("DAYBOOK_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(rand::random);
        eprintln!("replay with DAYBOOK_TEST_SEED={seed}");
        let target = new_target();
        let mut config = target.config.clone();
        config.options(format!("-c search_path={} -c timezone=UTC", target.schema));
        let sql = connect(&config).await;
        let pool = settings().pool;
        let settings = SelftestSettings { operations, seed, writers: 3, is_kept: false, pool };
        let stop = CancellationToken::new();
        let (told, to) = (stop.clone(), target.clone());
        let task = tokio::spawn(async move { selftest::run(&to, &settings, &told).await.unwrap() });
        Self { target, sql, stop, task }
    }

    /// Waits until the selftest has written so many rows.
    async fn rows(&self, count: i64) {
        eventually("there are rows", async || {
            let text = "SELECT count(*) FROM transactions";
            // The table need not be there yet.
            let found = self.sql.query_one(text, &[]).await;
            found.is_ok_and(|row| row.get::<_, i64>(0) >= count)
        })
        .await;
    }

    /// Waits for the end; its schema must be gone, and what pg_partman knew of it.
    async fn end(self) -> SelftestOutcome {
        let outcome = self.task.await.unwrap();
        let text = "SELECT (SELECT count(*) FROM pg_namespace WHERE nspname = $1)
            + (SELECT count(*) FROM partman.part_config
               WHERE parent_table = $1 || '.transactions')";
        let left: i64 = self.sql.query_one(text, &[&self.target.schema]).await.unwrap().get(0);
        assert_eq!(left, 0, "the schema {} is still there", self.target.schema);
        outcome
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_selftest_finds_nothing_wrong_and_leaves_nothing_behind() {
    let outcome = Running::start(OPERATIONS).await.end().await;
    assert!(outcome.mismatch.is_none(), "{:?}", outcome.mismatch);
    assert!(!outcome.is_stopped);
    let counts = outcome.counts;
    assert!(counts.operations >= OPERATIONS && counts.questions > OPERATIONS / 4, "{counts:?}");
    for kind in ["write", "write in a long tx", "seal", "rank of users", "steady sum"] {
        assert!(counts.by_kind.contains_key(kind), "no {kind}: {counts:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_selftest_sees_what_was_changed_behind_its_back() {
    let running = Running::start(100 * OPERATIONS).await;
    running.rows(200).await;
    // Partition by partition, where the triggers of the parent see nothing.
    let changed = "DO $$
        DECLARE leaf regclass;
        BEGIN
            FOR leaf IN SELECT b.leaf FROM partition_bounds('transactions') b LOOP
                EXECUTE format('UPDATE %1$s SET amount = amount + 1 WHERE ctid = ANY (ARRAY(
                    SELECT ctid FROM %1$s FOR UPDATE SKIP LOCKED))', leaf);
            END LOOP;
        END $$";
    running.sql.batch_execute(changed).await.unwrap();
    let outcome = running.end().await;
    let mismatch = outcome.mismatch.unwrap();
    assert_ne!(mismatch.expected, mismatch.found);
    assert!((1..=outcome.counts.operations).contains(&mismatch.operation), "{mismatch:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_selftest_that_is_stopped_leaves_nothing_behind() {
    let running = Running::start(100 * OPERATIONS).await;
    running.rows(1).await;
    running.stop.cancel();
    let outcome = running.end().await;
    assert!(outcome.is_stopped && outcome.mismatch.is_none());
}

#[tokio::test]
async fn only_connections_of_the_name_are_killed() {
    let schema = TestSchema::prepared().await;
    let named = schema.database.renamed(&format!("{} sealing", schema.target.schema));
    let (doomed, other) = (named.connect().await.unwrap(), schema.connect().await);
    let mut killer = Outsider::connect(&schema.database).await.unwrap();
    let killed = killer.kill(&format!("{} sealing", schema.target.schema)).await.unwrap();
    assert_eq!(killed, 1);
    eventually("it is gone", async || doomed.simple_query("SELECT 1").await.is_err()).await;
    other.simple_query("SELECT 1").await.unwrap();
}
