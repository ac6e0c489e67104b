//! Assets, recorded.

use crate::{
    domain::{
        access::Identity,
        asset::{AssetRecord, NewAsset},
    },
    store::{
        Database, StoreError, assets::asset_record, audit_log::note, statement::statement,
        tx::PooledTx,
    },
};

/// What came of recording an asset.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CreatedAsset {
    /// The asset is recorded now.
    Recorded(AssetRecord),
    /// Nothing was recorded: this asset has the code.
    Known(AssetRecord),
}

/// Records an asset, in one tx.
///
/// # Errors
/// If the database refuses. If the connection broke, whether it was recorded is unknown.
pub async fn create_asset(
    database: &Database,
    new: &NewAsset,
    by: &Identity,
) -> Result<CreatedAsset, StoreError> {
    let tx = PooledTx::begin(database, "create_asset").await?;
    let decimals = i16::try_from(new.decimals).unwrap_or(i16::MAX);
    let added = tx.rows(statement!("create_asset"), &[&new.code, &new.name, &decimals]).await?;
    if let Some(row) = added.first() {
        note(&tx, by, "create asset", &new.code).await?;
        tx.commit().await?;
        return Ok(CreatedAsset::Recorded(asset_record(row)));
    }
    // Assets are never deleted: it is there.
    let known = tx.rows(statement!("create_asset_known"), &[&new.code]).await?;
    tx.roll_back().await?;
    let known = known.first().ok_or_else(|| StoreError::lost("create_asset_known"))?;
    Ok(CreatedAsset::Known(asset_record(known)))
}
