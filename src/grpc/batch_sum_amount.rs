//! `AnalyticsService.BatchSumAmount`.

use crate::{
    analytics::{Analytics, sum_amount::SumQuestion},
    domain::access::Scope,
    error::{Error, ErrorKind},
    grpc::{
        coverage::Asked,
        pb::v1::{
            BatchSumAmountRequest, BatchSumAmountResponse, BatchSumAmountResult, FieldViolation,
            QuestionError, SumAmountResponse, batch_sum_amount_result::Outcome,
        },
        status,
        sum_amount::{question, response},
        violations::Violations,
    },
};

/// Most questions of a batch.
const QUESTIONS_MAX: usize = 1_000;

pub(super) async fn batch_sum_amount(
    analytics: &Analytics,
    request: &BatchSumAmountRequest,
    scope: Scope,
) -> Result<BatchSumAmountResponse, Error> {
    let mut violations = Violations::default();
    let is_batch = (1..=QUESTIONS_MAX).contains(&request.questions.len());
    let hint = format!("must be 1 to {QUESTIONS_MAX} questions");
    let found = violations.require(is_batch.then_some(()), "questions", hint);
    violations.finish(found)?;
    let (questions, refused) = decode_questions(analytics, request, scope).await?;
    let mut results: Vec<_> = refused.iter().map(|error| error.as_ref().map(failed)).collect();
    let mut database_seconds = 0.0;
    if !questions.is_empty() {
        let mut asked = Vec::with_capacity(questions.len());
        for (question, allow_partial) in &questions {
            let subject = Some(question.subject.clone());
            asked.push((Asked::about(analytics, &question.asset, subject).await?, *allow_partial));
        }
        let questions: Vec<_> = questions.into_iter().map(|(question, _)| question).collect();
        let answer = analytics.batch_sum_amount(&questions).await?;
        database_seconds = answer.took.as_secs_f64();
        let outcomes = questions.iter().zip(answer.outcomes).zip(asked);
        // Questions that were not refused stand in the order of the empty places.
        let empty = results.iter_mut().filter(|result| result.is_none());
        for (place, ((question, outcome), (asked, allow_partial))) in empty.zip(outcomes) {
            let outcome = outcome.and_then(|answer| {
                let coverage = asked.within(question.window, allow_partial)?;
                Ok(SumAmountResponse { coverage, ..response(question, answer) })
            });
            *place = Some(match outcome {
                Ok(answer) => Outcome::Answer(answer),
                Err(error) => {
                    crate::grpc::request_log::log_own_fault(&error);
                    failed(&error)
                }
            });
        }
    }
    let results = results.into_iter().map(|outcome| BatchSumAmountResult { outcome });
    Ok(BatchSumAmountResponse { results: results.collect(), database_seconds })
}

/// Checks every question: those that are right, each with whether it may be partial, and for each
/// one the error if it is wrong. An error that is not the question's own ends the batch.
async fn decode_questions(
    analytics: &Analytics,
    request: &BatchSumAmountRequest,
    scope: Scope,
) -> Result<(Vec<(SumQuestion, bool)>, Vec<Option<Error>>), Error> {
    let (mut questions, mut refused) = (Vec::new(), Vec::new());
    for one in &request.questions {
        match question(analytics, one, scope).await {
            Ok(question) => {
                let (explain, verify) = (request.explain, request.verify);
                questions.push((SumQuestion { explain, verify, ..question }, one.allow_partial));
                refused.push(None);
            }
            Err(error) if matches!(error.kind(), ErrorKind::InvalidArgument(_)) => {
                refused.push(Some(error));
            }
            Err(error) => return Err(error),
        }
    }
    Ok((questions, refused))
}

fn failed(error: &Error) -> Outcome {
    let violations = match error.kind() {
        ErrorKind::InvalidArgument(violations) => violations.as_slice(),
        ErrorKind::Unauthenticated
        | ErrorKind::PermissionDenied
        | ErrorKind::NotFound(_)
        | ErrorKind::FailedPrecondition(_)
        | ErrorKind::InTheWay(_)
        | ErrorKind::AlreadyExists(_)
        | ErrorKind::Unimplemented(_)
        | ErrorKind::OutOfRange
        | ErrorKind::Unavailable(_)
        | ErrorKind::ResourceExhausted(_)
        | ErrorKind::BeyondLimit(_)
        | ErrorKind::TooOften(_)
        | ErrorKind::Aborted
        | ErrorKind::DeadlineExceeded
        | ErrorKind::Damaged
        | ErrorKind::Internal => &[],
    };
    let violations = violations.iter().map(|violation| FieldViolation {
        field: violation.field.clone().into_owned(),
        description: violation.description.clone(),
    });
    Outcome::Error(QuestionError {
        code: status::code(error.kind()).into(),
        message: error.to_string(),
        field_violations: violations.collect(),
    })
}
