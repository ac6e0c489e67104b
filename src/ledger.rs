//! The ledger's records: users, the wallets that they track, accounts, assets, balances and
//! transactions.
//!
//! What records something is one tx, and safe to repeat: the same again is found to be there
//! already. What differs from what is there is refused with the names of the fields.

pub mod add_wallet;
pub mod create_asset;
pub mod create_user;
pub mod delete_transaction;
pub mod delete_user;
pub mod get_balance;
pub mod get_transaction;
pub mod get_user;
mod holdings;
pub mod list_accounts;
pub mod list_assets;
pub mod list_transactions;
pub mod list_users;
pub mod list_wallet_users;
pub mod list_wallets;
pub mod page;
pub mod remove_wallet;

use crate::store::Database;

/// Keeps the records of one database.
#[derive(Clone)]
pub struct Ledger {
    database: Database,
}

impl Ledger {
    /// The records of this database.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }
}
