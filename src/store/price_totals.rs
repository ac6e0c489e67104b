//! What the ticks of symbols come to in windows: cells of whole spans, and the ticks themselves
//! at the edges and where they are not folded yet.

use std::{
    collections::{BTreeSet, HashMap, hash_map::Entry},
    ops::Range,
};

use tokio_postgres::Row;

use crate::{
    domain::price::{cell::visit, spans::PriceSpan, totals::TickTotals},
    store::{
        Snapshot, StoreError,
        price_briefs::Briefs,
        price_cells::{Asked, CellKey, groups_of, ticks_between},
        price_edges::Edges,
        price_plan::{Edge, Piece, Plan},
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
    let asked = Asked::of(session, &span, symbols).await?;
    let units = asked.changed_units();
    let plans: Vec<Plan> = windows
        .iter()
        .enumerate()
        .map(|(number, window)| Plan::of(number, window, &units))
        .collect();
    let inner: BTreeSet<i64> = plans.iter().flat_map(Plan::changed_units).collect();
    // Asked together: the database reads on while what has come is taken apart.
    let (cells, briefs, (of_changed, doubtful_days)) = tokio::try_join!(
        Cells::read(session, plans.iter().flat_map(Plan::cells).collect(), symbols),
        Briefs::read(session, plans.iter().flat_map(Plan::edge_units).collect(), symbols),
        asked.changed_ticks(session, &inner)
    )?;
    let edges: BTreeSet<Edge> = plans.iter().flat_map(Plan::edges).collect();
    let edges = Edges::read(session, &edges, &asked, &briefs).await?;
    found.doubtful_days = doubtful_days;
    found.doubtful_days.extend(&edges.doubtful_days);
    for plan in plans {
        let totals = &mut found.windows[plan.window];
        for piece in plan.pieces {
            match piece {
                Piece::Ticks(edge) => {
                    edges
                        .ticks(edge)
                        .iter()
                        .for_each(|tick| add(totals, tick.symbol_id, tick.totals()));
                }
                Piece::Cell(span) => cells.add(span, |symbol| asked.wants(symbol), totals)?,
                Piece::Changed(unit) => {
                    let is_folded = |symbol| asked.is_folded(unit, symbol);
                    cells.add(PriceSpan::of_unit(unit), is_folded, totals)?;
                    for tick in of_changed.get(&unit).into_iter().flatten() {
                        add(totals, tick.symbol_id, tick.totals());
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
    let ticks = ticks_between(session, window, symbols).await?;
    ticks.iter().for_each(|tick| add(&mut totals, tick.symbol_id, tick.totals()));
    Ok((totals, ticks.len()))
}

fn add(totals: &mut BySymbol, symbol: i32, later: TickTotals) {
    match totals.entry(symbol) {
        Entry::Occupied(mut so_far) => so_far.get_mut().append(&later),
        Entry::Vacant(place) => drop(place.insert(later)),
    }
}

/// Cells as they came; several groups of symbols for a span.
struct Cells(HashMap<PriceSpan, Vec<Row>>);

impl Cells {
    async fn read(
        session: &Snapshot,
        spans: BTreeSet<PriceSpan>,
        symbols: Option<&[i32]>,
    ) -> Result<Self, StoreError> {
        let levels: Vec<i16> = spans.iter().map(|span| i16::from(span.level)).collect();
        let numbers: Vec<i64> = spans.iter().map(|span| span.number).collect();
        let rows = match groups_of(symbols) {
            Some(groups) => {
                let statement = statement!("price_cells_of_groups");
                session.rows(statement, &[&levels, &numbers, &groups]).await?
            }
            None => session.rows(statement!("price_cells_of_spans"), &[&levels, &numbers]).await?,
        };
        let mut cells: HashMap<PriceSpan, Vec<Row>> = HashMap::new();
        for row in rows {
            cells.entry(CellKey::of(&row).span).or_default().push(row);
        }
        Ok(Self(cells))
    }

    fn add(
        &self,
        span: PriceSpan,
        want: impl Fn(i32) -> bool,
        totals: &mut BySymbol,
    ) -> Result<(), StoreError> {
        for row in self.0.get(&span).into_iter().flatten() {
            let bytes = row.get("cell");
            visit(span.start(), bytes, &want, |symbol, of_span| add(totals, symbol, of_span))
                .map_err(|_| CellKey::of(row).broken("price_cells_of_spans"))?;
        }
        Ok(())
    }
}
