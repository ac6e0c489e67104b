//! What alerts need beside the requests and the courier: silence is noticed, old events are
//! deleted, and whoever watches hears of new ones.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::{alerts::Alerts, error::Error};

/// Time between two looks for events.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// Time between two looks for silence.
const SILENCE_INTERVAL: Duration = Duration::from_secs(5);

/// Time between two looks for old events.
const PRUNE_INTERVAL: Duration = Duration::from_secs(600);

/// Longest wait after a failure.
const PAUSE_MAX: Duration = Duration::from_secs(4);

/// Notices silence until `stop`.
pub async fn notice_silence(alerts: Alerts, stop: CancellationToken) {
    let mut pace = Pace::new(SILENCE_INTERVAL, "silence could not be looked for");
    while pace.wait(&stop).await {
        let outcome = tokio::select! {
            () = stop.cancelled() => return,
            outcome = alerts.judge_silences() => outcome,
        };
        pace.note(outcome.map(drop), true);
    }
}

/// Deletes events that are older than so many days until `stop`.
pub async fn prune(alerts: Alerts, days: i32, stop: CancellationToken) {
    let mut pace = Pace::new(PRUNE_INTERVAL, "old alerts could not be deleted");
    while pace.wait(&stop).await {
        let outcome = alerts.prune(days).await;
        // There may be more than one tx deletes.
        let is_idle = !matches!(outcome, Ok(count) if count > 0);
        pace.note(outcome.map(drop), is_idle);
    }
}

/// Tells whoever watches of new events until `stop`.
pub async fn look(alerts: Alerts, stop: CancellationToken) {
    let mut pace = Pace::new(LOOK_INTERVAL, "new alerts could not be looked for");
    while pace.wait(&stop).await {
        let outcome = tokio::select! {
            () = stop.cancelled() => return,
            outcome = alerts.look() => outcome,
        };
        pace.note(outcome, true);
    }
}

/// How often something is done: at its interval, and less often while it fails.
struct Pace {
    interval: Duration,
    pause: Duration,
    failure: &'static str,
}

impl Pace {
    fn new(interval: Duration, failure: &'static str) -> Self {
        Self { interval, pause: interval, failure }
    }

    /// Whether to go on, after a pause.
    async fn wait(&self, stop: &CancellationToken) -> bool {
        tokio::time::timeout(self.pause, stop.cancelled()).await.is_err()
    }

    fn note(&mut self, outcome: Result<(), Error>, is_idle: bool) {
        match outcome {
            Ok(()) => self.pause = if is_idle { self.interval } else { Duration::ZERO },
            Err(error) => {
                self.pause = (self.pause.max(self.interval) * 2).min(PAUSE_MAX.max(self.interval));
                tracing::warn!(%error, "{}", self.failure);
            }
        }
    }
}
