//! Accounts and days with far more rows than are held in memory at a time: compared as rows and
//! cells come along, and built anew some rows at a time.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use daybook::{
    domain::running_total::{
        cell::{Cell, Part},
        sums::Sums,
        whole::Whole,
    },
    upkeep::audit::{Difference, repair},
};

use super::swell;
use crate::{
    import::url,
    memory::memory_kib,
    process::program,
    support::{schema::one, totals::Totals},
};

const DAYS: [&str; 4] = ["2024-05-05", "2024-05-06", "2024-05-07", "2024-05-08"];

/// A tree of three levels, on each side of every row; pairs of rows share an instant.
async fn ledger() -> Totals {
    let totals = Totals::new(&DAYS).await;
    let rows = "INSERT INTO transactions (occurred_at, sender_id, receiver_id, asset_id, amount)
        SELECT timestamptz '2024-05-05 00:00Z' + n / 2 * interval '11 seconds', {a}, {b}, 1,
            n / 8.0
        FROM generate_series(0, 59999) AS n";
    totals.run(rows).await;
    totals.seal().await;
    // A late row, and rows that go: some of them are not folded in.
    let late = "INSERT INTO transactions (occurred_at, sender_id, receiver_id, asset_id, amount)
        VALUES ('2024-05-05 00:00:01Z', {a}, {b}, 1, 0.0000001);
        DELETE FROM transactions WHERE amount IN (17, 6000, 7000.125)";
    totals.run(late).await;
    totals
}

fn leaves(place: i64) -> String {
    format!(
        "start_at = (SELECT start_at FROM running_totals
             WHERE account_id = {{a}} AND asset_id = 1 AND direction = 0 AND level = 0
             ORDER BY start_at OFFSET {place} LIMIT 1)
         AND account_id = {{a}} AND asset_id = 1 AND direction = 0 AND level = 0"
    )
}

/// Adds a leaf that is nobody's behind the last one.
async fn add_leaf(totals: &Totals) {
    let at = chrono::DateTime::parse_from_rfc3339("2024-05-09T01:00:00Z").unwrap();
    let key = at.timestamp_micros();
    let parts = vec![Part { key, sums: Sums::of(1, &Whole::Small(7)) }];
    let cell = Cell { key, scale: 0, parts }.encode();
    let text = "INSERT INTO running_totals
        (account_id, asset_id, direction, level, start_at, cell) VALUES ($1, 1, 0, 0, $2, $3)";
    let account_id = totals.users[0].account_id;
    totals.service.sql.execute(text, &[&account_id, &at, &cell]).await.unwrap();
}

/// What is found of the account that sends, in words; nothing else differs.
async fn found(totals: &Totals) -> (Vec<Difference>, Vec<String>) {
    let found = totals.audit().await;
    let own = totals.put_into("Series(SeriesKey { account_id: {a}, asset_id: 1, direction: 0 }");
    let texts: Vec<_> = found.iter().map(|difference| format!("{difference:?}")).collect();
    assert!(texts.iter().all(|text| text.starts_with(&own)), "{texts:#?}");
    (found, texts)
}

/// Harm late in the tree, and words that must be told of it.
fn harms() -> [(&'static str, String, &'static [&'static str]); 3] {
    [
        (
            "a missing leaf",
            format!("DELETE FROM running_totals WHERE {}", leaves(400)),
            &["a cell above knows one that is missing", "Day { day: "],
        ),
        (
            "a missing inner cell",
            "DELETE FROM running_totals WHERE account_id = {a}
            AND direction = 0 AND level = 1 AND start_at > '2024-05-07'"
                .to_owned(),
            &["Structure("],
        ),
        (
            "garbage in a leaf",
            format!("UPDATE running_totals SET cell = '\\xdeadbeef' WHERE {}", leaves(300)),
            &["a cell cannot be read"],
        ),
    ]
}

#[tokio::test]
async fn damage_anywhere_in_a_huge_account_is_named_and_repaired() {
    let totals = ledger().await;
    assert_eq!(totals.audit().await, []);
    // A row is counted twice, late in the tree.
    totals.change_cell("running_totals", &leaves(440), swell).await;
    let (differences, texts) = found(&totals).await;
    assert_eq!(texts.len(), 2, "{texts:#?}");
    assert!(texts[0].contains("Day { day: 19851,"), "2024-05-08: {texts:#?}");
    assert!(texts[1].contains("a cell differs from what the one above says"), "{texts:#?}");
    repair(&totals.service.database, &differences).await.unwrap();
    assert_eq!(totals.audit().await, []);
    add_leaf(&totals).await;
    let (differences, texts) = found(&totals).await;
    assert!(texts[0].contains("Day { day: 19852,"), "2024-05-09: {texts:#?}");
    assert!(texts[1].contains("a cell is missing in the one above"), "{texts:#?}");
    repair(&totals.service.database, &differences).await.unwrap();
    assert_eq!(totals.audit().await, []);
    for (name, harm, words) in harms() {
        totals.run(&harm).await;
        let (differences, texts) = found(&totals).await;
        for word in words {
            assert!(texts.iter().any(|text| text.contains(word)), "{name}: {texts:#?}");
        }
        repair(&totals.service.database, &differences).await.unwrap();
        assert_eq!(totals.audit().await, [], "{name}");
    }
    totals.check_sealing("after all repairs").await;
}

/// Most memory of an audit, in KiB, of a program that was not optimised. As rows, those of
/// the test would take three times as much.
const RESIDENT_MAX: usize = 60 * 1024;

#[tokio::test]
async fn an_audit_holds_no_days_rows() {
    let totals = Totals::new(&DAYS).await;
    // Past the parent's triggers: 300,000 differences on one day.
    let rows = "INSERT INTO {leaf} (occurred_at, sender_id, receiver_id, asset_id, amount)
        SELECT timestamptz '2024-05-06 00:00Z' + n * interval '1 millisecond', {a}, {b}, 1, n / 8.0
        FROM generate_series(0, 299999) AS n";
    let leaf = "SELECT leaf::text FROM partition_bounds('transactions')
        WHERE lower_at = '2024-05-06Z'";
    let leaf: String = one(&totals.service.sql, leaf).await;
    totals.run(&rows.replace("{leaf}", &leaf)).await;
    let target = &totals.service.target;
    let mut command: Command = program(env!("CARGO_BIN_EXE_daybook"));
    command.args(["audit", "--jobs", "2", "--partition-days-ahead", "2", "--scheduler", "ticker"]);
    command.arg("--database-url").arg(url(&target.config)).args(["--schema", &target.schema]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let running = command.spawn().unwrap();
    let pid = running.id();
    let output = tokio::task::spawn_blocking(move || running.wait_with_output().unwrap());
    let mut most = 0;
    while let Some(found) = memory_kib(pid, "VmHWM") {
        most = found.max(most);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let output = output.await.unwrap();
    let words = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(2), "{words}");
    for what in ["all accounts", "totals by day", "sender", "receiver"] {
        assert!(words.contains(what), "{what}: {words}");
    }
    eprintln!("{most} KiB at most");
    assert!((1_024..RESIDENT_MAX).contains(&most), "{most} KiB at most");
}
