//! What the ticks of symbols come to in windows: cells of whole spans, and the ticks themselves
//! at the edges and where they are not folded yet.

use std::{
    collections::{BTreeSet, HashMap, HashSet, hash_map::Entry},
    ops::Range,
};

use futures_util::future::try_join_all;

use crate::{
    domain::price::{
        cell::visit,
        spans::{PriceSpan, cover, day_of_unit, group_of, take_apart, unit_of},
        totals::TickTotals,
    },
    store::{
        Snapshot, StoreError,
        instant::Micros,
        price_cells::{CellKey, SymbolUnit, tick, ticks_of_units},
        statement::statement,
    },
};

/// What ticks come to, by symbol.
pub type BySymbol = HashMap<i32, TickTotals>;

/// What ticks come to in windows.
#[derive(Debug, Default)]
pub struct PriceTotals {
    /// For each window, of symbols that have ticks in it.
    pub windows: Vec<BySymbol>,
    /// Days, counted from the Unix epoch, of which there should or could be ticks and none was
    /// read: theirs are all gone, or not at hand.
    pub doubtful_days: BTreeSet<i64>,
    /// Cells that were read.
    pub cells: usize,
    /// Ticks that were read.
    pub ticks: usize,
}

/// Begin and end of the part of a unit at the edge of a window.
type Edge = (i64, i64);

/// A window and what it is made of.
struct Plan {
    window: usize,
    /// What is added up, in the order of time.
    pieces: Vec<Piece>,
}

enum Piece {
    /// Ticks of all symbols.
    Ticks(Range<i64>),
    /// A cell of whole units.
    Cell(PriceSpan),
    /// A unit that changed: the cell for some symbols, ticks for those that are not folded.
    Changed(i64),
}

/// What the ticks of symbols, of all or of these, come to in windows (microseconds since the Unix
/// epoch), in one snapshot.
///
/// # Errors
/// If the database cannot answer, or a cell cannot be read.
pub async fn price_totals(
    session: &Snapshot,
    windows: &[Range<i64>],
    symbols: Option<&[i32]>,
) -> Result<PriceTotals, StoreError> {
    let mut found = PriceTotals::default();
    found.windows.resize_with(windows.len(), BySymbol::new);
    let Some(span) = windows.iter().cloned().reduce(|a, b| a.start.min(b.start)..a.end.max(b.end))
    else {
        return Ok(found);
    };
    let changed = changed_units(session, &span, symbols).await?;
    let units: BTreeSet<i64> = changed.iter().map(|(unit, _)| *unit).collect();
    let plans: Vec<Plan> =
        windows.iter().enumerate().map(|(place, window)| plan(place, window, &units)).collect();
    let chosen: Option<HashSet<i32>> = symbols.map(|symbols| symbols.iter().copied().collect());
    let wanted = |symbol: i32| chosen.as_ref().is_none_or(|chosen| chosen.contains(&symbol));
    let inner: BTreeSet<i64> = plans.iter().flat_map(Plan::changed_units).collect();
    let rows: BTreeSet<SymbolUnit> =
        changed.iter().copied().filter(|(unit, _)| inner.contains(unit)).collect();
    // Asked together: the database reads on while what has come is taken apart.
    let edges: BTreeSet<Edge> = plans.iter().flat_map(Plan::edges).collect();
    let edges = edges.iter().map(|&(start, end)| async move {
        Ok::<_, StoreError>(((start, end), ticks(session, &(start..end), symbols).await?))
    });
    let (edges, cells, of_changed) = tokio::try_join!(
        try_join_all(edges),
        Cells::read(session, &plans, symbols),
        ticks_of_units(session, &rows)
    )?;
    let edges: HashMap<Edge, Vec<(i32, TickTotals)>> = edges.into_iter().collect();
    found.cells = cells.count();
    let of_changed = by_unit(of_changed);
    found.doubtful_days.extend(rows.iter().map(|(unit, _)| day_of_unit(*unit)));
    let read: BTreeSet<i64> = of_changed.keys().map(|unit| day_of_unit(*unit)).collect();
    found.doubtful_days.retain(|day| !read.contains(day));
    for plan in plans {
        let totals = &mut found.windows[plan.window];
        for piece in plan.pieces {
            match piece {
                Piece::Ticks(range) => {
                    let of_edge = edges.get(&(range.start, range.end));
                    let ticks = of_edge.map(Vec::as_slice).unwrap_or_default();
                    found.ticks += ticks.len();
                    if ticks.is_empty() && is_expected(&range, &changed, &cells, wanted)? {
                        found.doubtful_days.insert(day_of_unit(unit_of(range.start)));
                    }
                    // Another window may have the same edge.
                    ticks.iter().for_each(|(symbol, tick)| add(totals, *symbol, tick.clone()));
                }
                Piece::Cell(span) => cells.add(span, wanted, totals)?,
                Piece::Changed(unit) => {
                    let is_folded = |symbol| wanted(symbol) && !changed.contains(&(unit, symbol));
                    cells.add(PriceSpan::of_unit(unit), is_folded, totals)?;
                    // Another window may have the same unit.
                    for (symbol, tick) in of_changed.get(&unit).into_iter().flatten() {
                        found.ticks += 1;
                        add(totals, *symbol, tick.clone());
                    }
                }
            }
        }
    }
    Ok(found)
}

/// What the ticks come to in a window, from the ticks alone; and how many they are.
///
/// # Errors
/// If the database cannot answer.
pub async fn price_totals_of_ticks(
    session: &Snapshot,
    window: &Range<i64>,
    symbols: Option<&[i32]>,
) -> Result<(BySymbol, usize), StoreError> {
    let mut totals = BySymbol::new();
    let ticks = ticks(session, window, symbols).await?;
    let count = ticks.len();
    ticks.into_iter().for_each(|(symbol, tick)| add(&mut totals, symbol, tick));
    Ok((totals, count))
}

fn add(totals: &mut BySymbol, symbol: i32, later: TickTotals) {
    match totals.entry(symbol) {
        Entry::Occupied(mut so_far) => so_far.get_mut().append(&later),
        Entry::Vacant(place) => drop(place.insert(later)),
    }
}

fn plan(place: usize, window: &Range<i64>, changed: &BTreeSet<i64>) -> Plan {
    let parts = take_apart(window);
    let inner = changed.range(parts.units.clone()).copied();
    let mut pieces: Vec<(i64, Piece)> = inner
        .map(|unit| (PriceSpan::of_unit(unit).start(), Piece::Changed(unit)))
        .chain(
            cover(parts.units, changed).into_iter().map(|span| (span.start(), Piece::Cell(span))),
        )
        .chain(
            [parts.head, parts.tail]
                .into_iter()
                .filter(|range| !range.is_empty())
                .map(|range| (range.start, Piece::Ticks(range))),
        )
        .collect();
    pieces.sort_by_key(|(start, _)| *start);
    Plan { window: place, pieces: pieces.into_iter().map(|(_, piece)| piece).collect() }
}

impl Plan {
    fn changed_units(&self) -> impl Iterator<Item = i64> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Changed(unit) => Some(*unit),
            Piece::Cell(_) | Piece::Ticks(_) => None,
        })
    }

    fn edges(&self) -> impl Iterator<Item = Edge> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Ticks(range) => Some((range.start, range.end)),
            Piece::Cell(_) | Piece::Changed(_) => None,
        })
    }

    /// Spans whose cells are needed: at the edges to know whether ticks are missing.
    fn spans(&self) -> impl Iterator<Item = PriceSpan> {
        self.pieces.iter().map(|piece| match piece {
            Piece::Ticks(range) => PriceSpan::of_instant(range.start),
            Piece::Cell(span) => *span,
            Piece::Changed(unit) => PriceSpan::of_unit(*unit),
        })
    }
}

/// Cells as they came; several groups of symbols for a span.
struct Cells(HashMap<PriceSpan, Vec<(i32, Vec<u8>)>>);

impl Cells {
    async fn read(
        session: &Snapshot,
        plans: &[Plan],
        symbols: Option<&[i32]>,
    ) -> Result<Self, StoreError> {
        let spans: BTreeSet<PriceSpan> = plans.iter().flat_map(Plan::spans).collect();
        let levels: Vec<i16> = spans.iter().map(|span| i16::from(span.level)).collect();
        let numbers: Vec<i64> = spans.iter().map(|span| span.number).collect();
        let groups: Option<Vec<i32>> = symbols.map(|symbols| {
            let groups: BTreeSet<i32> = symbols.iter().copied().map(group_of).collect();
            groups.into_iter().collect()
        });
        let statement = statement!("price_cells_of_spans");
        let rows = session.rows(statement, &[&levels, &numbers, &groups]).await?;
        let mut cells: HashMap<PriceSpan, Vec<(i32, Vec<u8>)>> = HashMap::new();
        for row in &rows {
            let CellKey { span, group } = CellKey::of(row);
            cells.entry(span).or_default().push((group, row.get("cell")));
        }
        Ok(Self(cells))
    }

    fn count(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    fn each(
        &self,
        span: PriceSpan,
        want: impl Fn(i32) -> bool,
        mut with: impl FnMut(i32, TickTotals),
    ) -> Result<(), StoreError> {
        for (group, bytes) in self.0.get(&span).into_iter().flatten() {
            visit(span.start(), bytes, &want, &mut with)
                .map_err(|_| CellKey { span, group: *group }.broken("price_cells_of_spans"))?;
        }
        Ok(())
    }

    fn add(
        &self,
        span: PriceSpan,
        want: impl Fn(i32) -> bool,
        totals: &mut BySymbol,
    ) -> Result<(), StoreError> {
        self.each(span, want, |symbol, of_span| add(totals, symbol, of_span))
    }
}

/// Whether there should or could be ticks in a part of a unit: some are noted as changed, or the
/// cell has some on either side of its begin and end.
fn is_expected(
    range: &Range<i64>,
    changed: &HashSet<SymbolUnit>,
    cells: &Cells,
    wanted: impl Fn(i32) -> bool,
) -> Result<bool, StoreError> {
    let unit = unit_of(range.start);
    if changed.iter().any(|(of, symbol)| *of == unit && wanted(*symbol)) {
        return Ok(true);
    }
    let mut is_expected = false;
    cells.each(PriceSpan::of_unit(unit), wanted, |_, totals| {
        is_expected |= totals.first.at < range.end && totals.last.at >= range.start;
    })?;
    Ok(is_expected)
}

async fn changed_units(
    session: &Snapshot,
    span: &Range<i64>,
    symbols: Option<&[i32]>,
) -> Result<HashSet<SymbolUnit>, StoreError> {
    let (first, end) = (unit_of(span.start), unit_of(span.end - 1) + 1);
    let statement = statement!("price_changes_between");
    let rows = session.rows(statement, &[&first, &end, &symbols]).await?;
    Ok(rows.iter().map(|row| (row.get("unit_number"), row.get("symbol_id"))).collect())
}

fn by_unit(ticks: Vec<(i32, TickTotals)>) -> HashMap<i64, Vec<(i32, TickTotals)>> {
    let mut units: HashMap<i64, Vec<_>> = HashMap::new();
    for (symbol, tick) in ticks {
        units.entry(unit_of(tick.first.at)).or_default().push((symbol, tick));
    }
    units
}

async fn ticks(
    session: &Snapshot,
    range: &Range<i64>,
    symbols: Option<&[i32]>,
) -> Result<Vec<(i32, TickTotals)>, StoreError> {
    let (start, end) = (Micros(range.start), Micros(range.end));
    let rows = match symbols {
        Some(symbols) => {
            let statement = statement!("price_ticks_of_symbols");
            session.rows(statement, &[&start, &end, &symbols]).await?
        }
        None => session.rows(statement!("price_ticks"), &[&start, &end]).await?,
    };
    Ok(rows.iter().map(tick).collect())
}
