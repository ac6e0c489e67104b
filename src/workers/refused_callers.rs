//! Notes in the audit log who was refused because nobody knows who they are.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::access::Authenticator;

/// Time between two notes.
const INTERVAL: Duration = Duration::from_secs(60);

/// Notes every minute until `stop`, and what is left then. What cannot be noted is kept for the
/// next time.
pub async fn run(authenticator: Authenticator, stop: CancellationToken) {
    loop {
        let is_last = tokio::time::timeout(INTERVAL, stop.cancelled()).await.is_ok();
        if let Err(error) = authenticator.note_refusals().await {
            tracing::warn!(%error, "could not note who was refused in the audit log");
        }
        if is_last {
            return;
        }
    }
}
