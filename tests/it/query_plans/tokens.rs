//! Blocks of tokens are found by index, and rows of one instant in one partition.

use super::{Param, borrowed, executed_pages, locked, plan, scanned};
use crate::support::{
    ledger::at,
    schema::statement_text,
    token::{CONTRACT, NETWORK, TestToken, random_blocks},
};

#[tokio::test]
async fn blocks_and_rows_of_an_instant_are_found_in_few_pages() {
    let mut token = TestToken::start(20).await;
    let mut random = crate::support::random::random();
    token.mine(&random_blocks(&mut random, (0, crate::support::token::FIRST), 20, 50)).await;
    let sql = &token.service.sql;
    let text = "INSERT INTO sync_blocks (stream_id, height, mined_at, block_hash, parent_hash)
        SELECT $1, n, '2024-06-01'::timestamptz + n * interval '12 seconds', '0x', ''
        FROM generate_series(1000, 50000) AS n";
    sql.execute(text, &[&token.stream_id]).await.unwrap();
    let text = "INSERT INTO sync_streams (asset_id, account_id)
        SELECT $1, n FROM generate_series(1000000, 1010000) AS n";
    sql.execute(text, &[&token.asset_id]).await.unwrap();
    let text = "VACUUM ANALYZE sync_streams, sync_blocks, accounts, transactions";
    sql.batch_execute(text).await.unwrap();
    let client = token.service.database.connect().await.unwrap();
    let stream = || Box::new(token.stream_id) as Param;
    let instant = at("2024-06-03T00:00:00Z");
    let accounts: Vec<_> = token.accounts.iter().map(|(_, account)| *account).collect();
    let ranks: Vec<_> = (0i64..).take(accounts.len()).collect();
    let network = || [Box::new(NETWORK) as Param, Box::new(CONTRACT)];
    let [one, other] = network();
    let nothing = || Box::new(None::<i64>) as Param;
    let cases: [(&str, Vec<Param>, i64); 8] = [
        ("token_find", vec![one, other, Box::new("0x")], 20),
        ("token_block_at_height", vec![stream(), Box::new(30_000_i64)], 10),
        ("token_block_from_height", vec![stream(), Box::new(30_000_i64)], 10),
        ("token_block_at_instant", vec![stream(), Box::new(instant)], 10),
        (
            "list_holders_addresses",
            vec![
                Box::new(accounts.clone()),
                Box::new(ranks),
                nothing(),
                Box::new(""),
                Box::new(5_i64),
            ],
            100,
        ),
        ("token_checks_addresses", vec![Box::new(accounts)], 100),
        ("sync_streams_get", vec![stream(), Box::new(None::<i32>), nothing()], 20),
        (
            "sync_streams_get",
            vec![nothing(), Box::new(token.asset_id), Box::new(1_005_000_i64)],
            20,
        ),
    ];
    for (stem, params, pages_max) in cases {
        let text = statement_text(stem);
        let lines = plan(&client, "ANALYZE, BUFFERS, COSTS OFF, TIMING OFF", &text, &params).await;
        let pages = executed_pages(&lines);
        assert!(pages <= pages_max, "{stem} read {pages} pages: {lines:#?}");
    }
    let text = statement_text("list_holders_beyond");
    let params: Vec<Param> =
        vec![Box::new(token.asset_id), Box::new(at("2024-05-02T00:00:00Z")), Box::new(5_i64)];
    let lines = plan(&client, "COSTS OFF", &text, &params).await;
    assert_eq!(scanned(&lines).len(), 1, "{lines:#?}");
    let prepared = client.prepare(&text).await.unwrap();
    for _ in 0..9 {
        client.query(&prepared, &borrowed(&params)).await.unwrap();
    }
    client.batch_execute("BEGIN").await.unwrap();
    client.query(&prepared, &borrowed(&params)).await.unwrap();
    let locked = locked(&client).await;
    assert_eq!(locked.len(), 1, "{locked:?}");
    client.batch_execute("COMMIT").await.unwrap();
}
