//! The audit of prices: finds nothing while ticks are written and folded, names whatever is broken
//! at its place, and builds it anew from the ticks.

use daybook::{
    domain::price::audit::PriceFinding::{
        self, BriefDiffers, BriefUnreadable, Differs, Missing, Unreadable,
    },
    store::{audit_prices::WrongCell, fold_prices::fold_prices},
    upkeep::{
        audit::{Difference, audit, repair},
        price_folding::fold_all,
    },
};
use rand::RngExt;

use crate::{
    list_prices::{bars_of_ticks, leaf, request, walk},
    rank_symbols::{
        FIRST, SECONDS, check, forget_briefs, instant, make_symbols_of_two_groups, write,
    },
    support::{random::random, schema::one, service::TestService},
};

/// A unit with ticks of all symbols, at 02:40 of the first day.
pub(super) const UNIT: i64 = FIRST / 240 + 40;

/// A unit without ticks, at 16:00 of the first day.
const IDLE_UNIT: i64 = FIRST / 240 + 240;

pub(super) async fn differences(service: &TestService) -> Vec<Difference> {
    audit(&service.database, 2, |_, _| ()).await.unwrap()
}

/// A cell that is wrong: level, number of its span, group, what, and whether it can be repaired.
pub(super) type Wrong = (u8, i64, i32, PriceFinding, bool);

/// The cells among differences.
pub(super) fn wrong(found: &[Difference]) -> Vec<Wrong> {
    let cell = |difference: &Difference| {
        let Difference::Price(WrongCell { key, finding, is_repairable }) = difference else {
            return None;
        };
        Some((key.span.level, key.span.number, key.group, *finding, *is_repairable))
    };
    let mut wrong: Vec<Wrong> = found.iter().filter_map(cell).collect();
    wrong.sort_unstable();
    wrong
}

/// A tick each two minutes in the first six hours of two days, of five symbols in two groups; all
/// folded. A third day has none.
pub(super) async fn start() -> TestService {
    fill(TestService::start().await).await
}

/// The same in an empty database.
pub(super) async fn fill(service: TestService) -> TestService {
    make_symbols_of_two_groups(&service).await;
    let text = "INSERT INTO prices (symbol_id, ticked_at, price)
        SELECT s, d + '30.5 seconds'::interval + n * interval '2 minutes',
            1000 + (n * 7919 % 1009 * s) % 1009 / 100.0
        FROM generate_series(0, 179) AS n, generate_series(126, 130) AS s,
            (VALUES ('2024-05-01Z'::timestamptz), ('2024-05-02Z')) AS v (d)";
    service.sql.execute(text, &[]).await.unwrap();
    fold_all(&service.database).await.unwrap();
    service
}

/// Every answer must be what SQL makes of the ticks.
pub(super) async fn check_answers(service: &TestService) {
    check(service, instant(FIRST, 0), instant(FIRST + SECONDS, 0)).await;
    check(service, instant(FIRST + 9_700, 0), instant(FIRST + 90_061, 17)).await;
    let (from, to) = ("2024-05-01T00:00:00Z", "2024-05-03T00:00:00Z");
    for seconds in [3_600, 86_400] {
        let (_, bars) = walk(service, request(from, to, seconds, 0)).await;
        assert_eq!(bars, bars_of_ticks(service, from, to, seconds).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_differs_whatever_is_written_and_folded() {
    let service = TestService::start().await;
    assert_eq!(differences(&service).await, [], "no prices");
    make_symbols_of_two_groups(&service).await;
    let mut random = random();
    for _ in 0..40 {
        for _ in 0..random.random_range(1..8) {
            write(&service.sql, &mut random).await;
        }
        match random.random_range(0..4) {
            0 => drop(fold_all(&service.database).await.unwrap()),
            1 => {
                let count = random.random_range(1..200);
                let client = service.database.connect().await.unwrap();
                fold_prices(&client, count, true).await.unwrap();
            }
            2 => drop(forget_briefs(&service.sql, random.random_range(2..9)).await),
            _ => {}
        }
        assert_eq!(differences(&service).await, []);
    }
    fold_all(&service.database).await.unwrap();
    service.sql.batch_execute("DELETE FROM prices").await.unwrap();
    assert_eq!(differences(&service).await, [], "all deleted");
    fold_all(&service.database).await.unwrap();
    assert_eq!(differences(&service).await, [], "all deleted and folded");
    assert!(service.end().await);
}

/// Changes a cell so that its brief stays.
fn set(level: u8, number: i64, change: &str) -> String {
    format!(
        "UPDATE price_totals t SET {change}, rewrites = rewrites + 1
         WHERE level = {level} AND span_number = {number} AND symbol_group = 0"
    )
}

/// What the cell that many spans later has there.
fn of_other(column: &str, distance: i64) -> String {
    format!(
        "{column} = (SELECT n.{column} FROM price_totals n WHERE n.level = t.level
             AND n.span_number = t.span_number + {distance} AND n.symbol_group = t.symbol_group)"
    )
}

fn delete(level: u8, number: i64) -> String {
    format!(
        "DELETE FROM price_totals
         WHERE level = {level} AND span_number = {number} AND symbol_group = 0"
    )
}

/// What is broken, and which cells of the first group are named for it.
type Case = (&'static str, String, Vec<(u8, i64, PriceFinding)>);

fn broken_units() -> Vec<Case> {
    let above = (1, UNIT / 4, Differs);
    vec![
        (
            "a flipped byte",
            set(0, UNIT, "cell = set_byte(cell, 0, 255)"),
            vec![(0, UNIT, Unreadable)],
        ),
        (
            "a unit cut short",
            set(0, UNIT, "cell = substr(cell, 1, length(cell) - 1)"),
            vec![(0, UNIT, Unreadable)],
        ),
        (
            "a flipped byte in packed ticks",
            set(0, UNIT, "brief = set_byte(brief, 0, 255)"),
            vec![(0, UNIT, BriefUnreadable)],
        ),
        ("other ticks packed", set(0, UNIT, &of_other("brief", 1)), vec![(0, UNIT, BriefDiffers)]),
        (
            "totals of another unit",
            set(0, UNIT, &of_other("cell", 1)),
            vec![(0, UNIT, Differs), above],
        ),
        ("a deleted unit", delete(0, UNIT), vec![(0, UNIT, Missing), above]),
        (
            "a unit without ticks",
            format!(
                "INSERT INTO price_totals (level, span_number, symbol_group, cell, brief)
                 SELECT 0, {IDLE_UNIT}, 0, cell, brief FROM price_totals
                 WHERE level = 0 AND span_number = {UNIT} AND symbol_group = 0"
            ),
            vec![
                (0, IDLE_UNIT, Differs),
                (0, IDLE_UNIT, BriefDiffers),
                (1, IDLE_UNIT / 4, Missing),
            ],
        ),
    ]
}

fn broken_spans() -> Vec<Case> {
    let at = |level: u32| UNIT / 4i64.pow(level);
    vec![
        (
            "a flipped byte above",
            set(2, at(2), "cell = set_byte(cell, 0, 255)"),
            vec![(2, at(2), Unreadable)],
        ),
        (
            "a flipped byte at the top",
            set(9, at(9), "cell = set_byte(cell, 0, 255)"),
            vec![(9, at(9), Unreadable)],
        ),
        (
            "another span's totals",
            set(3, at(3), &of_other("cell", -1)),
            vec![(3, at(3), Differs), (3, at(3), BriefDiffers), (4, at(4), Differs)],
        ),
        (
            "totals of a part, at the top",
            {
                let part = "cell = (SELECT n.cell FROM price_totals n
                WHERE n.level = 8 AND n.symbol_group = 1 LIMIT 1)";
                set(9, at(9), part)
            },
            vec![(9, at(9), Differs), (9, at(9), BriefDiffers)],
        ),
        (
            "a flipped byte in a brief",
            set(4, at(4), "brief = set_byte(brief, 0, 255)"),
            vec![(4, at(4), BriefUnreadable)],
        ),
        (
            "another span's brief",
            set(1, at(1), &of_other("brief", 1)),
            vec![(1, at(1), BriefDiffers)],
        ),
        ("a deleted span", delete(2, at(2)), vec![(2, at(2), Missing), (3, at(3), Differs)]),
        ("a deleted span at the top", delete(9, at(9)), vec![(9, at(9), Missing)]),
        (
            "a span without ticks",
            format!(
                "INSERT INTO price_totals (level, span_number, symbol_group, cell, brief)
                 SELECT 2, 7, 0, cell, brief FROM price_totals
                 WHERE level = 2 AND span_number = {} AND symbol_group = 0",
                at(2)
            ),
            vec![(2, 7, Differs), (3, 1, Missing)],
        ),
    ]
}

fn broken_ticks() -> Vec<Case> {
    let both = || vec![(0, UNIT, Differs), (0, UNIT, BriefDiffers)];
    let without = |trigger: &str, text: &str| {
        format!(
            "ALTER TABLE prices DISABLE TRIGGER {trigger};
             {text};
             ALTER TABLE prices ENABLE TRIGGER {trigger}"
        )
    };
    vec![
        (
            "a tick deleted without its trigger",
            without(
                "prices_removed",
                "DELETE FROM prices WHERE symbol_id = 126 AND ticked_at = '2024-05-01T02:42:30.5Z'",
            ),
            both(),
        ),
        (
            "a tick added without its trigger",
            without(
                "prices_added",
                "INSERT INTO prices (symbol_id, ticked_at, price)
                 VALUES (127, '2024-05-01T02:43:00Z', 5)",
            ),
            both(),
        ),
        (
            "a tick that bypassed the parent",
            "INSERT INTO {leaf} (symbol_id, ticked_at, price)
             VALUES (127, '2024-05-01T16:04:00.000001Z', 0.5)"
                .to_owned(),
            vec![(0, IDLE_UNIT + 1, Missing)],
        ),
        (
            "a price that was changed past the parent",
            "UPDATE {leaf} SET price = price + 1
             WHERE symbol_id = 126 AND ticked_at = '2024-05-01T02:40:30.5Z'"
                .to_owned(),
            both(),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_broken_is_named_at_its_place_and_repaired() {
    let service = start().await;
    assert_eq!(differences(&service).await, []);
    check_answers(&service).await;
    let leaf = leaf(&service, "2024-05-01").await;
    for (name, text, expected) in
        [broken_units(), broken_spans(), broken_ticks()].into_iter().flatten()
    {
        service.sql.batch_execute(&text.replace("{leaf}", &leaf)).await.unwrap();
        let found = differences(&service).await;
        let mut expected: Vec<Wrong> = expected
            .into_iter()
            .map(|(level, number, finding)| (level, number, 0, finding, true))
            .collect();
        expected.sort_unstable();
        assert_eq!((found.len(), wrong(&found)), (expected.len(), expected), "{name}");
        repair(&service.database, &found).await.unwrap();
        assert_eq!(differences(&service).await, [], "{name}, repaired");
        check_answers(&service).await;
    }
    assert!(service.end().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_gone_or_broken_at_once_is_built_anew() {
    let service = start().await;
    let count: i64 = one(&service.sql, "SELECT count(*) FROM price_totals").await;
    for text in [
        "DELETE FROM price_totals",
        "UPDATE price_totals SET cell = '\\xdeadbeef'",
        "UPDATE price_totals SET cell = '', brief = '', rewrites = rewrites + 1",
        "UPDATE price_totals t SET cell = n.cell FROM price_totals n
         WHERE n.level = t.level AND n.span_number = t.span_number + 1",
        "UPDATE price_totals SET brief = '\\x00', rewrites = rewrites + 1",
    ] {
        service.sql.batch_execute(text).await.unwrap();
        let found = differences(&service).await;
        assert!(!found.is_empty(), "{text}");
        // What is built anew of units makes what is above them.
        repair(&service.database, &found).await.unwrap();
        assert_eq!(differences(&service).await, [], "{text}");
        check_answers(&service).await;
        let now: i64 = one(&service.sql, "SELECT count(*) FROM price_totals").await;
        assert_eq!(now, count, "{text}");
    }
    assert!(service.end().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_folded_yet_is_no_difference_and_hides_no_other_symbol() {
    let service = start().await;
    let change = "UPDATE prices SET price = price + 1
        WHERE symbol_id = 126 AND ticked_at = '2024-05-01T02:40:30.5Z'";
    service.sql.batch_execute(change).await.unwrap();
    assert_eq!(differences(&service).await, []);
    // Folded by nobody, and its note is lost.
    service.sql.batch_execute("DELETE FROM price_changes").await.unwrap();
    let expected = [(0, UNIT, 0, Differs, true), (0, UNIT, 0, BriefDiffers, true)];
    assert_eq!(wrong(&differences(&service).await), expected);
    // A symbol of the same cell.
    let note = format!("INSERT INTO price_changes VALUES ({UNIT}, 127)");
    service.sql.batch_execute(&note).await.unwrap();
    assert_eq!(wrong(&differences(&service).await), expected);
    let note = format!("INSERT INTO price_changes VALUES ({UNIT}, 126)");
    service.sql.batch_execute(&note).await.unwrap();
    assert_eq!(differences(&service).await, []);
    check_answers(&service).await;
    fold_all(&service.database).await.unwrap();
    assert_eq!(differences(&service).await, []);
    check_answers(&service).await;
    // Cells that a release without briefs wrote are none either.
    assert!(forget_briefs(&service.sql, 1).await > 0);
    assert_eq!(differences(&service).await, []);
    assert!(service.end().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn ticks_that_name_no_symbol_are_named_and_stay() {
    let service = start().await;
    let leaf = leaf(&service, "2024-05-02").await;
    let text = format!(
        "INSERT INTO {leaf} (symbol_id, ticked_at, price)
         VALUES (999, '2024-05-02T10:00:00Z', 5), (999, '2024-05-02T11:00:00Z', 6)"
    );
    service.sql.batch_execute(&text).await.unwrap();
    let found = differences(&service).await;
    let (others, references): (Vec<_>, Vec<_>) =
        found.iter().cloned().partition(Difference::is_repairable);
    assert_eq!(others.len(), 2, "the cells of both units are missing");
    let names: Vec<_> = references.iter().map(|one| format!("{one:?}")).collect();
    let expected = r#"column: "symbol_id", id: 999, row_count: 2, first_at: 2024-05-02T10:00:00Z"#;
    assert!(names.len() == 1 && names[0].contains(expected), "{names:#?}");
    repair(&service.database, &found).await.unwrap();
    assert_eq!(differences(&service).await, references);
    check_answers(&service).await;
    assert!(service.end().await);
}
