//! How the amounts of a window are distributed over sizes, from the rows.

use tokio_postgres::Row;

use crate::{
    domain::{access::Scope, decimal::Decimal, direction::Direction, window::Window},
    store::{
        Reader, StoreError,
        numeric::Numeric,
        session::{Answer, Params},
        statement::statement,
        sum_amount::Total,
        sum_series::SeriesSubject,
    },
};

/// What is measured.
#[derive(Clone, Debug)]
pub struct HistogramQuery<'a> {
    /// Whose amounts.
    pub subject: &'a SeriesSubject,
    /// Whose records may be seen: subjects beyond are unknown.
    pub scope: Scope,
    /// Asset that is counted.
    pub asset_id: i32,
    /// When.
    pub window: Window,
    /// Which side the subject is on.
    pub direction: Direction,
    /// Lower bounds of the buckets, ascending; none for twenty of equal width.
    pub bounds: &'a [Decimal],
    /// Most rows that are read. Where there are as many, buckets are empty.
    pub rows_max: i64,
}

/// How amounts are distributed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Distribution {
    /// Number of all transactions that were read.
    pub transaction_count: i64,
    /// Smallest and largest amount; `None` without transactions.
    pub extent: Option<(Decimal, Decimal)>,
    /// Number of transactions below the first bound.
    pub below_count: i64,
    /// Buckets by their lower bounds, ascending.
    pub buckets: Vec<(Decimal, Total)>,
}

/// Distributes the subject's amounts over buckets; `None` for an unknown subject.
///
/// # Errors
/// If the database cannot answer.
pub async fn histogram(
    reader: Reader<'_>,
    query: HistogramQuery<'_>,
) -> Result<Answer<Option<Distribution>>, StoreError> {
    let HistogramQuery { asset_id, rows_max, .. } = query;
    let (start, end) = (query.window.start(), query.window.end());
    let owner = query.scope.owner();
    let bounds: Vec<String> = query.bounds.iter().map(Decimal::to_string).collect();
    let answer = match query.subject {
        SeriesSubject::User(user_uuid) => {
            let statement = match query.direction {
                Direction::Sender => statement!("histogram_user_sender"),
                Direction::Receiver => statement!("histogram_user_receiver"),
            };
            let params: &Params<'_> =
                &[user_uuid, &asset_id, &start, &end, &rows_max, &bounds, &owner];
            reader.read(statement, params).await?
        }
        SeriesSubject::Account(key) => {
            let statement = match query.direction {
                Direction::Sender => statement!("histogram_account_sender"),
                Direction::Receiver => statement!("histogram_account_receiver"),
            };
            let (network, address) = (key.network().as_str(), key.address().as_str());
            let params: &Params<'_> =
                &[&network, &address, &asset_id, &start, &end, &rows_max, &bounds, &owner];
            reader.read(statement, params).await?
        }
        SeriesSubject::All => {
            let statement = statement!("histogram_all");
            reader.read(statement, &[&asset_id, &start, &end, &rows_max, &bounds]).await?
        }
    };
    Ok(answer.map(|rows| distribution(&rows)))
}

/// Reads what lies below the first bound, then one row a bucket.
fn distribution(rows: &[Row]) -> Option<Distribution> {
    let (first, others) = rows.split_first()?;
    first.get::<_, Option<i64>>("subject_id")?;
    let number = |row: &Row, column: &str| row.get::<_, Option<Numeric>>(column).map(|n| n.0);
    let bucket = |row: &Row| {
        let sum = number(row, "sum_amount")?;
        Some((number(row, "lower")?, Total { count: row.get("bucket_count"), sum }))
    };
    Some(Distribution {
        transaction_count: first.get("transaction_count"),
        extent: number(first, "smallest_amount").zip(number(first, "largest_amount")),
        below_count: first.get("bucket_count"),
        buckets: others.iter().filter_map(bucket).collect(),
    })
}
