//! Folding price ticks into cells: units that changed are read anew, and everything above them is
//! put together anew. What was there before does not matter, so it is safe to repeat.

use std::collections::{BTreeMap, BTreeSet, HashMap, hash_map::Entry};

use chrono::NaiveDate;
use tokio_postgres::Client;

use crate::{
    domain::price::{
        cell::PriceCell,
        spans::{LEVELS, PriceSpan, group_of},
        totals::TickTotals,
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
    let units: BTreeSet<SymbolUnit> =
        taken.iter().map(|row| (row.get("unit_number"), row.get("symbol_id"))).collect();
    fold(client, &units).await?;
    // What was not read of a day that went meanwhile would be taken for deleted.
    if days_lacking(client, &noted).await? != waiting {
        return Ok(FoldedPrices::Busy);
    }
    Ok(FoldedPrices::Folded(taken.len(), waiting))
}

async fn fold(client: &Client, units: &BTreeSet<SymbolUnit>) -> Result<(), StoreError> {
    let mut pending = Pending::new();
    for &(unit, symbol) in units {
        let key = CellKey { span: PriceSpan::of_unit(unit), group: group_of(symbol) };
        pending.entry(key).or_default().insert(symbol);
    }
    let mut fresh = Fresh::new();
    for (symbol, tick) in ticks_of_units(client, units).await? {
        add(&mut fresh, (PriceSpan::of_instant(tick.first.at), symbol), tick);
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
            rewrite(client, &some, &mut fresh).await?;
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
    let cells = read(client, &below).await?;
    let mut fresh = Fresh::new();
    for (key, symbols) in wanted {
        for span in key.span.below() {
            let key_below = CellKey { span, group: key.group };
            let Some(bytes) = cells.get(&key_below) else { continue };
            crate::domain::price::cell::visit(
                span.start(),
                bytes,
                |symbol| symbols.contains(&symbol),
                |symbol, totals| add(&mut fresh, (key.span, symbol), totals),
            )
            .map_err(|_| key_below.broken("price_cells"))?;
        }
    }
    Ok(fresh)
}

/// Writes cells with what symbols come to now; those without ticks leave them.
async fn rewrite(
    client: &Client,
    wanted: &[(&CellKey, &BTreeSet<i32>)],
    fresh: &mut Fresh,
) -> Result<(), StoreError> {
    let keys: Vec<CellKey> = wanted.iter().map(|(key, _)| **key).collect();
    let before = read(client, &keys).await?;
    let mut bytes = Vec::with_capacity(keys.len());
    for (key, symbols) in wanted {
        let start = key.span.start();
        let mut cell = match before.get(key) {
            Some(bytes) => {
                PriceCell::decode(start, bytes).map_err(|_| key.broken("price_cells"))?
            }
            None => PriceCell { start, totals: Vec::new() },
        };
        cell.totals.retain(|(symbol, _)| !symbols.contains(symbol));
        for &symbol in *symbols {
            if let Some(totals) = fresh.remove(&(key.span, symbol)) {
                cell.totals.push((symbol, totals));
            }
        }
        cell.totals.sort_unstable_by_key(|(symbol, _)| *symbol);
        bytes.push(cell.encode());
    }
    let Columns { levels, numbers, groups } = Columns::of(&keys);
    statement!("price_cells_write")
        .query(client, &[&levels, &numbers, &groups, &bytes])
        .await
        .map(drop)
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

async fn read(client: &Client, keys: &[CellKey]) -> Result<HashMap<CellKey, Vec<u8>>, StoreError> {
    let Columns { levels, numbers, groups } = Columns::of(keys);
    let rows = statement!("price_cells").query(client, &[&levels, &numbers, &groups]).await?;
    Ok(rows.iter().map(|row| (CellKey::of(row), row.get("cell"))).collect())
}
