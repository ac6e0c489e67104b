//! Brings the schema to what this program needs, once, however many servers start.

use std::time::{Duration, Instant};

use crate::{
    store::{
        Connection, Database,
        migrate::{self, AppliedMigration, MIGRATIONS, Migration},
    },
    upkeep::UpkeepError,
};

/// Longest wait for other servers that migrate, and time between two looks.
const TURN_WAIT_MAX: Duration = Duration::from_secs(120);
const TURN_INTERVAL: Duration = Duration::from_millis(50);

/// What the role that Daybook connects as may do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// Change the schema, which it owns.
    Owner,
    /// Answer requests in a schema that somebody else keeps up to date.
    Service,
}

/// Applies the migrations that are missing, as the owner of the schema; as another role, looks
/// that none is. Returns how many it applied, and what the role may do.
///
/// # Errors
/// As for [`migrate()`]; for another role than the owner also if migrations are missing or the
/// schema is closed to it.
pub async fn bring_up_to_date(database: &Database) -> Result<(usize, Standing), UpkeepError> {
    let client = database.connect().await?;
    let rights = migrate::rights(&client, database.schema()).await?;
    if rights.is_owner {
        return Ok((migrate(database).await?, Standing::Owner));
    }
    let how = "Run daybook migrate as the role that owns it, which grants daybook_service what it \
               needs (docs/operations.md, Roles of the database)";
    if !rights.is_open {
        return Err(UpkeepError::Unfit(format!(
            "the schema {} is closed to this role. {how}.",
            database.schema()
        )));
    }
    match missing(&migrate::applied(&client).await?)?.as_slice() {
        [] => Ok((0, Standing::Service)),
        [first, ..] => Err(UpkeepError::Unfit(format!(
            "the schema {} lacks the migration {} and what follows, and this role does not own \
             it. {how}.",
            database.schema(),
            first.name
        ))),
    }
}

/// Applies the migrations that are missing; returns how many.
///
/// # Errors
/// If a recorded migration differs from this program's or is unknown to it (then
/// nothing is changed), or if the database refuses one.
pub async fn migrate(database: &Database) -> Result<usize, UpkeepError> {
    // The lock lasts as long as this connection.
    let client = database.connect().await?;
    take_turn(&client, database.schema()).await?;
    migrate::prepare(&client).await?;
    let missing = missing(&migrate::applied(&client).await?)?;
    for migration in &missing {
        migrate::apply(&client, migration).await?;
        tracing::info!(migration = migration.name, "migrated");
    }
    Ok(missing.len())
}

/// Waits until no other server migrates this schema.
async fn take_turn(client: &Connection, schema: &str) -> Result<(), UpkeepError> {
    let begun_at = Instant::now();
    let mut is_told = false;
    while !migrate::try_lock(client, schema).await? {
        if begun_at.elapsed() > TURN_WAIT_MAX {
            return Err(UpkeepError::Unfit(format!(
                "another server has been migrating the schema {schema} for {} seconds, or some \
                 session holds its advisory lock: see pg_locks, then start again",
                TURN_WAIT_MAX.as_secs()
            )));
        }
        if !is_told {
            tracing::info!("another server migrates this schema: waiting for it");
            is_told = true;
        }
        tokio::time::sleep(TURN_INTERVAL).await;
    }
    Ok(())
}

/// The migrations that are yet to be applied.
fn missing(applied: &[AppliedMigration]) -> Result<Vec<Migration>, UpkeepError> {
    for recorded in applied {
        let Some(own) = MIGRATIONS.iter().find(|own| own.version == recorded.version) else {
            return Err(UpkeepError::Unfit(format!(
                "the database has the migration {} ({}), which this Daybook does not know: it was \
                 made by a newer one. Start that one, or restore a backup.",
                recorded.version, recorded.name
            )));
        };
        if own.checksum() != recorded.checksum {
            return Err(UpkeepError::Unfit(format!(
                "the migration {} in the database differs from this Daybook's: it was changed \
                 after it was applied. Start the Daybook that made this database, or restore a \
                 backup.",
                own.name
            )));
        }
    }
    let is_missing = |own: &&Migration| !applied.iter().any(|known| known.version == own.version);
    Ok(MIGRATIONS.iter().filter(is_missing).copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(own: &Migration) -> AppliedMigration {
        AppliedMigration {
            version: own.version,
            name: own.name.to_owned(),
            checksum: own.checksum(),
        }
    }

    #[test]
    fn versions_count_up_from_one() {
        let versions: Vec<_> = MIGRATIONS.iter().map(|own| own.version).collect();
        assert_eq!(versions, (1..).take(versions.len()).collect::<Vec<_>>());
    }

    #[test]
    fn only_what_is_not_recorded_is_missing() {
        let none = missing(&MIGRATIONS.each_ref().map(applied)).expect("all as built");
        assert!(none.is_empty());
        let rest = missing(&[applied(&MIGRATIONS[0])]).expect("as built");
        assert_eq!(rest.len(), MIGRATIONS.len() - 1);
    }

    #[test]
    fn changed_and_unknown_migrations_stop() {
        let mut changed = applied(&MIGRATIONS[0]);
        changed.checksum = "0".repeat(64);
        let text = missing(&[changed]).expect_err("changed").to_string();
        assert!(text.contains("0001_ledger") && text.contains("differs"), "{text}");
        let unknown =
            AppliedMigration { version: 99, name: "0099_x".into(), checksum: String::new() };
        let text = missing(&[unknown]).expect_err("unknown").to_string();
        assert!(text.contains("99") && text.contains("newer"), "{text}");
    }
}
