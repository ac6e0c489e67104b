//! Repairs: beside writers and a sealer, over days whose rows are gone, and by the program.

use std::{
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use chrono::Days;
use daybook::{
    cluster::ClusterRole,
    store::DatabaseTarget,
    upkeep::{
        audit::repair,
        sealing::{SEALED_ROWS_MAX, seal_once},
    },
};
use rand::RngExt;

use super::{DAYS, fill, ledger, swell};
use crate::{
    process::program,
    support::{
        cluster::TestFolder,
        random::random,
        schema::one,
        service::{TestService, settings},
        totals::Totals,
    },
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repair_beside_writers_and_a_sealer_loses_and_doubles_nothing() {
    let totals = Arc::new(ledger().await);
    let is_over = Arc::new(AtomicBool::new(false));
    let mut others = Vec::new();
    for writer in 0..2 {
        let (totals, is_over) = (Arc::clone(&totals), Arc::clone(&is_over));
        others.push(tokio::spawn(async move {
            let sql = totals.more_sql().await;
            for number in 0.. {
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                let text = format!(
                    "INSERT INTO transactions
                         (occurred_at, sender_id, receiver_id, asset_id, amount)
                     SELECT timestamptz '2024-05-05 00:00Z' + n * interval '3 hours', {{a}}, {{b}},
                         1, {number} + {writer} FROM generate_series(0, 20) AS n;
                     DELETE FROM transactions WHERE transaction_id IN (
                         SELECT transaction_id FROM transactions
                         WHERE sender_id = {{a}} AND receiver_id = {{b}} AND amount % 2 = {writer}
                         LIMIT 10)"
                );
                totals.run_on(&sql, &text).await;
            }
        }));
    }
    let (sealed, is_over_too) = (Arc::clone(&totals), Arc::clone(&is_over));
    others.push(tokio::spawn(async move {
        while !is_over_too.load(Ordering::Relaxed) {
            // While a cell is broken it is refused.
            let _ = seal_once(&sealed.service.database, SEALED_ROWS_MAX).await;
        }
    }));
    let mut random = random();
    for round in 0..6 {
        for table in ["running_totals", "day_totals"] {
            let harm = match random.random_range(0..3) {
                0 => format!("DELETE FROM {table} WHERE level = 0"),
                1 => format!("UPDATE {table} SET cell = '\\x00' WHERE level = {}", round % 2),
                _ => format!("DELETE FROM {table}"),
            };
            // A sealer at work can refuse it; then nothing is broken.
            let _ = totals.service.sql.batch_execute(&harm).await;
        }
        let found = totals.audit().await;
        repair(&totals.service.database, &found).await.unwrap();
        let mut left = totals.audit().await;
        if !left.is_empty() {
            // What a sealer added to a level between the audit and the repair.
            repair(&totals.service.database, &left).await.unwrap();
            left = totals.audit().await;
        }
        assert_eq!(left, [], "round {round}");
    }
    is_over.store(true, Ordering::Relaxed);
    for other in others {
        other.await.unwrap();
    }
    totals.check_sealing("after all").await;
}

/// Sums over all time and all users, as they are answered.
async fn answered(totals: &Totals) -> Vec<(i64, String)> {
    use daybook::grpc::pb::v1::{GetBalanceRequest, get_balance_request::Subject};
    let mut answers = Vec::new();
    for user in &totals.users {
        let subject = Some(Subject::UserUuid(user.user_uuid.to_string()));
        let request = GetBalanceRequest { subject, ..GetBalanceRequest::default() };
        let answer = totals.ledger().get_balance(request).await.unwrap().into_inner();
        answers.push((answer.sent_count, answer.sent_amount));
        answers.push((answer.received_count, answer.received_amount));
    }
    answers
}

#[tokio::test]
async fn rows_of_dropped_days_survive_a_repair_sealed_or_not() {
    for is_sealed in [true, false] {
        let service = TestService::start().await;
        let today =
            one::<chrono::NaiveDate>(&service.sql, "SELECT (now() AT TIME ZONE 'UTC')::date").await;
        let days: Vec<_> =
            (1..=4).rev().map(|back| (today - Days::new(back)).to_string()).collect();
        let days: Vec<_> = days.iter().map(String::as_str).collect();
        let totals = Totals::over(service, &days).await;
        let rows = format!(
            "INSERT INTO transactions (occurred_at, sender_id, receiver_id, asset_id, amount)
             SELECT timestamptz '{} 00:00Z' + n * interval '20 minutes', {{a}}, {{b}}, 1, n
             FROM generate_series(0, 250) AS n",
            days[0]
        );
        totals.run(&rows).await;
        if is_sealed {
            totals.seal().await;
        }
        totals.check("while all rows are there").await;
        let before = answered(&totals).await;
        let sql = &totals.service.sql;
        for day in &days[..2] {
            let text = format!("SELECT drop_day_before('{}')::text", days[2]);
            assert_eq!(one::<String>(sql, &text).await, *day);
        }
        assert_eq!(answered(&totals).await, before, "sealed: {is_sealed}");
        assert_eq!(totals.audit().await, [], "what is dropped is no difference");

        // A day that is still there breaks, and days that are.
        if is_sealed {
            let last =
                "account_id = {a} AND direction = 0 AND level = 0 AND start_at > '2000-01-01'
                ORDER BY start_at DESC";
            totals.change_cell("running_totals", last, swell).await;
            totals.change_cell("day_totals", "direction = 0 AND level = 1", swell).await;
            totals.change_cell("running_totals", "account_id = 0 AND level = 1", swell).await;
        } else {
            let too_many = "INSERT INTO running_totals
                (account_id, asset_id, direction, level, start_at, cell)
                VALUES ({a}, 1, 0, 1, '-infinity', ''), ({b}, 1, 1, 1, '-infinity', ''),
                       (0, 1, 0, 1, '-infinity', '')";
            totals.run(too_many).await;
        }
        let found = totals.audit().await;
        assert!(found.len() >= 3, "sealed: {is_sealed}: {found:?}");
        repair(&totals.service.database, &found).await.unwrap();
        assert_eq!(totals.audit().await, [], "sealed: {is_sealed}");
        assert_eq!(answered(&totals).await, before, "sealed: {is_sealed}, after the repair");
        totals.seal().await;
        assert_eq!(answered(&totals).await, before, "sealed: {is_sealed}, and sealed after it");
    }
}

#[tokio::test]
async fn the_program_says_what_differs_by_its_exit_code() {
    let folder = TestFolder::initialised();
    let cluster = folder.start().await;
    let config = cluster.connection(ClusterRole::Owner);
    let target = DatabaseTarget::plain(config, "daybook".to_owned());
    let service = TestService::start_with(target, settings()).await;
    let totals = Totals::over(service, &DAYS).await;
    fill(&totals).await;
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
    let leaf = "account_id = {a} AND direction = 0 AND level = 0";
    totals.change_cell("running_totals", leaf, swell).await;
    for _ in 0..2 {
        // Looking repairs nothing.
        let (code, words, log) = audit(&["--jobs", "1"]).await;
        assert_eq!(code, Some(2), "{words} {log}");
        let account = totals.put_into("account {a}, asset 1, sender on 2024-05-0");
        assert!(words.contains(&account) && words.contains("rows say"), "{words}");
        assert!(log.contains("--repair"), "{log}");
    }
    let (code, words, log) = audit(&["--repair"]).await;
    assert_eq!(code, Some(3), "{words} {log}");
    let (code, words, log) = audit(&["--repair"]).await;
    assert_eq!((code, words.as_str()), (Some(0), ""), "{log}");
    totals.check_sealing("repaired by the program").await;

    // What no repair can help is told each time.
    let leaf = "SELECT min(leaf::text) FROM partition_bounds('transactions')
        WHERE lower_at < '2024-05-06'";
    let leaf: String = one(&totals.service.sql, leaf).await;
    let bypass = format!(
        "INSERT INTO {leaf} (occurred_at, sender_id, receiver_id, asset_id, amount)
         SELECT lower_at, {{a}}, 1000001, 1, 1 FROM partition_bounds('transactions')
         WHERE leaf = '{leaf}'::regclass"
    );
    totals.run(&bypass).await;
    for _ in 0..2 {
        let (code, words, log) = audit(&["--repair"]).await;
        assert_eq!(code, Some(2), "{words} {log}");
        assert!(words.contains("receiver_id 1000001 is not there"), "{words}");
        assert!(log.contains("no repair can help"), "{log}");
    }
    drop(totals);
    cluster.stop().await.unwrap();
}
