//! One user.

use uuid::Uuid;

use crate::{
    domain::{access::Scope, user::User},
    store::{Database, StoreError, statement::statement, users::user},
};

/// What a user is known by.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum UserKey {
    /// The UUID.
    Uuid(Uuid),
    /// The username.
    Username(String),
}

/// The user; `None` if there is none within the scope.
///
/// # Errors
/// If the database cannot answer.
pub async fn get_user(
    database: &Database,
    key: &UserKey,
    scope: Scope,
) -> Result<Option<User>, StoreError> {
    let (user_uuid, username) = match key {
        UserKey::Uuid(user_uuid) => (Some(*user_uuid), None),
        UserKey::Username(username) => (None, Some(username.as_str())),
    };
    let owner = scope.owner();
    let answer = database.read(statement!("get_user"), &[&user_uuid, &username, &owner]).await?;
    Ok(answer.value.first().map(user))
}
