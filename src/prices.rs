//! Prices of symbols: which there are, how they went, and whose moved most.
//!
//! Every answer is of one snapshot. Windows are read from cells of whole spans, and from ticks at
//! their edges and where they are not folded yet.

pub mod list_prices;
pub mod list_symbols;
pub mod rank_symbols;

use std::{collections::BTreeSet, ops::Range};

use chrono::{DateTime, Duration, NaiveDate, NaiveTime, Utc};

pub use crate::store::prices::{PriceBar, PriceTick};
use crate::{
    domain::{
        decimal::Decimal,
        price::brief::SymbolBriefs,
        running_total::day_cells::{MICROS_PER_DAY, day_of},
        window::Window,
    },
    error::{AbsentDay, Error, ErrorKind},
    store::{
        Database, Snapshot,
        price_briefs::price_briefs,
        price_days::dropped,
        price_totals::{PriceTotals, price_totals},
        prices::{self, days_lacking, now},
    },
};

/// Most days that a refusal names.
const DAYS_NAMED_MAX: usize = 10;

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
    refuse_doubtful(session, &totals.doubtful_days).await?;
    Ok(totals)
}

/// What prices come to in a window; refused where some are not at hand.
async fn briefs_of(
    session: &Snapshot,
    window: &Range<i64>,
    symbols: Option<&[i32]>,
) -> Result<SymbolBriefs, Error> {
    let briefs = price_briefs(session, window, symbols).await?;
    refuse_doubtful(session, &briefs.doubtful_days).await?;
    Ok(briefs.symbols)
}

/// Refuses because of those of these days, counted from the Unix epoch, that are not at hand.
async fn refuse_doubtful(session: &Snapshot, days: &BTreeSet<i64>) -> Result<(), Error> {
    if days.is_empty() {
        return Ok(());
    }
    let days: Vec<NaiveDate> = days.iter().filter_map(|&day| date(day)).collect();
    refuse(session, &days_lacking(session, &days).await?).await
}

/// Refuses a span in which symbols have ticks on days that are not at hand, as far as totals know.
async fn refuse_absent_days(
    session: &Snapshot,
    span: &Range<i64>,
    symbols: Option<&[i32]>,
) -> Result<(), Error> {
    // Nothing lies outside of what there is.
    let Some(all) = prices::span(session).await? else { return Ok(()) };
    let (start, end) = (span.start.max(all.start), span.end.min(all.end));
    let days: Vec<NaiveDate> = (day_of(start)..=day_of(end - 1)).filter_map(date).collect();
    let lacking = days_lacking(session, &days).await?;
    let window = |day: &NaiveDate| {
        let start = day.and_time(NaiveTime::MIN).and_utc().timestamp_micros();
        start..start + MICROS_PER_DAY
    };
    let windows: Vec<Range<i64>> = lacking.iter().map(window).collect();
    let found = totals_of(session, &windows, symbols).await?;
    let with_ticks = lacking.iter().zip(&found.windows).filter(|(_, totals)| !totals.is_empty());
    refuse(session, &with_ticks.map(|(day, _)| *day).collect::<Vec<_>>()).await
}

/// Refuses because of these days, if there are any.
async fn refuse(session: &Snapshot, days: &[NaiveDate]) -> Result<(), Error> {
    if days.is_empty() {
        return Ok(());
    }
    let named = &days[..days.len().min(DAYS_NAMED_MAX)];
    let dropped = dropped(session, named).await?;
    let absent = |&day| AbsentDay { day, is_dropped: dropped.contains(&day) };
    let days = named.iter().map(absent).collect();
    Err(Error::new(ErrorKind::FailedPrecondition(days)))
}

/// A day, counted from the Unix epoch.
fn date(day: i64) -> Option<NaiveDate> {
    Some(DateTime::from_timestamp_micros(day.checked_mul(MICROS_PER_DAY)?)?.date_naive())
}

/// A tick of totals as it is shown.
fn tick(at: i64, price: Decimal) -> PriceTick {
    PriceTick { ticked_at: DateTime::from_timestamp_micros(at).unwrap_or_default(), price }
}
