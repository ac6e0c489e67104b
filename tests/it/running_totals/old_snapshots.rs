//! Writers whose snapshot is older than a seal, and txs that outlive many: always counted.

use super::{DAYS, ROWS};
use crate::support::{not_run::not_run, schema::one, totals::Totals};

const INSERT: &str = "INSERT INTO transactions
    (occurred_at, sender_id, receiver_id, asset_id, amount)";

async fn ledger() -> Totals {
    let totals = Totals::new(&DAYS).await;
    totals.run(ROWS).await;
    totals.seal().await;
    totals
}

/// Others write and everything is sealed, several times.
async fn others_write_and_seal(totals: &Totals, amount: i64) {
    for number in 0..3 {
        let text = format!(
            "{INSERT} VALUES ('2024-05-05 10:00Z', {{a}}, {{b}}, 1, {amount}),
                             ('2024-05-07 10:00Z', {{b}}, {{a}}, 1, {number})"
        );
        totals.run(&text).await;
        totals.seal().await;
        assert_eq!(totals.corrections().await, 0);
    }
}

#[tokio::test]
async fn rows_of_a_snapshot_older_than_several_seals_are_counted() {
    let totals = ledger().await;
    for level in ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"] {
        for sees_corrections in [false, true] {
            let what = format!("{level}, corrections in sight: {sees_corrections}");
            totals.run("DELETE FROM transactions").await;
            totals.run(ROWS).await;
            totals.seal().await;
            if sees_corrections {
                totals
                    .run(&format!("{INSERT} VALUES ('2024-05-05 1:00Z', {{a}}, {{b}}, 1, 7)"))
                    .await;
            }
            let old = totals.more_sql().await;
            // The first statement takes the snapshot.
            let text = format!("BEGIN ISOLATION LEVEL {level}; SELECT count(*) FROM corrections");
            totals.run_on(&old, &text).await;
            others_write_and_seal(&totals, 100).await;
            let text = format!(
                "{INSERT} VALUES ('2024-05-05 10:00Z', {{a}}, {{b}}, 1, 0.25);
                 UPDATE transactions SET amount = amount + 1, occurred_at = '2024-05-06 09:00Z'
                 WHERE amount = 20"
            );
            totals.run_on(&old, &text).await;
            others_write_and_seal(&totals, 200).await;
            totals.run_on(&old, "DELETE FROM transactions WHERE amount = 300").await;
            others_write_and_seal(&totals, 300).await;
            totals.check(&format!("{what}, still open")).await;
            totals.run_on(&old, "COMMIT").await;
            // (One row of 20 went and one of 21 came, one of 300 went, one came.)
            assert_eq!(totals.corrections().await, 4, "{what}");
            totals.check_sealing(&what).await;
        }
    }
}

#[tokio::test]
async fn a_writer_that_idles_in_its_tx_is_counted_when_it_commits() {
    let totals = ledger().await;
    let idle = totals.more_sql().await;
    totals.run_on(&idle, "BEGIN").await;
    for amount in [10, 20, 30] {
        let text = format!("{INSERT} VALUES ('2024-05-06 10:00Z', {{c}}, {{a}}, 1, {amount})");
        totals.run_on(&idle, &text).await;
        others_write_and_seal(&totals, amount).await;
        totals.check("while it idles").await;
    }
    totals.run_on(&idle, "COMMIT").await;
    assert_eq!(totals.corrections().await, 3);
    totals.check_sealing("after it").await;
    // One that goes away instead was never there.
    totals.run_on(&idle, "BEGIN").await;
    totals.run_on(&idle, "DELETE FROM transactions").await;
    drop(idle);
    others_write_and_seal(&totals, 40).await;
    totals.check_sealing("after one that went").await;
}

#[tokio::test]
async fn a_prepared_tx_is_counted_once_it_commits_however_many_seals_later() {
    let totals = ledger().await;
    let sql = &totals.service.sql;
    let setting = "SELECT current_setting('max_prepared_transactions')::integer";
    if one::<i32>(sql, setting).await == 0 {
        not_run("a prepared tx across seals", "max_prepared_transactions is 0");
        return;
    }
    let schema = &totals.service.target.schema;
    for (number, end) in ["COMMIT", "ROLLBACK", "COMMIT"].into_iter().enumerate() {
        let name = format!("{schema}_{number}");
        let preparing = totals.more_sql().await;
        let text = format!(
            "BEGIN; {INSERT} VALUES ('2024-05-05 10:00Z', {{a}}, {{b}}, 1, 0.25);
             UPDATE transactions SET amount = amount + 1 WHERE amount >= 20000;
             PREPARE TRANSACTION '{name}'"
        );
        totals.run_on(&preparing, &text).await;
        drop(preparing);
        others_write_and_seal(&totals, 100).await;
        totals.check("while it is prepared").await;
        totals.run(&format!("{end} PREPARED '{name}'")).await;
        assert_eq!(totals.corrections().await, if end == "COMMIT" { 3 } else { 0 });
        totals.check_sealing(&format!("after its {end}")).await;
    }
    let left = "SELECT count(*) FROM pg_prepared_xacts WHERE gid LIKE current_schema() || '%'";
    assert_eq!(one::<i64>(sql, left).await, 0);
}

/// Whoever asks sees one state: sums of a snapshot do not change under it.
#[tokio::test]
async fn a_reader_with_an_old_snapshot_sees_cells_and_corrections_of_that_snapshot() {
    let totals = ledger().await;
    totals.run(&format!("{INSERT} VALUES ('2024-05-05 10:00Z', {{a}}, {{b}}, 1, 9)")).await;
    let reader = totals.more_sql().await;
    let state = "SELECT (SELECT count(*) FROM corrections) || ' ' ||
        (SELECT md5(string_agg(md5(cell), ',' ORDER BY account_id, asset_id, direction, level,
            start_at)) FROM running_totals)";
    totals.run_on(&reader, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await;
    let before: String = one(&reader, state).await;
    others_write_and_seal(&totals, 100).await;
    assert_eq!(one::<String>(&reader, state).await, before);
    totals.run_on(&reader, "COMMIT").await;
    assert_ne!(one::<String>(&reader, state).await, before);
    totals.check_sealing("after the reader").await;
}
