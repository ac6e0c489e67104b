//! Transactions: amounts of one asset moved from one account to another.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::{
    account::AccountKey,
    decimal::Decimal,
    refusal::{Fault, RefusalReason},
    window,
};

/// Most digits of an amount before the point: a 256-bit number has 78.
pub const AMOUNT_WHOLE_DIGITS_MAX: u32 = 78;

/// Most digits of an amount behind the point.
pub const AMOUNT_DECIMALS_MAX: u32 = 77;

/// Longest reference, in characters.
pub const REFERENCE_LENGTH_MAX: usize = 256;

/// Most digits of a NUMERIC before the point and behind it.
const NUMERIC_DIGITS_MAX: (u32, u32) = (131_072, 16_383);

/// Which rules a transaction is held to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum RowRules {
    /// Those for what somebody wants recorded.
    #[default]
    New,
    /// Those of the table: for what was recorded once, and may have been by plain SQL. An
    /// amount may be zero or of any size, and a reference may hold control characters.
    Recorded,
}

/// A transaction that somebody wants recorded, in the words of the outside.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewTransaction {
    /// Unique over all time; made by the server where it is missing.
    pub transaction_id: Option<Uuid>,
    /// When the amount moved, to the microsecond.
    pub occurred_at: DateTime<Utc>,
    /// Order among transactions of the same instant.
    pub position: i64,
    /// Code of what was moved.
    pub asset_code: Arc<str>,
    /// Account that sent.
    pub sender: AccountKey,
    /// Account that received.
    pub receiver: AccountKey,
    /// How much, in whole units of the asset.
    pub amount: Decimal,
    /// What groups transactions that belong together.
    pub reference: Option<String>,
}

impl NewTransaction {
    /// What is wrong with the transaction by itself, if anything is.
    #[must_use]
    pub fn fault(&self, rules: RowRules) -> Option<Fault> {
        let wrong = |field, message: String| {
            Some(Fault { reason: RefusalReason::WrongField, field, message })
        };
        let nanos = i32::try_from(self.occurred_at.timestamp_subsec_nanos()).unwrap_or(-1);
        if let Err(error) = window::instant(self.occurred_at.timestamp(), nanos) {
            return wrong("occurred_at", error.to_string());
        }
        let (is_right, (whole, decimals), hint) = match rules {
            RowRules::New => (
                self.amount.is_positive(),
                (AMOUNT_WHOLE_DIGITS_MAX, AMOUNT_DECIMALS_MAX),
                "must be greater than zero",
            ),
            RowRules::Recorded => {
                (self.amount >= Decimal::zero(), NUMERIC_DIGITS_MAX, "must not be negative")
            }
        };
        if !is_right {
            return wrong("amount", hint.to_owned());
        }
        if !self.amount.fits(whole, decimals) {
            return wrong(
                "amount",
                format!(
                    "must have at most {whole} digits before the point and {decimals} behind it"
                ),
            );
        }
        match &self.reference {
            Some(text) if !is_reference(text, rules) => wrong("reference", reference_hint(rules)),
            _ => None,
        }
    }
}

/// What an amount may look like, for whoever sent another one.
#[must_use]
pub fn amount_hint() -> String {
    format!(
        "must be a decimal number greater than zero, such as 12.50, with at most \
         {AMOUNT_WHOLE_DIGITS_MAX} digits before the point and {AMOUNT_DECIMALS_MAX} behind it"
    )
}

fn is_reference(text: &str, rules: RowRules) -> bool {
    let is_taken = |c: char| match rules {
        RowRules::New => !c.is_control(),
        // The one character that Postgres keeps in no text.
        RowRules::Recorded => c != '\0',
    };
    (1..=REFERENCE_LENGTH_MAX).contains(&text.chars().count()) && text.chars().all(is_taken)
}

fn reference_hint(rules: RowRules) -> String {
    let kind = match rules {
        RowRules::New => "without control characters",
        RowRules::Recorded => "none of them NUL",
    };
    format!("must be 1 to {REFERENCE_LENGTH_MAX} characters, {kind}")
}

/// A transaction that is about to be recorded, with the database's own keys for what it
/// names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyedTransaction {
    /// Unique over all time.
    pub transaction_id: Uuid,
    /// When the amount moved, to the microsecond.
    pub occurred_at: DateTime<Utc>,
    /// Order among transactions of the same instant.
    pub position: i64,
    /// What was moved.
    pub asset_id: i32,
    /// Decimals of the asset: as many are stored at least.
    pub asset_decimals: u32,
    /// Account that sent.
    pub sender_id: i64,
    /// Account that received.
    pub receiver_id: i64,
    /// How much, in whole units of the asset.
    pub amount: Decimal,
    /// What groups transactions that belong together.
    pub reference: Option<String>,
}

impl KeyedTransaction {
    /// The first part of the content, in the order of a request's fields, in which the other
    /// transaction differs; `None` if it is the same.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<&'static str> {
        [
            ("occurred_at", self.occurred_at == other.occurred_at),
            ("position", self.position == other.position),
            ("asset", self.asset_id == other.asset_id),
            ("sender", self.sender_id == other.sender_id),
            ("receiver", self.receiver_id == other.receiver_id),
            ("amount", self.amount == other.amount),
            ("reference", self.reference == other.reference),
        ]
        .into_iter()
        .find_map(|(field, is_same)| (!is_same).then_some(field))
    }
}

/// A transaction of the seeder's.
#[derive(Clone, Debug, PartialEq)]
pub struct SeededTransaction {
    /// When the amount moved, to the microsecond.
    pub occurred_at: DateTime<Utc>,
    /// Order among transactions of the same instant.
    pub position: i64,
    /// Unique over all time.
    pub transaction_id: Uuid,
    /// What was moved.
    pub asset_id: i32,
    /// Account that sent.
    pub sender_id: i64,
    /// Account that received.
    pub receiver_id: i64,
    /// How much, in whole units of the asset.
    pub amount: rust_decimal::Decimal,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transaction() -> NewTransaction {
        let account = |address| AccountKey::canonical("bank", address).expect("an account");
        NewTransaction {
            transaction_id: None,
            occurred_at: DateTime::from_timestamp_micros(1_700_000_000_000_001)
                .expect("an instant"),
            position: 0,
            asset_code: Arc::from("USD"),
            sender: account("a"),
            receiver: account("b"),
            amount: Decimal::from(5),
            reference: None,
        }
    }

    fn amount(text: &str) -> NewTransaction {
        NewTransaction { amount: Decimal::parse(text).expect("a number"), ..transaction() }
    }

    #[test]
    fn each_wrong_field_is_named() {
        let nanos = DateTime::from_timestamp(1_700_000_000, 1).expect("an instant");
        let reference = |text: &str| Some(text.to_owned());
        for (wrong, field) in [
            (NewTransaction { occurred_at: nanos, ..transaction() }, "occurred_at"),
            (
                NewTransaction { occurred_at: DateTime::<Utc>::MIN_UTC, ..transaction() },
                "occurred_at",
            ),
            (amount("0"), "amount"),
            (amount("-1"), "amount"),
            (amount(&"9".repeat(79)), "amount"),
            (amount(&format!("0.{}1", "0".repeat(77))), "amount"),
            (NewTransaction { reference: reference(""), ..transaction() }, "reference"),
            (NewTransaction { reference: reference("a\0"), ..transaction() }, "reference"),
            (
                NewTransaction { reference: reference(&"x".repeat(257)), ..transaction() },
                "reference",
            ),
        ] {
            let fault = wrong.fault(RowRules::New).expect("it is wrong");
            assert_eq!(
                (fault.field, fault.reason),
                (field, RefusalReason::WrongField),
                "{wrong:?}"
            );
        }
    }

    #[test]
    fn what_is_at_the_limits_is_right() {
        for right in [
            transaction(),
            amount(&format!("{}.{}1", "9".repeat(78), "0".repeat(76))),
            NewTransaction { reference: Some("ä".repeat(256)), ..transaction() },
        ] {
            assert_eq!(right.fault(RowRules::New), None, "{right:?}");
        }
    }

    #[test]
    fn what_the_table_took_once_is_taken_again() {
        let reference = |text: &str| Some(text.to_owned());
        for recorded in [
            amount("0"),
            amount(&"9".repeat(100)),
            amount(&format!("0.{}1", "0".repeat(90))),
            NewTransaction { reference: reference("a\tb\n"), ..transaction() },
        ] {
            assert_eq!(recorded.fault(RowRules::Recorded), None, "{recorded:?}");
            assert!(recorded.fault(RowRules::New).is_some(), "{recorded:?}");
        }
        let digits = "must have at most 131072 digits before the point and 16383 behind it";
        let characters = "must be 1 to 256 characters, none of them NUL";
        for (wrong, field, message) in [
            (amount("-0.1"), "amount", "must not be negative"),
            (amount(&format!("0.{}1", "0".repeat(16_383))), "amount", digits),
            (amount(&"1".repeat(131_073)), "amount", digits),
            (
                NewTransaction { reference: reference("a\0"), ..transaction() },
                "reference",
                characters,
            ),
            (NewTransaction { reference: reference(""), ..transaction() }, "reference", characters),
        ] {
            let fault = wrong.fault(RowRules::Recorded).expect("it is wrong");
            assert_eq!((fault.field, fault.message.as_str()), (field, message));
        }
        for largest in [amount(&"9".repeat(131_072)), amount(&format!("0.{}1", "0".repeat(16_382)))]
        {
            assert_eq!(largest.fault(RowRules::Recorded), None);
        }
    }
}
