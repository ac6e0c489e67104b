//! One user.

pub use crate::store::get_user::UserKey;
use crate::{
    domain::{access::Scope, user::User},
    error::{Error, ErrorKind},
    ledger::Ledger,
    store::get_user,
};

impl Ledger {
    /// The user who is known by this, if within the scope.
    ///
    /// # Errors
    /// `NotFound`; what the database says.
    pub async fn get_user(&self, key: &UserKey, scope: Scope) -> Result<User, Error> {
        let user = get_user::get_user(&self.database, key, scope).await?;
        user.ok_or_else(|| Error::new(ErrorKind::NotFound("user")))
    }
}
