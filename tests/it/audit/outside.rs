//! What the audit finds where no partition is, and in rows that bypassed the parent.

use daybook::{
    domain::running_total::{cell::Part, sums::Sums, whole::Whole},
    upkeep::audit::{Difference, repair},
};

use super::ledger;
use crate::support::{schema::one, totals::Totals};

/// A day far from all partitions, counted from the Unix epoch.
const FAR_DAY: i64 = 30_000;

fn texts(found: &[Difference]) -> Vec<String> {
    found.iter().map(|difference| format!("{difference:?}")).collect()
}

/// Claims that rows are there on a day that is not.
async fn claim(totals: &Totals) {
    let day = format!(
        "INSERT INTO day_totals (asset_id, direction, level, span_number, account_group, cell)
         SELECT asset_id, direction, 0, {FAR_DAY}, account_group, cell FROM day_totals
         WHERE asset_id = 1 AND direction = 1 AND level = 0 LIMIT 1"
    );
    totals.run(&day).await;
}

#[tokio::test]
async fn cells_that_claim_rows_where_no_partition_is_are_a_difference() {
    let totals = ledger().await;
    claim(&totals).await;
    // The first leaf of everybody's: a row in 1970.
    let first = "account_id = 0 AND level = 0 AND start_at = '-infinity'";
    let early = Part { key: 0, sums: Sums::of(1, &Whole::Small(7)) };
    totals.change_cell("running_totals", first, |cell| cell.parts.insert(0, early.clone())).await;
    let found = totals.audit().await;
    let names = texts(&found);
    let far = format!("Day {{ asset_id: 1, direction: Receiver, day: {FAR_DAY} }}");
    assert!(names.contains(&far), "{names:#?}");
    let is_early = |text: &String| text.contains("account_id: 0") && text.contains("day: 0,");
    assert!(names.iter().any(is_early), "{names:#?}");
    repair(&totals.service.database, &found).await.unwrap();
    assert_eq!(totals.audit().await, []);
    totals.check_sealing("repaired").await;

    // What is left of a day that was dropped is none.
    totals
        .run(&format!("INSERT INTO absent_days VALUES ('1970-01-01'::date + {FAR_DAY}, true)"))
        .await;
    claim(&totals).await;
    let found = texts(&totals.audit().await);
    assert!(!found.contains(&far), "{found:#?}");
}

#[tokio::test]
async fn rows_that_name_nobody_are_named_and_stay() {
    let totals = ledger().await;
    totals.seal().await;
    let leaf: String = one(
        &totals.service.sql,
        "SELECT leaf::text FROM partition_bounds('transactions')
         WHERE lower_at = '2024-05-06 00:00Z'",
    )
    .await;
    totals
        .run(&format!(
            "INSERT INTO {leaf} (occurred_at, sender_id, receiver_id, asset_id, amount)
             SELECT timestamptz '2024-05-06 01:00Z' + n * interval '1 hour',
                 CASE WHEN n < 2 THEN 1000001 ELSE {{a}} END, {{b}},
                 CASE WHEN n = 3 THEN 77 ELSE 1 END, 1
             FROM generate_series(0, 3) AS n"
        ))
        .await;
    let found = totals.audit().await;
    let (others, references): (Vec<_>, Vec<_>) =
        found.iter().cloned().partition(Difference::is_repairable);
    assert!(!others.is_empty(), "the totals lack the rows");
    let names = texts(&references);
    assert_eq!(names.len(), 2, "{names:#?}");
    assert!(names[0].contains(r#"column: "asset_id", id: 77, row_count: 1"#), "{names:#?}");
    let sender =
        r#"column: "sender_id", id: 1000001, row_count: 2, first_at: 2024-05-06T01:00:00Z"#;
    assert!(names[1].contains(sender), "{names:#?}");
    repair(&totals.service.database, &found).await.unwrap();
    assert_eq!(totals.audit().await, references);
}
