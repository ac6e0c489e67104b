//! Counts and sums of what subjects moved in windows: from running totals, or, to verify
//! them, from the rows.

use std::{borrow::Cow, time::Duration};

use chrono::{DateTime, NaiveDate, Utc};
use tokio_postgres::{Row, types::ToSql};
use uuid::Uuid;

use crate::{
    domain::{
        access::Scope,
        account::{AccountKey, INTERNAL_NETWORK},
        decimal::Decimal,
        direction::Direction,
        running_total::{
            cell::BrokenCell,
            damage::Damaged,
            prefix::Prefix,
            rows::{SeriesKey, direction_number},
            sums::{ScaledSums, Sums},
            whole::Whole,
        },
        window::Window,
    },
    store::{
        StoreError,
        instant::Micros,
        numeric::{Numeric, ScaledNumeric},
        pool::Reader,
        session::Answer,
        statement::statement,
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
    /// Whose records may be seen: subjects beyond are unknown.
    pub scope: Scope,
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
    /// Stored totals that the answer needs and that cannot be read: there is no total then.
    pub damaged: Option<Damaged>,
}

impl FoundSum {
    fn nothing() -> Self {
        Self {
            total: None,
            cells_read: 0,
            corrections_read: 0,
            sealed_until: None,
            days_in_the_way: Vec::new(),
            damaged: None,
        }
    }

    /// What was found, where all of it could be read.
    ///
    /// # Errors
    /// `Damaged` where something could not.
    pub fn sound(self) -> Result<Self, StoreError> {
        match self.damaged {
            Some(damaged) => Err(StoreError::of_damaged("sum_amount", damaged)),
            None => Ok(self),
        }
    }
}

/// Answers questions from running totals, all of them from one snapshot and in their order.
/// A cell that cannot be read is told in the answers that need it, and leaves the others alone.
///
/// # Errors
/// If the database cannot answer.
pub async fn sum_amounts(
    reader: Reader<'_>,
    queries: &[SumQuery],
    with_sealed_until: bool,
) -> Result<Answer<Vec<FoundSum>>, StoreError> {
    let (mut shape, mut rows) = (Shape::Full, Vec::new());
    let mut took = Duration::ZERO;
    if !with_sealed_until {
        shape = Shape::Short;
        let answer = read_short(reader, queries).await?;
        (rows, took) = (answer.value, answer.took);
    }
    if with_sealed_until || rows.iter().any(needs_more) {
        shape = Shape::Full;
        let columns = Columns::of(queries);
        let params = columns.params(&with_sealed_until);
        let answer = reader.read_totals(statement!("sum_amount_full"), &params).await?;
        (rows, took) = (answer.value, took + answer.took);
    }
    let mut totals: Vec<_> =
        queries.iter().map(|_| (FoundSum::nothing(), ScaledSums::ZERO)).collect();
    for row in &rows {
        let place = usize::try_from(row.get::<_, i64>("place") - 1).unwrap_or(usize::MAX);
        let (Some((found, total)), Some(query)) = (totals.get_mut(place), queries.get(place))
        else {
            continue;
        };
        if add_row(row, shape, query.window, found, total).is_err() {
            found.damaged.get_or_insert(Damaged::Series(SeriesKey {
                account_id: row.get::<_, Option<i64>>("account_id").unwrap_or_default(),
                asset_id: query.asset_id,
                direction: direction_number(query.direction),
            }));
        }
    }
    let finish = |(mut found, total): (FoundSum, ScaledSums)| {
        if found.damaged.is_some() {
            found.total = None;
        }
        if let Some(known) = &mut found.total {
            let moments = total.to_moments();
            *known = Total { count: moments.count, sum: moments.sum };
        }
        found
    };
    let value = totals.into_iter().map(finish).collect();
    Ok(Answer { value, took })
}

/// Asks for what nearly every answer is made of. A lone question for a user's wallets, which
/// nearly every lone question is, has statements of its own.
async fn read_short(
    reader: Reader<'_>,
    queries: &[SumQuery],
) -> Result<Answer<Vec<Row>>, StoreError> {
    if let [query] = queries
        && let SumQuery { subject: Subject::User(user_uuid), asset_id, window, .. } = query
    {
        let statement = match query.direction {
            Direction::Sender => statement!("sum_amount_wallets_sender"),
            Direction::Receiver => statement!("sum_amount_wallets_receiver"),
        };
        let start = Micros(window.start().timestamp_micros());
        let end = Micros(window.end().timestamp_micros());
        let owner = query.scope.owner();
        return reader.read_totals(statement, &[user_uuid, asset_id, &start, &end, &owner]).await;
    }
    let columns = Columns::of(queries);
    reader.read_totals(statement!("sum_amount"), &columns.questions()).await
}

/// What a row brings along.
#[derive(Clone, Copy, Debug)]
enum Shape {
    /// The cells of three levels, which nearly always are all there are.
    Short,
    /// Any number of levels, days in the way, and until when everything is sealed.
    Full,
}

/// Levels in a short row.
const SHORT_LEVELS: usize = 3;

/// Whether a short row is not all that the answer needs.
fn needs_more(row: &Row) -> bool {
    let is_deep = row.get::<_, Vec<Option<&[u8]>>>("cells").last().is_some_and(Option::is_some);
    is_deep || row.get("has_absent_days")
}

/// Adds what one account of a question moved.
fn add_row(
    row: &Row,
    shape: Shape,
    window: Window,
    found: &mut FoundSum,
    total: &mut ScaledSums,
) -> Result<(), BrokenCell> {
    if row.get::<_, Option<i64>>("subject_id").is_none() {
        return Ok(());
    }
    found.total.get_or_insert_with(Total::none);
    // Nothing lies before the beginning of all time: there the cells are null.
    let cells = |column| -> Vec<&[u8]> {
        let cells = row.get::<_, Option<Vec<Option<&[u8]>>>>(column).unwrap_or_default();
        cells.into_iter().flatten().collect()
    };
    let (before_start, before_end) = match shape {
        Shape::Short => {
            let cells: Vec<Option<&[u8]>> = row.get("cells");
            let (start, end) = cells.split_at(cells.len().min(SHORT_LEVELS));
            let end = end.iter().take(SHORT_LEVELS);
            (
                prefix(start.iter().copied().flatten(), window.start())?,
                prefix(end.copied().flatten(), window.end())?,
            )
        }
        Shape::Full => {
            found.sealed_until = row.get("sealed_until");
            if let Some(days) = row.get("days_in_the_way") {
                found.days_in_the_way = days;
            }
            (
                prefix(cells("start_cells").into_iter(), window.start())?,
                prefix(cells("end_cells").into_iter(), window.end())?,
            )
        }
    };
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

/// The running total before an instant, from one cell a level.
fn prefix<'c>(
    cells: impl Iterator<Item = &'c [u8]>,
    at: DateTime<Utc>,
) -> Result<Prefix, BrokenCell> {
    let mut prefix = Prefix::before(at.timestamp_micros());
    for cell in cells {
        prefix.add_level(cell)?;
    }
    Ok(prefix)
}

/// The questions, a column for each parameter.
struct Columns<'a> {
    kinds: Vec<i16>,
    users: Vec<Option<Uuid>>,
    networks: Vec<Option<&'a str>>,
    addresses: Vec<Option<Cow<'a, str>>>,
    assets: Vec<i32>,
    directions: Vec<i16>,
    starts: Vec<Micros>,
    ends: Vec<Micros>,
    owners: Vec<Option<Uuid>>,
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
            owners: Vec::with_capacity(count),
        };
        for query in queries {
            let (kind, user, network, address) = match &query.subject {
                Subject::User(user_uuid) => (0, Some(*user_uuid), None, None),
                Subject::PaymentsAccount(user_uuid) => {
                    let address = Cow::from(user_uuid.to_string());
                    (1, Some(*user_uuid), Some(INTERNAL_NETWORK), Some(address))
                }
                Subject::Account(key) => {
                    let address = Cow::from(key.address().as_str());
                    (2, None, Some(key.network().as_str()), Some(address))
                }
            };
            columns.kinds.push(kind);
            columns.users.push(user);
            columns.networks.push(network);
            columns.addresses.push(address);
            columns.assets.push(query.asset_id);
            columns.directions.push(direction_number(query.direction));
            columns.starts.push(Micros(query.window.start().timestamp_micros()));
            columns.ends.push(Micros(query.window.end().timestamp_micros()));
            columns.owners.push(query.scope.owner());
        }
        columns
    }

    fn questions(&self) -> [&(dyn ToSql + Sync); 9] {
        [
            &self.kinds,
            &self.users,
            &self.networks,
            &self.addresses,
            &self.assets,
            &self.directions,
            &self.starts,
            &self.ends,
            &self.owners,
        ]
    }

    fn params<'p>(&'p self, with_sealed_until: &'p bool) -> [&'p (dyn ToSql + Sync); 10] {
        let [kinds, users, networks, addresses, assets, directions, starts, ends, owners] =
            self.questions();
        [
            kinds,
            users,
            networks,
            addresses,
            assets,
            directions,
            starts,
            ends,
            owners,
            with_sealed_until,
        ]
    }
}

/// Sums the subject's amounts by reading the rows of the window; `None` for an unknown
/// subject. Whoever asks must have found the subject before: nothing is held against the scope.
///
/// # Errors
/// If the database cannot answer.
pub async fn sum_amount_of_rows(
    reader: Reader<'_>,
    query: &SumQuery,
) -> Result<Answer<Option<Total>>, StoreError> {
    let SumQuery { subject, asset_id, window, direction, scope: _ } = query;
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
            let (network, address) = (key.network().as_str(), key.address().as_str());
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
