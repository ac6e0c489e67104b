//! What does somebody hold?

use std::time::Duration;

use chrono::{DateTime, Utc};

pub use crate::store::get_balance::BalanceSubject;
use crate::{
    domain::asset::Asset,
    error::{Error, ErrorKind},
    ledger::Ledger,
    store::get_balance,
};

/// A question for a balance.
#[derive(Clone, Debug)]
pub struct BalanceQuestion {
    /// Whose balance.
    pub subject: BalanceSubject,
    /// Of what.
    pub asset: Asset,
    /// Transactions before this instant count; `None` for all of them.
    pub at: Option<DateTime<Utc>>,
    /// Whether the answer says how it was made.
    pub explain: bool,
    /// Whether the answer is held against the rows.
    pub verify: bool,
}

/// A balance. Amounts are exact, as text with the asset's decimals.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BalanceAnswer {
    /// Received minus sent.
    pub balance: String,
    /// Sum of what was received.
    pub received_amount: String,
    /// Sum of what was sent.
    pub sent_amount: String,
    /// Number of transactions received.
    pub received_count: i64,
    /// Number of transactions sent.
    pub sent_count: i64,
    /// How long the database took.
    pub took: Duration,
}

impl Ledger {
    /// What the subject received minus what it sent.
    ///
    /// # Errors
    /// `NotFound` for an unknown subject; what the database says.
    pub async fn get_balance(&self, question: &BalanceQuestion) -> Result<BalanceAnswer, Error> {
        let BalanceQuestion { subject, asset, at, .. } = question;
        let answer = get_balance::get_balance(&self.database, subject, asset.asset_id, *at).await?;
        let flows = answer.value.ok_or_else(|| {
            Error::new(ErrorKind::NotFound(match subject {
                BalanceSubject::User(_) => "user",
                BalanceSubject::Account(_) => "account",
            }))
        })?;
        let (received, sent) = (&flows.received, &flows.sent);
        Ok(BalanceAnswer {
            balance: received.sum.minus(&sent.sum).to_text(asset.decimals),
            received_amount: received.sum.to_text(asset.decimals),
            sent_amount: sent.sum.to_text(asset.decimals),
            received_count: received.count,
            sent_count: sent.count,
            took: answer.took,
        })
    }
}
