//! What a price feed asks of the database: whose turn it is, and which minutes lack a tick.

use tokio_postgres::Client;

use crate::{
    domain::price::{candle::Minutes, symbol::SymbolName},
    store::{Database, StoreError, statement::statement},
};

/// Whether nobody else takes prices from an exchange; if so, nobody else will as long as this
/// connection lasts. To be asked once on a connection.
///
/// # Errors
/// If the database cannot answer.
pub async fn take_turn(client: &Client) -> Result<bool, StoreError> {
    let rows = statement!("feed_lock").query(client, &[]).await?;
    Ok(rows.first().is_some_and(|row| row.get("is_ours")))
}

/// Which of these minutes lack a tick, for each of these symbols that lacks any: spans of minutes,
/// earliest first.
///
/// # Errors
/// If the database cannot answer.
pub async fn gaps(
    database: &Database,
    symbols: &[&SymbolName],
    minutes: Minutes,
) -> Result<Vec<(SymbolName, Minutes)>, StoreError> {
    let names: Vec<&str> = symbols.iter().map(|name| name.as_str()).collect();
    let statement = statement!("feed_gaps");
    let found = database.read(statement, &[&names, &minutes.first, &minutes.last]).await?;
    let gap = |row: &tokio_postgres::Row| {
        let name = SymbolName::recorded(row.get("name"));
        (name, Minutes { first: row.get("first_at"), last: row.get("last_at") })
    };
    Ok(found.value.iter().map(gap).collect())
}
