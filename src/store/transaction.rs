//! Rows of the ledger with the names of what they point at, as several statements return
//! them.

use tokio_postgres::Row;

use crate::{
    domain::{
        account::AccountKey,
        recorded_transaction::{Party, RowPlace, Transaction},
    },
    store::{StoreError, StoreErrorKind, numeric::Numeric},
};

/// Reads the rows that a statement returned.
pub(super) fn transactions(
    stem: &'static str,
    rows: &[Row],
) -> Result<Vec<Transaction>, StoreError> {
    let read = |row| {
        transaction(row).ok_or_else(|| {
            let why = "an account has a network or an address that is none";
            StoreError::with_source(StoreErrorKind::Unexpected, stem, why)
        })
    };
    rows.iter().map(read).collect()
}

fn transaction(row: &Row) -> Option<Transaction> {
    let party = |account_id: &str, network: &str, address: &str| {
        let account = AccountKey::as_recorded(row.get(network), row.get(address))?;
        Some(Party { account_id: row.get(account_id), account })
    };
    let decimals: i16 = row.get("asset_decimals");
    Some(Transaction {
        place: RowPlace {
            occurred_at: row.get("occurred_at"),
            position: row.get("position"),
            transaction_id: row.get("transaction_id"),
        },
        sender: party("sender_id", "sender_network", "sender_address")?,
        receiver: party("receiver_id", "receiver_network", "receiver_address")?,
        asset_code: row.get("asset_code"),
        asset_decimals: u32::from(decimals.unsigned_abs()),
        amount: row.get::<_, Numeric>("amount").0,
        reference: row.get("reference"),
        recorded_at: row.get("recorded_at"),
    })
}
