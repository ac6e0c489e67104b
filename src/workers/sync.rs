//! Works at jobs of syncing, and has those made whose time has come.

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::sync::{Sync, Which};

/// Wait where there is no job to be taken.
const IDLE_WAIT: Duration = Duration::from_millis(500);

/// Wait after the database failed.
const FAILED_WAIT: Duration = Duration::from_secs(2);

/// Time between two looks whose time has come.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// Time between two looks for jobs that are to be forgotten.
const PRUNE_INTERVAL: Duration = Duration::from_secs(600);

/// Most wallets of readers that are asked for at a time.
const STALE_AT_ONCE: usize = 100;

/// Takes one job of a network after the other until `stop`, so that no network waits for the
/// sources of another one; one at work is put back then.
pub async fn work(sync: Sync, network: String, worker: String, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let which = Which::On(&network);
        let wait = match sync.work_at(&worker, which, Arc::default(), &stop).await {
            Ok(true) => continue,
            Ok(false) => IDLE_WAIT,
            Err(error) => {
                tracing::warn!(%error, worker, "a job could not be taken or settled");
                FAILED_WAIT
            }
        };
        // Drawn, so that workers do not all come at once.
        let wait = wait.mul_f64(rand::random_range(0.75..1.25));
        if tokio::time::timeout(wait, stop.cancelled()).await.is_ok() {
            return;
        }
    }
}

/// Has wallets and tokens synced whose time has come, until `stop`. Several servers may do it at
/// once: there is one job a wallet or token.
pub async fn schedule(sync: Sync, stop: CancellationToken) {
    loop {
        if let Err(error) = sync.request_due().await {
            tracing::warn!(%error, "wallets and tokens whose time has come could not be queued");
        }
        if tokio::time::timeout(LOOK_INTERVAL, stop.cancelled()).await.is_ok() {
            return;
        }
    }
}

/// Has wallets synced that readers found stale, until `stop`.
pub async fn refresh(sync: Sync, mut stale: mpsc::Receiver<i64>, stop: CancellationToken) {
    let mut account_ids = Vec::with_capacity(STALE_AT_ONCE);
    loop {
        account_ids.clear();
        let count = tokio::select! {
            count = stale.recv_many(&mut account_ids, STALE_AT_ONCE) => count,
            () = stop.cancelled() => return,
        };
        if count == 0 {
            return;
        }
        account_ids.sort_unstable();
        account_ids.dedup();
        if let Err(error) = sync.request_stale(&account_ids).await {
            tracing::warn!(%error, "wallets that were read could not be queued");
        }
    }
}

/// Forgets jobs that were over so many days ago, until `stop`.
pub async fn prune(sync: Sync, days: i32, stop: CancellationToken) {
    loop {
        match sync.prune_jobs(days).await {
            Ok(0) => {}
            Ok(pruned) => {
                tracing::info!(pruned, "forgot jobs that were over long ago");
                // There may be more of them.
                if !stop.is_cancelled() {
                    continue;
                }
            }
            Err(error) => tracing::warn!(%error, "jobs that are over could not be forgotten"),
        }
        if tokio::time::timeout(PRUNE_INTERVAL, stop.cancelled()).await.is_ok() {
            return;
        }
    }
}
