//! Taking transactions and price ticks in: from streams, from single requests, from files.
//!
//! Everything that is not a statement lies here: what a row must be, whose accounts and days
//! are looked up, what becomes of a row whose id is known. Called by `grpc` and by whatever
//! else brings rows; knows neither requests nor files.

mod chunk;
mod days;
pub mod record_prices;
pub mod record_transactions;
pub mod recorded;
mod strangers;

use std::sync::Arc;

use chrono::NaiveDate;
use tokio::sync::Semaphore;

pub use crate::ingest::record_transactions::{ChunkOutcome, RecordOptions};
use crate::{
    config::PartitionSettings,
    ingest::{
        days::{DayLimits, DayTable, Days},
        recorded::RecordedRows,
    },
    store::{
        Database, account_ids::AccountIds, assets::Assets, coverage::Coverages, symbols::SymbolIds,
    },
};

/// Most rows of a chunk.
pub const CHUNK_ROWS_MAX: usize = 5_000;

/// Records transactions in one database. Clones share what they know and what they may use.
#[derive(Clone)]
pub struct Ingest {
    database: Database,
    accounts: AccountIds,
    assets: Assets,
    coverages: Coverages,
    days: Arc<Days>,
    symbols: SymbolIds,
    price_days: Arc<Days>,
    /// As many chunks are at work as there are connections for them: the others wait here,
    /// in turn, and not for a connection, which they would give up after a while.
    turns: Arc<Semaphore>,
    recorded: RecordedRows,
}

impl Ingest {
    /// Records in this database, on connections of its own.
    #[must_use]
    pub fn new(database: &Database, partitions: &PartitionSettings) -> Self {
        let database = database.for_ingest();
        let (limits, price_limits) = (DayLimits::new(partitions), DayLimits::of_prices(partitions));
        Self {
            accounts: AccountIds::new(database.clone()),
            assets: Assets::new(database.clone()),
            coverages: Coverages::new(database.clone(), None),
            days: Arc::new(Days::new(DayTable::Transactions, database.clone(), limits)),
            symbols: SymbolIds::new(database.clone()),
            price_days: Arc::new(Days::new(DayTable::Prices, database.clone(), price_limits)),
            turns: Arc::new(Semaphore::new(database.pool_size())),
            recorded: RecordedRows::default(),
            database,
        }
    }

    /// The first day, as of today, whose prices are taken even where none are recorded of it.
    #[must_use]
    pub fn first_price_day(&self, today: NaiveDate) -> NaiveDate {
        self.price_days.first(today)
    }

    /// How many transactions this one and its clones recorded.
    #[must_use]
    pub fn recorded(&self) -> &RecordedRows {
        &self.recorded
    }
}
