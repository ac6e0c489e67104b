//! Removing wallets.

use uuid::Uuid;

use crate::{
    domain::{
        access::{Identity, Scope},
        account::AccountKey,
    },
    error::{Error, ErrorKind, Obstacle},
    ledger::Ledger,
    store::remove_wallet,
};

impl Ledger {
    /// Has a user track an account no more. The account and its rows stay.
    ///
    /// # Errors
    /// `InTheWay` for the user's own payments account; `NotFound` for an unknown user or
    /// account; what the database says. To whoever may not see everybody's, an unknown account is
    /// one that is not tracked, as it is after it was removed.
    pub async fn remove_wallet(
        &self,
        user_uuid: Uuid,
        account: &AccountKey,
        by: &Identity,
    ) -> Result<(), Error> {
        if *account == AccountKey::payments(user_uuid) {
            return Err(Error::new(ErrorKind::InTheWay(Obstacle {
                kind: "OWN_PAYMENTS_ACCOUNT",
                subject: user_uuid.to_string(),
                description: "a user always tracks the user's own payments account".to_owned(),
            })));
        }
        let removed = remove_wallet::remove_wallet(&self.database, user_uuid, account, by).await?;
        match (removed.has_user, removed.has_account) {
            (false, _) => Err(Error::new(ErrorKind::NotFound("user"))),
            (true, false) if by.scope == Scope::Everybody => {
                Err(Error::new(ErrorKind::NotFound("account")))
            }
            (true, _) => Ok(()),
        }
    }
}
