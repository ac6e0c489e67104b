//! The accounts of a network, page by page.

use crate::{
    domain::account::{Account, Network},
    error::Error,
    ledger::{
        Ledger,
        page::{Page, rows_wanted},
    },
    store::list_accounts,
};

impl Ledger {
    /// Up to `size` accounts of a network whose addresses begin with `prefix`, however it is
    /// written, and sort behind `after`.
    ///
    /// # Errors
    /// What the database says.
    pub async fn list_accounts(
        &self,
        network: &Network,
        prefix: &str,
        after: &str,
        size: usize,
    ) -> Result<Page<Account>, Error> {
        let prefix = network.canonical_prefix(prefix);
        let limit = rows_wanted(size);
        let accounts =
            list_accounts::list_accounts(&self.database, network, &prefix, after, limit).await?;
        Ok(Page::cut(accounts, size, |account| account.key.address().as_str().to_owned()))
    }
}
