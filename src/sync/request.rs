//! Asking for jobs, and looking at them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

pub use crate::store::sync_jobs::{JobFilter, ListedJob, Priority};
use crate::{
    domain::{
        access::{Identity, Scope},
        account::{AccountKey, NetworkKind},
        asset::NewAsset,
        bitcoin,
        job::JobState,
    },
    error::{Error, ErrorKind, Obstacle},
    store::{
        create_asset::{CreatedAsset, create_asset},
        sync_jobs,
        sync_streams::{self, ChainAsset, Stream},
        sync_wallets,
    },
    sync::{Sync, networks::SyncNetwork},
};

/// What a request for a job came to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Requested {
    /// The job that is there, or the last one.
    pub job: ListedJob,
    /// Whether it was synced a moment ago.
    pub is_cooling_down: bool,
}

/// A page of jobs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JobPage {
    /// The jobs, those asked for last first.
    pub jobs: Vec<ListedJob>,
    /// Whether more follow.
    pub has_more: bool,
}

impl Sync {
    /// Asks for a wallet to be synced.
    ///
    /// # Errors
    /// `NotFound` for a wallet that is not for whoever asks; `InTheWay` for a network whose wallets
    /// are not synced; what the database says.
    pub async fn request_wallet(
        &self,
        account: &AccountKey,
        scope: Scope,
        priority: Priority,
    ) -> Result<Requested, Error> {
        if let Some(owner) = scope.owner()
            && !sync_wallets::is_tracked(&self.database, owner, account).await?
        {
            return Err(Error::new(ErrorKind::NotFound("wallet")));
        }
        let stream = self.wallet_stream(account).await?;
        self.request(stream.stream_id, priority).await
    }

    /// Asks for all wallets of a user that are on networks whose wallets are synced.
    ///
    /// # Errors
    /// `NotFound` for an unknown user, which every one beyond the scope is; what the database says.
    pub async fn request_user(
        &self,
        user_uuid: Uuid,
        scope: Scope,
    ) -> Result<Vec<Requested>, Error> {
        let networks = self.wallet_networks();
        let found = match scope.owner() {
            Some(owner) if owner != user_uuid => None,
            _ => sync_wallets::wallets_of_user(&self.database, user_uuid, &networks).await?,
        };
        let wallets = found.ok_or_else(|| Error::new(ErrorKind::NotFound("user")))?;
        let mut requested = Vec::with_capacity(wallets.len());
        for wallet in wallets.iter().filter(|wallet| !wallet.account.is_system()) {
            let stream = self.wallet_stream(&wallet.account).await?;
            requested.push(self.request(stream.stream_id, Priority::Requested).await?);
        }
        Ok(requested)
    }

    /// Asks for a job of a stream; the last one if it was synced a moment ago.
    ///
    /// # Errors
    /// What the database says.
    pub async fn request(&self, stream_id: i64, priority: Priority) -> Result<Requested, Error> {
        let asked =
            sync_jobs::request(&self.database, stream_id, priority, self.policy.cooldown).await?;
        let filter = match asked {
            Some(job_id) => JobFilter { job_id: Some(job_id), ..JobFilter::default() },
            None => JobFilter { stream_id: Some(stream_id), ..JobFilter::default() },
        };
        let listed = sync_jobs::list(&self.database, &filter, 1).await?;
        let Some(job) = listed.into_iter().next() else {
            // Over and forgotten in between: asked for again, it is there.
            return Err(Error::new(ErrorKind::Aborted));
        };
        Ok(Requested { job, is_cooling_down: asked.is_none() })
    }

    /// Asks for a job of a stream, however long ago it was synced.
    ///
    /// # Errors
    /// What the database says.
    pub async fn request_now(
        &self,
        stream_id: i64,
        priority: Priority,
    ) -> Result<ListedJob, Error> {
        let asked = sync_jobs::request(&self.database, stream_id, priority, Duration::ZERO).await?;
        match asked {
            Some(job_id) => self.get_job(job_id, Scope::Everybody).await,
            None => Err(Error::new(ErrorKind::Aborted)),
        }
    }

    /// One job.
    ///
    /// # Errors
    /// `NotFound` for one that is not there, or not for whoever asks; what the database says.
    pub async fn get_job(&self, job_id: Uuid, scope: Scope) -> Result<ListedJob, Error> {
        let filter =
            JobFilter { job_id: Some(job_id), owner: scope.owner(), ..JobFilter::default() };
        let listed = sync_jobs::list(&self.database, &filter, 1).await?;
        listed.into_iter().next().ok_or_else(|| Error::new(ErrorKind::NotFound("job")))
    }

    /// A page of jobs, those asked for last first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn list_jobs(
        &self,
        before: Option<(DateTime<Utc>, Uuid)>,
        (state, network): (Option<JobState>, Option<String>),
        page_size: usize,
    ) -> Result<JobPage, Error> {
        let filter = JobFilter { before, state, network, ..JobFilter::default() };
        let count_max = i64::try_from(page_size).unwrap_or(i64::MAX).saturating_add(1);
        let mut jobs = sync_jobs::list(&self.database, &filter, count_max).await?;
        let has_more = jobs.len() > page_size;
        jobs.truncate(page_size);
        Ok(JobPage { jobs, has_more })
    }

    /// Names of the networks whose wallets are synced.
    pub(crate) fn wallet_networks(&self) -> Vec<&str> {
        let of_bitcoin = |network: &&SyncNetwork| network.kind == NetworkKind::Bitcoin;
        self.networks.iter().filter(of_bitcoin).map(|network| network.network.as_str()).collect()
    }

    /// The stream of a wallet, which is made if it is not there, with its account and the asset
    /// that the network's coin is.
    ///
    /// # Errors
    /// `InTheWay` if wallets of the network are not synced, or its coin's code is taken by an asset
    /// with other decimals; what the database says.
    pub async fn wallet_stream(&self, account: &AccountKey) -> Result<Stream, Error> {
        let name = account.network().as_str();
        let network =
            self.networks.get(name).filter(|network| network.kind == NetworkKind::Bitcoin);
        let Some(network) = network.filter(|_| !account.is_system()) else {
            return Err(not_synced(name, "its wallets are not synced: see --chains-file"));
        };
        let coin = self.coin(network).await?;
        self.accounts.create(&[account]).await?;
        let ids = self.accounts.find(&[account]).await?;
        let Some(account_id) = ids.into_iter().flatten().next() else {
            return Err(Error::new(ErrorKind::Internal));
        };
        let key = (coin.asset_id, account_id);
        Ok(sync_streams::ensure(&self.database, key, 0, None).await?)
    }

    /// The asset that the coin of a network is.
    async fn coin(&self, network: &SyncNetwork) -> Result<ChainAsset, Error> {
        let name = network.network.as_str();
        if let Some(coin) = sync_streams::find_asset(&self.database, name, None).await? {
            return Ok(coin);
        }
        let code = network.coin_code.clone();
        let decimals = bitcoin::DECIMALS;
        let asset = NewAsset { name: format!("coin of {name}"), code, decimals };
        self.record_asset(&asset, name, None, "").await
    }

    /// Records an asset that is synced from a network, unless others were faster.
    ///
    /// # Errors
    /// `InTheWay` if its code is taken by an asset with other decimals; what the database says.
    pub(crate) async fn record_asset(
        &self,
        asset: &NewAsset,
        network: &str,
        contract: Option<&str>,
        symbol: &str,
    ) -> Result<ChainAsset, Error> {
        let (record, is_known) =
            match create_asset(&self.database, asset, &Identity::local()).await? {
                CreatedAsset::Recorded(record) => (record, false),
                CreatedAsset::Known(record) => (record, true),
            };
        if is_known && sync_streams::has_rows(&self.database, &asset.code).await? {
            return Err(Error::new(ErrorKind::InTheWay(Obstacle {
                kind: "ASSET_HAS_ROWS",
                subject: asset.code.clone(),
                description: "an asset of this code has transactions that were not synced, and \
                              would count twice: name another code in --chains-file"
                    .to_owned(),
            })));
        }
        if record.decimals != asset.decimals {
            return Err(Error::new(ErrorKind::InTheWay(Obstacle {
                kind: "ASSET_DIFFERS",
                subject: asset.code.clone(),
                description: format!(
                    "an asset of this code has {} decimals, and what is synced has {}: name \
                     another code in --chains-file",
                    record.decimals, asset.decimals
                ),
            })));
        }
        sync_streams::add_asset(&self.database, &asset.code, network, contract, symbol).await?;
        let found = sync_streams::find_asset(&self.database, network, contract).await?;
        found.ok_or_else(|| Error::new(ErrorKind::Aborted))
    }
}

/// A network, or what is asked for on it, is not synced.
pub(crate) fn not_synced(network: &str, why: &str) -> Error {
    Error::new(ErrorKind::InTheWay(Obstacle {
        kind: "NETWORK_NOT_SYNCED",
        subject: network.to_owned(),
        description: why.to_owned(),
    }))
}
