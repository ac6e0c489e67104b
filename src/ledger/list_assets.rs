//! Assets, page by page.

use crate::{
    domain::asset::AssetRecord,
    error::Error,
    ledger::{
        Ledger,
        page::{Page, rows_wanted},
    },
    store::list_assets,
};

impl Ledger {
    /// Up to `size` assets whose codes begin with `prefix` and sort behind `after`.
    ///
    /// # Errors
    /// What the database says.
    pub async fn list_assets(
        &self,
        prefix: &str,
        after: &str,
        size: usize,
    ) -> Result<Page<AssetRecord>, Error> {
        let limit = rows_wanted(size);
        let assets = list_assets::list_assets(&self.database, prefix, after, limit).await?;
        Ok(Page::cut(assets, size, |asset| asset.code.clone()))
    }
}
