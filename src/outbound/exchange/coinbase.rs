//! The API of Coinbase Exchange: `GET /products/{product_id}/candles`
//! (<https://docs.cdp.coinbase.com/exchange/reference/exchangerestapi_getproductcandles>).
//!
//! It answers with at most 300 candles, newest first, their prices as bare numbers. Minutes without
//! a trade have none.

use std::num::NonZeroU32;

use chrono::{DateTime, SecondsFormat, Utc};
use governor::Quota;
use http::StatusCode;
use serde::Deserialize;

use super::{
    ExchangeError,
    limits::CallLimit,
    rows::{Row, table},
    source::{ONE, Question},
};
use crate::domain::price::{
    candle::{Candle, MINUTE, Minutes},
    pair::Pair,
};

pub(super) const BASE_URL: &str = "https://api.exchange.coinbase.com";

pub(super) const PAGE_MINUTES_MAX: i32 = 300;

/// Columns of a candle: time, low, high, open, close, volume.
const TIME: usize = 0;
const CLOSE: usize = 4;

/// Calls a second from an address, and how many may come at once
/// (<https://docs.cdp.coinbase.com/exchange/rest-api/rate-limits>).
const RATE: NonZeroU32 = NonZeroU32::new(10).expect("not zero");
const BURST: NonZeroU32 = NonZeroU32::new(15).expect("not zero");

pub(super) fn limit() -> CallLimit {
    CallLimit::new(Quota::per_second(RATE).allow_burst(BURST), ONE)
}

/// `BTC-USD`.
pub(super) fn spelling(pair: &Pair) -> String {
    format!("{}-{}", pair.base(), pair.quote()).to_ascii_uppercase()
}

pub(super) fn question(pair: &Pair, minutes: Minutes) -> Question {
    let text = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
    Question {
        path: vec!["products".to_owned(), spelling(pair), "candles".to_owned()],
        parameters: vec![
            ("granularity", "60".to_owned()),
            ("start", text(minutes.opens_at())),
            // Both ends are meant, by the instants at which candles begin.
            ("end", text(minutes.last - MINUTE)),
        ],
    }
}

pub(super) fn parse(body: &[u8]) -> Result<Vec<Candle>, ExchangeError> {
    let rows = table(body)?;
    let candle = |row: &Vec<_>| {
        let row = Row(row);
        Ok(Candle { opens_at: row.instant(TIME, 1)?, close: row.decimal(CLOSE)? })
    };
    rows.iter().map(candle).collect()
}

#[derive(Deserialize)]
struct Fault {
    message: String,
}

pub(super) fn denies_pair(status: StatusCode, body: &[u8]) -> bool {
    let said = serde_json::from_slice::<Fault>(body);
    // 404 in other words comes from somebody in between.
    status == StatusCode::NOT_FOUND && said.is_ok_and(|fault| fault.message.contains("NotFound"))
}
