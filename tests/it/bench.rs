//! `daybook bench`: the built binary against a service on its real port.

use std::process::{Output, Stdio};

use serde_json::Value;

use crate::{
    process::program,
    support::{
        cluster::TestFolder,
        ledger::{add, add_user, ensure_days},
        service::{TestService, new_target, settings},
    },
};

/// A service with two users and rows on three days.
async fn service() -> TestService {
    let service = TestService::start().await;
    fill(&service).await;
    service
}

async fn fill(service: &TestService) {
    let sql = &service.sql;
    ensure_days(sql, &["2024-02-28", "2024-02-29", "2024-03-01"]).await;
    let (ann, bob) = (add_user(sql, "ann").await, add_user(sql, "bob").await);
    for (at, from, to) in [
        ("2024-02-28T23:59:59.999999Z", &ann, &bob),
        ("2024-02-29T12:00:00Z", &bob, &ann),
        ("2024-03-01T00:00:00Z", &ann, &bob),
    ] {
        add(sql, at, from.account_id, to.account_id, "1.5").await;
    }
}

/// Runs `daybook bench` against the service, without standing in its way.
async fn bench(service: &TestService, arguments: &[&str]) -> Output {
    let mut command = program(env!("CARGO_BIN_EXE_daybook"));
    command.args(["bench", "--warm-up", "0.05", "--address"]);
    command.arg(format!("http://{}", service.address)).args(arguments).stdin(Stdio::null());
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// The same with `--json`; it must exit with this code.
async fn json(service: &TestService, code: i32, arguments: &[&str]) -> Value {
    let output = bench(service, &[&["--json"], arguments].concat()).await;
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("not a number: {value}"))
}

#[tokio::test]
async fn a_closed_loop_counts_every_call_and_keeps_to_the_mix() {
    let service = service().await;
    let arguments = ["--mix", "sum_amount=3,rank=1,health=4", "--duration", "0.5"];
    let more = ["--connections", "2", "--concurrency", "3", "--direction", "random"];
    let found = json(&service, 0, &[&arguments[..], &more].concat()).await;
    let count = |call: &str| number(&found["calls"][call]["count"]);
    let whole = number(&found["count"]);
    assert!(whole > 20.0, "{found}");
    assert_eq!(count("sum_amount") + count("rank") + count("health"), whole);
    // Each of three callers may end, and have begun to measure, in the midst of a cycle.
    assert!((count("rank") / whole - 1.0 / 8.0).abs() * whole <= 6.0, "{found}");
    assert!((count("health") / whole - 4.0 / 8.0).abs() * whole <= 6.0, "{found}");
    let rate = number(&found["calls_per_second"]) * number(&found["seconds"]);
    assert!((rate - whole).abs() < 0.01, "{found}");
    assert_eq!((number(&found["error_count"]), number(&found["not_begun"])), (0.0, 0.0));
    let latency = &found["latency_seconds"];
    let order =
        ["min", "p50", "p90", "p95", "p99", "p99.9", "max"].map(|name| number(&latency[name]));
    assert!(order.is_sorted() && order[0] > 0.0, "{found}");
    let buckets: f64 =
        found["histogram"].as_array().unwrap().iter().map(|one| number(&one["count"])).sum();
    assert_eq!(buckets, whole);
}

#[tokio::test]
async fn an_open_loop_makes_as_many_calls_as_are_due() {
    let service = service().await;
    let arguments = ["--calls", "sum_amount", "--rate", "100", "--duration", "1"];
    let found = json(&service, 0, &[&arguments[..], &["--concurrency", "8"]].concat()).await;
    assert_eq!(number(&found["count"]) + number(&found["not_begun"]), 100.0, "{found}");
}

#[tokio::test]
async fn an_open_loop_does_not_hide_the_wait_for_a_free_caller() {
    let service = service().await;
    // Far more than one caller can make: those that wait do so from the instant they were due.
    let arguments = ["--rate", "20000", "--duration", "0.5", "--window-days", "random"];
    let open = json(&service, 0, &arguments).await;
    let closed = json(&service, 0, &arguments[2..]).await;
    assert!(number(&open["not_begun"]) > 0.0, "{open}");
    let p50 = |found: &Value| number(&found["latency_seconds"]["p50"]);
    assert!(p50(&open) > 0.1 && p50(&open) > p50(&closed), "{open} {closed}");
}

#[tokio::test]
async fn calls_that_are_refused_are_counted_by_code_and_make_the_exit_code_1() {
    let mut settings = settings();
    settings.server.rank_population_max = 1;
    let service = TestService::start_with(new_target(), settings).await;
    fill(&service).await;
    let found = json(&service, 1, &["--calls", "rank,health", "--duration", "0.2"]).await;
    let errors = number(&found["calls"]["rank"]["errors"]["RESOURCE_EXHAUSTED"]);
    assert!(errors > 0.0, "{found}");
    assert_eq!(number(&found["error_count"]), errors);
    assert!(found["calls"]["rank"]["latency_seconds"].is_null());
    assert!(number(&found["latency_seconds"]["p50"]) > 0.0);
}

#[tokio::test]
async fn the_summary_is_for_people_unless_told_otherwise() {
    let service = service().await;
    let days = ["--from", "2024-02-28", "--to", "2024-03-02", "--windows", "aligned"];
    let output = bench(&service, &[&["--duration", "0.1"], &days[..]].concat()).await;
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    for word in ["answered/s", "errors                0", "p99.9", "up to", "###"] {
        assert!(text.contains(word), "{text}");
    }
}

#[tokio::test]
async fn what_cannot_be_measured_is_said() {
    let service = TestService::start().await;
    let unknown = ["--from", "2024-03-02", "--to", "2024-03-02"];
    for (fill, arguments, expected) in [
        (false, &[][..], "there are no users to ask for"),
        (false, &["--address", "nowhere at all"], "cannot be used multiple times"),
        (true, &[], "say with --from and --to where data lie"),
        (true, &unknown, "--from must lie before --to"),
        (true, &unknown[..2], "--to <YYYY-MM-DD>"),
        (true, &["--mix", "rank=0"], "the weight of rank must be 1 to 1000"),
    ] {
        if fill {
            let sql = &service.sql;
            sql.batch_execute(
                "INSERT INTO users (user_uuid, username, name)
                 VALUES (gen_random_uuid(), 'ann', 'Ann') ON CONFLICT DO NOTHING",
            )
            .await
            .unwrap();
        }
        let output = bench(&service, arguments).await;
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && words.contains(expected), "{arguments:?}: {words}");
    }
}

#[tokio::test]
async fn a_token_is_shown_and_its_file_must_hold_one() {
    let mut guarded = settings();
    guarded.server.auth = daybook::config::AuthMode::On;
    let service = TestService::start_with(new_target(), guarded).await;
    fill(&service).await;
    let folder = TestFolder::empty();
    let file = folder.path().join("token");
    let file = file.to_str().unwrap();
    let token = crate::access::token_of(&service, daybook::domain::access::Role::Reader).await.0;
    std::fs::write(file, format!("{}\n", token.to_text())).unwrap();
    let known = json(&service, 0, &["--duration", "0.1", "--token-file", file]).await;
    assert!(number(&known["count"]) > 1.0, "{known}");
    let said = |output: Output| String::from_utf8(output.stderr).unwrap();
    let unknown = bench(&service, &["--duration", "0.1"]).await;
    assert_eq!(unknown.status.code(), Some(1));
    assert!(said(unknown).contains("the server did not say who its users are"));
    std::fs::write(file, "one\ntwo").unwrap();
    for (name, words) in [(file, "must hold one token"), ("nowhere", "--token-file nowhere")] {
        let output = bench(&service, &["--token-file", name]).await;
        assert_eq!(output.status.code(), Some(1));
        let said = said(output);
        assert!(said.contains(words) && !said.contains("two"), "{said}");
    }
}
