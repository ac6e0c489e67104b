//! `AnalyticsService.SumAmount`.

use crate::{
    analytics::{
        Analytics,
        sum_amount::{Subject, SumAnswer, SumQuestion},
    },
    domain::access::Scope,
    error::Error,
    grpc::{
        coverage::Asked,
        decode, explanation,
        pb::v1::{SumAmountRequest, SumAmountResponse, sum_amount_request},
        violations::Violations,
    },
};

pub(super) async fn sum_amount(
    analytics: &Analytics,
    request: &SumAmountRequest,
    scope: Scope,
) -> Result<SumAmountResponse, Error> {
    let question = question(analytics, request, scope).await?;
    let asked = Asked::about(analytics, &question.asset, Some(question.subject.clone())).await?;
    let answer = analytics.sum_amount(&question).await?;
    let coverage = asked.within(question.window, request.allow_partial)?;
    Ok(SumAmountResponse { coverage, ..response(&question, answer) })
}

/// Writes an answer.
pub(super) fn response(question: &SumQuestion, answer: SumAnswer) -> SumAmountResponse {
    SumAmountResponse {
        sum_amount: answer.sum_amount,
        transaction_count: answer.transaction_count,
        window: Some(decode::window_pb(question.window)),
        asset: question.asset.code.to_string(),
        database_seconds: answer.took.as_secs_f64(),
        explanation: answer.explanation.map(explanation::explanation_pb),
        verification: answer.verification.map(explanation::verification_pb),
        coverage: None,
    }
}

/// Checks a question.
pub(super) async fn question(
    analytics: &Analytics,
    request: &SumAmountRequest,
    scope: Scope,
) -> Result<SumQuestion, Error> {
    let mut violations = Violations::default();
    let subject = match &request.subject {
        Some(sum_amount_request::Subject::UserUuid(uuid)) => {
            decode::user_uuid(uuid, "user_uuid", &mut violations).map(Subject::User)
        }
        Some(sum_amount_request::Subject::Account(account)) => {
            decode::account(account, &mut violations).map(Subject::Account)
        }
        None => violations.require(None, "user_uuid", "must be set, or account instead"),
    };
    let days_max = analytics.window_days_max();
    let window = decode::window_of(days_max, request.window.as_ref(), &mut violations);
    let direction = decode::direction(request.direction, &mut violations);
    let asset = decode::asset(analytics, &request.asset, &mut violations).await?;
    let question = (|| {
        Some(SumQuestion {
            scope,
            subject: subject?,
            asset: asset?,
            window: window?,
            direction: direction?,
            explain: request.explain,
            verify: request.verify,
        })
    })();
    violations.finish(question)
}
