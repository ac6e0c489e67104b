//! What an audit reads: stored cells and the rows that they must come from, in one snapshot;
//! and how it repairs what differs.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    pin::pin,
};

use chrono::{DateTime, Utc};
use futures_util::{Stream, TryStreamExt};
use tokio_postgres::{Client, Row, types::ToSql};

use crate::{
    domain::{
        direction::Direction,
        running_total::{
            audit::{Expected, agrees, changes_of, expect},
            cell::Cell,
            day_cells::{DaySpan, LEVELS, MICROS_PER_DAY, day_of},
            rows::{ALL_ACCOUNTS, DayCellKey, SeriesKey, direction_number},
            series_audit::Entry,
            sums::{ScaledSums, Sums},
        },
    },
    store::{
        StoreError,
        day_sums::sums_of,
        days,
        instant::Micros,
        numeric::ScaledNumeric,
        sealing,
        statement::{Statement, statement},
        tx::Tx,
    },
};

/// What there is to audit.
#[derive(Clone, Debug)]
pub struct AuditSpan {
    /// Days (counted from the Unix epoch) with a partition, ascending.
    pub days: Vec<i64>,
    /// Every asset.
    pub asset_ids: Vec<i32>,
    /// Every account, ascending.
    pub account_ids: Vec<i64>,
    /// Days (counted from the Unix epoch) whose rows are not at hand: what is stored of them
    /// is all that there is.
    pub absent_days: BTreeSet<i64>,
}

/// Asks what there is.
///
/// # Errors
/// If the database cannot answer.
pub async fn span(client: &Client) -> Result<AuditSpan, StoreError> {
    let rows = statement!("audit_span").query(client, &[]).await?;
    let accounts = statement!("audit_accounts").query(client, &[]).await?;
    let first = rows.first();
    Ok(AuditSpan {
        days: first.map_or_else(Vec::new, |row| row.get("days")),
        asset_ids: first.map_or_else(Vec::new, |row| row.get("asset_ids")),
        absent_days: first
            .map_or_else(Vec::new, |row| row.get("absent_days"))
            .into_iter()
            .collect(),
        account_ids: accounts.iter().map(|row| row.get("account_id")).collect(),
    })
}

/// Opens a snapshot for one unit of an audit; the caller ends it with [`Tx::roll_back`].
///
/// # Errors
/// If the connection is gone.
pub async fn snapshot(client: &Client) -> Result<Tx<'_>, StoreError> {
    Tx::snapshot(client, "audit").await
}

/// Reads the trees of accounts from `first` to `last` (both inside) and the rows that they must
/// come from: series by series, in the order that
/// [`SeriesAudit`](crate::domain::running_total::series_audit::SeriesAudit) takes them. They come
/// as they are taken: the connection answers nothing else before the last of them.
///
/// # Errors
/// If the database cannot answer.
pub async fn series(
    client: &Client,
    first: i64,
    last: i64,
    direction: Direction,
) -> Result<impl Stream<Item = Result<(SeriesKey, Entry), StoreError>>, StoreError> {
    let statement = match direction {
        Direction::Sender => statement!("audit_series_sender"),
        Direction::Receiver => statement!("audit_series_receiver"),
    };
    let failed = move |source| StoreError::from_postgres(statement.stem, source);
    let rows = client.query_raw(statement.text, [first, last]).await.map_err(failed)?;
    Ok(rows.map_ok(move |row| series_entry(&row, direction)).map_err(failed))
}

/// Reads the leaves of all accounts' tree of an asset that reach into some days (counted from the
/// Unix epoch, the last one outside), and the rows of these days, as [`series`] does.
///
/// # Errors
/// If the database cannot answer.
pub async fn leaves_of_all(
    client: &Client,
    asset_id: i32,
    days: &Range<i64>,
) -> Result<impl Stream<Item = Result<(SeriesKey, Entry), StoreError>>, StoreError> {
    let statement = statement!("audit_series_all");
    let failed = move |source| StoreError::from_postgres(statement.stem, source);
    let Range { start, end } = instants_of(days);
    let (start, end) = (Micros(start), Micros(end));
    let params: [&(dyn ToSql + Sync); 3] = [&asset_id, &start, &end];
    let rows = client.query_raw(statement.text, params).await.map_err(failed)?;
    Ok(rows.map_ok(|row| series_entry(&row, Direction::Sender)).map_err(failed))
}

/// From when (inside) to when (outside) days reach, counted from the Unix epoch.
#[must_use]
pub fn instants_of(days: &Range<i64>) -> Range<i64> {
    days.start * MICROS_PER_DAY..days.end * MICROS_PER_DAY
}

fn series_entry(row: &Row, direction: Direction) -> (SeriesKey, Entry) {
    let key = SeriesKey {
        account_id: row.get("account_id"),
        asset_id: row.get("asset_id"),
        direction: direction_number(direction),
    };
    let entry = match row.get::<_, Option<i16>>("level") {
        None => {
            let (instant, sums) = series_row(row);
            Entry::Row { instant, sums }
        }
        // No level is negative: the table refuses it.
        Some(level) => Entry::Cell {
            level: usize::try_from(level).unwrap_or(0),
            start: row.get::<_, Micros>("occurred_at").0,
            cell: Cell::decode(row.get("cell")).ok(),
        },
    };
    (key, entry)
}

fn series_row(row: &Row) -> (i64, ScaledSums) {
    let ScaledNumeric { scale, whole } = row.get("amount");
    let sums = Sums::of(i64::from(row.get::<_, i16>("row_count")), &whole);
    (row.get::<_, Micros>("occurred_at").0, ScaledSums { scale, sums })
}

/// A cell of a day and a group of accounts, or what an account of the group must have in it.
#[derive(Debug)]
pub enum DayEntry {
    /// What is stored; `None` if it cannot be read.
    Cell(Option<Cell>),
    /// What the rows of an account add up to.
    Account(i64, ScaledSums),
}

/// Reads the cells of single days (counted from the Unix epoch, the last one outside) and what must
/// be in them: by day and group of accounts, for each of them first the cell, then the accounts,
/// ascending. They come as they are taken, like [`series`].
///
/// # Errors
/// If the database cannot answer.
pub async fn days(
    client: &Client,
    asset_id: i32,
    direction: Direction,
    days: &Range<i64>,
) -> Result<impl Stream<Item = Result<((i64, i64), DayEntry), StoreError>>, StoreError> {
    let statement = match direction {
        Direction::Sender => statement!("audit_days_sender"),
        Direction::Receiver => statement!("audit_days_receiver"),
    };
    let failed = move |source| StoreError::from_postgres(statement.stem, source);
    let instants = instants_of(days);
    let (start, end) = (Micros(instants.start), Micros(instants.end));
    let params: [&(dyn ToSql + Sync); 5] = [&asset_id, &days.start, &days.end, &start, &end];
    let rows = client.query_raw(statement.text, params).await.map_err(failed)?;
    Ok(rows.map_ok(|row| day_entry(&row)).map_err(failed))
}

fn day_entry(row: &Row) -> ((i64, i64), DayEntry) {
    let key = (row.get("span_number"), row.get("account_group"));
    let entry = match row.get("account_id") {
        None => DayEntry::Cell(Cell::decode(row.get("cell")).ok()),
        Some(account_id) => DayEntry::Account(account_id, sums_of(row)),
    };
    (key, entry)
}

/// Something that transactions or ticks name and that is not there.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct MissingReference {
    /// The column that names it.
    pub column: String,
    /// Its number.
    pub id: i64,
    /// Rows that name it there.
    pub row_count: i64,
    /// Instant of the first of them.
    pub first_at: DateTime<Utc>,
}

/// What transactions of days (counted from the Unix epoch, the last one outside) name and is
/// not there.
///
/// # Errors
/// If the database cannot answer.
pub async fn missing_references(
    client: &Client,
    days: &Range<i64>,
) -> Result<Vec<MissingReference>, StoreError> {
    missing_references_of(client, statement!("audit_references"), days).await
}

/// What a statement says that rows of days name and is not there.
pub(super) async fn missing_references_of(
    client: &Client,
    statement: Statement,
    days: &Range<i64>,
) -> Result<Vec<MissingReference>, StoreError> {
    let Range { start, end } = instants_of(days);
    let (start, end) = (Micros(start), Micros(end));
    let rows = statement.query(client, &[&start, &end]).await?;
    let missing = |row: &Row| MissingReference {
        column: row.get("named_by"),
        id: row.get("id"),
        row_count: row.get("row_count"),
        first_at: row.get("first_at"),
    };
    Ok(rows.iter().map(missing).collect())
}

/// A cell of several days and what the cells below it say.
#[derive(Debug)]
pub struct StoredSpan {
    /// The asset.
    pub asset_id: i32,
    /// The side.
    pub direction: i16,
    /// Number of the span in its level.
    pub number: i64,
    /// The accounts.
    pub account_group: i64,
    /// The cell; `None` if it is missing or cannot be read.
    pub cell: Option<Cell>,
    /// Sums of the cells below, by account; `None` if one cannot be read.
    pub below: Option<Expected>,
}

/// Reads every cell of a level above single days, as they are taken, like [`series`].
///
/// # Errors
/// If the database cannot answer.
pub async fn spans(
    client: &Client,
    level: u8,
) -> Result<impl Stream<Item = Result<StoredSpan, StoreError>>, StoreError> {
    let statement = statement!("audit_spans");
    let failed = move |source| StoreError::from_postgres(statement.stem, source);
    let rows = client.query_raw(statement.text, [i16::from(level)]).await.map_err(failed)?;
    Ok(rows.map_ok(|row| stored_span(&row)).map_err(failed))
}

fn stored_span(row: &Row) -> StoredSpan {
    let mut below = Some(Expected::new());
    for cell in row.get::<_, Vec<&[u8]>>("below") {
        match (Cell::decode(cell), &mut below) {
            (Ok(cell), Some(expected)) => {
                for part in &cell.parts {
                    expect(expected, part.key, cell.scale, &part.sums);
                }
            }
            (Ok(_) | Err(_), _) => below = None,
        }
    }
    StoredSpan {
        asset_id: row.get("asset_id"),
        direction: row.get("direction"),
        number: row.get("span_number"),
        account_group: row.get("account_group"),
        cell: row.get::<_, Option<&[u8]>>("cell").and_then(|cell| Cell::decode(cell).ok()),
        below,
    }
}

/// Builds a tree anew from its rows, some at a time in one tx, while nobody folds.
///
/// # Errors
/// If the database refuses; then the tree is as it was.
pub async fn rebuild_series(client: &Client, key: SeriesKey) -> Result<(), StoreError> {
    let (tx, AuditSpan { absent_days, .. }) = begin_repair(client).await?;
    let of_account: [&(dyn ToSql + Sync); 2] = [&key.account_id, &key.asset_id];
    let (rows, params) = match (key.account_id, key.direction) {
        (ALL_ACCOUNTS, _) => (statement!("audit_rows_all"), &of_account[1..]),
        (_, 0) => (statement!("audit_rows_sender"), &of_account[..]),
        _ => (statement!("audit_rows_receiver"), &of_account[..]),
    };
    rows.query(client, params).await?;
    clear_but_absent(client, key, &absent_days).await?;
    loop {
        let rows = statement!("audit_rows_fetch").query(client, &[]).await?;
        if rows.is_empty() {
            break;
        }
        let mut expected = Expected::new();
        for row in &rows {
            let (instant, ScaledSums { scale, sums }) = series_row(row);
            expect(&mut expected, instant, scale, &sums);
        }
        leave_absent(&absent_days, &mut expected);
        sealing::fold_one(client, key, changes_of(expected)).await?;
    }
    end_repair(client, tx).await
}

/// Takes a tree away, but for what is stored of days whose rows are not at hand: it is read
/// through a cursor, which sees the tree as it was.
async fn clear_but_absent(
    client: &Client,
    key: SeriesKey,
    absent_days: &BTreeSet<i64>,
) -> Result<(), StoreError> {
    let params: [&(dyn ToSql + Sync); 3] = [&key.account_id, &key.asset_id, &key.direction];
    statement!("audit_leaves").query(client, &params).await?;
    statement!("audit_clear_series").query(client, &params).await?;
    statement!("damaged_clear_series").query(client, &params).await?;
    while !absent_days.is_empty() {
        let rows = statement!("audit_leaves_fetch").query(client, &[]).await?;
        if rows.is_empty() {
            break;
        }
        let leaves: Vec<_> =
            rows.iter().filter_map(|row| Cell::decode(row.get("cell")).ok()).collect();
        let mut kept = Expected::new();
        keep_absent(&leaves, absent_days, &mut kept);
        sealing::fold_one(client, key, changes_of(kept)).await?;
    }
    Ok(())
}

/// Leaves out days whose rows are not at hand: their corrections are still to be folded into
/// what is stored of them.
fn leave_absent(absent_days: &BTreeSet<i64>, expected: &mut Expected) {
    expected.retain(|instant, _| !absent_days.contains(&day_of(*instant)));
}

/// Takes over what is stored of days whose rows are not at hand.
fn keep_absent(leaves: &[Cell], absent_days: &BTreeSet<i64>, expected: &mut Expected) {
    for leaf in leaves {
        let kept = leaf.parts.iter().filter(|part| absent_days.contains(&day_of(part.key)));
        kept.for_each(|part| expect(expected, part.key, leaf.scale, &part.sums));
    }
}

/// Writes the cells of single days anew from their rows, while nobody folds. The cells above
/// are made to follow by [`repair_spans`].
///
/// # Errors
/// If the database refuses; then the cells are as they were.
pub async fn rebuild_days(
    client: &Client,
    asset_id: i32,
    direction: Direction,
    days: &BTreeSet<i64>,
) -> Result<(), StoreError> {
    let (tx, AuditSpan { absent_days, .. }) = begin_repair(client).await?;
    let number = direction_number(direction);
    // What is stored of a day whose rows have gone meanwhile is all that there is.
    for &day in days.difference(&absent_days) {
        statement!("audit_clear_day").query(client, &[&asset_id, &number, &day]).await?;
        statement!("damaged_clear_day").query(client, &[&asset_id, &number, &day]).await?;
        let cells = cells_of_day(client, (asset_id, direction), day).await?;
        sealing::write_day_cells(client, cells).await?;
    }
    end_repair(client, tx).await
}

/// What must be stored of a day: as much as its accounts have.
async fn cells_of_day(
    client: &Client,
    (asset_id, direction): (i32, Direction),
    day: i64,
) -> Result<Vec<(DayCellKey, Cell)>, StoreError> {
    let mut groups: BTreeMap<i64, Expected> = BTreeMap::new();
    let only = day..day + 1;
    let mut entries = pin!(days(client, asset_id, direction, &only).await?);
    while let Some(((_, group), entry)) = entries.try_next().await? {
        if let DayEntry::Account(account_id, sums) = entry {
            expect(groups.entry(group).or_default(), account_id, sums.scale, &sums.sums);
        }
    }
    let cells = groups.into_iter().map(|(account_group, expected)| {
        let span = DaySpan { level: 0, number: day };
        let key =
            DayCellKey { asset_id, direction: direction_number(direction), span, account_group };
        (key, cell_of(0, expected))
    });
    Ok(cells.collect())
}

/// Writes every cell of several days that is not the sum of the cells below it, level by
/// level, while nobody folds.
///
/// # Errors
/// If the database refuses; then the cells are as they were.
pub async fn repair_spans(client: &Client) -> Result<(), StoreError> {
    let (tx, _) = begin_repair(client).await?;
    for level in 1..LEVELS {
        let mut cells = Vec::new();
        let mut stored_spans = pin!(spans(client, level).await?);
        while let Some(stored) = stored_spans.try_next().await? {
            let Some(below) = stored.below else { continue };
            if stored.cell.is_none() || !agrees(stored.cell.as_ref(), &below) {
                let key = DayCellKey {
                    asset_id: stored.asset_id,
                    direction: stored.direction,
                    span: DaySpan { level, number: stored.number },
                    account_group: stored.account_group,
                };
                cells.push((key, cell_of(0, below)));
            }
        }
        sealing::write_day_cells(client, cells).await?;
    }
    statement!("damaged_clear_spans").query(client, &[]).await?;
    end_repair(client, tx).await
}

fn cell_of(key: i64, expected: Expected) -> Cell {
    let mut cell = Cell::empty(key);
    let changes = changes_of(expected);
    cell.merge(changes.scale, changes.parts, false);
    cell
}

/// Begins a tx whose snapshot is younger than the last fold, and says what there is in it. The
/// lock comes before the snapshot: no day can go while the rows are read.
async fn begin_repair(client: &Client) -> Result<(Tx<'_>, AuditSpan), StoreError> {
    statement!("audit_lock").query(client, &[]).await?;
    days::note(client).await?;
    let tx = Tx::begin(client, "audit_repair").await?;
    tx.batch(
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; \
         LOCK TABLE ONLY transactions IN ACCESS SHARE MODE",
    )
    .await?;
    let span = span(client).await?;
    Ok((tx, span))
}

/// Commits and lets others fold again. After an error the lock goes with the connection.
async fn end_repair(client: &Client, tx: Tx<'_>) -> Result<(), StoreError> {
    tx.commit().await?;
    statement!("audit_unlock").query(client, &[]).await.map(drop)
}
