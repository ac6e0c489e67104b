//! How much did each of many send or receive?

use std::time::Duration;

use crate::{
    analytics::{
        Analytics,
        sum_amount::{SumAnswer, SumQuestion},
    },
    error::Error,
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
        let answer = self.sum_amounts(questions).await?;
        Ok(BatchAnswer { outcomes: answer.value, took: answer.took })
    }
}
