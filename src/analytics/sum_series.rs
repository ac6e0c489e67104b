//! How much did somebody send or receive, bucket by bucket?

use std::time::Duration;

use chrono::{DateTime, NaiveTime, Utc};

pub use crate::store::sum_series::SeriesSubject;
use crate::{
    analytics::Analytics,
    domain::{
        access::Scope,
        asset::Asset,
        direction::Direction,
        explanation::{Explanation, Verification},
        window::Window,
    },
    error::{Error, ErrorKind},
    store::{
        Reader,
        days::{self, Needs},
        sealing,
        session::Snapshot,
        sum_amount::Total,
        sum_series,
    },
};

/// A question for a series of sums.
#[derive(Clone, Debug)]
pub struct SeriesQuestion {
    /// Whose amounts.
    pub subject: SeriesSubject,
    /// Whose records may be seen: subjects beyond are unknown.
    pub scope: Scope,
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
    /// How it was made, if that was asked.
    pub explanation: Option<Explanation>,
    /// What the rows say, if that was asked.
    pub verification: Option<Verification>,
}

impl Analytics {
    /// Sums the subject's amounts in every bucket, from one snapshot.
    ///
    /// # Errors
    /// `PermissionDenied` for everybody's sums to whom they are not for; `NotFound` for an
    /// unknown subject; what the database says.
    pub async fn sum_series(&self, question: &SeriesQuestion) -> Result<SeriesAnswer, Error> {
        let SeriesQuestion { subject, scope, asset, edges, directions, .. } = question;
        refuse_everybody(subject, *scope)?;
        let asset_id = asset.asset_id;
        let snapshot = match window_of(edges) {
            Some(window) => {
                let needs = needs(edges, question.verify);
                days::snapshot_for(&self.database, window, needs).await?
            }
            None => self.database.snapshot().await?,
        };
        let asked = (subject, *scope);
        let found = sum_series::sum_series(&snapshot, asked, asset_id, edges, directions).await?;
        let sealed_until = match question.explain {
            true => sealing::sealed_until(&snapshot).await?,
            false => None,
        };
        // Without the scan: that is not how the answer was made.
        let took = snapshot.took();
        let scanned = match &found {
            Some(found) if question.verify => {
                Some(verify(&snapshot, question, &found.series).await?)
            }
            _ => None,
        };
        snapshot.end().await?;
        let found = found.ok_or_else(|| not_found(subject))?;
        let explanation = question.explain.then(|| Explanation {
            sealed_until,
            cells_read: found.cells_read,
            corrections_read: found.corrections_read,
            took,
            questions_together: 1,
            ..Explanation::default()
        });
        let sum = |total: Total| BucketSum {
            sum_amount: total.sum.to_text(asset.decimals),
            transaction_count: total.count,
        };
        let series = found.series.into_iter().map(|totals| totals.into_iter().map(sum).collect());
        Ok(SeriesAnswer { series: series.collect(), took, explanation, verification: scanned })
    }
}

/// The window that buckets cut; `None` for no buckets.
#[must_use]
pub fn window_of(edges: &[DateTime<Utc>]) -> Option<Window> {
    Window::new(*edges.first()?, *edges.last()?)
}

/// Buckets that cut days need what those days' rows were made of; so does whoever holds them
/// against the rows.
pub(super) fn needs(edges: &[DateTime<Utc>], verify: bool) -> Needs {
    let inner = edges.get(1..edges.len().saturating_sub(1)).unwrap_or_default();
    let is_cut = inner.iter().any(|edge| edge.time() != NaiveTime::MIN);
    if verify || is_cut { Needs::Rows } else { Needs::Totals }
}

/// Holds series against the rows.
async fn verify(
    snapshot: &Snapshot,
    question: &SeriesQuestion,
    found: &[Vec<Total>],
) -> Result<Verification, Error> {
    let SeriesQuestion { subject, asset, edges, directions, .. } = question;
    let reader = Reader::Snapshot(snapshot);
    let mut verification = Verification { difference: None, rows_scanned: 0 };
    for (&direction, found) in directions.iter().zip(found) {
        let scanned =
            sum_series::sum_series_of_rows(reader, subject, asset.asset_id, edges, direction);
        let scanned = scanned.await?.value.unwrap_or_default();
        verification.rows_scanned += scanned.iter().map(|total| total.count).sum::<i64>();
        let place = found.iter().zip(&scanned).position(|(found, scanned)| found != scanned);
        if let Some(place) = place
            && verification.difference.is_none()
        {
            let text = |total: &Total| {
                format!("{} in {} transactions", total.sum.to_text(asset.decimals), total.count)
            };
            verification.difference = Some(format!(
                "bucket {} ({direction:?}): running totals say {}, the rows say {}",
                place + 1,
                text(&found[place]),
                text(&scanned[place])
            ));
        }
    }
    Ok(verification)
}

/// Refuses what everybody moved to whoever may see one user's records.
pub(super) fn refuse_everybody(subject: &SeriesSubject, scope: Scope) -> Result<(), Error> {
    match (subject, scope) {
        (SeriesSubject::All, Scope::Own(_)) => Err(Error::new(ErrorKind::PermissionDenied)),
        _ => Ok(()),
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
