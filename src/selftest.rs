//! The selftest: random writes by several clients at once, and random questions whose answers
//! are held, digit for digit, against an oracle in memory.
//!
//! Meanwhile corrections are sealed in every way, killed and dropped on the way too; days are
//! detached, attached and dropped; and what is stored is audited. A question that needs rows
//! which are not at hand must be refused, naming their days; every other one be answered.
//!
//! It works in a scratch schema of its own, which it makes and drops, and never looks at
//! another one. Writers are clients from outside: plain SQL through the tables, in txs of
//! every kind. The oracle (`oracle`, `amount`) shares no code with what it judges.

mod amount;
mod draws;
mod further;
mod histogram;
mod oracle;
mod people;
mod progress;
mod questions;
mod rounds;
mod sealing;
mod series;
mod special;
mod writers;
mod writes;

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use self::{
    progress::{Progress, per_second},
    rounds::{Halt, Run},
};
pub use self::{questions::Mismatch, rounds::Counts};
use crate::{
    config::{PartitionSettings, PoolSettings, Scheduler},
    error::{Error, ErrorKind},
    store::{Database, DatabaseTarget, selftest as store},
    upkeep::{migrate, partitions, server_check},
};

/// Days ahead that get partitions: few, because each costs every question something.
const DAYS_AHEAD: u16 = 2;

/// Longest wait for connections to end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// What a selftest does.
#[derive(Clone, Debug)]
pub struct SelftestSettings {
    /// Operations to carry out.
    pub operations: u64,
    /// Number that everything is drawn from.
    pub seed: u64,
    /// Clients that write at once.
    pub writers: usize,
    /// Whether the scratch schema stays.
    pub is_kept: bool,
    /// Connections of the questions.
    pub pool: PoolSettings,
}

/// How a selftest ended.
#[derive(Clone, Debug, Default)]
pub struct SelftestOutcome {
    /// What was done.
    pub counts: Counts,
    /// The first answer that was not right.
    pub mismatch: Option<Mismatch>,
    /// Whether it was stopped before its end.
    pub is_stopped: bool,
    /// Operations a second.
    pub per_second: u64,
}

/// Runs a selftest in the schema of the target, which must not be there yet. The schema is
/// dropped at the end, however that comes.
///
/// # Errors
/// If the schema is there already, or the database fails where it may not; a wrong answer
/// is no error.
pub async fn run(
    target: &DatabaseTarget,
    settings: &SelftestSettings,
    stop: &CancellationToken,
) -> Result<SelftestOutcome, Error> {
    let database = Database::new(target, &settings.pool)?;
    if store::has_schema(&database).await? {
        let text = "the scratch schema is there already: it is somebody else's";
        return Err(Error::with_source(ErrorKind::Internal, text));
    }
    let (mut counts, begun_at) = (Counts::default(), Instant::now());
    let halt = tokio::select! {
        halt = go(&database, settings, &mut counts) => Some(halt),
        () = stop.cancelled() => None,
    };
    let per_second = per_second(counts.operations, begun_at.elapsed());
    let dropped = match settings.is_kept {
        true => Ok(()),
        false => store::drop_schema(&database, database.schema()).await,
    };
    database.close(CLOSE_TIMEOUT).await;
    let is_stopped = halt.is_none();
    let mismatch = match halt {
        None | Some(Ok(())) => None,
        Some(Err(Halt::Mismatch(mismatch))) => Some(*mismatch),
        Some(Err(Halt::Fault(error))) => return Err(error),
    };
    dropped?;
    Ok(SelftestOutcome { counts, mismatch, is_stopped, per_second })
}

async fn go(
    database: &Database,
    settings: &SelftestSettings,
    counts: &mut Counts,
) -> Result<(), Halt> {
    prepare(database, settings).await?;
    let progress = Progress::new(settings.operations);
    // On the heap: the future holds every writer and every question of a round.
    let outcome = Box::pin(async {
        let mut run = Run::begin(database, settings, counts, &progress).await?;
        run.go_on().await
    });
    let outcome = outcome.await;
    progress.finish();
    outcome
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
    };
    let facts = server_check::check(database, &settings.pool).await.map_err(unfit)?;
    migrate::migrate(database).await.map_err(unfit)?;
    partitions::prepare(database, &partition_settings, &facts).await.map_err(unfit)?;
    Ok(())
}
