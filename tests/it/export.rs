//! `daybook export`: what goes out comes in again, byte for byte.

use std::{fs, io::Read, process::Stdio, time::Duration};

use flate2::read::GzDecoder;
use rand::RngExt;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::{
    import::Desk,
    support::{
        cluster::eventually,
        ledger::{add_account, add_known_user, add_user, at, ensure_days},
        random::random,
        schema::{day, one},
    },
};

const HEADER: &str = "transaction_id,occurred_at,position,asset,asset_decimals,sender_network,\
                      sender_address,receiver_network,receiver_address,amount,reference";

/// A row in plain SQL.
async fn insert(
    sql: &Client,
    (occurred_at, position): (&str, i64),
    asset_id: i32,
    (from, to): (i64, i64),
    (amount, reference): (&str, Option<&str>),
) -> Uuid {
    sql.query_one(
        "INSERT INTO transactions \
         (occurred_at, position, sender_id, receiver_id, asset_id, amount, reference) \
         VALUES ($1, $2, $3, $4, $5, $6::text::numeric, $7) RETURNING transaction_id",
        &[&at(occurred_at), &position, &from, &to, &asset_id, &amount, &reference],
    )
    .await
    .unwrap()
    .get(0)
}

async fn export(desk: &Desk, more: &[&str]) -> String {
    let said = desk.run(&[&["export"], more].concat(), b"").await;
    assert_eq!(said.code, Some(0), "{said:?}");
    said.words
}

#[tokio::test]
async fn what_goes_out_comes_in_again_byte_for_byte() {
    let (first, second) = (Desk::new().await, Desk::new().await);
    let sql = &first.schema.sql;
    ensure_days(sql, &["1993-01-31", "2024-05-05", "2024-05-06", "2024-05-08"]).await;
    let user = add_user(sql, "ann").await;
    let mut accounts = vec![user.account_id];
    for (network, address) in [
        ("bank", " spaces at the edges "),
        ("bank", "a,b;\"quoted\""),
        ("card", "Žižka €"),
        ("bitcoin", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"),
        ("ethereum", "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"),
    ] {
        accounts.push(add_account(sql, network, address).await);
    }
    let wei: i32 = one(
        sql,
        "INSERT INTO assets (code, name, decimals) VALUES ('A,\"B\"', 'Odd', 18) \
         RETURNING asset_id",
    )
    .await;
    let mut rng = random();
    let instants = [
        "1993-01-31T23:59:59.999999Z",
        "2024-05-05T00:00:00Z",
        "2024-05-05T12:00:00.000001Z",
        "2024-05-06T00:00:00Z",
        "2024-05-08T10:00:00Z",
    ];
    let amounts = [
        "0.000000000000000001",
        "1.50",
        "700",
        "115792089237316195423570985008687907853269984665640564039457584007913129639935",
    ];
    let references = [None, Some("rent"), Some("a, \"b\""), Some(" "), Some("0xab")];
    for _ in 0..300 {
        let mut of = |count: usize| rng.random_range(0..count);
        let (asset_id, instant) = ([1, wei][of(2)], instants[of(instants.len())]);
        let between = (accounts[of(accounts.len())], accounts[of(accounts.len())]);
        let said = (amounts[of(amounts.len())], references[of(references.len())]);
        let position = i64::try_from(of(3)).unwrap() - 1;
        insert(sql, (instant, position), asset_id, between, said).await;
    }
    let out = export(&first, &[]).await;
    assert_eq!(out.lines().count(), 301);
    assert_eq!(out.lines().next(), Some(HEADER));
    let rows: Vec<(String, i64, &str)> = out
        .lines()
        .skip(1)
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            (fields[1].to_owned(), fields[2].parse().unwrap(), fields[0])
        })
        .collect();
    assert!(rows.is_sorted(), "by instant, position and id");

    // Payments accounts come with their users.
    add_known_user(&second.schema.sql, user.user_uuid, "ann").await;
    second.write("out.csv", &out);
    let arguments = ["import", "out.csv", "--map", "daybook"];
    let said = second.run(&arguments, b"").await;
    assert_eq!(said.words, "300 rows recorded, 0 already present, 0 lines rejected\n", "{said:?}");
    assert_eq!(export(&second, &[]).await, out);
    let said = second.run(&arguments, b"").await;
    assert_eq!(said.words, "0 rows recorded, 300 already present, 0 lines rejected\n", "{said:?}");
    assert_eq!(export(&second, &[]).await, out);
    // And where they came from.
    let said = first.run(&["import", "-", "--map", "daybook"], out.as_bytes()).await;
    assert_eq!(said.words, "0 rows recorded, 300 already present, 0 lines rejected\n", "{said:?}");
}

#[tokio::test]
async fn a_window_a_user_an_account_and_an_asset_can_be_asked_for() {
    let desk = Desk::new().await;
    let sql = &desk.schema.sql;
    ensure_days(sql, &["2024-05-05", "2024-05-06", "2024-05-07"]).await;
    let (ann, bob) = (add_user(sql, "ann").await, add_user(sql, "bob").await);
    let bank = add_account(sql, "bank", "CZ:77").await;
    crate::support::ledger::track(sql, ann.user_id, bank).await;
    let eur: i32 = one(
        sql,
        "INSERT INTO assets (code, name, decimals) VALUES ('EUR', 'Euro', 2) RETURNING asset_id",
    )
    .await;
    let mut ids = Vec::new();
    for (instant, asset_id, from, to) in [
        ("2024-05-05T10:00:00Z", 1, ann.account_id, bob.account_id),
        ("2024-05-06T00:00:00Z", 1, bob.account_id, bank),
        ("2024-05-06T10:00:00Z", eur, bank, ann.account_id),
        ("2024-05-07T10:00:00Z", 1, bob.account_id, bob.account_id),
    ] {
        ids.push(insert(sql, (instant, 0), asset_id, (from, to), ("1", None)).await);
    }
    let uuid = ann.user_uuid.to_string();
    for (arguments, expected) in [
        (&[][..], &[0, 1, 2, 3][..]),
        (&["--from", "2024-05-06"], &[1, 2, 3]),
        (&["--to", "2024-05-06"], &[0]),
        (&["--from", "2024-05-06T00:00:00.000001Z", "--to", "2024-05-07T11:00:00+01:00"], &[2]),
        (&["--to", "2024-05-07T11:00:00.000001+01:00"], &[0, 1, 2, 3]),
        (&["--from", "2030-01-01"], &[]),
        // Between two of her wallets: once.
        (&["--user", &uuid], &[0, 1, 2]),
        (&["--user", "ann", "--asset", "USD"], &[0, 1]),
        (&["--user", "ann", "--from", "2024-05-06", "--to", "2024-05-06T05:00:00Z"], &[1]),
        (&["--account", "bank:CZ:77"], &[1, 2]),
        (&["--asset", "EUR"], &[2]),
    ] {
        let text = export(&desk, arguments).await;
        let found: Vec<&str> = text.lines().skip(1).map(|line| &line[..36]).collect();
        let expected: Vec<String> = expected.iter().map(|&place| ids[place].to_string()).collect();
        assert_eq!(found, expected, "{arguments:?}");
    }
    for (arguments, expected) in [
        (&["--user", "carl"][..], "there is no such user: carl"),
        (&["--account", "bank:nobody"], "there is no such account: nobody"),
        (&["--account", "nobody"], "--account must be NETWORK:ADDRESS"),
        (&["--account", "bitcoin:x"], "--account: address must be an address of Bitcoin"),
        (&["--asset", "XYZ"], "there is no such asset: XYZ"),
        (&["--from", "yesterday"], "--from must be a day or an instant"),
        (&["--from", "2024-05-06", "--to", "2024-05-06"], "--from must lie before --to"),
    ] {
        let said = desk.run(&[&["export"], arguments].concat(), b"").await;
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.log.contains(expected), "{said:?}");
    }
}

#[tokio::test]
async fn a_file_is_there_when_it_is_whole() {
    let desk = Desk::new().await;
    let sql = &desk.schema.sql;
    ensure_days(sql, &["2024-05-05", "2024-05-06"]).await;
    let ann = add_user(sql, "ann").await;
    let between = (ann.account_id, ann.account_id);
    for instant in ["2024-05-05T10:00:00Z", "2024-05-06T10:00:00Z"] {
        insert(sql, (instant, 0), 1, between, ("1", None)).await;
    }
    let expected = export(&desk, &[]).await;
    assert_eq!(export(&desk, &["--output", "out.csv"]).await, "");
    assert_eq!(desk.read("out.csv"), expected);
    assert_eq!(export(&desk, &["--output", "out.csv.gz"]).await, "");
    let packed = fs::read(desk.folder.path().join("out.csv.gz")).unwrap();
    let mut text = String::new();
    GzDecoder::new(packed.as_slice()).read_to_string(&mut text).unwrap();
    assert_eq!(text, expected);

    // Rows that are not at hand are not left out in silence.
    desk.schema.drop_day(day("2024-05-06")).await;
    for (arguments, code) in [(&["--to", "2024-05-06"][..], 0), (&[], 1)] {
        let arguments = [&["export", "--output", "less.csv"], arguments].concat();
        let said = desk.run(&arguments, b"").await;
        assert_eq!(said.code, Some(code), "{said:?}");
        let is_named = said.log.contains("2024-05-06 (detached)");
        assert_eq!(is_named, code == 1, "{said:?}");
        assert_eq!(desk.folder.path().join("less.csv").exists(), code == 0);
        fs::remove_file(desk.folder.path().join("less.csv")).ok();
    }
    let mut files: Vec<_> = fs::read_dir(desk.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(files, ["out.csv", "out.csv.gz"]);
}

#[tokio::test]
async fn rows_that_only_sql_can_write_come_in_again_too() {
    let (first, second) = (Desk::new().await, Desk::new().await);
    let sql = &first.schema.sql;
    ensure_days(sql, &["2024-05-05"]).await;
    let a = add_account(sql, "bank", "a").await;
    let huge = "7".repeat(100);
    let tiny = format!("0.{}1", "0".repeat(89));
    let wide = format!("{}.{}1", "7".repeat(20_000), "0".repeat(2_000));
    for (amount, reference) in [
        ("0", None),
        (huge.as_str(), None),
        (wide.as_str(), None),
        (tiny.as_str(), None),
        ("1.1234567", Some("tab\tand\nline\r")),
        ("2", Some("\u{202e}odd")),
    ] {
        insert(sql, ("2024-05-05T10:00:00Z", 0), 1, (a, a), (amount, reference)).await;
    }
    let out = export(&first, &[]).await;
    second.write("out.csv", &out);
    let said = second.run(&["import", "out.csv", "--map", "daybook"], b"").await;
    assert_eq!(said.words, "6 rows recorded, 0 already present, 0 lines rejected\n", "{said:?}");
    assert_eq!(export(&second, &[]).await, out);
}

#[tokio::test]
async fn a_user_is_found_by_uuid_before_another_one_by_username() {
    let desk = Desk::new().await;
    let sql = &desk.schema.sql;
    ensure_days(sql, &["2024-05-05"]).await;
    let ann = add_user(sql, "ann").await;
    let bob = add_user(sql, &ann.user_uuid.to_string()).await;
    let mut ids = Vec::new();
    for user in [&ann, &bob] {
        let between = (user.account_id, user.account_id);
        ids.push(insert(sql, ("2024-05-05T10:00:00Z", 0), 1, between, ("1", None)).await);
    }
    let out = export(&desk, &["--user", &ann.user_uuid.to_string()]).await;
    assert_eq!(out.lines().count(), 2, "{out}");
    assert!(out.contains(&ids[0].to_string()), "{out}");
}

#[tokio::test]
async fn an_export_that_nobody_reads_can_be_stopped() {
    let desk = Desk::new().await;
    let sql = &desk.schema.sql;
    ensure_days(sql, &["2024-05-05"]).await;
    let a = add_account(sql, "bank", "a").await;
    let text = format!(
        "INSERT INTO transactions (occurred_at, sender_id, receiver_id, asset_id, amount)
        SELECT '2024-05-05Z', {a}, {a}, 1, 1 FROM generate_series(1, 20000)"
    );
    sql.batch_execute(&text).await.unwrap();
    let mut command = desk.command(&["export"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // More than a pipe holds is not taken from it.
    let mut first = [0];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(child.try_wait().unwrap().is_none());
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    eventually("the export has ended", async || child.try_wait().unwrap().is_some()).await;
    let mut log = String::new();
    child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(log.contains("stopped before all rows were written"), "{log}");
}
