//! Users, page by page.

use crate::{domain::user::User, error::Error, ledger::Ledger, store::list_users};

/// A page of users.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UserPage {
    /// Users in the order of their usernames.
    pub users: Vec<User>,
    /// Username that the next page starts behind; `None` on the last page.
    pub next_after: Option<String>,
}

impl Ledger {
    /// Up to `size` users whose usernames sort behind `after`.
    ///
    /// # Errors
    /// What the database says.
    pub async fn list_users(&self, after: &str, size: usize) -> Result<UserPage, Error> {
        // One more than asked for tells whether there is a next page.
        let limit = i64::try_from(size.saturating_add(1)).unwrap_or(i64::MAX);
        let mut users = list_users::list_users(&self.database, after, limit).await?;
        let has_more = users.len() > size;
        users.truncate(size);
        let next_after = users.last().filter(|_| has_more).map(|last| last.username.clone());
        Ok(UserPage { users, next_after })
    }
}
