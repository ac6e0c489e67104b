//! Transactions as recorded: rows, their order, and what they come to.

use std::cmp::Ordering;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::{account::AccountKey, decimal::Decimal, transaction::REFERENCE_LENGTH_MAX};

/// One side of a recorded transaction.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Party {
    /// Key in the database.
    pub account_id: i64,
    /// The account.
    pub account: AccountKey,
}

/// A transaction as recorded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Transaction {
    /// Where it stands among all others.
    pub place: RowPlace,
    /// Who sent.
    pub sender: Party,
    /// Who received.
    pub receiver: Party,
    /// Code of the asset that was moved.
    pub asset_code: String,
    /// Decimals that one unit of the asset is divided into.
    pub asset_decimals: u32,
    /// How much, exact, in whole units of the asset.
    pub amount: Decimal,
    /// What groups rows that belong together.
    pub reference: Option<String>,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
}

/// Where a row stands among all others: rows are ordered by instant, position and id.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct RowPlace {
    /// When the amount moved.
    pub occurred_at: DateTime<Utc>,
    /// Order among transactions of the same instant.
    pub position: i64,
    /// Unique over all time; ids are ordered as bytes.
    pub transaction_id: Uuid,
}

/// Reads a reference. `None` if it is empty, too long or holds a NUL, which no text in
/// Postgres does.
#[must_use]
pub fn parse_reference(text: &str) -> Option<&str> {
    let fits = (1..=REFERENCE_LENGTH_MAX).contains(&text.chars().count());
    (fits && !text.contains('\0')).then_some(text)
}

/// What an account received and sent of an asset in the rows of one reference.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NetValue {
    /// The account.
    pub account: AccountKey,
    /// Code of the asset.
    pub asset_code: String,
    /// Decimals that one unit of the asset is divided into.
    pub asset_decimals: u32,
    /// Sum of what it received.
    pub received: Decimal,
    /// Sum of what it sent.
    pub sent: Decimal,
}

/// What each account received and sent of each asset in some rows, by network, address and
/// asset.
#[must_use]
pub fn net_values(rows: &[Transaction]) -> Vec<NetValue> {
    let mut values: Vec<NetValue> = Vec::with_capacity(2 * rows.len());
    for row in rows {
        let value = |party: &Party, received: Decimal, sent: Decimal| NetValue {
            account: party.account.clone(),
            asset_code: row.asset_code.clone(),
            asset_decimals: row.asset_decimals,
            received,
            sent,
        };
        values.push(value(&row.sender, Decimal::zero(), row.amount.clone()));
        values.push(value(&row.receiver, row.amount.clone(), Decimal::zero()));
    }
    values.sort_by(compare_keys);
    values.dedup_by(|next, first| {
        let is_same = compare_keys(first, next) == Ordering::Equal;
        if is_same {
            first.received = first.received.plus(&next.received);
            first.sent = first.sent.plus(&next.sent);
        }
        is_same
    });
    values
}

fn compare_keys(a: &NetValue, b: &NetValue) -> Ordering {
    let (one, other) = (&a.account, &b.account);
    let by_network = one.network().as_str().cmp(other.network().as_str());
    let by_address = one.address().cmp(other.address());
    by_network.then(by_address).then_with(|| a.asset_code.cmp(&b.asset_code))
}
