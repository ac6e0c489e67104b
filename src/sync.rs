//! Syncing wallets and tokens from chains: a queue of jobs, worked at by whoever is there, and the
//! walks that fill one stream each.
//!
//! A job is asked for, taken, held by a heartbeat, and settled; the walks (`bitcoin`, `erc20`)
//! write through a [`lease::Lease`], so that a worker that was taken for dead writes nothing more.
//! Whoever asks is answered at once with the job, never with the walk. Questions about what is
//! recorded are answered elsewhere.

mod bitcoin;
mod erc20;
pub mod error;
pub mod lease;
pub mod networks;
pub mod request;
mod schedule;
pub mod turns;
mod work;

use std::{sync::Arc, time::Duration};

use crate::{
    config::SyncSettings,
    ingest::Ingest,
    store::{Database, account_ids::AccountIds},
    sync::networks::SyncNetworks,
};
pub use crate::{
    store::sync_jobs::Progress,
    sync::work::{Walked, Which},
};

/// How jobs are worked at.
#[derive(Clone, Copy, Debug)]
pub struct SyncPolicy {
    /// How long a silent worker keeps its job.
    pub lease: Duration,
    /// Tries in a row without anything recorded after which a job is parked.
    pub attempts_max: i32,
    /// How long after a sync a request for another one is answered with the last one.
    pub cooldown: Duration,
    /// How often tracked wallets and followed tokens are synced; `None`: only when asked.
    pub interval: Option<Duration>,
    /// Age from which on a wallet that is read is synced; `None`: reads ask for nothing.
    pub stale_after: Option<Duration>,
}

impl SyncPolicy {
    /// What the settings say.
    #[must_use]
    pub fn new(settings: &SyncSettings) -> Self {
        let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds));
        let unless_zero = |count: u32| (count > 0).then(|| seconds(count));
        Self {
            lease: seconds(settings.sync_lease_seconds),
            attempts_max: i32::from(settings.sync_attempts_max),
            cooldown: seconds(settings.sync_cooldown_seconds),
            interval: unless_zero(settings.sync_interval_seconds),
            stale_after: unless_zero(settings.sync_stale_after_seconds),
        }
    }
}

/// Syncs into one database. Clones share what they know.
#[derive(Clone)]
pub struct Sync {
    database: Database,
    ingest: Arc<Ingest>,
    accounts: AccountIds,
    networks: Arc<SyncNetworks>,
    policy: SyncPolicy,
}

impl Sync {
    /// Syncs these networks into this database.
    #[must_use]
    pub fn new(
        database: &Database,
        ingest: Ingest,
        networks: SyncNetworks,
        policy: SyncPolicy,
    ) -> Self {
        let database = database.for_ingest();
        let accounts = AccountIds::new(database.clone());
        Self { database, ingest: Arc::new(ingest), accounts, networks: Arc::new(networks), policy }
    }

    /// The networks that are synced.
    #[must_use]
    pub fn networks(&self) -> &SyncNetworks {
        &self.networks
    }

    /// How jobs are worked at.
    #[must_use]
    pub fn policy(&self) -> SyncPolicy {
        self.policy
    }
}
