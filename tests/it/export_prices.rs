//! `daybook export --prices`: prices go out and come in again, digit for digit.

use std::fs;

use daybook::upkeep::price_folding::fold_all;
use rand::RngExt;

use crate::{
    import::{Desk, Said},
    process::program,
    support::{
        cluster::TestFolder,
        random::random,
        schema::{day, one},
    },
};

async fn export(desk: &Desk, more: &[&str]) -> String {
    let said = desk.run(&[&["export", "--prices"], more].concat(), b"").await;
    assert_eq!(said.code, Some(0), "{said:?}");
    said.words
}

/// Records prices as a file has them.
async fn import(desk: &Desk, text: &str) {
    let said = desk.run(&["import", "--prices", "-"], text.as_bytes()).await;
    let count = text.lines().count() - 1;
    let words = format!("{count} rows recorded, 0 already present, 0 replaced, 0 lines rejected\n");
    assert_eq!((said.code, &said.words), (Some(0), &words), "{said:?}");
}

/// All that is recorded, in one value.
async fn recorded(desk: &Desk) -> Vec<String> {
    let text = "SELECT coalesce(array_agg(name || ' ' || ticked_at || ' ' || price
            ORDER BY ticked_at, name), '{}')
        FROM prices JOIN symbols USING (symbol_id)";
    one(&desk.schema.sql, text).await
}

async fn detach(desk: &Desk, text: &str) -> String {
    let leaf: String = one(
        &desk.schema.sql,
        &format!(
            "SELECT leaf::text FROM partition_bounds('prices') WHERE lower_at = '{text} 00:00Z'"
        ),
    )
    .await;
    let detach = format!("ALTER TABLE prices DETACH PARTITION {leaf}");
    desk.schema.sql.batch_execute(&detach).await.unwrap();
    leaf
}

#[tokio::test]
async fn what_goes_out_comes_in_again_digit_for_digit() {
    let (first, second) = (Desk::new().await, Desk::new().await);
    let mut rng = random();
    let instants = [
        "1993-01-31T23:59:59.999999Z",
        "2024-05-05T00:00:00.000000Z",
        "2024-05-05T00:00:00.000001Z",
        "2024-05-06T12:00:00.000000Z",
    ];
    let prices = ["0.000000000000000000000000000001", "1", "700", "60000.5", "0.09947660"];
    let mut lines = Vec::new();
    for instant in instants {
        for symbol in ["btcusd", "ethbtc", "1000shibusdt", "dogeusd"] {
            if rng.random_bool(0.8) {
                let mut price = prices[rng.random_range(0..prices.len())].to_owned();
                if rng.random_bool(0.3) {
                    let digits: Vec<String> =
                        (0..60).map(|_| rng.random_range(1..=9).to_string()).collect();
                    price = format!("{}.{}", digits[..30].concat(), digits[30..].concat());
                }
                lines.push(format!("{symbol},{instant},{price}"));
            }
        }
    }
    lines.push("btcusd,2024-05-05T00:00:00.000002Z,1".to_owned());
    import(&first, &format!("symbol,ticked_at,price\n{}\n", lines.join("\n"))).await;
    let out = export(&first, &[]).await;
    let mut expected: Vec<String> =
        lines.iter().map(|line| line.replace("0.09947660", "0.0994766")).collect();
    let key = |line: &String| {
        let (symbol, rest) = line.split_once(',').unwrap();
        (rest.split_once(',').unwrap().0.to_owned(), symbol.to_owned())
    };
    expected.sort_by_key(key);
    assert_eq!(out, format!("symbol,ticked_at,price\n{}\n", expected.join("\n")));
    import(&second, &out).await;
    assert_eq!(recorded(&second).await, recorded(&first).await);
    assert_eq!(export(&second, &[]).await, out);
    // However much is folded.
    fold_all(&second.schema.database).await.unwrap();
    assert_eq!(export(&second, &[]).await, out);
}

#[tokio::test]
async fn a_window_and_symbols_are_what_is_written() {
    let desk = Desk::new().await;
    let mut text = "symbol,ticked_at,price\n".to_owned();
    for at in ["2024-05-05T23:59:00", "2024-05-06T00:00:00", "2024-05-08T00:00:00"] {
        for symbol in ["btcusd", "ethusd", "ltcusd"] {
            text.push_str(&format!("{symbol},{at}.000000Z,1\n"));
        }
    }
    import(&desk, &text).await;
    assert_eq!(export(&desk, &[]).await, text);
    let of = |words: &[&str]| -> String {
        let lines = text.lines().filter(|line| words.iter().all(|word| line.contains(word)));
        lines.map(|line| format!("{line}\n")).collect()
    };
    let header = "symbol,ticked_at,price\n";
    for (arguments, expected) in [
        (&["--from", "2024-05-06", "--to", "2024-05-08"][..], of(&["05-06T"])),
        (&["--to", "2024-05-06"], of(&["05-05T"])),
        (&["--from", "2024-05-06T00:00:00.000001Z"], of(&["05-08T"])),
        (&["--from", "2030-01-01"], String::new()),
        (&["--symbols", "BTC-USD"], of(&["btcusd"])),
        (&["--symbols", "btcusd,XBT/USD", "--to", "2024-05-06"], of(&["btcusd", "05-05T"])),
    ] {
        assert_eq!(export(&desk, arguments).await, format!("{header}{expected}"), "{arguments:?}");
    }
    let two = export(&desk, &["--symbols", "ltcusd", "--symbols", "btcusd"]).await;
    assert_eq!(two.lines().count(), 1 + 6);
    assert_eq!(export(&desk, &["--output", "out.csv.gz"]).await, "");
    let said = desk.run(&["import", "--prices", "out.csv.gz"], b"").await;
    let words = "0 rows recorded, 9 already present, 0 replaced, 0 lines rejected\n";
    assert_eq!(said.words, words, "{said:?}");
}

#[tokio::test]
async fn prices_that_are_not_at_hand_are_not_left_out_in_silence() {
    let desk = Desk::new().await;
    let text = "symbol,ticked_at,price\nbtcusd,2024-05-05T12:00:00.000000Z,1\n\
                ethusd,2024-05-06T12:00:00.000000Z,2\nbtcusd,2024-05-07T12:00:00.000000Z,3\n";
    import(&desk, text).await;
    // Folded or not, it is known that there were some.
    for is_folded in [false, true] {
        if is_folded {
            fold_all(&desk.schema.database).await.unwrap();
        }
        let leaf = detach(&desk, "2024-05-06").await;
        for (arguments, is_whole) in [
            (&[][..], false),
            (&["--symbols", "btcusd"], false),
            (&["--from", "2024-05-06T12:00:00Z", "--to", "2024-05-06T12:00:01Z"], false),
            (&["--to", "2024-05-06"], true),
            (&["--to", "2024-05-06T12:00:00Z"], true),
            (&["--from", "2024-05-06T12:04:00Z"], true),
        ] {
            let arguments = [&["export", "--prices", "--output", "out.csv"], arguments].concat();
            let said = desk.run(&arguments, b"").await;
            assert_eq!(said.code, Some(if is_whole { 0 } else { 1 }), "{said:?}");
            let is_named = said.log.contains("2024-05-06 (detached)");
            assert_eq!(is_named, !is_whole, "{said:?}");
            assert_eq!(desk.folder.path().join("out.csv").exists(), is_whole);
            fs::remove_file(desk.folder.path().join("out.csv")).ok();
        }
        let attach = format!(
            "ALTER TABLE prices ATTACH PARTITION {leaf}
             FOR VALUES FROM ('2024-05-06 00:00Z') TO ('2024-05-07 00:00Z')"
        );
        desk.schema.sql.batch_execute(&attach).await.unwrap();
        assert_eq!(export(&desk, &[]).await, text);
    }
    let dropped = "SELECT is_dropped FROM drop_price_day_before('2024-05-06')";
    assert!(one::<bool>(&desk.schema.sql, dropped).await);
    let said = desk.run(&["export", "--prices", "--to", "2024-05-07"], b"").await;
    assert_eq!((said.code, said.words.as_str()), (Some(1), ""), "{said:?}");
    assert!(said.log.contains("2024-05-05 (dropped"), "{said:?}");
    let rest = text.replace("btcusd,2024-05-05T12:00:00.000000Z,1\n", "");
    assert_eq!(export(&desk, &["--from", "2024-05-06"]).await, rest);
    // A day without ticks is missed by nobody.
    let leaf = day("2024-05-09");
    desk.schema
        .sql
        .execute("SELECT ensure_price_partitions(ARRAY[$1::date], 14610, 999)", &[&leaf])
        .await
        .unwrap();
    detach(&desk, "2024-05-09").await;
    assert_eq!(export(&desk, &["--from", "2024-05-06"]).await, rest);
}

#[tokio::test]
async fn names_that_only_sql_gives_are_told() {
    let desk = Desk::new().await;
    import(&desk, "symbol,ticked_at,price\nbtcusd,2024-05-05T12:00:00.000000Z,1\n").await;
    let odd = "INSERT INTO symbols (name) VALUES ('xbtusd');
        INSERT INTO prices (symbol_id, ticked_at, price)
        SELECT symbol_id, '2024-05-05 13:00Z', 1.50 FROM symbols WHERE name = 'xbtusd'";
    desk.schema.sql.batch_execute(odd).await.unwrap();
    let Said { code, words, log } = desk.run(&["export", "--prices"], b"").await;
    assert_eq!(code, Some(0));
    assert!(words.ends_with("xbtusd,2024-05-05T13:00:00.000000Z,1.5\n"), "{words}");
    assert!(log.contains("xbtusd") && log.contains("usual name"), "{log}");
}

#[tokio::test]
async fn what_cannot_be_exported_is_said() {
    let desk = Desk::new().await;
    for (arguments, expected) in [
        (&["--symbols", "b t c"][..], "--symbols: \"b t c\" must be 1 to 32 letters"),
        (&["--symbols", "btcusd"], "there is no such symbol: btcusd"),
        (&["--from", "2024-05-06", "--to", "2024-05-06"], "--from must lie before --to"),
        (&["--user", "ann"], "cannot be used with"),
        (&["--asset", "USD"], "cannot be used with"),
        (&["--account", "bank:a"], "cannot be used with"),
    ] {
        let said = desk.run(&[&["export", "--prices"], arguments].concat(), b"").await;
        assert!(matches!(said.code, Some(1 | 2)) && said.words.is_empty(), "{said:?}");
        assert!(said.log.contains(expected), "{arguments:?}: {said:?}");
    }
    let folder = TestFolder::empty();
    let mut command = program(env!("CARGO_BIN_EXE_daybook"));
    command.args(["export", "--symbols", "btcusd"]).current_dir(folder.path());
    let output = command.output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("--prices"), "{output:?}");
}
