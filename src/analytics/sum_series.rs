//! How much did somebody send or receive, bucket by bucket?

use std::time::Duration;

use chrono::{DateTime, Utc};

pub use crate::store::sum_series::SeriesSubject;
use crate::{
    analytics::Analytics,
    domain::{asset::Asset, direction::Direction},
    error::{Error, ErrorKind},
    store::{sum_amount::Total, sum_series},
};

/// A question for a series of sums.
#[derive(Clone, Debug)]
pub struct SeriesQuestion {
    /// Whose amounts.
    pub subject: SeriesSubject,
    /// Of what.
    pub asset: Asset,
    /// Edges of the buckets, strictly ascending, two at least.
    pub edges: Vec<DateTime<Utc>>,
    /// On which sides, one series each.
    pub directions: Vec<Direction>,
    /// Whether the answer says how it was made.
    pub explain: bool,
    /// Whether the answer is held against the rows.
    pub verify: bool,
}

/// The sum of one bucket.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BucketSum {
    /// The exact sum as text, with the asset's decimals.
    pub sum_amount: String,
    /// Number of transactions in it.
    pub transaction_count: i64,
}

/// Series of sums.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SeriesAnswer {
    /// One series a direction, in their order, each with one sum a bucket.
    pub series: Vec<Vec<BucketSum>>,
    /// How long the database took.
    pub took: Duration,
}

impl Analytics {
    /// Sums the subject's amounts in every bucket, from one snapshot.
    ///
    /// # Errors
    /// `NotFound` for an unknown subject; what the database says.
    pub async fn sum_series(&self, question: &SeriesQuestion) -> Result<SeriesAnswer, Error> {
        let SeriesQuestion { subject, asset, edges, directions, .. } = question;
        let asset_id = asset.asset_id;
        let answer =
            sum_series::sum_series(&self.database, subject, asset_id, edges, directions).await?;
        let series = answer.value.ok_or_else(|| not_found(subject))?;
        let sum = |total: Total| BucketSum {
            sum_amount: total.sum.to_text(asset.decimals),
            transaction_count: total.count,
        };
        let series = series.into_iter().map(|totals| totals.into_iter().map(sum).collect());
        Ok(SeriesAnswer { series: series.collect(), took: answer.took })
    }
}

/// The error of a subject that is not there.
pub(super) fn not_found(subject: &SeriesSubject) -> Error {
    Error::new(match subject {
        SeriesSubject::User(_) => ErrorKind::NotFound("user"),
        SeriesSubject::Account(_) => ErrorKind::NotFound("account"),
        // Everybody is always there.
        SeriesSubject::All => ErrorKind::Internal,
    })
}
