//! Price ticks: what a symbol was worth at an instant.

use chrono::{DateTime, Utc};

use crate::domain::{
    decimal::Decimal,
    price::symbol::SymbolName,
    refusal::{Fault, RefusalReason},
    window,
};

/// Most digits of a price before the point.
pub const PRICE_WHOLE_DIGITS_MAX: u32 = 30;

/// Most digits of a price behind the point.
pub const PRICE_DECIMALS_MAX: u32 = 30;

/// A tick that somebody wants recorded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewPrice {
    /// Of what.
    pub symbol: SymbolName,
    /// When, to the microsecond.
    pub ticked_at: DateTime<Utc>,
    /// The price in the quote currency.
    pub price: Decimal,
}

impl NewPrice {
    /// What is wrong with the tick by itself, if anything is.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        let wrong = |field, message: String| {
            Some(Fault { reason: RefusalReason::WrongField, field, message })
        };
        let nanos = i32::try_from(self.ticked_at.timestamp_subsec_nanos()).unwrap_or(-1);
        if let Err(error) = window::instant(self.ticked_at.timestamp(), nanos) {
            return wrong("ticked_at", error.to_string());
        }
        if !self.price.is_positive() {
            return wrong("price", "must be greater than zero".to_owned());
        }
        if !self.price.fits(PRICE_WHOLE_DIGITS_MAX, PRICE_DECIMALS_MAX) {
            let message = format!(
                "must have at most {PRICE_WHOLE_DIGITS_MAX} digits before the point and \
                 {PRICE_DECIMALS_MAX} behind it"
            );
            return wrong("price", message);
        }
        None
    }
}
