//! Tokens, by the hashes of their secrets.

use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    domain::access::{Identity, Principal, Role, Scope, TokenHash, TokenRecord},
    store::{
        Database, StoreError, StoreErrorKind, audit_log::note, session::Params,
        statement::statement, tx::PooledTx,
    },
};

/// Who holds the token of this hash; `None` if there is none, or it is not in force any more.
///
/// # Errors
/// If the database cannot answer.
pub async fn find(database: &Database, hash: &TokenHash) -> Result<Option<Identity>, StoreError> {
    let statement = statement!("access_token_find");
    let answer = database.read(statement, &[&hash.as_slice()]).await?;
    let Some(row) = answer.value.first() else { return Ok(None) };
    let principal = Principal::Token { token_id: row.get("token_id"), name: row.get("name") };
    let (role, owner) = (role(statement.stem, row)?, row.get::<_, Option<Uuid>>("user_uuid"));
    let scope = match (role, owner) {
        (Role::User, Some(user_uuid)) => Scope::Own(user_uuid),
        // Whoever is to see one user's records never sees everybody's.
        (Role::User, None) => return Ok(None),
        (Role::Reader | Role::Ingester | Role::Admin, _) => Scope::Everybody,
    };
    Ok(Some(Identity { principal, role, scope, peer: None }))
}

/// A token to record.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Its id.
    pub token_id: Uuid,
    /// What it is called.
    pub name: String,
    /// The hash of its secret.
    pub hash: TokenHash,
    /// What its holder may do.
    pub role: Role,
    /// Whose records the role `user` sees; `None` for the other roles.
    pub user_uuid: Option<Uuid>,
    /// The name in the caller's certificate that takes the place of a secret, if one does.
    pub certificate_name: Option<String>,
    /// How long it is in force; `None` for ever.
    pub expires_days: Option<i32>,
}

/// What came of recording a token.
#[derive(Clone, Debug)]
pub enum RecordedToken {
    /// It is recorded.
    Recorded(TokenRecord),
    /// There is no such user.
    NoUser,
    /// Another one that was not revoked is known by the same name in a certificate.
    Taken,
}

/// Records a token, and in the audit log that `by` did.
///
/// # Errors
/// If the database refuses. If the connection broke, whether it was recorded is unknown.
pub async fn create(
    database: &Database,
    new: &NewToken,
    by: &Identity,
) -> Result<RecordedToken, StoreError> {
    let tx = PooledTx::begin(database, "access_token_create").await?;
    let NewToken { token_id, name, hash, role, user_uuid, certificate_name, expires_days } = new;
    let (hash, role) = (hash.as_slice(), role.as_str());
    let statement = statement!("access_token_create");
    let params: &Params<'_> =
        &[token_id, name, &hash, &role, expires_days, user_uuid, certificate_name];
    let rows = match tx.rows(statement, params).await {
        Err(error) if error.kind() == StoreErrorKind::Unique => {
            tx.roll_back().await?;
            return Ok(RecordedToken::Taken);
        }
        other => other?,
    };
    let Some(row) = rows.first() else {
        tx.roll_back().await?;
        return Ok(RecordedToken::NoUser);
    };
    let record = record(statement.stem, row)?;
    note(&tx, by, "create token", &subject(&record)).await?;
    tx.commit().await?;
    Ok(RecordedToken::Recorded(record))
}

/// All tokens, oldest first.
///
/// # Errors
/// If the database cannot answer.
pub async fn list(database: &Database) -> Result<Vec<TokenRecord>, StoreError> {
    let statement = statement!("access_token_list");
    let answer = database.read(statement, &[]).await?;
    answer.value.iter().map(|row| record(statement.stem, row)).collect()
}

/// Revokes a token, and records in the audit log that `by` did; `None` for an unknown one.
///
/// # Errors
/// If the database refuses. If the connection broke, whether it was revoked is unknown.
pub async fn revoke(
    database: &Database,
    token_id: Uuid,
    by: &Identity,
) -> Result<Option<TokenRecord>, StoreError> {
    let tx = PooledTx::begin(database, "access_token_revoke").await?;
    let statement = statement!("access_token_revoke");
    let rows = tx.rows(statement, &[&token_id]).await?;
    let Some(row) = rows.first() else {
        tx.roll_back().await?;
        return Ok(None);
    };
    let record = record(statement.stem, row)?;
    note(&tx, by, "revoke token", &subject(&record)).await?;
    tx.commit().await?;
    Ok(Some(record))
}

/// Revokes all tokens of a user, who is being deleted.
///
/// # Errors
/// If the database refuses.
pub async fn revoke_user(tx: &PooledTx, user_uuid: Uuid) -> Result<(), StoreError> {
    tx.rows(statement!("access_token_revoke_user"), &[&user_uuid]).await.map(drop)
}

/// What the audit log calls a token.
fn subject(token: &TokenRecord) -> String {
    format!("{} {} ({})", token.role.as_str(), token.name, token.token_id)
}

fn record(stem: &'static str, row: &Row) -> Result<TokenRecord, StoreError> {
    Ok(TokenRecord {
        token_id: row.get("token_id"),
        name: row.get("name"),
        role: role(stem, row)?,
        user_uuid: row.get("user_uuid"),
        certificate_name: row.get("certificate_name"),
        created_at: row.get("created_at"),
        expires_at: row.get("expires_at"),
        revoked_at: row.get("revoked_at"),
    })
}

/// The role of a row. One that this Daybook does not know, from a later one, grants nothing.
fn role(stem: &'static str, row: &Row) -> Result<Role, StoreError> {
    Role::parse(row.get("role")).ok_or_else(|| {
        StoreError::with_source(StoreErrorKind::Unexpected, stem, "a role that is not known")
    })
}
