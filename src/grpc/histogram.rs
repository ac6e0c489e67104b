//! `AnalyticsService.Histogram`.

use crate::{
    analytics::{
        Analytics,
        histogram::{Bucket, HistogramQuestion, SeriesSubject},
        sum_amount::Subject as SumSubject,
    },
    domain::{access::Scope, decimal::Decimal},
    error::Error,
    grpc::{
        coverage::Asked,
        decode,
        pb::v1::{
            HistogramBucket, HistogramRequest, HistogramResponse, histogram_request::Subject,
        },
        violations::Violations,
    },
};

/// Most bounds of a request.
const BOUNDS_MAX: usize = 1_000;

/// Longest text of a bound, in bytes.
const BOUND_BYTES_MAX: usize = 200;

pub(super) async fn histogram(
    analytics: &Analytics,
    rows_max: u64,
    request: &HistogramRequest,
    scope: Scope,
) -> Result<HistogramResponse, Error> {
    let question = question(analytics, rows_max, request, scope).await?;
    let subject = match &question.subject {
        SeriesSubject::User(uuid) => Some(SumSubject::User(*uuid)),
        SeriesSubject::Account(key) => Some(SumSubject::Account(key.clone())),
        SeriesSubject::All => None,
    };
    let asked = Asked::about(analytics, &question.asset, subject).await?;
    let answer = analytics.histogram(&question).await?;
    let coverage = asked.within(question.window, request.allow_partial)?;
    let (smallest_amount, largest_amount) = answer.extent.unwrap_or_default();
    Ok(HistogramResponse {
        buckets: answer.buckets.into_iter().map(bucket_pb).collect(),
        below_count: answer.below_count,
        transaction_count: answer.transaction_count,
        smallest_amount,
        largest_amount,
        asset: question.asset.code.to_string(),
        database_seconds: answer.took.as_secs_f64(),
        coverage,
    })
}

async fn question(
    analytics: &Analytics,
    rows_max: u64,
    request: &HistogramRequest,
    scope: Scope,
) -> Result<HistogramQuestion, Error> {
    let mut violations = Violations::default();
    let subject = match &request.subject {
        Some(Subject::UserUuid(uuid)) => {
            decode::user_uuid(uuid, "user_uuid", &mut violations).map(SeriesSubject::User)
        }
        Some(Subject::Account(account)) => {
            decode::account(account, &mut violations).map(SeriesSubject::Account)
        }
        Some(Subject::All(_)) => Some(SeriesSubject::All),
        None => violations.require(None, "user_uuid", "must be set, or account or all instead"),
    };
    let days_max = analytics.window_days_max();
    let window = decode::window_of(days_max, request.window.as_ref(), &mut violations);
    let direction = decode::direction(request.direction, &mut violations);
    let hint = format!(
        "must be at most {BOUNDS_MAX} plain decimals of at most {BOUND_BYTES_MAX} characters, \
         each larger than the one before it, or none"
    );
    let bounds = violations.require(bounds(&request.bounds), "bounds", hint);
    let asset = decode::asset(analytics, &request.asset, &mut violations).await?;
    let question = (|| {
        Some(HistogramQuestion {
            scope,
            subject: subject?,
            asset: asset?,
            window: window?,
            direction: direction?,
            bounds: bounds?,
            rows_max,
        })
    })();
    violations.finish(question)
}

/// Reads the field `bounds`.
fn bounds(given: &[String]) -> Option<Vec<Decimal>> {
    if given.len() > BOUNDS_MAX || given.iter().any(|text| text.len() > BOUND_BYTES_MAX) {
        return None;
    }
    let bounds: Vec<_> = given.iter().map(|text| Decimal::parse(text)).collect::<Option<_>>()?;
    bounds.is_sorted_by(|lower, upper| lower < upper).then_some(bounds)
}

fn bucket_pb(bucket: Bucket) -> HistogramBucket {
    HistogramBucket {
        lower: bucket.lower,
        upper: bucket.upper.unwrap_or_default(),
        transaction_count: bucket.transaction_count,
        sum_amount: bucket.sum_amount,
    }
}
