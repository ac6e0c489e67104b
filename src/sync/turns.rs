//! Turns to ask a source: waited for before each call, and what came of the call noted for
//! everybody.

use std::time::Duration;

use chrono::{DateTime, Days, Utc};

use crate::{
    outbound::source_error::SourceError,
    store::{
        Database, StoreError,
        sync_sources::{self, Block, SourceKey, SourceStanding, Turn},
    },
    sync::{
        error::JobError,
        networks::{SyncNetwork, SyncSource},
    },
    telemetry::metrics::{self, SourceTrouble},
};

/// How long a call waits for its turn at most before the job makes room for another one.
const TURN_WAIT_MAX: Duration = Duration::from_secs(60);

/// First wait after a source failed; doubled with each failure in a row.
const FAILURE_WAIT: Duration = Duration::from_secs(1);

/// Longest such wait.
const FAILURE_WAIT_MAX: Duration = Duration::from_secs(600);

/// Wait where a source says that it is asked too often, and not for how long.
const LIMITED_WAIT: Duration = Duration::from_secs(10);

/// Wait where it refuses the key, or whoever asks from here.
const FORBIDDEN_WAIT: Duration = Duration::from_secs(3_600);

/// How much longer a source may let wait than one that stands behind it in the file.
const PREFERENCE: Duration = Duration::from_secs(2);

/// Longest sleep between two looks whether there is a turn: others may give way.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// The turns of one source with one key, for as long as one walk asks it.
#[derive(Clone)]
pub struct Turns {
    database: Database,
    /// The source.
    pub source: SyncSource,
}

impl Turns {
    /// The first source of a network that may be asked, by the order of the file among those whose
    /// turn is as soon; `is_fit` says which come into question.
    ///
    /// # Errors
    /// `NoSource` if all of them are left alone for now, or there is none.
    pub async fn pick(
        database: &Database,
        network: &SyncNetwork,
        is_fit: impl Fn(&SyncSource) -> bool,
    ) -> Result<Self, JobError> {
        let names: Vec<&str> =
            network.sources.iter().map(|source| source.key.source.as_str()).collect();
        let standings = sync_sources::list(database, &names).await?;
        let mut soonest: Option<(Duration, &SyncSource)> = None;
        let mut blocked: Option<Duration> = None;
        for source in network.sources.iter().filter(|source| is_fit(source)) {
            let standing = standings.iter().find(|standing| standing.key == source.key);
            let wait = match turn_of(source, standing) {
                Turn::Now => Duration::ZERO,
                Turn::Later(wait) => wait.saturating_sub(PREFERENCE),
                Turn::Blocked(wait) => {
                    blocked = Some(blocked.map_or(wait, |least| least.min(wait)));
                    continue;
                }
            };
            if soonest.is_none_or(|(least, _)| wait < least) {
                soonest = Some((wait, source));
            }
        }
        match soonest {
            Some((_, source)) => Ok(Self { database: database.clone(), source: source.clone() }),
            None => Err(JobError::NoSource { wait: blocked }),
        }
    }

    /// Waits for a turn, makes the call, and notes for everybody what it says of the source. The
    /// call must be one question; it is not begun before its turn.
    ///
    /// # Errors
    /// `Source` with what the source said, `NoSource` if it is left alone, `Store`.
    pub async fn call<T>(
        &self,
        call: impl Future<Output = Result<T, SourceError>>,
    ) -> Result<T, JobError> {
        self.wait().await?;
        metrics::source_called(&self.source.key.source);
        let outcome = call.await;
        self.settle(outcome.as_ref().err()).await?;
        outcome.map_err(JobError::Source)
    }

    async fn wait(&self) -> Result<(), JobError> {
        let begun_at = tokio::time::Instant::now();
        loop {
            let wait = match sync_sources::take(&self.database, &self.source.key, self.source.price)
                .await?
            {
                Turn::Now => return Ok(()),
                Turn::Blocked(wait) => return Err(JobError::NoSource { wait: Some(wait) }),
                Turn::Later(wait) => wait,
            };
            if begun_at.elapsed() > TURN_WAIT_MAX.max(self.source.price.interval * 4) {
                return Err(JobError::NoSource { wait: Some(wait) });
            }
            // Drawn, so that those who wait for the same moment do not all come at once.
            let drawn = Duration::from_millis(rand::random_range(0..20));
            tokio::time::sleep(wait.min(LOOK_INTERVAL) + drawn).await;
        }
    }

    async fn settle(&self, error: Option<&SourceError>) -> Result<(), StoreError> {
        let Some(error) = error else {
            return sync_sources::note_well(&self.database, &self.source.key).await;
        };
        metrics::source_refused(&self.source.key.source, trouble(error));
        let (wait, is_failure) = match error {
            SourceError::RateLimited { wait } => (wait.unwrap_or(LIMITED_WAIT), wait.is_none()),
            SourceError::QuotaUsedUp { wait } => {
                (wait.unwrap_or_else(|| until_midnight(Utc::now())), false)
            }
            SourceError::Forbidden(_) => (FORBIDDEN_WAIT, false),
            SourceError::Unavailable { wait, .. } => {
                (wait.unwrap_or_default().max(FAILURE_WAIT), true)
            }
            SourceError::Malformed(_) => (FAILURE_WAIT, true),
            // About the question, not about the source.
            SourceError::TooMuch(_)
            | SourceError::Ahead(_)
            | SourceError::UnknownPlace(_)
            | SourceError::Unsupported(_) => {
                return sync_sources::note_well(&self.database, &self.source.key).await;
            }
        };
        let why = error.to_string();
        let key: &SourceKey = &self.source.key;
        metrics::source_paused(&key.source);
        tracing::info!(source = key.source, key = key.key_number, %error, "a source is left alone");
        let block = Block { wait, why: &why, is_failure, wait_max: FAILURE_WAIT_MAX };
        sync_sources::block(&self.database, key, block).await
    }
}

/// What an error of a source is counted as.
fn trouble(error: &SourceError) -> SourceTrouble {
    match error {
        SourceError::RateLimited { .. } => SourceTrouble::RateLimited,
        SourceError::QuotaUsedUp { .. } => SourceTrouble::UsedUp,
        SourceError::Forbidden(_) => SourceTrouble::Forbidden,
        SourceError::Unavailable { .. } => SourceTrouble::Unavailable,
        SourceError::Malformed(_) => SourceTrouble::Malformed,
        SourceError::TooMuch(_)
        | SourceError::Ahead(_)
        | SourceError::UnknownPlace(_)
        | SourceError::Unsupported(_) => SourceTrouble::Question,
    }
}

/// When a source may be asked, by what is known of it.
fn turn_of(source: &SyncSource, standing: Option<&SourceStanding>) -> Turn {
    let Some(standing) = standing else { return Turn::Now };
    let is_used_up =
        source.price.per_day.is_some_and(|most| standing.used + source.price.cost > most);
    match standing.turn {
        Turn::Blocked(wait) => Turn::Blocked(wait),
        Turn::Now | Turn::Later(_) if is_used_up => Turn::Blocked(until_midnight(Utc::now())),
        Turn::Now => Turn::Now,
        Turn::Later(wait) => Turn::Later(wait),
    }
}

/// Until the next midnight in UTC, when days of quotas end.
fn until_midnight(now: DateTime<Utc>) -> Duration {
    let next = now.date_naive().checked_add_days(Days::new(1));
    let midnight = next.and_then(|day| day.and_hms_opt(0, 0, 0)).map(|at| at.and_utc());
    midnight.and_then(|at| (at - now).to_std().ok()).unwrap_or(Duration::from_secs(86_400))
}
