//! Accounts as rows.

use tokio_postgres::Row;

use crate::{
    domain::account::AccountKey,
    store::{StoreError, StoreErrorKind},
};

/// The key of the account that a row has. `stem` names the statement in errors.
pub(super) fn account_key(row: &Row, stem: &'static str) -> Result<AccountKey, StoreError> {
    AccountKey::as_recorded(row.get("network"), row.get("address"))
        .ok_or_else(|| StoreError::new(StoreErrorKind::Unexpected, stem))
}
