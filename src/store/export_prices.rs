//! What an export of prices reads, in one snapshot on a connection of its own.

use std::pin::Pin;

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;
use tokio_postgres::{Client, Row, RowStream, types::ToSql};

use crate::{
    domain::{
        decimal::Decimal,
        price::{spans::unit_of, symbol::SymbolName},
        window::Window,
    },
    error::AbsentDay,
    store::{
        StoreError,
        instant::Micros,
        numeric::Numeric,
        statement::{Statement, statement},
        tx::Tx,
    },
};

/// A recorded price.
#[derive(Clone, Debug)]
pub struct ExportPrice {
    /// Of what.
    pub symbol: SymbolName,
    /// When.
    pub ticked_at: DateTime<Utc>,
    /// The price.
    pub price: Decimal,
}

/// Opens the snapshot of an export of prices, in which no day can go; the caller ends it with
/// [`Tx::roll_back`].
///
/// # Errors
/// If the connection is gone.
pub async fn snapshot(client: &Client) -> Result<Tx<'_>, StoreError> {
    Tx::snapshot_of_prices(client, "export_prices").await
}

/// The keys of those of these symbols that there are.
///
/// # Errors
/// If the database cannot answer.
pub async fn symbols(
    client: &Client,
    names: &[SymbolName],
) -> Result<Vec<(SymbolName, i32)>, StoreError> {
    let names: Vec<&str> = names.iter().map(SymbolName::as_str).collect();
    let rows = statement!("export_symbols").query(client, &[&names]).await?;
    let found = |row: &Row| (SymbolName::recorded(row.get("name")), row.get("symbol_id"));
    Ok(rows.iter().map(found).collect())
}

/// Begin and end of each day that has a partition, earliest first.
///
/// # Errors
/// If the database cannot answer.
pub async fn days(client: &Client) -> Result<Vec<(DateTime<Utc>, DateTime<Utc>)>, StoreError> {
    let rows = statement!("export_price_days").query(client, &[]).await?;
    Ok(rows.iter().map(|row| (row.get("lower_at"), row.get("upper_at"))).collect())
}

/// Days of a window that had ticks, of whatever symbol, and are not at hand: earliest first, not
/// more than an error names.
///
/// # Errors
/// If the database cannot answer.
pub async fn absent_days(client: &Client, window: Window) -> Result<Vec<AbsentDay>, StoreError> {
    let first = unit_of(window.start().timestamp_micros());
    let last = unit_of(window.end().timestamp_micros() - 1);
    let rows = statement!("export_prices_absent").query(client, &[&first, &last]).await?;
    let absent = |row: &Row| AbsentDay { day: row.get("day"), is_dropped: row.get("is_dropped") };
    Ok(rows.iter().map(absent).collect())
}

/// Prices in their order, as they come: few of them are in memory at once.
pub struct ExportPrices {
    rows: Pin<Box<RowStream>>,
    stem: &'static str,
}

/// Asks for the prices of a window of at most a day, which are sorted together: those of these
/// symbols, or of all.
///
/// # Errors
/// If the database cannot answer.
pub async fn prices(
    client: &Client,
    window: Window,
    symbol_ids: Option<&[i32]>,
) -> Result<ExportPrices, StoreError> {
    let (start, end) =
        (Micros(window.start().timestamp_micros()), Micros(window.end().timestamp_micros()));
    let params: [&(dyn ToSql + Sync); 3] = [&start, &end, &symbol_ids];
    let Statement { stem, text } = statement!("export_prices");
    let rows = client
        .query_raw(text, params)
        .await
        .map_err(|source| StoreError::from_postgres(stem, source))?;
    Ok(ExportPrices { rows: Box::pin(rows), stem })
}

impl ExportPrices {
    /// The next price; `None` after the last one.
    ///
    /// # Errors
    /// If the database cannot answer.
    pub async fn next(&mut self) -> Result<Option<ExportPrice>, StoreError> {
        let row = self.rows.try_next().await;
        let row = row.map_err(|source| StoreError::from_postgres(self.stem, source))?;
        Ok(row.as_ref().map(export_price))
    }
}

fn export_price(row: &Row) -> ExportPrice {
    let Numeric(price) = row.get("price");
    let symbol = SymbolName::recorded(row.get("name"));
    ExportPrice { symbol, ticked_at: row.get("ticked_at"), price }
}
