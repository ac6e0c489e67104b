//! What is told of a database costs little, however many days and rows it has.

use chrono::Days;

use super::{Param, busy_schema, locked, plan};
use crate::support::{
    ledger::at,
    schema::{day, statement_text},
};

#[tokio::test]
async fn totals_are_counted_by_key_and_no_partition_is_opened() {
    let schema = busy_schema().await;
    let client = schema.connect().await;
    let few: Vec<_> = (0..30).map(|n| at("2022-12-20T00:00:00Z") + Days::new(n)).collect();
    // More than there are leaves: they are read as one range.
    let many: Vec<_> =
        (0..5_000).map(|n| at("2022-12-20T00:00:00Z") + chrono::TimeDelta::minutes(n)).collect();
    let edges = |edges: Vec<_>| -> Vec<Param> { vec![Box::new(edges)] };
    client.batch_execute("BEGIN; ANALYZE running_totals").await.unwrap();
    for (stem, params) in [
        ("get_status", vec![]),
        ("get_status_day_cells", edges(few)),
        ("get_status_day_cells", edges(many)),
        ("get_status_day_corrections", vec![]),
    ] {
        let options = "ANALYZE, COSTS off, TIMING off, SUMMARY off";
        let lines = plan(&client, options, &statement_text(stem), &params).await;
        let has = |word: &str| lines.iter().any(|line| line.contains(word));
        assert!(!has("Seq Scan on running_totals"), "{stem}: {lines:#?}");
        let is_of_totals = stem.ends_with("status") || stem.ends_with("cells");
        assert_eq!(has("using running_totals_pkey"), is_of_totals, "{stem}: {lines:#?}");
    }
    assert_eq!(locked(&client).await, Vec::<String>::new());
    client.batch_execute("ROLLBACK").await.unwrap();
    assert!(schema.days().await.contains(&day("2023-01-01")));
}
