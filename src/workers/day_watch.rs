//! Notices days that were detached or dropped by hand, soon enough that nobody is told a
//! sum without them.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::upkeep::days::DayWatch;

/// Time between two looks.
const INTERVAL: Duration = Duration::from_secs(1);

/// Looks every second until `stop`. A look that fails is tried again in the next one;
/// the log has the first of a row.
pub async fn run(mut watch: DayWatch, stop: CancellationToken) {
    let mut is_failing = false;
    loop {
        let outcome = tokio::select! {
            () = stop.cancelled() => return,
            outcome = watch.look() => outcome,
        };
        if let Err(error) = &outcome
            && !is_failing
        {
            tracing::warn!(%error, "could not look which days there are");
        }
        is_failing = outcome.is_err();
        if tokio::time::timeout(INTERVAL, stop.cancelled()).await.is_ok() {
            return;
        }
    }
}
