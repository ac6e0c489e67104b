//! Building cells of prices anew for whoever repairs, and which are noted as broken.

use std::collections::BTreeSet;

use tokio_postgres::Client;

use crate::store::{
    StoreError,
    price_cells::CellKey,
    rewrite_prices::{CELLS_AT_ONCE, rewrite},
    statement::statement,
    tx::Tx,
};

/// Puts cells together anew, some in a tx with what is above them, while nobody folds. Of those
/// whose ticks are not at hand it does what can be done.
///
/// # Errors
/// If the database refuses; what was put together before stays so.
pub async fn rebuild_prices(client: &Client, cells: &BTreeSet<CellKey>) -> Result<(), StoreError> {
    let cells: Vec<CellKey> = cells.iter().copied().collect();
    for some in cells.chunks(CELLS_AT_ONCE) {
        while !rebuild(client, &some.iter().copied().collect()).await? {}
    }
    Ok(())
}

/// Does so in one tx; false if a day went or came meanwhile, and nothing was done.
async fn rebuild(client: &Client, cells: &BTreeSet<CellKey>) -> Result<bool, StoreError> {
    let tx = Tx::begin(client, "price_repair_lock").await?;
    statement!("price_repair_lock").query(client, &[]).await?;
    let is_done = rewrite(client, &BTreeSet::new(), cells).await?.is_some();
    if is_done {
        tx.commit().await?
    } else {
        tx.roll_back().await?
    }
    Ok(is_done)
}

/// Cells that are noted as unreadable, in a stable order.
///
/// # Errors
/// If the database cannot answer.
pub async fn noted_as_broken(client: &Client) -> Result<Vec<CellKey>, StoreError> {
    let rows = statement!("damaged_prices_list").query(client, &[]).await?;
    Ok(rows.iter().map(CellKey::of).collect())
}
