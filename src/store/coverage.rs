//! From when to when rows of assets that are synced from a chain are complete.
//!
//! Asked before the rows are read: a sync may come in between, and then there is more, never less.
//! Assets that are not synced, nearly all, cost a look into memory.

use std::{
    collections::HashSet,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use tokio::sync::mpsc;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    domain::{
        account::{AccountKey, Network},
        coverage::Coverage,
        window::Window,
    },
    store::{Database, StoreError, statement::statement, sum_amount::Subject},
};

/// How long it may take until it is known that an asset is synced. No row of a new one is recorded
/// before that.
pub const NOTICED_WITHIN: Duration = Duration::from_millis(500);

/// Wallets whose readers found them stale, on their way to whoever has them synced.
const STALE_MAX: usize = 1_000;

/// Where wallets go that readers found stale.
#[derive(Clone, Debug)]
pub struct StaleReads {
    age_min: Duration,
    sender: mpsc::Sender<i64>,
}

impl StaleReads {
    /// Notes accounts whose last sync is this long ago, for the other end.
    #[must_use]
    pub fn new(age_min: Duration) -> (Self, mpsc::Receiver<i64>) {
        let (sender, receiver) = mpsc::channel(STALE_MAX);
        (Self { age_min, sender }, receiver)
    }
}

/// What is known of the coverage of one database.
#[derive(Clone)]
pub struct Coverages {
    database: Database,
    synced: Arc<RwLock<Synced>>,
    stale: Option<StaleReads>,
}

#[derive(Default)]
struct Synced {
    asset_ids: HashSet<i32>,
    read_at: Option<Instant>,
}

/// Which accounts are ranked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Ranked {
    /// All.
    All,
    /// Those at these addresses.
    Only(HashSet<String>),
}

impl Coverages {
    /// The coverage of this database; wallets that readers find stale go to `stale`.
    #[must_use]
    pub fn new(database: Database, stale: Option<StaleReads>) -> Self {
        Self { database, synced: Arc::default(), stale }
    }

    /// Whether rows of an asset are synced from a chain.
    ///
    /// # Errors
    /// If the database cannot answer.
    pub async fn is_synced(&self, asset_id: i32) -> Result<bool, StoreError> {
        {
            let synced = self.synced.read().unwrap_or_else(PoisonError::into_inner);
            let is_fresh = synced.read_at.is_some_and(|at| at.elapsed() < NOTICED_WITHIN);
            // Once synced, always synced.
            if is_fresh || synced.asset_ids.contains(&asset_id) {
                return Ok(synced.asset_ids.contains(&asset_id));
            }
        }
        self.look(asset_id).await
    }

    /// Whether rows of an asset are synced, as the database has it now.
    async fn look(&self, asset_id: i32) -> Result<bool, StoreError> {
        let read_at = Some(Instant::now());
        let answer = self.database.read(statement!("coverage_assets"), &[]).await?;
        let ids: Vec<i32> =
            answer.value.first().map(|row| row.get("asset_ids")).unwrap_or_default();
        let asset_ids: HashSet<i32> = ids.into_iter().collect();
        let is_synced = asset_ids.contains(&asset_id);
        *self.synced.write().unwrap_or_else(PoisonError::into_inner) =
            Synced { asset_ids, read_at };
        Ok(is_synced)
    }

    /// From when to when the subject's rows of the asset are complete; `None` where nothing of them
    /// is synced.
    ///
    /// # Errors
    /// If the database cannot answer.
    pub async fn of(
        &self,
        asset_id: i32,
        subject: &Subject,
    ) -> Result<Option<Coverage>, StoreError> {
        if !self.is_synced(asset_id).await? {
            return Ok(None);
        }
        match subject {
            // Nothing is synced into payments accounts.
            Subject::PaymentsAccount(_) => Ok(None),
            Subject::User(user_uuid) => {
                let statement = statement!("coverage_user");
                let answer = self.database.read(statement, &[&asset_id, user_uuid]).await?;
                let covered = answer.value.iter().map(|row| self.note(row));
                Ok(covered.reduce(Coverage::and))
            }
            Subject::Account(key) => self.of_account(asset_id, key).await,
        }
    }

    async fn of_account(
        &self,
        asset_id: i32,
        key: &AccountKey,
    ) -> Result<Option<Coverage>, StoreError> {
        let (network, address) = (key.network().as_str(), key.address().as_str());
        let params = [&asset_id as _, &network as _, &address as _];
        let answer = self.database.read(statement!("coverage_account"), &params).await?;
        let Some(row) = answer.value.first() else { return Ok(None) };
        if key.is_system() {
            return Ok(Some(Coverage { from: None, until: None }));
        }
        Ok(Some(self.note(row)))
    }

    /// Which accounts of a network are ranked.
    ///
    /// # Errors
    /// If the database cannot answer.
    pub async fn ranked_accounts(
        &self,
        asset_id: i32,
        network: &Network,
        window: Window,
    ) -> Result<Ranked, StoreError> {
        if !self.is_synced(asset_id).await? {
            return Ok(Ranked::All);
        }
        let (network, start, end) = (network.as_str(), window.start(), window.end());
        let params = [&asset_id as _, &network as _, &start as _, &end as _];
        let answer = self.database.read(statement!("coverage_rank_accounts"), &params).await?;
        let Some(row) = answer.value.first() else { return Ok(Ranked::All) };
        if row.get("is_whole") {
            return Ok(Ranked::All);
        }
        Ok(Ranked::Only(row.get::<_, Vec<String>>("addresses").into_iter().collect()))
    }

    /// Users who are not ranked.
    ///
    /// # Errors
    /// If the database cannot answer.
    pub async fn unranked_users(
        &self,
        asset_id: i32,
        window: Window,
    ) -> Result<HashSet<Uuid>, StoreError> {
        match self.is_synced(asset_id).await? {
            true => self.unranked_users_of_synced(asset_id, window).await,
            false => Ok(HashSet::new()),
        }
    }

    /// Users who are not ranked, as the database has it now: nothing that was true a moment ago is
    /// believed.
    ///
    /// # Errors
    /// If the database cannot answer.
    pub async fn unranked_users_now(
        &self,
        asset_id: i32,
        window: Window,
    ) -> Result<HashSet<Uuid>, StoreError> {
        match self.look(asset_id).await? {
            true => self.unranked_users_of_synced(asset_id, window).await,
            false => Ok(HashSet::new()),
        }
    }

    async fn unranked_users_of_synced(
        &self,
        asset_id: i32,
        window: Window,
    ) -> Result<HashSet<Uuid>, StoreError> {
        let (start, end) = (window.start(), window.end());
        let params = [&asset_id as _, &start as _, &end as _];
        let answer = self.database.read(statement!("coverage_rank_users"), &params).await?;
        let uuids: Vec<Uuid> =
            answer.value.first().map(|row| row.get("user_uuids")).unwrap_or_default();
        Ok(uuids.into_iter().collect())
    }

    /// What a row says, noted where it is stale.
    fn note(&self, row: &Row) -> Coverage {
        if let (Some(stale), Some(account_id)) = (&self.stale, row.get("account_id"))
            && !row.get::<_, bool>("is_token")
        {
            let synced_at: Option<DateTime<Utc>> = row.get("synced_at");
            let age = synced_at.map(|at| (Utc::now() - at).to_std().unwrap_or_default());
            if age.is_none_or(|age| age >= stale.age_min) {
                // Full: others are synced first, and whoever reads this one again notes it again.
                let _ = stale.sender.try_send(account_id);
            }
        }
        Coverage { from: row.get("complete_from"), until: row.get("complete_until") }
    }
}
