//! The questions that Daybook answers: sums, series, ranks and histograms over windows of
//! time.

pub mod batch_sum_amount;
pub mod histogram;
pub mod rank;
pub mod sum_amount;
pub mod sum_series;

use crate::{
    domain::asset::{Asset, SEEDED_ASSET_CODE},
    error::Error,
    store::{Database, assets::Assets, shared_sums::SharedSums},
};

/// Answers questions about one database.
#[derive(Clone)]
pub struct Analytics {
    database: Database,
    assets: Assets,
    sums: SharedSums,
}

impl Analytics {
    /// Answers from this database.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self {
            assets: Assets::new(database.clone()),
            sums: SharedSums::new(database.clone()),
            database,
        }
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
