//! Cells that cannot be read: they fail the questions that need them and nothing else, and
//! folding goes on beside them.

use daybook::{
    grpc::pb::v1::{
        BatchSumAmountRequest, Direction, GetBalanceRequest, RankMetric, RankRequest,
        SumAmountRequest, batch_sum_amount_result::Outcome, get_balance_request,
    },
    store::Connection,
    upkeep::{audit::repair, sealing::seal_once},
};
use futures_util::future::join_all;
use tonic::{Code, Status};

use super::ledger;
use crate::{
    get_status::status,
    query_plans::executed_pages,
    sum_amount::question,
    support::{
        cluster::eventually,
        schema::{one, statement_text},
        totals::{ALL_TIME, Totals},
    },
};

/// Garbage in every cell that a condition finds; there is one at least.
async fn spoil(totals: &Totals, table: &str, condition: &str) {
    let text = format!("UPDATE {table} SET cell = '\\xdeadbeef' WHERE {condition}");
    let text = totals.put_into(&text);
    assert!(totals.service.sql.execute(&text, &[]).await.unwrap() > 0, "{text}");
}

/// Rows from each user to another, on each day.
async fn write(totals: &Totals) {
    let rows = "INSERT INTO transactions (occurred_at, sender_id, receiver_id, asset_id, amount)
        SELECT timestamptz '2024-05-05 00:30Z' + n * interval '5 hours', s, r, 1, n + 0.5
        FROM (VALUES ({a}, {b}), ({b}, {c}), ({c}, {a})) AS v (s, r), generate_series(0, 11) AS n";
    totals.run(rows).await;
}

/// What each user sent, then what each received: a question for each.
fn questions(totals: &Totals) -> Vec<SumAmountRequest> {
    let both = [Direction::Sender, Direction::Receiver];
    let of = |direction: Direction| {
        let users = totals.users.iter();
        users.map(move |user| question(user.user_uuid, direction, ALL_TIME.0, ALL_TIME.1))
    };
    both.into_iter().flat_map(of).collect()
}

type Outcomes = Vec<Result<(i64, String), (i32, String)>>;

fn failed(status: &Status) -> (i32, String) {
    (status.code().into(), status.message().to_owned())
}

/// Each by itself, all at once.
async fn ask_each(totals: &Totals) -> Outcomes {
    let ask = |question| async {
        let answer = totals.analytics().sum_amount(question).await;
        let answer = answer.map_err(|status| failed(&status))?.into_inner();
        Ok((answer.transaction_count, answer.sum_amount))
    };
    join_all(questions(totals).into_iter().map(ask)).await
}

/// All in one statement.
async fn ask_batch(totals: &Totals, explain: bool) -> Outcomes {
    let questions = questions(totals);
    let request = BatchSumAmountRequest { questions, explain, ..Default::default() };
    let answer = totals.analytics().batch_sum_amount(request).await.unwrap().into_inner();
    let outcome = |outcome: Option<Outcome>| match outcome.unwrap() {
        Outcome::Answer(answer) => Ok((answer.transaction_count, answer.sum_amount)),
        Outcome::Error(error) => Err((error.code, error.message)),
    };
    answer.results.into_iter().map(|result| outcome(result.outcome)).collect()
}

async fn rank(totals: &Totals) -> Result<usize, (i32, String)> {
    let request = RankRequest {
        window: question(totals.users[0].user_uuid, Direction::Sender, ALL_TIME.0, ALL_TIME.1)
            .window,
        direction: Direction::Sender.into(),
        metric: RankMetric::Sum.into(),
        ..RankRequest::default()
    };
    let answer = totals.analytics().rank(request).await.map_err(|status| failed(&status))?;
    Ok(answer.into_inner().rows.len())
}

fn is_clear((code, message): &(i32, String)) -> bool {
    *code == i32::from(Code::Internal)
        && message.contains("a stored total that the answer needs cannot be read")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_questions_that_need_a_broken_cell_fail() {
    let totals = ledger().await;
    let before = ask_batch(&totals, false).await;
    assert!(before.iter().all(Result::is_ok), "{before:?}");
    spoil(&totals, "running_totals", "account_id = {a} AND direction = 0 AND level = 0").await;
    let explained = ask_batch(&totals, true).await;
    let batch = ask_batch(&totals, false).await;
    let mut answers = vec![explained, batch];
    for _ in 0..10 {
        answers.push(ask_each(&totals).await);
    }
    for found in answers {
        assert!(found[0].as_ref().is_err_and(is_clear), "{found:?}");
        assert_eq!(found[1..], before[1..]);
    }
    assert!(rank(&totals).await.is_ok(), "rankings are made of other cells");
    let found = totals.audit().await;
    repair(&totals.service.database, &found).await.unwrap();
    assert_eq!(ask_batch(&totals, false).await, before);
}

/// Cells that are broken, how many corrections of those that [`write`] makes stay behind, which
/// of the sums fails, and whether rankings do.
const HARMS: [(&str, &str, i64, Option<usize>, bool); 5] = [
    ("running_totals", "account_id = {a} AND direction = 0 AND level = 0", 12, Some(0), false),
    ("running_totals", "account_id = {c} AND direction = 1 AND level = 1", 12, Some(5), false),
    ("running_totals", "account_id = 0 AND level = 0", 36, None, false),
    ("day_totals", "level = 0 AND direction = 0 AND span_number % 3 = 0", 15, None, false),
    ("day_totals", "level = 6 AND direction = 0", 36, None, true),
];

#[tokio::test]
async fn folding_goes_on_beside_what_cannot_be_read() {
    for (table, condition, left, fails_sum, fails_ranks) in HARMS {
        let totals = ledger().await;
        totals.seal().await;
        spoil(&totals, table, condition).await;
        write(&totals).await;
        assert_eq!(status(&totals.service).await.damaged_count, 0, "{condition}");
        // Twice: what is set aside is not tried again.
        totals.seal().await;
        assert_eq!(totals.seal().await, 0, "{condition}");
        assert_eq!(totals.corrections().await, left, "{condition}");
        assert!(status(&totals.service).await.damaged_count > 0, "{condition}");
        let sums = ask_batch(&totals, false).await;
        // Each one's failure has the id of its own request.
        for (each, sum) in ask_each(&totals).await.iter().zip(&sums) {
            assert!(each == sum || each.is_err() && sum.is_err(), "{condition}: {each:?}, {sum:?}");
        }
        check_beside(&totals, left).await;
        let failing: Vec<_> = sums.iter().map(|sum| sum.as_ref().is_err_and(is_clear)).collect();
        let expected: Vec<_> = (0..sums.len()).map(|place| fails_sum == Some(place)).collect();
        assert_eq!(failing, expected, "{condition}: {sums:?}");
        assert!(sums.iter().filter(|sum| sum.is_err()).count() <= 1, "{condition}: {sums:?}");
        let ranked = rank(&totals).await;
        assert_eq!(ranked.as_ref().is_err_and(is_clear), fails_ranks, "{condition}: {ranked:?}");

        let found = totals.audit().await;
        assert!(!found.is_empty(), "{condition}");
        repair(&totals.service.database, &found).await.unwrap();
        assert_eq!(totals.audit().await, [], "{condition}");
        assert_eq!(status(&totals.service).await.damaged_count, 0, "{condition}");
        assert_eq!(totals.corrections().await, left, "{condition}: a repair folds nothing");
        for (after, before) in ask_batch(&totals, false).await.iter().zip(&sums) {
            assert!(after == before || before.is_err(), "{condition}: {after:?}, {before:?}");
        }
        totals.check_sealing(condition).await;
        assert_eq!(one::<i64>(&totals.service.sql, ABSENT_DAYS).await, 0, "{condition}");
    }
}

const ABSENT_DAYS: &str = "SELECT count(*) FROM absent_days";

/// What is set aside is no day, and stands in nobody's way.
async fn check_beside(totals: &Totals, left: i64) {
    let sql = &totals.service.sql;
    assert_eq!(one::<i64>(sql, "SELECT count(*) FROM set_aside_corrections").await, left);
    assert_eq!(one::<i64>(sql, ABSENT_DAYS).await, 1);
    let status = status(&totals.service).await;
    assert_eq!((status.dropped_day_count, status.correction_count), (0, left));
    let user = &totals.users[1];
    let subject = get_balance_request::Subject::UserUuid(user.user_uuid.to_string());
    let request =
        GetBalanceRequest { subject: Some(subject), verify: true, ..GetBalanceRequest::default() };
    let answer = totals.ledger().get_balance(request).await.unwrap().into_inner();
    assert!(answer.verification.unwrap().agrees);
}

/// Pages that a statement of the worker's touches; what it does is taken back.
async fn pages(client: &Connection, stem: &str) -> i64 {
    client.batch_execute("BEGIN").await.unwrap();
    let text = statement_text(stem);
    let text = format!("EXPLAIN (ANALYZE, BUFFERS, COSTS off, TIMING off) {text}");
    let rows = client.query(&text, &[&50_000i64]).await.unwrap();
    client.batch_execute("ROLLBACK").await.unwrap();
    let lines: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    executed_pages(&lines)
}

#[tokio::test]
async fn whoever_folds_comes_across_what_is_set_aside_once() {
    let totals = ledger().await;
    totals.seal().await;
    spoil(&totals, "running_totals", "account_id = {a} AND direction = 0 AND level = 0").await;
    let of_a = "INSERT INTO transactions (occurred_at, sender_id, receiver_id, asset_id, amount)
        SELECT timestamptz '2024-05-06 00:00Z' + n * interval '1 second', {a}, {b}, 1, n
        FROM generate_series(1, 20000) AS n";
    totals.run(of_a).await;
    assert_eq!(totals.seal().await, 0);
    assert_eq!(totals.corrections().await, 20_000);
    // Snapshots of other tests keep dead rows from going.
    eventually("what was moved is vacuumed away", async || {
        totals.run("VACUUM (TRUNCATE) corrections").await;
        one::<i64>(&totals.service.sql, "SELECT pg_relation_size('corrections')").await == 0
    })
    .await;
    let client = totals.service.database.connect().await.unwrap();
    for stem in ["seal_backlog", "seal_take_sound"] {
        let found = pages(&client, stem).await;
        assert!(found < 50, "{stem} touches {found} pages, and has nothing to do");
    }
    // A few more, with others' before, between and behind them, a handful a tx.
    write(&totals).await;
    totals.run(&of_a.replace("20000", "10")).await;
    let others = "INSERT INTO transactions (occurred_at, sender_id, receiver_id, asset_id, amount)
        VALUES ('2024-05-07 01:00Z', {b}, {c}, 1, 3)";
    totals.run(others).await;
    assert_eq!(seal_once(&totals.service.database, 7).await.unwrap(), 25);
    assert_eq!(totals.corrections().await, 20_022);
    let found = totals.audit().await;
    repair(&totals.service.database, &found).await.unwrap();
    totals.check_sealing("let go").await;
}

#[tokio::test]
async fn cells_that_were_put_in_order_by_hand_are_let_go_by_a_repair() {
    let totals = ledger().await;
    totals.seal().await;
    totals.run("CREATE TEMPORARY TABLE kept AS SELECT * FROM running_totals").await;
    spoil(&totals, "running_totals", "account_id IN ({a}, 0)").await;
    spoil(&totals, "day_totals", "level = 0 AND direction = 0").await;
    write(&totals).await;
    totals.seal().await;
    assert_eq!(totals.corrections().await, 36);
    totals
        .run(
            "UPDATE running_totals r SET cell = k.cell FROM kept k
             WHERE (r.account_id, r.asset_id, r.direction, r.level, r.start_at)
                   = (k.account_id, k.asset_id, k.direction, k.level, k.start_at)
               AND r.account_id IN ({a}, 0)",
        )
        .await;
    let found = totals.audit().await;
    let texts: Vec<_> = found.iter().map(|difference| format!("{difference:?}")).collect();
    assert!(texts.iter().any(|text| text.contains("it is set aside")), "{texts:#?}");
    repair(&totals.service.database, &found).await.unwrap();
    assert_eq!(totals.audit().await, []);
    assert_eq!(status(&totals.service).await.damaged_count, 0);
    totals.check_sealing("let go").await;
}

#[tokio::test]
async fn a_population_that_is_too_large_is_refused_before_its_cells_are_read() {
    use daybook::{
        analytics::{Analytics, rank::RankQuestion},
        domain::{
            account::Network, direction::Direction, metric::Metric, ranking::RankOrder,
            window::Window,
        },
        error::ErrorKind,
    };
    let totals = ledger().await;
    totals.seal().await;
    spoil(&totals, "day_totals", "direction = 0").await;
    let analytics = Analytics::new(totals.service.database.clone());
    let window = Window::new(totals.windows[0].0, totals.windows[0].1).unwrap();
    let question = |population_max| RankQuestion {
        allow_partial: false,
        asset: daybook::domain::asset::Asset { asset_id: 1, code: "USD".into(), decimals: 5 },
        window,
        direction: Direction::Sender,
        metric: Metric::Sum,
        order: RankOrder::Top,
        include_idle: true,
        page_size: 10,
        population_max,
        explain: false,
        verify: true,
    };
    let network = Network::parse("internal").unwrap();
    for (population_max, is_too_large) in [(2, true), (3, false)] {
        let question = question(population_max);
        let users = analytics.rank_users(&question, None, None).await.map(drop);
        let accounts = analytics.rank_accounts(&question, &network, None, None).await.map(drop);
        for outcome in [users, accounts] {
            let error = outcome.expect_err("its cells cannot be read");
            let is_refused = matches!(error.kind(), ErrorKind::BeyondLimit(_));
            assert_eq!(is_refused, is_too_large, "{population_max}: {error}");
        }
    }
}
