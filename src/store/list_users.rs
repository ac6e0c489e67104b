//! Users by username.

use tokio_postgres::Row;

use crate::{
    domain::user::User,
    store::{Database, StoreError, statement::statement},
};

/// Up to `limit` users whose usernames sort behind `after` (byte order).
///
/// # Errors
/// If the database cannot answer.
pub async fn list_users(
    database: &Database,
    after: &str,
    limit: i64,
) -> Result<Vec<User>, StoreError> {
    let answer = database.read(statement!("list_users"), &[&after, &limit]).await?;
    Ok(answer.value.iter().map(user).collect())
}

fn user(row: &Row) -> User {
    User {
        user_uuid: row.get("user_uuid"),
        username: row.get("username"),
        name: row.get("name"),
        created_at: row.get("created_at"),
    }
}
