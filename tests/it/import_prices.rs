//! `daybook import --prices`: the built program, files with prices, and what is recorded of them.

use std::{fs, io::Write};

use flate2::{Compression, write::GzEncoder};

use crate::{
    import::{Desk, Said, example, run},
    process::program,
    support::{cluster::TestFolder, schema::one},
};

fn import<'a>(file: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["import", "--prices", file], more].concat()
}

fn check(said: &Said, code: i32, words: &str) {
    assert_eq!((said.code, said.words.as_str()), (Some(code), words), "{said:?}");
}

/// What is recorded: symbol, instant and price, in order.
async fn prices(desk: &Desk) -> Vec<String> {
    let text = "SELECT coalesce(array_agg(name || ' ' || ticked_at AT TIME ZONE 'UTC' || ' '
            || trim_scale(price) ORDER BY ticked_at, name), '{}')
        FROM prices JOIN symbols USING (symbol_id)";
    one(&desk.schema.sql, text).await
}

#[tokio::test]
async fn a_file_with_the_usual_columns_is_recorded_by_one_command_and_once() {
    let desk = Desk::new().await;
    let file = example("prices.csv");
    let arguments = import(&file, &["--tick-interval", "300"]);
    let said = desk.run(&arguments, b"").await;
    check(&said, 0, "4 rows recorded, 0 already present, 0 replaced, 0 lines rejected\n");
    let expected = [
        "ethbtc 2018-01-10 04:55:00 0.0994766",
        "ltcbtc 2018-01-10 04:55:00 0.01690701",
        "ethbtc 2018-01-10 05:00:00 0.0996614",
        "ltcbtc 2018-01-10 05:00:00 0.01693106",
    ];
    assert_eq!(prices(&desk).await, expected);
    let intervals = "SELECT array_agg(DISTINCT tick_interval_seconds) FROM symbols";
    assert_eq!(one::<Vec<i32>>(&desk.schema.sql, intervals).await, [300]);
    let said = desk.run(&arguments, b"").await;
    check(&said, 0, "0 rows recorded, 4 already present, 0 replaced, 0 lines rejected\n");
    assert_eq!(prices(&desk).await, expected);
}

#[tokio::test]
async fn another_price_is_rejected_or_takes_the_place_of_the_first() {
    let desk = Desk::new().await;
    let text = "time,symbol,price\n2024-05-05T00:00:00Z,BTC-USD,60000\n";
    let said = desk.run(&import("-", &[]), text.as_bytes()).await;
    check(&said, 0, "1 rows recorded, 0 already present, 0 replaced, 0 lines rejected\n");
    let other = "time,symbol,price\n2024-05-05T00:00:00Z,btcusd,60000.5\n\
                 2024-05-05T00:01:00Z,btcusd,60001\n";
    let said = desk.run(&import("-", &[]), other.as_bytes()).await;
    check(
        &said,
        2,
        "1 rows recorded, 0 already present, 0 replaced, 1 lines rejected\n\
         the rejected lines are in stdin.rejected.csv\n",
    );
    let rejected = "line,reason,original\n2,price differs from what is recorded of this symbol \
                    at this instant,\"2024-05-05T00:00:00Z,btcusd,60000.5\"\n";
    assert_eq!(desk.read("stdin.rejected.csv"), rejected);
    let said = desk.run(&import("-", &["--replace"]), other.as_bytes()).await;
    check(&said, 0, "0 rows recorded, 1 already present, 1 replaced, 0 lines rejected\n");
    assert!(!desk.folder.path().join("stdin.rejected.csv").exists());
    let expected = ["btcusd 2024-05-05 00:00:00 60000.5", "btcusd 2024-05-05 00:01:00 60001"];
    assert_eq!(prices(&desk).await, expected);
}

#[tokio::test]
async fn lines_that_cannot_be_recorded_are_given_back_with_their_reason() {
    let desk = Desk::new().await;
    let text = "symbol,ticked_at,price\nbtcusd,2024-05-05T00:00:00Z,1\n\
                b t c,2024-05-05T00:00:00Z,1\nbtcusd,2024-05-05,1\nbtcusd,2024-05-05T00:01:00Z,0\n\
                btcusd,2024-05-05T00:02:00Z\n\"btcusd,2024-05-05T00:03:00Z,1\n\
                btcusd,1950-01-01T00:00:00Z,1\nbtcusd,2024-05-05T00:04:00Z,1E-8\n";
    desk.write("rows.csv", text);
    let said = desk.run(&import("rows.csv", &["--reject-file", "no.csv"]), b"").await;
    check(
        &said,
        2,
        "2 rows recorded, 0 already present, 0 replaced, 6 lines rejected\n\
         the rejected lines are in no.csv\n",
    );
    let first = chrono::Utc::now().date_naive() - chrono::Days::new(14_610);
    let last = chrono::Utc::now().date_naive() + chrono::Days::new(2);
    let expected = format!(
        "line,reason,original\n\
         3,\"the symbol \"\"b t c\"\" must be 1 to 32 letters and digits, for example btcusd\",\
         \"b t c,2024-05-05T00:00:00Z,1\"\n\
         4,\"the time \"\"2024-05-05\"\" is no instant as RFC 3339 writes them\",\
         \"btcusd,2024-05-05,1\"\n\
         5,the price must be greater than zero,\"btcusd,2024-05-05T00:01:00Z,0\"\n\
         6,has 2 fields where 3 are wanted,\"btcusd,2024-05-05T00:02:00Z\"\n\
         7,a field in quotes does not end,\"\"\"btcusd,2024-05-05T00:03:00Z,1\"\n\
         8,\"ticked_at must be on a day from {first} to {last}, UTC\",\
         \"btcusd,1950-01-01T00:00:00Z,1\"\n"
    );
    assert_eq!(desk.read("no.csv"), expected);
    let expected = ["btcusd 2024-05-05 00:00:00 1", "btcusd 2024-05-05 00:04:00 0.00000001"];
    assert_eq!(prices(&desk).await, expected);
}

#[tokio::test]
async fn a_mapping_names_the_columns_of_other_files() {
    let desk = Desk::new().await;
    let text = "01.05.2024 02:00;53.000,5\n";
    let map = [
        "--map",
        "symbol=BTC-EUR",
        "--map",
        "file.separator=;",
        "--map",
        "file.header=false",
        "--map",
        "time.text={1}",
        "--map",
        "time.format=DD.MM.YYYY HH:mm",
        "--map",
        "time.zone=Europe/Berlin",
        "--map",
        "price.text={2}",
        "--map",
        "price.decimal=,",
        "--map",
        "price.thousands=.",
    ];
    let said = desk.run(&import("-", &map), text.as_bytes()).await;
    check(&said, 0, "1 rows recorded, 0 already present, 0 replaced, 0 lines rejected\n");
    let mut packing = GzEncoder::new(Vec::new(), Compression::default());
    packing.write_all(b"pair,at,last\nBTC/EUR,1714521660,53001\n").unwrap();
    desk.write("rows.csv.gz", packing.finish().unwrap());
    let mapping = "symbol = \"{pair}\"\n[time]\ntext = \"{at}\"\nformat = \"unix\"\n\
                   [price]\ntext = \"{last}\"\n";
    desk.write("map.toml", mapping);
    let said = desk.run(&import("rows.csv.gz", &["--map-file", "map.toml"]), b"").await;
    check(&said, 0, "1 rows recorded, 0 already present, 0 replaced, 0 lines rejected\n");
    let expected = ["btceur 2024-05-01 00:00:00 53000.5", "btceur 2024-05-01 00:01:00 53001"];
    assert_eq!(prices(&desk).await, expected);
}

#[tokio::test]
async fn many_chunks_are_recorded_and_known_again() {
    let desk = Desk::new().await;
    let mut text = "symbol,timestamp,price\n".to_owned();
    for number in 0..12_000 {
        let (day, minute) = (number / 1_440 + 1, number % 1_440);
        let at = format!("2024-05-{day:02}T{:02}:{:02}:00Z", minute / 60, minute % 60);
        text.push_str(&format!("btcusd,{at},{}.5\n", 60_000 + number));
    }
    let lines: usize = text.lines().take(7_001).map(|line| line.len() + 1).sum();
    let said = desk.run(&import("-", &[]), &text.as_bytes()[..lines]).await;
    check(&said, 0, "7000 rows recorded, 0 already present, 0 replaced, 0 lines rejected\n");
    let said = desk.run(&import("-", &[]), text.as_bytes()).await;
    check(&said, 0, "5000 rows recorded, 7000 already present, 0 replaced, 0 lines rejected\n");
    assert_eq!(one::<i64>(&desk.schema.sql, "SELECT count(*) FROM prices").await, 12_000);
}

#[tokio::test]
async fn a_dry_run_shows_what_would_be_recorded_and_asks_no_database() {
    let folder = TestFolder::empty();
    let mut text = "symbol,timestamp,price\nETH-BTC,2018-01-10T04:55:00Z,0.09947660\n\
                    ethbtc,2018-01-10T04:55:00Z,x\n"
        .to_owned();
    text.push_str(&"ltcbtc,2018-01-10T04:55:00Z,1\n".repeat(11));
    fs::write(folder.path().join("rows.csv"), text).unwrap();
    let mut command = program(env!("CARGO_BIN_EXE_daybook"));
    command.args(import("rows.csv", &["--dry-run"])).current_dir(folder.path());
    command.args(["--database-url", "postgres://nobody@nowhere.invalid/nothing"]);
    let said = run(command, b"").await;
    let lines: Vec<&str> = said.words.lines().collect();
    assert_eq!((said.code, lines.len()), (Some(2), 13), "{said:?}");
    assert_eq!(lines[0], "line 2: 2018-01-10T04:55:00Z ethbtc 0.0994766");
    assert_eq!(lines[10], "... and 2 more rows");
    let reason = "the price \"x\" is no number in the format of the mapping";
    assert_eq!(lines[11], format!("line 3 would be rejected: {reason}"));
    let end = "12 rows could be recorded, 1 lines would be rejected; nothing was recorded";
    assert_eq!(lines[12], end);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was written");
}

#[tokio::test]
async fn what_cannot_begin_says_why() {
    let folder = TestFolder::empty();
    fs::write(folder.path().join("rows.csv"), "symbol,day,price\nbtcusd,x,1\n").unwrap();
    fs::write(folder.path().join("map.toml"), "symbol = \"b t c\"\n").unwrap();
    for (arguments, expected) in [
        (import("rows.csv", &["--dry-run"]), "time.text is wanted: the file has no column"),
        (
            import("rows.csv", &["--dry-run", "--map", "time.text={t}"]),
            "{t} is no column of the file, whose columns are symbol, day, price",
        ),
        (import("rows.csv", &["--map", "daybook"]), "--map daybook: must be KEY=VALUE\n"),
        (import("rows.csv", &["--map", "name=x"]), "--map name=x: \"name = \\\"x\\\"\": unknown"),
        (import("rows.csv", &["--map-file", "map.toml"]), "map.toml: line 1: symbol must be 1"),
        (import("rows.csv", &["--tick-interval", "0"]), "0 is not in 1..=86400"),
        (import("rows.csv", &["--tick-interval", "86401"]), "86401 is not in 1..=86400"),
        (vec!["import", "rows.csv", "--replace"], "--prices"),
        (vec!["import", "rows.csv", "--tick-interval", "60"], "--prices"),
    ] {
        let mut command = program(env!("CARGO_BIN_EXE_daybook"));
        command.args(&arguments).current_dir(folder.path());
        let said = run(command, b"").await;
        assert!(matches!(said.code, Some(1 | 2)) && said.words.is_empty(), "{said:?}");
        assert!(said.log.contains(expected), "{arguments:?}: {said:?}");
        assert!(!folder.data().exists(), "nothing was started");
    }
}
