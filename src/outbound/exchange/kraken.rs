//! Kraken's spot API: `GET /0/public/OHLC`
//! (<https://docs.kraken.com/api/docs/rest-api/get-ohlc-data>).
//!
//! It answers with at most 720 candles, the last of which is of the minute that is not over, and
//! errors come in the answer, with status 200. Minutes without a trade are there with the price
//! before them and a count of 0.

use std::collections::BTreeMap;

use governor::Quota;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    ExchangeError,
    limits::CallLimit,
    malformed, quoted,
    rows::{Row, table, unreadable},
    source::{ONE, Question},
};
use crate::domain::price::{
    candle::{Candle, MINUTE, Minutes},
    pair::Pair,
    symbol::SymbolName,
};

pub(super) const BASE_URL: &str = "https://api.kraken.com";

/// 720 candles, without the one that is not closed. There is nothing before them.
pub(super) const PAGE_MINUTES_MAX: i32 = 719;

/// Columns of a candle: time, open, high, low, close, vwap, volume, count.
const TIME: usize = 0;
const CLOSE: usize = 4;
const COUNT: usize = 7;

/// About one call a second from an address
/// (<https://docs.kraken.com/api/docs/guides/spot-rest-ratelimits>).
pub(super) fn limit() -> CallLimit {
    CallLimit::new(Quota::per_second(ONE), ONE)
}

/// `XBTUSD`: without anything between, and with Kraken's own names of two currencies.
pub(super) fn spelling(pair: &Pair) -> String {
    let own = |currency: &str| match currency {
        "btc" => "XBT".to_owned(),
        "doge" => "XDG".to_owned(),
        other => other.to_ascii_uppercase(),
    };
    [own(pair.base()), own(pair.quote())].concat()
}

pub(super) fn question(pair: &Pair, minutes: Minutes) -> Question {
    // What is at `since` itself is left out.
    let since = (minutes.opens_at() - MINUTE).timestamp();
    Question {
        path: ["0", "public", "OHLC"].map(str::to_owned).to_vec(),
        parameters: vec![
            ("pair", spelling(pair)),
            ("interval", "1".to_owned()),
            ("since", since.to_string()),
        ],
    }
}

#[derive(Deserialize)]
struct Body<'a> {
    error: Vec<String>,
    #[serde(borrow, default)]
    result: BTreeMap<String, &'a RawValue>,
}

pub(super) fn parse(pair: &Pair, body: &[u8]) -> Result<Vec<Candle>, ExchangeError> {
    let parsed: Body<'_> =
        serde_json::from_slice(body).map_err(|error| unreadable(&error, body))?;
    // Warnings begin with W.
    if let Some(error) = parsed.error.iter().find(|error| !error.starts_with('W')) {
        return Err(fault(error));
    }
    let mut tables = parsed.result.iter().filter(|(key, _)| *key != "last");
    let (Some((key, rows)), None) = (tables.next(), tables.next()) else {
        return Err(malformed(format!("not one pair in {}", quoted(body))));
    };
    if !is_key_of(key, pair) {
        return Err(ExchangeError::UnknownPair(format!("it answers about {key:?}")));
    }
    let mut candles = Vec::new();
    for row in &table(rows.get().as_bytes())? {
        let row = Row(row);
        if row.integer(COUNT)? > 0 {
            candles.push(Candle { opens_at: row.instant(TIME, 1)?, close: row.decimal(CLOSE)? });
        }
    }
    Ok(candles)
}

/// What an error in an answer means
/// (<https://support.kraken.com/hc/en-us/articles/360001491786>).
fn fault(error: &str) -> ExchangeError {
    let has = |words: &[&str]| words.iter().any(|word| error.contains(word));
    if has(&["asset pair", "Unknown asset"]) {
        ExchangeError::UnknownPair(quoted(error.as_bytes()))
    } else if has(&["Rate limit", "Too many requests", "Temporary lockout", "Throttled"]) {
        ExchangeError::RateLimited { wait: None }
    } else if has(&["EService", "Internal error"]) {
        ExchangeError::Unavailable { why: quoted(error.as_bytes()), wait: None }
    } else {
        malformed(quoted(error.as_bytes()))
    }
}

/// Whether Kraken calls a pair by this key: older currencies have an X or a Z in front there, as
/// `XXBTZUSD` and `USDTZUSD`.
fn is_key_of(key: &str, pair: &Pair) -> bool {
    let is_right = |name: &str| SymbolName::parse(name).as_ref() == Some(pair.symbol());
    let without_first = key.strip_prefix(['X', 'Z']);
    [Some(key), without_first].into_iter().flatten().any(|name| {
        let quote_at = name.len().checked_sub(4);
        let short = quote_at.filter(|at| matches!(name.get(*at..=*at), Some("X" | "Z")));
        is_right(name) || short.is_some_and(|at| is_right(&[&name[..at], &name[at + 1..]].concat()))
    })
}
