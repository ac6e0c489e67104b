//! The file of corrections: it grows to what waited at most, and does not stay so.

use daybook::{
    cluster::ClusterRole,
    store::DatabaseTarget,
    upkeep::sealing::{EMPTY_PAGES_MAX, Sealing},
};

use super::{DAYS, ROWS};
use crate::{
    query_plans::executed_pages,
    support::{
        cluster::{TestFolder, eventually},
        schema::{one, statement_text},
        service::{TestService, new_target, settings},
        totals::Totals,
    },
};

/// What is left of many corrections that were folded, vacuumed while a few of them waited.
const FOLDED: &str = "ALTER TABLE corrections SET (autovacuum_enabled = off);
    INSERT INTO corrections (occurred_at, sender_id, receiver_id, asset_id, row_count, amount)
    SELECT timestamptz '2024-05-05 00:00Z' + n * interval '1 second', n % 900, n % 700, 1, 1, n
    FROM generate_series(1, 300000) AS n;
    DELETE FROM corrections WHERE amount <= 298000";

const PAGES: &str = "SELECT pg_relation_size('corrections') / 8192";

/// Pages of corrections that a ranking reads.
async fn pages_of_a_ranking(totals: &Totals) -> i64 {
    let client = totals.service.database.connect().await.unwrap();
    let text = statement_text("rank_corrections");
    let text = format!("EXPLAIN (ANALYZE, BUFFERS, COSTS off, TIMING off) {text}");
    let at = |text: &str| -> chrono::DateTime<chrono::Utc> { text.parse().unwrap() };
    let (start, end) = (at("2024-01-01T00:00:00Z"), at("2025-01-01T00:00:00Z"));
    let rows = client.query(&text, &[&1i32, &0i16, &start, &end]).await.unwrap();
    let lines: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    executed_pages(&lines)
}

#[tokio::test]
async fn the_file_is_cut_when_nothing_waits_any_more() {
    // A server of its own: snapshots of other tests would keep dead rows from going.
    let folder = TestFolder::initialised();
    let cluster = folder.start().await;
    let target = DatabaseTarget { config: cluster.connection(ClusterRole::Owner), ..new_target() };
    let service = TestService::start_with(target, settings()).await;
    let totals = Totals::over(service, &DAYS).await;
    totals.run(FOLDED).await;
    totals.run("VACUUM corrections").await;
    totals.run("DELETE FROM corrections").await;
    let pages: i64 = one(&totals.service.sql, PAGES).await;
    assert!(pages > EMPTY_PAGES_MAX, "{pages} pages");
    let found = pages_of_a_ranking(&totals).await;
    assert!(found >= pages, "{found} of {pages} pages");
    let mut worker = Sealing::new(totals.service.database.clone(), totals.service.owner.clone());
    // Not while more may wait than is looked for.
    worker.seal(100).await.unwrap();
    assert_eq!(one::<i64>(&totals.service.sql, PAGES).await, pages);
    totals.run(ROWS).await;
    assert_eq!(worker.seal(1).await.unwrap(), 6);
    // Where the server's own upkeep has the table at work, a later attempt cuts the file.
    eventually("the file is cut", async || {
        Sealing::new(totals.service.database.clone(), totals.service.owner.clone())
            .seal(1)
            .await
            .unwrap();
        one::<i64>(&totals.service.sql, PAGES).await == 0
    })
    .await;
    let found = pages_of_a_ranking(&totals).await;
    assert!(found < 20, "{found} pages");
    totals.run(ROWS).await;
    totals.check("after the cut").await;
    totals.check_sealing("after the cut").await;
    cluster.stop().await.unwrap();
}
