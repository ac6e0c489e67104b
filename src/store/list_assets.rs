//! Assets by code.

use crate::{
    domain::asset::AssetRecord,
    store::{Database, StoreError, assets::asset_record, statement::statement},
};

/// Up to `limit` assets whose codes begin with `prefix` and sort behind `after` (byte
/// order).
///
/// # Errors
/// If the database cannot answer.
pub async fn list_assets(
    database: &Database,
    prefix: &str,
    after: &str,
    limit: i64,
) -> Result<Vec<AssetRecord>, StoreError> {
    let answer = database.read(statement!("list_assets"), &[&after, &limit, &prefix]).await?;
    Ok(answer.value.iter().map(asset_record).collect())
}
