//! Cells of price totals, and the ticks that they are made of: reading and writing them. What they
//! come to is `domain::price`'s business.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use tokio_postgres::{Row, types::ToSql};

use crate::{
    domain::{
        price::{
            spans::{PriceSpan, day_of_unit},
            totals::TickTotals,
        },
        running_total::day_cells::MICROS_PER_DAY,
    },
    store::{
        StoreError,
        instant::Micros,
        numeric::ScaledNumeric,
        statement::{Statement, statement},
    },
};

/// Whoever reads: a snapshot, or the tx of whoever folds.
pub(super) trait Rows {
    /// Runs a statement and reads all its rows.
    async fn rows(
        &self,
        statement: Statement,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError>;
}

impl Rows for crate::store::Snapshot {
    async fn rows(
        &self,
        statement: Statement,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        Self::rows(self, statement, params).await
    }
}

impl Rows for tokio_postgres::Client {
    async fn rows(
        &self,
        statement: Statement,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        statement.query(self, params).await
    }
}

/// A unit of a symbol.
pub(super) type SymbolUnit = (i64, i32);

/// The key of a cell.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct CellKey {
    pub(super) span: PriceSpan,
    pub(super) group: i32,
}

impl CellKey {
    pub(super) fn of(row: &Row) -> Self {
        let level: i16 = row.get("level");
        Self {
            span: PriceSpan {
                level: u8::try_from(level).unwrap_or(u8::MAX),
                number: row.get("span_number"),
            },
            group: row.get("symbol_group"),
        }
    }

    /// The error of a cell that cannot be read.
    pub(super) fn broken(self, stem: &'static str) -> StoreError {
        StoreError::of_broken_prices(stem, self.span, self.group)
    }
}

/// A tick as totals of it alone, with its symbol.
pub(super) fn tick(row: &Row) -> (i32, TickTotals) {
    let (Micros(at), price): (_, ScaledNumeric) = (row.get("ticked_at"), row.get("price"));
    (row.get("symbol_id"), TickTotals::of_scaled(at, price.whole, price.scale))
}

/// The ticks in units of symbols, in the order of time for each symbol; the statement is asked
/// once for each day.
pub(super) async fn ticks_of_units(
    reader: &impl Rows,
    units: &BTreeSet<SymbolUnit>,
) -> Result<Vec<(i32, TickTotals)>, StoreError> {
    let mut ticks = Vec::new();
    let mut rest = units.iter().copied().peekable();
    while let Some((first, _)) = rest.peek().copied() {
        let day = day_of_unit(first);
        let is_of_day = |(unit, _): &SymbolUnit| day_of_unit(*unit) == day;
        let (mut numbers, mut symbols) = (Vec::new(), Vec::new());
        while let Some((unit, symbol)) = rest.next_if(is_of_day) {
            numbers.push(unit);
            symbols.push(symbol);
        }
        let (start, end) = (Micros(day * MICROS_PER_DAY), Micros((day + 1) * MICROS_PER_DAY));
        let statement = statement!("price_ticks_of_units");
        let rows = reader.rows(statement, &[&numbers, &symbols, &start, &end]).await?;
        ticks.extend(rows.iter().map(tick));
    }
    Ok(ticks)
}

/// Of these days those whose ticks are not at hand, earliest first.
pub(super) async fn days_lacking(
    reader: &impl Rows,
    days: &[NaiveDate],
) -> Result<Vec<NaiveDate>, StoreError> {
    let rows = reader.rows(statement!("prices_days_lacking"), &[&days]).await?;
    Ok(rows.iter().map(|row| row.get("day")).collect())
}
