//! Users by username.

use crate::{
    domain::user::User,
    store::{Database, StoreError, statement::statement, users::user},
};

/// Up to `limit` users whose usernames begin with `prefix` and sort behind `after` (byte
/// order).
///
/// # Errors
/// If the database cannot answer.
pub async fn list_users(
    database: &Database,
    prefix: &str,
    after: &str,
    limit: i64,
) -> Result<Vec<User>, StoreError> {
    let answer = database.read(statement!("list_users"), &[&after, &limit, &prefix]).await?;
    Ok(answer.value.iter().map(user).collect())
}
