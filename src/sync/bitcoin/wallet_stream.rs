//! The stream of a wallet: made when somebody first asks for it to be synced.

use crate::{
    domain::{
        access::Principal,
        account::{AccountKey, NetworkKind},
        asset::NewAsset,
        bitcoin::DECIMALS,
    },
    error::{Error, ErrorKind, Violation},
    store::{
        assets::Assets,
        create_asset::{self, CreatedAsset},
        sync_streams::{self, Stream},
    },
    sync::{Sync, networks::SyncNetwork},
};

impl Sync {
    /// The stream of an address of one of Bitcoin's chains; made with its account and the network's
    /// coin where they are missing.
    ///
    /// # Errors
    /// `InvalidArgument` if the network is not synced here, or the account stands for no address;
    /// `AlreadyExists` if the coin's code is that of an asset with other decimals.
    pub async fn wallet_stream(
        &self,
        network: &str,
        account: &AccountKey,
    ) -> Result<Stream, Error> {
        let synced =
            self.networks.get(network).filter(|synced| synced.kind == NetworkKind::Bitcoin);
        let Some(synced) = synced else {
            return Err(invalid("network", "is none whose wallets are synced here"));
        };
        if account.is_system() || account.network() != &synced.network {
            return Err(invalid("address", "must be an address of the network"));
        }
        let asset_id = match sync_streams::find_asset(&self.database, network, None).await? {
            Some(asset) => asset.asset_id,
            None => self.add_coin(synced).await?,
        };
        self.accounts.create(&[account]).await?;
        let account_id = self.accounts.find(&[account]).await?.first().copied().flatten();
        let account_id = account_id.ok_or_else(|| Error::new(ErrorKind::Internal))?;
        Ok(sync_streams::ensure(&self.database, (asset_id, account_id), 0, None).await?)
    }

    /// Records the network's coin as an asset that is synced.
    async fn add_coin(&self, synced: &SyncNetwork) -> Result<i32, Error> {
        let network = synced.network.as_str();
        let code = synced.coin_code.clone();
        let new = NewAsset { name: format!("coin of {network}"), code, decimals: DECIMALS };
        match create_asset::create_asset(&self.database, &new, &Principal::Local).await? {
            CreatedAsset::Recorded(_) => {}
            CreatedAsset::Known(asset) if asset.decimals == DECIMALS => {}
            CreatedAsset::Known(asset) => {
                let what = format!("the asset {} has not {DECIMALS} decimals", asset.code);
                return Err(Error::new(ErrorKind::AlreadyExists(what)));
            }
        }
        let asset = Assets::new(self.database.clone()).find(&synced.coin_code).await?;
        let asset = asset.ok_or_else(|| Error::new(ErrorKind::Internal))?;
        let code = &synced.coin_code;
        sync_streams::add_asset(&self.database, asset.asset_id, network, None, code).await?;
        Ok(asset.asset_id)
    }
}

fn invalid(field: &'static str, rule: &str) -> Error {
    Error::invalid(vec![Violation { field: field.into(), description: rule.to_owned() }])
}
