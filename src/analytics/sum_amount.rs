//! How much did somebody send or receive in a window?

use std::time::Duration;

pub use crate::store::sum_amount::Subject;
use crate::{
    analytics::Analytics,
    domain::{asset::Asset, direction::Direction, window::Window},
    error::{Error, ErrorKind},
    store::sum_amount,
};

/// A question for one sum.
#[derive(Clone, Debug)]
pub struct SumQuestion {
    /// Whose amounts.
    pub subject: Subject,
    /// Of what.
    pub asset: Asset,
    /// When.
    pub window: Window,
    /// On which side.
    pub direction: Direction,
}

/// One sum.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SumAnswer {
    /// The exact sum as text, with the asset's decimals.
    pub sum_amount: String,
    /// Number of transactions in it.
    pub transaction_count: i64,
    /// How long the database took.
    pub took: Duration,
}

impl Analytics {
    /// Sums the subject's amounts in the window.
    ///
    /// # Errors
    /// `NotFound` for an unknown subject; what the database says.
    pub async fn sum_amount(&self, question: &SumQuestion) -> Result<SumAnswer, Error> {
        let SumQuestion { subject, asset, window, direction } = question;
        let answer =
            sum_amount::sum_amount(&self.database, subject, asset.asset_id, *window, *direction)
                .await?;
        let total = answer.value.ok_or_else(|| {
            Error::new(ErrorKind::NotFound(match subject {
                Subject::User(_) | Subject::PaymentsAccount(_) => "user",
                Subject::Account(_) => "account",
            }))
        })?;
        Ok(SumAnswer {
            sum_amount: total.sum.to_text(asset.decimals),
            transaction_count: total.count,
            took: answer.took,
        })
    }
}
