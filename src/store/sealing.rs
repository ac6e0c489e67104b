//! Folding rows into running totals: which cells to read and write, level by level. What
//! becomes of a cell is `domain::running_total`'s business.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;
use tokio_postgres::{Client, Row};

use crate::{
    domain::{
        direction::Direction,
        running_total::{
            cell::{BrokenCell, Cell},
            damage::Damaged,
            day_cells::DaySpan,
            rows::{ByDay, DayCellKey, RowChange, SeriesKey, Side, by_series, in_order},
            tree::{Changes, merge_level},
        },
    },
    store::{
        StoreError, instant::Micros, numeric::ScaledNumeric, session::Snapshot,
        statement::statement, tx::Tx,
    },
};

/// Rows that are merged at a time: bounds the cells in memory, which may be one for each.
const MERGED_ROWS: usize = 20_000;

/// Cells that are written by one statement: bounds its message.
const WRITTEN_CELLS: usize = 2_000;

/// Cells by day that are merged at a time: one of a busy day is some 30 kB.
const MERGED_DAY_CELLS: usize = 64;

/// How the rows that are folded lie in time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Spread {
    /// Whole days: cells between the first and the last row of a series are all touched.
    Dense,
    /// Anywhere.
    Scattered,
}

/// What came of folding corrections.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Sealed {
    /// So many were folded; none if there are none.
    Folded(usize),
    /// None was folded: all that were come across, if any, are of totals that are set aside.
    SetAside,
    /// Somebody else is folding.
    Busy,
    /// None was folded: they would have changed totals that cannot be read.
    Damaged(Vec<Damaged>),
}

/// Folds up to `rows_max` corrections in one tx.
///
/// # Errors
/// If the database refuses; then nothing was folded.
pub async fn seal(client: &Client, rows_max: i64) -> Result<Sealed, StoreError> {
    let tx = Tx::begin(client, "seal").await?;
    let rows = statement!("seal_lock").query(client, &[]).await?;
    let is = |name: &str| rows.first().is_some_and(|row| row.get(name));
    if !is("is_ours") {
        tx.roll_back().await?;
        return Ok(Sealed::Busy);
    }
    let has_damaged = is("has_damaged");
    if is("has_set_aside") && !has_damaged {
        statement!("seal_let_go").query(client, &[&rows_max]).await?;
    }
    let changes = take(client, rows_max, has_damaged).await?;
    let damaged = try_fold(client, &changes, Spread::Scattered).await?;
    if !damaged.is_empty() {
        tx.roll_back().await?;
        return Ok(Sealed::Damaged(damaged));
    }
    tx.commit().await?;
    match changes.len() {
        0 if has_damaged => Ok(Sealed::SetAside),
        count => Ok(Sealed::Folded(count)),
    }
}

/// Takes corrections away, row by row: as rows of the driver they are ten times as large. Those of
/// damaged totals are moved where nobody who folds comes across them again.
async fn take(
    client: &Client,
    rows_max: i64,
    has_damaged: bool,
) -> Result<Vec<RowChange>, StoreError> {
    let statement =
        if has_damaged { statement!("seal_take_sound") } else { statement!("seal_take") };
    let _measure = statement.measure();
    let taken = async {
        let rows = client.query_raw(statement.text, [rows_max]).await?;
        rows.map_ok(|row| row_change(&row)).try_collect().await
    };
    taken.await.map_err(|source| StoreError::from_postgres(statement.stem, source))
}

/// Corrections that wait, counted up to `count_max`.
///
/// # Errors
/// If the database cannot answer.
pub async fn backlog(client: &Client, count_max: i64) -> Result<i64, StoreError> {
    let rows = statement!("seal_backlog").query(client, &[&count_max]).await?;
    Ok(rows.first().map_or(0, |row| row.get("correction_count")))
}

/// Pages of the file of corrections, whatever is in them.
///
/// # Errors
/// If the database cannot answer.
pub async fn file_pages(client: &Client) -> Result<i64, StoreError> {
    let rows = statement!("seal_file_pages").query(client, &[]).await?;
    Ok(rows.first().map_or(0, |row| row.get("page_count")))
}

/// Cuts empty pages off the end of that file, where nobody has it at work.
///
/// # Errors
/// If the database refuses.
pub async fn cut_file(client: &Client) -> Result<(), StoreError> {
    statement!("seal_cut_file").batch(client).await
}

/// The earliest instant of a row that is not sealed yet; `None` if all are.
///
/// # Errors
/// If the database cannot answer.
pub async fn sealed_until(session: &Snapshot) -> Result<Option<DateTime<Utc>>, StoreError> {
    let rows = session.rows(statement!("sealed_until"), &[]).await?;
    Ok(rows.first().and_then(|row| row.get("sealed_until")))
}

/// Reads a row that a statement returns for the running totals.
pub(crate) fn row_change(row: &Row) -> RowChange {
    let amount: ScaledNumeric = row.get("amount");
    RowChange {
        instant: row.get::<_, Micros>("occurred_at").0,
        sender_id: row.get("sender_id"),
        receiver_id: row.get("receiver_id"),
        asset_id: row.get("asset_id"),
        count: row.get("row_count"),
        scale: amount.scale,
        amount: amount.whole,
    }
}

/// Folds rows into the running totals, within the caller's tx.
///
/// # Errors
/// If the database refuses, or a cell that is stored cannot be read; the tx must not be
/// committed then.
pub async fn fold(client: &Client, rows: &[RowChange], spread: Spread) -> Result<(), StoreError> {
    sound(try_fold(client, rows, spread).await?)
}

fn sound(damaged: Vec<Damaged>) -> Result<(), StoreError> {
    match damaged.first() {
        Some(first) => Err(StoreError::of_damaged("seal", *first)),
        None => Ok(()),
    }
}

/// Folds rows; returns what cannot be read, where the tx must not be committed.
async fn try_fold(
    client: &Client,
    rows: &[RowChange],
    spread: Spread,
) -> Result<Vec<Damaged>, StoreError> {
    let mut damaged = Vec::new();
    if rows.is_empty() {
        return Ok(damaged);
    }
    for side in Side::EVERY {
        let order = in_order(rows, side);
        for places in order.chunks(MERGED_ROWS) {
            damaged.extend(fold_series(client, by_series(rows, places, side), spread).await?);
        }
    }
    for direction in [Direction::Sender, Direction::Receiver] {
        damaged.extend(fold_days(client, ByDay::new(rows, direction)).await?);
    }
    Ok(damaged)
}

/// Folds changes into one tree, within the caller's tx.
///
/// # Errors
/// As for [`fold`].
pub(crate) async fn fold_one(
    client: &Client,
    key: SeriesKey,
    changes: Changes,
) -> Result<(), StoreError> {
    let Changes { scale, parts } = changes;
    let mut parts = parts.into_iter();
    while !parts.as_slice().is_empty() {
        let changes = Changes { scale, parts: parts.by_ref().take(MERGED_ROWS).collect() };
        sound(fold_series(client, vec![(key, changes)], Spread::Dense).await?)?;
    }
    Ok(())
}

/// A series that one level after the other of its tree is changed.
struct Pending {
    key: SeriesKey,
    /// Its highest level; -1 without a tree.
    height: i16,
    changes: Changes,
}

/// Folds changes into trees; returns the trees that cannot be read.
async fn fold_series(
    client: &Client,
    series: Vec<(SeriesKey, Changes)>,
    spread: Spread,
) -> Result<Vec<Damaged>, StoreError> {
    let mut damaged = Vec::new();
    let heights = heights(client, series.iter().map(|(key, _)| *key)).await?;
    let mut pending: Vec<_> = series
        .into_iter()
        .zip(heights)
        .map(|((key, changes), height)| Pending { key, height, changes })
        .collect();
    let mut level = 0;
    while !pending.is_empty() {
        let cells = covering_cells(client, level, &pending, spread).await?;
        let mut written = Writer::new(client);
        let mut above = Vec::new();
        for Pending { key, height, changes } in pending {
            let Ok(own) = cells.of(key) else {
                damaged.push(Damaged::Series(key));
                continue;
            };
            let is_highest = i16::from(level) >= height;
            let merged = merge_level(level, is_highest, own, changes);
            for cell in &merged.written {
                written.add(key, level, cell).await?;
            }
            if let Some(changes) = merged.above {
                above.push(Pending { key, height, changes });
            }
        }
        written.send().await?;
        pending = above;
        level += 1;
    }
    Ok(damaged)
}

async fn heights(
    client: &Client,
    keys: impl Iterator<Item = SeriesKey>,
) -> Result<Vec<i16>, StoreError> {
    let columns = SeriesColumns::of(keys);
    let rows = statement!("seal_heights")
        .query(client, &[&columns.accounts, &columns.assets, &columns.directions])
        .await?;
    Ok(rows.iter().map(|row| row.get::<_, Option<i16>>("height").unwrap_or(-1)).collect())
}

/// Cells as they came: decoded, which makes them ten times as large, when they are needed.
struct StoredCells {
    rows: Vec<Row>,
    /// Places of a series' rows.
    places: HashMap<SeriesKey, Vec<usize>>,
}

impl StoredCells {
    fn new(rows: Vec<Row>) -> Self {
        let mut places: HashMap<SeriesKey, Vec<usize>> = HashMap::new();
        for (place, row) in rows.iter().enumerate() {
            let key = SeriesKey {
                account_id: row.get("account_id"),
                asset_id: row.get("asset_id"),
                direction: row.get("direction"),
            };
            places.entry(key).or_default().push(place);
        }
        Self { rows, places }
    }

    /// Those of a series, by where they begin.
    fn of(&self, key: SeriesKey) -> Result<Vec<Cell>, BrokenCell> {
        let places = self.places.get(&key).map_or(&[][..], Vec::as_slice);
        let mut cells = Vec::with_capacity(places.len());
        for &place in places {
            cells.push(Cell::decode(self.rows[place].get("cell"))?);
        }
        cells.sort_unstable_by_key(|cell: &Cell| cell.key);
        Ok(cells)
    }
}

/// The cells of a level that changes fall into.
async fn covering_cells(
    client: &Client,
    level: u8,
    pending: &[Pending],
    spread: Spread,
) -> Result<StoredCells, StoreError> {
    let existing = || pending.iter().filter(|own| own.height >= i16::from(level));
    let rows = if spread == Spread::Dense && level == 0 {
        let columns = SeriesColumns::of(existing().map(|own| own.key));
        let edge = |own: &Pending, last: bool| {
            let parts = &own.changes.parts;
            let part = if last { parts.last() } else { parts.first() };
            Micros(part.map_or(i64::MIN, |part| part.key))
        };
        let first: Vec<_> = existing().map(|own| edge(own, false)).collect();
        let last: Vec<_> = existing().map(|own| edge(own, true)).collect();
        let SeriesColumns { accounts, assets, directions } = columns;
        statement!("seal_cells_between")
            .query(client, &[&accounts, &assets, &directions, &first, &last])
            .await?
    } else {
        let each =
            || existing().flat_map(|own| own.changes.parts.iter().map(|part| (own.key, part)));
        let SeriesColumns { accounts, assets, directions } =
            SeriesColumns::of(each().map(|(key, _)| key));
        let instants: Vec<_> = each().map(|(_, part)| Micros(part.key)).collect();
        let level = i16::from(level);
        statement!("seal_cells_at")
            .query(client, &[&accounts, &assets, &directions, &instants, &level])
            .await?
    };
    Ok(StoredCells::new(rows))
}

/// Keys of series, a column each.
struct SeriesColumns {
    accounts: Vec<i64>,
    assets: Vec<i32>,
    directions: Vec<i16>,
}

impl SeriesColumns {
    fn of(keys: impl Iterator<Item = SeriesKey>) -> Self {
        let mut columns = Self { accounts: Vec::new(), assets: Vec::new(), directions: Vec::new() };
        for key in keys {
            columns.accounts.push(key.account_id);
            columns.assets.push(key.asset_id);
            columns.directions.push(key.direction);
        }
        columns
    }
}

/// Gathers cells and writes many with one statement.
struct Writer<'a> {
    client: &'a Client,
    keys: Vec<SeriesKey>,
    levels: Vec<i16>,
    starts: Vec<Micros>,
    cells: Vec<Vec<u8>>,
}

impl<'a> Writer<'a> {
    fn new(client: &'a Client) -> Self {
        Self { client, keys: Vec::new(), levels: Vec::new(), starts: Vec::new(), cells: Vec::new() }
    }

    async fn add(&mut self, key: SeriesKey, level: u8, cell: &Cell) -> Result<(), StoreError> {
        self.keys.push(key);
        self.levels.push(i16::from(level));
        self.starts.push(Micros(cell.key));
        self.cells.push(cell.encode());
        if self.cells.len() < WRITTEN_CELLS {
            return Ok(());
        }
        self.send().await
    }

    async fn send(&mut self) -> Result<(), StoreError> {
        if self.cells.is_empty() {
            return Ok(());
        }
        let SeriesColumns { accounts, assets, directions } = SeriesColumns::of(self.keys.drain(..));
        let levels = std::mem::take(&mut self.levels);
        let starts = std::mem::take(&mut self.starts);
        let cells = std::mem::take(&mut self.cells);
        statement!("seal_cells_write")
            .query(self.client, &[&accounts, &assets, &directions, &levels, &starts, &cells])
            .await
            .map(drop)
    }
}

/// Keys of day cells, a column each.
#[derive(Default)]
struct DayColumns {
    assets: Vec<i32>,
    directions: Vec<i16>,
    levels: Vec<i16>,
    spans: Vec<i64>,
    groups: Vec<i64>,
}

impl DayColumns {
    fn of<'k>(keys: impl Iterator<Item = &'k DayCellKey>) -> Self {
        let mut columns = Self::default();
        for key in keys {
            columns.assets.push(key.asset_id);
            columns.directions.push(key.direction);
            columns.levels.push(i16::from(key.span.level));
            columns.spans.push(key.span.number);
            columns.groups.push(key.account_group);
        }
        columns
    }
}

/// Folds changes into cells by day; returns those that cannot be read.
async fn fold_days(client: &Client, mut days: ByDay<'_>) -> Result<Vec<Damaged>, StoreError> {
    let mut damaged = Vec::new();
    loop {
        let some: Vec<_> = days.by_ref().take(MERGED_DAY_CELLS).collect();
        if some.is_empty() {
            return Ok(damaged);
        }
        let columns = DayColumns::of(some.iter().map(|(key, _)| key));
        let rows = {
            let DayColumns { assets, directions, levels, spans, groups } = &columns;
            statement!("seal_day_cells")
                .query(client, &[assets, directions, levels, spans, groups])
                .await?
        };
        let mut before: HashMap<_, _> = rows.iter().map(|row| (day_cell_key(row), row)).collect();
        let mut cells = Vec::with_capacity(some.len());
        for (key, changes) in some {
            let mut cell = match before.remove(&key) {
                Some(row) => Cell::decode(row.get("cell")).unwrap_or_else(|_| {
                    // The tx is not committed, so what is written here does not matter.
                    damaged.push(Damaged::Day(key));
                    Cell::empty(0)
                }),
                None => Cell::empty(0),
            };
            cell.merge(changes.scale, changes.parts, false);
            cells.push(cell.encode());
        }
        write_encoded(client, &columns, &cells).await?;
    }
}

/// Writes cells by day, within the caller's tx.
///
/// # Errors
/// If the database refuses.
pub(crate) async fn write_day_cells(
    client: &Client,
    cells: Vec<(DayCellKey, Cell)>,
) -> Result<(), StoreError> {
    if cells.is_empty() {
        return Ok(());
    }
    let columns = DayColumns::of(cells.iter().map(|(key, _)| key));
    let cells: Vec<_> = cells.iter().map(|(_, cell)| cell.encode()).collect();
    write_encoded(client, &columns, &cells).await
}

async fn write_encoded(
    client: &Client,
    columns: &DayColumns,
    cells: &[Vec<u8>],
) -> Result<(), StoreError> {
    let DayColumns { assets, directions, levels, spans, groups } = columns;
    statement!("seal_day_cells_write")
        .query(client, &[assets, directions, levels, spans, groups, &cells])
        .await
        .map(drop)
}

fn day_cell_key(row: &Row) -> DayCellKey {
    let level: i16 = row.get("level");
    DayCellKey {
        asset_id: row.get("asset_id"),
        direction: row.get("direction"),
        span: DaySpan {
            level: u8::try_from(level).unwrap_or(u8::MAX),
            number: row.get("span_number"),
        },
        account_group: row.get("account_group"),
    }
}
