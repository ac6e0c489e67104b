//! How an audit compares: cells of units and the ticks packed beside them with the ticks, cells
//! above with those below, and briefs with their own cells. Pure.

use std::collections::BTreeMap;

use crate::domain::{
    price::{
        brief::PriceBrief,
        brief_cell,
        cell::PriceCell,
        spans::PriceSpan,
        totals::TickTotals,
        unit_ticks::{self, SymbolTicks},
    },
    running_total::cell::BrokenCell,
};

/// What is wrong with a cell.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum PriceFinding {
    /// There is none, and should be one.
    Missing,
    /// It cannot be read.
    Unreadable,
    /// It does not say what the ticks come to, or the cells below it.
    Differs,
    /// The brief beside it cannot be read.
    BriefUnreadable,
    /// The brief beside it does not say what the ticks or the cell do.
    BriefDiffers,
    /// It can be read again, but is still noted as one that cannot.
    Noted,
}

/// A cell as it is stored.
#[derive(Clone, Copy, Debug)]
pub struct StoredCell<'a> {
    /// The cell.
    pub cell: &'a [u8],
    /// The brief beside it; `None` where a release wrote it that knew of none.
    pub brief: Option<&'a [u8]>,
}

/// A finding, and whether the cell can be built anew.
pub type Found = (PriceFinding, bool);

/// What the ticks of symbols come to.
pub type BySymbol = BTreeMap<i32, TickTotals>;

/// Holds what is stored of a unit and a group of symbols against their ticks. Symbols that are
/// noted as changed are left out.
#[must_use]
pub fn compare_unit(
    unit: PriceSpan,
    stored: Option<StoredCell<'_>>,
    ticks: &BTreeMap<i32, SymbolTicks>,
    is_noted: impl Fn(i32) -> bool,
) -> Vec<PriceFinding> {
    let start = unit.start();
    let counts = |symbol: &i32| !is_noted(*symbol);
    let Some(StoredCell { cell, brief }) = stored else {
        let is_missing = ticks.keys().any(counts);
        return is_missing.then_some(PriceFinding::Missing).into_iter().collect();
    };
    let mut found = Vec::new();
    match totals_of_cell(start, cell) {
        Err(BrokenCell) => found.push(PriceFinding::Unreadable),
        Ok(stored) => {
            let stored = stored.iter().filter(|(symbol, _)| counts(symbol));
            let expected = ticks.iter().filter(|(symbol, _)| counts(symbol));
            let is_same = |own: &TickTotals, ticks: &SymbolTicks| {
                ticks.totals().is_some_and(|totals| own.says_the_same(&totals))
            };
            if !agree(stored, expected, is_same) {
                found.push(PriceFinding::Differs);
            }
        }
    }
    match brief.map(|brief| unit_ticks::decode(start, brief)) {
        None => {}
        Some(Err(BrokenCell)) => found.push(PriceFinding::BriefUnreadable),
        Some(Ok(packed)) => {
            let packed = packed.iter().map(|(symbol, ticks)| (symbol, ticks));
            let packed = packed.filter(|(symbol, _)| counts(symbol));
            let expected = ticks.iter().filter(|(symbol, _)| counts(symbol));
            if !agree(packed, expected, SymbolTicks::says_the_same) {
                found.push(PriceFinding::BriefDiffers);
            }
        }
    }
    found
}

/// Looks at what is stored of a unit whose ticks are not at hand: cell and packed ticks against
/// each other. Of two where one can be read the other can be built anew.
#[must_use]
pub fn look_at_unit(unit: PriceSpan, StoredCell { cell, brief }: StoredCell<'_>) -> Vec<Found> {
    let start = unit.start();
    let packed = brief.map(|brief| totals_of_packed(start, brief));
    match (totals_of_cell(start, cell), packed) {
        (Ok(_), None) => Vec::new(),
        (Ok(totals), Some(Ok(packed))) => {
            let is_same = agree(totals.iter(), packed.iter(), TickTotals::says_the_same);
            (!is_same).then_some((PriceFinding::BriefDiffers, false)).into_iter().collect()
        }
        (Ok(_), Some(Err(BrokenCell))) => vec![(PriceFinding::BriefUnreadable, true)],
        (Err(BrokenCell), Some(Ok(_))) => vec![(PriceFinding::Unreadable, true)],
        (Err(BrokenCell), None) => vec![(PriceFinding::Unreadable, false)],
        (Err(BrokenCell), Some(Err(BrokenCell))) => {
            vec![(PriceFinding::Unreadable, false), (PriceFinding::BriefUnreadable, false)]
        }
    }
}

/// What ticks come to that are packed in a unit that begins at `start`.
///
/// # Errors
/// If the bytes are not those of ticks.
pub fn totals_of_packed(start: i64, bytes: &[u8]) -> Result<BySymbol, BrokenCell> {
    let of_symbol = |(symbol, ticks): (i32, SymbolTicks)| Some((symbol, ticks.totals()?));
    let packed = unit_ticks::decode(start, bytes)?.into_iter().map(of_symbol);
    packed.collect::<Option<_>>().ok_or(BrokenCell)
}

/// Holds what is stored of a span and a group of symbols against the cells below it, those of the
/// four spans that make it up, and the brief against the cell. `are_at_hand` says whether all ticks
/// of the span are: where some are not, what the cell says and those below do not is all that is
/// known, and the cell cannot be built anew.
#[must_use]
pub fn compare_span(
    span: PriceSpan,
    stored: Option<StoredCell<'_>>,
    below: &[(PriceSpan, &[u8])],
    are_at_hand: bool,
) -> Vec<Found> {
    let expected = add_up(below);
    let Some(StoredCell { cell, brief }) = stored else {
        // What cannot be read is missed where it is.
        let is_missing = expected.is_ok_and(|expected| !expected.is_empty());
        return is_missing.then_some((PriceFinding::Missing, true)).into_iter().collect();
    };
    let stored = totals_of_cell(span.start(), cell);
    let mut found = Vec::new();
    match (&stored, &expected) {
        (Err(BrokenCell), expected) => found.push((PriceFinding::Unreadable, expected.is_ok())),
        (Ok(_), Err(BrokenCell)) => {}
        (Ok(stored), Ok(expected)) => {
            if !agree(stored.iter(), expected.iter(), TickTotals::says_the_same) {
                let is_repairable = are_at_hand || !says_more(stored, expected);
                found.push((PriceFinding::Differs, is_repairable));
            }
        }
    }
    let Some(brief) = brief else { return found };
    let is_repairable = stored.is_ok() || expected.is_ok();
    match (briefs(span.start(), brief), &stored) {
        (Err(BrokenCell), _) => found.push((PriceFinding::BriefUnreadable, is_repairable)),
        (Ok(_), Err(BrokenCell)) => {}
        (Ok(briefs), Ok(stored)) => {
            let is_same = |brief: &PriceBrief, totals: &TickTotals| {
                brief.says_the_same(&PriceBrief::of_totals(totals))
            };
            if !agree(briefs.iter(), stored.iter(), is_same) {
                found.push((PriceFinding::BriefDiffers, is_repairable));
            }
        }
    }
    found
}

/// Whether a cell says what the ticks of its span come to. Symbols that are noted as changed are
/// left out of it, and must be out of what is expected.
#[must_use]
pub fn compare_cell(
    span: PriceSpan,
    cell: Option<&[u8]>,
    expected: &BySymbol,
    is_noted: impl Fn(i32) -> bool,
) -> bool {
    let Some(cell) = cell else { return expected.is_empty() };
    totals_of_cell(span.start(), cell).is_ok_and(|stored| {
        let stored = stored.iter().filter(|(symbol, _)| !is_noted(**symbol));
        agree(stored, expected.iter(), TickTotals::says_the_same)
    })
}

/// Whether both have the same symbols, and say the same of each.
fn agree<'a, A: 'a, B: 'a>(
    mut stored: impl Iterator<Item = (&'a i32, &'a A)>,
    mut expected: impl Iterator<Item = (&'a i32, &'a B)>,
    is_same: impl Fn(&A, &B) -> bool,
) -> bool {
    loop {
        match (stored.next(), expected.next()) {
            (None, None) => return true,
            (Some((symbol, own)), Some((other, others)))
                if symbol == other && is_same(own, others) => {}
            (Some(_) | None, Some(_)) | (Some(_), None) => return false,
        }
    }
}

/// Whether there are more ticks of a symbol in what is stored than below.
fn says_more(stored: &BySymbol, below: &BySymbol) -> bool {
    let count = |symbol| below.get(symbol).map_or(0, |totals| totals.count);
    stored.iter().any(|(symbol, totals)| totals.count > count(symbol))
}

fn totals_of_cell(start: i64, bytes: &[u8]) -> Result<BySymbol, BrokenCell> {
    Ok(PriceCell::decode(start, bytes)?.totals.into_iter().collect())
}

fn briefs(start: i64, bytes: &[u8]) -> Result<BTreeMap<i32, PriceBrief>, BrokenCell> {
    let mut briefs = BTreeMap::new();
    let read = |symbol, brief: &brief_cell::StoredBrief<'_>| {
        briefs.insert(symbol, brief.read());
    };
    brief_cell::visit(start, bytes, |_| true, read)?;
    Ok(briefs)
}

/// What cells of spans that follow each other come to together.
fn add_up(below: &[(PriceSpan, &[u8])]) -> Result<BySymbol, BrokenCell> {
    let mut all = BySymbol::new();
    for (span, cell) in below {
        for (symbol, totals) in totals_of_cell(span.start(), cell)? {
            match all.get_mut(&symbol) {
                Some(before) => before.append(&totals),
                None => _ = all.insert(symbol, totals),
            }
        }
    }
    Ok(all)
}
