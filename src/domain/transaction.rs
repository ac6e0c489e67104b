//! Transactions: amounts of one asset moved from one account to another.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// A transaction that is about to be recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct NewTransaction {
    /// When the amount moved, to the microsecond.
    pub occurred_at: DateTime<Utc>,
    /// Order among transactions of the same instant.
    pub position: i64,
    /// Unique over all time.
    pub transaction_id: Uuid,
    /// What was moved.
    pub asset_id: i32,
    /// Account that sent.
    pub sender_id: i64,
    /// Account that received.
    pub receiver_id: i64,
    /// How much, in whole units of the asset.
    pub amount: rust_decimal::Decimal,
}
