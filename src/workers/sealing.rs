//! Folds corrections into running totals, again and again.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::{
    telemetry::metrics::{SealingRound, sealing_round},
    upkeep::sealing::{Sealing, SealingPolicy},
};

/// Time between two looks at how many corrections there are.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// Longest wait after a failure.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Folds by the policy until `stop`. What fails is logged and tried again: answers stay
/// right meanwhile and only take longer.
pub async fn run(mut sealing: Sealing, policy: SealingPolicy, stop: CancellationToken) {
    let mut folded_at = Instant::now();
    let mut pause = LOOK_INTERVAL;
    while tokio::time::timeout(pause, stop.cancelled()).await.is_err() {
        let is_due = folded_at.elapsed() >= policy.interval;
        let leave = if is_due { 1 } else { policy.rows };
        let outcome = tokio::select! {
            () = stop.cancelled() => return,
            outcome = sealing.seal(leave) => outcome,
        };
        match outcome {
            Ok(rows) => {
                pause = LOOK_INTERVAL;
                sealing_round(if rows > 0 {
                    SealingRound::Folded(rows)
                } else {
                    SealingRound::Idle
                });
                if rows > 0 {
                    tracing::debug!(rows, "sealed");
                }
                if rows > 0 || is_due {
                    folded_at = Instant::now();
                }
            }
            Err(error) => {
                pause = (pause * 2).min(PAUSE_MAX);
                sealing_round(SealingRound::Failed);
                tracing::warn!(%error, "sealing failed");
            }
        }
    }
}
