//! Recording a chunk: whole or not at all, once.
//!
//! Rows are written at once, in the belief that none of their ids is known. If one is, the
//! database refuses the whole; then the ids are looked up, rows that are there already are
//! counted, rows whose id has other content are refused, and the rest is written.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    mem,
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, NaiveDate, Utc};
use rand::RngExt;
use uuid::Uuid;

use crate::{
    domain::{
        access::Identity,
        account::AccountKey,
        asset::{Asset, NewAsset},
        refusal::{Fault, Refusal},
        transaction::{NewTransaction, RowRules},
    },
    error::{Error, ErrorKind},
    ingest::{
        Ingest,
        chunk::{Candidate, Chunk, Fate, fate_of_known},
        days::DayPlan,
        strangers::{fault_of_stranger, is_synced, names_stranger, too_fine},
    },
    store::{
        StoreError, StoreErrorKind,
        create_asset::{CreatedAsset, create_asset},
        record_transactions as store,
    },
    telemetry::metrics::{self, RowKind},
};

/// Times that a chunk is tried while other writers, or days that go, get in its way.
pub(super) const ATTEMPTS_MAX: u32 = 8;

/// Longest wait before the second try; doubled each time.
const PAUSE: Duration = Duration::from_millis(10);

/// How rows are recorded. Accounts, assets and partitions that are missing are made for rows that
/// are not refused, and for no others; one may come without a row only if others record the same
/// ids meanwhile, or the database fails then.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RecordOptions {
    /// Record accounts that are missing, except payments accounts, which come with their
    /// users. Otherwise rows that name one are refused.
    pub create_accounts: bool,
    /// Assets that are recorded if they are missing, with their decimals.
    pub new_assets: BTreeMap<Arc<str>, u32>,
    /// Which rules rows are held to.
    pub rules: RowRules,
    /// Record nothing of a chunk of which a row is refused.
    pub whole_chunks_only: bool,
    /// Look ids up before rows are written: cheaper where many of them are there already.
    pub look_first: bool,
}

/// What became of a chunk.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ChunkOutcome {
    /// Rows that were recorded now.
    pub recorded: usize,
    /// Rows that were there already, with the same content.
    pub already_present: usize,
    /// Rows that were refused, in the order of their places.
    pub refused: Vec<Refusal>,
    /// Ids of all rows, in their order: their own, or those that were made for them.
    pub ids: Vec<Uuid>,
}

impl Ingest {
    /// Records the rows of a chunk: all that are not refused, or none. What it says was
    /// recorded is committed.
    ///
    /// # Errors
    /// What the database says. Nothing was recorded then; unless it is `Unavailable` or the
    /// call was given up: then the chunk was recorded or not, and the same rows with the same
    /// ids can be sent again.
    pub async fn record(
        &self,
        rows: Vec<NewTransaction>,
        options: &RecordOptions,
    ) -> Result<ChunkOutcome, Error> {
        // Closed never.
        let _turn = self.turns.acquire().await;
        let outcome = self.record_chunk(rows, options).await?;
        metrics::rows_recorded(RowKind::Transactions, outcome.recorded);
        metrics::rows_refused(RowKind::Transactions, outcome.refused.len());
        Ok(outcome)
    }

    async fn record_chunk(
        &self,
        rows: Vec<NewTransaction>,
        options: &RecordOptions,
    ) -> Result<ChunkOutcome, Error> {
        let mut chunk = Chunk::new(&rows, options);
        self.key(rows, &mut chunk).await?;
        chunk.set_repeated_apart();
        self.refuse_too_fine(&mut chunk).await?;
        self.sort_out_days(&mut chunk).await?;
        self.record_strangers(&mut chunk).await?;
        let mut look_first = options.look_first;
        for attempt in 0..ATTEMPTS_MAX {
            if look_first {
                self.look_up(&mut chunk).await?;
            }
            if chunk.candidates.is_empty() || chunk.is_given_up() {
                return Ok(chunk.finish());
            }
            let writing = chunk.candidates.iter().map(|candidate| &candidate.row);
            let Err(error) = store::record_transactions(&self.database, writing).await else {
                self.recorded.add(chunk.candidates.len());
                chunk.settle(|_| Some(Fate::Recorded));
                return Ok(chunk.finish());
            };
            chunk.is_looked_up = false;
            match hindrance(&error) {
                Some(Hindrance::KnownId) => {}
                Some(Hindrance::MissingDay) => {
                    self.days.forget();
                    self.sort_out_days(&mut chunk).await?;
                }
                // A connection that broke may have taken the rows in.
                Some(Hindrance::Passing) if attempt + 1 < ATTEMPTS_MAX => pause(attempt).await,
                Some(Hindrance::Passing) | None => return Err(error.into()),
            }
            look_first = true;
        }
        Err(Error::new(ErrorKind::Aborted))
    }

    /// Makes partitions for these days where they lack one, for rows that are recorded elsewhere;
    /// what is wrong with one of them, if one cannot be written to.
    ///
    /// # Errors
    /// What the database says.
    pub async fn make_days(&self, days: BTreeSet<NaiveDate>) -> Result<Option<Fault>, Error> {
        let DayPlan { missing, faults } = self.days.plan(days).await?;
        if let Some(fault) = faults.into_values().next() {
            return Ok(Some(fault));
        }
        if missing.is_empty() { Ok(None) } else { self.days.make(&missing).await }
    }

    /// Forgets which days have partitions: one of them is gone.
    pub fn forget_days(&self) {
        self.days.forget();
    }

    /// Looks up what the rows name; what is right becomes a candidate. What they name and is
    /// not there, but may be recorded with them, has a stranger's key in candidates.
    async fn key(&self, rows: Vec<NewTransaction>, chunk: &mut Chunk<'_>) -> Result<(), Error> {
        let assets = self.find_assets(&rows).await?;
        let keys: Vec<&AccountKey> =
            rows.iter().flat_map(|row| [&row.sender, &row.receiver]).collect();
        let ids = self.accounts.find(&keys).await?;
        let mut synced: HashSet<i32> = HashSet::new();
        for asset in assets.values().flatten() {
            if self.coverages.is_synced(asset.asset_id).await? {
                synced.insert(asset.asset_id);
            }
        }
        for ((index, row), ids) in rows.into_iter().enumerate().zip(ids.chunks_exact(2)) {
            let asset = assets.get(&*row.asset_code).and_then(Option::as_ref);
            if asset.is_some_and(|asset| synced.contains(&asset.asset_id)) {
                chunk.fates[index] = Some(Fate::Refused(is_synced()));
                continue;
            }
            match chunk.strangers.keyed(row, chunk.ids[index], asset, [ids[0], ids[1]]) {
                Ok(row) => chunk.candidates.push(Candidate { index, row }),
                Err(fault) => chunk.fates[index] = Some(Fate::Refused(fault)),
            }
        }
        // Rows of a day together: they go into the same partition.
        chunk.candidates.sort_by_key(|candidate| candidate.row.occurred_at);
        Ok(())
    }

    /// Refuses candidates whose amounts are finer than their assets, unless they are there
    /// already: plain SQL may have recorded them.
    async fn refuse_too_fine(&self, chunk: &mut Chunk<'_>) -> Result<(), Error> {
        let rules = chunk.strangers.options.rules;
        let fault = |Candidate { index, row }: &Candidate| Some((*index, too_fine(row, rules)?));
        let faults: Vec<_> = chunk.candidates.iter().filter_map(fault).collect();
        if !faults.is_empty() {
            self.look_up(chunk).await?;
            chunk.refuse_unless_present(faults);
        }
        Ok(())
    }

    /// Records the strangers that candidates name, and gives candidates their keys.
    async fn record_strangers(&self, chunk: &mut Chunk<'_>) -> Result<(), Error> {
        if chunk.strangers.is_empty() {
            return Ok(());
        }
        // A row whose id is known with other content brings nobody along.
        self.look_up(chunk).await?;
        if chunk.is_given_up() {
            return Ok(());
        }
        let rows = || chunk.candidates.iter().map(|candidate| &candidate.row);
        let named: HashSet<i64> = rows().flat_map(|row| [row.sender_id, row.receiver_id]).collect();
        let accounts: Vec<&AccountKey> = chunk
            .strangers
            .accounts
            .iter()
            .filter_map(|(key, id)| named.contains(id).then_some(key))
            .collect();
        if !accounts.is_empty() {
            self.accounts.create(&accounts).await?;
        }
        let named: HashSet<i32> = rows().map(|row| row.asset_id).collect();
        for (code, &(id, decimals)) in &chunk.strangers.assets {
            if named.contains(&id) {
                self.record_asset(code, decimals).await?;
            }
        }
        self.recognise(chunk).await?;
        chunk.settle(|candidate| fault_of_stranger(&candidate.row).map(Fate::Refused));
        Ok(())
    }

    /// Records an asset unless others were faster.
    async fn record_asset(&self, code: &str, decimals: u32) -> Result<(), Error> {
        let new = NewAsset { code: code.to_owned(), name: code.to_owned(), decimals };
        if let CreatedAsset::Recorded(_) =
            create_asset(&self.database, &new, &Identity::local()).await?
        {
            tracing::info!(code, decimals, "recorded the asset");
        }
        Ok(())
    }

    /// Gives candidates the keys of strangers that are recorded by now, whoever did it.
    async fn recognise(&self, chunk: &mut Chunk<'_>) -> Result<(), Error> {
        let keys: Vec<&AccountKey> = chunk.strangers.accounts.keys().collect();
        let found = self.accounts.find(&keys).await?;
        let strangers = chunk.strangers.accounts.values();
        let account_ids: HashMap<i64, i64> =
            strangers.zip(found).filter_map(|(&stranger, id)| Some((stranger, id?))).collect();
        let mut asset_ids = HashMap::new();
        for (code, &(stranger, decimals)) in &chunk.strangers.assets {
            let found = self.assets.find(code).await?;
            if let Some(asset) = found.filter(|asset| asset.decimals == decimals) {
                asset_ids.insert(stranger, asset.asset_id);
            }
        }
        for Candidate { row, .. } in &mut chunk.candidates {
            row.asset_id = *asset_ids.get(&row.asset_id).unwrap_or(&row.asset_id);
            row.sender_id = *account_ids.get(&row.sender_id).unwrap_or(&row.sender_id);
            row.receiver_id = *account_ids.get(&row.receiver_id).unwrap_or(&row.receiver_id);
        }
        Ok(())
    }

    async fn find_assets(
        &self,
        rows: &[NewTransaction],
    ) -> Result<HashMap<String, Option<Asset>>, Error> {
        let codes: HashSet<&str> = rows.iter().map(|row| &*row.asset_code).collect();
        let mut assets = HashMap::with_capacity(codes.len());
        for code in codes {
            // Postgres holds no such texts, and would take them for a fault.
            let found = if code.contains('\0') { None } else { self.assets.find(code).await? };
            assets.insert(code.to_owned(), found);
        }
        Ok(assets)
    }

    /// Refuses candidates on days that rows cannot be written to, and has those of the others
    /// made. Ids outlive days: what is known is known whatever became of its day.
    async fn sort_out_days(&self, chunk: &mut Chunk<'_>) -> Result<(), Error> {
        let DayPlan { missing, faults } = self.days.plan(chunk.days()).await?;
        if missing.is_empty() && faults.is_empty() {
            return Ok(());
        }
        self.look_up(chunk).await?;
        chunk.settle(|candidate| faults.get(&candidate.day()).cloned().map(Fate::Refused));
        if chunk.is_given_up() {
            return Ok(());
        }
        let days = chunk.days();
        let wanted: Vec<NaiveDate> = missing.into_iter().filter(|day| days.contains(day)).collect();
        if !wanted.is_empty()
            && let Some(fault) = self.days.make(&wanted).await?
        {
            let is_wanted = |day| wanted.binary_search(&day).is_ok();
            chunk.settle(|candidate| {
                is_wanted(candidate.day()).then(|| Fate::Refused(fault.clone()))
            });
        }
        Ok(())
    }

    /// Settles candidates whose ids are known, unless that was just done.
    async fn look_up(&self, chunk: &mut Chunk<'_>) -> Result<(), Error> {
        if mem::replace(&mut chunk.is_looked_up, true) {
            return Ok(());
        }
        let ids: Vec<Uuid> =
            chunk.candidates.iter().map(|candidate| candidate.row.transaction_id).collect();
        let known = store::known_ids(&self.database, &ids).await?;
        if known.is_empty() {
            return Ok(());
        }
        // Whoever recorded a row recorded what it names before.
        if chunk.candidates.iter().any(|Candidate { row, .. }| {
            names_stranger(row) && known.contains_key(&row.transaction_id)
        }) {
            self.recognise(chunk).await?;
        }
        let differs = |candidate: &&Candidate| {
            known.get(&candidate.row.transaction_id).is_some_and(|known| {
                !known.is_deleted
                    && known.occurred_at == candidate.row.occurred_at
                    && !known.is_of(&candidate.row)
            })
        };
        let differing: Vec<(Uuid, DateTime<Utc>)> = chunk
            .candidates
            .iter()
            .filter(differs)
            .map(|candidate| (candidate.row.transaction_id, candidate.row.occurred_at))
            .collect();
        let recorded = if differing.is_empty() {
            HashMap::new()
        } else {
            store::recorded_rows(&self.database, &differing).await?
        };
        chunk.settle(|Candidate { row, .. }| {
            let known = known.get(&row.transaction_id)?;
            Some(fate_of_known(row, known, recorded.get(&row.transaction_id)))
        });
        Ok(())
    }
}

/// What kept rows from being written, and can be got over.
pub(super) enum Hindrance {
    KnownId,
    MissingDay,
    Passing,
}

pub(super) fn hindrance(error: &StoreError) -> Option<Hindrance> {
    match error.kind() {
        StoreErrorKind::Unique => Some(Hindrance::KnownId),
        StoreErrorKind::Check if error.constraint().is_none() => Some(Hindrance::MissingDay),
        StoreErrorKind::Conflict | StoreErrorKind::Disconnected => Some(Hindrance::Passing),
        StoreErrorKind::Check
        | StoreErrorKind::Reference
        | StoreErrorKind::TooManyConnections
        | StoreErrorKind::PoolTimeout
        | StoreErrorKind::Cancelled
        | StoreErrorKind::OutOfResources
        | StoreErrorKind::OutOfRange
        | StoreErrorKind::Damaged
        | StoreErrorKind::Unexpected => None,
    }
}

/// Waits a random while, up to twice as long each time.
pub(super) async fn pause(attempt: u32) {
    let longest = PAUSE * 2u32.pow(attempt.min(8));
    let wait = longest.mul_f64(rand::rng().random_range(0.5..1.0));
    tokio::time::sleep(wait).await;
}
