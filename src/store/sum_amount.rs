//! Counts and sums of what subjects moved in windows: from running totals, or, to verify
//! them, from the rows.

use std::time::Instant;

use chrono::{DateTime, NaiveDate, Utc};
use tokio_postgres::{Row, types::ToSql};
use uuid::Uuid;

use crate::{
    domain::{
        account::AccountKey,
        decimal::Decimal,
        direction::Direction,
        running_total::{
            prefix::Prefix,
            rows::direction_number,
            sums::{ScaledSums, Sums},
            whole::Whole,
        },
        window::Window,
    },
    store::{
        StoreError, StoreErrorKind,
        instant::Micros,
        numeric::{Numeric, ScaledNumeric},
        pool::Reader,
        session::Answer,
        statement::{Statement, statement},
    },
};

/// Whose amounts are summed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Subject {
    /// All wallets of a user.
    User(Uuid),
    /// A user's payments account alone.
    PaymentsAccount(Uuid),
    /// One account.
    Account(AccountKey),
}

/// What is summed.
#[derive(Clone, Debug)]
pub struct SumQuery {
    /// Whose amounts.
    pub subject: Subject,
    /// Of what.
    pub asset_id: i32,
    /// When.
    pub window: Window,
    /// On which side.
    pub direction: Direction,
}

/// Count and sum of some amounts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Total {
    /// Number of transactions.
    pub count: i64,
    /// Exact sum of their amounts.
    pub sum: Decimal,
}

impl Total {
    /// The total of no amounts at all.
    #[must_use]
    pub fn none() -> Self {
        Self { count: 0, sum: Decimal::zero() }
    }
}

/// A sum from running totals, with what it was made of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FoundSum {
    /// The total; `None` for an unknown subject.
    pub total: Option<Total>,
    /// Cells that were read.
    pub cells_read: u64,
    /// Corrections that were read.
    pub corrections_read: i64,
    /// Rows before this instant are all sealed; asked for, and `None` if all rows are.
    pub sealed_until: Option<DateTime<Utc>>,
    /// Days that keep the question from being answered.
    pub days_in_the_way: Vec<NaiveDate>,
}

impl FoundSum {
    fn nothing() -> Self {
        Self {
            total: None,
            cells_read: 0,
            corrections_read: 0,
            sealed_until: None,
            days_in_the_way: Vec::new(),
        }
    }
}

/// Answers questions from running totals, all of them from one snapshot and in their order.
///
/// # Errors
/// If the database cannot answer, or a cell is broken.
pub async fn sum_amounts(
    reader: Reader<'_>,
    queries: &[SumQuery],
    with_sealed_until: bool,
) -> Result<Answer<Vec<FoundSum>>, StoreError> {
    let begun_at = Instant::now();
    let columns = Columns::of(queries);
    let params = columns.params(&with_sealed_until);
    let answer = reader.read_totals(STATEMENT, &params).await?;
    let mut totals: Vec<_> =
        queries.iter().map(|_| (FoundSum::nothing(), ScaledSums::ZERO)).collect();
    for row in &answer.value {
        let place = usize::try_from(row.get::<_, i64>("place") - 1).unwrap_or(usize::MAX);
        let (Some((found, total)), Some(query)) = (totals.get_mut(place), queries.get(place))
        else {
            continue;
        };
        add_row(row, query.window, found, total)?;
    }
    let finish = |(mut found, total): (FoundSum, ScaledSums)| {
        if let Some(known) = &mut found.total {
            let moments = total.to_moments();
            *known = Total { count: moments.count, sum: moments.sum };
        }
        found
    };
    let value = totals.into_iter().map(finish).collect();
    Ok(Answer { value, took: begun_at.elapsed() })
}

const STATEMENT: Statement = statement!("sum_amount");

/// Adds what one account of a question moved.
fn add_row(
    row: &Row,
    window: Window,
    found: &mut FoundSum,
    total: &mut ScaledSums,
) -> Result<(), StoreError> {
    if row.get::<_, Option<i64>>("subject_id").is_none() {
        return Ok(());
    }
    found.total.get_or_insert_with(Total::none);
    found.sealed_until = row.get("sealed_until");
    if let Some(days) = row.get("days_in_the_way") {
        found.days_in_the_way = days;
    }
    let before_end = prefix(row, "end_cells", window.end())?;
    let before_start = prefix(row, "start_cells", window.start())?;
    found.cells_read += before_end.cells() + before_start.cells();
    total.add(before_end.total().scale, &before_end.total().sums);
    total.subtract(before_start.total());
    found.corrections_read += row.get::<_, i64>("correction_count");
    if let Some(sum) = row.get::<_, Option<ScaledNumeric>>("sum_amount") {
        let count = row.get("row_count");
        total.add(sum.scale, &Sums { count, sum: sum.whole, squares: Whole::ZERO });
    }
    Ok(())
}

/// The running total before an instant, from a column with one cell a level.
pub(crate) fn prefix(row: &Row, column: &str, at: DateTime<Utc>) -> Result<Prefix, StoreError> {
    let mut prefix = Prefix::before(at.timestamp_micros());
    // Nothing lies before the beginning of all time: there the cells are null.
    let cells = row.get::<_, Option<Vec<Option<&[u8]>>>>(column).unwrap_or_default();
    for cell in cells.into_iter().flatten() {
        prefix.add_level(cell).map_err(|broken| {
            StoreError::with_source(StoreErrorKind::Unexpected, STATEMENT.stem, broken)
        })?;
    }
    Ok(prefix)
}

/// The questions, a column for each parameter.
struct Columns<'a> {
    kinds: Vec<i16>,
    users: Vec<Option<Uuid>>,
    networks: Vec<Option<&'a str>>,
    addresses: Vec<Option<&'a str>>,
    assets: Vec<i32>,
    directions: Vec<i16>,
    starts: Vec<Micros>,
    ends: Vec<Micros>,
}

impl<'a> Columns<'a> {
    fn of(queries: &'a [SumQuery]) -> Self {
        let count = queries.len();
        let mut columns = Self {
            kinds: Vec::with_capacity(count),
            users: Vec::with_capacity(count),
            networks: Vec::with_capacity(count),
            addresses: Vec::with_capacity(count),
            assets: Vec::with_capacity(count),
            directions: Vec::with_capacity(count),
            starts: Vec::with_capacity(count),
            ends: Vec::with_capacity(count),
        };
        for query in queries {
            let (kind, user, account) = match &query.subject {
                Subject::User(user_uuid) => (0, Some(*user_uuid), None),
                Subject::PaymentsAccount(user_uuid) => (1, Some(*user_uuid), None),
                Subject::Account(key) => (2, None, Some(key)),
            };
            columns.kinds.push(kind);
            columns.users.push(user);
            columns.networks.push(account.map(|key| key.network.as_str()));
            columns.addresses.push(account.map(|key| key.address.as_str()));
            columns.assets.push(query.asset_id);
            columns.directions.push(direction_number(query.direction));
            columns.starts.push(Micros(query.window.start().timestamp_micros()));
            columns.ends.push(Micros(query.window.end().timestamp_micros()));
        }
        columns
    }

    fn params<'p>(&'p self, with_sealed_until: &'p bool) -> [&'p (dyn ToSql + Sync); 9] {
        [
            &self.kinds,
            &self.users,
            &self.networks,
            &self.addresses,
            &self.assets,
            &self.directions,
            &self.starts,
            &self.ends,
            with_sealed_until,
        ]
    }
}

/// Sums the subject's amounts by reading the rows of the window; `None` for an unknown
/// subject.
///
/// # Errors
/// If the database cannot answer.
pub async fn sum_amount_of_rows(
    reader: Reader<'_>,
    query: &SumQuery,
) -> Result<Answer<Option<Total>>, StoreError> {
    let SumQuery { subject, asset_id, window, direction } = query;
    let (start, end) = (window.start(), window.end());
    let answer = match subject {
        Subject::User(user_uuid) => {
            let statement = match direction {
                Direction::Sender => statement!("sum_amount_user_sender"),
                Direction::Receiver => statement!("sum_amount_user_receiver"),
            };
            reader.read(statement, &[user_uuid, asset_id, &start, &end]).await?
        }
        Subject::PaymentsAccount(user_uuid) => {
            let statement = match direction {
                Direction::Sender => statement!("sum_amount_payments_sender"),
                Direction::Receiver => statement!("sum_amount_payments_receiver"),
            };
            reader.read(statement, &[user_uuid, asset_id, &start, &end]).await?
        }
        Subject::Account(key) => {
            let statement = match direction {
                Direction::Sender => statement!("sum_amount_account_sender"),
                Direction::Receiver => statement!("sum_amount_account_receiver"),
            };
            let (network, address) = (key.network.as_str(), key.address.as_str());
            reader.read(statement, &[&network, &address, asset_id, &start, &end]).await?
        }
    };
    Ok(answer.map(|rows| {
        let row = rows.first()?;
        row.get::<_, Option<i64>>("subject_id")?;
        Some(Total {
            count: row.get("transaction_count"),
            sum: row.get::<_, Numeric>("sum_amount").0,
        })
    }))
}
