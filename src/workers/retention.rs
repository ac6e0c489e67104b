//! Drops days that are older than asked to be kept, one at a time. Whoever runs the upkeep
//! of partitions, this is the server's own.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::upkeep::days::{Retention, Step};

/// Pause between two days, in which those who waited for the drop are let through.
const PAUSE: Duration = Duration::from_millis(100);

/// Longest pause after a day could not go yet.
const HELD_PAUSE_MAX: Duration = Duration::from_secs(10);

/// Drops what is too old every `interval` until `stop`. A day that somebody holds, or that is not
/// folded yet, is tried again soon.
pub async fn run(retention: Retention, interval: Duration, stop: CancellationToken) {
    let mut last = None;
    loop {
        let step = tokio::select! {
            () = stop.cancelled() => return,
            step = retention.step() => step,
        };
        let pause = match &step {
            Ok(Step::Dropped(_)) => PAUSE,
            Ok(Step::Held) => {
                if last != Some(Step::Held) {
                    tracing::info!("somebody reads or writes: retention waits for its turn");
                }
                interval.min(HELD_PAUSE_MAX)
            }
            Ok(Step::Unfolded(day)) => {
                if last != Some(Step::Unfolded(*day)) {
                    tracing::info!(%day, "not all prices of the day are folded: retention waits");
                }
                interval.min(HELD_PAUSE_MAX)
            }
            Ok(Step::Done) => interval,
            Err(error) => {
                tracing::warn!(%error, "retention failed");
                interval
            }
        };
        last = step.ok();
        if tokio::time::timeout(pause, stop.cancelled()).await.is_ok() {
            return;
        }
    }
}
