//! Functions for SQL touch as little as the statements of the rpcs: a bounded number of pages
//! whatever the window, and no partition beyond those that a ranking's window cuts.

use daybook::cluster::ClusterRole;
use tokio_postgres::Client;

use super::{busy_schema, counted, locked};
use crate::support::schema::{TestSchema, day, one};

/// Most pages that a sum may touch.
const BUFFERS_MAX: i64 = 80;

/// Pages that a statement touches, once all of them are at hand.
async fn buffers(client: &Client, text: &str) -> i64 {
    let text = format!("EXPLAIN (ANALYZE, BUFFERS, COSTS off, TIMING off, SUMMARY off) {text}");
    // The first rounds plan what is inside.
    for _ in 0..2 {
        client.query(&text, &[]).await.unwrap();
    }
    let rows = client.query(&text, &[]).await.unwrap();
    let lines: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let line = lines.iter().find(|line| line.contains("Buffers:")).unwrap();
    counted(line, "hit=") + counted(line, "read=")
}

/// What a tx has locked of the table of transactions.
async fn parent_locks(client: &Client) -> i64 {
    let text = "SELECT count(*) FROM pg_locks
        WHERE pid = pg_backend_pid() AND relation = 'transactions'::regclass";
    one(client, text).await
}

/// A session as a dashboard has one, with a tx that was begun.
async fn dashboard(schema: &TestSchema) -> Client {
    let client = schema.sql_as(ClusterRole::Reader).await;
    client.batch_execute("BEGIN").await.unwrap();
    client
}

const HOUR: (&str, &str) = ("2023-01-02 03:04:05Z", "2023-01-02 04:05:06.789Z");
const ALL: (&str, &str) = ("2022-12-05 07:08:09Z", "2023-01-03 13:14:15.678901Z");

#[tokio::test]
async fn a_sum_touches_few_pages_and_no_partition_whatever_its_window() {
    let schema = busy_schema().await;
    let client = dashboard(&schema).await;
    let user: String = one(
        &client,
        "SELECT user_uuid::text FROM users JOIN user_wallets USING (user_id) ORDER BY 1 LIMIT 1",
    )
    .await;
    for side in ["sender", "receiver"] {
        for (start, end) in [HOUR, ALL] {
            for text in [
                format!("SELECT sum_amount('{user}', '{start}', '{end}', '{side}')"),
                format!("SELECT * FROM moments('{user}', '{start}', '{end}', '{side}')"),
            ] {
                let found = buffers(&client, &text).await;
                assert!(found <= BUFFERS_MAX, "{found} buffers: {text}");
            }
        }
    }
    let balance = format!("SELECT balance('{user}')");
    assert!(buffers(&client, &balance).await <= 2 * BUFFERS_MAX);
    // By the day: about as many pages again for each bucket, at most.
    let series =
        format!("SELECT * FROM sum_series('{user}', '{}', '{}', 'sender', 'day')", ALL.0, ALL.1);
    let found = buffers(&client, &series).await;
    assert!(found <= 6 * BUFFERS_MAX, "{found}");
    assert_eq!(locked(&client).await, Vec::<String>::new());
    assert_eq!(parent_locks(&client).await, 0);
}

#[tokio::test]
async fn a_ranking_opens_the_days_that_its_window_cuts() {
    let schema = busy_schema().await;
    let rank = |(start, end): (&str, &str)| {
        format!("SELECT count(*) FROM rank_users('{start}', '{end}', 'sender')")
    };
    let leaf = |text: &'static str| schema.leaf(day(text));
    for (window, days) in [
        (("2022-12-03Z", "2023-01-03Z"), vec![]),
        (HOUR, vec!["2023-01-02"]),
        (("2022-12-03Z", "2023-01-02 02:00Z"), vec!["2023-01-02"]),
        (("2022-12-05 07:00Z", "2023-01-03 13:00Z"), vec!["2022-12-05", "2023-01-03"]),
    ] {
        let client = dashboard(&schema).await;
        for _ in 0..7 {
            assert!(one::<i64>(&client, &rank(window)).await >= 0);
        }
        let mut expected = Vec::new();
        for day in days {
            expected.push(leaf(day).await);
        }
        assert_eq!(locked(&client).await, expected, "{window:?}");
    }
}
