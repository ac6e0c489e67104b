//! Users, page by page.

use crate::{
    domain::user::User,
    error::Error,
    ledger::{
        Ledger,
        page::{Page, rows_wanted},
    },
    store::list_users,
};

impl Ledger {
    /// Up to `size` users whose usernames begin with `prefix` and sort behind `after`.
    ///
    /// # Errors
    /// What the database says.
    pub async fn list_users(
        &self,
        prefix: &str,
        after: &str,
        size: usize,
    ) -> Result<Page<User>, Error> {
        let limit = rows_wanted(size);
        let users = list_users::list_users(&self.database, prefix, after, limit).await?;
        Ok(Page::cut(users, size, |user| user.username.clone()))
    }
}
