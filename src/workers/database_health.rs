//! Asks the database again and again whether it answers, on a connection of its own,
//! so that a pool that is used up does not look like a database that is gone.

use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{telemetry::metrics, upkeep::pulse::Pulse};

/// Time between two questions.
const INTERVAL: Duration = Duration::from_millis(500);

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// Tells `is_serving` what it finds until `stop`, then that nothing is served.
pub async fn run(mut pulse: Pulse, is_serving: watch::Sender<bool>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let is_alive = pulse.is_felt(PATIENCE).await;
        metrics::is_serving(is_alive);
        is_serving.send_if_modified(|serving| {
            let is_new = *serving != is_alive;
            if is_new && is_alive {
                tracing::info!("the database answers");
            } else if is_new {
                tracing::warn!("the database does not answer");
            }
            *serving = is_alive;
            is_new
        });
        let _ = tokio::time::timeout(INTERVAL, stop.cancelled()).await;
    }
    metrics::is_serving(false);
    is_serving.send_replace(false);
}
