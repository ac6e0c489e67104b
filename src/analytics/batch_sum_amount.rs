//! How much did each of many send or receive?

use std::time::Duration;

use crate::{
    analytics::{
        Analytics,
        sum_amount::{SumAnswer, SumQuestion},
    },
    error::Error,
    store::batch_sum_amount,
};

/// Answers to many questions, from one snapshot.
#[derive(Debug)]
pub struct BatchAnswer {
    /// One outcome a question, in their order.
    pub outcomes: Vec<Result<SumAnswer, Error>>,
    /// How long the database took.
    pub took: Duration,
}

impl Analytics {
    /// Answers every question from one snapshot. The outcome of a question is an error of
    /// its own where its subject is unknown.
    ///
    /// # Errors
    /// What the database says.
    pub async fn batch_sum_amount(&self, questions: &[SumQuestion]) -> Result<BatchAnswer, Error> {
        let queries: Vec<_> = questions.iter().map(SumQuestion::query).collect();
        let answer = batch_sum_amount::sum_amounts(&self.database, &queries).await?;
        let outcomes = questions.iter().zip(answer.value);
        let outcomes = outcomes.map(|(question, total)| question.answer(total, answer.took));
        Ok(BatchAnswer { outcomes: outcomes.collect(), took: answer.took })
    }
}
