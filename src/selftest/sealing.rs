//! Sealing, as often as the selftest likes: whole, dropped on its way, and killed.

use std::time::Duration;

use crate::{
    error::{Error, ErrorKind},
    store::{Database, selftest::Outsider},
};

/// Folds what is pending into the running totals; returns how many rows that were.
///
/// Nothing is sealed yet: this is the one place where `upkeep` is to be asked for it.
async fn seal(_database: &Database) -> Result<u64, Error> {
    tokio::task::yield_now().await;
    Ok(0)
}

/// How a sealing goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum SealWay {
    /// To its end.
    Whole,
    /// Its future is dropped after this time.
    Dropped(Duration),
    /// Its connection is ended by the server after this time.
    Killed(Duration),
}

/// Seals on connections that can be told from all others.
pub(super) struct Sealer {
    database: Database,
    application_name: String,
    killer: Outsider,
}

impl Sealer {
    pub(super) async fn new(database: &Database) -> Result<Self, Error> {
        let application_name = format!("{} sealing", database.schema());
        let killer = Outsider::connect(database).await?;
        Ok(Self { database: database.renamed(&application_name), application_name, killer })
    }

    /// Seals, one way or another. Being killed, and others that are in the way, are no
    /// faults.
    pub(super) async fn run(&mut self, way: SealWay) -> Result<(), Error> {
        let outcome = match way {
            SealWay::Whole => seal(&self.database).await,
            SealWay::Dropped(after) => {
                tokio::time::timeout(after, seal(&self.database)).await.unwrap_or(Ok(0))
            }
            SealWay::Killed(after) => {
                let killing = async {
                    tokio::time::sleep(after).await;
                    self.killer.kill(&self.application_name).await
                };
                let (sealed, killed) = tokio::join!(seal(&self.database), killing);
                killed?;
                sealed
            }
        };
        let is_killed = matches!(way, SealWay::Killed(_));
        let Err(error) = outcome else { return Ok(()) };
        let is_in_the_way = *error.kind() == ErrorKind::Aborted;
        let is_cut_off = is_killed && matches!(error.kind(), ErrorKind::Unavailable(_));
        if is_in_the_way || is_cut_off { Ok(()) } else { Err(error) }
    }
}
