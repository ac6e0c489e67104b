//! Puts cells of prices together anew, and the briefs beside them: those of units from ticks, all
//! others from the four cells below. A cell that cannot be read on the way is built anew as a
//! whole; where that cannot be done, because ticks are not at hand, it stays as it is, and what
//! needs it cannot be read either.

use std::collections::{BTreeMap, BTreeSet, HashMap, hash_map::Entry};

use chrono::NaiveDate;
use tokio_postgres::{Client, Row};

use crate::{
    domain::price::{
        audit::totals_of_packed,
        brief::PriceBrief,
        brief_cell,
        cell::{PriceCell, Told, decode_told, encode_told, visit_told},
        spans::{LEVELS, PriceSpan, day_of_unit, group_of, symbols_of, unit_of},
        totals::TickTotals,
        unit_ticks::{self, SymbolTicks},
    },
    store::{
        StoreError,
        price_cells::{CellKey, Rows, SymbolUnit, date, days_lacking, ticks_of_units},
        statement::{Statement, statement},
    },
};

/// Cells that are put together at a time: bounds the memory. One has up to 128 symbols, and is
/// made of four.
pub(super) const CELLS_AT_ONCE: usize = 32;

/// What of a cell is to be put together anew.
#[derive(Default)]
pub(super) struct Anew {
    /// Symbols of which the cell does not say any more what is right.
    changed: BTreeSet<i32>,
    /// Whether all others are put together anew, too, as far as it can be done.
    is_whole: bool,
}

impl Anew {
    /// The symbols of the group that are put together anew.
    fn symbols(&self, group: i32) -> BTreeSet<i32> {
        if self.is_whole { symbols_of(group).collect() } else { self.changed.clone() }
    }
}

/// What of which cells is to be put together anew.
pub(super) type Pending = BTreeMap<CellKey, Anew>;

/// What the ticks of symbols come to in spans of one level.
type Fresh = HashMap<(PriceSpan, i32), TickTotals>;

/// The ticks of units, to be packed.
type Packed = HashMap<SymbolUnit, SymbolTicks>;

/// What cannot be told of a span, because a cell below it cannot be read.
#[derive(Default)]
struct Unknown {
    /// Of these symbols.
    symbols: BTreeSet<i32>,
    /// Of no symbol anything.
    is_all: bool,
    /// Whether the next pass may tell: the cell below has not been built anew yet.
    is_pending: bool,
}

impl Unknown {
    fn has(&self, symbol: i32) -> bool {
        self.is_all || self.symbols.contains(&symbol)
    }
}

/// Cells that could not be read when they were to be put together anew.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct BrokenCells {
    /// Those that were built anew.
    pub mended: Vec<CellKey>,
    /// Those that could not be, because ticks are not at hand, and were not noted before.
    pub lost: Vec<CellKey>,
}

/// Puts together anew, in the tx of a caller that keeps others from folding, what these units of
/// symbols are in, and all of the cells `whole`. `None` if a day went or came meanwhile: then the
/// tx must be given up.
///
/// # Errors
/// If the database refuses.
pub(super) async fn rewrite(
    client: &Client,
    units: &BTreeSet<SymbolUnit>,
    whole: &BTreeSet<CellKey>,
) -> Result<Option<BrokenCells>, StoreError> {
    let mut broken = BTreeSet::new();
    loop {
        let whole: BTreeSet<CellKey> = whole.union(&broken).copied().collect();
        let days: BTreeSet<i64> = units_of(&whole).map(day_of_unit).collect();
        let days: Vec<NaiveDate> = days.into_iter().filter_map(date).collect();
        let absent_days = days_lacking(client, &days).await?;
        let pass = Pass::new(client, &whole, absent_days.iter().copied().collect());
        let Outcome { unreadable, rebuilt } = pass.run(units).await?;
        // What was read of a day that went meanwhile would be taken for all that there is.
        if days_lacking(client, &days).await? != absent_days {
            return Ok(None);
        }
        // What comes across a cell that cannot be read begins again, with that cell built anew.
        if !unreadable.is_subset(&whole) {
            broken.extend(unreadable);
            continue;
        }
        let lost = note(client, statement!("damaged_prices_note"), &unreadable).await?;
        let readable = rebuilt.difference(&unreadable).copied().collect();
        note(client, statement!("damaged_prices_clear"), &readable).await?;
        let mended = broken.difference(&unreadable).copied().collect();
        return Ok(Some(BrokenCells { mended, lost }));
    }
}

/// The units among cells.
fn units_of(cells: &BTreeSet<CellKey>) -> impl Iterator<Item = i64> {
    cells.iter().filter(|key| key.span.level == 0).map(|key| key.span.number)
}

async fn note(
    client: &Client,
    statement: Statement,
    cells: &BTreeSet<CellKey>,
) -> Result<Vec<CellKey>, StoreError> {
    if cells.is_empty() {
        return Ok(Vec::new());
    }
    let cells: Vec<CellKey> = cells.iter().copied().collect();
    let Columns { levels, numbers, groups } = Columns::of(&cells);
    let rows = statement.query(client, &[&levels, &numbers, &groups]).await?;
    Ok(rows.iter().map(CellKey::of).collect())
}

/// The cells of units, with the symbols of each that changed.
pub(super) fn keys_of(units: &BTreeSet<SymbolUnit>) -> Pending {
    let mut pending = Pending::new();
    for &(unit, symbol) in units {
        let key = CellKey { span: PriceSpan::of_unit(unit), group: group_of(symbol) };
        pending.entry(key).or_default().changed.insert(symbol);
    }
    pending
}

/// What became of cells in a pass.
#[derive(Default)]
struct Outcome {
    /// What could not be read, and what had to be written so that it cannot be.
    unreadable: BTreeSet<CellKey>,
    /// What was built anew as a whole.
    rebuilt: BTreeSet<CellKey>,
}

/// Puts together what is pending, level by level.
struct Pass<'a> {
    client: &'a Client,
    /// Cells of which nothing is taken over that can be told anew.
    whole: &'a BTreeSet<CellKey>,
    /// Days among those of `whole` whose ticks are not at hand.
    absent_days: BTreeSet<NaiveDate>,
    fresh: Fresh,
    packed: Packed,
    outcome: Outcome,
}

impl<'a> Pass<'a> {
    fn new(
        client: &'a Client,
        whole: &'a BTreeSet<CellKey>,
        absent_days: BTreeSet<NaiveDate>,
    ) -> Self {
        let (fresh, packed, outcome) = Default::default();
        Self { client, whole, absent_days, fresh, packed, outcome }
    }

    async fn run(mut self, units: &BTreeSet<SymbolUnit>) -> Result<Outcome, StoreError> {
        let mut pending = keys_of(units);
        self.read_ticks(units).await?;
        for level in 0..LEVELS {
            for key in self.whole.iter().filter(|key| key.span.level == level) {
                pending.entry(*key).or_default().is_whole = true;
            }
            let mut cells = pending.iter_mut();
            loop {
                let mut some: Vec<_> = cells.by_ref().take(CELLS_AT_ONCE).collect();
                if some.is_empty() {
                    break;
                }
                let unknown = match level {
                    0 => HashMap::new(),
                    _ => self.put_together(&some).await?,
                };
                self.write(&mut some, &unknown).await?;
            }
            pending = above(pending);
        }
        Ok(self.outcome)
    }

    /// Reads the ticks of these units of symbols, and those of whole units that are at hand.
    async fn read_ticks(&mut self, units: &BTreeSet<SymbolUnit>) -> Result<(), StoreError> {
        let mut wanted = units.clone();
        for key in self.whole.iter().filter(|key| key.span.level == 0 && !self.is_absent(key)) {
            wanted.extend(symbols_of(key.group).map(|symbol| (key.span.number, symbol)));
        }
        for tick in ticks_of_units(self.client, &wanted).await? {
            let unit = unit_of(tick.point.at);
            add(&mut self.fresh, (PriceSpan::of_unit(unit), tick.symbol_id), tick.totals());
            let packed = self.packed.entry((unit, tick.symbol_id)).or_default();
            packed.push(tick.scale, tick.point);
        }
        Ok(())
    }

    /// Whether the ticks of a whole unit are not at hand.
    fn is_absent(&self, key: &CellKey) -> bool {
        key.span.level == 0
            && date(day_of_unit(key.span.number)).is_some_and(|day| self.absent_days.contains(&day))
    }

    /// Reads what symbols come to in these spans, from the cells of the four spans that make up
    /// each; returns what of them cannot be told.
    async fn put_together(
        &mut self,
        wanted: &[(&CellKey, &mut Anew)],
    ) -> Result<HashMap<CellKey, Unknown>, StoreError> {
        let below: Vec<CellKey> = wanted
            .iter()
            .flat_map(|(key, _)| key.span.below().map(|span| CellKey { span, group: key.group }))
            .collect();
        let cells = read_cells(self.client, &below, false).await?;
        let mut unknown: HashMap<CellKey, Unknown> = HashMap::new();
        self.fresh.clear();
        for (key, anew) in wanted {
            for span in key.span.below() {
                let key_below = CellKey { span, group: key.group };
                let Some(row) = cells.get(&key_below) else { continue };
                let want = |symbol| anew.is_whole || anew.changed.contains(&symbol);
                let mut lost = BTreeSet::new();
                let with = |symbol, totals| match totals {
                    Some(totals) => add(&mut self.fresh, (key.span, symbol), totals),
                    None => _ = lost.insert(symbol),
                };
                let is_all = visit_told(span.start(), row.get("cell"), want, with).is_err();
                if is_all || !lost.is_empty() {
                    let unknown = unknown.entry(**key).or_default();
                    unknown.is_all |= is_all;
                    unknown.is_pending |= !self.whole.contains(&key_below);
                    unknown.symbols.append(&mut lost);
                    self.outcome.unreadable.insert(key_below);
                }
            }
        }
        Ok(unknown)
    }

    /// Writes cells of a level with what symbols come to now; those without ticks leave them.
    /// Beside those of units stand their ticks, where those of all symbols are known, beside others
    /// briefs.
    async fn write(
        &mut self,
        wanted: &mut [(&CellKey, &mut Anew)],
        unknown: &HashMap<CellKey, Unknown>,
    ) -> Result<(), StoreError> {
        let keys: Vec<CellKey> = wanted.iter().map(|(key, _)| **key).collect();
        let are_units = keys.iter().any(|key| key.span.level == 0);
        let before = read_cells(self.client, &keys, are_units).await?;
        let (mut written, mut cells, mut briefs) = (Vec::new(), Vec::new(), Vec::new());
        for (key, anew) in wanted {
            let row = before.get(key);
            if anew.is_whole {
                self.outcome.rebuilt.insert(**key);
            }
            let cell = if self.is_absent(key) {
                row.and_then(|row| self.mend_unit(key, row))
            } else if are_units {
                self.rewrite_unit(key, anew, row)
            } else {
                self.rewrite_span(key, anew, row, unknown.get(key))
            };
            let Some((cell, brief)) = cell else { continue };
            written.push(**key);
            cells.push(cell);
            briefs.push(brief);
        }
        let Columns { levels, numbers, groups } = Columns::of(&written);
        statement!("price_cells_write")
            .query(self.client, &[&levels, &numbers, &groups, &cells, &briefs])
            .await
            .map(drop)
    }

    /// A unit whose ticks are not at hand, from its own cell or packed ticks, where one can be
    /// read.
    fn mend_unit(&mut self, key: &CellKey, row: &Row) -> Option<Written> {
        let start = key.span.start();
        let (cell, brief): (&[u8], Option<&[u8]>) = (row.get("cell"), row.get("brief"));
        let packed = brief.map(|brief| totals_of_packed(start, brief));
        match (PriceCell::decode(start, cell), packed) {
            (Ok(_), None | Some(Ok(_))) => None,
            (Ok(_), Some(Err(_))) => Some((cell.to_vec(), None)),
            (Err(_), Some(Ok(totals))) => {
                let totals = totals.into_iter().collect();
                Some((PriceCell { start, totals }.encode(), brief.map(<[u8]>::to_vec)))
            }
            (Err(_), None | Some(Err(_))) => {
                self.outcome.unreadable.insert(*key);
                None
            }
        }
    }

    /// A unit with what its ticks come to. Nothing where it cannot be read and is not whole.
    fn rewrite_unit(
        &mut self,
        key: &CellKey,
        anew: &mut Anew,
        row: Option<&Row>,
    ) -> Option<Written> {
        let start = key.span.start();
        let told = match row.map(|row| PriceCell::decode(start, row.get("cell"))) {
            None => Some(PriceCell { start, totals: Vec::new() }),
            Some(told) => told.ok(),
        };
        let brief = row.and_then(|row| row.get::<_, Option<&[u8]>>("brief"));
        let packed = brief.map(|bytes| unit_ticks::decode(start, bytes));
        let is_broken = told.is_none() || matches!(packed, Some(Err(_)));
        if is_broken && !anew.is_whole {
            self.outcome.unreadable.insert(*key);
            return None;
        }
        let is_told = told.is_some();
        let mut totals: BTreeMap<i32, TickTotals> =
            told.into_iter().flat_map(|cell| cell.totals).collect();
        let new = anew.symbols(key.group);
        let mut packed = packed.and_then(Result::ok);
        if anew.is_whole || totals.keys().all(|symbol| new.contains(symbol)) {
            packed = Some(packed.filter(|_| !anew.is_whole).unwrap_or_default());
        }
        if anew.is_whole {
            totals.retain(|symbol, _| new.contains(symbol));
        }
        for &symbol in &new {
            let now = self.fresh.remove(&(key.span, symbol));
            let is_same = match (totals.get(&symbol), &now) {
                (Some(before), Some(now)) => before.says_the_same(now),
                (before, now) => before.is_none() && now.is_none(),
            };
            // A cell that cannot be read has told those above what is found now.
            if is_told && !is_same {
                anew.changed.insert(symbol);
            }
            match now {
                Some(now) => _ = totals.insert(symbol, now),
                None => _ = totals.remove(&symbol),
            }
        }
        if row.is_none() && totals.is_empty() {
            return None;
        }
        let brief = packed.map(|packed| repacked(key.span, &new, packed, &mut self.packed));
        Some((PriceCell { start, totals: totals.into_iter().collect() }.encode(), brief))
    }

    /// A span with what the cells below it come to. Nothing where it cannot be read and is not
    /// whole. Of symbols of which that cannot be told it goes on saying what it said, unless that
    /// is not right any more: then their totals are lost.
    fn rewrite_span(
        &mut self,
        key: &CellKey,
        anew: &mut Anew,
        row: Option<&Row>,
        unknown: Option<&Unknown>,
    ) -> Option<Written> {
        let start = key.span.start();
        let bytes = row.map(|row| row.get::<_, &[u8]>("cell"));
        let before = bytes.map(|bytes| decode_told(start, bytes));
        let is_broken = before.as_ref().is_some_and(|told| match told {
            Ok(told) => told.values().any(Option::is_none),
            Err(_) => true,
        });
        if is_broken && !anew.is_whole {
            self.outcome.unreadable.insert(*key);
            return None;
        }
        if unknown.is_some_and(|unknown| unknown.is_pending) {
            return None;
        }
        if !matches!(before, Some(Ok(_))) && unknown.is_some_and(|unknown| unknown.is_all) {
            // Not even which symbols have ticks can be told: it must not look as if none had.
            self.outcome.unreadable.insert(*key);
            return Some((bytes.unwrap_or_default().to_vec(), None));
        }
        let is_lost = matches!(before, Some(Err(_)));
        let mut told: Told = before.and_then(Result::ok).unwrap_or_default();
        let new = anew.symbols(key.group);
        if new.is_empty() {
            return None;
        }
        if anew.is_whole {
            told.retain(|symbol, _| new.contains(symbol));
        }
        for symbol in new {
            let now = match self.fresh.remove(&(key.span, symbol)) {
                fresh if unknown.is_none_or(|unknown| !unknown.has(symbol)) => fresh.map(Some),
                _ if is_lost || anew.changed.contains(&symbol) => Some(None),
                _ => continue,
            };
            if !is_lost && told.get(&symbol) != now.as_ref() {
                anew.changed.insert(symbol);
            }
            match now {
                Some(now) => _ = told.insert(symbol, now),
                None => _ = told.remove(&symbol),
            }
        }
        if row.is_none() && told.is_empty() {
            return None;
        }
        let brief = |(id, totals): (&i32, &Option<TickTotals>)| {
            Some((*id, PriceBrief::of_totals(totals.as_ref()?)))
        };
        let briefs: Option<Vec<_>> = told.iter().map(brief).collect();
        if briefs.is_none() {
            self.outcome.unreadable.insert(*key);
        }
        let brief = briefs.map(|briefs| brief_cell::encode(start, &briefs));
        Some((encode_told(start, &told), brief))
    }
}

/// A cell and what stands beside it.
type Written = (Vec<u8>, Option<Vec<u8>>);

/// What has to be put together anew because something below was. A cell that was built anew says
/// of symbols that did not change what it always said: no more is taken from those above.
fn above(pending: Pending) -> Pending {
    let mut above = Pending::new();
    for (CellKey { span, group }, Anew { changed, .. }) in pending {
        let anew = above.entry(CellKey { span: span.above(), group }).or_default();
        anew.changed.extend(changed);
    }
    above
}

fn add(fresh: &mut Fresh, place: (PriceSpan, i32), later: TickTotals) {
    match fresh.entry(place) {
        Entry::Occupied(mut so_far) => so_far.get_mut().append(&later),
        Entry::Vacant(free) => drop(free.insert(later)),
    }
}

/// The ticks of a unit with those that symbols have now.
fn repacked(
    unit: PriceSpan,
    symbols: &BTreeSet<i32>,
    mut ticks: Vec<(i32, SymbolTicks)>,
    packed: &mut Packed,
) -> Vec<u8> {
    ticks.retain(|(symbol, _)| !symbols.contains(symbol));
    let now = |&symbol| Some((symbol, packed.remove(&(unit.number, symbol))?));
    ticks.extend(symbols.iter().filter_map(now));
    ticks.sort_unstable_by_key(|(symbol, _)| *symbol);
    unit_ticks::encode(unit.start(), &ticks)
}

/// Keys of cells, a column each.
pub(super) struct Columns {
    pub(super) levels: Vec<i16>,
    pub(super) numbers: Vec<i64>,
    pub(super) groups: Vec<i32>,
}

impl Columns {
    pub(super) fn of(keys: &[CellKey]) -> Self {
        Self {
            levels: keys.iter().map(|key| i16::from(key.span.level)).collect(),
            numbers: keys.iter().map(|key| key.span.number).collect(),
            groups: keys.iter().map(|key| key.group).collect(),
        }
    }
}

/// Cells by their keys, with their briefs or without.
pub(super) async fn read_cells(
    reader: &impl Rows,
    keys: &[CellKey],
    with_briefs: bool,
) -> Result<HashMap<CellKey, Row>, StoreError> {
    let Columns { levels, numbers, groups } = Columns::of(keys);
    let params = [&levels as _, &numbers as _, &groups as _, &with_briefs as _];
    let rows = reader.rows(statement!("price_cells"), &params).await?;
    Ok(rows.into_iter().map(|row| (CellKey::of(&row), row)).collect())
}
