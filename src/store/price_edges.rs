//! Ticks at the edges of windows, which begin or end inside of units: packed ones where the unit is
//! folded, and rows where it is not, or was by a release that packed none.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Range,
};

use futures_util::future::try_join_all;

use crate::{
    domain::price::{
        cell::visit,
        spans::{PriceSpan, day_of_unit, unit_of},
        unit_ticks,
    },
    store::{
        Snapshot, StoreError,
        price_briefs::{Briefs, Stored},
        price_cells::{Asked, Tick, ticks_between},
        price_plan::Edge,
    },
};

/// Most symbols whose rows are looked up one by one rather than with those of all others.
const SYMBOLS_MAX: usize = 64;

/// Ticks at the edges of windows.
#[derive(Default)]
pub(super) struct Edges {
    /// In the order of time for each symbol.
    ticks: HashMap<Edge, Vec<Tick>>,
    /// Days, counted from the Unix epoch, of which there should or could be ticks and none was
    /// read.
    pub(super) doubtful_days: BTreeSet<i64>,
}

impl Edges {
    /// Reads the ticks at these edges, with the briefs of the units that they lie in.
    pub(super) async fn read(
        session: &Snapshot,
        edges: &BTreeSet<Edge>,
        asked: &Asked<'_>,
        briefs: &Briefs,
    ) -> Result<Self, StoreError> {
        let read = edges.iter().map(|&edge| async move {
            Ok::<_, StoreError>((edge, read_edge(session, edge, asked, briefs).await?))
        });
        let mut all = Self::default();
        for (edge, (ticks, is_doubtful)) in try_join_all(read).await? {
            all.ticks.insert(edge, ticks);
            if is_doubtful {
                all.doubtful_days.insert(day_of_unit(unit_of(edge.0)));
            }
        }
        Ok(all)
    }

    /// The ticks at an edge.
    pub(super) fn ticks(&self, edge: Edge) -> &[Tick] {
        self.ticks.get(&edge).map(Vec::as_slice).unwrap_or_default()
    }
}

/// The ticks at an edge, and whether none was read where there should or could be some.
async fn read_edge(
    session: &Snapshot,
    (start, end): Edge,
    asked: &Asked<'_>,
    briefs: &Briefs,
) -> Result<(Vec<Tick>, bool), StoreError> {
    let unit = PriceSpan::of_instant(start);
    let changed = asked.changed_in(unit.number);
    if !briefs.are_all_there(unit) {
        let ticks = ticks_between(session, &(start..end), asked.symbols).await?;
        let is_doubtful =
            ticks.is_empty() && (!changed.is_empty() || is_expected(&(start..end), asked, briefs)?);
        return Ok((ticks, is_doubtful));
    }
    let mut ticks = Vec::new();
    let want = |symbol| asked.is_folded(unit.number, symbol);
    briefs.each(unit, |stored| match stored {
        Stored::Brief(bytes) => {
            unit_ticks::visit(unit.start(), bytes, want, |symbol_id, scale, point| {
                if (start..end).contains(&point.at) {
                    ticks.push(Tick { symbol_id, scale, point });
                }
            })
        }
        Stored::Cell(_) => Ok(()),
    })?;
    if changed.is_empty() {
        return Ok((ticks, false));
    }
    let few = (changed.len() <= SYMBOLS_MAX).then_some(&changed[..]);
    let mut rows = ticks_between(session, &(start..end), few.or(asked.symbols)).await?;
    rows.retain(|tick| changed.binary_search(&tick.symbol_id).is_ok());
    // Those that are not folded could be gone with their day.
    let is_doubtful = rows.is_empty();
    ticks.append(&mut rows);
    Ok((ticks, is_doubtful))
}

/// Whether there should be ticks in a part of a unit: those that are packed say so, or a cell has
/// some on either side of its begin and end.
fn is_expected(range: &Range<i64>, asked: &Asked<'_>, briefs: &Briefs) -> Result<bool, StoreError> {
    let unit = PriceSpan::of_instant(range.start);
    let want = |symbol| asked.wants(symbol);
    let mut is_expected = false;
    briefs.each(unit, |stored| match stored {
        Stored::Brief(bytes) => unit_ticks::visit(unit.start(), bytes, want, |_, _, tick| {
            is_expected |= range.contains(&tick.at);
        }),
        Stored::Cell(bytes) => visit(unit.start(), bytes, want, |_, totals| {
            is_expected |= totals.first.at < range.end && totals.last.at >= range.start;
        }),
    })?;
    Ok(is_expected)
}
