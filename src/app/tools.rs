//! Commands that come and go: `migrate`, `psql`, and the `seeder` binary.

use std::process::ExitCode;

use anyhow::{anyhow, bail};
use tokio_util::sync::CancellationToken;

use crate::{
    app::{
        checks,
        database::{self, OpenDatabase, Ownership},
        serve::loaders,
        signals,
    },
    cli::{DaysArgs, MigrateArgs, PsqlArgs, SeederCli},
    cluster,
    config::{DatabaseSettings, PartitionSettings, PoolSettings},
    seed::{self, SeedOutcome},
    store::{Database, seed::find_run},
    upkeep::{migrate as migrations, partitions, server_check},
};

/// Brings the schema up to date.
///
/// # Errors
/// If the database cannot be opened or is not fit, or a signal came before the end.
pub async fn migrate(arguments: &MigrateArgs) -> anyhow::Result<()> {
    checks::migrate(arguments)?;
    let unfinished = "stopped before the schema was up to date: start again to go on";
    until_stopped(&arguments.database, unfinished, async |opened| {
        let database = Database::new(&opened.owner_target, &arguments.pool)?;
        server_check::wait(&database, database::patience(&arguments.database)).await?;
        let count = bring_up(&database, &arguments.pool, &arguments.partitions).await?;
        tracing::info!(count, "the schema is up to date");
        Ok(())
    })
    .await
}

/// Makes the partitions of past days.
///
/// # Errors
/// If the days are in the wrong order or may not have partitions, the database cannot be
/// opened or is not fit, or a signal came before the end.
pub async fn days(arguments: &DaysArgs) -> anyhow::Result<()> {
    let (first, last, common) = (arguments.first_day, arguments.last_day, &arguments.migrate);
    checks::migrate(common)?;
    if last < first {
        bail!("{last} lies before {first}: FROM is the first day, TO the last one");
    }
    let unfinished = "stopped before the days were made: start again to go on";
    until_stopped(&common.database, unfinished, async |opened| {
        let database = Database::new(&opened.owner_target, &common.pool)?;
        server_check::wait(&database, database::patience(&common.database)).await?;
        bring_up(&database, &common.pool, &common.partitions).await?;
        let made = partitions::make_days(&database, &common.partitions, first, last).await?;
        tracing::info!(made, %first, %last, "the days have partitions");
        Ok(())
    })
    .await
}

/// Fills an empty database.
///
/// # Errors
/// If the settings are wrong, the database cannot be opened or is not fit, or a signal came
/// before the end.
pub async fn fill(arguments: &SeederCli) -> anyhow::Result<()> {
    let plan = checks::seeder(arguments)?;
    let unfinished = "stopped before the seeding was complete: start again to go on";
    until_stopped(&arguments.database, unfinished, async |opened| {
        let database = Database::new(&opened.owner_target, &arguments.pool)?;
        server_check::wait(&database, database::patience(&arguments.database)).await?;
        bring_up(&database, &arguments.pool, &arguments.partitions).await?;
        let loaders = loaders(&arguments.seed);
        let outcome = seed::seed(&database, plan, loaders, &arguments.partitions);
        match outcome.await? {
            SeedOutcome::Seeded { rows, seconds } => tracing::info!(rows, seconds, "seeded"),
            SeedOutcome::SeededBefore => tracing::info!("the database was seeded before"),
            SeedOutcome::HasOwnRows => {
                tracing::info!("the database holds rows of its own: it is left as it is");
            }
        }
        Ok(())
    })
    .await
}

/// Opens psql on the private Postgres; returns psql's exit code.
///
/// # Errors
/// If there is no psql, the schema's name is wrong, the private Postgres cannot be started, or
/// a signal came before that.
pub async fn psql(arguments: &PsqlArgs) -> anyhow::Result<ExitCode> {
    let PsqlArgs { cluster, schema, arguments } = arguments;
    database::check_schema(schema)?;
    Ok(ExitCode::from(cluster::psql(cluster, schema, arguments).await?))
}

/// Opens the database, does the work and closes it; a stop signal ends all but the closing,
/// and is an error in the words given.
pub(super) async fn until_stopped<T>(
    settings: &DatabaseSettings,
    unfinished: &'static str,
    work: impl AsyncFnOnce(&OpenDatabase) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    // Before anything is started: a signal that nobody hears would leave it running.
    let stop = signals::listen()?;
    let opened = tokio::select! {
        opened = OpenDatabase::open(settings, Ownership::Share) => opened?,
        () = stop.drain.cancelled() => bail!(unfinished),
    };
    let outcome = tokio::select! {
        outcome = work(&opened) => outcome,
        () = stop.drain.cancelled() => Err(anyhow!(unfinished)),
    };
    let closed = opened.close().await;
    let value = outcome?;
    closed.map(|()| value)
}

/// Opens the database, works until a stop signal, which the work is told, and closes it.
pub(super) async fn while_running(
    settings: &DatabaseSettings,
    work: impl AsyncFnOnce(&OpenDatabase, CancellationToken) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let stop = signals::listen()?;
    let opened = tokio::select! {
        opened = OpenDatabase::open(settings, Ownership::Share) => opened?,
        () = stop.drain.cancelled() => return Ok(()),
    };
    let outcome = tokio::select! {
        outcome = work(&opened, stop.drain.clone()) => outcome,
        reason = opened.failed() => {
            Err(anyhow!("the private Postgres cannot be kept running: {reason}"))
        }
        () = stop.hurry.cancelled() => Ok(()),
    };
    let closed = opened.close().await;
    outcome.and(closed)
}

/// Makes the database fit to work on.
pub(super) async fn bring_up(
    database: &Database,
    pool: &PoolSettings,
    settings: &PartitionSettings,
) -> anyhow::Result<usize> {
    let facts = server_check::check(database, pool).await?;
    let (count, standing) = migrations::bring_up_to_date(database).await?;
    partitions::prepare(database, settings, &facts, standing).await?;
    Ok(count)
}

/// Refuses to work on rows that are still being made.
pub(super) async fn refuse_while_seeding(database: &Database) -> anyhow::Result<()> {
    let seeding = find_run(&database.connect().await?).await?;
    anyhow::ensure!(
        !matches!(seeding, Some((_, false))),
        "the database is being seeded: start daybook or seeder, which goes on with it, and then \
         this again"
    );
    Ok(())
}
