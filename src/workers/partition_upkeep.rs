//! Keeps partitions ahead where pg_cron does not.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::upkeep::partitions::PartitionUpkeep;

/// Runs the upkeep every `interval` until `stop`. A round that fails is logged and
/// tried again in the next one: there are weeks of partitions ahead.
pub async fn run(upkeep: PartitionUpkeep, interval: Duration, stop: CancellationToken) {
    loop {
        if tokio::time::timeout(interval, stop.cancelled()).await.is_ok() {
            return;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            outcome = upkeep.maintain() => match outcome {
                Ok(was_ours) => tracing::debug!(was_ours, "upkeep of partitions"),
                Err(error) => tracing::warn!(%error, "upkeep of partitions failed"),
            },
        }
    }
}
