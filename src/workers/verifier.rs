//! Holds random running totals against the rows, all the time.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::upkeep::verifier::Verifier;

/// Rest after a check, as a multiple of the time that it took: whatever the interval, the
/// verifier works a tenth of the time at most.
const REST: u32 = 9;

/// Shortest wait after a failure.
const RETRY_MIN: Duration = Duration::from_millis(500);

/// Longest wait after a failure.
const RETRY_MAX: Duration = Duration::from_secs(30);

/// Checks a cell every `interval` until `stop`. A check that fails is tried again later and
/// later; an outage is told by others, and of other failures the log has the first of a row.
pub async fn run(mut verifier: Verifier, interval: Duration, stop: CancellationToken) {
    verifier.counts().set_running(true);
    let (mut pause, mut is_failing) = (interval, false);
    while tokio::time::timeout(pause, stop.cancelled()).await.is_err() {
        let begun_at = Instant::now();
        let outcome = tokio::select! {
            () = stop.cancelled() => break,
            outcome = verifier.check() => outcome,
        };
        pause = match &outcome {
            Ok(()) => interval.max(begun_at.elapsed() * REST),
            Err(error) => {
                if error.is_outage() || is_failing {
                    tracing::debug!(%error, "a running total could not be checked");
                } else {
                    tracing::warn!(%error, "a running total could not be checked");
                }
                interval.max((pause * 2).clamp(RETRY_MIN, RETRY_MAX))
            }
        };
        is_failing = outcome.is_err();
    }
    verifier.counts().set_running(false);
    verifier.end().await;
}
