//! Assets by code, kept in memory once found: they are never deleted or renumbered.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio_postgres::Row;

use crate::{
    domain::asset::{Asset, AssetRecord},
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
        let Some(asset) = answer.value.first().map(asset) else { return Ok(None) };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT_MAX {
            kept.insert(Arc::clone(&asset.code), asset.clone());
        }
        Ok(Some(asset))
    }
}

/// The asset that a row has.
pub(super) fn asset(row: &Row) -> Asset {
    Asset {
        asset_id: row.get("asset_id"),
        code: Arc::from(row.get::<_, &str>("code")),
        decimals: decimals(row),
    }
}

/// The asset that a row has, with all that is recorded of it.
pub(super) fn asset_record(row: &Row) -> AssetRecord {
    AssetRecord {
        code: row.get("code"),
        name: row.get("name"),
        decimals: decimals(row),
        created_at: row.get("created_at"),
    }
}

pub(super) fn decimals(row: &Row) -> u32 {
    u32::from(row.get::<_, i16>("decimals").unsigned_abs())
}
