//! What windows of prices are made of: parts of units at their edges, cells of whole spans, and
//! units that changed since they were folded. Pure.

use std::{collections::BTreeSet, ops::Range};

use crate::domain::price::spans::{PriceSpan, cover, take_apart};

/// Begin and end of the part of a unit at the edge of a window, in microseconds since the Unix
/// epoch.
pub(super) type Edge = (i64, i64);

/// A window and what it is made of.
pub(super) struct Plan {
    pub(super) window: usize,
    /// What is added up, in the order of time.
    pub(super) pieces: Vec<Piece>,
}

/// A piece of a window.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Piece {
    /// Ticks of all symbols.
    Ticks(Edge),
    /// A cell of whole units.
    Cell(PriceSpan),
    /// A unit that changed: the cell for some symbols, ticks for those that are not folded.
    Changed(i64),
}

impl Piece {
    /// The span whose cell is needed, or, at an edge, that of the unit.
    pub(super) fn span(self) -> PriceSpan {
        match self {
            Self::Ticks((start, _)) => PriceSpan::of_instant(start),
            Self::Cell(span) => span,
            Self::Changed(unit) => PriceSpan::of_unit(unit),
        }
    }
}

impl Plan {
    /// What the window with this number is made of, where these units have changed.
    pub(super) fn of(number: usize, window: &Range<i64>, changed: &BTreeSet<i64>) -> Self {
        let parts = take_apart(window);
        let inner = changed.range(parts.units.clone()).copied();
        let mut pieces: Vec<(i64, Piece)> = inner
            .map(|unit| (PriceSpan::of_unit(unit).start(), Piece::Changed(unit)))
            .chain(
                cover(parts.units, changed)
                    .into_iter()
                    .map(|span| (span.start(), Piece::Cell(span))),
            )
            .chain(
                [parts.head, parts.tail]
                    .into_iter()
                    .filter(|range| !range.is_empty())
                    .map(|range| (range.start, Piece::Ticks((range.start, range.end)))),
            )
            .collect();
        pieces.sort_by_key(|(start, _)| *start);
        Self { window: number, pieces: pieces.into_iter().map(|(_, piece)| piece).collect() }
    }

    /// The last piece before all others: last ticks of those between have not to be read then.
    pub(super) fn last_first(mut self) -> Self {
        let further = 1.min(self.pieces.len());
        self.pieces.rotate_right(further);
        self
    }

    /// Units of which ticks are needed because they changed.
    pub(super) fn changed_units(&self) -> impl Iterator<Item = i64> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Changed(unit) => Some(*unit),
            Piece::Cell(_) | Piece::Ticks(_) => None,
        })
    }

    /// The edges of the window.
    pub(super) fn edges(&self) -> impl Iterator<Item = Edge> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Ticks(edge) => Some(*edge),
            Piece::Cell(_) | Piece::Changed(_) => None,
        })
    }

    /// The units that the edges of the window lie in.
    pub(super) fn edge_units(&self) -> impl Iterator<Item = PriceSpan> {
        self.edges().map(|(start, _)| PriceSpan::of_instant(start))
    }

    /// Spans whose cells are needed.
    pub(super) fn cells(&self) -> impl Iterator<Item = PriceSpan> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Cell(span) => Some(*span),
            Piece::Changed(unit) => Some(PriceSpan::of_unit(*unit)),
            Piece::Ticks(_) => None,
        })
    }
}
