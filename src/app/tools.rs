//! Commands that come and go: `migrate`, `psql`, and the `seeder` binary.

use std::process::ExitCode;

use crate::{
    app::{
        checks,
        database::{self, OpenDatabase, Ownership},
        serve::loaders,
        signals,
    },
    cli::{MigrateArgs, PsqlArgs, SeederCli},
    cluster,
    config::{PartitionSettings, PoolSettings},
    seed::{self, SeedOutcome},
    store::Database,
    upkeep::{migrate as migrations, partitions, server_check},
};

/// Brings the schema up to date.
///
/// # Errors
/// If the database cannot be opened or is not fit.
pub async fn migrate(arguments: &MigrateArgs) -> anyhow::Result<()> {
    checks::migrate(arguments)?;
    let opened = OpenDatabase::open(&arguments.database, Ownership::Share).await?;
    let outcome = async {
        let database = Database::new(&opened.target, &arguments.pool)?;
        server_check::wait(&database, database::patience(&arguments.database)).await?;
        let count = bring_up(&database, &arguments.pool, &arguments.partitions).await?;
        tracing::info!(count, "the schema is up to date");
        Ok(())
    }
    .await;
    let closed = opened.close().await;
    outcome.and(closed)
}

/// Fills an empty database.
///
/// # Errors
/// If the settings are wrong, or the database cannot be opened or is not fit.
pub async fn fill(arguments: &SeederCli) -> anyhow::Result<()> {
    let plan = checks::seeder(arguments)?;
    let stop = signals::listen()?;
    let opened = OpenDatabase::open(&arguments.database, Ownership::Share).await?;
    let work = async {
        let database = Database::new(&opened.target, &arguments.pool)?;
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
    };
    let outcome = tokio::select! {
        outcome = work => outcome,
        () = stop.drain.cancelled() => {
            Err(anyhow::anyhow!("stopped before the seeding was complete: start again to go on"))
        }
    };
    let closed = opened.close().await;
    outcome.and(closed)
}

/// Opens psql on the private Postgres; returns psql's exit code.
///
/// # Errors
/// If there is no psql, or the private Postgres cannot be started.
pub async fn psql(arguments: &PsqlArgs) -> anyhow::Result<ExitCode> {
    Ok(ExitCode::from(cluster::psql(&arguments.cluster, &arguments.arguments).await?))
}

async fn bring_up(
    database: &Database,
    pool: &PoolSettings,
    settings: &PartitionSettings,
) -> anyhow::Result<usize> {
    let facts = server_check::check(database, pool).await?;
    let count = migrations::migrate(database).await?;
    partitions::prepare(database, settings, &facts).await?;
    Ok(count)
}
