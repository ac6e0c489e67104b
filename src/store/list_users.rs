//! Users by username.

use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::{
    domain::user::User,
    store::{Database, StoreError, statement::statement, users::user},
};

/// Which users are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct UserFilter<'t> {
    /// What their usernames begin with; empty for all.
    pub prefix: &'t str,
    /// What is a part of their username or name, in either case; empty for all.
    pub part: &'t str,
    /// The one user who may be seen; `None` for everybody.
    pub owner: Option<Uuid>,
}

/// Up to `limit` of these users whose usernames sort behind `after` (byte order).
///
/// # Errors
/// If the database cannot answer.
pub async fn list_users(
    database: &Database,
    filter: UserFilter<'_>,
    after: &str,
    limit: i64,
) -> Result<Vec<User>, StoreError> {
    let UserFilter { prefix, part, owner } = filter;
    let params: [&(dyn ToSql + Sync); 5] = [&after, &limit, &prefix, &part, &owner];
    let answer = database.read(statement!("list_users"), &params).await?;
    Ok(answer.value.iter().map(user).collect())
}
