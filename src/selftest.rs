//! The selftest: random writes by several clients at once, and random questions whose answers
//! are held, digit for digit, against an oracle in memory.
//!
//! Meanwhile corrections are sealed in every way, killed and dropped on the way too; days are
//! detached, attached and dropped; and what is stored is audited. A question that needs rows
//! which are not at hand must be refused, naming their days; every other one be answered.
//!
//! It works in scratch schemas of its own, which it makes and drops, and never looks at
//! another one. Each is a world for itself, with its own oracle and its own seed; several are
//! at work side by side, and a long run makes new ones as others come to their end. Writers
//! are clients from outside: plain SQL through the tables, in txs of every kind. The oracle
//! (`oracle`, `amount`) shares no code with what it judges.

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
mod world;
mod writers;
mod writes;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::progress::{Progress, per_second};
pub use self::{questions::Mismatch, rounds::Counts, world::World};
use crate::{
    config::PoolSettings,
    error::{Error, ErrorKind},
    store::DatabaseTarget,
};

/// Operations of a world at most, as a rule. A long run sees many worlds: empty ones, full ones,
/// with and without days that were dropped.
pub const WORLD_OPERATIONS_MAX: u64 = 20_000;

/// What a selftest does.
#[derive(Clone, Debug)]
pub struct SelftestSettings {
    /// Operations to carry out.
    pub operations: u64,
    /// Number that everything is drawn from.
    pub seed: u64,
    /// Operations of a world at most.
    pub world_operations_max: u64,
    /// Worlds that are at work side by side.
    pub worlds: usize,
    /// Clients that write at once in each.
    pub writers: usize,
    /// Whether the scratch schemas stay.
    pub is_kept: bool,
    /// Connections of the questions of each world.
    pub pool: PoolSettings,
}

/// How a selftest ended.
#[derive(Clone, Debug, Default)]
pub struct SelftestOutcome {
    /// What was done.
    pub counts: Counts,
    /// The first answer that was not right, and in which world.
    pub mismatch: Option<(World, Mismatch)>,
    /// Whether it was stopped before its end.
    pub is_stopped: bool,
    /// Operations a second.
    pub per_second: u64,
}

/// Runs a selftest. A single world is in the schema of the target, several in schemas whose
/// names begin with it; none of them may be there yet. They are dropped at the end, however
/// that comes.
///
/// # Errors
/// If a schema is there already, or the database fails where it may not; a wrong answer
/// is no error.
pub async fn run(
    target: &DatabaseTarget,
    settings: &SelftestSettings,
    stop: &CancellationToken,
) -> Result<SelftestOutcome, Error> {
    let begun_at = Instant::now();
    let progress = Arc::new(Progress::new(settings.operations));
    let worlds = Arc::new(Mutex::new(worlds(&target.schema, settings)));
    // One world that fails ends them all.
    let stop = stop.child_token();
    let mut running = JoinSet::new();
    for _ in 0..settings.worlds.max(1) {
        let (worlds, target, settings) = (Arc::clone(&worlds), target.clone(), settings.clone());
        let (progress, stop) = (Arc::clone(&progress), stop.clone());
        let next = move || worlds.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        running.spawn(async move {
            let mut outcome = SelftestOutcome::default();
            while let Some(world) = next() {
                outcome.add(world::run(&target, &settings, world, &progress, &stop).await?);
                if outcome.is_stopped || outcome.mismatch.is_some() {
                    break;
                }
            }
            Ok::<_, Error>(outcome)
        });
    }
    let (mut outcome, mut failed) = (SelftestOutcome::default(), None);
    while let Some(ended) = running.join_next().await {
        let ended = ended.map_err(|source| Error::with_source(ErrorKind::Internal, source));
        match ended.flatten() {
            Ok(ended) => {
                if ended.mismatch.is_some() {
                    stop.cancel();
                }
                outcome.add(ended);
            }
            Err(error) => {
                stop.cancel();
                failed.get_or_insert(error);
            }
        }
    }
    progress.finish();
    if let Some(error) = failed {
        return Err(error);
    }
    outcome.is_stopped &= outcome.mismatch.is_none();
    outcome.per_second = per_second(outcome.counts.operations, begun_at.elapsed());
    Ok(outcome)
}

impl SelftestOutcome {
    fn add(&mut self, other: Self) {
        self.counts.add(other.counts);
        self.is_stopped |= other.is_stopped;
        if self.mismatch.is_none() {
            self.mismatch = other.mismatch;
        }
    }
}

/// The worlds of a run, which share its operations; each has a seed of its own.
fn worlds(schema: &str, settings: &SelftestSettings) -> VecDeque<World> {
    let count = settings.operations.div_ceil(settings.world_operations_max.max(1)).max(1);
    let world = |number| World {
        schema: if count == 1 { schema.to_owned() } else { format!("{schema}_{number}") },
        seed: settings.seed.wrapping_add(number),
        operations: settings.operations.div_ceil(count),
    };
    (0..count).map(world).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(operations: u64) -> VecDeque<World> {
        let pool = PoolSettings {
            pool_size: 1,
            totals_pool_size: 1,
            ingest_pool_size: 1,
            pool_wait_ms: 1,
            connect_timeout_ms: 1,
            statement_timeout_ms: 1,
        };
        let settings = SelftestSettings {
            operations,
            seed: u64::MAX,
            world_operations_max: 20_000,
            worlds: 2,
            writers: 1,
            is_kept: false,
            pool,
        };
        super::worlds("s", &settings)
    }

    #[test]
    fn a_short_run_is_one_world_in_the_schema_itself() {
        let world = |operations| World { schema: "s".into(), seed: u64::MAX, operations };
        assert_eq!(planned(1), [world(1)]);
        assert_eq!(planned(20_000), [world(20_000)]);
    }

    #[test]
    fn worlds_share_all_operations_and_no_seed_or_schema() {
        let worlds = planned(50_001);
        assert!(worlds.iter().map(|world| world.operations).sum::<u64>() >= 50_001);
        assert!(worlds.iter().all(|world| world.operations <= 20_000));
        let seeds: Vec<_> = worlds.iter().map(|world| world.seed).collect();
        let schemas: Vec<_> = worlds.iter().map(|world| world.schema.as_str()).collect();
        assert_eq!((seeds, schemas), (vec![u64::MAX, 0, 1], vec!["s_0", "s_1", "s_2"]));
    }
}
