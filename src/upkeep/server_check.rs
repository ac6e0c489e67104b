//! Whether the server is fit for Daybook: version, durability, room.

use std::time::{Duration, Instant};

use crate::{
    config::PoolSettings,
    store::{
        Database, StoreErrorKind, migrate,
        server_facts::{ServerFacts, server_facts},
    },
    upkeep::UpkeepError,
};

/// Oldest server that Daybook runs on.
const VERSION_NUM_MIN: i32 = 150_000;

/// Connections outside the pool: health, the watch over days, upkeep, retention.
const CONNECTIONS_BESIDE: usize = 4;

/// Places in the lock table that a question over a year needs in one session: a
/// partition and its three indexes each.
const LOCKS_PER_SESSION: i64 = 4 * 396;

/// Time between two tries to reach a server that is away.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// Waits until the server accepts a connection, for `patience` at most.
///
/// # Errors
/// What the last try said. A server that answers and refuses (a wrong password) is not
/// waited for.
pub async fn wait(database: &Database, patience: Duration) -> Result<(), UpkeepError> {
    let begun_at = Instant::now();
    let mut is_told = false;
    loop {
        match database.connect().await {
            Ok(_) => return Ok(()),
            Err(error)
                if error.kind() == StoreErrorKind::Disconnected
                    && begun_at.elapsed() < patience =>
            {
                if !is_told {
                    tracing::info!("waiting for the database to accept connections");
                    is_told = true;
                }
                tokio::time::sleep(RETRY_INTERVAL).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Reads the facts and holds them against what Daybook needs.
///
/// # Errors
/// Names what is missing or too small, and what to do.
pub async fn check(database: &Database, pool: &PoolSettings) -> Result<ServerFacts, UpkeepError> {
    let client = database.connect().await?;
    let facts = server_facts(&client).await?;
    judge(&facts, pool).map_err(UpkeepError::Unfit)?;
    let sessions = i64::try_from(pool.pool_size).unwrap_or(i64::MAX);
    let locks = sessions.saturating_mul(LOCKS_PER_SESSION);
    if facts.lock_count_max < locks {
        tracing::warn!(
            "max_locks_per_transaction is small: {} questions at once over a year of partitions \
             need {locks} locks, and the server has room for {}. Set it to 1024.",
            pool.pool_size,
            facts.lock_count_max
        );
    }
    Ok(facts)
}

/// Whether the role that requests are answered as may do so.
///
/// # Errors
/// If the database does not let it in, or the schema is closed to it.
pub async fn check_role(database: &Database) -> Result<(), UpkeepError> {
    let client = database.connect().await?;
    if !migrate::rights(&client, database.schema()).await?.is_open {
        return Err(UpkeepError::Unfit(format!(
            "the schema {} is closed to the role of --database-url: let it be daybook_service, or \
             a member of that role, and run daybook migrate again, which grants what it needs",
            database.schema()
        )));
    }
    Ok(())
}

fn judge(facts: &ServerFacts, pool: &PoolSettings) -> Result<(), String> {
    if facts.version_num < VERSION_NUM_MIN {
        return Err(format!(
            "the server is Postgres {}; Daybook needs 15 or newer",
            facts.version_num / 10_000
        ));
    }
    if facts.partman_version.is_none() {
        let how = if facts.is_partman_available {
            "run, as a superuser in this database: CREATE SCHEMA partman; \
             CREATE EXTENSION pg_partman SCHEMA partman; and let Daybook's role use it \
             (docs/operations.md has the grants)"
        } else {
            "install it on the server (on Debian: postgresql-NN-partman with the server's version \
             for NN)"
        };
        return Err(format!("the database lacks the extension pg_partman: {how}"));
    }
    for (is_on, name) in
        [(facts.is_fsync_on, "fsync"), (facts.is_full_page_writes_on, "full_page_writes")]
    {
        if !is_on {
            return Err(format!(
                "{name} is off on the server: a crash would lose rows. Turn it on."
            ));
        }
    }
    let needed =
        pool.pool_size + pool.totals_pool_size + pool.ingest_pool_size + CONNECTIONS_BESIDE;
    if i64::try_from(needed).is_ok_and(|needed| needed > facts.connections_max) {
        return Err(format!(
            "max_connections is too small: --pool-size {}, --totals-pool-size {}, \
             --ingest-pool-size {} and {CONNECTIONS_BESIDE} more are needed, and the server has {} \
             for ordinary roles",
            pool.pool_size, pool.totals_pool_size, pool.ingest_pool_size, facts.connections_max
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(change: fn(&mut ServerFacts)) -> Result<(), String> {
        let mut facts = ServerFacts {
            version_num: 150_018,
            lock_count_max: 102_400,
            connections_max: 97,
            is_fsync_on: true,
            is_full_page_writes_on: true,
            partman_version: Some("4.7.2".to_owned()),
            is_partman_available: true,
            is_cron_there: true,
        };
        change(&mut facts);
        let pool = PoolSettings {
            pool_size: 8,
            totals_pool_size: 2,
            ingest_pool_size: 4,
            pool_wait_ms: 1,
            connect_timeout_ms: 1,
            statement_timeout_ms: 1,
        };
        judge(&facts, &pool)
    }

    #[test]
    fn unfit_servers_are_told_what_they_lack() {
        assert_eq!(judged(|_| ()), Ok(()));
        for (change, word) in [
            ((|f| f.version_num = 140_012) as fn(&mut ServerFacts), "Postgres 14"),
            (|f| f.partman_version = None, "CREATE EXTENSION pg_partman"),
            (
                |f| {
                    f.partman_version = None;
                    f.is_partman_available = false;
                },
                "postgresql-NN-partman",
            ),
            (|f| f.is_fsync_on = false, "fsync"),
            (|f| f.is_full_page_writes_on = false, "full_page_writes"),
            (|f| f.connections_max = 10, "max_connections"),
        ] {
            let text = judged(change).expect_err("unfit");
            assert!(text.contains(word), "{text}");
        }
    }
}
