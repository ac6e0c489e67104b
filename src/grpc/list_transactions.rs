//! `LedgerService.ListTransactions`.

use crate::{
    analytics::Analytics,
    domain::{
        access::Scope, asset::Asset, direction::Direction, running_total::instants::TimeOrder,
    },
    error::Error,
    grpc::{
        decode, explanation,
        ledger_service::LedgerLimits,
        page, page_token,
        pb::v1::{
            self, ListTransactionsRequest, ListTransactionsResponse,
            list_transactions_request::Subject,
        },
        transaction::{page_start, place_text, transaction_pb},
        violations::Violations,
    },
    ledger::{
        Ledger,
        list_transactions::{ListAnswer, ListQuestion, ListSubject, ListedTransaction},
    },
};

/// Rows in an answer where the request does not say.
const PAGE_SIZE_DEFAULT: usize = 100;

/// Most rows in an answer.
const PAGE_SIZE_MAX: usize = 1_000;

pub(super) async fn list_transactions(
    analytics: &Analytics,
    ledger: &Ledger,
    limits: LedgerLimits,
    request: &ListTransactionsRequest,
    scope: Scope,
) -> Result<ListTransactionsResponse, Error> {
    let question = question(analytics, limits, request, scope).await?;
    let answer = ledger.list_transactions(&question).await?;
    encode(answer, limits, digest(request))
}

async fn question(
    analytics: &Analytics,
    limits: LedgerLimits,
    request: &ListTransactionsRequest,
    scope: Scope,
) -> Result<ListQuestion, Error> {
    let mut violations = Violations::default();
    let subject = subject(request, &mut violations);
    let window = match &request.window {
        None => Some(None),
        window => decode::window(window.as_ref(), &mut violations).map(Some),
    };
    let direction = direction(request.direction, &mut violations);
    let order = order(request.order, &mut violations);
    let page_size =
        decode::page_size(request.page_size, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX, &mut violations);
    let after = page_start(digest(request), &request.page_token, &mut violations);
    check_together(request, &mut violations);
    let asset = asset(analytics, request, &mut violations).await?;
    let question = (|| {
        Some(ListQuestion {
            scope,
            subject: subject?,
            asset: asset?,
            window: window?,
            direction: direction?,
            order: order?,
            with_running_balance: request.with_running_balance,
            page_size: page_size?,
            after: after?,
            series_max: limits.list_series_max,
            explain: request.explain,
        })
    })();
    violations.finish(question)
}

fn subject(request: &ListTransactionsRequest, violations: &mut Violations) -> Option<ListSubject> {
    match &request.subject {
        Some(Subject::UserUuid(uuid)) => {
            decode::user_uuid(uuid, "user_uuid", violations).map(ListSubject::User)
        }
        Some(Subject::Account(account)) => {
            decode::account(account, violations).map(ListSubject::Account)
        }
        Some(Subject::All(_)) => Some(ListSubject::All),
        None => violations.require(None, "user_uuid", "must be set, or account or all instead"),
    }
}

/// Checks what fields must be to each other.
fn check_together(request: &ListTransactionsRequest, violations: &mut Violations) {
    let is_all = matches!(request.subject, Some(Subject::All(_)));
    let balance = request.with_running_balance;
    let has_direction = request.direction != i32::from(v1::Direction::Unspecified);
    if is_all && has_direction {
        violations.add("direction", "must be left out with all: everybody is on both sides");
    } else if balance && has_direction {
        violations
            .add("direction", "must be left out with with_running_balance, which needs both sides");
    }
    if is_all && balance {
        violations.add("with_running_balance", "needs a user or an account: leave it out with all");
    }
    if request.asset.is_empty() && is_all {
        violations.add("asset", "must be set with all");
    } else if request.asset.is_empty() && balance {
        violations.add("asset", "must be set with with_running_balance: a balance is of one asset");
    }
}

async fn asset(
    analytics: &Analytics,
    request: &ListTransactionsRequest,
    violations: &mut Violations,
) -> Result<Option<Option<Asset>>, Error> {
    if request.asset.is_empty() {
        return Ok(Some(None));
    }
    Ok(decode::asset(analytics, &request.asset, violations).await?.map(Some))
}

#[expect(clippy::option_option, reason = "a wrong direction and none are two things")]
fn direction(given: i32, violations: &mut Violations) -> Option<Option<Direction>> {
    if given == i32::from(v1::Direction::Unspecified) {
        return Some(None);
    }
    decode::direction(given, violations).map(Some)
}

pub(super) fn order(given: i32, violations: &mut Violations) -> Option<TimeOrder> {
    let order = match v1::ListOrder::try_from(given) {
        Ok(v1::ListOrder::Unspecified | v1::ListOrder::NewestFirst) => Some(TimeOrder::NewestFirst),
        Ok(v1::ListOrder::OldestFirst) => Some(TimeOrder::OldestFirst),
        Err(_) => None,
    };
    let hint = "must be LIST_ORDER_NEWEST_FIRST (1) or LIST_ORDER_OLDEST_FIRST (2)";
    violations.require(order, "order", hint)
}

/// The digest that ties tokens to the request: a page may have another size than the one
/// before it, all else must stay.
fn digest(request: &ListTransactionsRequest) -> [u8; 8] {
    page_token::digest(&ListTransactionsRequest {
        page_size: 0,
        page_token: String::new(),
        ..request.clone()
    })
}

fn encode(
    answer: ListAnswer,
    limits: LedgerLimits,
    request_digest: [u8; 8],
) -> Result<ListTransactionsResponse, Error> {
    let places: Vec<_> = answer.rows.iter().map(|row| row.transaction.place).collect();
    let mut transactions: Vec<_> = answer.rows.into_iter().map(listed_pb).collect();
    let is_cut = page::cut_after_first(&mut transactions, page::room(limits.response_bytes_max))?;
    let last = transactions.len().checked_sub(1).and_then(|last| places.get(last).copied());
    let token = last
        .filter(|_| is_cut || answer.has_more)
        .map(|place| page_token::write(request_digest, &place_text(place)));
    Ok(ListTransactionsResponse {
        transactions,
        next_page_token: token.unwrap_or_default(),
        database_seconds: answer.took.as_secs_f64(),
        explanation: answer.explanation.map(explanation::explanation_pb),
    })
}

fn listed_pb(row: ListedTransaction) -> v1::ListedTransaction {
    v1::ListedTransaction {
        is_sender: row.is_sender,
        is_receiver: row.is_receiver,
        is_own_transfer: row.is_sender && row.is_receiver,
        running_balance: row.running_balance.unwrap_or_default(),
        transaction: Some(transaction_pb(row.transaction)),
    }
}
