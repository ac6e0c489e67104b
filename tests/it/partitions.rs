//! Daily partitions: which there are, their bounds, their upkeep, and what cannot stop it.

use std::time::{Duration, Instant};

use chrono::{Days, NaiveDate};
use daybook::{
    store::{StoreErrorKind, partitions},
    upkeep::{UpkeepError, partitions::PartitionUpkeep, server_check},
    workers::{self, partition_upkeep::Round},
};
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

use crate::support::{
    cluster::{connect, eventually},
    ledger::{add, add_user},
    schema::{TestSchema, day, one, refusal},
};

/// Days on which New York changes its clocks, with their neighbours.
const CLOCK_CHANGES: [&str; 6] =
    ["2026-03-07", "2026-03-08", "2026-03-09", "2026-10-31", "2026-11-01", "2026-11-02"];

fn days(texts: &[&str]) -> Vec<NaiveDate> {
    texts.iter().map(|text| day(text)).collect()
}

async fn row_counts(sql: &Client) -> (i64, i64) {
    (
        one(sql, "SELECT count(*) FROM transactions").await,
        one(sql, "SELECT count(*) FROM transaction_ids").await,
    )
}

/// What must hold on every line of pg_partman; also run by `partman_versions`.
pub(crate) async fn check_upkeep(schema: &TestSchema) {
    let sql = &schema.sql;
    let ahead = schema.ahead().await;
    assert_eq!(schema.days().await, ahead);
    let client = schema.connect().await;
    let settings = &schema.settings.partitions;

    // Again, as at each start: nothing changes.
    partitions::adopt(&client, settings.partition_days_ahead).await.unwrap();
    assert_eq!(partitions::maintain(&client).await.unwrap(), Some(0));
    assert_eq!(schema.days().await, ahead);

    // Old days, with a row in one of them, survive any number of rounds.
    let old = days(&CLOCK_CHANGES);
    assert_eq!(schema.ensure(&old).await, 6);
    assert_eq!(schema.ensure(&old).await, 0);
    let (ann, bob) = (add_user(sql, "ann").await, add_user(sql, "bob").await);
    add(sql, "2026-03-08T02:30:00Z", ann.account_id, bob.account_id, "1").await;
    for _ in 0..3 {
        partitions::maintain(&client).await.unwrap();
    }
    let all: Vec<_> = old.iter().chain(&ahead).copied().collect();
    assert_eq!(schema.days().await, all);
    assert_eq!(row_counts(sql).await, (1, 1));

    // A hole and a missing end are closed again.
    schema.drop_day(ahead[0]).await;
    schema.drop_day(*ahead.last().unwrap()).await;
    partitions::maintain(&client).await.unwrap();
    assert_eq!(schema.days().await, all);

    // A day that was detached is not taken for made, and keeps no other day from it.
    let (kept, dropped) = (ahead[1], ahead[2]);
    let leaf = schema.leaf(kept).await;
    sql.batch_execute(&format!("ALTER TABLE transactions DETACH PARTITION {leaf}")).await.unwrap();
    schema.drop_day(dropped).await;
    let error = partitions::ensure(&client, &[kept], 10, 1_000).await.unwrap_err();
    let text = error.server_message().unwrap();
    assert!(text.contains(&kept.to_string()) && text.contains("detached"), "{text}");
    assert_eq!(partitions::maintain(&client).await.unwrap(), Some(1));
    let found = schema.days().await;
    assert!(found.contains(&dropped) && !found.contains(&kept), "{found:?}");
    sql.batch_execute(&format!("DROP TABLE {leaf}")).await.unwrap();
    partitions::maintain(&client).await.unwrap();
    assert_eq!(schema.days().await, all);

    // No other day takes a row, and the row lands nowhere.
    let outside = format!(
        "INSERT INTO transactions (occurred_at, sender_id, receiver_id, asset_id, amount)
         VALUES ('2020-01-01 12:00Z', {}, {}, 1, 1)",
        ann.account_id, bob.account_id
    );
    assert_eq!(refusal(sql, &outside).await, "23514");
    assert_eq!(row_counts(sql).await, (1, 1));
    assert_eq!(partitions::misplaced(&client).await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn days_are_ready_ahead_and_old_ones_stay() {
    let schema = TestSchema::prepared().await;
    check_upkeep(&schema).await;
    let parent = format!("{}.transactions", schema.target.schema);
    let text = "SELECT retention, premake, infinite_time_partitions, automatic_maintenance
        FROM partman.part_config WHERE parent_table = $1";
    let row = schema.sql.query_one(text, &[&parent]).await.unwrap();
    assert_eq!(row.get::<_, Option<String>>(0), None, "nobody asked for retention");
    assert_eq!((row.get::<_, i32>(1), row.get::<_, bool>(2)), (2, true));
    assert_eq!(row.get::<_, &str>(3), "off", "a run over all tables leaves it alone");
}

#[tokio::test]
async fn a_session_in_another_time_zone_makes_days_of_utc() {
    let schema = TestSchema::migrated().await;
    let mut config = schema.target.config.clone();
    config.options(format!(
        "-c search_path={} -c timezone=America/New_York -c datestyle=SQL,DMY",
        schema.target.schema
    ));
    let client = connect(&config).await;
    partitions::adopt(&client, 2).await.unwrap();
    let ahead = schema.ahead().await;
    assert_eq!(schema.days().await, ahead);
    partitions::ensure(&client, &days(&CLOCK_CHANGES), 36_500, 1_000).await.unwrap();
    schema.drop_day(ahead[2]).await;
    partitions::maintain(&client).await.unwrap();
    let all: Vec<_> = days(&CLOCK_CHANGES).into_iter().chain(ahead).collect();
    assert_eq!(schema.days().await, all, "the bounds too, see days()");
    let listed = partitions::list(&client).await.unwrap();
    let lower: Vec<_> = listed.iter().map(|leaf| leaf.lower_at.date_naive()).collect();
    assert_eq!(lower, all);
    assert!(listed.iter().all(|leaf| leaf.lower_at + Days::new(1) == leaf.upper_at));
    assert_eq!(partitions::misplaced(&client).await.unwrap(), Vec::<String>::new());
    let zone: String = one(&client, "SHOW timezone").await;
    let path: String = one(&client, "SHOW search_path").await;
    let untouched = ("America/New_York", schema.target.schema.as_str());
    assert_eq!((zone.as_str(), path.as_str()), untouched, "the session is left as it was");
}

#[tokio::test]
async fn days_too_far_back_and_too_many_days_are_refused_by_name() {
    let schema = TestSchema::prepared().await;
    let client = schema.connect().await;
    let today = schema.today().await;
    let before = schema.days().await;
    let (inside, outside) = (today - Days::new(10), today - Days::new(11));
    let error = partitions::ensure(&client, &[inside, outside], 10, 100).await.unwrap_err();
    let text = error.server_message().unwrap();
    let expected = format!("day {outside} lies before {inside}, the earliest day");
    assert!(text.contains(&expected) && text.contains("--partition-days-back-max"), "{text}");
    assert_eq!(schema.days().await, before, "the day inside was not made either");
    assert_eq!(partitions::ensure(&client, &[inside], 10, 100).await.unwrap(), 1);

    let (first, last) = (today - Days::new(9), today - Days::new(8));
    let error = partitions::ensure(&client, &[last, first], 10, 5).await.unwrap_err();
    let text = error.server_message().unwrap();
    let expected = format!("2 more days ({first} to {last}) would make 6 partitions; at most 5");
    assert!(text.contains(&expected) && text.contains("--partition-count-max"), "{text}");
    assert_eq!(partitions::ensure(&client, &[first, first], 10, 5).await.unwrap(), 1);
    // Days that are there are never too many, and none is too far back.
    assert_eq!(partitions::ensure(&client, &[first, inside], 0, 0).await.unwrap(), 0);
    assert_eq!(partitions::ensure(&client, &[], 0, 0).await.unwrap(), 0);
}

#[tokio::test]
async fn callers_who_want_the_same_day_at_once_all_get_it() {
    let schema = TestSchema::prepared().await;
    let wanted = days(&["2024-02-28", "2024-02-29"]);
    let callers = (0..6).map(async |_| schema.ensure(&wanted).await);
    let made = futures_util::future::join_all(callers).await;
    assert_eq!(made.iter().sum::<i32>(), 2, "{made:?}");
    assert_eq!(schema.days().await[..2], wanted);
}

#[tokio::test]
async fn maintenance_goes_on_after_days_on_which_nothing_ran() {
    let schema = TestSchema::prepared().await;
    let (today, ahead) = (schema.today().await, schema.ahead().await);
    // As if the last round had been 8 days ago.
    let missed: Vec<_> = (6..=8).rev().map(|back| today - Days::new(back)).collect();
    schema.ensure(&missed).await;
    for day in &ahead {
        schema.drop_day(*day).await;
    }
    assert_eq!(schema.days().await, missed);
    partitions::maintain(&schema.connect().await).await.unwrap();
    let found = schema.days().await;
    assert!(missed.iter().chain(&ahead).all(|day| found.contains(day)), "{found:?}");
}

#[tokio::test]
async fn rows_dated_ahead_do_not_stop_maintenance() {
    let schema = TestSchema::prepared().await;
    let sql = &schema.sql;
    let ahead = schema.ahead().await;
    let (ann, bob) = (add_user(sql, "ann").await, add_user(sql, "bob").await);
    // Far ahead, in a day of its own; and on the last day that there is.
    let far = ahead[0] + Days::new(40);
    schema.ensure(&[far]).await;
    for day in [far, ahead[2]] {
        let instant = format!("{day}T12:00:00Z");
        add(sql, &instant, ann.account_id, bob.account_id, "1").await;
    }
    schema.drop_day(ahead[1]).await;
    schema.drop_day(ahead[0]).await;
    let client = schema.connect().await;
    for _ in 0..3 {
        partitions::maintain(&client).await.unwrap();
    }
    let found = schema.days().await;
    assert!(ahead.iter().all(|day| found.contains(day)), "{found:?}");
    assert!(found.len() <= 8, "rounds do not run away with the row: {found:?}");
    assert_eq!(row_counts(sql).await, (2, 2));
}

#[tokio::test]
async fn a_day_ahead_whose_rows_are_gone_is_not_made_anew() {
    let schema = TestSchema::prepared().await;
    let (ann, bob) = (add_user(&schema.sql, "ann").await, add_user(&schema.sql, "bob").await);
    let ahead = schema.ahead().await;
    let instant = format!("{}T12:00:00Z", ahead[2]);
    add(&schema.sql, &instant, ann.account_id, bob.account_id, "1").await;
    schema.drop_day(ahead[2]).await;
    for _ in 0..2 {
        assert_eq!(partitions::maintain(&schema.connect().await).await.unwrap(), Some(0));
        assert_eq!(schema.days().await, ahead[..2]);
    }
}

/// Maintenance against a tx that holds what it needs, while somebody else writes.
async fn check_gives_up(schema: &TestSchema, hold: &str, other: &str) {
    let last = *schema.ahead().await.last().unwrap();
    schema.drop_day(last).await;
    let holder = schema.more_sql().await;
    holder.batch_execute(&format!("BEGIN; {hold}")).await.unwrap();
    let client = schema.connect().await;
    let begun_at = Instant::now();
    let round = tokio::spawn(async move { partitions::maintain(&client).await });
    eventually("the round waits for the holder", async || {
        let waits = "SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
            WHERE NOT l.granted AND c.relnamespace = current_schema()::regnamespace)";
        one(&schema.sql, waits).await
    })
    .await;
    schema.more_sql().await.batch_execute(other).await.unwrap();
    let waited = begun_at.elapsed();
    assert!(waited < Duration::from_secs(5), "others wait {waited:?}: {hold}");
    let error = round.await.unwrap().expect_err(hold);
    assert_eq!(error.kind(), StoreErrorKind::Conflict, "{hold}: {:?}", error.server_message());
    assert!(!schema.days().await.contains(&last));
    holder.batch_execute("ROLLBACK").await.unwrap();
    partitions::maintain(&schema.connect().await).await.unwrap();
    assert!(schema.days().await.contains(&last));
}

#[tokio::test]
async fn maintenance_gives_up_behind_a_lock_and_lets_others_through() {
    let schema = TestSchema::prepared().await;
    let share = "LOCK TABLE ONLY transactions IN SHARE MODE";
    check_gives_up(&schema, share, "SELECT count(*) FROM transactions").await;
}

/// Neither somebody who reads all days nor somebody who makes accounts is waited for.
#[tokio::test]
async fn open_readers_and_writers_of_accounts_do_not_delay_maintenance() {
    let schema = TestSchema::prepared().await;
    let last = *schema.ahead().await.last().unwrap();
    for hold in [
        "SELECT count(*) FROM transactions",
        "INSERT INTO accounts (network, address) VALUES ('bank', 'a')",
    ] {
        schema.drop_day(last).await;
        let holder = schema.more_sql().await;
        holder.batch_execute(&format!("BEGIN; {hold}")).await.unwrap();
        partitions::maintain(&schema.connect().await).await.unwrap();
        assert!(schema.days().await.contains(&last), "{hold}");
        holder.batch_execute("ROLLBACK").await.unwrap();
    }
}

#[tokio::test]
async fn an_open_writer_of_accounts_does_not_delay_maintenance() {
    let schema = TestSchema::prepared().await;
    let last = *schema.ahead().await.last().unwrap();
    schema.drop_day(last).await;
    let writer = schema.more_sql().await;
    let account = "INSERT INTO accounts (network, address) VALUES ('bank', 'somebody')";
    writer.batch_execute(&format!("BEGIN; {account}")).await.unwrap();
    partitions::maintain(&schema.connect().await).await.unwrap();
    assert!(schema.days().await.contains(&last));
}

#[tokio::test]
async fn a_start_while_a_lock_holds_maintenance_back_succeeds() {
    let schema = TestSchema::prepared().await;
    schema.drop_day(*schema.ahead().await.last().unwrap()).await;
    let holder = schema.more_sql().await;
    holder.batch_execute("BEGIN; LOCK TABLE ONLY transactions IN SHARE MODE").await.unwrap();
    crate::support::service::prepare(&schema.database, &schema.settings).await;
}

#[tokio::test]
async fn partitions_that_are_not_a_day_of_utc_stop_the_start_by_name() {
    for (name, bounds) in [
        ("new_york_day", "FOR VALUES FROM ('2020-01-01 05:00Z') TO ('2020-01-02 05:00Z')"),
        ("week", "FOR VALUES FROM ('2020-01-01 00:00Z') TO ('2020-01-08 00:00Z')"),
        ("catch_all", "DEFAULT"),
        ("everything_before", "FOR VALUES FROM (MINVALUE) TO ('2020-01-01 00:00Z')"),
    ] {
        let schema = TestSchema::prepared().await;
        let make = format!("CREATE TABLE {name} PARTITION OF transactions {bounds}");
        schema.sql.batch_execute(&make).await.unwrap();
        if name == "catch_all" {
            // Whoever made it may have rows in it: it must not go silently.
            let (ann, bob) =
                (add_user(&schema.sql, "ann").await, add_user(&schema.sql, "bob").await);
            add(&schema.sql, "2020-01-01T12:00:00Z", ann.account_id, bob.account_id, "1").await;
        }
        let pool = &schema.settings.pool;
        let facts = server_check::check(&schema.database, pool).await.unwrap();
        let prepared = daybook::upkeep::partitions::prepare(
            &schema.database,
            &schema.settings.partitions,
            &facts,
            daybook::upkeep::migrate::Standing::Owner,
        );
        match prepared.await.expect_err(name) {
            UpkeepError::Unfit(text) => {
                assert!(text.contains(name) && text.contains("midnight UTC"), "{text}");
            }
            UpkeepError::Store(error) => panic!("{name}: {:?}", error.server_message()),
        }
        if name == "catch_all" {
            assert_eq!(row_counts(&schema.sql).await, (1, 1));
        }
    }
}

#[tokio::test]
async fn only_one_of_two_servers_runs_a_round() {
    let schema = TestSchema::prepared().await;
    let (first, second) = (schema.connect().await, schema.connect().await);
    first.batch_execute("BEGIN").await.unwrap();
    assert_eq!(partitions::maintain(&first).await.unwrap(), Some(0));
    assert_eq!(partitions::maintain(&second).await.unwrap(), None);
    first.batch_execute("COMMIT").await.unwrap();
    assert_eq!(partitions::maintain(&second).await.unwrap(), Some(0));
}

#[tokio::test]
async fn the_ticker_runs_rounds_until_it_is_stopped() {
    let schema = TestSchema::prepared().await;
    let ahead = schema.ahead().await;
    let wanted = schema.settings.partitions.partition_days_ahead;
    assert_eq!(ahead.len(), usize::from(wanted) + 1);
    // One that only watches pg_cron steps in when more than a day is missing.
    for (round, dropped) in [(Round::Maintain, &ahead[2..]), (Round::Look(wanted), &ahead[1..])] {
        let stop = CancellationToken::new();
        let upkeep = PartitionUpkeep::new(schema.database.clone());
        let interval = Duration::from_millis(50);
        let running = workers::partition_upkeep::run(upkeep, round, interval, stop.clone());
        let ticker = tokio::spawn(running);
        for _ in 0..2 {
            for &day in dropped {
                schema.drop_day(day).await;
            }
            eventually("the days are back", async || schema.days().await == ahead).await;
        }
        stop.cancel();
        tokio::time::timeout(Duration::from_secs(5), ticker).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_day_that_is_missing_for_an_hour_is_left_to_pg_cron() {
    let schema = TestSchema::prepared().await;
    let ahead = schema.ahead().await;
    let wanted = schema.settings.partitions.partition_days_ahead;
    schema.drop_day(*ahead.last().unwrap()).await;
    let upkeep = PartitionUpkeep::new(schema.database.clone());
    upkeep.look(wanted).await.unwrap();
    assert_eq!(schema.days().await, ahead[..ahead.len() - 1]);
}
