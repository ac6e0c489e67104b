//! `IngestService.RecordTransaction`, and what it shares with the stream: a row, decoded.

use std::sync::Arc;

use uuid::Uuid;

use crate::{
    domain::{
        asset::SEEDED_ASSET_CODE,
        refusal::{Fault, RefusalReason},
        transaction::{NewTransaction, RowRules, amount_hint},
    },
    error::{Error, ErrorKind, Obstacle, Violation},
    grpc::{
        decode::{self, AccountFields},
        pb::v1::{self, RecordTransactionRequest, RecordTransactionResponse},
        violations::Violations,
    },
    ingest::{Ingest, RecordOptions},
};

const SENDER: AccountFields =
    AccountFields { network: "sender.network", address: "sender.address" };
const RECEIVER: AccountFields =
    AccountFields { network: "receiver.network", address: "receiver.address" };

pub(super) async fn record_transaction(
    ingest: &Ingest,
    request: RecordTransactionRequest,
) -> Result<RecordTransactionResponse, Error> {
    let mut violations = Violations::default();
    let row = match request.transaction {
        Some(given) => {
            let row = transaction(given, &mut violations);
            violations = violations.within("transaction");
            row
        }
        None => violations.require(None, "transaction", "must be set"),
    };
    let row = violations.finish(row)?;
    let options =
        RecordOptions { create_accounts: request.create_accounts, ..RecordOptions::default() };
    let mut outcome = ingest.record(vec![row], &options).await?;
    if let Some(refusal) = outcome.refused.pop() {
        return Err(refused(refusal.fault));
    }
    Ok(RecordTransactionResponse {
        transaction_id: outcome.ids.first().map(Uuid::to_string).unwrap_or_default(),
        already_present: outcome.already_present > 0,
    })
}

/// Reads a row; notes everything that is wrong with it, by the names of its own fields.
pub(super) fn transaction(
    given: v1::NewTransaction,
    violations: &mut Violations,
) -> Option<NewTransaction> {
    let transaction_id = match &*given.transaction_id {
        "" => Some(None),
        text => decode::user_uuid(text, "transaction_id", violations).map(Some),
    };
    let occurred_at = decode::instant(given.occurred_at.as_ref(), "occurred_at", violations);
    let sender = account(given.sender.as_ref(), "sender", SENDER, violations);
    let receiver = account(given.receiver.as_ref(), "receiver", RECEIVER, violations);
    let amount = decode::decimal(&given.amount, "amount", amount_hint, violations);
    let asset_code = match given.asset {
        code if code.is_empty() => Arc::from(SEEDED_ASSET_CODE),
        code => Arc::from(code),
    };
    let transaction = NewTransaction {
        transaction_id: transaction_id?,
        occurred_at: occurred_at?,
        position: given.position,
        asset_code,
        sender: sender?,
        receiver: receiver?,
        amount: amount?,
        reference: Some(given.reference).filter(|reference| !reference.is_empty()),
    };
    if let Some(Fault { field, message, .. }) = transaction.fault(RowRules::New) {
        violations.add(field, message);
    }
    Some(transaction)
}

fn account(
    given: Option<&v1::AccountKey>,
    field: &'static str,
    fields: AccountFields,
    violations: &mut Violations,
) -> Option<crate::domain::account::AccountKey> {
    let given = violations.require(given, field, "must be set: it has a network and an address")?;
    decode::account_parts(&given.network, &given.address, fields, violations)
}

/// What a refused row means for a call that has no other.
fn refused(fault: Fault) -> Error {
    let Fault { reason, field, message } = fault;
    Error::new(match reason {
        RefusalReason::WrongField | RefusalReason::DayOutOfRange => {
            ErrorKind::InvalidArgument(vec![Violation {
                field: in_request(field).into(),
                description: message,
            }])
        }
        RefusalReason::UnknownAccount => ErrorKind::NotFound(match field {
            "sender" => "sender account",
            _ => "receiver account",
        }),
        RefusalReason::UnknownAsset => ErrorKind::NotFound("asset"),
        RefusalReason::DayAbsent => ErrorKind::InTheWay(Obstacle {
            kind: "DAY_ABSENT",
            subject: in_request(field),
            description: format!("occurred_at {message}"),
        }),
        RefusalReason::OtherContent | RefusalReason::Deleted => {
            ErrorKind::AlreadyExists(format!("{} {message}", in_request(field)))
        }
    })
}

/// A field of the row as the request has it.
fn in_request(field: &str) -> String {
    format!("transaction.{field}")
}
