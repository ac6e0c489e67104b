//! The audit: finds nothing where nothing is wrong, names whatever is, and builds it anew from
//! the rows.

mod damage;
mod huge;
mod outside;
mod price_damage;
mod prices;
mod repair;
mod verify;

use daybook::{
    domain::running_total::{cell::Cell, sums::Sums, whole::Whole},
    upkeep::audit::repair as repair_all,
};

use crate::support::totals::Totals;

pub(super) const DAYS: [&str; 3] = ["2024-05-05", "2024-05-06", "2024-05-07"];

/// Rows enough for trees of two levels, and corrections that are not sealed.
pub(super) async fn ledger() -> Totals {
    let totals = Totals::new(&DAYS).await;
    fill(&totals).await;
    totals
}

pub(super) async fn fill(totals: &Totals) {
    let rows = "INSERT INTO transactions
        (occurred_at, sender_id, receiver_id, asset_id, amount)
        SELECT timestamptz '2024-05-05 00:00Z' + n * interval '7 minutes',
            CASE WHEN n % 7 = 0 THEN {b} ELSE {a} END, {c}, 1, n / 8.0
        FROM generate_series(1, 600) AS n";
    totals.run(rows).await;
    totals.seal().await;
    // The account of a stays as it is.
    let late = "INSERT INTO transactions (occurred_at, sender_id, receiver_id, asset_id, amount)
        SELECT timestamptz '2024-05-05 00:00Z' + n * interval '1 hour', {b}, {c}, 1, 5
        FROM generate_series(0, 50) AS n;
        DELETE FROM transactions WHERE sender_id = {b} AND amount > 60";
    totals.run(late).await;
}

/// Adds a row's worth to a part of a cell.
pub(super) fn swell(cell: &mut Cell) {
    let place = cell.parts.len() / 2;
    cell.parts[place].sums.add(&Sums::of(1, &Whole::Small(12_345)));
}

/// A condition on running_totals: cells of a tree on a level.
fn tree(account: &str, level: i16) -> String {
    format!("account_id = {account} AND asset_id = 1 AND direction = 0 AND level = {level}")
}

/// A condition on day_totals: cells of the senders on a level.
fn days(level: i16) -> String {
    format!("asset_id = 1 AND direction = 0 AND level = {level}")
}

/// What is broken: a change of one cell that stays readable, or SQL.
enum Harm {
    Swell(&'static str, String),
    Sql(String),
}

impl Harm {
    async fn do_to(&self, totals: &Totals) {
        match self {
            Self::Swell(table, condition) => {
                totals.change_cell(table, condition, swell).await;
            }
            Self::Sql(text) => totals.run(text).await,
        }
    }
}

fn sql(text: impl Into<String>) -> Harm {
    Harm::Sql(text.into())
}

const CELLS: &str = "running_totals";
const BY_DAY: &str = "day_totals";
const LATER: &str = "start_at > '2024-05-06'";

/// One of the cells that a condition finds.
fn one_of(table: &str, condition: &str) -> String {
    format!("ctid = (SELECT ctid FROM {table} WHERE {condition} LIMIT 1)")
}

fn garbage(table: &str, condition: String) -> Harm {
    let one = one_of(table, &condition);
    sql(format!("UPDATE {table} SET cell = '\\xdeadbeef' WHERE {one}"))
}

fn gone(table: &str, condition: String) -> Harm {
    sql(format!("DELETE FROM {table} WHERE {}", one_of(table, &condition)))
}

/// A name, what is broken, and words that one of the differences must have.
type Case = (&'static str, Harm, Vec<&'static str>);

/// Cells that say something else, or nothing.
fn wrong_trees() -> Vec<Case> {
    vec![
        ("a changed leaf", Harm::Swell(CELLS, tree("{a}", 0)), vec!["Series", "Day {"]),
        (
            "a changed leaf, and what is above it",
            sql(format!(
                "UPDATE running_totals SET cell = (SELECT cell FROM running_totals WHERE {})
                 WHERE {} AND start_at = '-infinity'",
                tree("{c}", 1).replace("direction = 0", "direction = 1"),
                tree("{a}", 1)
            )),
            vec!["Series", "Structure"],
        ),
        (
            "a changed inner cell",
            Harm::Swell(CELLS, tree("{a}", 1)),
            vec!["Series", "Structure(\"a cell differs from what the one above says\")"],
        ),
        (
            "a missing leaf",
            gone(CELLS, format!("{} AND {LATER}", tree("{a}", 0))),
            vec!["Series", "Structure"],
        ),
        (
            "a missing first leaf",
            gone(CELLS, format!("{} AND start_at < '2024-05-05'", tree("{a}", 0))),
            vec!["Series", "Structure(\"the first cell of a level is missing\")"],
        ),
        (
            "a missing inner cell",
            gone(CELLS, tree("{a}", 1)),
            vec!["Series", "Structure(\"the highest level has several cells\")"],
        ),
        (
            "a whole tree that is missing",
            sql("DELETE FROM running_totals WHERE account_id = {a} AND direction = 0"),
            vec!["Series", "Day {"],
        ),
    ]
}

/// Cells that cannot be read or are nobody's.
fn unreadable_trees() -> Vec<Case> {
    vec![
        (
            "garbage in a leaf",
            garbage(CELLS, tree("{a}", 0)),
            vec!["Series", "Structure(\"a cell cannot be read\")"],
        ),
        (
            "garbage in an inner cell",
            garbage(CELLS, tree("{a}", 1)),
            vec!["Series", "Structure(\"a cell cannot be read\")"],
        ),
        (
            "an empty cell in the place of a leaf",
            sql(format!("UPDATE running_totals SET cell = '' WHERE {}", tree("{a}", 0))),
            vec!["Series", "Structure(\"a cell cannot be read\")"],
        ),
        (
            "a cell that was cut short",
            sql(format!(
                "UPDATE running_totals SET cell = substr(cell, 1, length(cell) - 1) WHERE {}",
                one_of(CELLS, &tree("{a}", 0))
            )),
            vec!["Series", "Structure(\"a cell cannot be read\")"],
        ),
        (
            "a cell in another's place",
            sql(format!(
                "UPDATE running_totals SET start_at = start_at + interval '1 microsecond'
                 WHERE {}",
                one_of(CELLS, &format!("{} AND {LATER}", tree("{a}", 0)))
            )),
            vec!["Series", "Structure(\"a cell cannot be read\")"],
        ),
        (
            "a tree of an account that has none",
            sql("INSERT INTO running_totals (account_id, asset_id, direction, level, start_at, cell)
                 SELECT {c}, asset_id, direction, level, start_at, cell FROM running_totals
                 WHERE account_id = {a} AND direction = 0"),
            vec!["Series", "Day {"],
        ),
        (
            "a tree of an account that is not there",
            sql("INSERT INTO running_totals (account_id, asset_id, direction, level, start_at, cell)
                 SELECT 1000000, asset_id, direction, level, start_at, cell FROM running_totals
                 WHERE account_id = {a}"),
            vec!["Series(SeriesKey { account_id: 1000000", "Day {"],
        ),
    ]
}

/// Totals by day.
fn wrong_days() -> Vec<Case> {
    vec![
        ("a changed day", Harm::Swell(BY_DAY, days(0)), vec!["Day { asset_id: 1"]),
        ("a missing day", gone(BY_DAY, days(0)), vec!["Day { asset_id: 1"]),
        ("garbage in a day", garbage(BY_DAY, days(0)), vec!["Day { asset_id: 1"]),
        (
            "a day too many",
            sql("INSERT INTO day_totals
                     (asset_id, direction, level, span_number, account_group, cell)
                 SELECT asset_id, 1, 0, span_number, 77, cell FROM day_totals
                 WHERE asset_id = 1 AND direction = 0 AND level = 0 LIMIT 1"),
            vec!["Day { asset_id: 1"],
        ),
        ("a changed span of days", Harm::Swell(BY_DAY, days(2)), vec!["Spans { level: 2"]),
        ("a changed span of the highest level", Harm::Swell(BY_DAY, days(6)), vec!["Spans"]),
        ("a missing span of days", gone(BY_DAY, days(2)), vec!["Spans { level: 2"]),
        ("garbage in a span of days", garbage(BY_DAY, days(2)), vec!["Spans { level: 2"]),
        (
            "a span of days too many",
            sql("INSERT INTO day_totals
                     (asset_id, direction, level, span_number, account_group, cell)
                 SELECT asset_id, 1, 2, 7, 77, cell FROM day_totals
                 WHERE asset_id = 1 AND direction = 0 AND level = 0 LIMIT 1"),
            vec!["Spans { level: 2"],
        ),
    ]
}

/// All accounts together, and corrections.
fn wrong_for_everybody() -> Vec<Case> {
    vec![
        ("a changed leaf of everybody's", Harm::Swell(CELLS, tree("0", 0)), vec!["account_id: 0"]),
        ("a changed cell above them", Harm::Swell(CELLS, tree("0", 1)), vec!["account_id: 0"]),
        (
            "a missing leaf of everybody's",
            gone(CELLS, format!("{} AND {LATER}", tree("0", 0))),
            vec!["account_id: 0"],
        ),
        ("garbage in a leaf of everybody's", garbage(CELLS, tree("0", 0)), vec!["account_id: 0"]),
        (
            "everybody's tree, gone",
            sql("DELETE FROM running_totals WHERE account_id = 0"),
            vec!["account_id: 0"],
        ),
        (
            "a correction that is gone",
            sql("DELETE FROM corrections WHERE ctid = (SELECT min(ctid) FROM corrections)"),
            vec!["Series", "Day {"],
        ),
        (
            "a correction that is there twice",
            sql("INSERT INTO corrections SELECT * FROM corrections LIMIT 1"),
            vec!["Series", "Day {"],
        ),
    ]
}

#[tokio::test]
async fn nothing_differs_where_nothing_is_wrong() {
    let totals = Totals::new(&DAYS).await;
    assert_eq!(totals.audit().await, [], "an empty ledger");
    fill(&totals).await;
    assert!(totals.corrections().await > 50, "there are unsealed corrections");
    assert_eq!(totals.audit().await, []);
    totals.seal().await;
    assert_eq!(totals.audit().await, [], "all sealed");
    totals.run("DELETE FROM transactions").await;
    assert_eq!(totals.audit().await, [], "all deleted");
    totals.check_sealing("all deleted and sealed").await;
}

#[tokio::test]
async fn whatever_is_broken_is_named_and_repaired() {
    let totals = ledger().await;
    let harms = [wrong_trees(), unreadable_trees(), wrong_days(), wrong_for_everybody()];
    for (name, harm, words) in harms.into_iter().flatten() {
        harm.do_to(&totals).await;
        let found = totals.audit().await;
        let texts: Vec<_> = found.iter().map(|difference| format!("{difference:?}")).collect();
        let is_named = texts.iter().any(|text| words.iter().all(|word| text.contains(word)));
        assert!(is_named, "{name}: {texts:#?}");
        repair_all(&totals.service.database, &found).await.unwrap();
        assert_eq!(totals.audit().await, [], "{name}, repaired");
        totals.check(name).await;
    }
    totals.check_sealing("after all repairs").await;
}
