//! A chunk at work: which of its rows may still be recorded, and what became of the others.
//! Pure; `record_transactions` asks the database and tells it here.

use std::collections::{BTreeSet, HashMap, HashSet};

use chrono::{DateTime, NaiveDate, Utc};
use rand::RngExt;
use uuid::{Builder, Uuid};

use crate::{
    domain::{
        refusal::{Fault, Refusal, RefusalReason},
        transaction::{KeyedTransaction, NewTransaction},
    },
    ingest::{ChunkOutcome, RecordOptions, strangers::Strangers},
    store::record_transactions::KnownId,
};

/// What became of a row.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Fate {
    Recorded,
    Present,
    Refused(Fault),
}

/// A row that may be recorded, and its place in the chunk.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) index: usize,
    pub(super) row: KeyedTransaction,
}

impl Candidate {
    /// The day that the row goes to.
    pub(super) fn day(&self) -> NaiveDate {
        self.row.occurred_at.date_naive()
    }
}

/// A chunk at work: its rows are candidates until their fate is known.
pub(super) struct Chunk<'a> {
    pub(super) candidates: Vec<Candidate>,
    /// What candidates name that is not recorded yet.
    pub(super) strangers: Strangers<'a>,
    /// Whether the ids of candidates were looked up since somebody last tried to write them.
    pub(super) is_looked_up: bool,
    /// Rows that say the same as an earlier one, and the place of that one.
    repeated: Vec<(usize, usize)>,
    pub(super) fates: Vec<Option<Fate>>,
    pub(super) ids: Vec<Uuid>,
}

impl<'a> Chunk<'a> {
    pub(super) fn new(rows: &[NewTransaction], options: &'a RecordOptions) -> Self {
        let now = Utc::now();
        Self {
            candidates: Vec::with_capacity(rows.len()),
            strangers: Strangers::new(options),
            is_looked_up: false,
            repeated: Vec::new(),
            fates: vec![None; rows.len()],
            ids: rows.iter().map(|row| row.transaction_id.unwrap_or_else(|| new_id(now))).collect(),
        }
    }

    /// Leaves one candidate for each id. A later one shares its fate if it says the same, and
    /// is refused if it doesn't.
    pub(super) fn set_repeated_apart(&mut self) {
        let mut first: HashMap<Uuid, usize> = HashMap::with_capacity(self.candidates.len());
        let mut order: Vec<usize> = (0..self.candidates.len()).collect();
        order.sort_unstable_by_key(|&place| self.candidates[place].index);
        let mut later = HashSet::new();
        for place in order {
            let Candidate { index, row } = &self.candidates[place];
            let earlier = *first.entry(row.transaction_id).or_insert(place);
            if earlier == place {
                continue;
            }
            later.insert(*index);
            match row.difference(&self.candidates[earlier].row) {
                None => self.repeated.push((*index, self.candidates[earlier].index)),
                Some(field) => {
                    let message = "differs from what an earlier row of this chunk has under the \
                                   same transaction_id"
                        .to_owned();
                    let fault = Fault { reason: RefusalReason::OtherContent, field, message };
                    self.fates[*index] = Some(Fate::Refused(fault));
                }
            }
        }
        if !later.is_empty() {
            self.candidates.retain(|candidate| !later.contains(&candidate.index));
        }
    }

    /// Gives candidates their fate, where they have one; the others stay candidates.
    pub(super) fn settle(&mut self, fate: impl Fn(&Candidate) -> Option<Fate>) {
        let fates = &mut self.fates;
        self.candidates.retain(|candidate| {
            let fate = fate(candidate);
            let stays = fate.is_none();
            if !stays {
                fates[candidate.index] = fate;
            }
            stays
        });
    }

    /// Refuses rows for what is wrong with them, whatever else is, unless they are there already.
    pub(super) fn refuse_unless_present(&mut self, faults: Vec<(usize, Fault)>) {
        for (index, fault) in faults {
            if self.fates[index] != Some(Fate::Present) {
                self.fates[index] = Some(Fate::Refused(fault));
            }
        }
        self.candidates.retain(|candidate| self.fates[candidate.index].is_none());
    }

    /// Days that candidates go to.
    pub(super) fn days(&self) -> BTreeSet<NaiveDate> {
        self.candidates.iter().map(Candidate::day).collect()
    }

    /// Whether none of its rows is to be recorded, because one is refused.
    pub(super) fn is_given_up(&self) -> bool {
        self.strangers.options.whole_chunks_only
            && self.fates.iter().any(|fate| matches!(fate, Some(Fate::Refused(_))))
    }

    pub(super) fn finish(mut self) -> ChunkOutcome {
        for &(index, earlier) in &self.repeated {
            self.fates[index] = self.fates[earlier].clone().map(|fate| match fate {
                Fate::Recorded | Fate::Present => Fate::Present,
                refused @ Fate::Refused(_) => refused,
            });
        }
        let mut outcome = ChunkOutcome { ids: self.ids, ..ChunkOutcome::default() };
        for (index, fate) in self.fates.into_iter().enumerate() {
            match fate {
                Some(Fate::Recorded) => outcome.recorded += 1,
                Some(Fate::Present) => outcome.already_present += 1,
                Some(Fate::Refused(fault)) => outcome.refused.push(Refusal { index, fault }),
                // Of a chunk that was not recorded because of others.
                None => {}
            }
        }
        outcome
    }
}

/// What becomes of a row whose id is known.
pub(super) fn fate_of_known(
    row: &KeyedTransaction,
    known: &KnownId,
    recorded: Option<&KeyedTransaction>,
) -> Fate {
    let refused = |reason, field, message: String| Fate::Refused(Fault { reason, field, message });
    if known.is_deleted {
        let message = "is that of a transaction that was deleted".to_owned();
        return refused(RefusalReason::Deleted, "transaction_id", message);
    }
    if known.is_of(row) {
        return Fate::Present;
    }
    let field = if known.occurred_at == row.occurred_at {
        recorded.and_then(|recorded| row.difference(recorded))
    } else {
        Some("occurred_at")
    };
    let message = match field {
        Some(_) => "differs from what is recorded under this transaction_id".to_owned(),
        // Its day is not at hand, or it is being changed.
        None => "is recorded with other content".to_owned(),
    };
    refused(RefusalReason::OtherContent, field.unwrap_or("transaction_id"), message)
}

/// A UUID of version 7 (RFC 9562, section 5.7).
fn new_id(now: DateTime<Utc>) -> Uuid {
    let millis = u64::try_from(now.timestamp_millis()).unwrap_or(0);
    Builder::from_unix_timestamp_millis(millis, &rand::rng().random()).into_uuid()
}
