//! Users as rows.

use tokio_postgres::Row;

use crate::domain::user::User;

/// The user that a row has.
pub(super) fn user(row: &Row) -> User {
    User {
        user_uuid: row.get("user_uuid"),
        username: row.get("username"),
        name: row.get("name"),
        created_at: row.get("created_at"),
    }
}
