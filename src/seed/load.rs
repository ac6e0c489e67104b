//! Brings a plan into the database.
//!
//! In this order: users and a mark that seeding began, in one tx that first makes
//! sure that the database is empty; partitions; then day by day, by several loaders
//! side by side, each day in a tx of its own that also marks it as loaded; at last
//! what was taken off for the load (indexes of the parent, references, the key of
//! the ids) and the mark that seeding is complete, in one tx. A kill at any moment
//! leaves a state from which the same steps go on.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use chrono::{NaiveDate, NaiveTime};
use tokio::{sync::mpsc, task::JoinSet};

use crate::{
    config::PartitionSettings,
    domain::asset::SEEDED_ASSET_CODE,
    error::{Error, ErrorKind},
    seed::{people, plan::SeedPlan, progress::Progress, rows::RowMaker},
    store::{
        Connection, Database, StoreError,
        assets::Assets,
        leaf::Leaf,
        partitions,
        seed::{self as steps, DayLoad, EncodedRows},
    },
};

/// Rows that are gathered before they are sent, so that short hours share a COPY.
const COPY_ROWS: usize = 20_000;

/// Encoded batches that wait for a loader: bounds the memory.
const QUEUED_BATCHES: usize = 1;

/// How a seeding ended.
#[derive(Clone, Debug, PartialEq)]
pub enum SeedOutcome {
    /// The database was filled, or a seeding that was cut off was completed.
    Seeded {
        /// Rows that were loaded now.
        rows: u64,
        /// Seconds that it took.
        seconds: f64,
    },
    /// The database was seeded before.
    SeededBefore,
    /// The database holds rows of its own, and was left as it is.
    HasOwnRows,
}

/// Fills the database by the plan if it is empty, or goes on with a seeding that was
/// cut off (by its own plan). With no plan, only the latter.
///
/// # Errors
/// If the database refuses; the next call goes on from there.
pub async fn seed(
    database: &Database,
    plan: Option<SeedPlan>,
    loaders: usize,
    partition_settings: &PartitionSettings,
) -> Result<SeedOutcome, Error> {
    let begun_at = Instant::now();
    let client = database.connect().await?;
    // Several servers may start at once on an empty database: one seeds, and the others
    // find its work done.
    steps::lock(&client).await?;
    let plan = match (steps::find_run(&client).await?, plan) {
        (Some((_, true)), _) => return Ok(SeedOutcome::SeededBefore),
        (Some((run, false)), _) => {
            tracing::info!("a seeding was cut off before: going on with it");
            SeedPlan::of_run(&run).ok_or_else(|| Error::new(ErrorKind::Internal))?
        }
        (None, None) => return Ok(SeedOutcome::HasOwnRows),
        (None, Some(plan)) => {
            let users = people::users(&plan);
            if !steps::begin(&client, &plan.to_run(), &users).await? {
                return Ok(SeedOutcome::HasOwnRows);
            }
            plan
        }
    };
    steps::strip(&client).await?;
    let rows_by_day = plan.rows_by_day();
    let days: Vec<NaiveDate> = (0..plan.day_count)
        .zip(&rows_by_day)
        .filter(|&(_, &rows)| rows > 0)
        .map(|(index, _)| plan.day(index))
        .collect();
    let back_max = partition_settings.partition_days_back_max;
    partitions::ensure(&client, &days, back_max, partition_settings.partition_count_max).await?;
    let guard = steps::guard(&client).await?;
    let loaded = load_days(database, &plan, &rows_by_day, loaders).await?;
    loaded.progress.step("checking references and building the key of the ids");
    steps::finish(guard).await?;
    loaded.progress.step("gathering statistics");
    steps::analyze(&client).await?;
    loaded.progress.finish();
    Ok(SeedOutcome::Seeded { rows: loaded.rows, seconds: begun_at.elapsed().as_secs_f64() })
}

struct Loaded {
    rows: u64,
    progress: Arc<Progress>,
}

/// One day's worth of work for a loader.
struct DayWork {
    index: u32,
    day: NaiveDate,
    rows: u64,
    leaf: Leaf,
}

async fn load_days(
    database: &Database,
    plan: &SeedPlan,
    rows_by_day: &[u64],
    loaders: usize,
) -> Result<Loaded, Error> {
    let client = database.connect().await?;
    let before = steps::days_loaded(&client).await?;
    let rows_before = before.iter().map(|(_, rows)| rows.unsigned_abs()).sum();
    let done: HashSet<NaiveDate> = before.into_iter().map(|(day, _)| day).collect();
    let leaves = partitions::list(&client).await?;
    let mut leaves: HashMap<_, _> = leaves.into_iter().map(|leaf| (leaf.lower_at, leaf)).collect();
    let mut work = Vec::new();
    for (index, &rows) in (0..).zip(rows_by_day) {
        let day = plan.day(index);
        if rows > 0 && !done.contains(&day) {
            let lower_at = day.and_time(NaiveTime::MIN).and_utc();
            let leaf = leaves.remove(&lower_at).ok_or_else(|| Error::new(ErrorKind::Internal))?;
            work.push(DayWork { index, day, rows, leaf });
        }
    }
    let maker = Arc::new(row_maker(database, plan).await?);
    let progress = Arc::new(Progress::new(plan.transaction_count, rows_before));
    // Taken from the end: the earliest day first.
    work.reverse();
    let work = Arc::new(Mutex::new(work));
    let mut running = JoinSet::new();
    for _ in 0..loaders.max(1) {
        let (database, maker) = (database.clone(), Arc::clone(&maker));
        let (work, progress) = (Arc::clone(&work), Arc::clone(&progress));
        running.spawn(async move {
            let client = database.connect().await?;
            loop {
                let next = work.lock().unwrap_or_else(PoisonError::into_inner).pop();
                let Some(next) = next else { return Ok::<(), Error>(()) };
                load_day(&client, &maker, next, &progress).await?;
            }
        });
    }
    while let Some(ended) = running.join_next().await {
        ended.map_err(|source| Error::with_source(ErrorKind::Internal, source))??;
    }
    Ok(Loaded { rows: plan.transaction_count.saturating_sub(rows_before), progress })
}

async fn row_maker(database: &Database, plan: &SeedPlan) -> Result<RowMaker, Error> {
    let client = database.connect().await?;
    let uuids: Vec<_> = people::users(plan).into_iter().map(|user| user.user_uuid).collect();
    let accounts = steps::accounts_of(&client, &uuids).await?;
    let asset = Assets::new(database.clone()).find(SEEDED_ASSET_CODE).await?;
    match asset {
        Some(asset) if accounts.len() == uuids.len() => {
            Ok(RowMaker::new(plan.clone(), accounts, asset.asset_id))
        }
        _ => {
            tracing::error!("users or the asset of a seeding that was begun are missing");
            Err(Error::new(ErrorKind::Internal))
        }
    }
}

/// Loads one day. Rows are made and encoded on a thread of their own while the ones
/// before them are on their way.
async fn load_day(
    client: &Connection,
    maker: &Arc<RowMaker>,
    work: DayWork,
    progress: &Progress,
) -> Result<(), Error> {
    let (sender, mut batches) = mpsc::channel::<EncodedRows>(QUEUED_BATCHES);
    let (index, rows, maker) = (work.index, work.rows, Arc::clone(maker));
    let making = tokio::task::spawn_blocking(move || {
        let mut gathered = Vec::new();
        for hour in maker.day(index, rows) {
            gathered.extend(hour);
            if gathered.len() >= COPY_ROWS {
                let batch = steps::encode(&gathered);
                gathered.clear();
                if sender.blocking_send(batch).is_err() {
                    return;
                }
            }
        }
        if !gathered.is_empty() {
            // Nobody receives any more if the load failed: that is told elsewhere.
            let _ = sender.blocking_send(steps::encode(&gathered));
        }
    });
    let loading = async {
        let mut load = DayLoad::begin(client, &work.leaf).await?;
        while let Some(batch) = batches.recv().await {
            progress.add(load.add(batch).await?);
        }
        load.finish(work.day).await
    };
    let outcome: Result<(), StoreError> = loading.await;
    drop(batches);
    making.await.map_err(|source| Error::with_source(ErrorKind::Internal, source))?;
    Ok(outcome?)
}
