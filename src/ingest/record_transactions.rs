//! Recording a chunk: whole or not at all, once.
//!
//! Rows are written at once, in the belief that none of their ids is known. If one is, the
//! database refuses the whole; then the ids are looked up, rows that are there already are
//! counted, rows whose id has other content are refused, and the rest is written.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, NaiveDate, Utc};
use rand::RngExt;
use uuid::{Builder, Uuid};

use crate::{
    domain::{
        access::Principal,
        account::AccountKey,
        asset::{Asset, NewAsset},
        refusal::{Fault, Refusal, RefusalReason},
        transaction::{KeyedTransaction, NewTransaction, RowRules},
    },
    error::{Error, ErrorKind},
    ingest::{
        Ingest,
        strangers::{Strangers, UNKNOWN_ASSET, introduce},
    },
    store::{
        StoreError, StoreErrorKind,
        create_asset::{CreatedAsset, create_asset},
        record_transactions::{self as store, KnownId},
    },
};

/// Times that a chunk is tried while other writers, or days that go, get in its way.
const ATTEMPTS_MAX: u32 = 8;

/// Longest wait before the second try; doubled each time.
const PAUSE: Duration = Duration::from_millis(10);

/// How rows are recorded.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RecordOptions {
    /// Record accounts that are missing, except payments accounts, which come with their
    /// users. Otherwise rows that name one are refused. An account is recorded if a row that
    /// is not refused names it; only if others record the same ids meanwhile, one may come
    /// without a row.
    pub create_accounts: bool,
    /// Assets that are recorded if they are missing, by the same rule, with their decimals.
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

/// What became of a row.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Fate {
    Recorded,
    Present,
    Refused(Fault),
}

/// A row that may be recorded, and its place in the chunk.
#[derive(Debug)]
struct Candidate {
    index: usize,
    row: KeyedTransaction,
}

/// A chunk at work: its rows are candidates until their fate is known.
struct Chunk {
    candidates: Vec<Candidate>,
    /// Rows that say the same as an earlier one, and the place of that one.
    repeated: Vec<(usize, usize)>,
    fates: Vec<Option<Fate>>,
    ids: Vec<Uuid>,
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
        let mut chunk = Chunk::new(&rows);
        let strangers = self.key(rows, &mut chunk, options).await?;
        chunk.set_repeated_apart();
        self.sort_out_days(&mut chunk).await?;
        self.record_strangers(&mut chunk, strangers).await?;
        let mut look_first = options.look_first;
        for attempt in 0..ATTEMPTS_MAX {
            if look_first {
                self.look_up(&mut chunk).await?;
            }
            if chunk.candidates.is_empty() || (options.whole_chunks_only && chunk.has_refused()) {
                return Ok(chunk.finish());
            }
            let writing = chunk.candidates.iter().map(|candidate| &candidate.row);
            let Err(error) = store::record_transactions(&self.database, writing).await else {
                chunk.settle(|_| Some(Fate::Recorded));
                return Ok(chunk.finish());
            };
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

    /// Looks up what the rows name; what is right becomes a candidate. What they name and is
    /// not there, but may be recorded with them, has a stranger's key in candidates.
    async fn key<'a>(
        &self,
        rows: Vec<NewTransaction>,
        chunk: &mut Chunk,
        options: &'a RecordOptions,
    ) -> Result<Strangers<'a>, Error> {
        let assets = self.find_assets(&rows).await?;
        let keys: Vec<&AccountKey> =
            rows.iter().flat_map(|row| [&row.sender, &row.receiver]).collect();
        let ids = self.accounts.find(&keys).await?;
        let mut strangers = Strangers::new(options);
        for ((index, row), ids) in rows.into_iter().enumerate().zip(ids.chunks_exact(2)) {
            let asset = assets.get(&*row.asset_code).and_then(Option::as_ref);
            match strangers.keyed(row, chunk.ids[index], asset, [ids[0], ids[1]]) {
                Ok(row) => chunk.candidates.push(Candidate { index, row }),
                Err(fault) => chunk.fates[index] = Some(Fate::Refused(fault)),
            }
        }
        // Rows of a day together: they go into the same partition.
        chunk.candidates.sort_by_key(|candidate| candidate.row.occurred_at);
        Ok(strangers)
    }

    /// Records the strangers that candidates name, and gives candidates their keys.
    async fn record_strangers(
        &self,
        chunk: &mut Chunk,
        strangers: Strangers<'_>,
    ) -> Result<(), Error> {
        if strangers.is_empty() {
            return Ok(());
        }
        // A row whose id is known with other content brings nobody along.
        self.look_up(chunk).await?;
        if strangers.options.whole_chunks_only && chunk.has_refused() {
            return Ok(());
        }
        let named: HashSet<i64> = chunk
            .candidates
            .iter()
            .flat_map(|Candidate { row, .. }| [row.sender_id, row.receiver_id])
            .collect();
        let accounts: Vec<(&AccountKey, i64)> = strangers
            .accounts
            .iter()
            .map(|(key, &id)| (key, id))
            .filter(|(_, id)| named.contains(id))
            .collect();
        let keys: Vec<&AccountKey> = accounts.iter().map(|&(key, _)| key).collect();
        let mut account_ids = HashMap::new();
        if !keys.is_empty() {
            self.accounts.create(&keys).await?;
            let found = self.accounts.find(&keys).await?;
            account_ids.extend(accounts.iter().map(|&(_, id)| id).zip(found));
        }
        let mut assets = HashMap::new();
        for (code, &(id, decimals)) in &strangers.assets {
            if chunk.candidates.iter().any(|candidate| candidate.row.asset_id == id) {
                assets.insert(id, self.record_asset(code, decimals).await?);
            }
        }
        let mut faults = HashMap::new();
        for Candidate { index, row } in &mut chunk.candidates {
            if let Err(fault) = introduce(row, &account_ids, &assets) {
                faults.insert(*index, fault);
            }
        }
        chunk.settle(|candidate| faults.get(&candidate.index).cloned().map(Fate::Refused));
        Ok(())
    }

    /// Records an asset, or finds it if others were faster, with what others made of it.
    async fn record_asset(&self, code: &str, decimals: u32) -> Result<Result<Asset, Fault>, Error> {
        let new = NewAsset { code: code.to_owned(), name: code.to_owned(), decimals };
        if let CreatedAsset::Recorded(_) =
            create_asset(&self.database, &new, &Principal::Local).await?
        {
            tracing::info!(code, decimals, "recorded the asset");
        }
        let fault =
            |message| Fault { reason: RefusalReason::UnknownAsset, field: "asset", message };
        Ok(match self.assets.find(code).await? {
            Some(asset) if asset.decimals == decimals => Ok(asset),
            Some(asset) => {
                let found = asset.decimals;
                Err(fault(format!("is recorded with {found} decimals, not {decimals}")))
            }
            None => Err(fault(UNKNOWN_ASSET.to_owned())),
        })
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

    /// Refuses candidates on days that rows cannot be written to, and has the others' made.
    /// Ids outlive days: what is known is known whatever became of its day.
    async fn sort_out_days(&self, chunk: &mut Chunk) -> Result<(), Error> {
        let day = |candidate: &Candidate| candidate.row.occurred_at.date_naive();
        let days: BTreeSet<NaiveDate> = chunk.candidates.iter().map(day).collect();
        let faults = self.days.prepare(days).await?;
        if !faults.is_empty() {
            self.look_up(chunk).await?;
            chunk.settle(|candidate| faults.get(&day(candidate)).cloned().map(Fate::Refused));
        }
        Ok(())
    }

    /// Settles candidates whose ids are known.
    async fn look_up(&self, chunk: &mut Chunk) -> Result<(), Error> {
        let ids: Vec<Uuid> =
            chunk.candidates.iter().map(|candidate| candidate.row.transaction_id).collect();
        let known = store::known_ids(&self.database, &ids).await?;
        if known.is_empty() {
            return Ok(());
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

impl Chunk {
    fn new(rows: &[NewTransaction]) -> Self {
        let now = Utc::now();
        Self {
            candidates: Vec::with_capacity(rows.len()),
            repeated: Vec::new(),
            fates: vec![None; rows.len()],
            ids: rows.iter().map(|row| row.transaction_id.unwrap_or_else(|| new_id(now))).collect(),
        }
    }

    /// Leaves one candidate for each id. A later one shares its fate if it says the same, and
    /// is refused if it doesn't.
    fn set_repeated_apart(&mut self) {
        let mut first: HashMap<Uuid, usize> = HashMap::with_capacity(self.candidates.len());
        let mut order: Vec<usize> = (0..self.candidates.len()).collect();
        order.sort_unstable_by_key(|&place| self.candidates[place].index);
        let mut later = HashSet::new();
        for place in order {
            let Candidate { index, row } = &self.candidates[place];
            let earlier = *first.entry(row.transaction_id).or_insert(place);
            if earlier == place {
                continue;
            }
            later.insert(*index);
            match row.difference(&self.candidates[earlier].row) {
                None => self.repeated.push((*index, self.candidates[earlier].index)),
                Some(field) => {
                    let message = "differs from what an earlier row of this chunk has under the \
                                   same transaction_id"
                        .to_owned();
                    let fault = Fault { reason: RefusalReason::OtherContent, field, message };
                    self.fates[*index] = Some(Fate::Refused(fault));
                }
            }
        }
        if !later.is_empty() {
            self.candidates.retain(|candidate| !later.contains(&candidate.index));
        }
    }

    /// Gives candidates their fate, where they have one; the others stay candidates.
    fn settle(&mut self, fate: impl Fn(&Candidate) -> Option<Fate>) {
        let fates = &mut self.fates;
        self.candidates.retain(|candidate| {
            let fate = fate(candidate);
            let stays = fate.is_none();
            if !stays {
                fates[candidate.index] = fate;
            }
            stays
        });
    }

    fn has_refused(&self) -> bool {
        self.fates.iter().any(|fate| matches!(fate, Some(Fate::Refused(_))))
    }

    fn finish(mut self) -> ChunkOutcome {
        for &(index, earlier) in &self.repeated {
            self.fates[index] = self.fates[earlier].clone().map(|fate| match fate {
                Fate::Recorded | Fate::Present => Fate::Present,
                refused @ Fate::Refused(_) => refused,
            });
        }
        let mut outcome = ChunkOutcome { ids: self.ids, ..ChunkOutcome::default() };
        for (index, fate) in self.fates.into_iter().enumerate() {
            match fate {
                Some(Fate::Recorded) => outcome.recorded += 1,
                Some(Fate::Present) => outcome.already_present += 1,
                Some(Fate::Refused(fault)) => outcome.refused.push(Refusal { index, fault }),
                // Of a chunk that was not recorded because of others.
                None => {}
            }
        }
        outcome
    }
}

/// What becomes of a row whose id is known.
fn fate_of_known(
    row: &KeyedTransaction,
    known: &KnownId,
    recorded: Option<&KeyedTransaction>,
) -> Fate {
    let refused = |reason, field, message: String| Fate::Refused(Fault { reason, field, message });
    if known.is_deleted {
        let message = "is that of a transaction that was deleted".to_owned();
        return refused(RefusalReason::Deleted, "transaction_id", message);
    }
    if known.is_of(row) {
        return Fate::Present;
    }
    let field = if known.occurred_at == row.occurred_at {
        recorded.and_then(|recorded| row.difference(recorded))
    } else {
        Some("occurred_at")
    };
    let message = match field {
        Some(_) => "differs from what is recorded under this transaction_id".to_owned(),
        // Its day is not at hand, or it is being changed.
        None => "is recorded with other content".to_owned(),
    };
    refused(RefusalReason::OtherContent, field.unwrap_or("transaction_id"), message)
}

/// What kept rows from being written, and can be got over.
enum Hindrance {
    KnownId,
    MissingDay,
    Passing,
}

fn hindrance(error: &StoreError) -> Option<Hindrance> {
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
async fn pause(attempt: u32) {
    let longest = PAUSE * 2u32.pow(attempt.min(8));
    let wait = longest.mul_f64(rand::rng().random_range(0.5..1.0));
    tokio::time::sleep(wait).await;
}

/// A UUID of version 7 (RFC 9562, section 5.7).
fn new_id(now: DateTime<Utc>) -> Uuid {
    let millis = u64::try_from(now.timestamp_millis()).unwrap_or(0);
    Builder::from_unix_timestamp_millis(millis, &rand::rng().random()).into_uuid()
}
