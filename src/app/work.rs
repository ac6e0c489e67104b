//! `daybook work`: syncs wallets and tokens as a process of its own, beside a server or without
//! one.

use std::time::Duration;

use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    app::{checks, database, tools},
    cli::{MigrateArgs, WorkArgs},
    config::SyncSettings,
    ingest::Ingest,
    store::Database,
    sync::{Sync, SyncPolicy, networks::SyncNetworks},
    upkeep::server_check,
    workers,
};

/// Longest time that connections to the database get to end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// What syncs as the settings say.
///
/// # Errors
/// If the file that names the chains is wrong.
pub(super) fn syncer(
    settings: &SyncSettings,
    database: &Database,
    ingest: Ingest,
) -> anyhow::Result<Sync> {
    let networks = match &settings.chains_file {
        Some(path) => SyncNetworks::load(path)?,
        None => SyncNetworks::default(),
    };
    Ok(Sync::new(database, ingest, networks, SyncPolicy::new(settings)))
}

/// Makes the database fit to work on and hands what syncs into it to `run`, with what tells it to
/// stop; closes the connections afterwards, whatever came of it.
///
/// # Errors
/// If the database cannot be opened, the file that names the chains is wrong, or `run` fails.
pub(super) async fn with_syncer(
    common: &MigrateArgs,
    settings: &SyncSettings,
    run: impl AsyncFnOnce(&Sync, &CancellationToken) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    tools::while_running(&common.database, async |opened, stop| {
        let database = Database::new(&opened.target, &common.pool)?;
        let owner = Database::new(&opened.owner_target, &common.pool)?;
        server_check::wait(&owner, database::patience(&common.database)).await?;
        tools::bring_up(&owner, &common.pool, &common.partitions).await?;
        tools::refuse_while_seeding(&owner).await?;
        owner.close(CLOSE_TIMEOUT).await;
        let ingest = Ingest::new(&database, &common.partitions);
        let sync = syncer(settings, &database, ingest)?;
        let outcome = run(&sync, &stop).await;
        if !database.close(CLOSE_TIMEOUT).await {
            tracing::warn!("connections to the database did not end in time");
        }
        outcome
    })
    .await
}

/// Starts what works at jobs and has them made: nothing where no chain is named.
pub(super) fn start(
    tasks: &mut JoinSet<&'static str>,
    sync: &Sync,
    settings: &SyncSettings,
    stale: Option<mpsc::Receiver<i64>>,
    stop: &CancellationToken,
) {
    if sync.networks().names().is_empty() {
        return;
    }
    // Names a process for people; whoever holds a job is known by its token.
    let process = std::process::id();
    for network in sync.networks().names() {
        for number in 1..=settings.sync_workers {
            let (sync, network, stop) = (sync.clone(), network.to_owned(), stop.clone());
            let worker = format!("{process}-{network}-{number}");
            tasks.spawn(async move {
                workers::sync::work(sync, network, worker, stop).await;
                "syncing"
            });
        }
    }
    let (scheduled, schedule_stop) = (sync.clone(), stop.clone());
    tasks.spawn(async move {
        workers::sync::schedule(scheduled, schedule_stop).await;
        "schedule of syncing"
    });
    if let Some(stale) = stale {
        let (refreshed, refresh_stop) = (sync.clone(), stop.clone());
        tasks.spawn(async move {
            workers::sync::refresh(refreshed, stale, refresh_stop).await;
            "syncing of what is read"
        });
    }
    if let Ok(days @ 1..) = i32::try_from(settings.sync_keep_days) {
        let (pruned, prune_stop) = (sync.clone(), stop.clone());
        tasks.spawn(async move {
            workers::sync::prune(pruned, days, prune_stop).await;
            "deletion of old jobs"
        });
    }
}

/// Works until a stop signal.
///
/// # Errors
/// If the settings are wrong, no chain is named, or the database cannot be opened.
pub async fn work(arguments: &WorkArgs) -> anyhow::Result<()> {
    checks::work(arguments)?;
    with_syncer(&arguments.migrate, &arguments.sync, async |sync, stop| {
        let mut tasks = JoinSet::new();
        start(&mut tasks, sync, &arguments.sync, None, stop);
        tracing::info!(
            workers = arguments.sync.sync_workers,
            networks = sync.networks().names().join(", "),
            "works at jobs of syncing"
        );
        while let Some(ended) = tasks.join_next().await {
            tracing::debug!(name = ended?, "worker ended");
        }
        Ok(())
    })
    .await
}
