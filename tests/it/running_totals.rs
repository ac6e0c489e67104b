//! Running totals are what the rows are: whatever is written, by whatever SQL client, is in
//! the very next answer, before and after sealing.

mod file;
mod kills;
mod old_snapshots;
mod shapes;
mod waits;

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt, pin_mut};

use crate::support::{schema::refusal, totals::Totals};

pub(super) const DAYS: [&str; 3] = ["2024-05-05", "2024-05-06", "2024-05-07"];

/// Rows that each case begins with, over three days and three accounts.
pub(super) const ROWS: &str = "INSERT INTO transactions
    (occurred_at, position, sender_id, receiver_id, asset_id, amount)
    VALUES ('2024-05-05 10:00Z', 1, {a}, {b}, 1, 1.5),
           ('2024-05-05 10:00Z', 2, {a}, {c}, 1, 0.00001),
           ('2024-05-05 23:59:59.999999Z', 0, {b}, {a}, 1, 20),
           ('2024-05-06 00:00Z', 0, {a}, {b}, 1, 300),
           ('2024-05-06 12:00Z', 0, {c}, {c}, 1, 4000),
           ('2024-05-07 18:00Z', 0, {a}, {b}, 1, 50000)";

/// What is written, and how many corrections that appends.
const CASES: [(&str, &str, i64); 24] = [
    (
        "an insert",
        "INSERT INTO transactions (occurred_at, sender_id, receiver_id, asset_id, amount)
         VALUES ('2024-05-05 11:00Z', {a}, {b}, 1, 7.25)",
        1,
    ),
    (
        "many rows in one insert, on several days",
        "INSERT INTO transactions (occurred_at, sender_id, receiver_id, asset_id, amount)
         VALUES ('2024-05-07 01:00Z', {a}, {b}, 1, 1), ('2024-05-05 01:00Z', {b}, {a}, 1, 2),
                ('2024-05-06 01:00Z', {c}, {a}, 1, 3), ('2024-05-06 01:00Z', {c}, {a}, 1, 3)",
        4,
    ),
    (
        "an insert of what a select finds",
        "INSERT INTO transactions (occurred_at, sender_id, receiver_id, asset_id, amount)
         SELECT occurred_at + interval '1 microsecond', receiver_id, sender_id, 1, amount * 2
         FROM transactions",
        6,
    ),
    (
        "an insert of nothing",
        "INSERT INTO transactions (occurred_at, sender_id, receiver_id, asset_id, amount)
         SELECT occurred_at, sender_id, receiver_id, 1, 1 FROM transactions WHERE amount < 0",
        0,
    ),
    (
        "an insert with a conflict clause",
        "INSERT INTO transactions (occurred_at, sender_id, receiver_id, asset_id, amount)
         VALUES ('2024-05-05 11:00Z', {a}, {b}, 1, 1) ON CONFLICT DO NOTHING",
        1,
    ),
    ("an update of amounts", "UPDATE transactions SET amount = amount + 0.1", 12),
    ("an update of one amount", "UPDATE transactions SET amount = 8 WHERE amount = 20", 2),
    (
        "an update of instants within a day",
        "UPDATE transactions SET occurred_at = '2024-05-05 03:00Z' WHERE amount = 1.5",
        2,
    ),
    (
        "an update of instants to other days and partitions",
        "UPDATE transactions SET occurred_at = occurred_at + interval '1 day'
         WHERE occurred_at < '2024-05-07'",
        10,
    ),
    (
        "an update to another day of amounts too",
        "UPDATE transactions SET occurred_at = '2024-05-06 12:00Z', amount = 9 WHERE amount = 1.5",
        2,
    ),
    ("an update of senders", "UPDATE transactions SET sender_id = {c}", 10),
    ("an update of receivers", "UPDATE transactions SET receiver_id = {a} WHERE amount > 10", 6),
    (
        "accounts that change places",
        "UPDATE transactions SET sender_id = receiver_id, receiver_id = sender_id",
        10,
    ),
    ("an update of the asset", "UPDATE transactions SET asset_id = 2 WHERE amount >= 300", 6),
    ("an update of the reference alone", "UPDATE transactions SET reference = 'r'", 0),
    ("an update of the position alone", "UPDATE transactions SET position = position + 9", 0),
    (
        "an update to what is there",
        "UPDATE transactions SET amount = amount, sender_id = {c}
         WHERE sender_id = {c}",
        0,
    ),
    (
        "amounts that change places",
        "UPDATE transactions SET amount = CASE amount
         WHEN 1.5 THEN 0.00001 ELSE 1.5 END
         WHERE sender_id = {a} AND occurred_at = '2024-05-05 10:00Z'",
        4,
    ),
    ("a delete", "DELETE FROM transactions WHERE sender_id = {a} AND amount < 2", 2),
    ("a delete of everything", "DELETE FROM transactions", 6),
    (
        "a merge",
        "MERGE INTO transactions t
         USING (VALUES (1.5, 'go'), (20, 'stay'), (300, 'double'), (77, 'new')) AS s (amount, what)
         ON t.amount = s.amount
         WHEN MATCHED AND s.what = 'go' THEN DELETE
         WHEN MATCHED AND s.what = 'double' THEN
             UPDATE SET amount = 600, occurred_at = '2024-05-06 01:00Z'
         WHEN NOT MATCHED THEN
             INSERT (occurred_at, sender_id, receiver_id, asset_id, amount)
             VALUES ('2024-05-07 12:00Z', {b}, {c}, 1, s.amount)",
        4,
    ),
    (
        "a tx that is rolled back",
        "BEGIN; UPDATE transactions SET amount = 9; DELETE FROM transactions WHERE sender_id = {a};
         INSERT INTO transactions (occurred_at, sender_id, receiver_id, asset_id, amount)
         VALUES ('2024-05-05 11:00Z', {a}, {b}, 1, 7.25); ROLLBACK",
        0,
    ),
    (
        "a savepoint that is rolled back",
        "BEGIN; UPDATE transactions SET amount = 9 WHERE amount = 20; SAVEPOINT half;
         DELETE FROM transactions; ROLLBACK TO half;
         UPDATE transactions SET occurred_at = '2024-05-06 11:00Z' WHERE amount = 9; COMMIT",
        4,
    ),
    (
        "a statement within another one",
        "WITH gone AS (DELETE FROM transactions WHERE amount = 300 RETURNING amount)
         INSERT INTO transactions (occurred_at, sender_id, receiver_id, asset_id, amount)
         SELECT '2024-05-05 11:00Z', {b}, {c}, 1, amount FROM gone",
        2,
    ),
];

/// Asset 2 is there for rows to go to.
async fn ledger() -> Totals {
    let totals = Totals::new(&DAYS).await;
    let asset = "INSERT INTO assets (code, name, decimals) VALUES ('TOK', 'A token', 18)";
    totals.run(asset).await;
    totals
}

#[tokio::test]
async fn whatever_is_written_through_the_parent_is_in_the_very_next_answer() {
    let totals = ledger().await;
    for is_sealed_before in [false, true] {
        for (name, text, corrections) in CASES {
            let what = format!("{name}, rows sealed before: {is_sealed_before}");
            totals.run("DELETE FROM transactions").await;
            totals.run(ROWS).await;
            if is_sealed_before {
                totals.seal().await;
            }
            let before = totals.corrections().await;
            totals.run(text).await;
            assert_eq!(totals.corrections().await - before, corrections, "{what}");
            totals.check(&what).await;
            totals.seal().await;
            totals.check(&format!("{what}, sealed")).await;
        }
        assert_eq!(totals.audit().await, [], "rows sealed before: {is_sealed_before}");
    }
}

#[tokio::test]
async fn copied_rows_are_in_the_very_next_answer() {
    let totals = ledger().await;
    let sql = &totals.service.sql;
    let columns = "(occurred_at, sender_id, receiver_id, asset_id, amount)";
    for format in ["text", "csv", "binary"] {
        for is_sealed in [false, true] {
            // Postgres itself encodes the rows.
            let rows = totals.put_into(
                "SELECT timestamptz '2024-05-05 00:00Z' + n * interval '7 minutes',
                     CASE WHEN n % 3 = 0 THEN {b} ELSE {a} END::bigint, {c}::bigint, 1,
                     (n * n)::numeric / 1000
                 FROM generate_series(1, 600) AS n",
            );
            let encoding = format!("COPY ({rows}) TO STDOUT (FORMAT {format})");
            let stream = sql.copy_out(&encoding).await.unwrap();
            pin_mut!(stream);
            let mut bytes = BytesMut::new();
            while let Some(chunk) = stream.next().await {
                bytes.extend_from_slice(&chunk.unwrap());
            }
            let text = format!("COPY transactions {columns} FROM STDIN (FORMAT {format})");
            let before = totals.corrections().await;
            let sink = sql.copy_in::<_, Bytes>(&text).await.unwrap();
            pin_mut!(sink);
            sink.send(bytes.freeze()).await.unwrap();
            assert_eq!(sink.finish().await.unwrap(), 600);
            assert_eq!(totals.corrections().await - before, 600, "{format}");
            totals.check(format).await;
            if is_sealed {
                totals.check_sealing(format).await;
            }
        }
    }
}

#[tokio::test]
async fn what_is_refused_leaves_no_corrections() {
    let totals = ledger().await;
    let sql = &totals.service.sql;
    totals.run(ROWS).await;
    for is_sealed in [false, true] {
        if is_sealed {
            totals.seal().await;
        }
        let before = totals.corrections().await;
        let two = "INSERT INTO transactions
            (occurred_at, sender_id, receiver_id, asset_id, amount)
            VALUES ('2024-05-05 11:00Z', {a}, {b}, 1, 1), ";
        for (text, expected) in [
            ("TRUNCATE transactions".to_owned(), "0A000"),
            (format!("{two} ('2024-05-05 11:00Z', {{a}}, {{b}}, 1, -1)"), "23514"),
            (format!("{two} ('2024-05-05 11:00Z', -1, {{b}}, 1, 1)"), "23503"),
            (format!("{two} ('1999-05-05 11:00Z', {{a}}, {{b}}, 1, 1)"), "23514"),
            (
                "MERGE INTO transactions t USING (VALUES (20)) AS s (n) ON t.amount = s.n
                 WHEN MATCHED THEN UPDATE SET occurred_at = '2024-05-07 01:00Z'"
                    .to_owned(),
                "0A000",
            ),
        ] {
            let text = totals.put_into(&text);
            assert_eq!(refusal(sql, &text).await, expected, "{text}");
        }
        assert_eq!(totals.corrections().await, before);
        totals.check("after what was refused").await;
    }
    assert_eq!(totals.audit().await, []);
}

/// Corrections are appended by whoever writes, and by nobody else.
#[tokio::test]
async fn the_client_role_appends_corrections_only_by_writing_rows() {
    let totals = ledger().await;
    let config =
        crate::support::cluster::shared().connection(daybook::cluster::ClusterRole::Client);
    let client = crate::support::service::sql(config, &totals.service.target.schema).await;
    totals.run_on(&client, ROWS).await;
    assert_eq!(totals.corrections().await, 6);
    for text in [
        "INSERT INTO corrections VALUES ('2024-05-05 11:00Z', 1, 2, 1, 1, 5)",
        "DELETE FROM corrections",
        "UPDATE corrections SET amount = 0",
        "DELETE FROM running_totals",
        "UPDATE running_totals SET cell = ''",
        "DELETE FROM day_totals",
        "TRUNCATE corrections",
    ] {
        assert_eq!(refusal(&client, text).await, "42501", "{text}");
    }
    totals.check_sealing("rows of the client role").await;
}
