//! The seeder: what it fills, what it leaves alone, and that a kill loses nothing.

use chrono::NaiveDate;
use daybook::{
    seed::{SeedOutcome, SeedPlan, seed},
    store::{Connection, partitions},
    upkeep::{
        audit::audit,
        sealing::{SEALED_ROWS_MAX, seal_once},
    },
};
use tokio_postgres::Client;

use crate::support::{
    ledger::{add, add_account, add_user},
    schema::{TestSchema, day, one, refusal},
};

/// Days with a partition, hash, user and id are compared by this text; instants of recording
/// differ from run to run.
const DIGEST: &str = "SELECT md5(string_agg(line, ',' ORDER BY line)) FROM (
    SELECT format('%s|%s|%s|%s|%s|%s|%s', t.occurred_at, t.position, t.transaction_id,
        t.asset_id, s.address, r.address, t.amount) AS line
    FROM transactions t
    JOIN accounts s ON s.account_id = t.sender_id
    JOIN accounts r ON r.account_id = t.receiver_id
    UNION ALL
    SELECT format('%s|%s|%s|%s', user_uuid, username, name, created_at) FROM users
    UNION ALL
    SELECT format('%s|%s|%s|%s', transaction_id, occurred_at, content_hash, deleted_at)
    FROM transaction_ids
) AS lines";

/// Everything that has a definition: indexes, constraints and triggers of tables and partitions.
/// The names of partitions' own indexes are Postgres's choice.
const DEFINITIONS: &str = r"SELECT array_agg(line ORDER BY line) FROM (
    SELECT regexp_replace(regexp_replace(pg_get_indexdef(i.indexrelid), ' INDEX \S+ ON', ' ON'),
               current_schema() || '\.', '', 'g')
           || ' valid=' || i.indisvalid || ' ready=' || i.indisready AS line
    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
    WHERE c.relnamespace = current_schema()::regnamespace
    UNION ALL
    SELECT format('%s %s %s valid=%s', c.conrelid::regclass, c.conname,
               pg_get_constraintdef(c.oid), c.convalidated)
    FROM pg_constraint c
    WHERE c.connamespace = current_schema()::regnamespace AND c.conrelid <> 0
    UNION ALL
    SELECT format('%s %s %s', tgrelid::regclass, tgenabled,
               CASE WHEN tgisinternal THEN 'internal' ELSE
               replace(pg_get_triggerdef(t.oid), current_schema() || '.', '') END)
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE c.relnamespace = current_schema()::regnamespace
    UNION ALL
    SELECT format('%s in %s', i.inhrelid::regclass, i.inhparent::regclass)
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent
    WHERE c.relkind = 'p' AND c.relnamespace = current_schema()::regnamespace
) AS lines";

/// A plan over some days from 2023-01-01.
pub(crate) fn plan(transaction_count: u64, day_count: u32) -> SeedPlan {
    SeedPlan {
        user_count: 30,
        transaction_count,
        first_day: day("2023-01-01"),
        day_count,
        seed_number: 20_230_101,
        is_skewed: false,
    }
}

async fn seed_it(schema: &TestSchema, plan: &SeedPlan, loaders: usize) -> SeedOutcome {
    let settings = &schema.settings.partitions;
    seed(&schema.database, Some(plan.clone()), loaders, settings).await.unwrap()
}

/// Seeds a schema that is empty.
pub(crate) async fn seed_into(schema: &TestSchema, plan: &SeedPlan) {
    let outcome = seed_it(schema, plan, 2).await;
    assert!(matches!(outcome, SeedOutcome::Seeded { .. }), "{outcome:?}");
}

/// A schema that was seeded without disturbance.
pub(crate) async fn seeded(plan: &SeedPlan, loaders: usize) -> TestSchema {
    let schema = TestSchema::prepared().await;
    let outcome = seed_it(&schema, plan, loaders).await;
    let SeedOutcome::Seeded { rows, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(rows, plan.transaction_count);
    schema
}

/// What holds of every database that was seeded by a plan; also run by `partman_versions`.
pub(crate) async fn check_seeded(schema: &TestSchema, plan: &SeedPlan) {
    let sql = &schema.sql;
    let count = i64::try_from(plan.transaction_count).unwrap();
    let users = i64::from(plan.user_count);
    for (text, expected) in [
        ("SELECT count(*) FROM transactions", count),
        ("SELECT count(*) FROM transaction_ids WHERE deleted_at IS NULL", count),
        ("SELECT count(DISTINCT transaction_id) FROM transactions", count),
        ("SELECT count(*) FROM users", users),
        ("SELECT count(*) FROM user_wallets", users),
        ("SELECT count(*) FROM accounts WHERE network = 'internal'", users),
        ("SELECT sum(transaction_count)::bigint FROM seed_days", count),
        ("SELECT count(*) FROM seed_runs WHERE finished_at IS NOT NULL", 1),
        // Each day and each id is what it says.
        (
            "SELECT count(*) FROM seed_days d WHERE transaction_count <> (SELECT count(*)
             FROM transactions t WHERE (t.occurred_at AT TIME ZONE 'UTC')::date = d.day)",
            0,
        ),
        (
            "SELECT count(*) FROM transactions t FULL JOIN transaction_ids i USING (transaction_id)
             WHERE (t.occurred_at, transaction_content_hash(t.occurred_at, t.position, t.sender_id,
                 t.receiver_id, t.asset_id, t.amount, t.reference))
             IS DISTINCT FROM (i.occurred_at, i.content_hash)",
            0,
        ),
        (
            "SELECT count(*) FROM transactions t JOIN accounts a ON a.account_id = t.sender_id
             WHERE t.sender_id = t.receiver_id OR t.amount NOT BETWEEN 10 AND 5000
                OR a.network <> 'internal' OR t.asset_id <> 1",
            0,
        ),
        ("SELECT count(*) FROM seed_days WHERE NOT is_sealed", 0),
        ("SELECT count(*) FROM corrections", 0),
        // Each account that moved something has a tree a direction; all together have one.
        (
            "SELECT (SELECT count(DISTINCT (account_id, direction)) FROM running_totals)
                 - (SELECT count(DISTINCT sender_id) + count(DISTINCT receiver_id)
                    FROM transactions)",
            1,
        ),
    ] {
        assert_eq!(one::<i64>(sql, text).await, expected, "{text}");
    }
    assert_eq!(audit(&schema.database, 2, |_, _| ()).await.unwrap(), []);
}

/// Two schemas must have the same definitions; returns them.
pub(crate) async fn check_definitions(schema: &TestSchema, other: &TestSchema) -> Vec<String> {
    let found: Vec<String> = one(&schema.sql, DEFINITIONS).await;
    let expected: Vec<String> = one(&other.sql, DEFINITIONS).await;
    let more: Vec<_> = found.iter().filter(|line| !expected.contains(line)).collect();
    let less: Vec<_> = expected.iter().filter(|line| !found.contains(line)).collect();
    assert!(found == expected, "more: {more:#?}, less: {less:#?}");
    found
}

/// A digest of all users, transactions and ids.
pub(crate) async fn digest(schema: &TestSchema) -> String {
    one(&schema.sql, DIGEST).await
}

#[tokio::test]
async fn a_seeded_schema_is_complete_and_defined_like_one_that_never_was() {
    let plan = plan(3_000, 4);
    let schema = seeded(&plan, 2).await;
    check_seeded(&schema, &plan).await;
    let first: Vec<NaiveDate> = (0..4).map(|index| plan.day(index)).collect();
    assert_eq!(schema.days().await[..4], first);

    let never = TestSchema::prepared().await;
    never.ensure(&first).await;
    let found = check_definitions(&schema, &never).await;
    assert!(found.len() > 7 * 9, "there is something to compare: {}", found.len());
    let broken = found.iter().filter(|line| line.contains("=f")).count();
    assert_eq!(broken, 0, "{found:?}");

    // Seeding again changes nothing, whatever the plan.
    let before = digest(&schema).await;
    assert_eq!(seed_it(&schema, &plan, 1).await, SeedOutcome::SeededBefore);
    let other = SeedPlan { seed_number: 1, ..plan };
    assert_eq!(seed_it(&schema, &other, 1).await, SeedOutcome::SeededBefore);
    assert_eq!(digest(&schema).await, before);
}

#[tokio::test]
async fn rows_depend_on_the_number_and_the_first_day_and_on_nothing_else() {
    let plan = plan(2_000, 3);
    let alone = digest(&seeded(&plan, 1).await).await;
    assert_eq!(digest(&seeded(&plan, 4).await).await, alone, "four loaders");
    let other = SeedPlan { seed_number: 1, ..plan.clone() };
    assert_ne!(digest(&seeded(&other, 1).await).await, alone, "another number");
    let later = SeedPlan { first_day: day("2023-01-02"), ..plan };
    assert_ne!(digest(&seeded(&later, 1).await).await, alone, "another first day");
}

#[tokio::test]
async fn skewed_rows_follow_zipf_and_business_hours() {
    let plan = SeedPlan { is_skewed: true, user_count: 100, ..plan(10_000, 7) };
    let schema = seeded(&plan, 2).await;
    check_seeded(&schema, &plan).await;
    let by_sender = "SELECT array_agg(n ORDER BY n DESC) FROM
        (SELECT count(*) AS n FROM transactions GROUP BY sender_id) AS counts";
    let counts: Vec<i64> = one(&schema.sql, by_sender).await;
    // The first of 100 weighs 1 / (1 + 1/2 + ... + 1/100) = 19.3 % of all.
    assert!((1_700..2_150).contains(&counts[0]), "{counts:?}");
    assert!((counts[0] - 2 * counts[1]).abs() < counts[0] / 5, "{counts:?}");
    assert!((counts[0] - 10 * counts[9]).abs() < counts[0] / 2, "{counts:?}");
    let share = |condition: &str| {
        let text = format!(
            "SELECT (100 * count(*) FILTER (WHERE {condition}) / count(*))::integer
             FROM (SELECT occurred_at AT TIME ZONE 'UTC' AS at FROM transactions) AS rows"
        );
        let sql = &schema.sql;
        async move { one::<i32>(sql, &text).await }
    };
    assert!(share("extract(hour FROM at) BETWEEN 8 AND 18").await > 75);
    assert!(share("extract(hour FROM at) BETWEEN 0 AND 4").await < 4);
    assert!(share("extract(isodow FROM at) >= 6").await < 12);
}

#[tokio::test]
async fn a_database_with_rows_of_its_own_is_left_as_it_is() {
    for kind in ["a user", "an account", "a transaction", "an id of the past"] {
        let schema = TestSchema::prepared().await;
        let sql = &schema.sql;
        if kind == "a user" {
            let text = "INSERT INTO users (user_uuid, username, name)
                VALUES (gen_random_uuid(), 'ann', 'Ann')";
            sql.batch_execute(text).await.unwrap();
        } else {
            let (a, b) = (add_account(sql, "bank", "a").await, add_account(sql, "bank", "b").await);
            if kind != "an account" {
                let today = schema.today().await;
                add(sql, &format!("{today}T12:00:00Z"), a, b, "1").await;
            }
            if kind == "an id of the past" {
                // As it was while accounts without transactions could be deleted.
                let delete = "DELETE FROM transactions; ALTER TABLE accounts DISABLE TRIGGER USER;
                    DELETE FROM accounts; ALTER TABLE accounts ENABLE TRIGGER USER";
                sql.batch_execute(delete).await.unwrap();
            }
        }
        let before: Vec<String> = one(sql, DEFINITIONS).await;
        let outcome = seed_it(&schema, &plan(100, 2), 1).await;
        assert_eq!(outcome, SeedOutcome::HasOwnRows, "{kind}");
        assert_eq!(one::<Vec<String>>(sql, DEFINITIONS).await, before, "{kind}");
        assert_eq!(one::<i64>(sql, "SELECT count(*) FROM seed_runs").await, 0, "{kind}");
        assert!(one::<i64>(sql, "SELECT count(*) FROM users").await <= 1, "{kind}");
    }
    let schema = TestSchema::prepared().await;
    let settings = &schema.settings.partitions;
    let outcome = seed(&schema.database, None, 1, settings).await.unwrap();
    assert_eq!(outcome, SeedOutcome::HasOwnRows, "nobody asked for rows");
}

#[tokio::test]
async fn statistics_are_fresh_and_all_rows_are_visible_to_all() {
    let plan = plan(6_000, 2);
    let schema = seeded(&plan, 2).await;
    let sql = &schema.sql;
    for index in 0..2 {
        let leaf = schema.leaf(plan.day(index)).await;
        let text = format!(
            "SELECT reltuples::bigint, relallvisible = relpages, (SELECT count(*) FROM {leaf}),
                 (SELECT count(*) FROM pg_stats s WHERE s.tablename = c.relname
                     AND s.schemaname = current_schema() AND s.attname = 'sender_id')
             FROM pg_class c WHERE c.oid = '{leaf}'::regclass"
        );
        let row = sql.query_one(&text, &[]).await.unwrap();
        assert_eq!(row.get::<_, i64>(0), row.get::<_, i64>(2), "{leaf}");
        assert!(row.get::<_, bool>(1), "{leaf}: pages that are not all visible");
        assert_eq!(row.get::<_, i64>(3), 1, "{leaf}");
    }
    let parent = "SELECT count(*) FROM pg_stats
        WHERE tablename = 'transactions' AND schemaname = current_schema()";
    assert_eq!(one::<i64>(sql, parent).await, 9, "a row for each column of the whole");
    let text = "EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off) SELECT sum(amount)
        FROM transactions WHERE sender_id = 1 AND asset_id = 1
        AND occurred_at >= '2023-01-01 00:00Z' AND occurred_at < '2023-01-03 00:00Z'";
    let lines: Vec<String> =
        sql.query(text, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    let fetches: Vec<_> = lines.iter().filter(|line| line.contains("Heap Fetches")).collect();
    assert_eq!(fetches.len(), 2, "{lines:#?}");
    assert!(fetches.iter().all(|line| line.ends_with("Heap Fetches: 0")), "{lines:#?}");
}

/// Goes through the first steps of a seeding as the seeder does, and stops there.
async fn cut_off(schema: &TestSchema, plan: &SeedPlan, is_stripped: bool) -> Connection {
    use daybook::store::seed::{begin, strip};
    let client = schema.connect().await;
    let users = daybook::seed::people::users(plan);
    assert!(begin(&client, &plan.to_run(), &users).await.unwrap());
    if is_stripped {
        strip(&client).await.unwrap();
    }
    client
}

async fn own_row(sql: &Client, instant: &str) {
    let (ann, bob) = (add_user(sql, "ann").await, add_user(sql, "bob").await);
    add(sql, instant, ann.account_id, bob.account_id, "12345.5").await;
}

#[tokio::test]
async fn own_rows_in_a_seeding_that_was_cut_off_survive_it() {
    let plan = plan(1_000, 2);
    let schema = TestSchema::prepared().await;
    let client = cut_off(&schema, &plan, false).await;
    partitions::ensure(&client, &[plan.day(1)], 36_500, 1_000).await.unwrap();
    own_row(&schema.sql, "2023-01-02T12:00:00Z").await;
    let settings = &schema.settings.partitions;
    let outcome = seed(&schema.database, None, 2, settings).await.unwrap();
    assert!(matches!(outcome, SeedOutcome::Seeded { rows: 1_000, .. }), "{outcome:?}");
    let count = "SELECT count(*) FROM transactions t JOIN transaction_ids USING (transaction_id)";
    assert_eq!(one::<i64>(&schema.sql, count).await, 1_001);
    let own = "SELECT count(*) FROM transactions WHERE amount = 12345.5";
    assert_eq!(one::<i64>(&schema.sql, own).await, 1);
    // It is a correction; the others' totals are stored.
    assert_eq!(one::<i64>(&schema.sql, "SELECT count(*) FROM corrections").await, 1);
    for is_sealed in [false, true] {
        assert_eq!(audit(&schema.database, 2, |_, _| ()).await.unwrap(), [], "{is_sealed}");
        seal_once(&schema.database, SEALED_ROWS_MAX).await.unwrap();
    }
    // The day with the own row has what the others have.
    let never = TestSchema::prepared().await;
    never.ensure(&[plan.day(0), plan.day(1)]).await;
    check_definitions(&schema, &never).await;
}

/// The key of the ids is off then: a row that it would refuse, once in, would stop the seeding
/// for ever.
#[tokio::test]
async fn rows_are_refused_while_the_key_is_off() {
    let plan = plan(500, 2);
    let schema = TestSchema::prepared().await;
    let sql = &schema.sql;
    let today = schema.today().await;
    let (a, b) = (1, 2);
    cut_off(&schema, &plan, true).await;
    let insert = |sender: i64| {
        format!(
            "INSERT INTO transactions (occurred_at, sender_id, receiver_id, asset_id, amount)
             VALUES ('{today} 12:00Z', {sender}, {b}, 1, 12345.5)"
        )
    };
    for text in [
        insert(a),
        insert(-1),
        "UPDATE transactions SET sender_id = -1".to_owned(),
        "DELETE FROM transactions".to_owned(),
    ] {
        let error = sql.batch_execute(&text).await.expect_err("seeding is not complete");
        let error = error.as_db_error().unwrap();
        assert_eq!(error.code().code(), "55000", "{text}: {}", error.message());
        assert!(error.message().contains("being seeded"), "{}", error.message());
    }
    let outcome = seed_it(&schema, &plan, 2).await;
    assert!(matches!(outcome, SeedOutcome::Seeded { rows: 500, .. }), "{outcome:?}");
    check_seeded(&schema, &plan).await;
    assert_eq!(refusal(sql, &insert(-1)).await, "23503");
    sql.batch_execute(&insert(a)).await.unwrap();
}

/// Rows that are loaded into partitions pass no trigger.
#[tokio::test]
async fn a_row_without_its_account_keeps_a_seeding_from_being_complete() {
    let plan = plan(500, 2);
    for (sender, asset) in [(-1, 1), (1, -1)] {
        let schema = TestSchema::prepared().await;
        cut_off(&schema, &plan, true).await;
        schema.ensure(&[plan.day(1)]).await;
        let leaf = schema.leaf(plan.day(1)).await;
        let row = format!(
            "INSERT INTO {leaf} (occurred_at, sender_id, receiver_id, asset_id, amount)
             VALUES ('{} 12:00Z', {sender}, 2, {asset}, 1)",
            plan.day(1)
        );
        schema.sql.batch_execute(&row).await.unwrap();
        let settings = &schema.settings.partitions;
        let error = seed(&schema.database, None, 1, settings).await.unwrap_err();
        let causes = format!("{:#}", anyhow::Error::new(error));
        assert!(causes.contains("seed_references"), "{causes}");
        let finished = "SELECT count(finished_at) FROM seed_runs";
        assert_eq!(one::<i64>(&schema.sql, finished).await, 0);
    }
}

#[tokio::test]
async fn days_that_are_refused_leave_the_database_as_it_was() {
    let schema = TestSchema::prepared().await;
    let good = plan(500, 3);
    let old = SeedPlan { first_day: day("1975-01-01"), ..good.clone() };
    let settings = &schema.settings.partitions;
    let error = seed(&schema.database, Some(old), 1, settings).await.unwrap_err();
    let causes = format!("{:#}", anyhow::Error::new(error));
    assert!(
        causes.contains("1975-01-01") && causes.contains("--partition-days-back-max"),
        "{causes}"
    );
    let begun = "SELECT count(*) FROM (SELECT FROM seed_runs UNION ALL SELECT FROM users) x";
    assert_eq!(one::<i64>(&schema.sql, begun).await, 0);
    let outcome = seed(&schema.database, Some(good), 1, settings).await.unwrap();
    assert!(matches!(outcome, SeedOutcome::Seeded { rows: 500, .. }), "{outcome:?}");
}

/// Days that were loaded and not sealed when a seeder was killed; with a row of somebody
/// else's among the rows of one of them.
#[tokio::test]
async fn days_that_were_loaded_and_not_sealed_are_sealed_by_the_next_start() {
    for with_own_row in [false, true] {
        let plan = plan(4_000, 5);
        let schema = TestSchema::prepared().await;
        if with_own_row {
            // Written before the seeder took its turn, sealed or not.
            let client = cut_off(&schema, &plan, false).await;
            let days: Vec<NaiveDate> = (0..5).map(|index| plan.day(index)).collect();
            partitions::ensure(&client, &days, 36_500, 1_000).await.unwrap();
            own_row(&schema.sql, "2023-01-02T12:00:00Z").await;
        }
        let outcome = seed_it(&schema, &plan, 2).await;
        assert!(matches!(outcome, SeedOutcome::Seeded { .. }), "{outcome:?}");
        let expected = stored(&schema).await;
        // As a kill leaves it after three days were loaded and one was sealed.
        unseal(&schema, &plan).await;
        let outcome = seed(&schema.database, None, 2, &schema.settings.partitions).await.unwrap();
        assert!(matches!(outcome, SeedOutcome::Seeded { .. }), "{outcome:?}");
        let unsealed = "SELECT count(*) FROM seed_days WHERE NOT is_sealed";
        assert_eq!(one::<i64>(&schema.sql, unsealed).await, 0);
        let corrections = i64::from(with_own_row);
        assert_eq!(one::<i64>(&schema.sql, "SELECT count(*) FROM corrections").await, corrections);
        assert_eq!(audit(&schema.database, 2, |_, _| ()).await.unwrap(), []);
        seal_once(&schema.database, SEALED_ROWS_MAX).await.unwrap();
        assert_eq!(audit(&schema.database, 2, |_, _| ()).await.unwrap(), []);
        if !with_own_row {
            assert_eq!(stored(&schema).await, expected, "days come to the same totals");
        }
    }
}

/// Totals by day, which do not depend on the order of sealing.
async fn stored(schema: &TestSchema) -> String {
    let text = "SELECT md5(string_agg(format('%s %s %s %s', direction, level, span_number,
            md5(cell)), ',' ORDER BY direction, level, span_number))
        FROM day_totals";
    one(&schema.sql, text).await
}

/// Takes back the end of a seeding and the sealing of all its days but the first.
async fn unseal(schema: &TestSchema, plan: &SeedPlan) {
    use daybook::store::sealing::{Spread, fold};
    let client = schema.connect().await;
    let keep = format!(
        "TRUNCATE running_totals, day_totals;
         UPDATE seed_days SET is_sealed = (day = '{}');
         UPDATE seed_runs SET finished_at = NULL",
        plan.day(0)
    );
    client.batch_execute(&keep).await.unwrap();
    let rows = client
        .query(
            "SELECT (extract(epoch FROM occurred_at) * 1000000)::bigint, sender_id, receiver_id,
                 asset_id, (amount * 100000)::bigint
             FROM transactions WHERE occurred_at < $1::date::timestamptz AND amount <> 12345.5",
            &[&plan.day(1)],
        )
        .await
        .unwrap();
    let changes: Vec<_> = rows
        .iter()
        .map(|row| daybook::domain::running_total::rows::RowChange {
            instant: row.get(0),
            sender_id: row.get(1),
            receiver_id: row.get(2),
            asset_id: row.get(3),
            count: 1,
            scale: 5,
            amount: daybook::domain::running_total::whole::Whole::Small(
                row.get::<_, i64>(4).into(),
            ),
        })
        .collect();
    client.batch_execute("BEGIN").await.unwrap();
    fold(&client, &changes, Spread::Dense).await.unwrap();
    client.batch_execute("COMMIT").await.unwrap();
}
