//! What an audit and the verifier read of prices: stored cells, and what they must come from, in
//! one snapshot.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    pin::pin,
};

use chrono::NaiveDate;
use futures_util::{Stream, TryStreamExt};
use tokio_postgres::{Client, Row, types::ToSql};

use crate::{
    domain::{
        price::{
            audit::{
                Found, PriceFinding, StoredCell, compare_cell, compare_span, compare_unit,
                look_at_unit,
            },
            spans::{LEVELS, PriceSpan, UNITS_PER_DAY, day_of_unit, group_of, symbols_of, unit_of},
            unit_ticks::SymbolTicks,
        },
        running_total::day_cells::day_of,
    },
    store::{
        Snapshot, StoreError,
        audit::{MissingReference, missing_references_of},
        instant::Micros,
        price_cells::{
            CellKey, Rows, Tick, all_ticks, changes_between, date, days_lacking, ticks_between,
        },
        price_totals::price_totals_of_ticks,
        rewrite_prices::read_cells,
        statement::{Statement, statement},
    },
};

/// Cells of units that are compared at a time, about: bounds the memory.
const PIECE_CELLS: i64 = 720;

/// Highest level of a cell that the verifier holds against the ticks: bounds what it reads. Cells
/// above are held against those below.
const TICKS_LEVEL_MAX: u8 = 2;

/// A cell of prices that does not agree.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct WrongCell {
    /// Which.
    pub key: CellKey,
    /// What is wrong with it.
    pub finding: PriceFinding,
    /// Whether it can be built anew: what it comes from is at hand.
    pub is_repairable: bool,
}

impl WrongCell {
    fn of(key: CellKey, (finding, is_repairable): Found) -> Self {
        Self { key, finding, is_repairable }
    }
}

/// The ticks of the symbols of groups in a unit.
type ByGroup = BTreeMap<i32, BTreeMap<i32, SymbolTicks>>;

/// Days (counted from the Unix epoch) of which there are ticks or cells, ascending.
///
/// # Errors
/// If the database cannot answer.
pub async fn days(client: &Client) -> Result<Vec<i64>, StoreError> {
    let rows = statement!("audit_price_days").query(client, &[]).await?;
    Ok(rows.iter().map(|row| row.get("day")).collect())
}

/// Holds the units of a day (counted from the Unix epoch) against its ticks; where they are not at
/// hand, against themselves.
///
/// # Errors
/// If the database cannot answer.
pub async fn compare_day(client: &Client, day: i64) -> Result<Vec<WrongCell>, StoreError> {
    let units = day * UNITS_PER_DAY..(day + 1) * UNITS_PER_DAY;
    let are_at_hand = absent_among(client, &[day]).await?.is_empty();
    let mut found = Vec::new();
    let (end, length) = (units.end, piece_units(client, &units).await?);
    for first in units.step_by(length) {
        let piece = first..end.min(first.saturating_add_unsigned(length as u64));
        if are_at_hand {
            found.extend(compare_units(client, piece).await?);
            continue;
        }
        for row in cells(client, &piece, None).await? {
            let key = CellKey::of(&row);
            let looked = look_at_unit(key.span, stored(&row));
            found.extend(looked.into_iter().map(|found| WrongCell::of(key, found)));
        }
    }
    Ok(found)
}

/// How many units of a day have as many cells as are compared at a time.
async fn piece_units(client: &Client, units: &Range<i64>) -> Result<usize, StoreError> {
    let statement = statement!("audit_price_cell_count");
    let rows = statement.query(client, &[&units.start, &units.end]).await?;
    let cells = rows.first().map_or(0, |row| row.get::<_, i64>("cell_count"));
    let length = (UNITS_PER_DAY * PIECE_CELLS / cells.max(1)).clamp(1, UNITS_PER_DAY);
    Ok(usize::try_from(length).unwrap_or(1))
}

/// Symbols that ticks of a day (counted from the Unix epoch) name and that are not there.
///
/// # Errors
/// If the database cannot answer.
pub async fn missing_symbols(
    client: &Client,
    day: i64,
) -> Result<Vec<MissingReference>, StoreError> {
    missing_references_of(client, statement!("audit_price_references"), &(day..day + 1)).await
}

/// Holds some units of a day against their ticks, which are read as they come.
async fn compare_units(client: &Client, units: Range<i64>) -> Result<Vec<WrongCell>, StoreError> {
    let changed = changes_between(client, &units, None).await?;
    let mut stored: BTreeMap<i64, BTreeMap<i32, Row>> = BTreeMap::new();
    for row in cells(client, &units, None).await? {
        let key = CellKey::of(&row);
        stored.entry(key.span.number).or_default().insert(key.group, row);
    }
    let mut found = Vec::new();
    let mut compare = |unit, ticks: &ByGroup| {
        let cells = stored.remove(&unit).unwrap_or_default();
        let groups: BTreeSet<i32> = cells.keys().chain(ticks.keys()).copied().collect();
        let (none, is_noted) = (BTreeMap::new(), |symbol| changed.contains(&(unit, symbol)));
        for group in groups {
            let key = CellKey { span: PriceSpan::of_unit(unit), group };
            let (cell, ticks) = (cells.get(&group), ticks.get(&group).unwrap_or(&none));
            let findings = compare_unit(key.span, cell.map(self::stored), ticks, is_noted);
            found.extend(findings.into_iter().map(|found| WrongCell::of(key, (found, true))));
        }
    };
    let instants = [units.start, units.end].map(|unit| Micros(PriceSpan::of_unit(unit).start()));
    let params: [&(dyn ToSql + Sync); 2] = [&instants[0], &instants[1]];
    let mut rows = pin!(stream(client, all_ticks(), &params).await?);
    let (mut current, mut ticks) = (units.start, ByGroup::new());
    while let Some(row) = rows.try_next().await? {
        let Tick { symbol_id, scale, point } = Tick::of(&row);
        let unit = unit_of(point.at);
        for over in current..unit {
            compare(over, &std::mem::take(&mut ticks));
        }
        current = unit;
        let of_group = ticks.entry(group_of(symbol_id)).or_default();
        of_group.entry(symbol_id).or_default().push(scale, point);
    }
    for over in current..units.end {
        compare(over, &std::mem::take(&mut ticks));
    }
    Ok(found)
}

/// Holds the cells of spans that begin on some days (counted from the Unix epoch, the last one
/// outside) against those below them, and the briefs of all against their cells.
///
/// # Errors
/// If the database cannot answer.
pub async fn compare_spans(
    client: &Client,
    days_of_starts: &Range<i64>,
) -> Result<Vec<WrongCell>, StoreError> {
    let absent = absent_among(client, &days(client).await?).await?;
    let mut found = Vec::new();
    for level in 1..LEVELS {
        let [start, end] = [days_of_starts.start, days_of_starts.end].map(|day| {
            let length = PriceSpan { level, number: 0 }.units().end;
            -(-day * UNITS_PER_DAY).div_euclid(length)
        });
        let level = i16::from(level);
        let params: [&(dyn ToSql + Sync); 4] = [&level, &start, &end, &None::<i32>];
        let mut rows = pin!(stream(client, spans(), &params).await?);
        while let Some(row) = rows.try_next().await? {
            found.extend(compare_row(&row, &absent));
        }
    }
    Ok(found)
}

/// What is wrong with a cell above units.
fn compare_row(row: &Row, absent: &BTreeSet<i64>) -> Vec<WrongCell> {
    let key = CellKey::of(row);
    let is_there = row.get::<_, Option<&[u8]>>("cell").is_some();
    let (numbers, cells): (Vec<i64>, Vec<&[u8]>) = (row.get("numbers"), row.get("cells"));
    let level = key.span.level - 1;
    let spans = numbers.into_iter().map(|number| PriceSpan { level, number });
    let below: Vec<_> = spans.zip(cells).collect();
    let days = day_of(key.span.start())..=day_of(key.span.end() - 1);
    let are_at_hand = absent.range(days).next().is_none();
    let found = compare_span(key.span, is_there.then(|| stored(row)), &below, are_at_hand);
    found.into_iter().map(|found| WrongCell::of(key, found)).collect()
}

/// A cell that was drawn, and whether it agrees.
#[derive(Clone, Copy, Debug)]
pub struct CheckedCell {
    /// Which.
    pub key: CellKey,
    /// Whether it agrees with the ticks, or with the cells below it.
    pub agrees: bool,
}

/// Draws a cell of prices and holds it against the ticks, or, where it is of a long span, against
/// the cells below it. `None` where there is none, or by chance.
///
/// # Errors
/// If the database cannot answer.
pub async fn check_one(session: &Snapshot) -> Result<Option<CheckedCell>, StoreError> {
    let rows = session.rows(statement!("verifier_pick_price"), &[]).await?;
    let Some(key) = rows.first().map(CellKey::of) else { return Ok(None) };
    let (span, group) = (key.span, key.group);
    if span.level > TICKS_LEVEL_MAX {
        return Ok(Some(CheckedCell { key, agrees: agrees_with_below(session, key).await? }));
    }
    let days: BTreeSet<i64> = span.units().map(day_of_unit).collect();
    let days: Vec<i64> = days.into_iter().collect();
    if !absent_among(session, &days).await?.is_empty() {
        return Ok(None);
    }
    let symbols: Vec<i32> = symbols_of(group).collect();
    let changed = changes_between(session, &span.units(), Some(&symbols)).await?;
    let range = span.start()..span.end();
    if span.level > 0 {
        let cells = read_cells(session, &[key], false).await?;
        let (mut ticks, _) = price_totals_of_ticks(session, &range, Some(&symbols)).await?;
        let is_noted = |symbol| changed.iter().any(|(_, of)| *of == symbol);
        ticks.retain(|symbol, _| !is_noted(*symbol));
        let cell = cells.get(&key).map(|row| row.get("cell"));
        let agrees = compare_cell(span, cell, &ticks.into_iter().collect(), is_noted)
            && agrees_with_below(session, key).await?;
        return Ok(Some(CheckedCell { key, agrees }));
    }
    let rows = cells(session, &span.units(), Some(group)).await?;
    let mut ticks: BTreeMap<i32, SymbolTicks> = BTreeMap::new();
    for Tick { symbol_id, scale, point } in ticks_between(session, &range, Some(&symbols)).await? {
        ticks.entry(symbol_id).or_default().push(scale, point);
    }
    let is_noted = |symbol| changed.contains(&(span.number, symbol));
    let found = compare_unit(span, rows.first().map(stored), &ticks, is_noted);
    Ok(Some(CheckedCell { key, agrees: found.is_empty() }))
}

async fn agrees_with_below(session: &Snapshot, key: CellKey) -> Result<bool, StoreError> {
    let (level, number) = (i16::from(key.span.level), key.span.number);
    let params: [&(dyn ToSql + Sync); 4] = [&level, &number, &(number + 1), &Some(key.group)];
    let rows = session.rows(spans(), &params).await?;
    Ok(rows.iter().all(|row| compare_row(row, &BTreeSet::new()).is_empty()))
}

/// Reads cells above units with those below them.
fn spans() -> Statement {
    statement!("audit_price_spans")
}

fn stored(row: &Row) -> StoredCell<'_> {
    StoredCell { cell: row.get("cell"), brief: row.get("brief") }
}

/// Cells of units, of all groups of symbols or of one.
async fn cells(
    reader: &impl Rows,
    units: &Range<i64>,
    group: Option<i32>,
) -> Result<Vec<Row>, StoreError> {
    reader.rows(statement!("audit_price_cells"), &[&units.start, &units.end, &group]).await
}

/// Of these days (counted from the Unix epoch) those whose ticks are not at hand.
async fn absent_among(reader: &impl Rows, days: &[i64]) -> Result<BTreeSet<i64>, StoreError> {
    let days: Vec<NaiveDate> = days.iter().filter_map(|&day| date(day)).collect();
    let lacking = days_lacking(reader, &days).await?;
    let day = |date: &NaiveDate| i64::from(date.to_epoch_days());
    Ok(lacking.iter().map(day).collect())
}

/// Rows as they are taken: the connection answers nothing else before the last of them.
async fn stream(
    client: &Client,
    statement: Statement,
    params: &[&(dyn ToSql + Sync)],
) -> Result<impl Stream<Item = Result<Row, StoreError>>, StoreError> {
    let failed = move |source| StoreError::from_postgres(statement.stem, source);
    let rows = client.query_raw(statement.text, params.iter().copied()).await.map_err(failed)?;
    Ok(rows.map_err(failed))
}
