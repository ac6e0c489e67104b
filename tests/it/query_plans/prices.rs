//! Prices are read from the days of their window alone, and cells by their key.

use chrono::{DateTime, Utc};

use super::{Param, borrowed, executed_pages, plan};
use crate::{
    rank_symbols::make_symbols,
    support::{
        ledger::at,
        schema::{TestSchema, statement_text},
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
    schema
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
    let spans = || -> [Param; 2] { [Box::new(vec![0_i16, 1]), Box::new(vec![UNIT, UNIT / 4])] };
    let [levels, numbers] = spans();
    let [more_levels, more_numbers] = spans();
    let [levels_of_briefs, numbers_of_briefs] = spans();
    let cases: [(&str, Vec<Param>); 8] = [
        ("price_cells", vec![levels, numbers, Box::new(vec![0_i32, 0]), Box::new(true)]),
        ("price_cells_of_spans", vec![more_levels, more_numbers, Box::new(None::<Vec<i32>>)]),
        (
            "price_briefs_of_spans",
            vec![levels_of_briefs, numbers_of_briefs, Box::new(None::<Vec<i32>>)],
        ),
        ("price_cells_unpacked", vec![Box::new(vec![UNIT; 2]), Box::new(vec![0_i32, 1])]),
        (
            "price_changes_between",
            vec![Box::new(UNIT), Box::new(UNIT + 360), Box::new(None::<Vec<i32>>)],
        ),
        // What the verifier asks again and again.
        ("verifier_pick_price", vec![]),
        ("audit_price_cells", vec![Box::new(UNIT), Box::new(UNIT + 1), Box::new(Some(0_i32))]),
        (
            "audit_price_spans",
            vec![
                Box::new(1_i16),
                Box::new(UNIT / 4),
                Box::new(UNIT / 4 + 1),
                Box::new(Some(0_i32)),
            ],
        ),
    ];
    for (stem, params) in cases {
        let lines =
            plan(&client, "ANALYZE, BUFFERS, COSTS OFF", &statement_text(stem), &params).await;
        let pages_max = match stem {
            // Briefs are in the rows that the key leads to.
            "price_briefs_of_spans" => 10,
            // Five cells of a hundred symbols, each read whole.
            "audit_price_spans" => 100,
            _ => 30,
        };
        assert!(executed_pages(&lines) < pages_max, "{stem}: {lines:#?}");
        assert!(!lines.iter().any(|line| line.contains("Seq Scan on price_totals")), "{lines:#?}");
    }
}
