//! Transactions as the API writes them, and their places in page tokens.

use chrono::DateTime;
use uuid::Uuid;

use crate::{
    domain::{
        account::AccountKey,
        recorded_transaction::{RowPlace, Transaction},
        user::parse_user_uuid,
    },
    grpc::{
        decode, page_token,
        pb::v1::{self},
        violations::Violations,
    },
};

/// A transaction.
pub(super) fn transaction_pb(transaction: Transaction) -> v1::Transaction {
    let RowPlace { occurred_at, position, transaction_id } = transaction.place;
    v1::Transaction {
        transaction_id: transaction_id.to_string(),
        occurred_at: Some(decode::timestamp(occurred_at)),
        position,
        sender: Some(account_pb(&transaction.sender.account)),
        receiver: Some(account_pb(&transaction.receiver.account)),
        asset: transaction.asset_code,
        amount: transaction.amount.to_text(transaction.asset_decimals),
        reference: transaction.reference.unwrap_or_default(),
        recorded_at: Some(decode::timestamp(transaction.recorded_at)),
    }
}

/// An account.
pub(super) fn account_pb(account: &AccountKey) -> v1::AccountKey {
    v1::AccountKey {
        network: account.network().as_str().to_owned(),
        address: account.address().as_str().to_owned(),
    }
}

/// Checks the id of a transaction.
pub(super) fn transaction_id(given: &str, violations: &mut Violations) -> Option<Uuid> {
    violations.require(parse_user_uuid(given), "transaction_id", decode::UUID_HINT)
}

/// The place of a row as a page token holds it.
pub(super) fn place_text(place: RowPlace) -> String {
    let RowPlace { occurred_at, position, transaction_id } = place;
    format!("{} {position} {transaction_id}", occurred_at.timestamp_micros())
}

/// Reads the field `page_token`: the outer `None` is a violation, the inner one the first
/// page.
#[expect(clippy::option_option, reason = "a wrong token and no token are two things")]
pub(super) fn page_start(
    request_digest: [u8; 8],
    token: &str,
    violations: &mut Violations,
) -> Option<Option<RowPlace>> {
    if token.is_empty() {
        return Some(None);
    }
    let position = page_token::read(request_digest, token);
    let place = position.as_deref().and_then(parse_place);
    violations.require(place, "page_token", page_token::TOKEN_HINT).map(Some)
}

fn parse_place(text: &str) -> Option<RowPlace> {
    let mut words = text.split(' ');
    let (micros, position, id) = (words.next()?, words.next()?, words.next()?);
    let occurred_at = DateTime::from_timestamp_micros(micros.parse().ok()?)?;
    let place = RowPlace {
        occurred_at,
        position: position.parse().ok()?,
        transaction_id: parse_user_uuid(id)?,
    };
    words.next().is_none().then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_they_are_written() {
        let id = Uuid::from_u128(7);
        for (micros, position) in [(0, 0), (-1, i64::MIN), (253_402_300_799_999_999, i64::MAX)] {
            let occurred_at = DateTime::from_timestamp_micros(micros).expect("in range");
            let place = RowPlace { occurred_at, position, transaction_id: id };
            assert_eq!(parse_place(&place_text(place)), Some(place));
        }
        let too_far = i64::MAX;
        for text in
            ["", "1", "1 2", "1 2 3", &format!("1 2 {id} "), &format!("{too_far} 2 {id}"), "a b c"]
        {
            assert_eq!(parse_place(text), None, "{text}");
        }
    }
}
