//! Reading prices: ticks as they are recorded, and when there are any.

use std::ops::Range;

use chrono::{DateTime, NaiveDate, Utc};

use crate::{
    domain::{
        decimal::Decimal,
        price::spans::{LEVELS, PriceSpan},
        window::Window,
    },
    store::{Snapshot, StoreError, numeric::Numeric, price_cells, statement::statement},
};

/// A price at an instant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PriceTick {
    /// When.
    pub ticked_at: DateTime<Utc>,
    /// The price.
    pub price: Decimal,
}

/// The database's clock at the snapshot.
///
/// # Errors
/// If the database cannot answer.
pub async fn now(session: &Snapshot) -> Result<DateTime<Utc>, StoreError> {
    let rows = session.rows(statement!("snapshot_now"), &[]).await?;
    Ok(rows.first().map_or(DateTime::UNIX_EPOCH, |row| row.get("as_of")))
}

/// In which instants, in microseconds since the Unix epoch, there may be ticks; `None` if there are
/// none at all.
///
/// # Errors
/// If the database cannot answer.
pub async fn span(session: &Snapshot) -> Result<Option<Range<i64>>, StoreError> {
    let level = LEVELS - 1;
    let rows = session.rows(statement!("price_span"), &[&i16::from(level)]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let at_level =
        |name, level| row.get::<_, Option<i64>>(name).map(|number| PriceSpan { level, number });
    let firsts = [at_level("first_span", level), at_level("first_unit", 0)];
    let lasts = [at_level("last_span", level), at_level("last_unit", 0)];
    let start = firsts.into_iter().flatten().map(PriceSpan::start).min();
    let end = lasts.into_iter().flatten().map(PriceSpan::end).max();
    Ok(start.zip(end).map(|(start, end)| start..end))
}

/// Up to `count_max` ticks of a symbol in a window, in the order of time.
///
/// # Errors
/// If the database cannot answer.
pub async fn list(
    session: &Snapshot,
    symbol_id: i32,
    window: Window,
    count_max: i64,
) -> Result<Vec<PriceTick>, StoreError> {
    let statement = statement!("list_prices");
    let (start, end) = (window.start(), window.end());
    let rows = session.rows(statement, &[&symbol_id, &start, &end, &count_max]).await?;
    let tick = |row: &tokio_postgres::Row| {
        let Numeric(price) = row.get("price");
        PriceTick { ticked_at: row.get("ticked_at"), price }
    };
    Ok(rows.iter().map(tick).collect())
}

/// The prices of a bucket of time.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PriceBar {
    /// Number of the bucket, counted from the Unix epoch.
    pub bucket: i64,
    /// Price of the first tick.
    pub open: Decimal,
    /// The highest price.
    pub high: Decimal,
    /// The lowest price.
    pub low: Decimal,
    /// Price of the last tick.
    pub close: Decimal,
    /// Number of ticks.
    pub tick_count: i64,
    /// Sum of the prices.
    pub price_sum: Decimal,
}

/// Up to `count_max` bars of a symbol in a window, from its ticks, in the order of time.
///
/// # Errors
/// If the database cannot answer.
pub async fn bars(
    session: &Snapshot,
    symbol_id: i32,
    window: Window,
    bucket_seconds: i64,
    count_max: i64,
) -> Result<Vec<PriceBar>, StoreError> {
    let (start, end) = (window.start(), window.end());
    let rows = session
        .rows(
            statement!("list_prices_bars"),
            &[&symbol_id, &start, &end, &bucket_seconds, &count_max],
        )
        .await?;
    let bar = |row: &tokio_postgres::Row| {
        let number = |name| row.get::<_, Numeric>(name).0;
        PriceBar {
            bucket: row.get("bucket"),
            open: number("open"),
            high: number("high"),
            low: number("low"),
            close: number("close"),
            tick_count: row.get("tick_count"),
            price_sum: number("price_sum"),
        }
    };
    Ok(rows.iter().map(bar).collect())
}

/// Of these days those whose ticks are not at hand, earliest first.
///
/// # Errors
/// If the database cannot answer.
pub async fn days_lacking(
    session: &Snapshot,
    days: &[NaiveDate],
) -> Result<Vec<NaiveDate>, StoreError> {
    price_cells::days_lacking(session, days).await
}
