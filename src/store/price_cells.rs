//! Cells of price totals, and the ticks that they are made of: their keys, and reading ticks. What
//! they come to is `domain::price`'s business.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    ops::Range,
};

use chrono::{DateTime, NaiveDate};
use tokio_postgres::{Row, types::ToSql};

use crate::{
    domain::{
        price::{
            brief::PricePoint,
            spans::{PriceSpan, day_of_unit, group_of, unit_of},
            totals::TickTotals,
        },
        running_total::day_cells::MICROS_PER_DAY,
    },
    store::{
        Snapshot, StoreError,
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

    /// As [`Self::rows`], of a statement that reads daily partitions.
    async fn rows_of_days(
        &self,
        statement: Statement,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        self.rows(statement, params).await
    }
}

impl Rows for Snapshot {
    async fn rows(
        &self,
        statement: Statement,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        Self::rows(self, statement, params).await
    }

    async fn rows_of_days(
        &self,
        statement: Statement,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        Self::rows_of_days(self, statement, params).await
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
pub struct CellKey {
    /// The span of time.
    pub span: PriceSpan,
    /// The number of the group of symbols.
    pub group: i32,
}

impl CellKey {
    pub(super) fn of(row: &Row) -> Self {
        Self { span: span_of(row), group: row.get("symbol_group") }
    }

    /// The error of a cell that cannot be read.
    pub(super) fn broken(self, stem: &'static str) -> StoreError {
        StoreError::of_broken_prices(stem, self.span, self.group)
    }
}

/// The span that a row is of.
pub(super) fn span_of(row: &Row) -> PriceSpan {
    let level: i16 = row.get("level");
    PriceSpan { level: u8::try_from(level).unwrap_or(u8::MAX), number: row.get("span_number") }
}

/// A tick of a symbol.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Tick {
    pub(super) symbol_id: i32,
    /// Digits behind the point of its price.
    pub(super) scale: u32,
    pub(super) point: PricePoint,
}

impl Tick {
    pub(super) fn of(row: &Row) -> Self {
        let (Micros(at), price): (_, ScaledNumeric) = (row.get("ticked_at"), row.get("price"));
        let point = PricePoint { at, price: price.whole };
        Self { symbol_id: row.get("symbol_id"), scale: price.scale, point }
    }

    /// What the tick alone comes to.
    pub(super) fn totals(&self) -> TickTotals {
        TickTotals::of_scaled(self.point.at, self.point.price.clone(), self.scale)
    }
}

/// Whose prices are asked for, and what of them is not folded.
pub(super) struct Asked<'a> {
    /// These symbols; all where it is not said.
    pub(super) symbols: Option<&'a [i32]>,
    chosen: Option<HashSet<i32>>,
    changed: HashSet<SymbolUnit>,
}

impl<'a> Asked<'a> {
    /// Looks up what changed in a span of time, in microseconds since the Unix epoch, of these
    /// symbols or of all.
    pub(super) async fn of(
        session: &Snapshot,
        span: &Range<i64>,
        symbols: Option<&'a [i32]>,
    ) -> Result<Self, StoreError> {
        let units = unit_of(span.start)..unit_of(span.end - 1) + 1;
        let changed = changes_between(session, &units, symbols).await?;
        let chosen = symbols.map(|symbols| symbols.iter().copied().collect());
        Ok(Self { symbols, chosen, changed })
    }

    /// Whether the symbol is asked for.
    pub(super) fn wants(&self, symbol: i32) -> bool {
        self.chosen.as_ref().is_none_or(|chosen| chosen.contains(&symbol))
    }

    /// Whether the symbol is asked for, and cells say of the unit what its ticks do.
    pub(super) fn is_folded(&self, unit: i64, symbol: i32) -> bool {
        self.wants(symbol) && (self.changed.is_empty() || !self.changed.contains(&(unit, symbol)))
    }

    /// Units that changed.
    pub(super) fn changed_units(&self) -> BTreeSet<i64> {
        self.changed.iter().map(|(unit, _)| *unit).collect()
    }

    /// Symbols that are asked for and changed in a unit, ids ascending.
    pub(super) fn changed_in(&self, unit: i64) -> Vec<i32> {
        let of_unit = self.changed.iter().filter(|(of, symbol)| *of == unit && self.wants(*symbol));
        let mut symbols: Vec<i32> = of_unit.map(|(_, symbol)| *symbol).collect();
        symbols.sort_unstable();
        symbols
    }

    /// The ticks of what changed in these units, by unit; and days, counted from the Unix epoch,
    /// of which none was read.
    pub(super) async fn changed_ticks(
        &self,
        session: &Snapshot,
        units: &BTreeSet<i64>,
    ) -> Result<(HashMap<i64, Vec<Tick>>, BTreeSet<i64>), StoreError> {
        let rows = self.changed.iter().copied().filter(|(unit, _)| units.contains(unit));
        let rows: BTreeSet<SymbolUnit> = rows.collect();
        let mut by_unit: HashMap<i64, Vec<Tick>> = HashMap::new();
        for tick in ticks_of_units(session, &rows).await? {
            by_unit.entry(unit_of(tick.point.at)).or_default().push(tick);
        }
        let mut doubtful: BTreeSet<i64> = rows.iter().map(|(unit, _)| day_of_unit(*unit)).collect();
        for unit in by_unit.keys() {
            doubtful.remove(&day_of_unit(*unit));
        }
        Ok((by_unit, doubtful))
    }
}

/// Units of symbols, of all or of these, that changed and are not folded.
pub(super) async fn changes_between(
    reader: &impl Rows,
    units: &Range<i64>,
    symbols: Option<&[i32]>,
) -> Result<HashSet<SymbolUnit>, StoreError> {
    let statement = statement!("price_changes_between");
    let rows = reader.rows(statement, &[&units.start, &units.end, &symbols]).await?;
    Ok(rows.iter().map(|row| (row.get("unit_number"), row.get("symbol_id"))).collect())
}

/// Reads the ticks of all symbols.
pub(super) fn all_ticks() -> Statement {
    statement!("price_ticks")
}

/// The groups of these symbols; all where it is not said.
pub(super) fn groups_of(symbols: Option<&[i32]>) -> Option<Vec<i32>> {
    let groups: BTreeSet<i32> = symbols?.iter().copied().map(group_of).collect();
    Some(groups.into_iter().collect())
}

/// The ticks of symbols, of all or of these, in a span of time, in the order of time.
pub(super) async fn ticks_between(
    session: &Snapshot,
    range: &Range<i64>,
    symbols: Option<&[i32]>,
) -> Result<Vec<Tick>, StoreError> {
    let (start, end) = (Micros(range.start), Micros(range.end));
    let rows = match symbols {
        Some(symbols) => {
            let statement = statement!("price_ticks_of_symbols");
            session.rows_of_days(statement, &[&start, &end, &symbols]).await?
        }
        None => session.rows_of_days(all_ticks(), &[&start, &end]).await?,
    };
    Ok(rows.iter().map(Tick::of).collect())
}

/// The ticks in units of symbols, in the order of time for each symbol; the statement is asked
/// once for each day.
pub(super) async fn ticks_of_units(
    reader: &impl Rows,
    units: &BTreeSet<SymbolUnit>,
) -> Result<Vec<Tick>, StoreError> {
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
        let rows = reader.rows_of_days(statement, &[&numbers, &symbols, &start, &end]).await?;
        ticks.extend(rows.iter().map(Tick::of));
    }
    Ok(ticks)
}

/// A day, counted from the Unix epoch.
pub(super) fn date(day: i64) -> Option<NaiveDate> {
    Some(DateTime::from_timestamp_micros(day.checked_mul(MICROS_PER_DAY)?)?.date_naive())
}

/// Of these days those whose ticks are not at hand, earliest first.
pub(super) async fn days_lacking(
    reader: &impl Rows,
    days: &[NaiveDate],
) -> Result<Vec<NaiveDate>, StoreError> {
    if days.is_empty() {
        return Ok(Vec::new());
    }
    let rows = reader.rows(statement!("prices_days_lacking"), &[&days]).await?;
    Ok(rows.iter().map(|row| row.get("day")).collect())
}
