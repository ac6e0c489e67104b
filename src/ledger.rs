//! The ledger's records: users and balances, and in time their wallets and
//! transactions.

pub mod get_balance;
pub mod list_users;

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
