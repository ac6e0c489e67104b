//! One world of a selftest: a scratch schema from its making to its end.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::{
    config::{PartitionSettings, Scheduler},
    error::{Error, ErrorKind},
    selftest::{
        SelftestOutcome, SelftestSettings,
        progress::Progress,
        rounds::{Counts, Halt, Run},
    },
    store::{Database, DatabaseTarget, selftest as store},
    upkeep::{migrate, partitions, server_check},
};

/// Days ahead that get partitions: few, because each costs every question something.
const DAYS_AHEAD: u16 = 2;

/// Longest wait for connections to end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// A world: where it is, what it is drawn from, and how long it lasts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct World {
    /// Its schema.
    pub schema: String,
    /// Number that everything in it is drawn from.
    pub seed: u64,
    /// Operations to carry out.
    pub operations: u64,
}

/// Runs a world in its schema, which must not be there yet, and drops the schema at the end,
/// however that comes.
///
/// # Errors
/// If the schema is there already, or the database fails where it may not.
pub(super) async fn run(
    target: &DatabaseTarget,
    settings: &SelftestSettings,
    world: World,
    progress: &Progress,
    stop: &CancellationToken,
) -> Result<SelftestOutcome, Error> {
    let target = DatabaseTarget { schema: world.schema.clone(), ..target.clone() };
    let database = Database::new(&target, &settings.pool)?;
    if store::has_schema(&database).await? {
        let text = "the scratch schema is there already: it is somebody else's";
        return Err(Error::with_source(ErrorKind::Internal, text));
    }
    let mut counts = Counts::default();
    let halt = tokio::select! {
        halt = go(&database, settings, &world, &mut counts, progress) => Some(halt),
        () = stop.cancelled() => None,
    };
    let dropped = match settings.is_kept {
        true => Ok(()),
        false => store::drop_schema(&database, &format!("{}:", world.schema)).await,
    };
    database.close(CLOSE_TIMEOUT).await;
    let is_stopped = halt.is_none();
    let mismatch = match halt {
        None | Some(Ok(())) => None,
        Some(Err(Halt::Mismatch(mismatch))) => Some((world, *mismatch)),
        Some(Err(Halt::Fault(error))) => return Err(error),
    };
    dropped?;
    Ok(SelftestOutcome { counts, mismatch, is_stopped, per_second: 0 })
}

async fn go(
    database: &Database,
    settings: &SelftestSettings,
    world: &World,
    counts: &mut Counts,
    progress: &Progress,
) -> Result<(), Halt> {
    prepare(database, settings).await?;
    // On the heap: the future holds every writer and every question of a round.
    let outcome = Box::pin(async {
        let mut run = Run::begin(database, settings.writers, world, counts, progress).await?;
        run.go_on().await
    });
    outcome.await
}

/// Makes the scratch schema, as a start of Daybook does.
async fn prepare(database: &Database, settings: &SelftestSettings) -> Result<(), Error> {
    let unfit = |source| Error::with_source(ErrorKind::Internal, source);
    let partition_settings = PartitionSettings {
        partition_days_ahead: DAYS_AHEAD,
        partition_days_back_max: 14_610,
        partition_count_max: 10_000,
        scheduler: Scheduler::Ticker,
        ticker_seconds: 600,
        retention_days: 0,
        price_retention_days: 0,
    };
    let facts = server_check::check(database, &settings.pool).await.map_err(unfit)?;
    migrate::migrate(database).await.map_err(unfit)?;
    partitions::prepare(database, &partition_settings, &facts, migrate::Standing::Owner)
        .await
        .map_err(unfit)?;
    Ok(())
}
