//! Prices of symbols: which there are, how they went, and whose moved most.
//!
//! Every answer is of one snapshot. Windows are read from cells of whole spans, and from ticks at
//! their edges and where they are not folded yet.

pub mod list_prices;
pub mod list_symbols;
pub mod rank_symbols;

use std::ops::Range;

use chrono::{DateTime, Duration, Utc};

pub use crate::store::prices::{PriceBar, PriceTick};
use crate::{
    domain::window::Window,
    error::{AbsentDay, Error, ErrorKind},
    store::{
        Database, Snapshot,
        price_totals::{PriceTotals, price_totals},
        prices::now,
    },
};

/// Answers questions about prices from one database.
#[derive(Clone)]
pub struct Prices {
    database: Database,
}

impl Prices {
    /// Answers from this database.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// A snapshot, and the database's clock at it.
    async fn snapshot(&self) -> Result<(Snapshot, DateTime<Utc>), Error> {
        let session = self.database.snapshot().await?;
        let as_of = now(&session).await?;
        Ok((session, as_of))
    }
}

/// The 24 hours up to an instant, which belongs to them.
fn last_day(as_of: DateTime<Utc>) -> Window {
    let end = as_of + Duration::microseconds(1);
    Window::new(end - Duration::hours(24), end).unwrap_or_else(|| Window::before(None))
}

/// A window in microseconds since the Unix epoch.
fn micros(window: Window) -> Range<i64> {
    window.start().timestamp_micros()..window.end().timestamp_micros()
}

/// What ticks come to in windows; refused where some are not at hand.
async fn totals_of(
    session: &Snapshot,
    windows: &[Range<i64>],
    symbols: Option<&[i32]>,
) -> Result<PriceTotals, Error> {
    let totals = price_totals(session, windows, symbols).await?;
    match totals.missing_at.and_then(DateTime::from_timestamp_micros) {
        Some(at) => Err(Error::new(ErrorKind::FailedPrecondition(vec![AbsentDay {
            day: at.date_naive(),
            is_dropped: false,
        }]))),
        None => Ok(totals),
    }
}

/// A tick of totals as it is shown.
fn tick(at: i64, price: crate::domain::decimal::Decimal) -> PriceTick {
    PriceTick { ticked_at: DateTime::from_timestamp_micros(at).unwrap_or_default(), price }
}
