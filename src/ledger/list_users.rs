//! Users, page by page.

pub use crate::store::list_users::UserFilter;
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
    /// Up to `size` of these users whose usernames sort behind `after`.
    ///
    /// # Errors
    /// What the database says.
    pub async fn list_users(
        &self,
        filter: UserFilter<'_>,
        after: &str,
        size: usize,
    ) -> Result<Page<User>, Error> {
        let limit = rows_wanted(size);
        let users = list_users::list_users(&self.database, filter, after, limit).await?;
        Ok(Page::cut(users, size, |user| user.username.clone()))
    }
}
