//! Sealing, as often as the selftest likes: whole, in small batches, by several at once,
//! dropped on its way, and killed.

use std::time::Duration;

use futures_util::future;
use rand::RngExt;

use crate::{
    error::{Error, ErrorKind},
    selftest::draws::Draws,
    store::{Database, StoreError, StoreErrorKind, selftest::Outsider},
    upkeep::sealing::{SEALED_ROWS_MAX, Sealing, seal_some},
};

/// Small txs of one sealing: many more would tell nothing new, and take nearly all the time.
const SMALL_TXS: usize = 6;

/// How a sealing goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum SealWay {
    /// To its end, so many rows a tx to begin with.
    Whole(i64),
    /// One tx of so many rows: others are left.
    Part(i64),
    /// Until so few are left, as the worker does.
    Leaving(i64),
    /// So many at once, with so many rows a tx.
    Together(usize, i64),
    /// So many rows a tx; its future is dropped after this time.
    Dropped(i64, Duration),
    /// So many rows a tx; its connection is ended by the server after this time.
    Killed(i64, Duration),
}

impl SealWay {
    /// Draws one.
    pub(super) fn draw(draws: &mut Draws) -> Self {
        let rows = match draws.rng.random_range(0..4) {
            0 => draws.rng.random_range(1..8),
            1 => draws.rng.random_range(8..200),
            _ => SEALED_ROWS_MAX,
        };
        let after = Duration::from_micros(draws.rng.random_range(0..20_000));
        match draws.rng.random_range(0..12) {
            0 => Self::Dropped(rows, after),
            1 => Self::Killed(rows, after),
            2 => Self::Together(draws.rng.random_range(2..4), rows),
            3 => Self::Leaving(draws.rng.random_range(1..100)),
            4..=6 => Self::Part(draws.rng.random_range(1..100)),
            _ => Self::Whole(rows),
        }
    }

    /// What kind it is, for the counts.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Whole(_) => "seal",
            Self::Part(_) => "seal of a part",
            Self::Leaving(_) => "seal that leaves a few",
            Self::Together(..) => "seal by several at once",
            Self::Dropped(..) => "seal dropped on its way",
            Self::Killed(..) => "seal killed on its way",
        }
    }
}

/// Seals on connections that can be told from all others.
pub(super) struct Sealer {
    database: Database,
    application_name: String,
    worker: Sealing,
    killer: Outsider,
}

impl Sealer {
    pub(super) async fn new(database: &Database) -> Result<Self, Error> {
        let application_name = format!("{} sealing", database.schema());
        let killer = Outsider::connect(database).await?;
        let database = database.renamed(&application_name);
        let worker = Sealing::new(database.clone(), database.clone());
        Ok(Self { database, application_name, worker, killer })
    }

    /// Seals, one way or another. That it is killed is no fault; that anybody is in its way
    /// is one.
    pub(super) async fn run(&mut self, way: SealWay) -> Result<(), Error> {
        let database = &self.database;
        match way {
            SealWay::Whole(rows) => seal_all(database, rows).await?,
            SealWay::Part(rows) => {
                let client = database.connect().await?;
                seal_some(&client, rows).await.map(drop)?;
            }
            SealWay::Leaving(rows) => {
                let sealed = self.worker.seal(rows).await;
                sealed.map_err(|error| Error::with_source(ErrorKind::Internal, error))?;
            }
            SealWay::Together(count, rows) => {
                let all = (0..count).map(|_| seal_all(database, rows));
                future::try_join_all(all).await.map(drop)?;
            }
            SealWay::Dropped(rows, after) => {
                let sealing = tokio::time::timeout(after, seal_all(database, rows));
                sealing.await.unwrap_or(Ok(()))?;
            }
            SealWay::Killed(rows, after) => {
                let killing = async {
                    tokio::time::sleep(after).await;
                    self.killer.kill(&self.application_name).await
                };
                let (sealed, killed) = tokio::join!(seal_all(database, rows), killing);
                killed?;
                // The worker keeps a connection: it was ended too.
                self.worker = Sealing::new(self.database.clone(), self.database.clone());
                let is_cut_off = |error: &StoreError| error.kind() == StoreErrorKind::Disconnected;
                match sealed {
                    Err(error) if !is_cut_off(&error) => return Err(error.into()),
                    Ok(()) | Err(_) => {}
                }
            }
        }
        Ok(())
    }
}

/// Folds all corrections, so many rows a tx to begin with.
async fn seal_all(database: &Database, rows: i64) -> Result<(), StoreError> {
    let client = database.connect().await?;
    for place in 0.. {
        let rows = if place < SMALL_TXS { rows } else { SEALED_ROWS_MAX };
        match seal_some(&client, rows).await? {
            Some(count) if count > 0 => {}
            // Nothing is left, or somebody else is at it.
            Some(_) | None => return Ok(()),
        }
    }
    Ok(())
}
