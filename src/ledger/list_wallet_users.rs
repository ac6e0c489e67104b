//! The users who track an account, page by page.

use crate::{
    domain::{account::AccountKey, wallet::WalletUser},
    error::{Error, ErrorKind},
    ledger::{
        Ledger,
        page::{Page, rows_wanted},
    },
    store::list_wallet_users,
};

impl Ledger {
    /// Up to `size` users who track an account, whose usernames sort behind `after`.
    ///
    /// # Errors
    /// `NotFound` for an unknown account; what the database says.
    pub async fn list_wallet_users(
        &self,
        account: &AccountKey,
        after: &str,
        size: usize,
    ) -> Result<Page<WalletUser>, Error> {
        let limit = rows_wanted(size);
        let users =
            list_wallet_users::list_wallet_users(&self.database, account, after, limit).await?;
        let users = users.ok_or_else(|| Error::new(ErrorKind::NotFound("account")))?;
        Ok(Page::cut(users, size, |tracking| tracking.user.username.clone()))
    }
}
