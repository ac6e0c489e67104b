//! Recording assets.

use crate::{
    domain::{
        access::Identity,
        asset::{AssetRecord, NewAsset},
    },
    error::{Error, ErrorKind},
    ledger::Ledger,
    store::create_asset::{self, CreatedAsset},
};

impl Ledger {
    /// Records an asset, or finds that very asset.
    ///
    /// # Errors
    /// `AlreadyExists` where the code is another asset's; what the database says.
    pub async fn create_asset(&self, new: &NewAsset, by: &Identity) -> Result<AssetRecord, Error> {
        let known = match create_asset::create_asset(&self.database, new, by).await? {
            CreatedAsset::Recorded(asset) => return Ok(asset),
            CreatedAsset::Known(known) => known,
        };
        let mut fields = Vec::new();
        if new.name != known.name {
            fields.push("name");
        }
        if new.decimals != known.decimals {
            fields.push("decimals");
        }
        if fields.is_empty() {
            return Ok(known);
        }
        let how = match fields.as_slice() {
            ["decimals"] => "code is recorded with other decimals".to_owned(),
            ["name"] => "code is recorded with another name".to_owned(),
            _ => "code is recorded with another name and other decimals".to_owned(),
        };
        Err(Error::new(ErrorKind::AlreadyExists(how)))
    }
}
