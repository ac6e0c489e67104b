//! Lists of transactions open the days of their rows and no other one, whatever page it is.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use tokio_postgres::Client;
use uuid::Uuid;

use super::{Param, borrowed, busy_schema, locked, plan, scanned};
use crate::support::{
    ledger::at,
    schema::{TestSchema, day, one, statement_text},
    service::{new_target, settings},
};

/// Instants of an account's rows on two of the three busy days.
async fn instants_of(client: &Client, account_id: i64) -> Vec<DateTime<Utc>> {
    let text = "SELECT t.occurred_at FROM transactions t
        WHERE t.sender_id = $1 AND t.occurred_at < '2023-01-03Z' ORDER BY 1";
    client.query(text, &[&account_id]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

/// The busiest sender of the first two days.
async fn busy_account(client: &Client) -> i64 {
    let text = "SELECT sender_id FROM transactions WHERE occurred_at < '2023-01-03Z'
        GROUP BY 1 HAVING count(DISTINCT occurred_at::date) = 2 ORDER BY count(*) DESC, 1 LIMIT 1";
    one(client, text).await
}

/// Statements that read rows of some instants, with their values.
fn row_statements(
    account: i64,
    instants: &[DateTime<Utc>],
    after: Option<DateTime<Utc>>,
) -> Vec<(&'static str, Vec<Param>)> {
    let place = || -> Vec<Param> {
        vec![
            Box::new(after),
            Box::new(after.map(|_| 0i64)),
            Box::new(after.map(|_| Uuid::nil())),
            Box::new(101i64),
        ]
    };
    let side = || -> Vec<Param> {
        vec![
            Box::new(vec![account; instants.len()]),
            Box::new(vec![1i32; instants.len()]),
            Box::new(instants.to_vec()),
        ]
    };
    let of_accounts = side().into_iter().chain(side()).chain([
        Box::new(instants.to_vec()) as Param,
        Box::new(vec![account]),
        Box::new(true),
    ]);
    let of_all: Vec<Param> = vec![Box::new(1i32), Box::new(instants.to_vec()), Box::new(true)];
    vec![
        ("list_transactions_rows", of_accounts.chain(place()).collect()),
        ("list_transactions_rows_all", of_all.into_iter().chain(place()).collect()),
        (
            "get_transaction_rows",
            vec![Box::new("r".to_owned()), Box::new(instants.to_vec()), Box::new(101i64)],
        ),
    ]
}

async fn leaves(schema: &TestSchema, instants: &[DateTime<Utc>]) -> Vec<String> {
    let days: BTreeSet<_> = instants.iter().map(DateTime::date_naive).collect();
    let mut leaves = Vec::new();
    for day in days {
        leaves.push(schema.leaf(day).await);
    }
    leaves
}

#[tokio::test]
async fn pages_open_the_days_of_their_instants_by_the_covering_indexes() {
    let schema = busy_schema().await;
    let client = schema.connect().await;
    let account = busy_account(&client).await;
    let instants = instants_of(&client, account).await;
    let own_leaves = leaves(&schema, &instants).await;
    assert_eq!((own_leaves.len(), instants.len() > 3), (2, true));
    for after in [None, instants.last().copied()] {
        for (stem, params) in row_statements(account, &instants, after) {
            let text = statement_text(stem);
            let lines = plan(&client, "COSTS off", &text, &params).await;
            assert_eq!(scanned(&lines), own_leaves, "{stem}: {lines:#?}");
            let has = |word: &str| lines.iter().any(|line| line.contains(word));
            if stem == "list_transactions_rows" {
                assert!(has("sender_id_asset_id_occurred_at"), "{stem}: {lines:#?}");
                assert!(has("receiver_id_asset_id_occurred_at"), "{stem}: {lines:#?}");
                assert!(!has("Seq Scan on transactions"), "{stem}: {lines:#?}");
            }
            assert!(!has("CASE"), "{stem}: {lines:#?}");
        }
    }
}

#[tokio::test]
async fn single_rows_open_one_day() {
    let schema = busy_schema().await;
    let client = schema.connect().await;
    let leaf = schema.leaf(day("2023-01-02")).await;
    let occurred_at = at("2023-01-02T10:00:00Z");
    let by_id = || -> Vec<Param> { vec![Box::new(Uuid::nil()), Box::new(occurred_at)] };
    let before: Vec<Param> = vec![
        Box::new(vec![1i64, 2]),
        Box::new(vec![1i64]),
        Box::new(1i32),
        Box::new(occurred_at),
        Box::new(0i64),
        Box::new(Uuid::nil()),
    ];
    let mut as_everybody = by_id();
    as_everybody.push(Box::new(None::<Uuid>));
    let mut as_user = by_id();
    as_user.push(Box::new(Uuid::nil()));
    for (stem, params) in [
        ("get_transaction_row", as_everybody),
        ("get_transaction_row", as_user),
        ("delete_transaction", by_id()),
        ("list_transactions_before", before),
    ] {
        let lines = plan(&client, "COSTS off", &statement_text(stem), &params).await;
        let names: BTreeSet<_> = lines
            .iter()
            .flat_map(|line| line.split_whitespace())
            .filter(|word| word.starts_with("transactions_p") && !word.contains("_idx"))
            .collect();
        assert_eq!(Vec::from_iter(names), [leaf.as_str()], "{stem}: {lines:#?}");
        let reads_all = lines.iter().any(|line| line.contains("Seq Scan on transactions"));
        assert!(!reads_all, "{stem}: {lines:#?}");
    }
}

#[tokio::test]
async fn the_tenth_page_locks_no_more_partitions_than_the_first() {
    let schema = busy_schema().await;
    let client = schema.connect().await;
    let account = busy_account(&client).await;
    let instants = instants_of(&client, account).await;
    let own_leaves = leaves(&schema, &instants).await;
    for (stem, params) in row_statements(account, &instants, None) {
        let client = schema.connect().await;
        let prepared = client.prepare(&statement_text(stem)).await.unwrap();
        for _ in 0..9 {
            client.query(&prepared, &borrowed(&params)).await.unwrap();
        }
        client.batch_execute("BEGIN").await.unwrap();
        client.query(&prepared, &borrowed(&params)).await.unwrap();
        assert_eq!(locked(&client).await, own_leaves, "{stem}");
    }
}

#[tokio::test]
async fn instants_are_found_by_key_and_open_no_day() {
    let schema = busy_schema().await;
    let client = schema.connect().await;
    let accounts = "SELECT array_agg(account_id) FROM
        (SELECT account_id FROM accounts ORDER BY account_id LIMIT 300) AS first";
    let accounts: Vec<i64> = one(&client, accounts).await;
    let count = accounts.len();
    let noon = at("2023-01-02T12:00:00Z");
    let series = || -> Vec<Param> {
        vec![
            Box::new(accounts.clone()),
            Box::new(vec![1i32; count]),
            Box::new((0..count).map(|n| i16::from(n % 2 == 1)).collect::<Vec<_>>()),
            Box::new(vec![noon; count]),
        ]
    };
    let with = |more: Vec<Param>| series().into_iter().chain(more).collect::<Vec<_>>();
    let corrections: Vec<Param> =
        vec![Box::new(vec![noon; count]), Box::new(true), Box::new(64i64)];
    let totals = "running_totals";
    for (stem, table, params) in [
        ("list_transactions_cells_newest", totals, with(vec![Box::new(2i64)])),
        ("list_transactions_cells_oldest", totals, with(vec![Box::new(2i64), Box::new(true)])),
        ("list_transactions_cells_oldest", totals, with(vec![Box::new(2i64), Box::new(false)])),
        ("list_transactions_corrections", "corrections", with(corrections)),
        ("list_transactions_series", totals, vec![Box::new(accounts.clone()), Box::new(1_000i64)]),
    ] {
        let options = "ANALYZE, COSTS off, TIMING off, SUMMARY off";
        let lines = plan(&client, options, &statement_text(stem), &params).await;
        assert_eq!(scanned(&lines), Vec::<&str>::new(), "{stem}: {lines:#?}");
        if table == totals {
            let reads_all = |line: &String| line.contains("Seq Scan on running_totals");
            assert!(lines.iter().any(|line| line.contains("running_totals_pkey")), "{lines:#?}");
            assert!(!lines.iter().any(reads_all), "{stem}: {lines:#?}");
        }
        assert!(!lines.iter().any(|line| line.contains("CASE")), "{stem}: {lines:#?}");
    }
}

/// Corrections of others: all of one sender, then all of one receiver, so that one of the
/// indexes is the lower one.
const CORRECTIONS_OF_OTHERS: &str = "INSERT INTO corrections
        (occurred_at, sender_id, receiver_id, asset_id, row_count, amount)
    SELECT timestamptz '2023-01-01' + n / 40 * interval '1 second',
        CASE WHEN $1 THEN 5000 ELSE n % 900 END, CASE WHEN $1 THEN n % 900 ELSE 5000 END, 1, 1, 1
    FROM generate_series(1, $2::integer) AS n";

/// Every look-up in corrections goes by the account, in the index of its side.
async fn check_corrections_by_account(client: &Client) {
    let count = 900i64;
    let ids = || -> Param { Box::new((0..count).collect::<Vec<_>>()) };
    let sides: Vec<_> = (0..count).map(|n| i16::from(n % 2 == 1)).collect();
    let wide = (at("2022-01-01T00:00:00Z"), at("2024-01-01T00:00:00Z"));
    let instants = |at| -> Param { Box::new(vec![at; sides.len()]) };
    let of_series = |is_newest: bool| -> Vec<Param> {
        vec![
            ids(),
            Box::new(vec![1i32; sides.len()]),
            Box::new(sides.clone()),
            instants(wide.0),
            instants(wide.1),
            Box::new(is_newest),
            Box::new(64i64),
        ]
    };
    for (stem, look_ups, params) in [
        ("list_transactions_corrections", 1, of_series(true)),
        ("list_transactions_corrections", 1, of_series(false)),
        ("list_transactions_series", 2, vec![ids(), Box::new(1_000i64)]),
        ("account_assets", 1, vec![ids(), Box::new(1_001i32)]),
    ] {
        let lines = plan(client, "COSTS off", &statement_text(stem), &params).await;
        for side in ["sender", "receiver"] {
            let index = format!("corrections_{side}_id_asset_id_occurred_at_idx on corrections");
            let condition = format!("({side}_id = ");
            let is_by_account = |pair: &&[String]| {
                pair[0].contains(&index)
                    && pair[1].contains("Index Cond: ")
                    && pair[1].contains(&condition)
            };
            let found = lines.windows(2).filter(is_by_account).count();
            assert_eq!(found, look_ups, "{stem}, {side}: {lines:#?}");
        }
        let is_filter = |line: &String| {
            line.contains("Filter: ")
                && (line.contains("sender_id") || line.contains("receiver_id"))
        };
        assert!(!lines.iter().any(is_filter), "{stem}: {lines:#?}");
    }
}

#[tokio::test]
async fn corrections_are_found_by_account_also_while_the_table_looks_empty() {
    for of_one_sender in [true, false] {
        let schema = TestSchema::prepared_on(new_target(), settings()).await;
        let sql = &schema.sql;
        sql.batch_execute("ANALYZE corrections").await.unwrap();
        let client = schema.connect().await;
        let add = async |count: i32| {
            sql.execute(CORRECTIONS_OF_OTHERS, &[&of_one_sender, &count]).await.unwrap();
        };
        // Behind an analysis of a table that has not had a row.
        add(20_000).await;
        check_corrections_by_account(&client).await;
        // Behind one of a table that has pages and no rows: what sealing leaves.
        sql.batch_execute("DELETE FROM corrections").await.unwrap();
        sql.batch_execute("VACUUM (ANALYZE) corrections").await.unwrap();
        let rows = "SELECT reltuples FROM pg_class WHERE oid = 'corrections'::regclass";
        let rows: f32 = one(sql, rows).await;
        assert!(rows <= 0.0, "{rows} rows that the planner reckons with");
        check_corrections_by_account(&client).await;
        add(20_000).await;
        check_corrections_by_account(&client).await;
        sql.batch_execute("ANALYZE corrections").await.unwrap();
        check_corrections_by_account(&client).await;
    }
}
