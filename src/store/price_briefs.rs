//! What the prices of symbols come to in a window, as far as questions about prices alone need it:
//! briefs of whole spans, and the ticks at the edges and where they are not folded yet. Less to
//! read than `price_totals`, which says all.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Range,
};

use futures_util::{TryStreamExt, stream::FuturesOrdered};
use tokio::sync::mpsc;
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
        price_cells::{Asked, CellKey, Tick, groups_of, span_of},
        price_edges::Edges,
        price_plan::{Piece, Plan},
        statement::statement,
    },
};

/// Pieces of a window that are asked for by one statement.
const PIECES_AT_ONCE: usize = 5;

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
    // nothing, or at an edge. What comes first is put together while the database reads on.
    let plan = Plan::of(0, window, &BTreeSet::new()).last_first();
    let spans = |pieces: &[Piece]| pieces.iter().copied().map(Piece::span).collect();
    let chunks = plan.pieces.chunks(PIECES_AT_ONCE);
    let mut coming: FuturesOrdered<_> =
        chunks.map(|pieces| Briefs::read(session, spans(pieces), symbols)).collect();
    let (arrived, arriving) = mpsc::unbounded_channel();
    // Rows that nobody takes hold up whatever is asked behind them on the connection: these are
    // taken as they come, whatever is waited for elsewhere.
    let take = async move {
        while let Some(more) = coming.try_next().await? {
            // Nobody waits for more behind an error, which ends both.
            _ = arrived.send(more);
        }
        Ok(())
    };
    let arriving = Arriving { arriving, briefs: Briefs::default() };
    let found = put_together(session, window, symbols, &plan, arriving);
    tokio::try_join!(found, take).map(|(found, ())| found)
}

/// What comes while the database reads on.
struct Arriving {
    arriving: mpsc::UnboundedReceiver<Briefs>,
    /// What is there.
    briefs: Briefs,
}

impl Arriving {
    /// Waits until a span is there that was asked for.
    async fn wait_for(&mut self, span: PriceSpan) {
        while !self.briefs.were_read(span)
            && let Some(more) = self.arriving.recv().await
        {
            self.briefs.extend(more);
        }
    }

    /// Waits until all is there.
    async fn wait_for_all(&mut self) {
        while let Some(more) = self.arriving.recv().await {
            self.briefs.extend(more);
        }
    }
}

/// Puts together what comes by a plan for a window in which nothing has changed, and what has.
async fn put_together(
    session: &Snapshot,
    window: &Range<i64>,
    symbols: Option<&[i32]>,
    plan: &Plan,
    mut arriving: Arriving,
) -> Result<PriceBriefs, StoreError> {
    let asked = Asked::of(session, window, symbols).await?;
    let changed = asked.changed_units();
    let mut found = PriceBriefs::default();
    let mut of_changed = HashMap::new();
    let with_changed;
    let plan = if changed.is_empty() {
        plan
    } else {
        with_changed = Plan::of(0, window, &changed).last_first();
        &with_changed
    };
    let inner: BTreeSet<i64> = plan.changed_units().collect();
    if !inner.is_empty() {
        arriving.wait_for_all().await;
        let is_missing = |span: &PriceSpan| !arriving.briefs.were_read(*span);
        let (more, (ticks, doubtful_days)) = tokio::try_join!(
            Briefs::read(session, plan.cells().filter(is_missing).collect(), symbols),
            asked.changed_ticks(session, &inner)
        )?;
        arriving.briefs.extend(more);
        (of_changed, found.doubtful_days) = (ticks, doubtful_days);
    }
    let symbols = &mut found.symbols;
    for &piece in &plan.pieces {
        arriving.wait_for(piece.span()).await;
        let briefs = &arriving.briefs;
        match piece {
            Piece::Ticks(edge) => {
                let at_edge = Edges::read(session, &BTreeSet::from([edge]), &asked, briefs).await?;
                found.doubtful_days.extend(&at_edge.doubtful_days);
                add_ticks(at_edge.ticks(edge), symbols);
            }
            Piece::Cell(span) => briefs.add(span, |symbol| asked.wants(symbol), symbols)?,
            Piece::Changed(unit) => {
                let is_folded = |symbol| asked.is_folded(unit, symbol);
                briefs.add(PriceSpan::of_unit(unit), is_folded, symbols)?;
                let ticks = of_changed.get(&unit).map(Vec::as_slice).unwrap_or_default();
                add_ticks(ticks, symbols);
            }
        }
    }
    Ok(found)
}

fn add_ticks(ticks: &[Tick], symbols: &mut SymbolBriefs) {
    for Tick { symbol_id, scale, point } in ticks {
        symbols.add_tick(*symbol_id, *scale, point.clone());
    }
}

/// Briefs as they came, or cells where there are none.
#[derive(Default)]
pub(super) struct Briefs {
    /// One row a span that has groups of symbols.
    rows: HashMap<PriceSpan, Row>,
    /// The spans that were asked for.
    spans: BTreeSet<PriceSpan>,
}

impl Briefs {
    pub(super) async fn read(
        session: &Snapshot,
        spans: BTreeSet<PriceSpan>,
        symbols: Option<&[i32]>,
    ) -> Result<Self, StoreError> {
        let mut briefs = Self { spans, ..Self::default() };
        if briefs.spans.is_empty() {
            return Ok(briefs);
        }
        let spans = &briefs.spans;
        let levels: Vec<i16> = spans.iter().map(|span| i16::from(span.level)).collect();
        let numbers: Vec<i64> = spans.iter().map(|span| span.number).collect();
        let rows = match groups_of(symbols) {
            Some(groups) => {
                let statement = statement!("price_briefs_of_groups");
                session.rows(statement, &[&levels, &numbers, &groups]).await?
            }
            None => session.rows(statement!("price_briefs_of_spans"), &[&levels, &numbers]).await?,
        };
        briefs.rows = rows.into_iter().map(|row| (span_of(&row), row)).collect();
        Ok(briefs)
    }

    /// Takes those of other spans in.
    fn extend(&mut self, more: Self) {
        self.rows.extend(more.rows);
        self.spans.extend(more.spans);
    }

    fn were_read(&self, span: PriceSpan) -> bool {
        self.spans.contains(&span)
    }

    /// Whether there are briefs wherever there are cells of a span.
    pub(super) fn are_all_there(&self, span: PriceSpan) -> bool {
        let Some(row) = self.rows.get(&span) else { return true };
        let briefs: Vec<Option<&[u8]>> = row.get("briefs");
        briefs.iter().all(Option::is_some)
    }

    /// Shows the bytes of each group of a span.
    pub(super) fn each(
        &self,
        span: PriceSpan,
        mut with: impl FnMut(Stored<'_>) -> Result<(), BrokenCell>,
    ) -> Result<(), StoreError> {
        let Some(row) = self.rows.get(&span) else { return Ok(()) };
        let groups: Vec<i32> = row.get("symbol_groups");
        let briefs: Vec<Option<&[u8]>> = row.get("briefs");
        let cells: Vec<Option<&[u8]>> = row.get("cells");
        for ((group, brief), cell) in groups.into_iter().zip(briefs).zip(cells) {
            let stored = match brief {
                Some(brief) => Stored::Brief(brief),
                None => Stored::Cell(cell.unwrap_or_default()),
            };
            with(stored).map_err(|_| CellKey { span, group }.broken("price_briefs_of_spans"))?;
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
                    symbols.add_tick(symbol, scale, tick);
                })
            }
            Stored::Brief(bytes) => brief_cell::visit(start, bytes, &want, |symbol, brief| {
                symbols.merge_stored(symbol, brief);
            }),
            Stored::Cell(bytes) => visit(start, bytes, &want, |symbol, totals| {
                symbols.merge(symbol, PriceBrief::of_totals(&totals));
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
