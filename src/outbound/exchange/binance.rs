//! Binance's spot API: `GET /api/v3/klines`
//! (<https://developers.binance.com/docs/binance-spot-api-docs/rest-api/market-data-endpoints>).
//!
//! It answers with at most 1,000 candles, times in milliseconds; the last one may be of the minute
//! that is not over. Minutes without a trade are there with the price before them and a count of 0.

use std::num::NonZeroU32;

use governor::Quota;
use http::StatusCode;
use serde::Deserialize;

use super::{
    ExchangeError,
    limits::{CallLimit, UsedWeight},
    rows::{Row, table},
    source::Question,
};
use crate::domain::price::{
    candle::{Candle, MINUTE, Minutes},
    pair::Pair,
};

pub(super) const BASE_URL: &str = "https://api.binance.com";

pub(super) const PAGE_MINUTES_MAX: i32 = 1_000;

/// Columns of a candle: open time, open, high, low, close, volume, close time, volume in the quote
/// currency, number of trades, and more.
const TIME: usize = 0;
const CLOSE: usize = 4;
const COUNT: usize = 8;

/// Weight that an address may use in a minute, and weight of a question for candles
/// (<https://developers.binance.com/docs/binance-spot-api-docs/rest-api/limits>).
const MINUTE_WEIGHT: NonZeroU32 = NonZeroU32::new(6_000).expect("not zero");
const CALL_WEIGHT: NonZeroU32 = NonZeroU32::new(2).expect("not zero");

/// Code of `Invalid symbol.`
/// (<https://developers.binance.com/docs/binance-spot-api-docs/errors>).
const BAD_SYMBOL: i64 = -1_121;

pub(super) fn limit() -> CallLimit {
    // Others may ask from the same address.
    let used = UsedWeight { header: "x-mbx-used-weight-1m", slow_from: 4_800 };
    CallLimit::new(Quota::per_minute(MINUTE_WEIGHT), CALL_WEIGHT).heeding(used)
}

/// `BTCUSDT`.
pub(super) fn spelling(pair: &Pair) -> String {
    [pair.base(), pair.quote()].concat().to_ascii_uppercase()
}

pub(super) fn question(pair: &Pair, minutes: Minutes) -> Question {
    Question {
        path: ["api", "v3", "klines"].map(str::to_owned).to_vec(),
        parameters: vec![
            ("symbol", spelling(pair)),
            ("interval", "1m".to_owned()),
            ("startTime", minutes.opens_at().timestamp_millis().to_string()),
            // Both ends are meant, by the instants at which candles begin.
            ("endTime", (minutes.last - MINUTE).timestamp_millis().to_string()),
            ("limit", PAGE_MINUTES_MAX.to_string()),
        ],
    }
}

pub(super) fn parse(body: &[u8]) -> Result<Vec<Candle>, ExchangeError> {
    let mut candles = Vec::new();
    for row in &table(body)? {
        let row = Row(row);
        if row.integer(COUNT)? > 0 {
            let opens_at = row.instant(TIME, 1_000)?;
            candles.push(Candle { opens_at, close: row.decimal(CLOSE)? });
        }
    }
    Ok(candles)
}

#[derive(Deserialize)]
struct Fault {
    code: i64,
}

pub(super) fn denies_pair(status: StatusCode, body: &[u8]) -> bool {
    let said = serde_json::from_slice::<Fault>(body);
    status == StatusCode::BAD_REQUEST && said.is_ok_and(|fault| fault.code == BAD_SYMBOL)
}
