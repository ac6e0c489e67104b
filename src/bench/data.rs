//! What there is to ask for: users, and the days that hold their transactions.

use std::time::Duration;

use chrono::{NaiveDate, NaiveTime};
use tonic::Status;

use crate::{
    bench::{
        Line,
        error::BenchError,
        questions,
        windows::{DAY_MICROS, Span},
    },
    config::{BenchDirection, BenchSettings},
    grpc::pb::v1::{
        Direction, ListUsersRequest, analytics_service_client::AnalyticsServiceClient,
        ledger_service_client::LedgerServiceClient,
    },
};

/// Longest wait for a connection.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);

/// Most users that are asked for.
const USERS_MAX: usize = 10_000;

/// Users in one page.
const PAGE_SIZE: i32 = 1_000;

/// Users whose transactions tell where the data lie.
const SAMPLE: usize = 4;

/// First day and first day after all that a request may name, counted from 1970-01-01.
const DAYS: (i64, i64) = (-719_162, 2_932_896);

/// Whom and when to ask for.
#[derive(Debug)]
pub(super) struct Data {
    /// UUIDs of users.
    pub(super) users: Vec<String>,
    /// The days that windows may touch.
    pub(super) span: Span,
}

/// Asks the server for users, and for the span of their data unless it is told.
pub(super) async fn find(channel: Line, settings: &BenchSettings) -> Result<Data, BenchError> {
    let asked = |what| move |status| BenchError::Asked { what, source: Box::new(status) };
    let users = list_users(channel.clone()).await.map_err(asked("who its users are"))?;
    if users.is_empty() {
        return Err(BenchError::NoUsers);
    }
    let span = match (settings.from, settings.to) {
        (Some(from), Some(to)) if from < to => Span { start: micros(from), end: micros(to) },
        (Some(_), Some(_)) => return Err(BenchError::Days),
        _ => {
            let sample = &users[..users.len().min(SAMPLE)];
            let span = find_span(channel, sample, settings.direction).await;
            span.map_err(asked("where its data lie"))?.ok_or(BenchError::NoRows)?
        }
    };
    Ok(Data { users, span })
}

fn micros(day: NaiveDate) -> i64 {
    day.and_time(NaiveTime::MIN).and_utc().timestamp_micros()
}

async fn list_users(channel: Line) -> Result<Vec<String>, Status> {
    let mut client = LedgerServiceClient::new(channel);
    let (mut users, mut page_token) = (Vec::new(), String::new());
    loop {
        let request =
            ListUsersRequest { page_size: PAGE_SIZE, page_token, ..ListUsersRequest::default() };
        let page = client.list_users(request).await?.into_inner();
        users.extend(page.users.into_iter().map(|user| user.user_uuid));
        if page.next_page_token.is_empty() || users.len() >= USERS_MAX {
            users.truncate(USERS_MAX);
            return Ok(users);
        }
        page_token = page.next_page_token;
    }
}

/// The days from the first to the last transaction of these users, found by halving; none if
/// they have no transactions.
async fn find_span(
    channel: Line,
    users: &[String],
    direction: BenchDirection,
) -> Result<Option<Span>, Status> {
    let direction = match direction {
        BenchDirection::Sender | BenchDirection::Random => Direction::Sender,
        BenchDirection::Receiver => Direction::Receiver,
    };
    let mut client = AnalyticsServiceClient::new(channel);
    let mut has_rows = async |first: i64, end: i64| {
        // The last instant that a request may name is the one before the last midnight.
        let end = (end * DAY_MICROS).min(DAYS.1 * DAY_MICROS - 1);
        let window = Span { start: first * DAY_MICROS, end };
        for user in users {
            let question = questions::sum_amount(user, window, direction);
            if client.sum_amount(question).await?.into_inner().transaction_count > 0 {
                return Ok::<bool, Status>(true);
            }
        }
        Ok(false)
    };
    if !has_rows(DAYS.0, DAYS.1).await? {
        return Ok(None);
    }
    let (mut first, mut end) = DAYS;
    while end - first > 1 {
        let middle = first.midpoint(end);
        if has_rows(DAYS.0, middle).await? { end = middle } else { first = middle }
    }
    let start = first;
    let (mut last, mut end) = (first, DAYS.1);
    while end - last > 1 {
        let middle = last.midpoint(end);
        if has_rows(middle, DAYS.1).await? { last = middle } else { end = middle }
    }
    Ok(Some(Span { start: start * DAY_MICROS, end: end * DAY_MICROS }))
}
