//! Count and sum of one subject's amounts in a window, from the rows.

use uuid::Uuid;

use crate::{
    domain::{account::AccountKey, decimal::Decimal, direction::Direction, window::Window},
    store::{Database, StoreError, numeric::Numeric, session::Answer, statement::statement},
};

/// Whose amounts are summed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Subject {
    /// All wallets of a user.
    User(Uuid),
    /// A user's payments account alone.
    PaymentsAccount(Uuid),
    /// One account.
    Account(AccountKey),
}

/// Count and sum of some amounts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Total {
    /// Number of transactions.
    pub count: i64,
    /// Exact sum of their amounts.
    pub sum: Decimal,
}

/// Sums the subject's amounts of one asset in the window; `None` for an unknown
/// subject.
///
/// # Errors
/// If the database cannot answer.
pub async fn sum_amount(
    database: &Database,
    subject: &Subject,
    asset_id: i32,
    window: Window,
    direction: Direction,
) -> Result<Answer<Option<Total>>, StoreError> {
    let (start, end) = (window.start(), window.end());
    let answer = match subject {
        Subject::User(user_uuid) => {
            let statement = match direction {
                Direction::Sender => statement!("sum_amount_user_sender"),
                Direction::Receiver => statement!("sum_amount_user_receiver"),
            };
            database.read(statement, &[user_uuid, &asset_id, &start, &end]).await?
        }
        Subject::PaymentsAccount(user_uuid) => {
            let statement = match direction {
                Direction::Sender => statement!("sum_amount_payments_sender"),
                Direction::Receiver => statement!("sum_amount_payments_receiver"),
            };
            database.read(statement, &[user_uuid, &asset_id, &start, &end]).await?
        }
        Subject::Account(key) => {
            let statement = match direction {
                Direction::Sender => statement!("sum_amount_account_sender"),
                Direction::Receiver => statement!("sum_amount_account_receiver"),
            };
            let (network, address) = (key.network.as_str(), key.address.as_str());
            database.read(statement, &[&network, &address, &asset_id, &start, &end]).await?
        }
    };
    Ok(answer.map(|rows| {
        let row = rows.first()?;
        row.get::<_, Option<i64>>("subject_id")?;
        Some(Total {
            count: row.get("transaction_count"),
            sum: row.get::<_, Numeric>("sum_amount").0,
        })
    }))
}
