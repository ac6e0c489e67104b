//! Prices are read from the days of their window alone, and cells by their key.

use std::time::Duration;

use chrono::{DateTime, Utc};
use daybook::store::price_totals::price_totals_of_ticks;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::{Param, borrowed, executed_pages, plan};
use crate::{
    rank_symbols::make_symbols,
    support::{
        ledger::at,
        schema::{TestSchema, one, statement_text},
    },
};

const DAYS: [&str; 4] = ["2024-05-01", "2024-05-02", "2024-05-03", "2024-05-04"];

/// 2024-05-02T12:00:00Z, as a unit.
const UNIT: i64 = 1_714_651_200 / 240;

/// Partitions that the tx has locked.
const LOCKED: &str = "SELECT DISTINCT l.relation::regclass::text FROM pg_locks l
    JOIN pg_inherits i ON i.inhrelid = l.relation
    WHERE l.pid = pg_backend_pid() AND i.inhparent = 'prices'::regclass ORDER BY 1";

/// A hundred symbols that tick each minute of three days, folded.
async fn busy() -> TestSchema {
    let schema = TestSchema::prepared().await;
    make_symbols(&schema.sql, 100, &DAYS).await;
    let text = "INSERT INTO prices (symbol_id, ticked_at, price)
        SELECT s, '2024-05-01'::timestamptz + n * interval '1 minute', 1 + n % 7
        FROM generate_series(0, 4319) AS n, generate_series(1, 100) AS s
        ORDER BY n";
    schema.sql.execute(text, &[]).await.unwrap();
    daybook::upkeep::price_folding::fold_all(&schema.database).await.unwrap();
    schema.sql.batch_execute("VACUUM ANALYZE prices, price_totals, price_changes").await.unwrap();
    // Notes that are folded go once no other test sees them.
    let dead = "SELECT n_dead_tup FROM pg_stat_user_tables WHERE relid = 'price_changes'::regclass";
    for _ in 0..300 {
        if one::<i64>(&schema.sql, dead).await == 0 {
            return schema;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        schema.sql.batch_execute("VACUUM (INDEX_CLEANUP on) price_changes").await.unwrap();
    }
    panic!("other tests have seen the notes for a minute");
}

fn statements() -> Vec<(&'static str, Vec<Param>, i64)> {
    let (start, end) = (at("2024-05-02T11:58:00Z"), at("2024-05-02T12:00:00Z"));
    let instants = || Box::new(vec![start; 3]) as Param;
    let symbols = || Box::new(vec![1, 2, 3]) as Param;
    let instant = |at: DateTime<Utc>| Box::new(at) as Param;
    vec![
        ("price_ticks", vec![instant(start), instant(end)], 40),
        ("price_ticks_of_symbols", vec![instant(start), instant(end), symbols()], 40),
        (
            "price_ticks_of_units",
            vec![Box::new(vec![UNIT; 3]), symbols(), instant(start), instant(end)],
            20,
        ),
        (
            "list_prices",
            vec![
                Box::new(7),
                instant(start),
                instant(at("2024-05-03T00:00:00Z")),
                Box::new(50_i64),
            ],
            20,
        ),
        ("record_prices_found", vec![symbols(), instants(), instant(start), instant(end)], 20),
        // Nine ticks each, of the day's primary key.
        (
            "alert_measures",
            vec![
                symbols(),
                Box::new(vec![end; 3]),
                Box::new(vec![end; 3]),
                Box::new(480),
                instant(at("2024-05-02T11:52:00Z")),
                instant(end),
            ],
            40,
        ),
        (
            "feed_gaps",
            vec![
                Box::new(vec!["s0001usd", "s0002usd", "not there"]),
                instant(at("2024-05-02T00:01:00Z")),
                instant(end),
            ],
            60,
        ),
    ]
}

#[tokio::test]
async fn ticks_are_read_from_the_windows_day_alone_the_tenth_time_as_the_first() {
    let schema = busy().await;
    let client = schema.connect().await;
    let leaf = schema
        .sql
        .query_one(
            "SELECT leaf::text FROM partition_bounds('prices') WHERE lower_at = '2024-05-02'",
            &[],
        )
        .await
        .unwrap();
    let leaf: String = leaf.get(0);
    for (stem, params, pages_max) in statements() {
        let text = statement_text(stem);
        let lines = plan(&client, "ANALYZE, BUFFERS, COSTS OFF, TIMING OFF", &text, &params).await;
        for line in lines.iter().filter(|line| line.contains("Scan") && line.contains("prices_p")) {
            assert!(line.contains(&leaf), "{stem}: {lines:#?}");
        }
        let pages = executed_pages(&lines);
        assert!(pages <= pages_max, "{stem} read {pages} pages: {lines:#?}");
        let prepared = client.prepare(&text).await.unwrap();
        for _ in 0..9 {
            client.query(&prepared, &borrowed(&params)).await.unwrap();
        }
        client.batch_execute("BEGIN").await.unwrap();
        client.query(&prepared, &borrowed(&params)).await.unwrap();
        let locks = client.query(LOCKED, &[]).await.unwrap();
        let locks: Vec<String> = locks.iter().map(|row| row.get(0)).collect();
        assert_eq!(locks, [leaf.as_str()], "{stem}");
        client.batch_execute("COMMIT").await.unwrap();
    }
}

#[tokio::test]
async fn cells_and_changes_are_found_by_key() {
    let schema = busy().await;
    let client = schema.connect().await;
    let spans = format!("'{{0,1}}', '{{{UNIT},{}}}'", UNIT / 4);
    let of_groups = format!("{spans}, '{{0}}'");
    let of_span = format!("1::smallint, {}, {} + 1, 0", UNIT / 4, UNIT / 4);
    let cases = [
        ("price_cells", format!("{spans}, '{{0,0}}', true")),
        ("price_cells_of_spans", spans.clone()),
        ("price_cells_of_groups", of_groups.clone()),
        ("price_briefs_of_spans", spans),
        ("price_briefs_of_groups", of_groups),
        ("price_cells_unpacked", format!("'{{{UNIT},{UNIT}}}', '{{0,1}}'")),
        ("price_changes_between", format!("{UNIT}, {UNIT} + 360, NULL")),
        // What the verifier asks again and again.
        ("verifier_pick_price", String::new()),
        ("audit_price_cells", format!("{UNIT}, {UNIT} + 1, 0")),
        ("audit_price_spans", of_span),
    ];
    for mode in ["force_custom_plan", "force_generic_plan"] {
        client.batch_execute(&format!("SET plan_cache_mode = {mode}")).await.unwrap();
        // Rankings plan once a connection, others for the values at hand.
        let is_asked = |stem: &str| mode == "force_custom_plan" || stem.starts_with("price_");
        for (stem, values) in cases.iter().filter(|(stem, _)| is_asked(stem)) {
            let lines = plan_of_prepared(&client, stem, values).await;
            let pages_max = match *stem {
                // Briefs are in the rows that the key leads to.
                "price_briefs_of_spans" | "price_briefs_of_groups" => 10,
                // Five cells of a hundred symbols, each read whole.
                "audit_price_spans" => 100,
                _ => 30,
            };
            assert!(executed_pages(&lines) < pages_max, "{stem} {mode}: {lines:#?}");
            let is_scan = |line: &String| line.contains("Seq Scan on price_totals");
            assert!(!lines.iter().any(is_scan), "{stem} {mode}: {lines:#?}");
        }
    }
}

/// The plan of a statement as it is run in a session, with these values, after it was run.
async fn plan_of_prepared(client: &Client, stem: &str, values: &str) -> Vec<String> {
    let text = statement_text(stem);
    let prepared = client.prepare(&text).await.unwrap();
    let types: Vec<&str> = prepared.params().iter().map(|of| of.name()).collect();
    let in_brackets = |list: &str| match list {
        "" => String::new(),
        list => format!("({list})"),
    };
    let types = in_brackets(&types.join(", "));
    client
        .batch_execute(&format!("DEALLOCATE ALL; PREPARE asked {types} AS {text}"))
        .await
        .unwrap();
    let values = in_brackets(values);
    let text = format!("EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) EXECUTE asked {values}");
    let rows = client.simple_query(&text).await.unwrap();
    let line = |message: &SimpleQueryMessage| {
        let SimpleQueryMessage::Row(row) = message else { return None };
        row.get(0).map(str::to_owned)
    };
    rows.iter().filter_map(line).collect()
}

#[tokio::test]
async fn a_ranking_that_reads_ticks_locks_their_day_alone() {
    let schema = busy().await;
    let snapshot = schema.database.unopened_snapshot().await.unwrap();
    let minute = UNIT * 240_000_000..UNIT * 240_000_000 + 60_000_000;
    let (opened, ticks) = tokio::join!(
        biased;
        snapshot.open(),
        price_totals_of_ticks(&snapshot, &minute, None)
    );
    opened.unwrap();
    assert_eq!(ticks.unwrap().1, 100);
    // No other statement is at work in this schema.
    let locked = LOCKED.replace("l.pid = pg_backend_pid() AND", "");
    let leaves = schema.sql.query(&locked, &[]).await.unwrap();
    let leaves: Vec<String> = leaves.iter().map(|row| row.get(0)).collect();
    assert_eq!(leaves.len(), 1, "{leaves:?}");
    assert!(leaves[0].contains("2024") && leaves[0].ends_with("02"), "{leaves:?}");
    snapshot.end().await.unwrap();
}
