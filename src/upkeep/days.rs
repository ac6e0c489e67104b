//! Days and their rows: notices days that somebody detached, and drops old ones where
//! retention is asked for.

use chrono::NaiveDate;

use crate::{
    store::{
        Connection, Database, StoreError, StoreErrorKind, days,
        price_days::{self, OldestPriceDay},
    },
    upkeep::UpkeepError,
};

/// Watches for days that come and go, on a connection of its own.
pub struct DayWatch {
    database: Database,
    connection: Option<Connection>,
}

impl DayWatch {
    /// A watch over this database, not yet connected.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database, connection: None }
    }

    /// Looks once. From its end on, questions that need rows of days that are gone are
    /// refused.
    ///
    /// # Errors
    /// If the database did not answer; the connection is then given up.
    pub async fn look(&mut self) -> Result<(), UpkeepError> {
        let outcome = self.note().await;
        if outcome.is_err() {
            self.connection = None;
        }
        Ok(outcome?)
    }

    async fn note(&mut self) -> Result<(), StoreError> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(self.database.connect().await?),
        };
        days::note(connection).await.map(drop)
    }
}

/// What one step of retention came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// This day was dropped, with its rows.
    Dropped(NaiveDate),
    /// Nothing is left to drop.
    Done,
    /// Somebody holds the day, or another server is at it: nothing was done.
    Held,
    /// Some of this day has to be folded first: nothing was dropped.
    Unfolded(NaiveDate),
}

/// What table's days are dropped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Table {
    Transactions,
    Prices,
}

/// Drops days that are older than asked to be kept.
pub struct Retention {
    database: Database,
    table: Table,
    retention_days: u32,
}

impl Retention {
    /// Keeps today and so many days before it.
    #[must_use]
    pub fn new(database: Database, retention_days: u32) -> Self {
        Self { database, table: Table::Transactions, retention_days }
    }

    /// The same for prices: what the ticks of dropped days come to stays.
    #[must_use]
    pub fn of_prices(database: Database, retention_days: u32) -> Self {
        Self { database, table: Table::Prices, retention_days }
    }

    /// Drops the oldest day that is too old, if there is one.
    ///
    /// # Errors
    /// If the database cannot answer, or refuses for another reason than a lock.
    pub async fn step(&self) -> Result<Step, UpkeepError> {
        let client = self.database.connect().await?;
        let step = match self.table {
            Table::Transactions => {
                let dropped = days::drop_oldest(&client, self.retention_days).await;
                dropped.map(|day| day.map_or(Step::Done, Step::Dropped))
            }
            Table::Prices => {
                let oldest = price_days::drop_oldest(&client, self.retention_days).await;
                oldest.map(|oldest| oldest.map_or(Step::Done, step_of))
            }
        };
        match step {
            Ok(step) => {
                if let Step::Dropped(day) = step {
                    tracing::info!(%day, table = ?self.table, "retention dropped a day");
                }
                Ok(step)
            }
            Err(error) if error.kind() == StoreErrorKind::Conflict => Ok(Step::Held),
            Err(error) => Err(error.into()),
        }
    }
}

fn step_of(OldestPriceDay { day, is_dropped }: OldestPriceDay) -> Step {
    if is_dropped { Step::Dropped(day) } else { Step::Unfolded(day) }
}
