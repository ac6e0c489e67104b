//! Counts and sums of one subject's amounts, bucket by bucket, from the rows.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    domain::{account::AccountKey, direction::Direction},
    store::{
        Database, Reader, StoreError,
        numeric::Numeric,
        session::{Answer, Params},
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

/// Sums the subject's amounts of one asset between each edge and the next one, all from
/// one snapshot: one series a direction, in their order; `None` for an unknown subject.
///
/// # Errors
/// If the database cannot answer.
pub async fn sum_series(
    database: &Database,
    subject: &SeriesSubject,
    asset_id: i32,
    edges: &[DateTime<Utc>],
    directions: &[Direction],
) -> Result<Answer<Option<Vec<Vec<Total>>>>, StoreError> {
    // Everybody's series is the same in both directions.
    let is_one = directions.len() < 2 || *subject == SeriesSubject::All;
    if let (&[direction, ..], true) = (directions, is_one) {
        let reader = Reader::Pool(database);
        let answer = sum_series_of_rows(reader, subject, asset_id, edges, direction).await?;
        return Ok(answer.map(|series| Some(vec![series?; directions.len()])));
    }
    let snapshot = database.snapshot().await?;
    let mut all = Some(Vec::with_capacity(directions.len()));
    for &direction in directions {
        let reader = Reader::Snapshot(&snapshot);
        let series = sum_series_of_rows(reader, subject, asset_id, edges, direction).await?.value;
        all = all.zip(series).map(|(mut all, series)| {
            all.push(series);
            all
        });
    }
    Ok(Answer { value: all, took: snapshot.end().await? })
}

/// One series of [`sum_series`], by a scan of the rows.
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
            let (network, address) = (key.network.as_str(), key.address.as_str());
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
