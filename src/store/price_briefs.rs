//! What the prices of symbols come to in a window, as far as questions about prices alone need it:
//! briefs of whole spans, and the ticks at the edges and where they are not folded yet. Less to
//! read than `price_totals`, which says all.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Range,
};

use tokio_postgres::Row;

use crate::{
    domain::{
        price::{
            brief::{PriceBrief, SymbolBriefs},
            brief_cell,
            cell::visit,
            spans::PriceSpan,
            unit_ticks,
        },
        running_total::cell::BrokenCell,
    },
    store::{
        Snapshot, StoreError,
        price_cells::{Asked, CellKey, Tick, groups_of},
        price_edges::Edges,
        price_plan::{Edge, Piece, Plan},
        statement::statement,
    },
};

/// What prices come to in a window.
#[derive(Debug, Default)]
pub struct PriceBriefs {
    /// Of symbols that have ticks in it.
    pub symbols: SymbolBriefs,
    /// Days, counted from the Unix epoch, of which there should or could be ticks and none was
    /// read: theirs are all gone, or not at hand.
    pub doubtful_days: BTreeSet<i64>,
}

/// What the prices of symbols, of all or of these, come to in a window (microseconds since the
/// Unix epoch), in one snapshot.
///
/// # Errors
/// If the database cannot answer, or a brief or a cell cannot be read.
pub async fn price_briefs(
    session: &Snapshot,
    window: &Range<i64>,
    symbols: Option<&[i32]>,
) -> Result<PriceBriefs, StoreError> {
    // What is needed if nothing has changed is asked for together with what has: mostly that is
    // nothing, or at an edge.
    let plan = Plan::of(0, window, &BTreeSet::new());
    let spans: BTreeSet<PriceSpan> = plan.cells().chain(plan.edge_units()).collect();
    let (asked, mut briefs) = tokio::try_join!(
        Asked::of(session, window, symbols),
        Briefs::read(session, spans.clone(), symbols)
    )?;
    let plan = Plan::of(0, window, &asked.changed_units());
    let inner: BTreeSet<i64> = plan.changed_units().collect();
    let more = plan.cells().filter(|span| !spans.contains(span)).collect();
    let (more, (of_changed, mut doubtful_days)) = tokio::try_join!(
        Briefs::read(session, more, symbols),
        asked.changed_ticks(session, &inner)
    )?;
    briefs.0.extend(more.0);
    let edges: BTreeSet<Edge> = plan.edges().collect();
    let edges = Edges::read(session, &edges, &asked, &briefs).await?;
    doubtful_days.extend(&edges.doubtful_days);
    let mut symbols = SymbolBriefs::default();
    let add = |symbols: &mut SymbolBriefs, ticks: &[Tick]| {
        for Tick { symbol_id, scale, point } in ticks {
            symbols.append_tick(*symbol_id, *scale, point.clone());
        }
    };
    for piece in plan.pieces {
        match piece {
            Piece::Ticks(edge) => add(&mut symbols, edges.ticks(edge)),
            Piece::Cell(span) => briefs.add(span, |symbol| asked.wants(symbol), &mut symbols)?,
            Piece::Changed(unit) => {
                let is_folded = |symbol| asked.is_folded(unit, symbol);
                briefs.add(PriceSpan::of_unit(unit), is_folded, &mut symbols)?;
                let ticks = of_changed.get(&unit).map(Vec::as_slice).unwrap_or_default();
                add(&mut symbols, ticks);
            }
        }
    }
    Ok(PriceBriefs { symbols, doubtful_days })
}

/// Briefs as they came, or cells where there are none; several groups of symbols for a span.
pub(super) struct Briefs(HashMap<PriceSpan, Vec<Row>>);

impl Briefs {
    pub(super) async fn read(
        session: &Snapshot,
        spans: BTreeSet<PriceSpan>,
        symbols: Option<&[i32]>,
    ) -> Result<Self, StoreError> {
        let mut briefs: HashMap<PriceSpan, Vec<Row>> = HashMap::new();
        if spans.is_empty() {
            return Ok(Self(briefs));
        }
        let levels: Vec<i16> = spans.iter().map(|span| i16::from(span.level)).collect();
        let numbers: Vec<i64> = spans.iter().map(|span| span.number).collect();
        let statement = statement!("price_briefs_of_spans");
        let rows = session.rows(statement, &[&levels, &numbers, &groups_of(symbols)]).await?;
        for row in rows {
            briefs.entry(CellKey::of(&row).span).or_default().push(row);
        }
        Ok(Self(briefs))
    }

    /// Whether there are briefs wherever there are cells of a span.
    pub(super) fn are_all_there(&self, span: PriceSpan) -> bool {
        let mut rows = self.0.get(&span).into_iter().flatten();
        rows.all(|row| row.get::<_, Option<&[u8]>>("brief").is_some())
    }

    /// Shows the bytes of each group of a span.
    pub(super) fn each(
        &self,
        span: PriceSpan,
        mut with: impl FnMut(Stored<'_>) -> Result<(), BrokenCell>,
    ) -> Result<(), StoreError> {
        for row in self.0.get(&span).into_iter().flatten() {
            let stored = match row.get("brief") {
                Some(brief) => Stored::Brief(brief),
                None => Stored::Cell(row.get("cell")),
            };
            with(stored).map_err(|_| CellKey::of(row).broken("price_briefs_of_spans"))?;
        }
        Ok(())
    }

    fn add(
        &self,
        span: PriceSpan,
        want: impl Fn(i32) -> bool,
        symbols: &mut SymbolBriefs,
    ) -> Result<(), StoreError> {
        let start = span.start();
        self.each(span, |stored| match stored {
            Stored::Brief(bytes) if span.level == 0 => {
                unit_ticks::visit(start, bytes, &want, |symbol, scale, tick| {
                    symbols.append_tick(symbol, scale, tick);
                })
            }
            Stored::Brief(bytes) => brief_cell::visit(start, bytes, &want, |symbol, brief| {
                symbols.append(symbol, brief);
            }),
            Stored::Cell(bytes) => visit(start, bytes, &want, |symbol, totals| {
                symbols.append(symbol, PriceBrief::of_totals(&totals));
            }),
        })
    }
}

/// What is stored of a group of symbols.
pub(super) enum Stored<'a> {
    /// A brief: in a unit its ticks.
    Brief(&'a [u8]),
    /// A cell that has no brief.
    Cell(&'a [u8]),
}
