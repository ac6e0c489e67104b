//! One transaction, or all rows of a reference.

use uuid::Uuid;

use crate::{
    domain::access::Scope,
    domain::recorded_transaction::{NetValue, RowPlace, Transaction, net_values},
    error::{Error, ErrorKind},
    ledger::Ledger,
    store::{
        Reader, Snapshot, days,
        get_transaction::{find_id, find_row, reference_instants, reference_rows},
        session::Answer,
    },
};

/// What an id that was never recorded is called.
pub(super) const UNKNOWN: &str = "transaction";

/// What an id whose row was deleted is called.
const DELETED: &str = "transaction: it was deleted";

/// A question for the rows of a reference.
#[derive(Clone, Debug)]
pub struct ReferenceQuestion {
    /// The reference.
    pub reference: String,
    /// The row behind which the page begins; `None` for the first page.
    pub after: Option<RowPlace>,
    /// Most rows on the page.
    pub page_size: usize,
    /// Most rows that a reference may have.
    pub rows_max: usize,
}

/// A page of the rows of a reference.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReferencePage {
    /// The page, in the order of rows.
    pub rows: Vec<Transaction>,
    /// Whether another page follows.
    pub has_more: bool,
    /// Rows of the reference, on all pages.
    pub row_count: usize,
    /// What each account received and sent in all of them.
    pub net_values: Vec<NetValue>,
}

impl Ledger {
    /// The transaction of this id, if one side of it is within the scope. What was deleted, or is
    /// not at hand, is unknown to whoever may not see everybody's: its sides cannot be told.
    ///
    /// # Errors
    /// `NotFound` for an id that is unknown or was deleted; `FailedPrecondition` if its day is
    /// not at hand; what the database says.
    pub async fn get_transaction(
        &self,
        transaction_id: Uuid,
        scope: Scope,
    ) -> Result<Answer<Transaction>, Error> {
        let snapshot = days::noted_snapshot(&self.database).await?;
        let outcome = find_transaction(&snapshot, transaction_id, scope).await;
        // A refusal is an answer too: its snapshot ends in order.
        let ended = snapshot.end().await;
        Ok(Answer { value: outcome?, took: ended? })
    }

    /// A page of the rows of a reference.
    ///
    /// # Errors
    /// `PermissionDenied` to whoever may not see everybody's rows; `NotFound` for a reference
    /// without rows; `FailedPrecondition` if it has rows on days that are not at hand;
    /// `BeyondLimit` if it has too many; what the database says.
    pub async fn get_reference(
        &self,
        question: &ReferenceQuestion,
        scope: Scope,
    ) -> Result<Answer<ReferencePage>, Error> {
        if scope != Scope::Everybody {
            return Err(Error::new(ErrorKind::PermissionDenied));
        }
        let snapshot = days::noted_snapshot(&self.database).await?;
        let outcome = find_reference(&snapshot, question).await;
        let ended = snapshot.end().await;
        Ok(Answer { value: page(outcome?, question), took: ended? })
    }
}

async fn find_transaction(
    snapshot: &Snapshot,
    transaction_id: Uuid,
    scope: Scope,
) -> Result<Transaction, Error> {
    let reader = Reader::Snapshot(snapshot);
    let Some(known) = find_id(snapshot, transaction_id).await? else {
        // A seeding may be about to record it.
        days::refuse_absent(reader, &[]).await?;
        return Err(Error::new(ErrorKind::NotFound(UNKNOWN)));
    };
    let is_deleted = known.deleted_at.is_some();
    if is_deleted && scope == Scope::Everybody {
        return Err(Error::new(ErrorKind::NotFound(DELETED)));
    }
    if !is_deleted
        && let Some(row) = find_row(snapshot, transaction_id, known.occurred_at, scope).await?
    {
        return Ok(row);
    }
    if scope != Scope::Everybody {
        days::refuse_absent(reader, &[]).await?;
        return Err(Error::new(ErrorKind::NotFound(UNKNOWN)));
    }
    let day = known.occurred_at.date_naive();
    days::refuse_absent(reader, &[day]).await?;
    Err(days::missing_rows(day))
}

/// All rows of a reference, in their order.
async fn find_reference(
    snapshot: &Snapshot,
    question: &ReferenceQuestion,
) -> Result<Vec<Transaction>, Error> {
    let ReferenceQuestion { reference, rows_max, .. } = question;
    // One more than allowed shows that there are too many.
    let limit = i64::try_from(rows_max.saturating_add(1)).unwrap_or(i64::MAX);
    let instants = reference_instants(snapshot, reference, limit).await?;
    if instants.len() > *rows_max {
        return Err(too_many());
    }
    let mut days: Vec<_> = instants.iter().map(chrono::DateTime::date_naive).collect();
    days.dedup();
    days::refuse_absent(Reader::Snapshot(snapshot), &days).await?;
    let rows = match instants.is_empty() {
        true => Vec::new(),
        false => reference_rows(snapshot, reference, &instants, limit).await?,
    };
    if rows.len() > *rows_max {
        return Err(too_many());
    }
    if rows.is_empty() {
        return Err(Error::new(ErrorKind::NotFound("reference")));
    }
    Ok(rows)
}

fn too_many() -> Error {
    Error::new(ErrorKind::BeyondLimit("the reference has more rows than --reference-rows-max"))
}

/// Cuts the page out of all rows, pure.
fn page(mut rows: Vec<Transaction>, question: &ReferenceQuestion) -> ReferencePage {
    let net_values = net_values(&rows);
    let row_count = rows.len();
    if let Some(after) = question.after {
        rows.retain(|row| row.place > after);
    }
    let has_more = rows.len() > question.page_size;
    rows.truncate(question.page_size);
    ReferencePage { rows, has_more, row_count, net_values }
}
