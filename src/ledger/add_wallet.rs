//! Adding wallets.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    domain::{access::Principal, account::AccountKey, wallet::WalletLimits},
    error::{Error, ErrorKind},
    ledger::Ledger,
    store::add_wallet::{self, AddedWallet},
};

impl Ledger {
    /// Has a user track an account, which is recorded if it is not there. Says since when
    /// the user tracks it.
    ///
    /// # Errors
    /// `NotFound` for an unknown user; `ResourceExhausted` where a limit is in the way; what
    /// the database says.
    pub async fn add_wallet(
        &self,
        user_uuid: Uuid,
        account: &AccountKey,
        limits: WalletLimits,
        by: &Principal,
    ) -> Result<DateTime<Utc>, Error> {
        let added = add_wallet::add_wallet(&self.database, user_uuid, account, limits, by).await?;
        let kind = match added {
            AddedWallet::Tracked(added_at) => return Ok(added_at),
            AddedWallet::NoUser => ErrorKind::NotFound("user"),
            AddedWallet::UserFull => {
                ErrorKind::ResourceExhausted("the user tracks as many accounts as there may be")
            }
            AddedWallet::AccountFull => {
                ErrorKind::ResourceExhausted("as many users track the account as there may be")
            }
        };
        Err(Error::new(kind))
    }
}
