//! Brings a plan into the database.
//!
//! In this order: a look whether the days may have partitions; users and a mark that
//! seeding began, in one tx that first makes sure that the database is empty; indexes of
//! the parent and the key of the ids are taken off; partitions; then day by
//! day, by several loaders side by side, each day in a tx of its own that also marks it as
//! loaded, while the days that are loaded are folded into the running totals, a few at a
//! time; at last what was taken off, statistics, and the mark that seeding is complete, in
//! one tx. A kill at any moment leaves a state from which the same steps go on, and a
//! database that goes away meanwhile is waited for.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use chrono::{NaiveDate, NaiveTime};
use tokio::{sync::mpsc, task::JoinSet};

use crate::{
    config::PartitionSettings,
    domain::asset::SEEDED_ASSET_CODE,
    error::{Error, ErrorKind},
    seed::{
        people,
        plan::SeedPlan,
        progress::Progress,
        rows::RowMaker,
        seal::{LoadedDay, seal_days},
    },
    store::{
        Connection, Database, StoreError,
        assets::Assets,
        leaf::Leaf,
        partitions,
        seed::{self as steps, DayLoad, EncodedRows, NewUser},
    },
};

/// Rows that are gathered before they are sent, so that short hours share a COPY.
const COPY_ROWS: usize = 20_000;

/// Days that wait to be sealed before loaders wait too.
const QUEUED_DAYS: usize = 4;

/// Encoded batches that wait for a loader: bounds the memory.
const QUEUED_BATCHES: usize = 1;

/// Time between two looks at whether another server still seeds, and between two lines
/// in the log about it.
const TURN_INTERVAL: Duration = Duration::from_millis(200);
const TURN_LINE_INTERVAL: Duration = Duration::from_secs(30);

/// Outages of the database that one seeding lives through, and the longest one.
const OUTAGES_MAX: u32 = 10;
const OUTAGE_MAX: Duration = Duration::from_secs(60);

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
/// cut off (by its own plan). With no plan, only the latter. A database that goes away
/// meanwhile is waited for.
///
/// # Errors
/// If the database refuses, or stays away; the next call goes on from there.
pub async fn seed(
    database: &Database,
    plan: Option<SeedPlan>,
    loaders: usize,
    partition_settings: &PartitionSettings,
) -> Result<SeedOutcome, Error> {
    let mut outages = 0;
    loop {
        let outcome = attempt(database, plan.clone(), loaders, partition_settings).await;
        match outcome {
            Err(error)
                if matches!(error.kind(), ErrorKind::Unavailable(_)) && outages < OUTAGES_MAX =>
            {
                outages += 1;
                tracing::warn!(%error, "the database went away while seeding: waiting for it");
                wait(database).await?;
            }
            outcome => return outcome,
        }
    }
}

/// Waits until the database accepts a connection again.
async fn wait(database: &Database) -> Result<(), Error> {
    let begun_at = Instant::now();
    loop {
        match database.connect().await {
            Ok(_) => return Ok(()),
            Err(error) if begun_at.elapsed() > OUTAGE_MAX => return Err(error.into()),
            Err(_) => tokio::time::sleep(TURN_INTERVAL).await,
        }
    }
}

/// Seeds, or goes on with it, until it is done or the database goes away.
async fn attempt(
    database: &Database,
    plan: Option<SeedPlan>,
    loaders: usize,
    partition_settings: &PartitionSettings,
) -> Result<SeedOutcome, Error> {
    let begun_at = Instant::now();
    let client = database.connect().await?;
    take_turn(&client).await?;
    let (plan, is_new) = match (steps::find_run(&client).await?, plan) {
        (Some((_, true)), _) => return Ok(SeedOutcome::SeededBefore),
        (Some((run, false)), _) => {
            tracing::info!("a seeding was cut off before: going on with it");
            (SeedPlan::of_run(&run).ok_or_else(|| Error::new(ErrorKind::Internal))?, false)
        }
        (None, None) => return Ok(SeedOutcome::HasOwnRows),
        (None, Some(plan)) => (plan, true),
    };
    let drawn = draw(&plan).await?;
    let limits =
        (partition_settings.partition_days_back_max, partition_settings.partition_count_max);
    if is_new {
        // Before anything is written: days that are refused later would leave a seeding
        // that cannot be completed.
        let checked = partitions::check(&client, &drawn.days, limits.0, limits.1).await;
        checked.map_err(refused_days)?;
        if !steps::begin(&client, &plan.to_run(), &drawn.users).await? {
            return Ok(SeedOutcome::HasOwnRows);
        }
    }
    steps::strip(&client).await?;
    let ensured = partitions::ensure(&client, &drawn.days, limits.0, limits.1).await;
    ensured.map_err(refused_days)?;
    let guard = steps::guard(&client).await?;
    let loaded = load_days(database, &plan, &drawn, loaders).await?;
    loaded.progress.step("checking references, building the key of the ids, gathering statistics");
    steps::finish(guard).await?;
    loaded.progress.finish();
    Ok(SeedOutcome::Seeded { rows: loaded.rows, seconds: begun_at.elapsed().as_secs_f64() })
}

/// Waits until no other server seeds this schema: several may start at once on an empty
/// database, and then one seeds and the others find its work done.
async fn take_turn(client: &Connection) -> Result<(), Error> {
    let mut told_at: Option<Instant> = None;
    while !steps::try_lock(client).await? {
        if told_at.is_none_or(|at| at.elapsed() > TURN_LINE_INTERVAL) {
            tracing::info!("another server seeds this schema: waiting for it");
            told_at = Some(Instant::now());
        }
        tokio::time::sleep(TURN_INTERVAL).await;
    }
    Ok(())
}

/// What a plan draws before its first row.
struct Drawn {
    users: Vec<NewUser>,
    rows_by_day: Vec<u64>,
    /// Days with rows.
    days: Vec<NaiveDate>,
}

/// Draws it on a thread of its own: a large plan takes seconds.
async fn draw(plan: &SeedPlan) -> Result<Drawn, Error> {
    let plan = plan.clone();
    let drawing = tokio::task::spawn_blocking(move || {
        let rows_by_day = plan.rows_by_day();
        let with_rows = (0..plan.day_count).zip(&rows_by_day).filter(|&(_, &rows)| rows > 0);
        let days = with_rows.map(|(index, _)| plan.day(index)).collect();
        Drawn { users: people::users(&plan), days, rows_by_day }
    });
    drawing.await.map_err(|source| Error::with_source(ErrorKind::Internal, source))
}

/// Days that the settings do not allow are the caller's to change: the database's own
/// words name them and the setting.
fn refused_days(error: StoreError) -> Error {
    match error.server_message() {
        Some(message) => Error::with_source(ErrorKind::OutOfRange, message),
        None => error.into(),
    }
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
    drawn: &Drawn,
    loaders: usize,
) -> Result<Loaded, Error> {
    let client = database.connect().await?;
    let before = steps::days_loaded(&client).await?;
    let rows_before = before.iter().map(|(_, rows)| rows.unsigned_abs()).sum();
    let done: HashSet<NaiveDate> = before.into_iter().map(|(day, _)| day).collect();
    let leaves = partitions::list(&client).await?;
    let mut leaves: HashMap<_, _> = leaves.into_iter().map(|leaf| (leaf.lower_at, leaf)).collect();
    let mut work = Vec::new();
    for (index, &rows) in (0..).zip(&drawn.rows_by_day) {
        let day = plan.day(index);
        if rows > 0 && !done.contains(&day) {
            let lower_at = day.and_time(NaiveTime::MIN).and_utc();
            let leaf = leaves.remove(&lower_at).ok_or_else(|| Error::new(ErrorKind::Internal))?;
            work.push(DayWork { index, day, rows, leaf });
        }
    }
    let maker = Arc::new(row_maker(database, plan, &drawn.users).await?);
    let progress = Arc::new(Progress::new(plan.transaction_count, rows_before));
    let (sealer, days) = mpsc::channel(QUEUED_DAYS);
    let sealing = tokio::spawn(seal_days(database.clone(), Arc::clone(&maker), days));
    let unsealed: HashSet<_> = steps::days_unsealed(&client).await?.into_iter().collect();
    for (index, &rows) in (0..).zip(&drawn.rows_by_day) {
        let day = plan.day(index);
        if unsealed.contains(&day) {
            // Loaded before a kill, and not sealed any more. Nobody receives if the sealing
            // failed: that is told below.
            let _ = sealer.send(LoadedDay { index, day, rows }).await;
        }
    }
    // Taken from the end: the earliest day first.
    work.reverse();
    let work = Arc::new(Mutex::new(work));
    let mut running = JoinSet::new();
    for _ in 0..loaders.max(1) {
        let (database, maker) = (database.clone(), Arc::clone(&maker));
        let (work, progress) = (Arc::clone(&work), Arc::clone(&progress));
        let sealer = sealer.clone();
        running.spawn(async move {
            let client = database.connect().await?;
            loop {
                let next = work.lock().unwrap_or_else(PoisonError::into_inner).pop();
                let Some(next) = next else { return Ok::<(), Error>(()) };
                let loaded = load_day(&client, &maker, next, &progress).await?;
                let _ = sealer.send(loaded).await;
            }
        });
    }
    drop(sealer);
    while let Some(ended) = running.join_next().await {
        ended.map_err(|source| Error::with_source(ErrorKind::Internal, source))??;
    }
    sealing.await.map_err(|source| Error::with_source(ErrorKind::Internal, source))??;
    Ok(Loaded { rows: plan.transaction_count.saturating_sub(rows_before), progress })
}

async fn row_maker(
    database: &Database,
    plan: &SeedPlan,
    users: &[NewUser],
) -> Result<RowMaker, Error> {
    let client = database.connect().await?;
    let uuids: Vec<_> = users.iter().map(|user| user.user_uuid).collect();
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
) -> Result<LoadedDay, Error> {
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
    outcome?;
    Ok(LoadedDay { index, day: work.day, rows })
}
