//! Which instants next to a point in time have rows, from the leaves of some series and the
//! corrections behind them: what a page of rows is fetched by, so that days without rows are
//! never opened.
//!
//! The search asks for more of exactly those series that could still have rows before the
//! page's end, twice as much each time. It is told what came and decides nothing about how it
//! is fetched.

use std::collections::BTreeMap;

use super::{
    cell::{BrokenCell, visit},
    rows::{SeriesKey, direction_number},
    tree::LEAF_PARTS_MAX,
};
use crate::domain::direction::Direction;

/// Most cells that the first round asks for, over all series.
const FIRST_CELLS_MAX: usize = 64;

/// Corrected instants that the first round asks for in each series.
const FIRST_CORRECTIONS: usize = 64;

/// Which end of time comes first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TimeOrder {
    /// The latest instants.
    NewestFirst,
    /// The earliest instants.
    OldestFirst,
}

impl TimeOrder {
    /// Turns instants into steps, which ascend the way the search goes, and back.
    fn turn(self, instant: i64) -> i64 {
        match self {
            // Like a minus sign, and no number is without its opposite.
            Self::NewestFirst => !instant,
            Self::OldestFirst => instant,
        }
    }
}

/// Which instants a search is about. Microseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SearchSpan {
    /// Which end comes first.
    pub order: TimeOrder,
    /// First instant, inside.
    pub earliest: i64,
    /// Last instant, inside.
    pub latest: i64,
    /// An instant whose rows may be on earlier pages, all or some of them: it is found, and
    /// counts for none.
    pub resumed_at: Option<i64>,
}

/// What to read next of one series.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ask {
    /// Which series, by its place among those of the search.
    pub place: usize,
    /// Which series.
    pub key: SeriesKey,
    /// Where to go on reading: see [`Fetch`].
    pub from: i64,
}

/// What to read next.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Fetch {
    /// Series whose leaves are read, in the order of the search. Newest first: those that
    /// begin at `from` or before it. Oldest first: those that begin after `from`, and, where
    /// `covers_from` is set, before them the one that `from` lies in.
    pub cells: Vec<Ask>,
    /// Most leaves of each of them.
    pub cells_max: usize,
    /// Whether the leaf that `from` lies in is wanted too, oldest first.
    pub covers_from: bool,
    /// Series whose corrections are read, added up by instant, in the order of the search,
    /// from the instant `from` on, inside.
    pub corrections: Vec<Ask>,
    /// Most instants of each of them.
    pub corrections_max: usize,
}

/// A leaf that was read.
#[derive(Clone, Copy, Debug)]
pub struct FetchedCell<'a> {
    /// Place of its series.
    pub place: usize,
    /// Where it begins.
    pub start: i64,
    /// Its bytes.
    pub cell: &'a [u8],
}

/// Corrections of one instant that were read.
#[derive(Clone, Copy, Debug)]
pub struct FetchedCorrections {
    /// Place of their series.
    pub place: usize,
    /// The instant.
    pub instant: i64,
    /// Rows that came less rows that went.
    pub row_count: i64,
}

/// An instant at which a series has rows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FoundInstant {
    /// Which series.
    pub key: SeriesKey,
    /// The instant.
    pub instant: i64,
}

/// A search that is under way.
#[derive(Debug)]
pub struct InstantSearch {
    span: SearchSpan,
    /// Rows that the instants must have together, unless there are fewer.
    wanted: i64,
    series: Vec<Series>,
    cells_max: usize,
    corrections_max: usize,
    is_begun: bool,
}

/// What is known of a series.
#[derive(Debug)]
struct Series {
    key: SeriesKey,
    /// Rows by step, as far as both sources have been read.
    counts: BTreeMap<i64, i64>,
    cells: Source,
    corrections: Source,
}

/// How far something has been read.
#[derive(Clone, Copy, Debug)]
struct Source {
    /// Instant to go on from.
    from: i64,
    /// Last step that is known, those before it included; `None` at the beginning.
    known: Option<i64>,
}

impl Series {
    fn known(&self) -> Option<i64> {
        self.cells.known.min(self.corrections.known)
    }
}

impl InstantSearch {
    /// A search for instants that have `wanted` rows together.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = SeriesKey>, span: SearchSpan, wanted: usize) -> Self {
        let from = match span.order {
            TimeOrder::NewestFirst => span.latest,
            TimeOrder::OldestFirst => span.earliest,
        };
        let source = Source { from, known: None };
        let series: Vec<_> = keys
            .into_iter()
            .map(|key| Series { key, counts: BTreeMap::new(), cells: source, corrections: source })
            .collect();
        let for_page = wanted / LEAF_PARTS_MAX + 1;
        let cells_max = for_page.min(FIRST_CELLS_MAX / series.len().max(1)).max(1);
        Self {
            span,
            wanted: i64::try_from(wanted).unwrap_or(i64::MAX),
            series,
            cells_max,
            corrections_max: FIRST_CORRECTIONS,
            is_begun: false,
        }
    }

    /// What to read next; `None` when enough is known.
    pub fn next_fetch(&mut self) -> Option<Fetch> {
        if self.span.earliest > self.span.latest {
            return None;
        }
        if self.is_begun {
            self.cells_max = self.cells_max.saturating_mul(2);
            self.corrections_max = self.corrections_max.saturating_mul(2);
        }
        let edge = self.edge();
        let mut fetch = Fetch {
            cells_max: self.cells_max,
            covers_from: !self.is_begun,
            corrections_max: self.corrections_max,
            ..Fetch::default()
        };
        for (place, series) in self.series.iter().enumerate() {
            let ask = |source: &Source| Ask { place, key: series.key, from: source.from };
            if series.cells.known < Some(edge) {
                fetch.cells.push(ask(&series.cells));
            }
            if series.corrections.known < Some(edge) {
                fetch.corrections.push(ask(&series.corrections));
            }
        }
        self.is_begun = true;
        (!fetch.cells.is_empty() || !fetch.corrections.is_empty()).then_some(fetch)
    }

    /// Takes what came of a fetch; the leaves and corrections of each series in the order of
    /// the search.
    ///
    /// # Errors
    /// If the bytes of a leaf are not those of a cell.
    pub fn add<'a>(
        &mut self,
        fetch: &Fetch,
        cells: impl IntoIterator<Item = FetchedCell<'a>>,
        corrections: impl IntoIterator<Item = FetchedCorrections>,
    ) -> Result<(), BrokenCell> {
        let mut cells_came = vec![0; self.series.len()];
        for fetched in cells {
            cells_came[fetched.place] += 1;
            self.add_cell(fetched)?;
        }
        let mut corrections_came = vec![0; self.series.len()];
        for fetched in corrections {
            corrections_came[fetched.place] += 1;
            self.add_corrections(fetched);
        }
        // What came short has no more.
        for ask in &fetch.cells {
            if cells_came[ask.place] < fetch.cells_max {
                self.series[ask.place].cells.known = Some(i64::MAX);
            }
        }
        for ask in &fetch.corrections {
            if corrections_came[ask.place] < fetch.corrections_max {
                self.series[ask.place].corrections.known = Some(i64::MAX);
            }
        }
        Ok(())
    }

    /// The instants, in the order of the search: all that have rows up to the one at which
    /// enough rows have come together.
    #[must_use]
    pub fn found(&self) -> Vec<FoundInstant> {
        let edge = self.edge();
        let mut found: Vec<_> = self.known_counts(edge).collect();
        found.sort_unstable_by_key(|(step, key, _)| (*step, *key));
        let instant = |(step, key, _): (i64, SeriesKey, i64)| FoundInstant {
            key,
            instant: self.span.order.turn(step),
        };
        found.into_iter().map(instant).collect()
    }

    fn add_cell(&mut self, fetched: FetchedCell<'_>) -> Result<(), BrokenCell> {
        let SearchSpan { order, earliest, latest, .. } = self.span;
        let series = &mut self.series[fetched.place];
        let mut last_key = fetched.start;
        visit(fetched.cell, |_, part| {
            last_key = part.key;
            if (earliest..=latest).contains(&part.key) {
                *series.counts.entry(order.turn(part.key)).or_default() += part.sums.count;
            }
            part.key <= latest
        })?;
        let (from, known) = match order {
            TimeOrder::NewestFirst => (fetched.start.saturating_sub(1), fetched.start),
            // Where the next leaf begins is not known, only that it is behind.
            TimeOrder::OldestFirst => (fetched.start, last_key),
        };
        series.cells = Source { from, known: Some(order.turn(known)) };
        Ok(())
    }

    fn add_corrections(&mut self, fetched: FetchedCorrections) {
        let order = self.span.order;
        let series = &mut self.series[fetched.place];
        let step = order.turn(fetched.instant);
        *series.counts.entry(step).or_default() += fetched.row_count;
        let from = match order {
            TimeOrder::NewestFirst => fetched.instant.saturating_sub(1),
            TimeOrder::OldestFirst => fetched.instant.saturating_add(1),
        };
        series.corrections = Source { from, known: Some(step) };
    }

    /// Step at which enough rows have come together for sure, or the last one.
    fn edge(&self) -> i64 {
        let SearchSpan { order, earliest, latest, resumed_at } = self.span;
        let last = order.turn(earliest).max(order.turn(latest));
        let resumed = resumed_at.map(|instant| order.turn(instant));
        let mut known: Vec<_> = self.known_counts(last).collect();
        known.sort_unstable_by_key(|(step, ..)| *step);
        let mut rows = 0;
        for of_step in known.chunk_by(|a, b| a.0 == b.0) {
            let step = of_step[0].0;
            if resumed == Some(step) {
                continue;
            }
            rows += rows_at_least(of_step);
            if rows >= self.wanted {
                return step;
            }
        }
        last
    }

    /// Steps up to one of them at which a series has rows for sure, with their number.
    fn known_counts(&self, last: i64) -> impl Iterator<Item = (i64, SeriesKey, i64)> {
        self.series.iter().flat_map(move |series| {
            let until = series.known().map(|known| known.min(last));
            let counts = until.map(|until| series.counts.range(..=until));
            counts
                .into_iter()
                .flatten()
                .filter_map(|(&step, &count)| (count > 0).then_some((step, series.key, count)))
        })
    }
}

/// How many rows there are at least, by the counts of all series at one step: a row between
/// two of them is counted on both sides.
fn rows_at_least(of_step: &[(i64, SeriesKey, i64)]) -> i64 {
    let on_side = |direction| -> i64 {
        let number = direction_number(direction);
        let of_side = of_step.iter().filter(|(_, key, _)| key.direction == number);
        of_side.map(|(_, _, count)| count).sum()
    };
    on_side(Direction::Sender).max(on_side(Direction::Receiver))
}

#[cfg(test)]
mod tests;
