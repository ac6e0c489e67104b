//! How did a symbol's price go?

use std::ops::Range;

use chrono::{DateTime, Utc};

use crate::{
    domain::{
        price::{spans::UNIT_MICROS, symbol::SymbolName, totals::TickTotals},
        running_total::day_cells::MICROS_PER_DAY,
        window::Window,
    },
    error::{Error, ErrorKind},
    prices::{Prices, last_day, micros, refuse_absent_days, totals_of},
    store::{
        Snapshot,
        prices::{self as store, PriceBar, PriceTick},
        symbols,
    },
};

/// Buckets from this length on are put together from cells: shorter ones are cheaper from ticks,
/// which one symbol has few of, while a cell has those of many symbols.
const CELLS_FROM_SECONDS: i64 = 86_400;

/// Longest span that is read tick by tick for one page of bars, in microseconds: a year has half a
/// million ticks of a symbol. A page ends there.
const BARS_SPAN_MAX: i64 = 92 * MICROS_PER_DAY;

/// A question for prices.
#[derive(Clone, Debug)]
pub struct PricesQuestion {
    /// Whose.
    pub symbol: SymbolName,
    /// When; the last 24 hours where it is not said.
    pub window: Option<Window>,
    /// Where the page begins, in the window, if not at its start.
    pub from: Option<DateTime<Utc>>,
    /// Length of a bucket in seconds; ticks where there is none.
    pub bucket_seconds: Option<i64>,
    /// Most rows in the answer.
    pub page_size: usize,
}

/// Ticks or bars.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PriceRows {
    /// Tick by tick.
    Ticks(Vec<PriceTick>),
    /// A bar for each bucket with ticks.
    Bars(Vec<PriceBar>),
}

/// A page of prices.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PricesPage {
    /// The page, in the order of time.
    pub rows: PriceRows,
    /// Where the next page begins, if there may be one.
    pub next_from: Option<DateTime<Utc>>,
    /// When.
    pub window: Window,
    /// The database's clock at the snapshot.
    pub as_of: DateTime<Utc>,
}

impl Prices {
    /// A symbol's prices in a window.
    ///
    /// # Errors
    /// `NotFound` for a symbol that is not recorded; `FailedPrecondition` for ticks that are not at
    /// hand; what the database says.
    pub async fn list_prices(&self, question: &PricesQuestion) -> Result<PricesPage, Error> {
        let (session, as_of) = self.snapshot().await?;
        let window = question.window.unwrap_or_else(|| last_day(as_of));
        let found = symbols::named(&session, std::slice::from_ref(&question.symbol)).await?;
        let Some(symbol) = found.into_iter().next() else {
            return Err(Error::new(ErrorKind::NotFound("symbol")));
        };
        let start = question.from.map_or(window.start(), |from| from.max(window.start()));
        let rest = Window::new(start, window.end());
        let (rows, next) = match (rest, question.bucket_seconds) {
            (None, None) => (PriceRows::Ticks(Vec::new()), None),
            (None, Some(_)) => (PriceRows::Bars(Vec::new()), None),
            (Some(rest), None) => {
                let (ticks, next) = ticks(&session, symbol.symbol_id, rest, question).await?;
                (PriceRows::Ticks(ticks), next)
            }
            (Some(rest), Some(seconds)) => {
                let size = question.page_size;
                let (bars, next) = bars(&session, symbol.symbol_id, rest, seconds, size).await?;
                (PriceRows::Bars(bars), next)
            }
        };
        session.end().await?;
        let next_from = next.and_then(DateTime::from_timestamp_micros);
        Ok(PricesPage { rows, next_from, window, as_of })
    }
}

async fn ticks(
    session: &Snapshot,
    symbol_id: i32,
    window: Window,
    question: &PricesQuestion,
) -> Result<(Vec<PriceTick>, Option<i64>), Error> {
    let size = question.page_size;
    let most = i64::try_from(size).unwrap_or(i64::MAX).saturating_add(1);
    let mut ticks = store::list(session, symbol_id, window, most).await?;
    let next = ticks.get(size).map(|tick| tick.ticked_at.timestamp_micros());
    ticks.truncate(size);
    let shown = micros(window).start..next.unwrap_or(micros(window).end);
    expect_ticks(session, shown, symbol_id, ticks.len()).await?;
    Ok((ticks, next))
}

/// Refuses what was read tick by tick where totals say that there are more: a day is not at hand.
async fn expect_ticks(
    session: &Snapshot,
    shown: Range<i64>,
    symbol_id: i32,
    count: usize,
) -> Result<(), Error> {
    let found = totals_of(session, std::slice::from_ref(&shown), Some(&[symbol_id])).await?;
    let expected = found.windows.first().and_then(|totals| totals.get(&symbol_id));
    if expected.is_some_and(|totals| usize::try_from(totals.count).is_ok_and(|all| all > count)) {
        refuse_absent_days(session, &shown, Some(&[symbol_id])).await?;
    }
    Ok(())
}

/// Bars of a page, and where the next one begins.
async fn bars(
    session: &Snapshot,
    symbol_id: i32,
    window: Window,
    seconds: i64,
    size: usize,
) -> Result<(Vec<PriceBar>, Option<i64>), Error> {
    let length = seconds * 1_000_000;
    // Nothing is read where no symbol has ticks.
    let Some(all) = store::span(session).await? else { return Ok((Vec::new(), None)) };
    let span = micros(window);
    let span = span.start.max(all.start)..span.end.min(all.end);
    if span.is_empty() {
        return Ok((Vec::new(), None));
    }
    // Nor before the symbol's first tick or behind its last: pages of nothing are no use.
    let found = totals_of(session, std::slice::from_ref(&span), Some(&[symbol_id])).await?;
    let Some(whole) = found.windows.first().and_then(|totals| totals.get(&symbol_id)) else {
        return Ok((Vec::new(), None));
    };
    let span = whole.first.at..whole.last.at + 1;
    if seconds >= CELLS_FROM_SECONDS && length % UNIT_MICROS == 0 {
        return bars_of_cells(session, symbol_id, &span, length, size).await;
    }
    let end = span.end.min(next_edge(span.start, length).saturating_add(
        // Whole buckets, one at least.
        (BARS_SPAN_MAX / length).max(1) * length - length,
    ));
    let (Some(from), Some(to)) =
        (DateTime::from_timestamp_micros(span.start), DateTime::from_timestamp_micros(end))
    else {
        return Ok((Vec::new(), None));
    };
    let Some(part) = Window::new(from, to) else { return Ok((Vec::new(), None)) };
    let most = i64::try_from(size).unwrap_or(i64::MAX).saturating_add(1);
    let mut bars = store::bars(session, symbol_id, part, seconds, most).await?;
    let next = bars.get(size).map(|bar| bar.bucket * length);
    bars.truncate(size);
    let shown = span.start..next.unwrap_or(end);
    let count: i64 = bars.iter().map(|bar| bar.tick_count).sum();
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    expect_ticks(session, shown, symbol_id, count).await?;
    Ok((bars, next.or((end < span.end).then_some(end))))
}

/// The first edge of a bucket behind an instant.
fn next_edge(instant: i64, length: i64) -> i64 {
    (instant.div_euclid(length) + 1) * length
}

async fn bars_of_cells(
    session: &Snapshot,
    symbol_id: i32,
    span: &Range<i64>,
    length: i64,
    size: usize,
) -> Result<(Vec<PriceBar>, Option<i64>), Error> {
    let (mut start, end) = (span.start, span.end);
    let mut windows = Vec::new();
    while start < end && windows.len() < size {
        let edge = next_edge(start, length).min(end);
        windows.push(start..edge);
        start = edge;
    }
    let found = totals_of(session, &windows, Some(&[symbol_id])).await?;
    let bar = |(window, totals): (&Range<i64>, &TickTotals)| PriceBar {
        bucket: window.start.div_euclid(length),
        open: totals.first_price(),
        high: totals.high_price(),
        low: totals.low_price(),
        close: totals.last_price(),
        tick_count: totals.count,
        price_sum: totals.price_moments().sum,
    };
    let bars = windows
        .iter()
        .zip(&found.windows)
        .filter_map(|(window, by_symbol)| Some((window, by_symbol.get(&symbol_id)?)))
        .map(bar)
        .collect();
    Ok((bars, (start < end).then_some(start)))
}
