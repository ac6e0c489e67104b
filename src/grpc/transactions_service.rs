//! `transactions_service.Transactions`: the contract of the Python service that
//! Daybook takes the place of. It always means the user's payments account in the
//! seeded asset.

use std::time::Instant;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Timelike, Utc};
use tonic::{Request, Response, Status};

use crate::{
    analytics::{
        Analytics,
        sum_amount::{Subject, SumQuestion},
    },
    domain::{access::Scope, asset::SEEDED_ASSET_CODE, direction::Direction, window},
    error::{Error, ErrorKind},
    grpc::{
        admission::identity,
        decode::{self, WindowFields},
        pb::transactions_service::{
            SumAmountRequest, SumAmountResponse, transactions_server::Transactions,
        },
        status::to_status,
        violations::Violations,
    },
};

const WINDOW_FIELDS: WindowFields = WindowFields {
    window: "timestamp_start_utc",
    start: "timestamp_start_utc",
    end: "timestamp_end_utc",
};

const INSTANT_HINT: &str =
    "must be an ISO 8601 instant, for example 2023-06-01T00:00:00 (without a zone: UTC)";

/// Serves `Transactions`.
#[derive(Clone)]
pub struct TransactionsApi {
    analytics: Analytics,
}

impl TransactionsApi {
    /// Serves answers of these analytics.
    #[must_use]
    pub fn new(analytics: Analytics) -> Self {
        Self { analytics }
    }

    async fn sum(
        &self,
        request: &SumAmountRequest,
        scope: Scope,
    ) -> Result<SumAmountResponse, Error> {
        let begun_at = Instant::now();
        let mut violations = Violations::default();
        let user_uuid = decode::user_uuid(&request.user_uuid, "user_uuid", &mut violations);
        let start = instant(&request.timestamp_start_utc, WINDOW_FIELDS.start, &mut violations);
        let end = instant(&request.timestamp_end_utc, WINDOW_FIELDS.end, &mut violations);
        let window = decode::span(start, end, WINDOW_FIELDS, &mut violations);
        let days_max = self.analytics.window_days_max();
        let window = decode::not_longer(days_max, window, WINDOW_FIELDS.end, &mut violations);
        let direction = Direction::parse(&request.direction);
        let direction =
            violations.require(direction, "direction", "must be `sender` or `receiver`");
        let decoded = user_uuid.zip(window).zip(direction);
        let ((user_uuid, window), direction) = violations.finish(decoded)?;
        let asset = self.analytics.find_asset(SEEDED_ASSET_CODE).await?;
        let asset = asset.ok_or_else(|| Error::new(ErrorKind::Internal))?;
        let subject = Subject::PaymentsAccount(user_uuid);
        let question =
            SumQuestion { subject, scope, asset, window, direction, explain: false, verify: false };
        let answer = self.analytics.sum_amount(&question).await?;
        Ok(SumAmountResponse {
            sum_amount: answer.sum_amount,
            response_time_seconds: begun_at.elapsed().as_secs_f64(),
        })
    }
}

#[tonic::async_trait]
impl Transactions for TransactionsApi {
    async fn sum_amount(
        &self,
        request: Request<SumAmountRequest>,
    ) -> Result<Response<SumAmountResponse>, Status> {
        let scope = identity(&request)?.scope;
        self.sum(request.get_ref(), scope).await.map(Response::new).map_err(to_status)
    }
}

fn instant(text: &str, field: &'static str, violations: &mut Violations) -> Option<DateTime<Utc>> {
    let parsed = violations.require(parse_instant(text), field, INSTANT_HINT)?;
    let nanos = i32::try_from(parsed.nanosecond()).unwrap_or(i32::MAX);
    window::instant(parsed.timestamp(), nanos)
        .map_err(|error| violations.add(field, error.to_string()))
        .ok()
}

/// Reads a date, or a date and time (to the minute, the second, or a fraction of it) with
/// or without a zone: the usual ones of the forms that ISO 8601 has.
fn parse_instant(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Some(day.and_time(NaiveTime::MIN).and_utc());
    }
    let text = text.replacen(' ', "T", 1);
    let zoned = text.strip_suffix(['Z', 'z']).map_or(text.clone(), |bare| format!("{bare}+00:00"));
    ["%Y-%m-%dT%H:%M:%S%.f%:z", "%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%dT%H:%M%:z"]
        .iter()
        .find_map(|form| DateTime::parse_from_str(&zoned, form).ok())
        .map(|at| at.to_utc())
        .or_else(|| {
            ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"]
                .iter()
                .find_map(|form| NaiveDateTime::parse_from_str(&text, form).ok())
                .map(|naive| naive.and_utc())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_in_the_usual_forms() {
        for (text, expected) in [
            ("2023-06-01T00:00:00", Some("2023-06-01T00:00:00Z")),
            ("2023-06-01", Some("2023-06-01T00:00:00Z")),
            ("2023-06-01 12:30", Some("2023-06-01T12:30:00Z")),
            ("2023-06-01T00:00:00.123456", Some("2023-06-01T00:00:00.123456Z")),
            ("2023-06-01T00:00:00Z", Some("2023-06-01T00:00:00Z")),
            ("2023-06-01T00:00:00+02:00", Some("2023-05-31T22:00:00Z")),
            ("2023-06-01T00:00:00-0530", Some("2023-06-01T05:30:00Z")),
            ("", None),
            ("yesterday", None),
            ("2023-13-01", None),
            ("2023-06-01T25:00:00", None),
            ("2023-06-01T00:00:00 UTC", None),
        ] {
            let expected = expected.and_then(|at| at.parse::<DateTime<Utc>>().ok());
            assert_eq!(parse_instant(text), expected, "{text}");
        }
    }
}
