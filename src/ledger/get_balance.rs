//! What does somebody hold?

use std::time::Duration;

use chrono::{DateTime, Utc};

pub use crate::store::get_balance::BalanceSubject;
use crate::{
    domain::{
        access::Scope,
        asset::Asset,
        direction::Direction,
        explanation::{Explanation, Verification},
        window::Window,
    },
    error::{Error, ErrorKind},
    ledger::Ledger,
    store::{
        Reader,
        days::{self, Needs},
        get_balance::{self, Flows},
        sum_amount::{FoundSum, Subject, SumQuery, sum_amounts},
    },
};

/// A question for a balance.
#[derive(Clone, Debug)]
pub struct BalanceQuestion {
    /// Whose balance.
    pub subject: BalanceSubject,
    /// Whose records may be seen: subjects beyond are unknown.
    pub scope: Scope,
    /// Of what.
    pub asset: Asset,
    /// Transactions before this instant count; `None` for all of them.
    pub at: Option<DateTime<Utc>>,
    /// Whether the answer says how it was made.
    pub explain: bool,
    /// Whether the answer is held against the rows.
    pub verify: bool,
}

/// A balance. Amounts are exact, as text with the asset's decimals.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BalanceAnswer {
    /// Received minus sent.
    pub balance: String,
    /// Sum of what was received.
    pub received_amount: String,
    /// Sum of what was sent.
    pub sent_amount: String,
    /// Number of transactions received.
    pub received_count: i64,
    /// Number of transactions sent.
    pub sent_count: i64,
    /// How long the database took.
    pub took: Duration,
    /// How it was made, if that was asked.
    pub explanation: Option<Explanation>,
    /// What the rows say, if that was asked.
    pub verification: Option<Verification>,
}

impl Ledger {
    /// What the subject received minus what it sent.
    ///
    /// # Errors
    /// `NotFound` for an unknown subject; what the database says.
    pub async fn get_balance(&self, question: &BalanceQuestion) -> Result<BalanceAnswer, Error> {
        let BalanceQuestion { subject, scope, asset, at, .. } = question;
        let queries = [Direction::Receiver, Direction::Sender].map(|direction| SumQuery {
            subject: match subject {
                BalanceSubject::User(user_uuid) => Subject::User(*user_uuid),
                BalanceSubject::Account(key) => Subject::Account(key.clone()),
            },
            asset_id: asset.asset_id,
            window: Window::before(*at),
            direction,
            scope: *scope,
        });
        let (answer, scanned) = if question.verify {
            let window = Window::before(*at);
            let snapshot = days::snapshot_for(&self.database, window, Needs::Rows).await?;
            let reader = Reader::Snapshot(&snapshot);
            let answer = sum_amounts(reader, &queries, question.explain).await?;
            // Rows of what is unknown to whoever asks are not touched.
            let scanned = match answer.value.iter().all(|found| found.total.is_some()) {
                true => {
                    get_balance::get_balance_of_rows(reader, subject, asset.asset_id, *at)
                        .await?
                        .value
                }
                false => None,
            };
            snapshot.end().await?;
            (answer, scanned)
        } else {
            let reader = Reader::Pool(&self.database);
            (sum_amounts(reader, &queries, question.explain).await?, None)
        };
        let took = answer.took;
        for found in &answer.value {
            days::refuse_days(Reader::Pool(&self.database), &found.days_in_the_way).await?;
        }
        let found: Result<Vec<_>, _> = answer.value.into_iter().map(FoundSum::sound).collect();
        let found = found?;
        let explanation = question.explain.then(|| Explanation {
            sealed_until: found.iter().find_map(|found| found.sealed_until),
            cells_read: found.iter().map(|found| found.cells_read).sum(),
            corrections_read: found.iter().map(|found| found.corrections_read).sum(),
            took,
            questions_together: 1,
            ..Explanation::default()
        });
        let mut totals = found.into_iter().map(|found| found.total);
        let flows = match (totals.next().flatten(), totals.next().flatten()) {
            (Some(received), Some(sent)) => Flows { received, sent },
            _ => {
                return Err(Error::new(ErrorKind::NotFound(match subject {
                    BalanceSubject::User(_) => "user",
                    BalanceSubject::Account(_) => "account",
                })));
            }
        };
        let verification = scanned.map(|scanned| verify(&flows, &scanned));
        let (received, sent) = (&flows.received, &flows.sent);
        Ok(BalanceAnswer {
            balance: received.sum.minus(&sent.sum).to_text(asset.decimals),
            received_amount: received.sum.to_text(asset.decimals),
            sent_amount: sent.sum.to_text(asset.decimals),
            received_count: received.count,
            sent_count: sent.count,
            took,
            explanation,
            verification,
        })
    }
}

/// Holds both sides of a balance against the rows.
fn verify(flows: &Flows, scanned: &Flows) -> Verification {
    let text = |flows: &Flows| {
        let (received, sent) = (&flows.received, &flows.sent);
        format!(
            "{} in {} received, {} in {} sent",
            received.sum, received.count, sent.sum, sent.count
        )
    };
    Verification {
        difference: (flows != scanned)
            .then(|| format!("running totals say {}, the rows say {}", text(flows), text(scanned))),
        rows_scanned: scanned.received.count + scanned.sent.count,
    }
}
