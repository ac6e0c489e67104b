//! What answers are read as, and what is made of those that are wrong.

use super::{rows::number, *};
use crate::domain::decimal::Decimal;

const PAIRS: [(&str, Source); 3] =
    [("BTC-USD", Source::Kraken), ("BTC-USD", Source::Coinbase), ("BTC-USDT", Source::Binance)];

fn pair(text: &str) -> Pair {
    Pair::parse(text).expect("a pair")
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("an instant")
}

/// Minute of each candle and its price.
fn found(candles: &[Candle]) -> Vec<(String, String)> {
    let text =
        |candle: &Candle| (candle.opens_at.format("%H:%M").to_string(), candle.close.to_string());
    candles.iter().map(text).collect()
}

#[test]
fn each_source_spells_and_asks_its_own_way() {
    let minutes = Minutes { first: at("2024-05-05T10:01:00Z"), last: at("2024-05-05T10:03:00Z") };
    for (text, source, expected) in [
        (
            "BTC-USD",
            Source::Kraken,
            "https://api.kraken.com/0/public/OHLC?pair=XBTUSD&interval=1&since=1714903140",
        ),
        ("DOGE/EUR", Source::Kraken, "pair=XDGEUR"),
        (
            "XBT/USD",
            Source::Coinbase,
            "https://api.exchange.coinbase.com/products/BTC-USD/candles?granularity=60\
             &start=2024-05-05T10%3A00%3A00Z&end=2024-05-05T10%3A02%3A00Z",
        ),
        (
            "btcusdt",
            Source::Binance,
            "https://api.binance.com/api/v3/klines?symbol=BTCUSDT&interval=1m\
             &startTime=1714903200000&endTime=1714903320000&limit=1000",
        ),
    ] {
        let url = BaseUrl::parse(source.base_url()).expect("it is right");
        let url = url.with(&source.question(&pair(text), minutes));
        assert!(url.as_str().contains(expected), "{url}");
    }
    let url = BaseUrl::parse("https://mirror.example.org/kraken/").expect("it is right");
    let url = url.with(&Source::Kraken.question(&pair("BTC-USD"), minutes));
    assert!(url.as_str().starts_with("https://mirror.example.org/kraken/0/public/OHLC?"), "{url}");
}

#[test]
fn answers_are_read_digit_for_digit() {
    let kraken = r#"{"error":[],"result":{"XXBTZUSD":[
        [1714903200,"1.0","9","0.1","64000.10000","1","0.5",3],
        [1714903260,"1.0","9","0.1","64000.1","0","0.0",0],
        [1714903320,"1.0","9","0.1","64000.12345678901234567890","1","0.5",1]
        ],"last":1714903260}}"#;
    let coinbase = "[[1714903320, 0.1, 9, 1, 64000.12345678901234567890, 0.5],
        [1714903200,0.1,9,1,640001e-1,0.5]]";
    let binance = r#"[
        [1714903200000,"1","9","0.1","64000.10000000","2",1714903259999,"3",4,"5","6","0"],
        [1714903260000,"1","9","0.1","64000.1","0",1714903319999,"0",0,"0","0","0"],
        [1714903320000,"1","9","0.1","64000.12345678901234567890","2",1,"3",1,"5","6","0"]]"#;
    let expected = [("10:00", "64000.1"), ("10:02", "64000.1234567890123456789")];
    let expected = expected.map(|(at, price)| (at.to_owned(), price.to_owned()));
    for ((text, source), body) in PAIRS.into_iter().zip([kraken, coinbase, binance]) {
        let mut candles = source.parse(&pair(text), body.as_bytes()).expect(body);
        check(&mut candles, at("2024-05-05T10:03:00Z")).expect(body);
        assert_eq!(found(&candles), expected, "{source}");
    }
}

#[test]
fn numbers_are_read_in_every_spelling_of_json() {
    for (text, expected) in [
        ("1.50", Some("1.5")),
        ("8.94e-06", Some("0.00000894")),
        ("1E+2", Some("100")),
        ("-1", Some("-1")),
        ("1e99", None),
        (&"1".repeat(101), None),
        ("1e", None),
        ("e1", None),
        ("NaN", None),
        ("null", None),
        ("", None),
    ] {
        assert_eq!(number(text).map(|number| number.to_string()).as_deref(), expected, "{text}");
    }
}

#[test]
fn what_is_no_table_of_candles_is_malformed() {
    for body in [
        "<html><body>Just a moment...</body></html>",
        "",
        "null",
        "{}",
        "[[1714903200000",
        "[[]]",
        r#"[["soon","1","9","0.1","1","2",3,"3",4,"5","6","0"]]"#,
        r#"[[1714903200000,"1","9","0.1",null,"2",3,"3",4,"5","6","0"]]"#,
        r#"[[9223372036854775807,"1","9","0.1","1","2",3,"3",4,"5","6","0"]]"#,
        r#"{"error":[],"result":{"last":0}}"#,
        r#"{"error":[],"result":{"XXBTZUSD":[],"XETHZUSD":[],"last":0}}"#,
        r#"{"error":[],"result":{"XXBTZUSD":{},"last":0}}"#,
        r#"{"error":["EGeneral:Invalid arguments"]}"#,
    ] {
        for (text, source) in PAIRS {
            // What another source would say is read by none, either.
            let outcome = source.parse(&pair(text), body.as_bytes());
            let is_malformed = matches!(outcome, Err(ExchangeError::Malformed(_)));
            assert!(is_malformed, "{source} {body}: {outcome:?}");
        }
    }
}

#[test]
fn candles_that_cannot_be_are_malformed() {
    let good = [("10:00:00", "1"), ("10:01:00", "2")];
    for (more, is_right) in [
        (("10:02:00", "3"), true),
        (("10:01:00", "2"), true),
        (("10:01:00", "3"), false),
        (("10:02:01", "3"), false),
        (("10:04:00", "3"), true),
        (("10:05:00", "3"), false),
        (("10:02:00", "0"), false),
        (("10:02:00", "-3"), false),
    ] {
        let rows = [more].into_iter().chain(good);
        let mut candles: Vec<Candle> = rows
            .map(|(time, close)| Candle {
                opens_at: at(&format!("2024-05-05T{time}Z")),
                close: Decimal::parse(close).expect("a number"),
            })
            .collect();
        let outcome = check(&mut candles, at("2024-05-05T10:03:30Z"));
        assert_eq!(outcome.is_ok(), is_right, "{more:?}: {outcome:?}");
        assert!(outcome.is_err() || candles.is_sorted_by_key(|candle| candle.opens_at));
    }
}

#[test]
fn errors_of_kraken_come_with_status_200() {
    type Error = ExchangeError;
    let kind = |body: &str| Source::Kraken.parse(&pair("BTC-USD"), body.as_bytes()).unwrap_err();
    let is_unknown = |error| matches!(error, Error::UnknownPair(_));
    let is_limit = |error| matches!(error, Error::RateLimited { wait: None });
    let is_away = |error| matches!(error, Error::Unavailable { .. });
    assert!(is_unknown(kind(r#"{"error":["EQuery:Unknown asset pair"]}"#)));
    assert!(is_unknown(kind(r#"{"error":[],"result":{"XETHZUSD":[],"last":0}}"#)));
    assert!(is_limit(kind(r#"{"error":["EAPI:Rate limit exceeded"]}"#)));
    assert!(is_limit(kind(r#"{"error":["EGeneral:Too many requests"],"result":{}}"#)));
    assert!(is_away(kind(r#"{"error":["EService:Unavailable"]}"#)));
    for (asked, key) in [
        ("BTC-USD", "XXBTZUSD"),
        ("BTC-USD", "XBTUSD"),
        ("ETH-BTC", "XETHXXBT"),
        ("USDT-USD", "USDTZUSD"),
        ("DOGE-USD", "XDGUSD"),
        ("XRP-EUR", "XXRPZEUR"),
        ("SOL-USD", "SOLUSD"),
        ("EUR-USD", "ZEURZUSD"),
        ("XTZ-USD", "XTZUSD"),
    ] {
        let body = format!(r#"{{"error":["WGeneral:x"],"result":{{"{key}":[],"last":0}}}}"#);
        let outcome = Source::Kraken.parse(&pair(asked), body.as_bytes());
        assert_eq!(outcome, Ok(vec![]), "{asked} {key}");
    }
}

proptest::proptest! {
    #[test]
    fn nothing_that_is_sent_makes_reading_fail_otherwise_than_by_an_error(
        noise in "[\\[\\]{}\",:0-9a-z.e+-]{0,60}",
        time in proptest::prelude::any::<i64>(),
        close in "-?[0-9]{1,40}(\\.[0-9]{0,40})?(e[+-]?[0-9]{1,9})?",
        count in proptest::prelude::any::<i64>(),
    ) {
        let row = format!("[{time},1,1,1,{close},1,1,{count},{count}]");
        let kraken = format!(r#"{{"error":[],"result":{{"XXBTZUSD":[{row}],"last":1}}}}"#);
        for body in [noise, format!("[{row}]"), kraken] {
            for (text, source) in PAIRS {
                let parsed = source.parse(&pair(text), body.as_bytes());
                let now = at("2024-05-05T10:03:00Z");
                // Whatever is read is of a time that can be computed with.
                let checked = parsed.and_then(|mut all| check(&mut all, now).map(|()| all));
                for candle in checked.iter().flatten() {
                    let _ = candle.closes_at();
                }
            }
        }
    }
}

#[tokio::test]
async fn each_source_is_asked_as_often_as_it_allows() {
    for (source, at_once) in [(Source::Kraken, 1), (Source::Coinbase, 15), (Source::Binance, 3_000)]
    {
        let limit = source.limit();
        for _ in 0..at_once {
            limit.wait().await;
        }
        let next = tokio::time::timeout(Duration::from_millis(5), limit.wait()).await;
        assert!(next.is_err(), "{source}");
    }
    // All but Binance's header is nothing to heed.
    let mut headers = HeaderMap::new();
    headers.insert("X-MBX-USED-WEIGHT-1M", "4800".parse().expect("a value"));
    for (source, is_free) in [(Source::Coinbase, true), (Source::Binance, false)] {
        let limit = source.limit();
        limit.heed(&headers);
        let next = tokio::time::timeout(Duration::from_millis(50), limit.wait()).await;
        assert_eq!(next.is_ok(), is_free, "{source}");
    }
}

#[test]
fn urls_are_encrypted_unless_they_stay_here() {
    for (text, is_right) in [
        ("https://data-api.binance.vision", true),
        ("https://mirror.example.org/kraken", true),
        ("http://127.0.0.1:8080", true),
        ("http://[::1]:8080/x", true),
        ("http://localhost", true),
        ("http://api.kraken.com", false),
        ("http://127.0.0.1.example.org", false),
        ("https://user:secret@example.org", false),
        ("https://example.org?x=1", false),
        ("https://example.org#x", false),
        ("ftp://127.0.0.1", false),
        ("api.kraken.com", false),
        ("", false),
    ] {
        assert_eq!(BaseUrl::parse(text).is_some(), is_right, "{text}");
    }
    for source in [Source::Kraken, Source::Coinbase, Source::Binance] {
        assert!(BaseUrl::parse(source.base_url()).is_some_and(|url| url.is_encrypted()));
    }
}
