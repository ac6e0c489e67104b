//! What a page of transactions is made of: the instants that have rows, from running totals
//! and corrections, and the rows at them.

use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    domain::{
        access::Scope,
        account::AccountKey,
        decimal::Decimal,
        direction::Direction,
        recorded_transaction::{RowPlace, Transaction},
        running_total::{
            instants::{
                Ask, Fetch, FetchedCell, FetchedCorrections, FoundInstant, InstantSearch,
                SearchSpan, TimeOrder,
            },
            rows::{ALL_ACCOUNTS, SeriesKey, direction_number},
        },
    },
    store::{
        Snapshot, StoreError, StoreErrorKind,
        instant::Micros,
        numeric::Numeric,
        session::Params,
        statement::{Statement, statement},
        transaction::transactions,
    },
};

/// Whose transactions are listed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ListSubject {
    /// Those of all wallets of a user.
    User(Uuid),
    /// Those of one account.
    Account(AccountKey),
    /// All.
    All,
}

/// What one round of a search read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RoundCost {
    /// Cells of running totals.
    pub cells: u64,
    /// Corrections.
    pub corrections: i64,
}

/// Which rows of a page are fetched.
#[derive(Clone, Copy, Debug)]
pub struct PageQuery<'a> {
    /// Accounts that the list is about; empty for a list of all.
    pub accounts: &'a [i64],
    /// Series and the instants at which they have rows.
    pub found: &'a [FoundInstant],
    /// Which end comes first.
    pub order: TimeOrder,
    /// The row behind which the page begins.
    pub after: Option<RowPlace>,
    /// Most rows.
    pub limit: i64,
}

/// The accounts of a user or of an account; `None` for an unknown subject, nothing for all
/// accounts.
///
/// # Errors
/// If the database cannot answer.
pub async fn find_accounts(
    snapshot: &Snapshot,
    subject: &ListSubject,
    scope: Scope,
) -> Result<Option<Vec<i64>>, StoreError> {
    let (user_uuid, account) = match subject {
        ListSubject::User(user_uuid) => (Some(*user_uuid), None),
        ListSubject::Account(key) => (None, Some(key)),
        ListSubject::All => return Ok(scope.owner().is_none().then(Vec::new)),
    };
    let network = account.map(|key| key.network().as_str());
    let address = account.map(|key| key.address().as_str());
    let statement = statement!("list_transactions_subject");
    let owner = scope.owner();
    let rows = snapshot.rows(statement, &[&user_uuid, &network, &address, &owner]).await?;
    let accounts = rows.iter().filter_map(|row| row.get("account_id")).collect();
    Ok((!rows.is_empty()).then_some(accounts))
}

/// Every series of some accounts, each once and in order, if there are not more than
/// `series_max`; else `None`.
///
/// # Errors
/// If the database cannot answer.
pub async fn find_series(
    snapshot: &Snapshot,
    accounts: &[i64],
    series_max: usize,
) -> Result<Option<Vec<SeriesKey>>, StoreError> {
    // Each comes at most twice.
    let limit = series_max.saturating_mul(2).saturating_add(1);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let statement = statement!("list_transactions_series");
    let rows = snapshot.rows(statement, &[&accounts, &limit]).await?;
    let key = |row: &Row| SeriesKey {
        account_id: row.get("account_id"),
        asset_id: row.get("asset_id"),
        direction: row.get("direction"),
    };
    let mut series: Vec<_> = rows.iter().map(key).collect();
    series.sort_unstable();
    series.dedup();
    Ok((series.len() <= series_max).then_some(series))
}

/// Reads what a search asks for and tells it.
///
/// # Errors
/// If the database cannot answer, or a cell is broken.
pub async fn read_round(
    snapshot: &Snapshot,
    span: SearchSpan,
    fetch: &Fetch,
    search: &mut InstantSearch,
) -> Result<RoundCost, StoreError> {
    let (cells, corrections) = tokio::try_join!(
        read_cells(snapshot, span, fetch),
        read_corrections(snapshot, span, fetch)
    )?;
    let place = |asks: &[Ask], row: &Row| {
        let number = usize::try_from(row.get::<_, i64>("place") - 1).unwrap_or(usize::MAX);
        asks.get(number).map_or(usize::MAX, |ask| ask.place)
    };
    let cell = |row| FetchedCell {
        place: place(&fetch.cells, row),
        start: Row::get::<_, Micros>(row, "start_at").0,
        cell: Row::get(row, "cell"),
    };
    let correction = |row| FetchedCorrections {
        place: place(&fetch.corrections, row),
        instant: Row::get::<_, Micros>(row, "occurred_at").0,
        row_count: Row::get(row, "row_count"),
    };
    search.add(fetch, cells.iter().map(cell), corrections.iter().map(correction)).map_err(
        |broken| {
            StoreError::with_source(StoreErrorKind::Unexpected, "list_transactions_cells", broken)
        },
    )?;
    let corrections = corrections.iter().map(|row| row.get::<_, i64>("correction_count")).sum();
    Ok(RoundCost { cells: cells.len() as u64, corrections })
}

async fn read_cells(
    snapshot: &Snapshot,
    span: SearchSpan,
    fetch: &Fetch,
) -> Result<Vec<Row>, StoreError> {
    if fetch.cells.is_empty() {
        return Ok(Vec::new());
    }
    let Columns { accounts, assets, directions, from } = Columns::of(&fetch.cells);
    let limit = i64::try_from(fetch.cells_max).unwrap_or(i64::MAX);
    match span.order {
        TimeOrder::NewestFirst => {
            let statement = statement!("list_transactions_cells_newest");
            snapshot.rows(statement, &[&accounts, &assets, &directions, &from, &limit]).await
        }
        TimeOrder::OldestFirst => {
            let statement = statement!("list_transactions_cells_oldest");
            let params: &Params<'_> =
                &[&accounts, &assets, &directions, &from, &limit, &fetch.covers_from];
            snapshot.rows(statement, params).await
        }
    }
}

async fn read_corrections(
    snapshot: &Snapshot,
    span: SearchSpan,
    fetch: &Fetch,
) -> Result<Vec<Row>, StoreError> {
    if fetch.corrections.is_empty() {
        return Ok(Vec::new());
    }
    let Columns { accounts, assets, directions, from } = Columns::of(&fetch.corrections);
    let is_newest = span.order == TimeOrder::NewestFirst;
    let other_end = if is_newest { span.earliest } else { span.latest };
    let other_end = vec![Micros(other_end); from.len()];
    let (earliest, latest) = if is_newest { (other_end, from) } else { (from, other_end) };
    let limit = i64::try_from(fetch.corrections_max).unwrap_or(i64::MAX);
    let params: &Params<'_> =
        &[&accounts, &assets, &directions, &earliest, &latest, &is_newest, &limit];
    snapshot.rows(statement!("list_transactions_corrections"), params).await
}

/// What is asked for, a column for each parameter.
struct Columns {
    accounts: Vec<i64>,
    assets: Vec<i32>,
    directions: Vec<i16>,
    from: Vec<Micros>,
}

impl Columns {
    fn of(asks: &[Ask]) -> Self {
        Self {
            accounts: asks.iter().map(|ask| ask.key.account_id).collect(),
            assets: asks.iter().map(|ask| ask.key.asset_id).collect(),
            directions: asks.iter().map(|ask| ask.key.direction).collect(),
            from: asks.iter().map(|ask| Micros(ask.from)).collect(),
        }
    }
}

/// The first rows of a page, in its order.
///
/// # Errors
/// If the database cannot answer.
pub async fn read_rows(
    snapshot: &Snapshot,
    query: PageQuery<'_>,
) -> Result<Vec<Transaction>, StoreError> {
    let PageQuery { accounts, found, order, after, limit } = query;
    let is_newest = order == TimeOrder::NewestFirst;
    let mut instants: Vec<_> = found.iter().map(|found| Micros(found.instant)).collect();
    instants.dedup();
    // Micros: a token may name an instant that Postgres cannot hold.
    let occurred_at = after.map(|place| Micros(place.occurred_at.timestamp_micros()));
    let position = after.map(|place| place.position);
    let transaction_id = after.map(|place| place.transaction_id);
    let of_all = found.iter().find(|found| found.key.account_id == ALL_ACCOUNTS);
    let (statement, rows): (Statement, _) = if let Some(of_all) = of_all {
        let statement = statement!("list_transactions_rows_all");
        let params: &Params<'_> = &[
            &of_all.key.asset_id,
            &instants,
            &is_newest,
            &occurred_at,
            &position,
            &transaction_id,
            &limit,
        ];
        (statement, snapshot.rows(statement, params).await?)
    } else {
        let statement = statement!("list_transactions_rows");
        let sent = Sides::of(found, Direction::Sender);
        let received = Sides::of(found, Direction::Receiver);
        // What one of them sent to another one is among what was sent, if that is wanted.
        let known_senders = if sent.accounts.is_empty() { &[] } else { accounts };
        let params: &Params<'_> = &[
            &sent.accounts,
            &sent.assets,
            &sent.instants,
            &received.accounts,
            &received.assets,
            &received.instants,
            &instants,
            &known_senders,
            &is_newest,
            &occurred_at,
            &position,
            &transaction_id,
            &limit,
        ];
        (statement, snapshot.rows(statement, params).await?)
    };
    let mut rows = transactions(statement.stem, &rows)?;
    rows.sort_unstable_by_key(|row| row.place);
    if is_newest {
        rows.reverse();
    }
    Ok(rows)
}

/// The instants of one side, a column for each parameter.
#[derive(Default)]
struct Sides {
    accounts: Vec<i64>,
    assets: Vec<i32>,
    instants: Vec<Micros>,
}

impl Sides {
    fn of(found: &[FoundInstant], direction: Direction) -> Self {
        let mut sides = Self::default();
        let number = direction_number(direction);
        for FoundInstant { key, instant } in found.iter().filter(|it| it.key.direction == number) {
            sides.accounts.push(key.account_id);
            sides.assets.push(key.asset_id);
            sides.instants.push(Micros(*instant));
        }
        sides
    }
}

/// What accounts received less what they sent of an asset in the rows of one instant that
/// come before a row.
///
/// # Errors
/// If the database cannot answer.
pub async fn net_before(
    snapshot: &Snapshot,
    (senders, receivers): (&[i64], &[i64]),
    asset_id: i32,
    place: RowPlace,
) -> Result<Decimal, StoreError> {
    let RowPlace { occurred_at, position, transaction_id } = place;
    let params: &Params<'_> =
        &[&senders, &receivers, &asset_id, &occurred_at, &position, &transaction_id];
    let rows = snapshot.rows(statement!("list_transactions_before"), params).await?;
    Ok(rows.first().map_or_else(Decimal::zero, |row| row.get::<_, Numeric>("net_amount").0))
}
