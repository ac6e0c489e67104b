//! How much did somebody send or receive in a window?

use std::time::Duration;

pub use crate::store::sum_amount::Subject;
use crate::{
    analytics::Analytics,
    domain::{
        access::Scope,
        asset::Asset,
        direction::Direction,
        explanation::{Explanation, Verification},
        window::Window,
    },
    error::{Error, ErrorKind},
    store::{
        Reader,
        days::{self, Needs},
        session::Answer,
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
    /// Whose records may be seen: subjects beyond are unknown.
    pub scope: Scope,
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
            scope: self.scope,
        }
    }
}

impl Analytics {
    /// Sums the subject's amounts in the window.
    ///
    /// # Errors
    /// `NotFound` for an unknown subject; `FailedPrecondition` for a window with days whose
    /// rows are not at hand; what the database says.
    pub async fn sum_amount(&self, question: &SumQuestion) -> Result<SumAnswer, Error> {
        if question.explain || question.verify {
            return self.sum_amount_in_snapshot(question).await;
        }
        let shared = self.sums.ask(question.query()).await?;
        days::refuse_days(Reader::Pool(&self.database), &shared.found.days_in_the_way).await?;
        finish(question, shared, None)
    }

    /// Asks alone, and the rows too where that is wanted, in one snapshot.
    async fn sum_amount_in_snapshot(&self, question: &SumQuestion) -> Result<SumAnswer, Error> {
        let asked = self.sum_amounts(std::slice::from_ref(question)).await?;
        let answer = asked.value.into_iter().next();
        answer.unwrap_or_else(|| Err(Error::new(ErrorKind::Internal)))
    }

    /// Answers questions from one snapshot, each with an outcome of its own. The first one
    /// says whether all are explained and verified.
    ///
    /// # Errors
    /// What the database says.
    pub(super) async fn sum_amounts(
        &self,
        questions: &[SumQuestion],
    ) -> Result<Answer<Vec<Result<SumAnswer, Error>>>, Error> {
        let queries: Vec<_> = questions.iter().map(SumQuestion::query).collect();
        let first = questions.first();
        let explain = first.is_some_and(|first| first.explain);
        let verify = first.is_some_and(|first| first.verify);
        let mut scanned: Vec<Option<Result<Option<Total>, Error>>> = Vec::new();
        let Answer { value, took } = if verify {
            let snapshot = days::noted_snapshot(&self.database).await?;
            let reader = Reader::Snapshot(&snapshot);
            let answer = sum_amount::sum_amounts(reader, &queries, explain).await?;
            for (query, found) in queries.iter().zip(&answer.value) {
                // Rows of what is unknown to whoever asks are not touched.
                let is_known = found.total.is_some() || found.damaged.is_some();
                scanned.push(match is_known {
                    true => Some(sum_rows(reader, query).await),
                    false => None,
                });
            }
            snapshot.end().await?;
            answer
        } else {
            scanned.resize_with(queries.len(), || None);
            sum_amount::sum_amounts(Reader::Pool(&self.database), &queries, explain).await?
        };
        let together = queries.len();
        let mut outcomes = Vec::with_capacity(together);
        for ((question, found), scanned) in questions.iter().zip(value).zip(scanned) {
            let refused =
                days::refuse_days(Reader::Pool(&self.database), &found.days_in_the_way).await;
            outcomes.push(refused.and(scanned.transpose()).and_then(|scanned| {
                finish(question, SharedSum { found, took, together }, scanned.flatten())
            }));
        }
        Ok(Answer { value: outcomes, took })
    }
}

/// Sums the rows, where all of them are at hand.
async fn sum_rows(reader: Reader<'_>, query: &SumQuery) -> Result<Option<Total>, Error> {
    days::refuse(reader, query.window, Needs::Rows).await?;
    Ok(sum_amount::sum_amount_of_rows(reader, query).await?.value)
}

/// Turns what the database found into the answer, pure.
fn finish(
    question: &SumQuestion,
    shared: SharedSum,
    scanned: Option<Total>,
) -> Result<SumAnswer, Error> {
    let SharedSum { found, took, together } = shared;
    let FoundSum { total, cells_read, corrections_read, sealed_until, .. } = found.sound()?;
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
