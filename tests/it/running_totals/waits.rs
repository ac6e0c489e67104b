//! Writers append and never wait for each other; readers wait for nobody.

use std::{sync::Arc, time::Duration};

use tokio::sync::Barrier;

use super::{DAYS, ROWS};
use crate::support::{schema::one, totals::Totals};

const INSERT: &str = "INSERT INTO transactions
    (occurred_at, sender_id, receiver_id, asset_id, amount)";

#[tokio::test]
async fn a_late_row_appends_one_correction_whatever_its_age() {
    let totals = Totals::new(&["2001-01-01", "2012-06-15", "2024-05-05", "2024-05-06"]).await;
    let rows = format!(
        "{INSERT} SELECT day + n * interval '1 minute', {{a}}, {{b}}, 1, n
         FROM generate_series(1, 500) AS n, unnest(ARRAY['2001-01-01 00:00Z',
             '2012-06-15 00:00Z', '2024-05-05 00:00Z']::timestamptz[]) AS day"
    );
    totals.run(&rows).await;
    totals.seal().await;
    let before = totals.stored().await;
    let sql = totals.more_sql().await;
    let late = ["2001-01-01 00:00Z", "2012-06-15 12:34:56.789Z", "2024-05-06 00:00Z"];
    for (count, instant) in (1..).zip(late) {
        let text = format!("BEGIN; {INSERT} VALUES ('{instant}', {{a}}, {{b}}, 1, 5)");
        totals.run_on(&sql, &text).await;
        let locked = "SELECT count(*) FROM pg_locks
            WHERE pid = pg_backend_pid() AND relation IN
                ('running_totals'::regclass, 'day_totals'::regclass)";
        assert_eq!(one::<i64>(&sql, locked).await, 0, "a writer looks at no cell");
        totals.run_on(&sql, "COMMIT").await;
        assert_eq!(totals.corrections().await, count, "{instant}");
    }
    let change = "UPDATE transactions SET amount = 6, occurred_at = '2024-05-06 12:00Z'
        WHERE occurred_at = '2001-01-01 00:00Z'";
    totals.run(change).await;
    assert_eq!(totals.corrections().await, 5, "one that went, one that came");
    assert_eq!(totals.stored().await, before, "cells were written");
    totals.check_sealing("late rows").await;
}

#[tokio::test]
async fn nobody_waits_for_a_tx_that_is_left_open() {
    let totals = Totals::new(&DAYS).await;
    totals.run(ROWS).await;
    totals.seal().await;
    // Once in the midst of what is not sealed, once with everything sealed while it is open.
    for amount in [1_000, 2_000] {
        let holder = totals.more_sql().await;
        let text = format!(
            "BEGIN; {INSERT} VALUES ('2024-05-05 10:00Z', {{a}}, {{b}}, 1, {amount});
             UPDATE transactions SET amount = amount + 1 WHERE amount = {amount};
             DELETE FROM transactions WHERE amount = {amount} + 1;
             {INSERT} VALUES ('2024-05-05 10:00Z', {{a}}, {{b}}, 1, {amount})"
        );
        totals.run_on(&holder, &text).await;
        // The same accounts, the same instants.
        let other = totals.more_sql().await;
        totals.run_on(&other, "SET lock_timeout = '1ms'").await;
        for number in 0..20 {
            let text = format!(
                "{INSERT} VALUES ('2024-05-05 10:00Z', {{a}}, {{b}}, 1, 50),
                                 ('2024-05-05 10:00Z', {{b}}, {{a}}, 1, 50);
                 UPDATE transactions SET amount = 60 + {number} WHERE amount = 50
                    AND sender_id = {{a}};
                 DELETE FROM transactions WHERE amount = 50"
            );
            totals.run_on(&other, &text).await;
        }
        assert_eq!(waiting(&totals).await, 0);
        totals.check("while a tx is open").await;
        totals.seal().await;
        assert_eq!(totals.corrections().await, 0, "what is open is not in sight");
        totals.check("while a tx is open, sealed").await;
        totals.run_on(&holder, "COMMIT").await;
        assert_eq!(totals.corrections().await, 5);
        totals.check_sealing("after the tx").await;
    }
}

/// Sessions that wait for a lock on a table of this schema, or for a tx.
async fn waiting(totals: &Totals) -> i64 {
    let text = "SELECT count(*) FROM pg_locks l
        WHERE NOT l.granted AND (l.locktype = 'transactionid' OR l.relation IN (
            SELECT oid FROM pg_class WHERE relnamespace = current_schema()::regnamespace))
          AND l.pid IN (SELECT pid FROM pg_stat_activity WHERE application_name = 'writer')";
    one(&totals.service.sql, text).await
}

/// Waits for the others, unless one of them has failed.
async fn meet(together: &Barrier) {
    let met = tokio::time::timeout(Duration::from_secs(20), together.wait()).await;
    assert!(met.is_ok(), "a writer has failed or waits");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_writers_of_one_account_never_wait_for_each_other() {
    const WRITERS: usize = 4;
    const ROUNDS: usize = 15;
    let totals = Arc::new(Totals::new(&DAYS).await);
    totals.run(ROWS).await;
    totals.seal().await;
    let together = Arc::new(Barrier::new(WRITERS + 1));
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let (totals, together) = (Arc::clone(&totals), Arc::clone(&together));
        writers.push(tokio::spawn(async move {
            let sql = totals.more_sql().await;
            // Only a writer that waits for another's tx waits so long: all txs are open at once.
            totals.run_on(&sql, "SET application_name = writer; SET lock_timeout = '5s'").await;
            for round in 0..ROUNDS {
                // One instant for all; the accounts in the one order here, in the other there.
                let (first, second) = if writer % 2 == 0 { ("a", "b") } else { ("b", "a") };
                let text = format!(
                    "BEGIN; {INSERT} VALUES ('2024-05-06 12:00Z', {{{first}}}, {{{second}}}, 1, 1)"
                );
                totals.run_on(&sql, &text).await;
                meet(&together).await;
                let text = format!(
                    "{INSERT} VALUES ('2024-05-06 12:00Z', {{{second}}}, {{{first}}}, 1, {round});
                     UPDATE transactions SET amount = amount + 0.5
                     WHERE transaction_id = (SELECT transaction_id FROM transactions
                         WHERE occurred_at = '2024-05-06 12:00Z' AND sender_id = {{{first}}}
                           AND xmin = pg_current_xact_id()::xid LIMIT 1)
                       AND occurred_at = '2024-05-06 12:00Z'"
                );
                totals.run_on(&sql, &text).await;
                meet(&together).await;
                meet(&together).await;
                totals.run_on(&sql, "COMMIT").await;
            }
        }));
    }
    for round in 0..ROUNDS {
        meet(&together).await;
        meet(&together).await;
        // All have written and none has committed.
        assert_eq!(waiting(&totals).await, 0);
        if round % 3 == 0 {
            totals.seal().await;
        }
        if round % 5 == 0 {
            totals.check("while four txs are open").await;
        }
        meet(&together).await;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let count = "SELECT count(*) FROM transactions WHERE occurred_at = '2024-05-06 12:00Z'";
    let expected = i64::try_from(2 * WRITERS * ROUNDS + 1).unwrap();
    assert_eq!(one::<i64>(&totals.service.sql, count).await, expected);
    totals.check_sealing("four writers").await;
}
