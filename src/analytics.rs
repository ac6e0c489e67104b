//! The questions that Daybook answers: sums, series, ranks and histograms over windows of
//! time.

pub mod batch_sum_amount;
pub mod histogram;
pub mod overviews;
pub mod rank;
pub mod sum_amount;
pub mod sum_series;
pub mod watch_overview;

use crate::{
    domain::{
        asset::{Asset, SEEDED_ASSET_CODE},
        coverage::Coverage,
    },
    error::Error,
    store::{
        Database,
        assets::Assets,
        coverage::{Coverages, StaleReads},
        shared_sums::SharedSums,
        sum_amount::Subject,
    },
};

/// Answers questions about one database.
#[derive(Clone)]
pub struct Analytics {
    database: Database,
    assets: Assets,
    sums: SharedSums,
    coverages: Coverages,
    window_days_max: u32,
}

impl Analytics {
    /// Answers from this database.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self {
            assets: Assets::new(database.clone()),
            sums: SharedSums::new(database.clone()),
            coverages: Coverages::new(database.clone(), None),
            window_days_max: 0,
            database,
        }
    }

    /// Notes wallets whose last sync is long ago when they are read.
    #[must_use]
    pub fn with_stale_reads(self, stale: Option<StaleReads>) -> Self {
        Self { coverages: Coverages::new(self.database.clone(), stale), ..self }
    }

    /// Answers about windows of so many days at most; 0 is no limit.
    #[must_use]
    pub fn with_window_days_max(self, window_days_max: u32) -> Self {
        Self { window_days_max, ..self }
    }

    /// The longest window that is answered, in days; 0 is no limit. Whoever decodes a question
    /// holds its window against it.
    #[must_use]
    pub fn window_days_max(&self) -> u32 {
        self.window_days_max
    }

    /// From when to when the subject's rows of an asset are complete; `None` where nothing of them
    /// is synced from a chain. To be asked before the rows.
    ///
    /// # Errors
    /// If the database cannot answer.
    pub async fn coverage(
        &self,
        asset: &Asset,
        subject: &Subject,
    ) -> Result<Option<Coverage>, Error> {
        Ok(self.coverages.of(asset.asset_id, subject).await?)
    }

    /// The asset of this code, the seeded one for no code; `None` if there is none.
    ///
    /// # Errors
    /// If the database cannot answer.
    pub async fn find_asset(&self, code: &str) -> Result<Option<Asset>, Error> {
        let code = if code.is_empty() { SEEDED_ASSET_CODE } else { code };
        Ok(self.assets.find(code).await?)
    }
}
