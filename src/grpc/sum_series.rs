//! `AnalyticsService.SumSeries`.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::{
    analytics::{
        Analytics,
        sum_amount::Subject as SumSubject,
        sum_series::{BucketSum, SeriesQuestion, SeriesSubject, window_of},
    },
    domain::{
        access::Scope,
        buckets::{self, BucketSize, BucketUnit},
        direction::Direction,
    },
    error::Error,
    grpc::{
        coverage::Asked,
        decode, explanation,
        pb::v1::{
            self, DirectionSeries, SeriesBucket, SumSeriesRequest, SumSeriesResponse,
            sum_series_request::Subject,
        },
        violations::Violations,
    },
};

pub(super) async fn sum_series(
    analytics: &Analytics,
    request: &SumSeriesRequest,
    scope: Scope,
) -> Result<SumSeriesResponse, Error> {
    let (question, zone) = question(analytics, request, scope).await?;
    let subject = match &question.subject {
        SeriesSubject::User(uuid) => Some(SumSubject::User(*uuid)),
        SeriesSubject::Account(key) => Some(SumSubject::Account(key.clone())),
        SeriesSubject::All => None,
    };
    let asked = Asked::about(analytics, &question.asset, subject).await?;
    let answer = analytics.sum_series(&question).await?;
    let coverage = match window_of(&question.edges) {
        Some(window) => asked.within(window, request.allow_partial)?,
        None => None,
    };
    let series = question.directions.iter().zip(answer.series);
    let series = series.map(|(&direction, sums)| DirectionSeries {
        direction: decode::direction_pb(direction),
        buckets: buckets_pb(&question.edges, sums),
    });
    Ok(SumSeriesResponse {
        series: series.collect(),
        asset: question.asset.code.to_string(),
        time_zone: zone.name().to_owned(),
        database_seconds: answer.took.as_secs_f64(),
        explanation: answer.explanation.map(explanation::explanation_pb),
        verification: answer.verification.map(explanation::verification_pb),
        coverage,
    })
}

async fn question(
    analytics: &Analytics,
    request: &SumSeriesRequest,
    scope: Scope,
) -> Result<(SeriesQuestion, Tz), Error> {
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
    let size = size(request.bucket_unit, request.bucket_count, &mut violations);
    let zone = zone(&request.time_zone, &mut violations);
    let directions = directions(request, &mut violations);
    let edges = (|| {
        buckets::edges(window?, size?, zone?)
            .map_err(|error| violations.add("bucket_unit", error.to_string()))
            .ok()
    })();
    let asset = decode::asset(analytics, &request.asset, &mut violations).await?;
    let decoded = (|| {
        let question = SeriesQuestion {
            scope,
            subject: subject?,
            asset: asset?,
            edges: edges?,
            directions: directions?,
            explain: request.explain,
            verify: request.verify,
        };
        Some((question, zone?))
    })();
    violations.finish(decoded)
}

/// Checks the fields `bucket_unit` and `bucket_count`.
pub(super) fn size(unit: i32, count: i32, violations: &mut Violations) -> Option<BucketSize> {
    let unit = match v1::BucketUnit::try_from(unit) {
        Ok(v1::BucketUnit::Minute) => Some(BucketUnit::Minute),
        Ok(v1::BucketUnit::Hour) => Some(BucketUnit::Hour),
        Ok(v1::BucketUnit::Day) => Some(BucketUnit::Day),
        Ok(v1::BucketUnit::Week) => Some(BucketUnit::Week),
        Ok(v1::BucketUnit::Month) => Some(BucketUnit::Month),
        Ok(v1::BucketUnit::Year) => Some(BucketUnit::Year),
        Ok(v1::BucketUnit::Unspecified) | Err(_) => None,
    };
    let hint = "must be BUCKET_UNIT_MINUTE (1), BUCKET_UNIT_HOUR (2), BUCKET_UNIT_DAY (3), \
                BUCKET_UNIT_WEEK (4), BUCKET_UNIT_MONTH (5) or BUCKET_UNIT_YEAR (6)";
    let is_unit = violations.require(unit, "bucket_unit", hint).is_some();
    let count = if count == 0 { 1 } else { count };
    // Whatever the unit: a wrong count is told along with a wrong unit.
    let counted = u32::try_from(count)
        .ok()
        .and_then(|count| BucketSize::new(unit.unwrap_or(BucketUnit::Day), count));
    let hint = format!("must be 1 to {}, or 0 for 1", buckets::UNITS_MAX);
    violations.require(counted, "bucket_count", hint).filter(|_| is_unit)
}

/// Checks the field `time_zone`.
pub(super) fn zone(name: &str, violations: &mut Violations) -> Option<Tz> {
    let hint = "must be an IANA name, for example Europe/Berlin, or empty for UTC";
    violations.require(buckets::time_zone(name), "time_zone", hint)
}

/// Checks the field `direction`, which means nothing where both are asked for.
fn directions(request: &SumSeriesRequest, violations: &mut Violations) -> Option<Vec<Direction>> {
    let is_given = request.direction != i32::from(v1::Direction::Unspecified);
    match request.split_by_direction {
        false => Some(vec![decode::direction(request.direction, violations)?]),
        true => {
            if is_given {
                decode::direction(request.direction, violations)?;
            }
            Some(vec![Direction::Sender, Direction::Receiver])
        }
    }
}

/// Buckets between edges, with what is summed up in each.
pub(super) fn buckets_pb(edges: &[DateTime<Utc>], sums: Vec<BucketSum>) -> Vec<SeriesBucket> {
    let windows = edges.windows(2).map(|pair| v1::Window {
        start: pair.first().copied().map(decode::timestamp),
        end: pair.last().copied().map(decode::timestamp),
    });
    let buckets = windows.zip(sums).map(|(window, sum)| SeriesBucket {
        window: Some(window),
        sum_amount: sum.sum_amount,
        transaction_count: sum.transaction_count,
    });
    buckets.collect()
}
