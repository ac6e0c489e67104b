//! Adding wallets.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    domain::{
        access::{Identity, Scope},
        account::AccountKey,
        wallet::WalletLimits,
    },
    error::{Error, ErrorKind},
    ledger::Ledger,
    store::add_wallet::{self, AddedWallet},
};

impl Ledger {
    /// Has a user track an account, which is recorded if it is not there. Says since when
    /// the user tracks it.
    ///
    /// # Errors
    /// `PermissionDenied` where the account is not for whoever asks to choose; `NotFound` for an
    /// unknown user, which every one beyond the scope is; `BeyondLimit` where a limit is in
    /// the way; what the database says.
    pub async fn add_wallet(
        &self,
        user_uuid: Uuid,
        account: &AccountKey,
        limits: WalletLimits,
        by: &Identity,
    ) -> Result<DateTime<Utc>, Error> {
        // Whoever tracks an account sees what it moved: only what everybody can see anyway is
        // there to be chosen.
        let is_open = account.network().is_public() || *account == AccountKey::payments(user_uuid);
        if by.scope != Scope::Everybody && !is_open {
            return Err(Error::new(ErrorKind::PermissionDenied));
        }
        let added = add_wallet::add_wallet(&self.database, user_uuid, account, limits, by).await?;
        let kind = match added {
            AddedWallet::Tracked(added_at) => return Ok(added_at),
            AddedWallet::NoUser => ErrorKind::NotFound("user"),
            AddedWallet::UserFull => {
                ErrorKind::BeyondLimit("the user tracks as many accounts as there may be")
            }
            AddedWallet::AccountFull => {
                ErrorKind::BeyondLimit("as many users track the account as there may be")
            }
        };
        Err(Error::new(kind))
    }
}
