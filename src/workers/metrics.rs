//! Gathers what gauges show, and tidies what was measured, also where nobody scrapes.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::{telemetry::metrics::Exposition, upkeep::gather_metrics::Gatherer};

/// Longest wait for the database.
const PATIENCE: Duration = Duration::from_secs(10);

/// Time between two tidyings: what was measured meanwhile takes memory.
const TIDY_INTERVAL: Duration = Duration::from_secs(5);

/// Gathers every `interval` until `stop`. What fails is tried again in the next round; the log has
/// the first of a row.
pub async fn gather(mut gatherer: Gatherer, interval: Duration, stop: CancellationToken) {
    let mut is_failing = false;
    loop {
        let outcome = tokio::select! {
            () = stop.cancelled() => return,
            outcome = gatherer.gather(PATIENCE) => outcome,
        };
        if let Err(error) = &outcome
            && !is_failing
        {
            tracing::warn!(%error, "what gauges show could not be gathered");
        }
        is_failing = outcome.is_err();
        if tokio::time::timeout(interval, stop.cancelled()).await.is_ok() {
            return;
        }
    }
}

/// Tidies until `stop`.
pub async fn tidy(exposition: Exposition, stop: CancellationToken) {
    while tokio::time::timeout(TIDY_INTERVAL, stop.cancelled()).await.is_err() {
        exposition.tidy();
    }
}
