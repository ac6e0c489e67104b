//! `daybook ask`: the built binary against a service on its real port. Every number that it shows
//! is that of the rpc.

use std::process::{Output, Stdio};

use clap::CommandFactory;
use daybook::{cli::Cli, client::v1};
use serde_json::Value;

use crate::{
    process::program,
    support::{
        cluster::TestFolder,
        ledger::{TestUser, add, add_user, ensure_days},
        service::{TestService, new_target, settings},
    },
};

/// A service with two users and rows on three days.
struct World {
    service: TestService,
    ann: TestUser,
    bob: TestUser,
}

const WINDOW: [&str; 4] = ["--from", "2024-02-28", "--to", "2024-03-02"];

impl World {
    async fn new() -> Self {
        let service = TestService::start().await;
        let sql = &service.sql;
        ensure_days(sql, &["2024-02-28", "2024-02-29", "2024-03-01"]).await;
        let (ann, bob) = (add_user(sql, "ann").await, add_user(sql, "bob").await);
        add_user(sql, "bobby").await;
        for (at, from, to, amount) in [
            ("2024-02-28T23:59:59.999999Z", &ann, &bob, "1.5"),
            ("2024-02-29T12:00:00Z", &bob, &ann, "20.25"),
            ("2024-03-01T00:00:00Z", &ann, &bob, "300.125"),
        ] {
            add(sql, at, from.account_id, to.account_id, amount).await;
        }
        Self { service, ann, bob }
    }

    async fn ask(&self, arguments: &[&str]) -> Output {
        let address = self.service.address.to_string();
        ask(&[&["--address", &address], arguments].concat(), None).await
    }

    /// What is printed by a question that is answered.
    async fn said(&self, arguments: &[&str]) -> String {
        let output = self.ask(arguments).await;
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
        assert!(output.stderr.is_empty(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    async fn json(&self, arguments: &[&str]) -> Value {
        let text = self.said(&[arguments, &["--json"]].concat()).await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}"))
    }

    /// Exit code and words of a question that is not answered.
    async fn refused(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.ask(arguments).await;
        assert!(output.stdout.is_empty(), "{arguments:?}: {output:?}");
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }
}

async fn ask(arguments: &[&str], token: Option<&str>) -> Output {
    let mut command = program(env!("CARGO_BIN_EXE_daybook"));
    command.arg("ask").args(arguments).stdin(Stdio::null());
    if let Some(token) = token {
        command.env("DAYBOOK_TOKEN", token);
    }
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// Cells of the lines of a table.
fn rows(text: &str) -> Vec<Vec<&str>> {
    text.lines().map(|line| line.split_whitespace().collect()).collect()
}

#[tokio::test]
async fn sums_are_those_of_the_rpc_however_they_are_shown() {
    let world = World::new().await;
    let mut analytics = world.service.analytics().await;
    let window = v1::Window {
        start: Some("2024-02-28T00:00:00Z".parse().unwrap()),
        end: Some("2024-03-02T00:00:00Z".parse().unwrap()),
    };
    let mut expected = Vec::new();
    for (user, name) in [(&world.ann, "ann"), (&world.bob, "bob")] {
        for (direction, word) in
            [(v1::Direction::Sender, "sent"), (v1::Direction::Receiver, "received")]
        {
            let uuid = user.user_uuid.to_string();
            let question = v1::SumAmountRequest {
                subject: Some(v1::sum_amount_request::Subject::UserUuid(uuid)),
                window: Some(window),
                direction: direction.into(),
                ..Default::default()
            };
            let answer = analytics.sum_amount(question).await.unwrap().into_inner();
            let count = answer.transaction_count.to_string();
            expected.push([
                name.to_owned(),
                word.to_owned(),
                answer.sum_amount,
                answer.asset,
                count,
            ]);
        }
    }
    let both = [&["sum", "ann", "bob"], &WINDOW[..]].concat();
    let csv = world.said(&[&both[..], &["--csv"]].concat()).await;
    let lines: Vec<String> = expected.iter().map(|row| row.join(",")).collect();
    assert_eq!(csv, format!("who,direction,sum,asset,transactions\n{}\n", lines.join("\n")));
    let text = world.said(&[&both[..], &["--explain", "--verify"]].concat()).await;
    for row in &expected {
        assert!(rows(&text).iter().any(|found| found == row), "{row:?} in\n{text}");
    }
    assert!(text.contains("2024-02-28T00:00:00Z to 2024-03-02T00:00:00Z"), "{text}");
    assert!(text.contains("verified: the rows say the same (6 scanned)"), "{text}");
    assert!(text.contains("made of") && text.contains(" cells, "), "{text}");
    // One sum is SumAmount's own answer.
    let one = [&["sum", "ann", "--direction", "sender"], &WINDOW[..]].concat();
    let answer = world.json(&one).await;
    assert_eq!(answer["sumAmount"], expected[0][2].as_str());
    assert_eq!(answer["transactionCount"], "2");
}

#[tokio::test]
async fn series_ranks_and_histograms_add_up() {
    let world = World::new().await;
    let series = [&["series", "ann", "--direction", "sender"], &WINDOW[..]].concat();
    let text = world.said(&series).await;
    let found: Vec<Vec<&str>> =
        rows(&text).into_iter().filter(|row| row.contains(&"sent")).collect();
    assert_eq!(
        found.iter().map(|row| row[2]).collect::<Vec<_>>().join(" "),
        "1.50000 0.00000 300.12500"
    );
    assert!(found[2].last().unwrap().starts_with('█') && found[1].len() == 4, "{text}");
    // The clocks of Berlin are an hour ahead: the row before midnight is on the next day.
    let berlin = [&series[..4], &["--day", "2024-02-29", "--time-zone", "Europe/Berlin"]].concat();
    let text = world.said(&berlin).await;
    let row = ["2024-02-29T00:00:00+01:00", "sent", "1.50000", "1"];
    assert!(rows(&text).iter().any(|found| found.starts_with(&row)), "{text}");
    let all = world.json(&[&["series", "--every", "1M"], &WINDOW[..]].concat()).await;
    assert_eq!(all["series"][0]["buckets"][0]["sumAmount"], "21.75000");

    let rank = [&["rank", "--limit", "1", "--where", "bob", "--verify"], &WINDOW[..]].concat();
    let text = world.said(&rank).await;
    assert!(
        rows(&text).iter().any(|row| row.starts_with(&["1", "ann", "301.62500", "2"])),
        "{text}"
    );
    assert!(
        rows(&text).iter().any(|row| row.starts_with(&["2", "bob", "20.25000", "1"])),
        "{text}"
    );
    assert!(text.contains("bob stands at 2") && text.contains("verified:"), "{text}");
    let token = text.split("--page-token ").nth(1).expect("there is more").trim();
    let next = [&["rank", "--limit", "1", "--page-token", token], &WINDOW[..]].concat();
    // A page is of the very question of the page before it.
    let (code, words) = world.refused(&next).await;
    assert!(code == 2 && words.contains("page_token"), "{code} {words}");
    let next = [&rank[..], &["--page-token", token]].concat();
    assert!(rows(&world.said(&next).await).iter().any(|row| row.starts_with(&["2", "bob"])));

    let histogram = ["histogram", "--bounds", "0,10,100"];
    let text = world.said(&[&histogram[..], &WINDOW[..], &["--csv"]].concat()).await;
    assert_eq!(
        text,
        "lower,upper,transactions,sum\n0.00000,10.00000,1,1.50000\n\
         10.00000,100.00000,1,20.25000\n100.00000,,1,300.12500\n"
    );
}

#[tokio::test]
async fn balances_and_lists_are_those_of_the_ledger() {
    let world = World::new().await;
    let uuid = world.ann.user_uuid.to_string();
    let account = format!("internal:{uuid}");
    for who in ["ann", "an", &uuid, &uuid.replace('-', ""), &account] {
        let text = world.said(&["balance", who, "--verify"]).await;
        let is_there =
            rows(&text).iter().any(|row| row.ends_with(&["20.25000", "301.62500", "1+2"]));
        assert!(is_there && text.contains("-281.37500"), "{who}: {text}");
    }
    let before = world.json(&["balance", "ann", "--at", "2024-03-01"]).await;
    assert_eq!(before["balance"], "18.75000");

    let list = ["transactions", "ann", "--asset", "USD", "--running-balance", "--oldest-first"];
    let csv = world.said(&[&list[..], &["--csv"]].concat()).await;
    let balances: Vec<&str> =
        csv.lines().skip(1).map(|line| line.split(',').nth(6).unwrap()).collect();
    assert_eq!(balances, ["-1.50000", "18.75000", "-281.37500"], "{csv}");
    let id = csv.lines().nth(1).unwrap().rsplit(',').next().unwrap();
    let one = world.json(&["transaction", id]).await;
    assert_eq!(one["transactions"][0]["amount"], "1.50000");

    let users = world.said(&["users", "bob", "--csv"]).await;
    assert_eq!(users.lines().count(), 3, "{users}");
    world.service.sql.batch_execute("UPDATE users SET name = 'Ann Öberg'").await.unwrap();
    let users = world.said(&["users", "--search", "ÖBER", "--csv"]).await;
    assert_eq!(users.lines().count(), 4, "{users}");
    let users = world.said(&["users", "bob", "--search", "ÖBER", "--csv"]).await;
    assert_eq!(users.lines().count(), 3, "{users}");
    assert!(world.said(&["user", "OBBY"]).await.contains("bobby"));
    let user = world.said(&["user", "ann"]).await;
    assert!(rows(&user).iter().any(|row| row == &["uuid", &uuid]), "{user}");
    let wallets = world.said(&["wallets", "ann"]).await;
    assert!(wallets.contains(&account) && wallets.contains("-281.37500"), "{wallets}");
    let accounts = world.said(&["accounts", "internal", "--csv"]).await;
    assert!(accounts.contains(&format!("internal,{uuid}\n")), "{accounts}");
    assert!(world.said(&["assets"]).await.contains("USD"));
    assert_eq!(world.said(&["symbols"]).await.lines().last(), Some("none"));
    let status = world.said(&["status"]).await;
    assert!(
        status.contains("verifier mismatches") && status.contains("partition count"),
        "{status}"
    );
}

#[tokio::test]
async fn prices_are_those_that_were_recorded() {
    let world = World::new().await;
    let mut ingest = world.service.ingest().await;
    let price = |at: &str, price: &str| v1::NewPrice {
        symbol: "btcusd".to_owned(),
        ticked_at: Some(at.parse().unwrap()),
        price: price.to_owned(),
    };
    let prices = vec![
        price("2024-02-29T12:00:00Z", "100"),
        price("2024-02-29T12:01:00Z", "150.5"),
        price("2024-02-29T12:02:00Z", "120"),
    ];
    use v1::record_prices_request::Message as Sent;
    let messages = [
        Sent::Start(v1::PriceRecordingStart::default()),
        Sent::Chunk(v1::PriceRecordingChunk { chunk_number: 1, prices }),
        Sent::End(v1::RecordingEnd { row_count: 3 }),
    ];
    let messages = messages.map(|message| v1::RecordPricesRequest { message: Some(message) });
    let sent = futures_util::stream::iter(messages);
    let mut answers = ingest.record_prices(sent).await.unwrap().into_inner();
    while answers.message().await.unwrap().is_some() {}

    let text = world.said(&["prices", "BTC/USD", "--day", "2024-02-29"]).await;
    assert!(text.contains("▁█▃") && text.contains("150.5"), "{text}");
    let bars = ["prices", "btcusd", "--day", "2024-02-29", "--every", "1h", "--csv"];
    assert_eq!(
        world.said(&bars).await,
        "from,open,high,low,close,ticks\n2024-02-29T12:00:00Z,100,150.5,100,120,3\n"
    );
    assert!(world.said(&["symbols"]).await.contains("btcusd"));
    let rank = ["rank-symbols", "--by", "change-percent", "--include-thin", "--verify", "--day"];
    let text = world.said(&[&rank[..], &["2024-02-29"]].concat()).await;
    assert!(text.contains("20") && text.contains("thin") && text.contains("verified:"), "{text}");
}

#[tokio::test]
async fn what_is_wrong_is_named_and_told_by_the_exit_code() {
    let world = World::new().await;
    let uuid = "00000000-0000-4000-8000-000000000000";
    for (arguments, code, words) in [
        (&["sum", "ann", "--from", "June"][..], 2, "--from: must be a date"),
        (&["sum", "ann", "--last", "30"], 2, "--last: must be a number and m, h, d or w"),
        (&["series", "ann", "--every", "1x"], 2, "--every: must be a number and m"),
        (&["sum", "ann", "--time-zone", "Mars"], 2, "--time-zone: must be an IANA name"),
        (&["sum"], 2, "<WHO>..."),
        (&["rank", "--limit", "0"], 2, "--limit"),
        (&["holders", "ethereum"], 2, "NETWORK:CONTRACT: must look like"),
        (&["user", "ann", "--csv"], 2, "--csv: this answer is no table"),
        (&["sum", "ann", "--json", "--csv"], 2, "cannot be used with"),
        (&["sum", "carol"], 1, "\"carol\" is no part of any user's name"),
        (&["sum", "b"], 1, "\"b\" begins several users' names: bob, bobby"),
        (&["sum", "OB"], 1, "\"OB\" is a part of several users' names: bob, bobby"),
        (&["sum", uuid], 1, "sent: "),
        (&["balance", uuid], 1, "there is no such user"),
        (&["sum", "bank:nowhere", "--direction", "sender"], 1, "there is no such account"),
        (&["sum", "bitcoin:nonsense", "--direction", "sender"], 2, "\n  account.address: "),
        (&["histogram", "--bounds", "5,1,x"], 2, "\n  bounds"),
        (&["token", "ethereum:0xdac17f958d2ee523a2206206994597c13d831ec7"], 1, "daybook: "),
    ] {
        let (found, said) = world.refused(arguments).await;
        assert!(found == code && said.contains(words), "{arguments:?}: {found} {said}");
    }
    let output = ask(&["status", "--address", "127.0.0.1:1"], None).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("nobody answers at http://127.0.0.1:1"), "{said}");
}

#[tokio::test]
async fn a_difference_from_the_rows_is_told_by_the_exit_code() {
    let world = World::new().await;
    let one = [&["sum", "ann", "--direction", "sender", "--verify"], &WINDOW[..]].concat();
    assert!(world.said(&one).await.contains("verified:"));
    // A correction that no row explains.
    let wrong = "UPDATE corrections SET amount = amount + 1 WHERE sender_id = $1";
    world.service.sql.execute(wrong, &[&world.ann.account_id]).await.unwrap();
    let output = world.ask(&one).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.code() == Some(3) && text.contains("DIFFERS from the rows"), "{text}");
}

#[tokio::test]
async fn the_line_of_grpcurl_asks_the_same_and_tells_no_secret() {
    let world = World::new().await;
    let uuid = world.ann.user_uuid.to_string();
    let line = world.said(&["balance", "ann", "--grpcurl"]).await;
    let address = world.service.address;
    let expected = format!(
        "grpcurl -plaintext -d '{{\"userUuid\":\"{uuid}\"}}' {address} \
         daybook.v1.LedgerService/GetBalance\n"
    );
    assert_eq!(line, expected);
    // With a UUID nobody is asked, so nobody has to be there.
    let arguments =
        ["balance", &uuid, "--address", "daybook.test:443", "--ca", "it's.pem", "--grpcurl"];
    let output = ask(&arguments, Some("dbk_secret")).await;
    let line = String::from_utf8(output.stdout).unwrap();
    let flags = r#"grpcurl -cacert 'it'\''s.pem' -H "authorization: Bearer $DAYBOOK_TOKEN" -d "#;
    assert!(line.starts_with(flags) && !line.contains("dbk"), "{line}");
}

#[tokio::test]
async fn a_token_comes_from_the_environment_or_a_file() {
    let mut guarded = settings();
    guarded.server.auth = daybook::config::AuthMode::On;
    let service = TestService::start_with(new_target(), guarded).await;
    let address = service.address.to_string();
    let asked = ["users", "--address", &address];
    let output = ask(&asked, None).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && said.contains("DAYBOOK_TOKEN"), "{said}");
    let token = crate::access::token_of(&service, daybook::domain::access::Role::Reader).await.0;
    assert!(ask(&asked, Some(&token.to_text())).await.status.success());
    let folder = TestFolder::empty();
    let file = folder.path().join("token");
    std::fs::write(&file, format!("{}\n", token.to_text())).unwrap();
    let named = [&asked[..], &["--token-file", file.to_str().unwrap()]].concat();
    assert!(ask(&named, None).await.status.success());
    let missing = ask(&[&asked[..], &["--token-file", "nowhere"]].concat(), None).await;
    assert_eq!(missing.status.code(), Some(2));
    // It is not sent where others can read it, nor said again.
    let output = ask(&["users", "--address", "10.255.255.1:1"], Some("dbk_secret")).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && said.contains("over https"), "{said}");
    assert!(!said.contains("secret"), "{said}");
}

#[tokio::test]
async fn a_reader_who_has_read_enough_is_no_error() {
    let world = World::new().await;
    let line = format!(
        "{} ask --address {} series --every 1m --day 2024-02-29 | head -n 1; \
         echo ${{PIPESTATUS[0]}}",
        env!("CARGO_BIN_EXE_daybook"),
        world.service.address
    );
    let mut shell = program("bash");
    shell.args(["-c", &line]);
    let output = tokio::task::spawn_blocking(move || shell.output().unwrap()).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.ends_with("\n0\n") && output.stderr.is_empty(), "{text}");
}

#[test]
fn every_question_has_help_and_the_shells_know_it() {
    let mut command = Cli::command();
    command.build();
    let ask = command.find_subcommand("ask").unwrap();
    let questions: Vec<_> = ask.get_subcommands().filter(|one| one.get_name() != "help").collect();
    assert!(questions.len() > 15);
    let said = |arguments: &[&str]| {
        let output = program(env!("CARGO_BIN_EXE_daybook")).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    for shell in ["bash", "zsh", "fish"] {
        let text = said(&["completions", shell]);
        for question in &questions {
            assert!(text.contains(question.get_name()), "{shell}: {}", question.get_name());
        }
    }
    assert!(said(&["man"]).contains("daybook\\-ask(1)"));
    let folder = TestFolder::empty();
    said(&["man", "--folder", folder.path().to_str().unwrap()]);
    for question in questions {
        assert!(question.get_about().is_some(), "{}", question.get_name());
        let page = folder.path().join(format!("daybook-ask-{}.1", question.get_name()));
        assert!(page.exists(), "{}", page.display());
    }
}
