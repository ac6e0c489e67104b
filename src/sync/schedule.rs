//! Asking for jobs whose time has come.

use std::time::Duration;

use crate::{
    domain::account::AccountKey,
    error::{Error, ErrorKind},
    store::{sync_jobs, sync_wallets},
    sync::{Sync, request::Priority},
};

/// Most jobs that are asked for at a time.
const DUE_MAX: i64 = 500;

impl Sync {
    /// Asks for jobs of wallets that somebody tracks, and of tokens, whose time has come.
    ///
    /// # Errors
    /// What the database says.
    pub async fn request_due(&self) -> Result<(), Error> {
        let Some(interval) = self.policy.interval else { return Ok(()) };
        let networks = self.wallet_networks();
        if !networks.is_empty() {
            let due =
                sync_wallets::due_wallets(&self.database, &networks, interval, DUE_MAX).await?;
            for wallet in due.iter().filter(|wallet| !wallet.account.is_system()) {
                self.queue_wallet(&wallet.account, Priority::Periodic).await?;
            }
        }
        let networks = self.networks.names();
        let revived = sync_jobs::revive(&self.database, &networks).await?;
        if revived > 0 {
            tracing::info!(revived, "jobs that were parked a day ago are tried again");
        }
        for stream_id in
            sync_wallets::due_tokens(&self.database, &networks, interval, DUE_MAX).await?
        {
            self.queue(stream_id, Priority::Periodic).await?;
        }
        Ok(())
    }

    /// Asks for jobs of those of these accounts that somebody tracks.
    ///
    /// # Errors
    /// What the database says.
    pub async fn request_stale(&self, account_ids: &[i64]) -> Result<(), Error> {
        let networks = self.wallet_networks();
        let tracked = sync_wallets::tracked_accounts(&self.database, account_ids).await?;
        for wallet in tracked {
            let is_synced = networks.contains(&wallet.account.network().as_str());
            if is_synced && !wallet.account.is_system() {
                self.queue_wallet(&wallet.account, Priority::Stale).await?;
            }
        }
        Ok(())
    }

    /// Forgets jobs that were over so many days ago, some of them at a time; how many.
    ///
    /// # Errors
    /// What the database says.
    pub async fn prune_jobs(&self, days: i32) -> Result<i64, Error> {
        Ok(sync_jobs::prune(&self.database, days).await?)
    }

    /// A wallet that cannot be synced keeps no other one from it.
    async fn queue_wallet(&self, account: &AccountKey, priority: Priority) -> Result<(), Error> {
        match self.wallet_stream(account).await {
            Ok(stream) => self.queue(stream.stream_id, priority).await,
            Err(error) if matches!(error.kind(), ErrorKind::InTheWay(_)) => {
                let network = account.network().as_str();
                tracing::warn!(network, %error, "wallets of a network cannot be synced");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Nobody waits for an answer: what is queued is queued.
    async fn queue(&self, stream_id: i64, priority: Priority) -> Result<(), Error> {
        sync_jobs::request(&self.database, stream_id, priority, Duration::ZERO).await?;
        Ok(())
    }
}
