//! `LedgerService.GetTransaction`.

use crate::{
    domain::access::Scope,
    domain::recorded_transaction::{NetValue, RowPlace, parse_reference},
    error::{Error, ErrorKind},
    grpc::{
        decode,
        ledger_service::LedgerLimits,
        page, page_token,
        pb::v1::{
            self, GetTransactionRequest, GetTransactionResponse, get_transaction_request::Key,
        },
        transaction::{account_pb, page_start, place_text, transaction_id, transaction_pb},
        violations::Violations,
    },
    ledger::{Ledger, get_transaction::ReferenceQuestion},
};

/// Rows in an answer where the request does not say.
const PAGE_SIZE_DEFAULT: usize = 100;

/// Most rows in an answer.
const PAGE_SIZE_MAX: usize = 1_000;

pub(super) async fn get_transaction(
    ledger: &Ledger,
    limits: LedgerLimits,
    request: &GetTransactionRequest,
    scope: Scope,
) -> Result<GetTransactionResponse, Error> {
    match &request.key {
        Some(Key::Reference(reference)) => {
            let question = reference_question(limits, request, reference)?;
            get_reference(ledger, limits, (request, scope), question).await
        }
        Some(Key::TransactionId(given)) => {
            let mut violations = Violations::default();
            let id = transaction_id(given, &mut violations);
            refuse_paging(request, &mut violations);
            let answer = ledger.get_transaction(violations.finish(id)?, scope).await?;
            let transaction = transaction_pb(answer.value);
            // Plain SQL may record amounts of more digits than an answer has bytes.
            if page::row_bytes(&transaction) > page::room(limits.response_bytes_max) {
                return Err(Error::new(ErrorKind::BeyondLimit(
                    "the transaction is larger than --response-bytes-max",
                )));
            }
            Ok(GetTransactionResponse {
                transactions: vec![transaction],
                net_values: Vec::new(),
                transaction_count: 1,
                next_page_token: String::new(),
                database_seconds: answer.took.as_secs_f64(),
            })
        }
        None => {
            let mut violations = Violations::default();
            violations.add("transaction_id", "must be set, or reference instead");
            violations.finish(None)
        }
    }
}

fn refuse_paging(request: &GetTransactionRequest, violations: &mut Violations) {
    if request.page_size != 0 {
        violations.add("page_size", "is for a reference: leave it out with transaction_id");
    }
    if !request.page_token.is_empty() {
        violations.add("page_token", "is for a reference: leave it out with transaction_id");
    }
}

fn reference_question(
    limits: LedgerLimits,
    request: &GetTransactionRequest,
    reference: &str,
) -> Result<ReferenceQuestion, Error> {
    let mut violations = Violations::default();
    let reference = violations.require(
        parse_reference(reference),
        "reference",
        "must be 1 to 256 characters, none of them NUL",
    );
    let page_size =
        decode::page_size(request.page_size, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX, &mut violations);
    let after = page_start(digest(request), &request.page_token, &mut violations);
    violations.finish((|| {
        Some(ReferenceQuestion {
            reference: reference?.to_owned(),
            after: after?,
            page_size: page_size?,
            rows_max: limits.reference_rows_max,
        })
    })())
}

/// The digest that ties tokens to the request.
fn digest(request: &GetTransactionRequest) -> [u8; 8] {
    page_token::digest(&GetTransactionRequest {
        page_size: 0,
        page_token: String::new(),
        ..request.clone()
    })
}

async fn get_reference(
    ledger: &Ledger,
    limits: LedgerLimits,
    (request, scope): (&GetTransactionRequest, Scope),
    question: ReferenceQuestion,
) -> Result<GetTransactionResponse, Error> {
    let is_first = question.after.is_none();
    let answer = ledger.get_reference(&question, scope).await?;
    let found = answer.value;
    let places: Vec<_> = found.rows.iter().map(|row| row.place).collect();
    let mut transactions: Vec<_> = found.rows.into_iter().map(transaction_pb).collect();
    let mut room = page::room(limits.response_bytes_max);
    let mut net_values = Vec::new();
    if is_first {
        net_values.extend(found.net_values.iter().map(net_value_pb));
        let taken: usize = net_values.iter().map(page::row_bytes).sum();
        let needed = taken + transactions.first().map_or(0, page::row_bytes);
        if needed > room {
            return Err(Error::new(ErrorKind::BeyondLimit(
                "the net values of the reference and its first transaction are larger than \
                 --response-bytes-max",
            )));
        }
        room -= taken;
    }
    let is_cut = page::cut_after_first(&mut transactions, room)?;
    let last = transactions.len().checked_sub(1).and_then(|last| places.get(last).copied());
    Ok(GetTransactionResponse {
        transactions,
        net_values,
        transaction_count: decode::count_pb(found.row_count),
        next_page_token: token(request, last.filter(|_| is_cut || found.has_more)),
        database_seconds: answer.took.as_secs_f64(),
    })
}

fn token(request: &GetTransactionRequest, last: Option<RowPlace>) -> String {
    last.map(|place| page_token::write(digest(request), &place_text(place))).unwrap_or_default()
}

fn net_value_pb(value: &NetValue) -> v1::NetValue {
    let decimals = value.asset_decimals;
    v1::NetValue {
        account: Some(account_pb(&value.account)),
        asset: value.asset_code.clone(),
        received_amount: value.received.to_text(decimals),
        sent_amount: value.sent.to_text(decimals),
        net_amount: value.received.minus(&value.sent).to_text(decimals),
    }
}
