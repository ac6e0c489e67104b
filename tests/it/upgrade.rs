//! Databases that were made before there were running totals: what is in them is in every
//! total after the migrations, sealed or not.

use daybook::{
    seed::{SeedOutcome, SeedPlan, people, rows::RowMaker, seed},
    store::{
        Connection,
        migrate::{MIGRATIONS, apply, prepare},
        partitions,
        seed::{self as steps, DayLoad},
    },
};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::support::{
    ledger::{TestUser, add, add_user, ensure_days},
    schema::{TestSchema, one},
    service::{TestService, new_target, settings},
    totals::Totals,
};

const DAYS: [&str; 3] = ["2023-01-01", "2023-01-02", "2023-01-03"];

/// Migrations before the one that brings running totals.
const BEFORE: usize = 3;

/// A schema as it was before.
async fn before() -> TestSchema {
    let schema = TestSchema::unprepared(new_target(), settings()).await;
    let client = schema.connect().await;
    prepare(&client).await.unwrap();
    for migration in &MIGRATIONS[..BEFORE] {
        apply(&client, migration).await.unwrap();
    }
    assert!(!one::<bool>(&schema.sql, "SELECT to_regclass('corrections') IS NOT NULL").await);
    partitions::adopt(&client, schema.settings.partitions.partition_days_ahead).await.unwrap();
    ensure_days(&schema.sql, &DAYS).await;
    schema
}

/// The same served by this program.
async fn upgraded(schema: &TestSchema, users: Vec<TestUser>) -> Totals {
    let service = TestService::start_with(schema.target.clone(), settings()).await;
    Totals::of(service, users, &DAYS).await
}

#[tokio::test]
async fn rows_from_before_are_in_every_total_sealed_or_not() {
    let schema = before().await;
    let sql = &schema.sql;
    let mut users = Vec::new();
    for name in ["ann", "bob", "cid"] {
        users.push(add_user(sql, name).await);
    }
    let accounts: Vec<i64> = users.iter().map(|user| user.account_id).collect();
    for (number, day) in DAYS.into_iter().cycle().take(30).enumerate() {
        let (from, to) = (accounts[number % 3], accounts[number % 2]);
        let at = format!("{day}T{:02}:00:00Z", number % 24);
        add(sql, &at, from, to, &format!("{number}.5")).await;
    }
    let change = "DELETE FROM transactions WHERE amount < 3;
        UPDATE transactions SET amount = amount * 2 WHERE amount < 9;
        UPDATE transactions SET occurred_at = occurred_at + interval '1 day'
            WHERE occurred_at < '2023-01-02' AND amount > 20";
    sql.batch_execute(change).await.unwrap();
    let rows: i64 = one(sql, "SELECT count(*) FROM transactions").await;
    let keys = "SELECT count(*) FROM pg_constraint c WHERE c.contype = 'f'
        AND (c.conrelid = 'transactions'::regclass OR c.conrelid IN (
            SELECT inhrelid FROM pg_inherits WHERE inhparent = 'transactions'::regclass))";
    assert!(one::<i64>(sql, keys).await > 0, "references were foreign keys");
    let totals = upgraded(&schema, users).await;
    assert_eq!(one::<i64>(sql, keys).await, 0);
    assert_eq!(totals.corrections().await, rows);
    assert_eq!(totals.audit().await, []);
    totals.check_sealing("rows from before").await;
    totals.run("UPDATE transactions SET amount = amount + 1 WHERE amount > 20").await;
    totals.check_sealing("rows from before that change").await;
}

/// Loads a day as the seeder did before there were running totals.
async fn load_day(client: &Connection, maker: &RowMaker, plan: &SeedPlan, index: u32) {
    let leaves = partitions::list(client).await.unwrap();
    let day = plan.day(index);
    let leaf = leaves.into_iter().find(|leaf| leaf.lower_at.date_naive() == day).unwrap();
    let count = plan.rows_by_day()[usize::try_from(index).unwrap()];
    let mut load = DayLoad::begin(client, &leaf).await.unwrap();
    for hour in maker.day(index, count) {
        load.add(steps::encode(&hour)).await.unwrap();
    }
    load.finish(day).await.unwrap();
}

/// A seeding of that time: so many days are loaded, all of them or not.
async fn seeding_before(plan: &SeedPlan, days: u32, with_own_row: bool) -> TestSchema {
    let schema = before().await;
    let client = schema.connect().await;
    let users = people::users(plan);
    assert!(steps::begin(&client, &plan.to_run(), &users).await.unwrap());
    if with_own_row {
        // In a day that is loaded afterwards, and in one that may not be.
        let (ann, bob) = (add_user(&schema.sql, "ann").await, add_user(&schema.sql, "bob").await);
        for day in ["2023-01-01", "2023-01-03"] {
            let at = format!("{day}T12:00:00Z");
            add(&schema.sql, &at, ann.account_id, bob.account_id, "12345.5").await;
        }
    }
    steps::strip(&client).await.unwrap();
    let guard_client = schema.connect().await;
    let guard = steps::guard(&guard_client).await.unwrap();
    let uuids: Vec<_> = users.iter().map(|user| user.user_uuid).collect();
    let accounts = steps::accounts_of(&client, &uuids).await.unwrap();
    let maker = RowMaker::new(plan.clone(), accounts, 1);
    for index in 0..days {
        load_day(&client, &maker, plan, index).await;
    }
    if days == plan.day_count {
        steps::finish(guard).await.unwrap();
    } else {
        guard.roll_back().await.unwrap();
    }
    schema
}

/// Some of the users that a seeding made, and all of somebody else's.
async fn users(sql: &Client) -> Vec<TestUser> {
    let text = "SELECT u.user_uuid, u.user_id, a.account_id
        FROM users u JOIN accounts a ON a.address = u.user_uuid::text
        ORDER BY u.username IN ('ann', 'bob') DESC, u.user_id LIMIT 4";
    let user = |row: &tokio_postgres::Row| TestUser {
        user_uuid: row.get::<_, Uuid>(0),
        user_id: row.get(1),
        account_id: row.get(2),
    };
    sql.query(text, &[]).await.unwrap().iter().map(user).collect()
}

fn plan() -> SeedPlan {
    SeedPlan { user_count: 6, ..crate::seed::plan(1_500, 3) }
}

#[tokio::test]
async fn a_seeding_that_was_complete_before_is_in_every_total() {
    let schema = seeding_before(&plan(), 3, false).await;
    let totals = upgraded(&schema, users(&schema.sql).await).await;
    assert_eq!(totals.corrections().await, 1_500);
    let settings = &schema.settings.partitions;
    let outcome = seed(&schema.database, None, 1, settings).await.unwrap();
    assert_eq!(outcome, SeedOutcome::SeededBefore);
    let unsealed = "SELECT count(*) FROM seed_days WHERE NOT is_sealed";
    assert_eq!(one::<i64>(&schema.sql, unsealed).await, 0);
    assert_eq!(totals.audit().await, []);
    totals.check_sealing("a complete seeding").await;
}

async fn check_cut_off(with_own_row: bool) {
    let plan = plan();
    for days in [0, 2] {
        let what =
            format!("{days} days were loaded, with a row of somebody else's: {with_own_row}");
        let schema = seeding_before(&plan, days, with_own_row).await;
        let totals = upgraded(&schema, users(&schema.sql).await).await;
        let settings = &schema.settings.partitions;
        let outcome = seed(&schema.database, None, 2, settings).await.unwrap();
        assert!(matches!(outcome, SeedOutcome::Seeded { .. }), "{what}: {outcome:?}");
        let rows: i64 = one(&schema.sql, "SELECT count(*) FROM transactions").await;
        assert_eq!(rows, 1_500 + 2 * i64::from(with_own_row), "{what}");
        assert_eq!(totals.audit().await, [], "{what}");
        totals.check_sealing(&what).await;
    }
}

#[tokio::test]
async fn a_seeding_that_was_cut_off_before_is_completed_and_in_every_total() {
    check_cut_off(false).await;
}

#[tokio::test]
async fn own_rows_in_a_seeding_that_was_cut_off_before_are_in_every_total() {
    check_cut_off(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_that_go_on_during_the_upgrade_are_counted_once() {
    let schema = before().await;
    let (ann, bob) = (add_user(&schema.sql, "ann").await, add_user(&schema.sql, "bob").await);
    let mut writers = Vec::new();
    for writer in 0..3 {
        let sql = schema.more_sql().await;
        let (from, to) = (ann.account_id, bob.account_id);
        writers.push(tokio::spawn(async move {
            for number in 0..60 {
                let at = format!("2023-01-0{}T{:02}:00:00Z", number % 3 + 1, number % 24);
                add(&sql, &at, from, to, &format!("{writer}.5")).await;
                let change = format!(
                    "UPDATE transactions SET amount = amount + 1 WHERE transaction_id =
                     (SELECT transaction_id FROM transactions
                      WHERE amount = {writer}.5 LIMIT 1)"
                );
                sql.batch_execute(&change).await.unwrap();
            }
        }));
    }
    let totals = upgraded(&schema, vec![ann, bob]).await;
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(totals.audit().await, []);
    totals.check_sealing("written during the upgrade").await;
}
