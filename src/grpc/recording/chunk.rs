//! A chunk of a stream that records: its rows read, recorded, and answered for.

use std::borrow::Cow;

use crate::{
    domain::refusal::{Fault, Refusal, RefusalReason},
    error::{Error, Violation},
    grpc::{
        pb::v1::{self, RefusedTransaction},
        recording::{Acknowledged, Recorded, Recorder},
        violations::Violations,
    },
    ingest::Ingest,
};

/// Rows of a chunk: those that can be read, with their places, and those that cannot.
pub(super) struct Chunk<Row> {
    number: i64,
    rows: Vec<Row>,
    places: Vec<usize>,
    refused: Vec<Refusal>,
}

/// Reads the rows of a chunk.
pub(super) fn decode<R: Recorder>(number: i64, given: Vec<R::Given>) -> Chunk<R::Row> {
    let count = given.len();
    let mut chunk = Chunk {
        number,
        rows: Vec::with_capacity(count),
        places: Vec::with_capacity(count),
        refused: Vec::new(),
    };
    for (index, given) in given.into_iter().enumerate() {
        let mut violations = Violations::default();
        let row = R::decode(given, &mut violations);
        match row.filter(|_| !violations.has_any()) {
            Some(row) => {
                chunk.places.push(index);
                chunk.rows.push(row);
            }
            None => chunk.refused.push(Refusal { index, fault: first_fault(violations) }),
        }
    }
    chunk
}

/// The first of the things that are wrong with a row.
fn first_fault(violations: Violations) -> Fault {
    let (field, message) = match violations.into_first() {
        Some(Violation { field: Cow::Borrowed(field), description }) => (field, description),
        Some(Violation { description, .. }) => ("", description),
        None => ("", "cannot be read".to_owned()),
    };
    Fault { reason: RefusalReason::WrongField, field, message }
}

/// Records a chunk and says what became of it.
pub(super) async fn acknowledge<R: Recorder>(
    recorder: &R,
    ingest: &Ingest,
    chunk: Chunk<R::Row>,
) -> Result<Acknowledged, Error> {
    let Chunk { number, rows, places, mut refused } = chunk;
    let outcome = if recorder.is_for_whole_chunks() && !refused.is_empty() {
        Recorded::default()
    } else {
        recorder.record(ingest, rows).await?
    };
    refused.extend(
        outcome
            .refused
            .into_iter()
            .map(|refusal| Refusal { index: places[refusal.index], fault: refusal.fault }),
    );
    refused.sort_unstable_by_key(|refusal| refusal.index);
    let made_ids = outcome.made_ids.into_iter();
    Ok(Acknowledged {
        chunk_number: number,
        recorded_count: small(outcome.recorded),
        already_present_count: small(outcome.already_present),
        replaced_count: small(outcome.replaced),
        refused: refused.into_iter().map(refused_pb).collect(),
        made_ids: made_ids.map(|(index, id)| (small(places[index]), id)).collect(),
    })
}

fn refused_pb(refusal: Refusal) -> RefusedTransaction {
    let Refusal { index, fault: Fault { reason, field, message } } = refusal;
    let reason = match reason {
        RefusalReason::WrongField => v1::RefusalReason::WrongField,
        RefusalReason::UnknownAccount => v1::RefusalReason::UnknownAccount,
        RefusalReason::UnknownAsset => v1::RefusalReason::UnknownAsset,
        RefusalReason::DayOutOfRange => v1::RefusalReason::DayOutOfRange,
        RefusalReason::DayAbsent => v1::RefusalReason::DayAbsent,
        RefusalReason::OtherContent => v1::RefusalReason::OtherContent,
        RefusalReason::Deleted => v1::RefusalReason::Deleted,
    };
    RefusedTransaction {
        row_index: small(index),
        reason: reason.into(),
        field: field.to_owned(),
        description: message,
    }
}

/// A number of rows of a chunk, which are few.
fn small(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
