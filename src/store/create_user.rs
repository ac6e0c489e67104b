//! Users, recorded.

use uuid::Uuid;

use crate::{
    domain::{
        access::Identity,
        user::{NewUser, User},
    },
    store::{
        Database, StoreError, StoreErrorKind, audit_log::note, statement::statement, tx::PooledTx,
        users::user,
    },
};

/// Key of the register of all UUIDs that ever were users'.
const REGISTER_KEY: &str = "user_uuids_pkey";

/// What came of recording a user.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CreatedUser {
    /// The user is recorded now.
    Recorded(User),
    /// Nothing was recorded: these users have the username or the UUID. None, if whoever had
    /// it went meanwhile.
    Known(Vec<User>),
    /// Nothing was recorded: the UUID is that of a deleted user.
    UuidOfDeleted,
}

/// Records a user with a payments account, tracked as a wallet, in one tx.
///
/// # Errors
/// If the database refuses. If the connection broke, whether it was recorded is unknown.
pub async fn create_user(
    database: &Database,
    new: &NewUser,
    by: &Identity,
) -> Result<CreatedUser, StoreError> {
    let tx = PooledTx::begin(database, "create_user").await?;
    let user_uuid = new.user_uuid.unwrap_or_else(Uuid::new_v4);
    let added = tx.rows(statement!("create_user"), &[&user_uuid, &new.username, &new.name]).await;
    let added = match added {
        Ok(rows) => rows,
        Err(error) if is_of_deleted(&error) => {
            tx.roll_back().await?;
            return Ok(CreatedUser::UuidOfDeleted);
        }
        Err(error) => return Err(error),
    };
    let Some(row) = added.first() else {
        let statement = statement!("create_user_known");
        let known = tx.rows(statement, &[&new.username, &new.user_uuid]).await?;
        tx.roll_back().await?;
        return Ok(CreatedUser::Known(known.iter().map(user).collect()));
    };
    let user_id: i64 = row.get("user_id");
    let address = user_uuid.to_string();
    tx.rows(statement!("create_user_account"), &[&user_id, &address]).await?;
    note(&tx, by, "create user", &address).await?;
    tx.commit().await?;
    Ok(CreatedUser::Recorded(user(row)))
}

fn is_of_deleted(error: &StoreError) -> bool {
    error.kind() == StoreErrorKind::Unique && error.constraint() == Some(REGISTER_KEY)
}
