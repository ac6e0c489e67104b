//! Assets by code, kept in memory once found: they are never deleted or renumbered.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    domain::asset::Asset,
    store::{Database, StoreError, statement::statement},
};

/// Most codes that are kept; beyond it every look-up asks the database.
const KEPT_MAX: usize = 10_000;

/// The assets that the database knows.
#[derive(Clone)]
pub struct Assets {
    database: Database,
    kept: Arc<Mutex<HashMap<Arc<str>, Asset>>>,
}

impl Assets {
    /// The assets of this database.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database, kept: Arc::default() }
    }

    /// The asset of this code, `None` if there is none.
    ///
    /// # Errors
    /// If it is not in memory and the database cannot be asked.
    pub async fn find(&self, code: &str) -> Result<Option<Asset>, StoreError> {
        if let Some(asset) = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(code) {
            return Ok(Some(asset.clone()));
        }
        let answer = self.database.read(statement!("asset_find"), &[&code]).await?;
        let Some(row) = answer.value.first() else { return Ok(None) };
        let decimals: i16 = row.get("decimals");
        let asset = Asset {
            asset_id: row.get("asset_id"),
            code: Arc::from(row.get::<_, &str>("code")),
            decimals: u32::from(decimals.unsigned_abs()),
        };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT_MAX {
            kept.insert(Arc::clone(&asset.code), asset.clone());
        }
        Ok(Some(asset))
    }
}
