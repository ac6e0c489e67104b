//! Recording price ticks: one tx for the rows of a chunk, and for the alerts that they set off.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, NaiveDate, Utc};
use tokio_postgres::Row;

use crate::{
    domain::decimal::Decimal,
    store::{
        Database, StoreError,
        alert_step::judge_recorded,
        numeric::Numeric,
        record_transactions::{DayStates, states_of},
        statement::statement,
        tx::PooledTx,
    },
    telemetry::metrics::{self, AlertTurns},
};

/// A tick, its symbol by its id.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyedPrice {
    /// Of what.
    pub symbol_id: i32,
    /// When.
    pub ticked_at: DateTime<Utc>,
    /// The price.
    pub price: Decimal,
}

/// What became of a tick.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PriceFate {
    /// Recorded now.
    Recorded,
    /// There already, with the same price.
    Present,
    /// It took the place of another price.
    Replaced,
    /// Another price is there, and stays.
    Differs,
    /// It would have been recorded, and was not because of another one.
    Undone,
}

/// Records ticks, at most one for a symbol and instant, and returns what became of each, in their
/// order. Where one differs and `keep_whole`, nothing was recorded.
///
/// # Errors
/// `Check` without a constraint if a day has no partition, or what else the database says: nothing
/// is recorded then. If the connection broke, whether they were recorded is unknown.
pub async fn record_prices(
    database: &Database,
    rows: &[KeyedPrice],
    replace: bool,
    keep_whole: bool,
) -> Result<Vec<PriceFate>, StoreError> {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_unstable_by_key(|&place| (rows[place].ticked_at, rows[place].symbol_id));
    let places: HashMap<_, _> =
        rows.iter().enumerate().map(|(place, row)| (key(row), place)).collect();
    let tx = PooledTx::begin(database, "record_prices").await?;
    let written = write(&tx, rows, &order, &places, replace).await;
    let is_kept = |fates: &Vec<PriceFate>| !(keep_whole && fates.contains(&PriceFate::Differs));
    let judged = match written {
        Ok(fates) if is_kept(&fates) => {
            judge_new(&tx, rows, &fates).await.map(|turns| (fates, turns))
        }
        written => written.map(|fates| (fates, AlertTurns::default())),
    };
    match judged {
        Ok((fates, turns)) if is_kept(&fates) => {
            tx.commit().await?;
            metrics::alert_events(turns);
            Ok(fates)
        }
        given_up => {
            // In order, so that the connection is kept.
            if let Err(second) = tx.roll_back().await {
                tracing::debug!(error = %second, "could not roll back");
            }
            given_up.map(|(fates, _)| undone(fates))
        }
    }
}

/// Holds the alert rules against the rows that are new.
async fn judge_new(
    tx: &PooledTx,
    rows: &[KeyedPrice],
    fates: &[PriceFate],
) -> Result<AlertTurns, StoreError> {
    let is_new = |(row, fate): (_, &PriceFate)| (*fate == PriceFate::Recorded).then_some(row);
    let recorded: Vec<&KeyedPrice> = rows.iter().zip(fates).filter_map(is_new).collect();
    judge_recorded(tx, &recorded).await
}

/// What became of rows of which none is kept.
fn undone(mut fates: Vec<PriceFate>) -> Vec<PriceFate> {
    for fate in fates.iter_mut().filter(|fate| **fate != PriceFate::Differs) {
        *fate = PriceFate::Undone;
    }
    fates
}

type Key = (i32, DateTime<Utc>);

fn key(row: &KeyedPrice) -> Key {
    (row.symbol_id, row.ticked_at)
}

fn key_of(row: &Row) -> Key {
    (row.get("symbol_id"), row.get("ticked_at"))
}

/// The rows at these places, a column each.
struct Columns {
    symbols: Vec<i32>,
    instants: Vec<DateTime<Utc>>,
    prices: Vec<Numeric>,
}

impl Columns {
    fn of(rows: &[KeyedPrice], places: &[usize]) -> Self {
        let each = || places.iter().map(|&place| &rows[place]);
        Self {
            symbols: each().map(|row| row.symbol_id).collect(),
            instants: each().map(|row| row.ticked_at).collect(),
            prices: each().map(|row| Numeric(row.price.clone())).collect(),
        }
    }

    /// The first and the last instant; rows stand in the order of time.
    fn span(&self) -> (Option<&DateTime<Utc>>, Option<&DateTime<Utc>>) {
        (self.instants.first(), self.instants.last())
    }
}

async fn write(
    tx: &PooledTx,
    rows: &[KeyedPrice],
    order: &[usize],
    places: &HashMap<Key, usize>,
    replace: bool,
) -> Result<Vec<PriceFate>, StoreError> {
    let mut fates = vec![PriceFate::Present; rows.len()];
    let mut differing = Vec::new();
    let mut pending = order.to_vec();
    // A second time only for what somebody deletes meanwhile.
    while !pending.is_empty() {
        let Columns { symbols, instants, prices } = Columns::of(rows, &pending);
        let statement = statement!("record_prices");
        let recorded = tx.rows(statement, &[&symbols, &instants, &prices]).await?;
        let mut settled: HashSet<usize> = HashSet::with_capacity(pending.len());
        for place in recorded.iter().filter_map(|row| places.get(&key_of(row))) {
            fates[*place] = PriceFate::Recorded;
            settled.insert(*place);
        }
        pending.retain(|place| !settled.contains(place));
        for (place, price) in find(tx, rows, &pending, places).await? {
            if price != rows[place].price {
                differing.push(place);
            }
            settled.insert(place);
        }
        pending.retain(|place| !settled.contains(place));
    }
    for &place in &differing {
        fates[place] = if replace { PriceFate::Replaced } else { PriceFate::Differs };
    }
    if replace && !differing.is_empty() {
        differing.sort_unstable_by_key(|&place| (rows[place].ticked_at, rows[place].symbol_id));
        let columns = Columns::of(rows, &differing);
        let (first, last) = columns.span();
        tx.rows(
            statement!("record_prices_replace"),
            &[&columns.symbols, &columns.instants, &columns.prices, &first, &last],
        )
        .await?;
    }
    Ok(fates)
}

/// The prices that are recorded for ticks, in the order of time, by their places.
async fn find(
    tx: &PooledTx,
    rows: &[KeyedPrice],
    wanted: &[usize],
    places: &HashMap<Key, usize>,
) -> Result<Vec<(usize, Decimal)>, StoreError> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let columns = Columns::of(rows, wanted);
    let (first, last) = columns.span();
    let found = tx
        .rows(
            statement!("record_prices_found"),
            &[&columns.symbols, &columns.instants, &first, &last],
        )
        .await?;
    let price = |row: &Row| {
        let Numeric(price) = row.get("price");
        Some((*places.get(&key_of(row))?, price))
    };
    Ok(found.iter().filter_map(price).collect())
}

/// How it stands with these days of prices.
///
/// # Errors
/// If the database cannot answer.
pub async fn day_states(
    database: &Database,
    days: &[NaiveDate],
) -> Result<Option<DayStates>, StoreError> {
    let answer = database.read(statement!("record_prices_days"), &[&days]).await?;
    Ok(states_of(&answer.value))
}
