//! Deleting a transaction.

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use crate::{
    domain::access::Identity,
    error::{Error, ErrorKind, Obstacle},
    ledger::{Ledger, get_transaction::UNKNOWN},
    store::{
        Reader,
        audit_log::note,
        days,
        delete_transaction::delete_row,
        get_transaction::{RegisteredId, find_id_in_tx},
        tx::PooledTx,
    },
};

/// Stem that errors of the tx carry in the place of a statement's.
const STEM: &str = "delete_transaction";

/// How often a row is looked for that others keep moving to another instant.
const ATTEMPTS_MAX: usize = 5;

/// A transaction that is deleted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DeletedTransaction {
    /// Whether it was deleted now, and not before.
    pub was_deleted_now: bool,
    /// When it was deleted.
    pub deleted_at: DateTime<Utc>,
}

/// What came of one attempt.
enum Attempt {
    Done(DeletedTransaction),
    /// The row was moved meanwhile: it is elsewhere now.
    Moved,
    /// The row is recorded at this instant and was not found there.
    Missing(DateTime<Utc>),
}

impl Ledger {
    /// Deletes the transaction of this id, unless it is deleted already.
    ///
    /// # Errors
    /// `NotFound` for an unknown id; `FailedPrecondition` if its day is not at hand; `Aborted`
    /// if others got in the way; what the database says.
    pub async fn delete_transaction(
        &self,
        transaction_id: Uuid,
        by: &Identity,
    ) -> Result<DeletedTransaction, Error> {
        // Writers are refused meanwhile.
        days::refuse_absent(Reader::Pool(&self.database), &[]).await?;
        for _ in 0..ATTEMPTS_MAX {
            let tx = PooledTx::begin(&self.database, STEM).await?;
            match attempt(tx, transaction_id, by).await? {
                Attempt::Done(deleted) => return Ok(deleted),
                Attempt::Moved => {}
                Attempt::Missing(occurred_at) => {
                    return Err(self.why_missing(occurred_at.date_naive()).await?);
                }
            }
        }
        Err(Error::new(ErrorKind::Aborted))
    }

    /// Why a row that is recorded on a day was not found there.
    async fn why_missing(&self, day: NaiveDate) -> Result<Error, Error> {
        let snapshot = days::noted_snapshot(&self.database).await?;
        let outcome = days::refuse_absent(Reader::Snapshot(&snapshot), &[day]).await;
        snapshot.end().await?;
        Ok(outcome.err().unwrap_or_else(|| days::missing_rows(day)))
    }
}

/// Locks the row before its entry in the register, as every other writer does: by deleting it.
async fn attempt(tx: PooledTx, transaction_id: Uuid, by: &Identity) -> Result<Attempt, Error> {
    let Some(known) = find_id_in_tx(&tx, transaction_id).await? else {
        tx.roll_back().await?;
        return Err(Error::new(ErrorKind::NotFound(UNKNOWN)));
    };
    if let Some(deleted) = deleted_before(&known) {
        tx.roll_back().await?;
        return Ok(Attempt::Done(deleted));
    }
    let found = delete_row(&tx, transaction_id, known.occurred_at).await?;
    if found == Some(true) {
        tx.roll_back().await?;
        return Err(Error::new(ErrorKind::InTheWay(Obstacle {
            kind: "ASSET_IS_SYNCED",
            subject: transaction_id.to_string(),
            description: "its asset is synced from a chain: what the chain has stays".to_owned(),
        })));
    }
    let is_found = found.is_some();
    // Whoever was waited for has written its entry by now, and so has the trigger.
    let entry = find_id_in_tx(&tx, transaction_id).await?.unwrap_or(known);
    if is_found {
        let deleted_at = entry.deleted_at.ok_or_else(unmarked)?;
        note(&tx, by, "delete transaction", &transaction_id.to_string()).await?;
        tx.commit().await?;
        return Ok(Attempt::Done(DeletedTransaction { was_deleted_now: true, deleted_at }));
    }
    tx.roll_back().await?;
    Ok(match deleted_before(&entry) {
        Some(deleted) => Attempt::Done(deleted),
        None if entry.occurred_at == known.occurred_at => Attempt::Missing(entry.occurred_at),
        None => Attempt::Moved,
    })
}

fn deleted_before(entry: &RegisteredId) -> Option<DeletedTransaction> {
    let deleted_at = entry.deleted_at?;
    Some(DeletedTransaction { was_deleted_now: false, deleted_at })
}

fn unmarked() -> Error {
    Error::with_source(ErrorKind::Internal, "a deleted transaction was not marked by its trigger")
}
