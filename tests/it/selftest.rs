//! The selftest as a library function: it finds nothing where nothing is wrong, finds what is
//! wrong, and leaves nothing behind.

use daybook::{
    analytics::{
        Analytics,
        rank::RankQuestion,
        sum_amount::{Subject, SumQuestion},
    },
    domain::{
        access::Scope, direction::Direction, metric::Metric, ranking::RankOrder, window::Window,
    },
    selftest::{self, SelftestOutcome, SelftestSettings},
    store::{DatabaseTarget, selftest::Outsider},
    upkeep::{
        audit::{Difference, audit},
        sealing::{SEALED_ROWS_MAX, seal_once},
    },
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
const OPERATIONS: u64 = 2_000;

/// A selftest under way, and a connection of somebody else's to its schema.
struct Running {
    target: DatabaseTarget,
    sql: Client,
    stop: CancellationToken,
    task: JoinHandle<SelftestOutcome>,
}

impl Running {
    async fn start(operations: u64) -> Self {
        Self::start_worlds(operations, operations).await
    }

    async fn start_worlds(operations: u64, world_operations_max: u64) -> Self {
        let seed = std::env::var("DAYBOOK_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(rand::random);
        eprintln!("replay with DAYBOOK_TEST_SEED={seed}");
        let target = new_target();
        let mut config = target.config.clone();
        config.options(format!("-c search_path={} -c timezone=UTC", target.schema));
        let sql = connect(&config).await;
        let pool = settings().pool;
        let settings = SelftestSettings {
            operations,
            seed,
            world_operations_max,
            worlds: 2,
            writers: 3,
            is_kept: false,
            pool,
        };
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

    /// Waits until there is something to spoil, and spoils it.
    async fn spoil(&self, text: &str) {
        let lock = "(hashtext('daybook.seal'), hashtext(current_schema()))";
        eventually("something is spoiled", async || {
            // Nobody seals meanwhile.
            self.sql.execute(&format!("SELECT pg_advisory_lock{lock}"), &[]).await.unwrap();
            let count = self.sql.execute(text, &[]).await.unwrap();
            self.sql.execute(&format!("SELECT pg_advisory_unlock{lock}"), &[]).await.unwrap();
            count > 5
        })
        .await;
    }

    /// Waits for the end; its schemas must be gone, and what pg_partman knew of them.
    async fn end(self) -> SelftestOutcome {
        let outcome = self.task.await.unwrap();
        let text = r"SELECT
            (SELECT count(*) FROM pg_namespace WHERE nspname ~ ('^' || $1 || '(_\d+)?$'))
            + (SELECT count(*) FROM partman.part_config
               WHERE parent_table ~ ('^' || $1 || '(_\d+)?\.'))";
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
    for kind in [
        "write",
        "write in a long tx",
        "seal",
        "rank of users",
        "batch of sums",
        "series of sums",
        "balance",
        "histogram",
        "steady sum",
        "sum right after a write",
        "day detached",
        "audit beside writers",
        "(of these verified)",
        "(of these refused for absent days)",
    ] {
        assert!(counts.by_kind.contains_key(kind), "no {kind}: {counts:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worlds_side_by_side_all_come_to_their_end() {
    let outcome = Running::start_worlds(600, 200).await.end().await;
    assert!(outcome.mismatch.is_none() && !outcome.is_stopped, "{:?}", outcome.mismatch);
    let counts = outcome.counts;
    assert!(counts.operations >= 600, "{counts:?}");
    // One at the end of each world.
    assert_eq!(counts.by_kind["audit"], 3, "{counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_selftest_sees_what_was_changed_behind_its_back() {
    let running = Running::start(10 * OPERATIONS).await;
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
    let (_, mismatch) = outcome.mismatch.unwrap();
    assert_ne!(mismatch.expected, mismatch.found);
    assert!((1..=outcome.counts.operations).contains(&mismatch.operation), "{mismatch:?}");
}

/// Has a selftest run until much is sealed, spoils what is stored, and tells what it found.
async fn mismatch_after(spoil: &str) -> selftest::Mismatch {
    let running = Running::start(10 * OPERATIONS).await;
    running.rows(400).await;
    running.spoil(spoil).await;
    let outcome = running.end().await;
    let (_, mismatch) = outcome.mismatch.unwrap();
    assert_ne!(mismatch.expected, mismatch.found);
    mismatch
}

/// Has what was sent and what was received change places: cells that can be read just as well.
const SPOIL_RUNNING_TOTALS: &str = "UPDATE running_totals r SET cell = o.cell
    FROM running_totals o
    WHERE (r.account_id, r.asset_id, r.level, r.start_at, 1 - r.direction)
          = (o.account_id, o.asset_id, o.level, o.start_at, o.direction)
      AND r.cell <> o.cell AND r.level = 0";
const SPOIL_DAY_TOTALS: &str = "UPDATE day_totals r SET cell = o.cell
    FROM day_totals o
    WHERE (r.asset_id, r.level, r.span_number, r.account_group, 1 - r.direction)
          = (o.asset_id, o.level, o.span_number, o.account_group, o.direction)
      AND r.cell <> o.cell AND r.level = 0";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_selftest_sees_running_totals_that_are_wrong() {
    mismatch_after(SPOIL_RUNNING_TOTALS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_selftest_sees_totals_by_day_that_are_wrong() {
    mismatch_after(SPOIL_DAY_TOTALS).await;
}

#[tokio::test]
async fn questions_verify_and_audit_each_see_what_is_spoiled() {
    let schema = TestSchema::prepared().await;
    let rows = "WITH u AS (
            INSERT INTO users (user_uuid, username, name)
            SELECT md5(n::text)::uuid, 'user ' || n, '' FROM generate_series(1, 3) n
            RETURNING user_id, user_uuid
        ), a AS (
            INSERT INTO accounts (network, address) SELECT 'internal', user_uuid::text FROM u
            RETURNING account_id, address
        ), w AS (
            INSERT INTO user_wallets SELECT user_id, account_id FROM u JOIN a
            ON address = user_uuid::text RETURNING account_id
        )
        INSERT INTO transactions
            (transaction_id, occurred_at, sender_id, receiver_id, asset_id, amount)
        SELECT gen_random_uuid(), date_trunc('day', now(), 'UTC'), account_id,
            min(account_id) OVER (),
            (SELECT min(asset_id) FROM assets), row_number() OVER (ORDER BY account_id) FROM w";
    schema.sql.batch_execute(rows).await.unwrap();
    seal_once(&schema.database, SEALED_ROWS_MAX).await.unwrap();
    let analytics = Analytics::new(schema.database.clone());
    let audited = async || audit(&schema.database, 1, |_, _| ()).await.unwrap();
    let before = Seen::of(&schema, &analytics).await;
    assert!(before.differences().is_empty(), "{before:?}");
    assert!(audited().await.is_empty());

    let spoiled = schema.sql.execute(SPOIL_RUNNING_TOTALS, &[]).await.unwrap();
    let after = Seen::of(&schema, &analytics).await;
    assert!(spoiled > 0 && after.sums != before.sums && after.ranks == before.ranks, "{after:?}");
    assert!(!after.differences().is_empty());
    let is_series = |found: &Difference| matches!(found, Difference::Series(..));
    assert!(audited().await.iter().any(is_series));

    let spoiled = schema.sql.execute(SPOIL_DAY_TOTALS, &[]).await.unwrap();
    let last = Seen::of(&schema, &analytics).await;
    assert!(spoiled > 0 && last.ranks != before.ranks, "{last:?}");
    assert!(last.differences().len() > after.differences().len(), "{last:?}");
    let is_day = |found: &Difference| matches!(found, Difference::Day { .. });
    assert!(audited().await.iter().any(is_day));
}

/// What questions say: sums of all users, their ranking, and what verifying each of them
/// found.
#[derive(Debug)]
struct Seen {
    sums: Vec<String>,
    ranks: Vec<Option<String>>,
    verified: Vec<Option<String>>,
}

impl Seen {
    async fn of(schema: &TestSchema, analytics: &Analytics) -> Self {
        let asset = analytics.find_asset("").await.unwrap().unwrap();
        let midnight = "SELECT date_trunc('day', now(), 'UTC')";
        let start = schema.sql.query_one(midnight, &[]).await.unwrap().get(0);
        let window = Window::new(start, start + chrono::Days::new(1)).unwrap();
        let (direction, explain, verify) = (Direction::Sender, false, true);
        let mut seen = Self { sums: Vec::new(), ranks: Vec::new(), verified: Vec::new() };
        let users = "SELECT user_uuid FROM users ORDER BY user_id";
        for user in schema.sql.query(users, &[]).await.unwrap() {
            let subject = Subject::User(user.get(0));
            let asset = asset.clone();
            let scope = Scope::Everybody;
            let question =
                SumQuestion { subject, scope, asset, window, direction, explain, verify };
            let answer = analytics.sum_amount(&question).await.unwrap();
            seen.sums.push(answer.sum_amount);
            seen.verified.push(answer.verification.unwrap().difference);
        }
        let question = RankQuestion {
            allow_partial: false,
            asset,
            window,
            direction,
            metric: Metric::Sum,
            order: RankOrder::Top,
            include_idle: true,
            page_size: 10,
            population_max: 10,
            explain,
            verify,
        };
        let answer = analytics.rank_users(&question, None, None).await.unwrap();
        seen.ranks = answer.places.into_iter().map(|place| place.value).collect();
        seen.verified.push(answer.verification.unwrap().difference);
        seen
    }

    fn differences(&self) -> Vec<&String> {
        self.verified.iter().flatten().collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_selftest_that_is_stopped_leaves_nothing_behind() {
    let running = Running::start(10 * OPERATIONS).await;
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
