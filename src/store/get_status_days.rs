//! The days of the transactions: how large, how many rows, and whether those are at hand.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use tokio_postgres::Row;

use crate::{
    domain::running_total::{
        cell::{self, BrokenCell},
        sums::ScaledSums,
    },
    store::{Snapshot, StoreError, session::Params, statement::statement, sum_series::add_buckets},
};

/// How it stands with a day.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct StoredDay {
    /// Which day.
    pub day: NaiveDate,
    /// What its partition takes on disk, with its indexes, in bytes; 0 without one.
    pub size_bytes: i64,
    /// Its rows, of all assets; `None` where a cell of theirs cannot be read.
    pub row_count: Option<i64>,
    /// Why its rows are not at hand, if they are not: whether retention dropped them.
    pub absent: Option<bool>,
}

/// Every day that has a partition, or had one with rows, earliest first.
///
/// # Errors
/// If the database cannot answer.
pub async fn days(snapshot: &Snapshot) -> Result<Vec<StoredDay>, StoreError> {
    let rows = snapshot.rows(statement!("get_status_days"), &[]).await?;
    let mut days: Vec<StoredDay> = rows.iter().map(stored_day).collect();
    let edges = edges(&days);
    let params: &Params<'_> = &[&edges];
    let (cells, corrections) = tokio::try_join!(
        snapshot.rows(statement!("get_status_day_cells"), params),
        snapshot.rows(statement!("get_status_day_corrections"), &[]),
    )?;
    if let Ok(sealed) = sealed(&cells, &edges) {
        let unsealed: BTreeMap<NaiveDate, i64> =
            corrections.iter().map(|row| (row.get("day"), row.get("unsealed_count"))).collect();
        for day in &mut days {
            let unsealed = unsealed.get(&day.day).copied().unwrap_or(0);
            let place = edges.binary_search(&midnight(day.day)).ok();
            let sealed =
                place.and_then(|place| sealed.get(place)).map_or(0, |sums| sums.sums.count);
            day.row_count = Some(sealed + unsealed);
        }
    }
    Ok(days)
}

fn stored_day(row: &Row) -> StoredDay {
    StoredDay {
        day: row.get("day"),
        size_bytes: row.get::<_, Option<i64>>("size_bytes").unwrap_or(0),
        row_count: None,
        absent: row.get("is_dropped"),
    }
}

fn midnight(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc()
}

/// The midnights that days begin and end with, ascending.
fn edges(days: &[StoredDay]) -> Vec<DateTime<Utc>> {
    let both = |day: &StoredDay| [Some(day.day), day.day.succ_opt()];
    let mut edges: Vec<_> = days.iter().flat_map(both).flatten().map(midnight).collect();
    edges.sort_unstable();
    edges.dedup();
    edges
}

/// What is sealed between each instant and the next, of all assets together.
fn sealed(cells: &[Row], edges: &[DateTime<Utc>]) -> Result<Vec<ScaledSums>, BrokenCell> {
    let mut trees: BTreeMap<i32, Vec<BTreeMap<i64, &[u8]>>> = BTreeMap::new();
    for row in cells {
        let bytes: &[u8] = row.get("cell");
        let key = cell::visit(bytes, |_, _| false)?.key;
        let levels = trees.entry(row.get("asset_id")).or_default();
        let level = usize::try_from(row.get::<_, i16>("level")).unwrap_or(0);
        levels.resize_with(levels.len().max(level + 1), BTreeMap::new);
        levels[level].insert(key, bytes);
    }
    let mut sums = vec![ScaledSums::ZERO; edges.len().saturating_sub(1)];
    for levels in trees.values() {
        add_buckets(levels, edges, &mut sums)?;
    }
    Ok(sums)
}
