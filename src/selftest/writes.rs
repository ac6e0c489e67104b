//! Writes: statements of writers, what they do to the ledger once committed, and how they
//! are carried out. Statements of one round never touch the same rows, so that it does not
//! matter which writer comes first.

use std::{collections::HashSet, fmt::Debug};

use rand::RngExt;
use uuid::Uuid;

use crate::{
    selftest::{
        draws::{DAY_MICROS, Draws},
        oracle::{Change, Oracle, OracleRow},
    },
    store::{
        StoreError, StoreErrorKind,
        selftest::{LedgerRow, Outsider},
    },
};

/// Rows that the ledger is kept around, so that brute force stays quick.
const ROWS_AIMED_AT: usize = 3_000;

/// Rows that one statement deletes or moves as a rule, and at most.
const BULK_ROWS: usize = 30;
const BULK_ROWS_MAX: usize = 300;

/// One statement of a client's.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Insert(Vec<LedgerRow>),
    Copy(Vec<LedgerRow>),
    Update(Box<(LedgerRow, LedgerRow)>),
    Shift(Vec<LedgerRow>, i64),
    Delete(Vec<LedgerRow>),
    Track {
        user_id: i64,
        account_id: i64,
        is_tracked: bool,
    },
    /// A savepoint, these, and back to it.
    Undone(Vec<Step>),
}

/// A run of statements in one tx, with what they do once it is committed.
#[derive(Clone, Debug, Default)]
pub(super) struct Writes {
    pub(super) steps: Vec<Step>,
    pub(super) changes: Vec<Change>,
    /// Rows and wallets that nobody else may touch meanwhile.
    pub(super) held: Vec<Hold>,
    /// Whether a row is among them that the tx's snapshot may not see.
    pub(super) is_late: bool,
}

/// Something that one tx at a time may touch.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Hold {
    Row(Uuid),
    Wallet(usize, usize),
}

/// Draws writes against the ledger as it is.
pub(super) struct Planner<'a> {
    pub(super) draws: &'a mut Draws,
    pub(super) oracle: &'a Oracle,
    pub(super) held: &'a mut HashSet<Hold>,
    /// Rows that became what they are in this round or later are left alone, mostly: the
    /// tx's snapshot does not see them.
    pub(super) seen_round: u64,
}

impl Planner<'_> {
    /// Adds one random statement to a tx.
    pub(super) fn extend(&mut self, writes: &mut Writes) {
        let is_full = self.oracle.rows.len() > ROWS_AIMED_AT;
        match self.draws.rng.random_range(0..20) {
            0..=6 if !is_full => self.insert(writes, false),
            7 if !is_full => self.insert(writes, true),
            0..=2 => self.delete(writes, true),
            3..=12 => self.correct(writes),
            13 | 14 => self.delete(writes, false),
            15 => self.shift(writes),
            // A snapshot may not see the wallets as they are.
            16 | 17 if self.seen_round == u64::MAX => self.track(writes),
            18 => self.undone(writes),
            _ => self.insert(writes, false),
        }
    }

    fn insert(&mut self, writes: &mut Writes, is_copy: bool) {
        let rows: Vec<_> =
            (0..self.draws.batch_size()).map(|_| self.draws.row(self.oracle)).collect();
        let written = rows.iter().map(|row| self.oracle.ledger_row(row)).collect();
        writes.steps.push(if is_copy { Step::Copy(written) } else { Step::Insert(written) });
        writes.changes.extend(rows.into_iter().map(Change::Put));
    }

    /// One row that the tx may change: its own, or one of the ledger that nobody holds.
    fn pick(&mut self, writes: &mut Writes) -> Option<OracleRow> {
        if self.draws.is(0.2) {
            let last = writes.changes.last().cloned();
            if let Some(Change::Put(row)) = last {
                return Some(row);
            }
        }
        for _ in 0..8 {
            let place = self.draws.index(self.oracle.rows.len());
            let row = self.oracle.rows.get(place)?;
            let is_seen = row.changed_in < self.seen_round;
            if !self.draws.has_day(row.micros) {
                continue;
            }
            if (is_seen || self.draws.is(0.02)) && self.hold(Hold::Row(row.id), writes) {
                writes.is_late |= !is_seen;
                return Some(row.clone());
            }
        }
        None
    }

    fn hold(&mut self, hold: Hold, writes: &mut Writes) -> bool {
        let is_free = self.held.insert(hold);
        if is_free {
            writes.held.push(hold);
        }
        is_free
    }

    /// Corrects amount, instant, accounts or asset of one row.
    fn correct(&mut self, writes: &mut Writes) {
        let Some(before) = self.pick(writes) else { return self.insert(writes, false) };
        let mut after = OracleRow { changed_in: self.draws.round, ..before.clone() };
        match self.draws.rng.random_range(0..9) {
            0..=2 => after.units = self.draws.units(),
            3 => {
                // Within its day.
                let midnight = before.micros - before.micros.rem_euclid(DAY_MICROS);
                after.micros = midnight + self.draws.rng.random_range(0..DAY_MICROS);
            }
            4 => after.micros = self.draws.instant(self.oracle),
            5 => after.sender = self.draws.account(self.oracle),
            6 => after.receiver = self.draws.account(self.oracle),
            7 => after.asset = self.draws.index(self.oracle.assets.len()),
            _ => after = OracleRow { id: before.id, ..self.draws.row(self.oracle) },
        }
        let step = (self.oracle.ledger_row(&before), self.oracle.ledger_row(&after));
        writes.steps.push(Step::Update(Box::new(step)));
        writes.changes.push(Change::Put(after));
    }

    /// Rows of one day that the tx may change.
    fn pick_many(&mut self, writes: &mut Writes) -> Vec<OracleRow> {
        let midnight = self.draws.day();
        let is_seen = |row: &&OracleRow| row.changed_in < self.seen_round;
        let of_day = |row: &&OracleRow| (0..DAY_MICROS).contains(&(row.micros - midnight));
        let found: Vec<_> = self.oracle.rows.iter().filter(of_day).filter(is_seen).collect();
        let count_max = if self.draws.is(0.1) { BULK_ROWS_MAX } else { BULK_ROWS };
        let count = self.draws.rng.random_range(1..=count_max);
        let mut picked = Vec::new();
        for row in found {
            if picked.len() < count && self.hold(Hold::Row(row.id), writes) {
                picked.push(row.clone());
            }
        }
        picked
    }

    fn delete(&mut self, writes: &mut Writes, is_bulk: bool) {
        let rows = match is_bulk {
            true => self.pick_many(writes),
            false => self.pick(writes).into_iter().collect(),
        };
        if rows.is_empty() {
            return self.insert(writes, false);
        }
        writes
            .steps
            .push(Step::Delete(rows.iter().map(|row| self.oracle.ledger_row(row)).collect()));
        writes.changes.extend(rows.iter().map(|row| Change::Remove(row.id)));
    }

    /// Moves several rows in time, within their days or to other ones.
    fn shift(&mut self, writes: &mut Writes) {
        let micros = match self.draws.rng.random_range(0..4) {
            0 => 1,
            1 => -1,
            2 => DAY_MICROS,
            _ => -DAY_MICROS,
        };
        let mut rows = self.pick_many(writes);
        rows.retain(|row| self.draws.has_day(row.micros + micros));
        if rows.is_empty() {
            return self.insert(writes, false);
        }
        let written = rows.iter().map(|row| self.oracle.ledger_row(row)).collect();
        writes.steps.push(Step::Shift(written, micros));
        let round = self.draws.round;
        writes.changes.extend(rows.into_iter().map(|row| {
            Change::Put(OracleRow { micros: row.micros + micros, changed_in: round, ..row })
        }));
    }

    /// A user begins or ends to track an account; payments accounts stay tracked.
    fn track(&mut self, writes: &mut Writes) {
        let user = self.draws.index(self.oracle.users.len());
        let account = self.draws.index(self.oracle.accounts.len());
        let one = &self.oracle.users[user];
        if account == one.payments || !self.hold(Hold::Wallet(user, account), writes) {
            return self.correct(writes);
        }
        let is_tracked = !one.wallets.contains(&account);
        let account_id = self.oracle.accounts[account].account_id;
        writes.steps.push(Step::Track { user_id: one.user_id, account_id, is_tracked });
        writes.changes.push(Change::Track { user, account, is_tracked });
    }

    /// Statements that the tx itself undoes.
    fn undone(&mut self, writes: &mut Writes) {
        let mut undone = Writes::default();
        for _ in 0..self.draws.rng.random_range(1..3) {
            self.insert(&mut undone, false);
            self.correct(&mut undone);
        }
        writes.held.append(&mut undone.held);
        writes.is_late |= undone.is_late;
        writes.steps.push(Step::Undone(undone.steps));
    }
}

/// How a statement went.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Went {
    /// As it should.
    Well,
    /// Another tx was in the way, in these words: this one has failed.
    Refused(String),
    /// It failed for another reason, or found more or fewer rows than there are.
    Wrong(String),
}

impl Went {
    /// What an error means: a refusal, which a tx may meet, or a fault.
    pub(super) fn from_error(error: StoreError, step: &dyn Debug) -> Self {
        if error.kind() == StoreErrorKind::Conflict {
            return Self::Refused(format!("{error}: {step:?}"));
        }
        Self::Wrong(format!("{error}: {step:?}"))
    }
}

/// Carries out a statement.
pub(super) async fn carry_out(outsider: &mut Outsider, step: &Step) -> Went {
    let (wanted, outcome) = match step {
        Step::Insert(rows) => (rows.len(), outsider.insert(rows).await),
        Step::Copy(rows) => (rows.len(), outsider.copy(rows).await),
        Step::Update(pair) => (1, outsider.update(&pair.0, &pair.1).await),
        Step::Shift(rows, micros) => (rows.len(), outsider.shift(rows, *micros).await),
        Step::Delete(rows) => (rows.len(), outsider.delete(rows).await),
        Step::Track { user_id, account_id, is_tracked } => {
            (1, outsider.track(*user_id, *account_id, *is_tracked).await)
        }
        Step::Undone(steps) => {
            if let Err(error) = outsider.mark().await {
                return Went::from_error(error, step);
            }
            for step in steps {
                let went = Box::pin(carry_out(outsider, step)).await;
                if went != Went::Well {
                    return went;
                }
            }
            (0, outsider.undo().await.map(|()| 0))
        }
    };
    match outcome {
        Ok(found) if found == wanted as u64 => Went::Well,
        Ok(found) => Went::Wrong(format!("{found} rows were found, not {wanted}: {step:?}")),
        Err(error) => Went::from_error(error, step),
    }
}
