//! `LedgerService.GetBalance`.

use crate::{
    analytics::{Analytics, sum_amount::Subject},
    domain::access::Scope,
    error::Error,
    grpc::{
        coverage::Asked,
        decode, explanation,
        pb::v1::{GetBalanceRequest, GetBalanceResponse, get_balance_request},
        violations::Violations,
    },
    ledger::{
        Ledger,
        get_balance::{BalanceQuestion, BalanceSubject},
    },
};

pub(super) async fn get_balance(
    analytics: &Analytics,
    ledger: &Ledger,
    request: &GetBalanceRequest,
    scope: Scope,
) -> Result<GetBalanceResponse, Error> {
    let question = question(analytics, request, scope).await?;
    let subject = match &question.subject {
        BalanceSubject::User(uuid) => Subject::User(*uuid),
        BalanceSubject::Account(key) => Subject::Account(key.clone()),
    };
    let asked = Asked::about(analytics, &question.asset, Some(subject)).await?;
    let answer = ledger.get_balance(&question).await?;
    let coverage = asked.before(question.at, request.allow_partial)?;
    Ok(GetBalanceResponse {
        balance: answer.balance,
        received_amount: answer.received_amount,
        sent_amount: answer.sent_amount,
        received_count: answer.received_count,
        sent_count: answer.sent_count,
        at: question.at.map(decode::timestamp),
        asset: question.asset.code.to_string(),
        database_seconds: answer.took.as_secs_f64(),
        explanation: answer.explanation.map(explanation::explanation_pb),
        verification: answer.verification.map(explanation::verification_pb),
        coverage,
    })
}

async fn question(
    analytics: &Analytics,
    request: &GetBalanceRequest,
    scope: Scope,
) -> Result<BalanceQuestion, Error> {
    let mut violations = Violations::default();
    let subject = match &request.subject {
        Some(get_balance_request::Subject::UserUuid(uuid)) => {
            decode::user_uuid(uuid, "user_uuid", &mut violations).map(BalanceSubject::User)
        }
        Some(get_balance_request::Subject::Account(account)) => {
            decode::account(account, &mut violations).map(BalanceSubject::Account)
        }
        None => violations.require(None, "user_uuid", "must be set, or account instead"),
    };
    let at = match &request.at {
        None => Some(None),
        Some(at) => decode::instant(Some(at), "at", &mut violations).map(Some),
    };
    let asset = decode::asset(analytics, &request.asset, &mut violations).await?;
    let question = (|| {
        Some(BalanceQuestion {
            scope,
            subject: subject?,
            asset: asset?,
            at: at?,
            explain: request.explain,
            verify: request.verify,
        })
    })();
    violations.finish(question)
}
