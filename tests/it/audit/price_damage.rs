//! Cells of prices that cannot be read: they fail the questions that need them and nothing else,
//! and folding builds them anew, or goes on beside them where ticks are not at hand.

use std::process::{Command, Stdio};

use daybook::{
    cluster::ClusterRole,
    domain::price::audit::PriceFinding::{BriefUnreadable, Differs, Noted, Unreadable},
    grpc::pb::v1::{RankSymbolsRequest, RankSymbolsResponse, SymbolMetric},
    store::{
        DatabaseTarget,
        fold_prices::{FoldedPrices, fold_prices},
        price_cells::CellKey,
    },
    upkeep::{audit::repair, price_folding::fold_all},
};
use tonic::{Code, Status};

use super::prices::{UNIT, check_answers, differences, fill, start, wrong};
use crate::{
    get_status::status,
    list_prices::{leaf, window},
    process::program,
    rank_symbols::{FIRST, check, instant},
    support::{
        cluster::TestFolder,
        schema::one,
        service::{TestService, settings},
    },
};

/// The unit at 02:40 of the second day.
const LATER_UNIT: i64 = UNIT + 360;

/// Garbage in the place of cells of the first group, or in the place of their briefs.
async fn spoil(service: &TestService, column: &str, cells: &[(u32, i64)]) {
    for (level, unit) in cells {
        let number = unit / 4i64.pow(*level);
        let text = format!(
            "UPDATE price_totals SET {column} = '\\xdeadbeef', rewrites = rewrites + 1
             WHERE level = {level} AND span_number = {number} AND symbol_group = 0"
        );
        assert_eq!(service.sql.execute(&text, &[]).await.unwrap(), 1, "{text}");
    }
}

async fn change_tick(service: &TestService, symbol: i32, at: &str) {
    let text = format!(
        "UPDATE prices SET price = price + 1 WHERE symbol_id = {symbol} AND ticked_at = '{at}'"
    );
    assert_eq!(service.sql.execute(&text, &[]).await.unwrap(), 1);
}

async fn rank(
    service: &TestService,
    (start, end): (&str, &str),
    metric: SymbolMetric,
    symbols: &[&str],
) -> Result<RankSymbolsResponse, Status> {
    let request = RankSymbolsRequest {
        metric: metric.into(),
        window: Some(window(start, end)),
        include_thin: true,
        symbols: symbols.iter().map(|name| (*name).to_owned()).collect(),
        ..RankSymbolsRequest::default()
    };
    let answer = service.prices().await.rank_symbols(request).await?;
    Ok(answer.into_inner())
}

const BOTH_DAYS: (&str, &str) = ("2024-05-01T00:00:00Z", "2024-05-03T00:00:00Z");

/// The shortest span that holds both of the units, alone.
const SHARED_SPAN: (&str, &str) = ("2024-04-29T20:16:00Z", "2024-05-02T16:32:00Z");

/// Its level.
const SHARED_LEVEL: u32 = 5;

/// When symbols have a tick in the earlier of the units.
const TICK: &str = "2024-05-01T02:40:30.5Z";

async fn notes(service: &TestService) -> i64 {
    one(&service.sql, "SELECT count(*) FROM price_changes").await
}

fn attach(leaf: &str) -> String {
    format!(
        "ALTER TABLE prices ATTACH PARTITION {leaf}
         FOR VALUES FROM ('2024-05-02T00:00:00Z') TO ('2024-05-03T00:00:00Z')"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn folding_builds_anew_what_cannot_be_read_and_stops_for_nobody() {
    let service = start().await;
    for (column, cells) in [
        ("cell", vec![(0, UNIT)]),
        ("brief", vec![(0, UNIT)]),
        ("cell", vec![(3, UNIT)]),
        ("cell", vec![(9, UNIT)]),
        // Beside the one that changes, and beside what is above it.
        ("cell", vec![(0, UNIT + 1)]),
        ("cell", vec![(0, UNIT + 2), (1, UNIT + 4), (2, UNIT + 16), (4, LATER_UNIT)]),
        ("cell", (0..10).map(|level| (level, UNIT)).collect()),
    ] {
        spoil(&service, column, &cells).await;
        if column == "cell" {
            let of_returns = rank(&service, BOTH_DAYS, SymbolMetric::StddevOfReturn, &[]).await;
            // Both days are made of spans of some hours.
            let needs_it = cells.iter().any(|(level, _)| (3..5).contains(level));
            let code = of_returns.err().map(|status| status.code());
            assert_eq!(code, needs_it.then_some(Code::Internal), "{cells:?}");
        }
        change_tick(&service, 126, TICK).await;
        change_tick(&service, 130, TICK).await;
        // From and to, of each.
        assert_eq!(fold_all(&service.database).await.unwrap(), 4, "{column} {cells:?}");
        assert_eq!(notes(&service).await, 0);
        assert_eq!(status(&service).await.damaged_count, 0);
        assert_eq!(differences(&service).await, [], "{column} {cells:?}");
        check_answers(&service).await;
    }
    assert!(service.end().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_of_a_day_that_is_gone_builds_anew_what_is_broken() {
    let service = start().await;
    let leaf = leaf(&service, "2024-05-02").await;
    service
        .sql
        .batch_execute(&format!("ALTER TABLE prices DETACH PARTITION {leaf}"))
        .await
        .unwrap();
    assert_eq!(differences(&service).await, []);
    let cells: Vec<_> = (0..5).map(|level| (level, LATER_UNIT)).collect();
    for is_folded in [false, true] {
        let before = rank(&service, BOTH_DAYS, SymbolMetric::StddevOfReturn, &[]).await.unwrap();
        // The packed ticks of the unit say what the cell did.
        spoil(&service, "cell", &cells).await;
        let status = rank(&service, BOTH_DAYS, SymbolMetric::StddevOfReturn, &[]).await;
        assert_eq!(status.unwrap_err().code(), Code::Internal);
        if is_folded {
            change_tick(&service, 126, TICK).await;
            change_tick(&service, 126, TICK).await;
            let back = "UPDATE prices SET price = price - 2
                WHERE symbol_id = 126 AND ticked_at = '2024-05-01T02:40:30.5Z'";
            service.sql.batch_execute(back).await.unwrap();
            assert_eq!(fold_all(&service.database).await.unwrap(), 6);
        } else {
            let found = differences(&service).await;
            let expected: Vec<_> = (0..5u8)
                .map(|level| {
                    let number = LATER_UNIT >> (2 * level);
                    // What is above is built anew with the unit.
                    (level, number, 0, Unreadable, level == 0)
                })
                .collect();
            assert_eq!(wrong(&found), expected);
            repair(&service.database, &found).await.unwrap();
        }
        assert_eq!(differences(&service).await, []);
        let after = rank(&service, BOTH_DAYS, SymbolMetric::StddevOfReturn, &[]).await.unwrap();
        assert_eq!(after.rows, before.rows);
    }
    // The cell of a unit says that there are ticks, and nobody knows which: they are not packed.
    spoil(&service, "brief", &[(0, LATER_UNIT)]).await;
    let found = differences(&service).await;
    assert_eq!(wrong(&found), [(0, LATER_UNIT, 0, BriefUnreadable, true)]);
    repair(&service.database, &found).await.unwrap();
    assert_eq!(differences(&service).await, []);
    service.sql.batch_execute(&attach(&leaf)).await.unwrap();
    assert_eq!(differences(&service).await, []);
    check_answers(&service).await;
    assert!(service.end().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_day_that_is_gone_takes_with_it_is_never_made_less_by_a_repair() {
    let service = start().await;
    let leaf = leaf(&service, "2024-05-02").await;
    service
        .sql
        .batch_execute(&format!("ALTER TABLE prices DETACH PARTITION {leaf}"))
        .await
        .unwrap();
    let before = rank(&service, BOTH_DAYS, SymbolMetric::Mean, &[]).await.unwrap();
    let delete = format!(
        "DELETE FROM price_totals
         WHERE level = 0 AND span_number = {LATER_UNIT} AND symbol_group = 0"
    );
    service.sql.batch_execute(&delete).await.unwrap();
    let found = differences(&service).await;
    assert_eq!(wrong(&found), [(1, LATER_UNIT / 4, 0, Differs, false)]);
    repair(&service.database, &found).await.unwrap();
    assert_eq!(wrong(&differences(&service).await).len(), 1);
    assert_eq!(rank(&service, BOTH_DAYS, SymbolMetric::Mean, &[]).await.unwrap().rows, before.rows);
    service.sql.batch_execute(&attach(&leaf)).await.unwrap();
    let found = differences(&service).await;
    assert!(found.iter().all(|one| one.is_repairable()) && found.len() == 2, "{found:?}");
    repair(&service.database, &found).await.unwrap();
    assert_eq!(differences(&service).await, []);
    check_answers(&service).await;
    assert!(service.end().await);
}

/// Breaks all that says what the ticks of the later unit were, up to a span that holds the earlier
/// one, too, and takes its day away.
async fn lose(service: &TestService, leaf: &str) {
    let cells: Vec<_> = (0..SHARED_LEVEL).map(|level| (level, LATER_UNIT)).collect();
    spoil(service, "cell", &cells).await;
    spoil(service, "brief", &cells[..1]).await;
    service
        .sql
        .batch_execute(&format!("ALTER TABLE prices DETACH PARTITION {leaf}"))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn where_ticks_are_not_at_hand_all_others_are_folded() {
    let service = start().await;
    let leaf = leaf(&service, "2024-05-02").await;
    let ask = async |metric, symbols: &[&str]| {
        let answer = rank(&service, SHARED_SPAN, metric, symbols).await;
        answer.map(|answer| answer.rows).map_err(|status| status.code())
    };
    let metrics = [SymbolMetric::Mean, SymbolMetric::StddevOfReturn];
    for is_folded in [false, true] {
        let (mut before, mut of_others) = (Vec::new(), Vec::new());
        for metric in metrics {
            before.push(ask(metric, &["s0002usd"]).await.unwrap());
            of_others.push(ask(metric, &["s0003usd", "s0005usd"]).await.unwrap());
        }
        lose(&service, &leaf).await;
        let unit = |finding| (0, LATER_UNIT, 0, finding, false);
        let mut lost = vec![unit(Unreadable), unit(BriefUnreadable)];
        let above = |levels: std::ops::Range<u32>| {
            levels.map(|level| {
                let number = LATER_UNIT / 4i64.pow(level);
                (u8::try_from(level).unwrap(), number, 0, Unreadable, false)
            })
        };
        lost.extend(above(1..SHARED_LEVEL));
        assert_eq!(wrong(&differences(&service).await), lost);
        // The span that holds both says what it said.
        assert!(ask(SymbolMetric::Mean, &[]).await.is_ok());

        // A symbol of the group changes, and one of another group.
        change_tick(&service, 126, TICK).await;
        change_tick(&service, 130, TICK).await;
        for folded in [4, 0] {
            assert_eq!(fold_all(&service.database).await.unwrap(), folded);
            assert_eq!(notes(&service).await, 0);
            assert_eq!(status(&service).await.damaged_count, 10);
        }
        // What both share does not say any more what the symbol came to, and says it of others.
        for (place, metric) in metrics.into_iter().enumerate() {
            assert_eq!(ask(metric, &[]).await, Err(Code::Internal));
            assert_eq!(ask(metric, &["s0001usd"]).await, Err(Code::Internal));
            assert_eq!(ask(metric, &["s0002usd"]).await.as_ref(), Ok(&before[place]));
            let rows = ask(metric, &["s0003usd", "s0005usd"]).await.unwrap();
            assert_ne!(rows, of_others[place], "one of them has changed");
        }
        let day = [0, 86_400].map(|seconds| instant(FIRST + seconds, 0));
        check(&service, day[0], day[1]).await;
        lost.extend(above(SHARED_LEVEL..10));
        let found = differences(&service).await;
        assert_eq!(wrong(&found), lost);
        repair(&service.database, &found).await.unwrap();
        assert_eq!(wrong(&differences(&service).await), lost, "nothing could be done");

        service.sql.batch_execute(&attach(&leaf)).await.unwrap();
        if is_folded {
            change_tick(&service, 127, "2024-05-02T02:40:30.5Z").await;
            assert_eq!(fold_all(&service.database).await.unwrap(), 2);
        } else {
            repair(&service.database, &differences(&service).await).await.unwrap();
        }
        assert_eq!(differences(&service).await, []);
        assert_eq!(status(&service).await.damaged_count, 0);
        check_answers(&service).await;
    }
    assert!(service.end().await);
}

/// Folds all, and says which levels of cells of the later unit were broken: those that were built
/// anew, and those that are lost and were not noted before.
async fn fold_broken(service: &TestService) -> (Vec<u8>, Vec<u8>) {
    let client = service.database.connect().await.unwrap();
    let folded = fold_prices(&client, 1_000, true).await.unwrap();
    let FoldedPrices::Folded { broken, .. } = folded else { panic!("{folded:?}") };
    let levels = |cells: Vec<CellKey>| {
        let level = |CellKey { span, group }: CellKey| {
            assert_eq!((span.number, group), (LATER_UNIT >> (2 * span.level), 0));
            span.level
        };
        let mut levels: Vec<u8> = cells.into_iter().map(level).collect();
        levels.sort_unstable();
        levels
    };
    (levels(broken.mended), levels(broken.lost))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_cell_that_is_built_anew_or_lost_is_named_once() {
    let service = start().await;
    let leaf = leaf(&service, "2024-05-02").await;
    spoil(&service, "cell", &[(0, LATER_UNIT), (4, LATER_UNIT), (6, UNIT)]).await;
    change_tick(&service, 126, TICK).await;
    // The unit is in nobody's way.
    assert_eq!(fold_broken(&service).await, (vec![4, 6], vec![]));
    assert_eq!(fold_broken(&service).await, (vec![], vec![]));
    lose(&service, &leaf).await;
    change_tick(&service, 126, TICK).await;
    assert_eq!(fold_broken(&service).await, (vec![], (0..10).collect()));
    change_tick(&service, 126, TICK).await;
    assert_eq!(fold_broken(&service).await, (vec![], vec![]));
    service.sql.batch_execute(&attach(&leaf)).await.unwrap();
    change_tick(&service, 126, TICK).await;
    assert_eq!(fold_broken(&service).await, ((0..10).collect(), vec![]));
    assert_eq!(differences(&service).await, []);
    check_answers(&service).await;
    assert!(service.end().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_lost_for_good_can_be_given_up() {
    let service = start().await;
    let leaf = leaf(&service, "2024-05-02").await;
    let count = async || {
        let answer = rank(&service, SHARED_SPAN, SymbolMetric::Mean, &["s0001usd"]).await.unwrap();
        answer.rows[0].tick_count
    };
    let before = count().await;
    lose(&service, &leaf).await;
    change_tick(&service, 126, TICK).await;
    fold_all(&service.database).await.unwrap();
    assert_eq!(status(&service).await.damaged_count, 10);
    // As docs/operations.md has it.
    let give_up = format!(
        "DELETE FROM price_totals
         WHERE symbol_group = 0 AND level >= 0
           AND span_number = {LATER_UNIT}::bigint >> 2 * (level - 0)"
    );
    assert_eq!(service.sql.execute(&give_up, &[]).await.unwrap(), 10);
    let found = differences(&service).await;
    assert!(found.iter().all(|one| one.is_repairable()) && found.len() >= 10, "{found:?}");
    repair(&service.database, &found).await.unwrap();
    assert_eq!(differences(&service).await, []);
    assert_eq!(status(&service).await.damaged_count, 0);
    // The two ticks of the unit.
    assert_eq!(count().await, before - 2);
    let day = [0, 86_400].map(|seconds| instant(FIRST + seconds, 0));
    check(&service, day[0], day[1]).await;
    // Should the day come back all the same, its ticks miss the cell.
    service.sql.batch_execute(&attach(&leaf)).await.unwrap();
    repair(&service.database, &differences(&service).await).await.unwrap();
    assert_eq!(differences(&service).await, []);
    check_answers(&service).await;
    assert!(service.end().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_of_a_cell_that_can_be_read_goes_with_a_repair() {
    let service = start().await;
    let note = format!("INSERT INTO damaged_price_totals VALUES (1, {}, 0)", UNIT / 4);
    service.sql.batch_execute(&note).await.unwrap();
    assert_eq!(status(&service).await.damaged_count, 1);
    let found = differences(&service).await;
    assert_eq!(wrong(&found), [(1, UNIT / 4, 0, Noted, true)]);
    repair(&service.database, &found).await.unwrap();
    assert_eq!(differences(&service).await, []);
    assert_eq!(status(&service).await.damaged_count, 0);
    assert!(service.end().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_says_of_prices_what_differs_by_its_exit_code() {
    let folder = TestFolder::initialised();
    let cluster = folder.start().await;
    let config = cluster.connection(ClusterRole::Owner);
    let target = DatabaseTarget::plain(config, "daybook".to_owned());
    let service = fill(TestService::start_with(target, settings()).await).await;
    let audit = async |arguments: &[&str]| {
        let mut command: Command = program(env!("CARGO_BIN_EXE_daybook"));
        command.arg("audit").args(arguments).arg("--data-dir").arg(folder.data());
        command.args(["--partition-days-ahead", "2", "--scheduler", "ticker"]);
        command.stdin(Stdio::null()).current_dir(folder.path());
        let running = tokio::task::spawn_blocking(move || command.output().unwrap());
        let output = running.await.unwrap();
        let words = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), words, String::from_utf8(output.stderr).unwrap())
    };
    let (code, words, log) = audit(&[]).await;
    assert_eq!((code, words.as_str()), (Some(0), ""), "{log}");
    spoil(&service, "cell", &[(1, UNIT)]).await;
    for _ in 0..2 {
        let (code, words, log) = audit(&["--jobs", "1"]).await;
        assert_eq!(code, Some(2), "{words} {log}");
        let place = format!(
            "totals of prices, 16 minutes from 2024-05-01T02:40:00+00:00 (level 1, span {}), \
             symbols of group 0: cannot be read\n",
            UNIT / 4
        );
        assert_eq!(words, place);
        assert!(log.contains("--repair"), "{log}");
    }
    let (code, words, log) = audit(&["--repair"]).await;
    assert_eq!(code, Some(3), "{words} {log}");
    let (code, words, log) = audit(&["--repair"]).await;
    assert_eq!((code, words.as_str()), (Some(0), ""), "{log}");
    check_answers(&service).await;

    // What lies above a unit that cannot be read is wrong, and nothing shows it before.
    spoil(&service, "cell", &[(0, UNIT)]).await;
    let text = format!(
        "UPDATE price_totals t SET cell = n.cell, brief = n.brief, rewrites = t.rewrites + 1
         FROM price_totals n
         WHERE t.level = 1 AND t.span_number = {} AND t.symbol_group = 0
           AND n.level = 1 AND n.span_number = t.span_number + 1 AND n.symbol_group = 0",
        UNIT / 4
    );
    assert_eq!(service.sql.execute(&text, &[]).await.unwrap(), 1);
    let places = [(0, UNIT, 0, Unreadable, true), (2, UNIT / 16, 0, Differs, true)];
    assert_eq!(wrong(&differences(&service).await), places);
    let (code, words, log) = audit(&["--repair"]).await;
    assert_eq!(code, Some(3), "{words} {log}");
    assert_eq!(differences(&service).await, []);
    check_answers(&service).await;

    // What is not at hand is told each time, and what can be repaired is.
    let leaf = leaf(&service, "2024-05-02").await;
    lose(&service, &leaf).await;
    spoil(&service, "cell", &[(0, UNIT)]).await;
    for _ in 0..2 {
        let (code, words, log) = audit(&["--repair"]).await;
        assert_eq!(code, Some(2), "{words} {log}");
        assert!(words.contains("and what it comes from is not at hand"), "{words}");
        assert!(log.contains("cells of prices cannot be built anew"), "{log}");
    }
    assert_eq!(wrong(&differences(&service).await).len(), 6);
    service.sql.batch_execute(&attach(&leaf)).await.unwrap();
    let (code, words, log) = audit(&["--repair"]).await;
    assert_eq!(code, Some(3), "{words} {log}");
    check_answers(&service).await;
    drop(service);
    cluster.stop().await.unwrap();
}
