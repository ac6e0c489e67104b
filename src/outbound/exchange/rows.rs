//! Candles as rows of a JSON table: numbers as they are written, and what cannot be.

use chrono::{DateTime, Utc};
use num_bigint::BigInt;
use serde_json::value::RawValue;

use super::{ExchangeError, malformed, quoted};
use crate::domain::{
    decimal::Decimal,
    price::candle::{Candle, MINUTE, minute_of},
};

/// Puts candles in the order of time and refuses those that cannot be: not on a minute, twice with
/// two prices, or of minutes that have not begun by anybody's clock.
pub(super) fn check(candles: &mut Vec<Candle>, latest: DateTime<Utc>) -> Result<(), ExchangeError> {
    candles.sort_by_key(|candle| candle.opens_at);
    candles.dedup();
    let twice = candles.windows(2).find(|both| both[0].opens_at == both[1].opens_at);
    if let Some([candle, ..]) = twice {
        return Err(malformed(format!("two prices of {}", candle.opens_at)));
    }
    for candle in candles {
        if minute_of(candle.opens_at) != candle.opens_at {
            return Err(malformed(format!("a candle that begins at {}", candle.opens_at)));
        }
        if candle.opens_at > latest + MINUTE {
            return Err(malformed(format!("a candle of the future, {}", candle.opens_at)));
        }
        if !candle.close.is_positive() {
            return Err(malformed(format!("the price {} at {}", candle.close, candle.opens_at)));
        }
    }
    Ok(())
}

/// One row of a table of candles.
pub(super) struct Row<'a>(pub(super) &'a [&'a RawValue]);

impl Row<'_> {
    fn text(&self, place: usize) -> Result<&str, ExchangeError> {
        let value = self.0.get(place).ok_or_else(|| malformed("a candle with too few columns"))?;
        Ok(value.get())
    }

    pub(super) fn integer(&self, place: usize) -> Result<i64, ExchangeError> {
        let text = self.text(place)?;
        text.parse()
            .map_err(|_| malformed(format!("{} for a whole number", quoted(text.as_bytes()))))
    }

    /// A number as it is written, in quotes or without: never as a binary fraction.
    pub(super) fn decimal(&self, place: usize) -> Result<Decimal, ExchangeError> {
        let text = self.text(place)?;
        number(text.trim_matches('"'))
            .ok_or_else(|| malformed(format!("{} for a number", quoted(text.as_bytes()))))
    }

    /// An instant, of so many units a second.
    pub(super) fn instant(
        &self,
        place: usize,
        units_per_second: i64,
    ) -> Result<DateTime<Utc>, ExchangeError> {
        let units = self.integer(place)?;
        let micros = units.checked_mul(1_000_000 / units_per_second);
        micros
            .and_then(DateTime::from_timestamp_micros)
            .ok_or_else(|| malformed(format!("{units} for an instant")))
    }
}

/// A number in JSON's spelling, which may have an exponent (RFC 8259, section 6).
pub(super) fn number(text: &str) -> Option<Decimal> {
    /// Longer than any price that can be recorded, with an exponent.
    const LENGTH_MAX: usize = 100;
    /// Larger than any price, and small enough to be written out.
    const EXPONENT_MAX: u32 = 60;
    if text.len() > LENGTH_MAX {
        return None;
    }
    let Some((digits, exponent)) = text.split_once(['e', 'E']) else { return Decimal::parse(text) };
    let exponent: i32 = exponent.parse().ok()?;
    let size = exponent.unsigned_abs();
    if size > EXPONENT_MAX {
        return None;
    }
    let power = BigInt::from(10).pow(size);
    let factor = match exponent < 0 {
        true => Decimal::new(1.into(), size),
        false => Decimal::new(power, 0),
    };
    Some(Decimal::parse(digits)?.times(&factor))
}

/// A table of candles, or why the text is none.
pub(super) fn table(body: &[u8]) -> Result<Vec<Vec<&RawValue>>, ExchangeError> {
    serde_json::from_slice(body).map_err(|error| unreadable(&error, body))
}

pub(super) fn unreadable(error: &serde_json::Error, body: &[u8]) -> ExchangeError {
    malformed(format!("{error} in {}", quoted(body)))
}
