//! Daily partitions: ready ahead of today, on midnight UTC, kept so by pg_cron where
//! it is usable and by the server's own ticker where it is not.

use chrono::NaiveDate;

use crate::{
    config::{PartitionSettings, Scheduler},
    store::{Connection, Database, StoreErrorKind, days, partitions, server_facts::ServerFacts},
    upkeep::{UpkeepError, migrate::Standing},
};

/// Who runs the upkeep from now on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Keeper {
    /// A job of pg_cron, every hour.
    Cron,
    /// The server's own ticker.
    Ticker,
}

/// Adopts the tables, checks all bounds, makes partitions ahead, gives the other roles what they
/// may do and decides who keeps the partitions. A role that does not own the tables leaves to the
/// owner what only that may do, and keeps the partitions besides.
///
/// # Errors
/// If pg_partman is missing or unusable, a partition is not one UTC day, or pg_cron
/// was asked for and cannot be used.
pub async fn prepare(
    database: &Database,
    settings: &PartitionSettings,
    facts: &ServerFacts,
    standing: Standing,
) -> Result<Keeper, UpkeepError> {
    let client = database.connect().await?;
    if standing == Standing::Owner {
        partitions::adopt(&client, settings.partition_days_ahead).await?;
    }
    let misplaced = partitions::misplaced(&client).await?;
    if !misplaced.is_empty() {
        return Err(UpkeepError::Unfit(format!(
            "these partitions are not one day from midnight UTC to midnight UTC: {}. They were \
             not made by Daybook: move their rows out and drop them.",
            misplaced.join(", ")
        )));
    }
    // Another server at it does the same: none of ours is left out.
    if let Err(error) = partitions::maintain(&client).await {
        if error.kind() != StoreErrorKind::Conflict {
            return Err(error.into());
        }
        tracing::warn!("somebody holds the partitions: upkeep waits for its next round");
    }
    // Before anything is served: days may have gone while no server ran.
    while let Err(error) = days::note(&client).await {
        if error.kind() != StoreErrorKind::Conflict {
            return Err(error.into());
        }
        tracing::info!("somebody else looks which days there are: waiting for it");
    }
    if standing == Standing::Service {
        if settings.scheduler == Scheduler::Cron {
            return Err(UpkeepError::Unfit(
                "--scheduler cron: the role that owns the schema schedules the job of pg_cron, and \
                 this role does not own it. Leave the setting out: daybook migrate schedules it, \
                 and this server keeps partitions besides."
                    .to_owned(),
            ));
        }
        return Ok(Keeper::Ticker);
    }
    partitions::grant_roles(&client).await?;
    match settings.scheduler {
        Scheduler::Ticker => {
            // A job that stays does no harm: rounds wait for each other.
            if facts.is_cron_there
                && let Err(error) = partitions::unschedule(&client).await
            {
                let reason = error.server_message().unwrap_or_else(|| error.to_string());
                tracing::warn!(reason, "a job of pg_cron cannot be taken away");
            }
            Ok(Keeper::Ticker)
        }
        Scheduler::Auto | Scheduler::Cron => match schedule(&client, facts).await {
            Ok(()) => Ok(Keeper::Cron),
            Err(reason) if settings.scheduler == Scheduler::Auto => {
                tracing::info!(reason, "pg_cron is not usable: the server keeps partitions itself");
                Ok(Keeper::Ticker)
            }
            Err(reason) => Err(UpkeepError::Unfit(format!(
                "--scheduler cron: {reason}. pg_cron must be in shared_preload_libraries, \
                 cron.database_name must name this database, CREATE EXTENSION pg_cron must have \
                 been run in it, and this role needs USAGE on the schema cron."
            ))),
        },
    }
}

/// Has pg_cron run the upkeep; says why not where it cannot.
async fn schedule(client: &Connection, facts: &ServerFacts) -> Result<(), String> {
    if !facts.is_cron_there {
        return Err("pg_cron is not in this database, or closed to this role".to_owned());
    }
    let outcome = partitions::schedule(client).await;
    outcome.map_err(|error| error.server_message().unwrap_or_else(|| error.to_string()))
}

/// Makes the partitions from one day to another that are missing; returns how many.
///
/// # Errors
/// If a day is further back, or there would be more partitions, than the settings allow.
pub async fn make_days(
    database: &Database,
    settings: &PartitionSettings,
    first: NaiveDate,
    last: NaiveDate,
) -> Result<i32, UpkeepError> {
    let client = database.connect().await?;
    let most = settings.partition_count_max as usize;
    // One more than allowed is enough to be refused with the number.
    let days: Vec<_> = first.iter_days().take_while(|&day| day <= last).take(most + 1).collect();
    let (back_max, count_max) = (settings.partition_days_back_max, settings.partition_count_max);
    Ok(partitions::ensure(&client, &days, back_max, count_max).await?)
}

/// Runs rounds of upkeep on one database.
pub struct PartitionUpkeep {
    database: Database,
}

/// Days that may be missing ahead before pg_cron is taken to have stopped: it runs every
/// hour, so one is missing for an hour after midnight at most.
const DAYS_MISSING_MAX: i64 = 1;

impl PartitionUpkeep {
    /// Upkeep of this database.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Looks whether somebody else keeps the partitions ahead; if not, says so and runs a
    /// round itself.
    ///
    /// # Errors
    /// If the database cannot answer or the upkeep failed.
    pub async fn look(&self, days_wanted: u16) -> Result<(), UpkeepError> {
        let client = self.database.connect().await?;
        // Today's partition and those of the days ahead.
        let missing = i64::from(days_wanted) + 1 - partitions::days_ahead(&client).await?;
        if missing > DAYS_MISSING_MAX {
            tracing::warn!(missing, "pg_cron does not keep partitions ahead: doing it here");
            self.maintain().await?;
        }
        Ok(())
    }

    /// One round of upkeep. Says whether it was this server's turn.
    ///
    /// # Errors
    /// If the upkeep failed.
    pub async fn maintain(&self) -> Result<bool, UpkeepError> {
        let client = self.database.connect().await?;
        let made = partitions::maintain(&client).await?;
        if let Some(made) = made.filter(|&made| made > 0) {
            tracing::info!(made, "closed holes between partitions");
        }
        Ok(made.is_some())
    }
}
