//! How are the amounts of a window distributed over sizes?

use std::time::Duration;

pub use crate::store::sum_series::SeriesSubject;
use crate::{
    analytics::{
        Analytics,
        sum_series::{not_found, refuse_everybody},
    },
    domain::{access::Scope, asset::Asset, decimal::Decimal, direction::Direction, window::Window},
    error::{Error, ErrorKind},
    store::{
        Reader,
        days::{self, Needs},
        histogram::{self, Distribution, HistogramQuery},
    },
};

/// A question for a histogram.
#[derive(Clone, Debug)]
pub struct HistogramQuestion {
    /// Whose amounts.
    pub subject: SeriesSubject,
    /// Whose records may be seen: subjects beyond are unknown.
    pub scope: Scope,
    /// Of what.
    pub asset: Asset,
    /// When.
    pub window: Window,
    /// On which side.
    pub direction: Direction,
    /// Lower bounds of the buckets, strictly ascending; none for twenty of equal width.
    pub bounds: Vec<Decimal>,
    /// Most rows that are read.
    pub rows_max: u64,
}

/// One bucket.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bucket {
    /// Smallest amount inside, as text.
    pub lower: String,
    /// First amount outside, or the largest one inside of the last bucket of equal width;
    /// `None` without end.
    pub upper: Option<String>,
    /// Number of transactions.
    pub transaction_count: i64,
    /// Exact sum of their amounts, as text.
    pub sum_amount: String,
}

/// A histogram.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HistogramAnswer {
    /// The buckets, smallest amounts first.
    pub buckets: Vec<Bucket>,
    /// Number of transactions below the first bound.
    pub below_count: i64,
    /// Number of all transactions.
    pub transaction_count: i64,
    /// Smallest and largest amount as text; `None` without transactions.
    pub extent: Option<(String, String)>,
    /// How long the database took.
    pub took: Duration,
}

impl Analytics {
    /// Distributes the subject's amounts over buckets.
    ///
    /// # Errors
    /// `PermissionDenied` for everybody's amounts to whom they are not for; `NotFound` for an
    /// unknown subject; `BeyondLimit` for more rows than are read;
    /// what the database says.
    pub async fn histogram(&self, question: &HistogramQuestion) -> Result<HistogramAnswer, Error> {
        let HistogramQuestion { subject, scope, asset, window, direction, bounds, rows_max } =
            question;
        refuse_everybody(subject, *scope)?;
        let query = HistogramQuery {
            subject,
            scope: *scope,
            asset_id: asset.asset_id,
            window: *window,
            direction: *direction,
            bounds,
            // One more than allowed shows that there are too many.
            rows_max: i64::try_from(*rows_max).unwrap_or(i64::MAX).saturating_add(1),
        };
        let snapshot = days::snapshot_for(&self.database, *window, Needs::Rows).await?;
        let reader = Reader::Snapshot(&snapshot);
        let answer = histogram::histogram(reader, query).await?;
        snapshot.end().await?;
        let found = answer.value.ok_or_else(|| not_found(subject))?;
        if found.transaction_count.unsigned_abs() > *rows_max {
            return Err(Error::new(ErrorKind::BeyondLimit(
                "the window holds more rows than --histogram-rows-max",
            )));
        }
        Ok(finish(question, found, answer.took))
    }
}

/// Writes a distribution: pure.
fn finish(question: &HistogramQuestion, found: Distribution, took: Duration) -> HistogramAnswer {
    let text = |amount: &Decimal| amount.to_text(question.asset.decimals);
    // Buckets of equal width end with the largest amount, those of the question nowhere.
    let end = found.extent.as_ref().map(|(_, largest)| text(largest));
    let end = end.filter(|_| question.bounds.is_empty());
    let uppers = found.buckets.iter().skip(1).map(|(lower, _)| Some(text(lower)));
    let uppers: Vec<_> = uppers.chain([end]).collect();
    let buckets = found.buckets.iter().zip(uppers).map(|((lower, total), upper)| Bucket {
        lower: text(lower),
        upper,
        transaction_count: total.count,
        sum_amount: text(&total.sum),
    });
    HistogramAnswer {
        buckets: buckets.collect(),
        below_count: found.below_count,
        transaction_count: found.transaction_count,
        extent: found.extent.as_ref().map(|(smallest, largest)| (text(smallest), text(largest))),
        took,
    }
}
