//! Keeps partitions ahead where pg_cron does not, and watches pg_cron where it does.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::upkeep::{UpkeepError, partitions::PartitionUpkeep};

/// What a round does.
#[derive(Clone, Copy, Debug)]
pub enum Round {
    /// The upkeep itself.
    Maintain,
    /// A look whether pg_cron keeps so many days ahead.
    Look(u16),
}

/// Runs a round every `interval` until `stop`. A round that fails is logged and
/// tried again in the next one: there are weeks of partitions ahead.
pub async fn run(
    upkeep: PartitionUpkeep,
    round: Round,
    interval: Duration,
    stop: CancellationToken,
) {
    loop {
        if tokio::time::timeout(interval, stop.cancelled()).await.is_ok() {
            return;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            outcome = once(&upkeep, round) => match outcome {
                Ok(()) => tracing::debug!(?round, "upkeep of partitions"),
                Err(error) => tracing::warn!(%error, "upkeep of partitions failed"),
            },
        }
    }
}

async fn once(upkeep: &PartitionUpkeep, round: Round) -> Result<(), UpkeepError> {
    match round {
        Round::Maintain => upkeep.maintain().await.map(drop),
        Round::Look(days_wanted) => upkeep.look(days_wanted).await,
    }
}
