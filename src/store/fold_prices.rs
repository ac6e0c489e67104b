//! Folding price ticks into cells, and into the briefs beside them: units that changed are read
//! anew, and everything above them is put together anew. What was there before does not matter, so
//! it is safe to repeat.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use tokio_postgres::Client;

use crate::{
    domain::price::cell::visit,
    store::{
        StoreError,
        price_cells::{CellKey, SymbolUnit, days_lacking},
        rewrite_prices::{BrokenCells, CELLS_AT_ONCE, Columns, keys_of, rewrite},
        statement::statement,
        tx::Tx,
    },
};

/// What came of folding.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FoldedPrices {
    /// What was folded.
    Folded {
        /// So many notes of changed units were taken.
        count: usize,
        /// Those of these days wait, because the ticks of the days are not at hand.
        waiting: Vec<NaiveDate>,
        /// Cells that could not be read on the way.
        broken: BrokenCells,
    },
    /// Somebody else is folding, or a day went meanwhile.
    Busy,
}

/// Folds up to `count_max` changed units of symbols in one tx, of units that are over or of all.
///
/// # Errors
/// If the database refuses; then nothing was folded.
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
    let rewritten = rewrite(client, &units, &BTreeSet::new()).await?;
    // What was not read of a day that went meanwhile would be taken for deleted.
    let is_unchanged = days_lacking(client, &noted).await? == waiting;
    Ok(match rewritten.filter(|_| is_unchanged) {
        Some(broken) => FoldedPrices::Folded { count: taken.len(), waiting, broken },
        None => FoldedPrices::Busy,
    })
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
            // One that cannot be read is built anew as a whole.
            if visit(key.span.start(), row.get("cell"), |_| true, &mut add).is_err() {
                continue;
            }
            if units.len() + of_cell.difference(units).count() > most {
                return Ok(());
            }
            units.append(&mut of_cell);
        }
    }
    Ok(())
}
