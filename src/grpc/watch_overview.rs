//! `AnalyticsService.WatchOverview`: a stream of answers to one question, each when it differs.
//!
//! A stream reads the latest answer of its question, which a worker makes for all who ask the
//! same. A client that does not read keeps nothing waiting: its stream is not asked for the next
//! message, and finds the latest one when it is.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::{Instant, sleep_until};
use tonic::{Request, Status};

use crate::{
    analytics::{
        Analytics,
        overviews::{Latest, Overviews, Watching},
        rank::Place,
        watch_overview::{OverviewQuestion, OverviewRange},
    },
    domain::window::Window,
    error::Error,
    grpc::{
        decode,
        pb::v1::{WatchOverviewRequest, WatchOverviewResponse, watch_overview_request::Range},
        rank::user_row,
        status::to_status,
        sum_series::{buckets_pb, size, zone},
        violations::Violations,
        watchers::{Messages, Stay, Watch, Watchers, messages, stopping},
    },
};

/// Time without a message after which there is a heartbeat.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// Shortest and longest window that follows the clock.
const LAST_MIN: TimeDelta = TimeDelta::seconds(60);
const LAST_MAX: TimeDelta = TimeDelta::days(366);

/// Rows on each side: where the request does not say, and at most.
const TOP_COUNT_DEFAULT: usize = 5;
const TOP_COUNT_MAX: usize = 100;

/// Least time between two answers: where the request does not say, and what it may say.
const INTERVAL_DEFAULT: Duration = Duration::from_secs(2);
const INTERVAL_MIN: Duration = Duration::from_millis(250);
const INTERVAL_MAX: Duration = Duration::from_secs(60);

/// Opens a stream.
pub(super) async fn watch_overview(
    analytics: &Analytics,
    (overviews, watchers): (&Overviews, &Watchers),
    request: &Request<WatchOverviewRequest>,
) -> Result<Messages<WatchOverviewResponse>, Status> {
    let open = async {
        let question = question(analytics, request.get_ref()).await?;
        let stay = watchers.begin(request)?;
        let now = Instant::now();
        Ok::<_, Error>(Open {
            watching: overviews.watch(&question)?,
            interval: question.interval,
            stay,
            asset: question.asset.code,
            sent: 0,
            held: None,
            next_answer_at: now,
            heartbeat_at: now + HEARTBEAT,
        })
    };
    open.await.map(messages).map_err(to_status)
}

async fn question(
    analytics: &Analytics,
    request: &WatchOverviewRequest,
) -> Result<OverviewQuestion, Error> {
    let mut violations = Violations::default();
    let range = match &request.range {
        Some(Range::Window(window)) => {
            let days_max = analytics.window_days_max();
            let window = decode::window_of(days_max, Some(window), &mut violations);
            window.map(OverviewRange::Window)
        }
        Some(Range::Last(last)) => {
            let last = micros(*last).map(TimeDelta::microseconds);
            let last_max = match analytics.window_days_max() {
                0 => LAST_MAX,
                days => LAST_MAX.min(TimeDelta::days(days.into())),
            };
            let last = last.filter(|last| (LAST_MIN..=last_max).contains(last));
            let days = last_max.num_days();
            let hint = format!("must be 60 seconds to {days} days, in whole microseconds");
            violations.require(last, "last", hint).map(OverviewRange::Last)
        }
        None => violations.require(None, "window", "must be set, or last instead"),
    };
    let size = size(request.bucket_unit, request.bucket_count, &mut violations);
    let zone = zone(&request.time_zone, &mut violations);
    let (default, most) = (TOP_COUNT_DEFAULT, TOP_COUNT_MAX);
    let top_count = match usize::try_from(request.top_count) {
        Ok(0) => Some(default),
        count => count.ok().filter(|count| *count <= most),
    };
    let hint = format!("must be 1 to {most}, or 0 for {default}");
    let top_count = violations.require(top_count, "top_count", hint);
    let interval = match request.interval {
        None => Some(INTERVAL_DEFAULT),
        Some(given) => {
            duration(given).filter(|interval| (INTERVAL_MIN..=INTERVAL_MAX).contains(interval))
        }
    };
    let hint = "must be 0.25 to 60 seconds, or not set for 2";
    let interval = violations.require(interval, "interval", hint);
    let asset = decode::asset(analytics, &request.asset, &mut violations).await?;
    let decoded = (|| {
        let (range, size, zone) = (range?, size?, zone?);
        let (top_count, interval) = (top_count?, interval?);
        Some(OverviewQuestion { asset: asset?, range, size, zone, top_count, interval })
    })();
    if let Some(question) = &decoded
        && let Err(error) = question.edges(question.range.window(Utc::now()))
    {
        violations.add("bucket_unit", error.to_string());
    }
    violations.finish(decoded)
}

/// The microseconds of a duration; `None` for one that is finer, or not well-formed.
fn micros(given: prost_types::Duration) -> Option<i64> {
    let given = duration(given).filter(|given| given.subsec_nanos().is_multiple_of(1_000))?;
    i64::try_from(given.as_micros()).ok()
}

/// A duration; `None` for one that is negative, or not well-formed. By hand: the conversion of its
/// own crate overflows on the least number of seconds.
fn duration(given: prost_types::Duration) -> Option<Duration> {
    let seconds = u64::try_from(given.seconds).ok()?;
    let nanos = u32::try_from(given.nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
    Some(Duration::new(seconds, nanos))
}

/// A stream at work.
struct Open {
    watching: Watching,
    interval: Duration,
    stay: Stay,
    asset: Arc<str>,
    /// Number of the answer that was sent last; 0 before the first.
    sent: u64,
    /// In which window, and when, that answer was last found.
    held: Option<(Window, DateTime<Utc>)>,
    next_answer_at: Instant,
    heartbeat_at: Instant,
}

impl Watch for Open {
    type Message = WatchOverviewResponse;

    async fn next(&mut self) -> Result<Option<WatchOverviewResponse>, Error> {
        loop {
            self.stay.check().await?;
            let watched = self.watching.watched.borrow_and_update().clone();
            if let Some(kind) = watched.failed {
                return Err(Error::new(kind));
            }
            let is_fresh = |latest: &Latest| latest.looked_at >= self.watching.since;
            let latest = watched.latest.filter(is_fresh);
            let (now, mut wake_at) = (Instant::now(), self.stay.next_check_at());
            if let Some(latest) = latest {
                let is_due = now >= self.next_answer_at;
                match latest.number == self.sent {
                    true => self.held = Some((latest.window, latest.found_at)),
                    false if is_due => return Ok(Some(self.answer(&latest))),
                    false => wake_at = wake_at.min(self.next_answer_at),
                }
            }
            if let Some((window, found_at)) = self.held {
                if now >= self.heartbeat_at {
                    self.heartbeat_at = now + HEARTBEAT;
                    return Ok(Some(heartbeat_pb(window, found_at)));
                }
                wake_at = wake_at.min(self.heartbeat_at);
            }
            self.wait(wake_at).await?;
        }
    }
}

impl Open {
    /// The answer that is sent now.
    fn answer(&mut self, latest: &Latest) -> WatchOverviewResponse {
        let now = Instant::now();
        (self.next_answer_at, self.heartbeat_at) = (now + self.interval, now + HEARTBEAT);
        (self.sent, self.held) = (latest.number, Some((latest.window, latest.found_at)));
        let overview = &latest.overview;
        let rows = |places: &[Place<_>]| places.iter().cloned().map(user_row).collect();
        WatchOverviewResponse {
            window: Some(decode::window_pb(latest.window)),
            asset: self.asset.to_string(),
            sum_amount: overview.sum_amount.clone(),
            transaction_count: overview.transaction_count,
            buckets: buckets_pb(&overview.edges, overview.buckets.clone()),
            top_senders: rows(&overview.top_senders),
            top_receivers: rows(&overview.top_receivers),
            answered_at: Some(decode::timestamp(latest.found_at)),
            database_seconds: overview.took.as_secs_f64(),
            is_unchanged: false,
        }
    }

    /// Waits for another answer, or for something to check or to send.
    async fn wait(&mut self, wake_at: Instant) -> Result<(), Error> {
        tokio::select! {
            changed = self.watching.watched.changed() => changed.map_err(|_| stopping()),
            () = self.stay.stopped() => Err(stopping()),
            () = sleep_until(wake_at) => Ok(()),
        }
    }
}

/// That the answer before it was found in a window at an instant.
fn heartbeat_pb(window: Window, found_at: DateTime<Utc>) -> WatchOverviewResponse {
    WatchOverviewResponse {
        window: Some(decode::window_pb(window)),
        answered_at: Some(decode::timestamp(found_at)),
        is_unchanged: true,
        ..WatchOverviewResponse::default()
    }
}
