//! How much did somebody send or receive in a window?

use std::time::Duration;

pub use crate::store::sum_amount::Subject;
use crate::{
    analytics::{
        Analytics,
        explanation::{Explanation, Verification},
    },
    domain::{asset::Asset, direction::Direction, window::Window},
    error::{Error, ErrorKind},
    store::{
        pool::Reader,
        shared_sums::SharedSum,
        sum_amount::{self, FoundSum, SumQuery, Total},
    },
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
    /// Whether the answer says how it was made.
    pub explain: bool,
    /// Whether the answer is also computed from the rows.
    pub verify: bool,
}

/// One sum.
#[derive(Clone, Debug, PartialEq)]
pub struct SumAnswer {
    /// The exact sum as text, with the asset's decimals.
    pub sum_amount: String,
    /// Number of transactions in it.
    pub transaction_count: i64,
    /// How long the database took.
    pub took: Duration,
    /// How it was made, if that was asked.
    pub explanation: Option<Explanation>,
    /// What the rows say, if that was asked.
    pub verification: Option<Verification>,
}

impl SumQuestion {
    /// The question as the database is asked it.
    #[must_use]
    pub fn query(&self) -> SumQuery {
        SumQuery {
            subject: self.subject.clone(),
            asset_id: self.asset.asset_id,
            window: self.window,
            direction: self.direction,
        }
    }
}

impl Analytics {
    /// Sums the subject's amounts in the window.
    ///
    /// # Errors
    /// `NotFound` for an unknown subject; what the database says.
    pub async fn sum_amount(&self, question: &SumQuestion) -> Result<SumAnswer, Error> {
        if question.explain || question.verify {
            return self.sum_amount_in_snapshot(question).await;
        }
        let shared = self.sums.ask(question.query()).await?;
        finish(question, shared, None)
    }

    /// Asks alone, and the rows too where that is wanted, in one snapshot.
    async fn sum_amount_in_snapshot(&self, question: &SumQuestion) -> Result<SumAnswer, Error> {
        let snapshot = self.database.snapshot().await?;
        let query = question.query();
        let reader = Reader::Snapshot(&snapshot);
        let answer =
            sum_amount::sum_amounts(reader, std::slice::from_ref(&query), question.explain).await?;
        let scanned = match question.verify {
            true => sum_amount::scan_sum_amount(reader, &query).await?.value,
            false => None,
        };
        snapshot.end().await?;
        let found = answer.value.into_iter().next();
        let found = found.ok_or_else(|| Error::new(ErrorKind::Internal))?;
        finish(question, SharedSum { found, took: answer.took, together: 1 }, scanned)
    }
}

/// Turns what the database found into the answer, pure.
fn finish(
    question: &SumQuestion,
    shared: SharedSum,
    scanned: Option<Total>,
) -> Result<SumAnswer, Error> {
    let SharedSum { found, took, together } = shared;
    let FoundSum { total, cells_read, corrections_read, sealed_until } = found;
    let total = total.ok_or_else(|| Error::new(ErrorKind::NotFound(name(&question.subject))))?;
    let explanation = question.explain.then(|| Explanation {
        sealed_until,
        cells_read,
        corrections_read,
        took,
        questions_together: together,
        ..Explanation::default()
    });
    let verification = scanned.map(|scanned| verify(question, &total, &scanned));
    Ok(SumAnswer {
        sum_amount: total.sum.to_text(question.asset.decimals),
        transaction_count: total.count,
        took,
        explanation,
        verification,
    })
}

/// Holds a total against the rows.
fn verify(question: &SumQuestion, total: &Total, scanned: &Total) -> Verification {
    let text = |total: &Total| {
        format!("{} in {} transactions", total.sum.to_text(question.asset.decimals), total.count)
    };
    Verification {
        difference: (total != scanned)
            .then(|| format!("running totals say {}, the rows say {}", text(total), text(scanned))),
        rows_scanned: scanned.count,
    }
}

/// What an unknown subject is called.
pub(super) fn name(subject: &Subject) -> &'static str {
    match subject {
        Subject::User(_) | Subject::PaymentsAccount(_) => "user",
        Subject::Account(_) => "account",
    }
}
