//! What did everybody move in a window, and who moved most? Answered once, from one snapshot.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use crate::{
    analytics::{
        Analytics,
        rank::{Place, RankQuestion, RankedUser, Wanted, measure, rank_measured},
        sum_series::{BucketSum, needs, not_found},
    },
    domain::{
        access::Scope,
        asset::Asset,
        buckets::{self, BucketSize, TooManyBuckets},
        decimal::Decimal,
        direction::Direction,
        metric::Metric,
        ranking::RankOrder,
        window::Window,
    },
    error::{Error, Violation},
    store::{
        days, rank,
        session::Answer,
        sum_amount::Total,
        sum_series::{self, SeriesSubject},
    },
};

/// When an overview is about.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum OverviewRange {
    /// A window that stays.
    Window(Window),
    /// So long up to now, positive.
    Last(TimeDelta),
}

impl OverviewRange {
    /// The window that is meant at an instant.
    #[must_use]
    pub fn window(self, now: DateTime<Utc>) -> Window {
        match self {
            Self::Window(window) => window,
            // The latest window there is holds whatever a longer one would.
            Self::Last(last) => now
                .checked_sub_signed(last)
                .and_then(|start| Window::new(start, now))
                .unwrap_or_else(|| Window::before(Some(now))),
        }
    }
}

/// A question for an overview.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct OverviewQuestion {
    /// Of what.
    pub asset: Asset,
    /// When.
    pub range: OverviewRange,
    /// How long a bucket is.
    pub size: BucketSize,
    /// On whose calendar buckets lie.
    pub zone: Tz,
    /// Most users on each side.
    pub top_count: usize,
    /// Least time between two answers.
    pub interval: Duration,
}

impl OverviewQuestion {
    /// Edges of the buckets of a window.
    ///
    /// # Errors
    /// If there would be too many buckets.
    pub fn edges(&self, window: Window) -> Result<Vec<DateTime<Utc>>, TooManyBuckets> {
        buckets::edges(window, self.size, self.zone)
    }
}

/// What everybody moved in a window, and who moved most, from one snapshot.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Overview {
    /// Edges of the buckets: the window's own at both ends.
    pub edges: Vec<DateTime<Utc>>,
    /// Exact sum of the window, as text.
    pub sum_amount: String,
    /// Number of transactions.
    pub transaction_count: i64,
    /// The sums of the buckets.
    pub buckets: Vec<BucketSum>,
    /// Who sent most, best first.
    pub top_senders: Vec<Place<RankedUser>>,
    /// Who received most, best first.
    pub top_receivers: Vec<Place<RankedUser>>,
    /// The database's clock at the snapshot.
    pub as_of: DateTime<Utc>,
    /// How long the database took.
    pub took: Duration,
}

impl Overview {
    /// Whether another answer says the same: the outer edges, which follow the clock, when it was
    /// made and how long that took left out.
    #[must_use]
    pub fn says_as(&self, other: &Self) -> bool {
        let inner = |edges: &[DateTime<Utc>]| {
            edges.get(1..edges.len().saturating_sub(1)).unwrap_or_default().to_vec()
        };
        inner(&self.edges) == inner(&other.edges)
            && self.buckets == other.buckets
            && self.transaction_count == other.transaction_count
            && self.sum_amount == other.sum_amount
            && self.top_senders == other.top_senders
            && self.top_receivers == other.top_receivers
    }
}

impl Analytics {
    /// Answers a question about a window: that of the question at some instant.
    ///
    /// # Errors
    /// `InvalidArgument` for a window that followed the clock into too many buckets;
    /// `BeyondLimit` for more than `population_max` users; `FailedPrecondition` for a window
    /// with days whose rows are not at hand; what the database says.
    pub(super) async fn overview(
        &self,
        question: &OverviewQuestion,
        window: Window,
        population_max: u64,
    ) -> Result<Overview, Error> {
        let edges = question.edges(window).map_err(|error| {
            let description = error.to_string();
            Error::invalid(vec![Violation { field: "bucket_unit".into(), description }])
        })?;
        let senders = rank_question(question, window, Direction::Sender, population_max);
        let receivers = RankQuestion { direction: Direction::Receiver, ..senders.clone() };
        let asset = &question.asset;
        let unranked = self.coverages.unranked_users_now(asset.asset_id, window).await?;
        let snapshot = days::snapshot_for(&self.database, window, needs(&edges, false)).await?;
        let everybody = (&SeriesSubject::All, Scope::Everybody);
        let directions = [Direction::Sender];
        let (found, [sent, received]) = tokio::try_join!(
            sum_series::sum_series(&snapshot, everybody, asset.asset_id, &edges, &directions),
            rank::rank_users_on_both_sides(&snapshot, measure(&senders)),
        )?;
        let took = snapshot.end().await?;
        let totals = found.and_then(|found| found.series.into_iter().next());
        let totals = totals.ok_or_else(|| not_found(&SeriesSubject::All))?;
        let (as_of, measured) = (sent.as_of, |value| Answer { value, took });
        let sent = measured(sent);
        let sent = rank_measured(&senders, &unranked, sent, Wanted::FIRST).await?;
        let received = measured(received);
        let received = rank_measured(&receivers, &unranked, received, Wanted::FIRST).await?;
        let (count, sum) = add(&totals);
        let bucket = |total: Total| BucketSum {
            sum_amount: total.sum.to_text(asset.decimals),
            transaction_count: total.count,
        };
        Ok(Overview {
            edges,
            sum_amount: sum.to_text(asset.decimals),
            transaction_count: count,
            buckets: totals.into_iter().map(bucket).collect(),
            top_senders: sent.places,
            top_receivers: received.places,
            as_of,
            took,
        })
    }
}

fn rank_question(
    question: &OverviewQuestion,
    window: Window,
    direction: Direction,
    population_max: u64,
) -> RankQuestion {
    RankQuestion {
        asset: question.asset.clone(),
        window,
        direction,
        metric: Metric::Sum,
        order: RankOrder::Top,
        include_idle: false,
        page_size: question.top_count,
        population_max,
        explain: false,
        verify: false,
        allow_partial: false,
    }
}

/// Count and sum of all buckets.
fn add(totals: &[Total]) -> (i64, Decimal) {
    totals.iter().fold((0, Decimal::zero()), |(count, sum), total| {
        (count + total.count, sum.plus(&total.sum))
    })
}
