//! Folds price ticks into cells of spans, again and again.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::upkeep::price_folding::PriceFolding;

/// Time between two looks at what has changed.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Longest wait after a failure.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Folds until `stop`. What fails is logged and tried again: answers stay right meanwhile and only
/// take longer.
pub async fn run(mut folding: PriceFolding, stop: CancellationToken) {
    let mut pause = LOOK_INTERVAL;
    while tokio::time::timeout(pause, stop.cancelled()).await.is_err() {
        let outcome = tokio::select! {
            () = stop.cancelled() => return,
            outcome = folding.fold() => outcome,
        };
        match outcome {
            Ok(units) => {
                pause = LOOK_INTERVAL;
                if units > 0 {
                    tracing::debug!(units, "folded prices");
                }
            }
            Err(error) => {
                pause = (pause * 2).min(PAUSE_MAX);
                tracing::warn!(%error, "folding prices failed");
            }
        }
    }
}
