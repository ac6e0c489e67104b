//! What a subject received and sent before an instant, from the rows: what a balance from
//! running totals is verified by.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    domain::account::AccountKey,
    store::{
        Reader, StoreError, numeric::Numeric, session::Answer, statement::statement,
        sum_amount::Total,
    },
};

/// Whose balance.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum BalanceSubject {
    /// All wallets of a user.
    User(Uuid),
    /// One account.
    Account(AccountKey),
}

/// What came in and what went out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Flows {
    /// What was received.
    pub received: Total,
    /// What was sent.
    pub sent: Total,
}

/// What the subject received and sent of one asset before an instant, or ever; `None`
/// for an unknown subject. By a scan of the rows; nothing is held against a scope.
///
/// # Errors
/// If the database cannot answer.
pub async fn get_balance_of_rows(
    reader: Reader<'_>,
    subject: &BalanceSubject,
    asset_id: i32,
    at: Option<DateTime<Utc>>,
) -> Result<Answer<Option<Flows>>, StoreError> {
    let answer = match subject {
        BalanceSubject::User(user_uuid) => {
            let statement = statement!("get_balance_user");
            reader.read(statement, &[user_uuid, &asset_id, &at]).await?
        }
        BalanceSubject::Account(key) => {
            let (network, address) = (key.network().as_str(), key.address().as_str());
            let statement = statement!("get_balance_account");
            reader.read(statement, &[&network, &address, &asset_id, &at]).await?
        }
    };
    Ok(answer.map(|rows| {
        let row = rows.first()?;
        row.get::<_, Option<i64>>("subject_id")?;
        let total = |count: &str, sum: &str| Total {
            count: row.get(count),
            sum: row.get::<_, Numeric>(sum).0,
        };
        Some(Flows {
            received: total("received_count", "received_amount"),
            sent: total("sent_count", "sent_amount"),
        })
    }))
}
