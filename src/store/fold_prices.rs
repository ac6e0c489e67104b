//! Folding price ticks into cells, and into the briefs beside them: units that changed are read
//! anew, and everything above them is put together anew. What was there before does not matter, so
//! it is safe to repeat.

use std::collections::{BTreeMap, BTreeSet, HashMap, hash_map::Entry};

use chrono::NaiveDate;
use tokio_postgres::{Client, Row};

use crate::{
    domain::price::{
        brief::PriceBrief,
        brief_cell,
        cell::{PriceCell, visit},
        spans::{LEVELS, PriceSpan, group_of, unit_of},
        totals::TickTotals,
        unit_ticks::{self, SymbolTicks},
    },
    store::{
        StoreError,
        price_cells::{CellKey, SymbolUnit, days_lacking, ticks_of_units},
        statement::statement,
        tx::Tx,
    },
};

/// Cells that are put together at a time: bounds the memory. One has up to 128 symbols, and is
/// made of four.
const CELLS_AT_ONCE: usize = 32;

/// Which symbols of which cells are to be put together anew.
type Pending = BTreeMap<CellKey, BTreeSet<i32>>;

/// What the ticks of symbols come to in spans of one level.
type Fresh = HashMap<(PriceSpan, i32), TickTotals>;

/// The ticks of units, to be packed.
type Packed = HashMap<SymbolUnit, SymbolTicks>;

/// What came of folding.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FoldedPrices {
    /// So many notes of changed units were taken; those of these days wait, because the ticks of
    /// the days are not at hand.
    Folded(usize, Vec<NaiveDate>),
    /// Somebody else is folding, or a day went meanwhile.
    Busy,
}

/// Folds up to `count_max` changed units of symbols in one tx, of units that are over or of all.
///
/// # Errors
/// If the database refuses, or a cell cannot be read; then nothing was folded.
pub async fn fold_prices(
    client: &Client,
    count_max: i64,
    with_present: bool,
) -> Result<FoldedPrices, StoreError> {
    let tx = Tx::begin(client, "price_fold_take").await?;
    match take_and_fold(client, count_max, with_present).await {
        Ok(FoldedPrices::Busy) => tx.roll_back().await.map(|()| FoldedPrices::Busy),
        Ok(folded) => tx.commit().await.map(|()| folded),
        Err(error) => {
            tx.roll_back().await?;
            Err(error)
        }
    }
}

async fn take_and_fold(
    client: &Client,
    count_max: i64,
    with_present: bool,
) -> Result<FoldedPrices, StoreError> {
    let rows = statement!("price_fold_lock").query(client, &[]).await?;
    if !rows.first().is_some_and(|row| row.get("is_ours")) {
        return Ok(FoldedPrices::Busy);
    }
    let noted = statement!("price_fold_days").query(client, &[]).await?;
    let noted: Vec<NaiveDate> = noted.iter().map(|row| row.get("day")).collect();
    let waiting = days_lacking(client, &noted).await?;
    let taken =
        statement!("price_fold_take").query(client, &[&count_max, &with_present, &waiting]).await?;
    let mut units: BTreeSet<SymbolUnit> =
        taken.iter().map(|row| (row.get("unit_number"), row.get("symbol_id"))).collect();
    let most = usize::try_from(count_max).unwrap_or(usize::MAX);
    add_unpacked(client, &mut units, most).await?;
    fold(client, &units).await?;
    // What was not read of a day that went meanwhile would be taken for deleted.
    if days_lacking(client, &noted).await? != waiting {
        return Ok(FoldedPrices::Busy);
    }
    Ok(FoldedPrices::Folded(taken.len(), waiting))
}

/// Adds the other symbols of units whose cells were written by a release that packed no ticks, as
/// long as there are not more than `most` units of symbols in all: read whole, they can be packed.
async fn add_unpacked(
    client: &Client,
    units: &mut BTreeSet<SymbolUnit>,
    most: usize,
) -> Result<(), StoreError> {
    let keys: Vec<CellKey> = keys_of(units).into_keys().collect();
    for some in keys.chunks(CELLS_AT_ONCE) {
        let Columns { numbers, groups, .. } = Columns::of(some);
        let rows = statement!("price_cells_unpacked").query(client, &[&numbers, &groups]).await?;
        for row in &rows {
            let key = CellKey::of(row);
            let mut of_cell = BTreeSet::new();
            let mut add = |symbol, _| _ = of_cell.insert((key.span.number, symbol));
            visit(key.span.start(), row.get("cell"), |_| true, &mut add)
                .map_err(|_| key.broken("price_cells_unpacked"))?;
            if units.len() + of_cell.difference(units).count() > most {
                return Ok(());
            }
            units.append(&mut of_cell);
        }
    }
    Ok(())
}

/// The cells of units, with the symbols of each.
fn keys_of(units: &BTreeSet<SymbolUnit>) -> Pending {
    let mut pending = Pending::new();
    for &(unit, symbol) in units {
        let key = CellKey { span: PriceSpan::of_unit(unit), group: group_of(symbol) };
        pending.entry(key).or_default().insert(symbol);
    }
    pending
}

async fn fold(client: &Client, units: &BTreeSet<SymbolUnit>) -> Result<(), StoreError> {
    let mut pending = keys_of(units);
    let (mut fresh, mut packed) = (Fresh::new(), Packed::new());
    for tick in ticks_of_units(client, units).await? {
        let unit = unit_of(tick.point.at);
        add(&mut fresh, (PriceSpan::of_unit(unit), tick.symbol_id), tick.totals());
        packed.entry((unit, tick.symbol_id)).or_default().push(tick.scale, tick.point);
    }
    for level in 0..LEVELS {
        let mut keys = pending.iter();
        loop {
            let some: Vec<_> = keys.by_ref().take(CELLS_AT_ONCE).collect();
            if some.is_empty() {
                break;
            }
            if level > 0 {
                fresh = put_together(client, &some).await?;
            }
            rewrite(client, &some, &mut fresh, &mut packed).await?;
        }
        pending = above(pending);
    }
    Ok(())
}

/// What has to be put together anew because something below was.
fn above(pending: Pending) -> Pending {
    let mut above = Pending::new();
    for (CellKey { span, group }, symbols) in pending {
        above.entry(CellKey { span: span.above(), group }).or_default().extend(symbols);
    }
    above
}

fn add(fresh: &mut Fresh, place: (PriceSpan, i32), later: TickTotals) {
    match fresh.entry(place) {
        Entry::Occupied(mut so_far) => so_far.get_mut().append(&later),
        Entry::Vacant(free) => drop(free.insert(later)),
    }
}

/// What symbols come to in these spans, from the cells of the four spans that make up each.
async fn put_together(
    client: &Client,
    wanted: &[(&CellKey, &BTreeSet<i32>)],
) -> Result<Fresh, StoreError> {
    let below: Vec<CellKey> = wanted
        .iter()
        .flat_map(|(key, _)| key.span.below().map(|span| CellKey { span, group: key.group }))
        .collect();
    let cells = read(client, &below, false).await?;
    let mut fresh = Fresh::new();
    for (key, symbols) in wanted {
        for span in key.span.below() {
            let key_below = CellKey { span, group: key.group };
            let Some(row) = cells.get(&key_below) else { continue };
            visit(
                span.start(),
                row.get("cell"),
                |symbol| symbols.contains(&symbol),
                |symbol, totals| add(&mut fresh, (key.span, symbol), totals),
            )
            .map_err(|_| key_below.broken("price_cells"))?;
        }
    }
    Ok(fresh)
}

/// Writes cells of a level with what symbols come to now; those without ticks leave them. Beside
/// those of units stand their ticks, where those of all symbols are known, beside others briefs.
async fn rewrite(
    client: &Client,
    wanted: &[(&CellKey, &BTreeSet<i32>)],
    fresh: &mut Fresh,
    packed: &mut Packed,
) -> Result<(), StoreError> {
    let keys: Vec<CellKey> = wanted.iter().map(|(key, _)| **key).collect();
    let are_units = keys.iter().any(|key| key.span.level == 0);
    let before = read(client, &keys, are_units).await?;
    let (mut cells, mut briefs) = (Vec::with_capacity(keys.len()), Vec::with_capacity(keys.len()));
    for (key, symbols) in wanted {
        let start = key.span.start();
        let row = before.get(key);
        let mut cell = match row {
            Some(row) => {
                PriceCell::decode(start, row.get("cell")).map_err(|_| key.broken("price_cells"))?
            }
            None => PriceCell { start, totals: Vec::new() },
        };
        cell.totals.retain(|(symbol, _)| !symbols.contains(symbol));
        let are_all_new = cell.totals.is_empty();
        for &symbol in *symbols {
            if let Some(totals) = fresh.remove(&(key.span, symbol)) {
                cell.totals.push((symbol, totals));
            }
        }
        cell.totals.sort_unstable_by_key(|(symbol, _)| *symbol);
        cells.push(cell.encode());
        briefs.push(if are_units {
            let before = row.and_then(|row| row.get::<_, Option<&[u8]>>("brief"));
            let before = match before.map(|bytes| unit_ticks::decode(start, bytes)) {
                Some(ticks) => Some(ticks.map_err(|_| key.broken("price_cells"))?),
                None => are_all_new.then(Vec::new),
            };
            before.map(|before| repacked(key.span, symbols, before, packed))
        } else {
            let brief = |(id, totals): &(i32, TickTotals)| (*id, PriceBrief::of_totals(totals));
            Some(brief_cell::encode(start, &cell.totals.iter().map(brief).collect::<Vec<_>>()))
        });
    }
    let Columns { levels, numbers, groups } = Columns::of(&keys);
    statement!("price_cells_write")
        .query(client, &[&levels, &numbers, &groups, &cells, &briefs])
        .await
        .map(drop)
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
struct Columns {
    levels: Vec<i16>,
    numbers: Vec<i64>,
    groups: Vec<i32>,
}

impl Columns {
    fn of(keys: &[CellKey]) -> Self {
        Self {
            levels: keys.iter().map(|key| i16::from(key.span.level)).collect(),
            numbers: keys.iter().map(|key| key.span.number).collect(),
            groups: keys.iter().map(|key| key.group).collect(),
        }
    }
}

async fn read(
    client: &Client,
    keys: &[CellKey],
    with_briefs: bool,
) -> Result<HashMap<CellKey, Row>, StoreError> {
    let Columns { levels, numbers, groups } = Columns::of(keys);
    let params = [&levels as _, &numbers as _, &groups as _, &with_briefs as _];
    let rows = statement!("price_cells").query(client, &params).await?;
    Ok(rows.into_iter().map(|row| (CellKey::of(&row), row)).collect())
}
