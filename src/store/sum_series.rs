//! Counts and sums of one subject's amounts, bucket by bucket: from running totals, or, to
//! verify them, from the rows.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    domain::{
        access::Scope,
        account::AccountKey,
        direction::Direction,
        running_total::{
            cell::{self, BrokenCell, CellHead},
            damage::Damaged,
            prefix::Prefix,
            rows::{SeriesKey, direction_number},
            sums::{ScaledSums, Sums},
            whole::Whole,
        },
    },
    store::{
        Reader, StoreError,
        numeric::{Numeric, ScaledNumeric},
        session::{Answer, Params, Snapshot},
        statement::statement,
        sum_amount::Total,
    },
};

/// Whose amounts make a series or a histogram.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SeriesSubject {
    /// All wallets of a user.
    User(Uuid),
    /// One account.
    Account(AccountKey),
    /// Everybody: each transaction counts once, whichever the direction.
    All,
}

/// A series from running totals, with what it was made of.
#[derive(Clone, Debug)]
pub struct FoundSeries {
    /// One series a direction, each with one total a bucket.
    pub series: Vec<Vec<Total>>,
    /// Cells that were read.
    pub cells_read: u64,
    /// Corrections that were read.
    pub corrections_read: i64,
}

/// Buckets that are summed at a time: bounds the cells in memory, of which each edge has one a
/// level and account.
const BUCKETS_AT_ONCE: usize = 500;

/// Sums the subject's amounts of one asset between each edge and the next one, from running
/// totals: one series a direction, in their order; `None` for an unknown subject, which every one
/// beyond the scope is.
///
/// # Errors
/// If the database cannot answer, or a cell is broken.
pub async fn sum_series(
    snapshot: &Snapshot,
    (subject, scope): (&SeriesSubject, Scope),
    asset_id: i32,
    edges: &[DateTime<Utc>],
    directions: &[Direction],
) -> Result<Option<FoundSeries>, StoreError> {
    let mut found: Option<FoundSeries> = None;
    let mut start = 0;
    loop {
        let end = edges.len().min(start + BUCKETS_AT_ONCE + 1);
        let asked = (subject, scope);
        let some = some_buckets(snapshot, asked, asset_id, &edges[start..end], directions);
        let Some(some) = some.await? else { return Ok(None) };
        found = Some(match found {
            None => some,
            Some(before) => before.followed_by(some),
        });
        if end == edges.len() {
            return Ok(found);
        }
        // The last edge of these buckets is the first one of the next.
        start = end - 1;
    }
}

impl FoundSeries {
    /// With the buckets that come behind.
    fn followed_by(mut self, next: Self) -> Self {
        for (own, next) in self.series.iter_mut().zip(next.series) {
            own.extend(next);
        }
        self.cells_read += next.cells_read;
        self.corrections_read += next.corrections_read;
        self
    }
}

async fn some_buckets(
    snapshot: &Snapshot,
    (subject, scope): (&SeriesSubject, Scope),
    asset_id: i32,
    edges: &[DateTime<Utc>],
    directions: &[Direction],
) -> Result<Option<FoundSeries>, StoreError> {
    // Everybody's series is the same in both directions, and kept as that of senders.
    let is_all = *subject == SeriesSubject::All;
    let asked = if is_all { &[Direction::Sender][..] } else { directions };
    let numbers: Vec<_> = asked.iter().map(|direction| direction_number(*direction)).collect();
    let (kind, user_uuid, account): (i16, _, _) = match subject {
        SeriesSubject::User(user_uuid) => (0, Some(*user_uuid), None),
        SeriesSubject::Account(key) => (2, None, Some(key)),
        SeriesSubject::All => (3, None, None),
    };
    let network = account.map(|key| key.network().as_str());
    let address = account.map(|key| key.address().as_str());
    let owner = scope.owner();
    let params: &Params<'_> =
        &[&kind, &user_uuid, &network, &address, &asset_id, &numbers, &edges, &owner];
    let (cells, corrections) = tokio::try_join!(
        snapshot.rows(statement!("sum_series_cells"), params),
        snapshot.rows(statement!("sum_series_corrections"), params),
    )?;
    if cells.is_empty() {
        return Ok(None);
    }
    let mut found = FoundSeries { series: Vec::new(), cells_read: 0, corrections_read: 0 };
    let bucket_count = edges.len().saturating_sub(1);
    let mut sums = vec![vec![ScaledSums::ZERO; bucket_count]; numbers.len()];
    for ((direction, account_id), levels) in trees(&cells, asset_id)? {
        found.cells_read += levels.iter().map(|cells| cells.len() as u64).sum::<u64>();
        if let Some(sums) = place_of(&numbers, direction).and_then(|place| sums.get_mut(place)) {
            let added = add_buckets(&levels, edges, sums);
            added.map_err(|_| damaged(account_id, asset_id, direction))?;
        }
    }
    for row in &corrections {
        found.corrections_read += row.get::<_, i64>("correction_count");
        let bucket = usize::try_from(row.get::<_, i32>("bucket") - 1).unwrap_or(usize::MAX);
        let place = place_of(&numbers, row.get("direction"));
        let sums = place.and_then(|place| sums.get_mut(place)?.get_mut(bucket));
        let (Some(total), sum) = (sums, row.get::<_, ScaledNumeric>("sum_amount")) else {
            continue;
        };
        let count = row.get("transaction_count");
        total.add(sum.scale, &Sums { count, sum: sum.whole, squares: Whole::ZERO });
    }
    let total = |sums: &ScaledSums| {
        let moments = sums.to_moments();
        Total { count: moments.count, sum: moments.sum }
    };
    found.series = sums.iter().map(|sums| sums.iter().map(total).collect()).collect();
    if is_all && let Some(one) = found.series.first().cloned() {
        found.series = vec![one; directions.len()];
    }
    Ok(Some(found))
}

fn place_of(numbers: &[i16], direction: i16) -> Option<usize> {
    numbers.iter().position(|number| *number == direction)
}

/// The cells of each direction and account, level by level, keys ascending: as bytes, because
/// decoded they are ten times as large.
type Trees<'r> = BTreeMap<(i16, i64), Vec<BTreeMap<i64, &'r [u8]>>>;

fn trees(rows: &[Row], asset_id: i32) -> Result<Trees<'_>, StoreError> {
    let mut trees = Trees::new();
    for row in rows {
        let Some(bytes) = row.get::<_, Option<&[u8]>>("cell") else { continue };
        let (direction, account_id) = (row.get("direction"), row.get("account_id"));
        let CellHead { key, .. } = cell::visit(bytes, |_, _| false)
            .map_err(|_| damaged(account_id, asset_id, direction))?;
        let levels = trees.entry((direction, account_id)).or_default();
        let level = usize::try_from(row.get::<_, i16>("level")).unwrap_or(0);
        levels.resize_with(levels.len().max(level + 1), BTreeMap::new);
        levels[level].insert(key, bytes);
    }
    Ok(trees)
}

fn damaged(account_id: i64, asset_id: i32, direction: i16) -> StoreError {
    let key = SeriesKey { account_id, asset_id, direction };
    StoreError::of_damaged("sum_series_cells", Damaged::Series(key))
}

/// Adds what one tree has between each edge and the next.
pub(super) fn add_buckets(
    levels: &[BTreeMap<i64, &[u8]>],
    edges: &[DateTime<Utc>],
    sums: &mut [ScaledSums],
) -> Result<(), BrokenCell> {
    let mut before = None;
    for (place, edge) in edges.iter().enumerate() {
        let instant = edge.timestamp_micros();
        let mut prefix = Prefix::before(instant);
        for cells in levels {
            if let Some((_, cell)) = cells.range(..instant).next_back() {
                prefix.add_level(cell)?;
            }
        }
        let total = prefix.total().clone();
        if let Some(before) = before.replace(total.clone())
            && let Some(sums) = sums.get_mut(place - 1)
        {
            sums.add(total.scale, &total.sums);
            sums.subtract(&before);
        }
    }
    Ok(())
}

/// One series of [`sum_series`], by a scan of the rows, of a subject that was found before:
/// nothing is held against a scope.
///
/// # Errors
/// If the database cannot answer.
pub async fn sum_series_of_rows(
    reader: Reader<'_>,
    subject: &SeriesSubject,
    asset_id: i32,
    edges: &[DateTime<Utc>],
    direction: Direction,
) -> Result<Answer<Option<Vec<Total>>>, StoreError> {
    let (start, end) = (edges.first(), edges.last());
    let answer = match subject {
        SeriesSubject::User(user_uuid) => {
            let statement = match direction {
                Direction::Sender => statement!("sum_series_user_sender"),
                Direction::Receiver => statement!("sum_series_user_receiver"),
            };
            reader.read(statement, &[user_uuid, &asset_id, &edges, &start, &end]).await?
        }
        SeriesSubject::Account(key) => {
            let statement = match direction {
                Direction::Sender => statement!("sum_series_account_sender"),
                Direction::Receiver => statement!("sum_series_account_receiver"),
            };
            let (network, address) = (key.network().as_str(), key.address().as_str());
            let params: &Params<'_> = &[&network, &address, &asset_id, &edges, &start, &end];
            reader.read(statement, params).await?
        }
        SeriesSubject::All => {
            let statement = statement!("sum_series_all");
            reader.read(statement, &[&asset_id, &edges, &start, &end]).await?
        }
    };
    Ok(answer.map(|rows| series(&rows, edges.len().saturating_sub(1))))
}

/// One total a bucket, from rows of those that are not empty.
fn series(rows: &[Row], bucket_count: usize) -> Option<Vec<Total>> {
    rows.first()?.get::<_, Option<i64>>("subject_id")?;
    let mut totals = vec![Total::none(); bucket_count];
    for row in rows {
        // Buckets are numbered from 1; a row without a number says that all are empty.
        let number = row.get::<_, Option<i32>>("bucket").unwrap_or(0);
        let place = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        if let Some(total) = place.and_then(|place| totals.get_mut(place)) {
            *total = Total {
                count: row.get("transaction_count"),
                sum: row.get::<_, Numeric>("sum_amount").0,
            };
        }
    }
    Some(totals)
}
