//! Those who write: clients whose txs come and go in one round, and clients whose txs stay
//! open, or prepared, across many.

use std::collections::BTreeSet;

use rand::RngExt;

use crate::{
    error::Error,
    selftest::{
        draws::Draws,
        oracle::Change,
        writes::{Hold, Step, Went, Writes, carry_out},
    },
    store::{
        Database,
        selftest::{Isolation, Outsider},
    },
};

/// Rounds that a tx stays open at most.
const ROUNDS_OPEN_MAX: u64 = 40;

/// A tx of one round.
#[derive(Clone, Debug)]
pub(super) struct ShortTx {
    pub(super) isolation: Isolation,
    pub(super) writes: Writes,
    pub(super) is_committed: bool,
}

/// What came of a tx.
#[derive(Debug, Default)]
pub(super) struct Ended {
    /// What it did, if it was committed.
    pub(super) changes: Vec<Change>,
    /// What others may touch again.
    pub(super) released: Vec<Hold>,
    /// Whether another tx was in its way.
    pub(super) is_refused: bool,
    /// What failed that may not.
    pub(super) wrong: Option<String>,
}

/// An isolation level: mostly the usual one.
pub(super) fn isolation(draws: &mut Draws) -> Isolation {
    match draws.rng.random_range(0..10) {
        0 => Isolation::RepeatableRead,
        1 => Isolation::Serializable,
        _ => Isolation::ReadCommitted,
    }
}

/// Runs a tx from its beginning to its end.
pub(super) async fn run_short(outsider: &mut Outsider, tx: ShortTx) -> Result<Ended, Error> {
    let ShortTx { isolation, writes, is_committed } = tx;
    let is_alone = matches!(writes.steps[..], [ref step] if !matches!(step, Step::Undone(_)));
    // A statement by itself is its own tx.
    let is_block = !is_alone || !is_committed || isolation != Isolation::ReadCommitted;
    // What a snapshot has seen may explain it.
    let may_be_refused = isolation == Isolation::Serializable;
    let mut ended = Ended { released: writes.held, ..Ended::default() };
    if is_block {
        outsider.begin(isolation).await?;
    }
    for step in &writes.steps {
        let went = carry_out(outsider, step).await;
        if went != Went::Well {
            if is_block {
                outsider.roll_back().await?;
            }
            return Ok(ended.failed(went, may_be_refused));
        }
    }
    if !is_committed {
        outsider.roll_back().await?;
        return Ok(ended);
    }
    let outcome = if is_block { outsider.commit().await } else { Ok(()) };
    match outcome {
        Ok(()) => ended.changes = writes.changes,
        Err(error) => {
            outsider.roll_back().await?;
            return Ok(ended.failed(Went::from_error(error, &"COMMIT"), may_be_refused));
        }
    }
    Ok(ended)
}

impl Ended {
    /// A tx that failed. Writers never touch the same rows at once, and days come and go while
    /// none of them is at work: where nothing else explains it, only Daybook can have been
    /// in the way, and it never may.
    fn failed(mut self, went: Went, may_be_refused: bool) -> Self {
        match went {
            Went::Well => {}
            Went::Refused(_) if may_be_refused => self.is_refused = true,
            Went::Refused(text) => self.wrong = Some(format!("it was refused: {text}")),
            Went::Wrong(text) => self.wrong = Some(text),
        }
        self
    }
}

/// A client whose txs stay open.
pub(super) struct LongWriter {
    outsider: Outsider,
    state: State,
    /// What names of prepared txs begin with.
    prefix: String,
}

enum State {
    Idle,
    Open { isolation: Isolation, sight: Sight, writes: Writes },
    Prepared { name: String, round: u64, writes: Writes },
}

/// What there was when a tx was opened. A tx that has touched the table of transactions need
/// not learn of days that are made later, whatever its isolation.
#[derive(Clone, Debug)]
pub(super) struct Sight {
    pub(super) round: u64,
    pub(super) accounts: usize,
    pub(super) days: BTreeSet<i64>,
}

/// What a client with a long tx does next.
#[derive(Debug)]
pub(super) enum Action {
    Wait,
    Open(Isolation, Sight),
    Write(Writes),
    Commit,
    RollBack,
    Prepare(String),
    Finish(bool),
}

impl LongWriter {
    pub(super) async fn connect(database: &Database) -> Result<Self, Error> {
        let prefix = database.schema().to_owned();
        Ok(Self { outsider: Outsider::connect(database).await?, state: State::Idle, prefix })
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// What its tx sees, and whether it sees what is committed later. `None` where there is
    /// no open tx.
    pub(super) fn sight(&self) -> Option<(Sight, bool)> {
        match &self.state {
            State::Open { isolation, sight, .. } => {
                Some((sight.clone(), *isolation == Isolation::ReadCommitted))
            }
            State::Idle | State::Prepared { .. } => None,
        }
    }

    /// How its tx ends in this round, if it does.
    pub(super) fn ending(&self, draws: &mut Draws, can_prepare: bool, is_last: bool) -> Action {
        let (round, is_open) = match &self.state {
            State::Idle => return Action::Wait,
            State::Open { sight, .. } => (sight.round, true),
            State::Prepared { round, .. } => (*round, false),
        };
        let is_old = draws.round > round + ROUNDS_OPEN_MAX;
        if !is_last && !is_old && draws.is(0.85) {
            return Action::Wait;
        }
        let is_committed = draws.is(0.8);
        match (is_open, is_committed) {
            (true, true) if can_prepare && !is_last && draws.is(0.5) => {
                Action::Prepare(format!("{}:{}", self.prefix, draws.id().simple()))
            }
            (true, true) => Action::Commit,
            (true, false) => Action::RollBack,
            (false, is_committed) => Action::Finish(is_committed),
        }
    }

    /// Does it.
    pub(super) async fn act(&mut self, action: Action) -> Result<Ended, Error> {
        let state = std::mem::replace(&mut self.state, State::Idle);
        match (action, state) {
            (Action::Open(isolation, sight), State::Idle) => {
                self.outsider.begin(isolation).await?;
                self.outsider.look().await?;
                let writes = Writes::default();
                self.state = State::Open { isolation, sight, writes };
            }
            (Action::Write(more), State::Open { isolation, sight, mut writes }) => {
                for step in &more.steps {
                    let went = carry_out(&mut self.outsider, step).await;
                    if went != Went::Well {
                        // A snapshot does not see what came after it.
                        let is_blind = isolation != Isolation::ReadCommitted && more.is_late;
                        let may_be_refused = is_blind || isolation == Isolation::Serializable;
                        let mut ended = self.give_up(writes).await?;
                        ended.released.extend(more.held);
                        let went = match went {
                            Went::Wrong(text) if is_blind => Went::Refused(text),
                            went @ (Went::Well | Went::Refused(_) | Went::Wrong(_)) => went,
                        };
                        return Ok(ended.failed(went, may_be_refused));
                    }
                }
                writes.changes.extend(more.changes);
                writes.held.extend(more.held);
                self.state = State::Open { isolation, sight, writes };
            }
            (Action::Commit, State::Open { isolation, writes, .. }) => {
                match self.outsider.commit().await {
                    Ok(()) => return Ok(done(writes)),
                    Err(error) => {
                        let went = Went::from_error(error, &"COMMIT");
                        let may_be_refused = isolation == Isolation::Serializable;
                        return Ok(self.give_up(writes).await?.failed(went, may_be_refused));
                    }
                }
            }
            (Action::RollBack, State::Open { writes, .. }) => return self.give_up(writes).await,
            (Action::Prepare(name), State::Open { isolation, sight, writes }) => {
                let round = sight.round;
                match self.outsider.prepare(&name).await {
                    Ok(()) => self.state = State::Prepared { name, round, writes },
                    Err(error) => {
                        let went = Went::from_error(error, &"PREPARE TRANSACTION");
                        let may_be_refused = isolation == Isolation::Serializable;
                        return Ok(self.give_up(writes).await?.failed(went, may_be_refused));
                    }
                }
            }
            (Action::Finish(is_committed), State::Prepared { name, writes, .. }) => {
                self.outsider.finish(&name, is_committed).await?;
                return Ok(match is_committed {
                    true => done(writes),
                    false => Ended { released: writes.held, ..Ended::default() },
                });
            }
            (_, state) => self.state = state,
        }
        Ok(Ended::default())
    }

    async fn give_up(&self, writes: Writes) -> Result<Ended, Error> {
        self.outsider.roll_back().await?;
        Ok(Ended { released: writes.held, ..Ended::default() })
    }
}

fn done(writes: Writes) -> Ended {
    Ended { changes: writes.changes, released: writes.held, ..Ended::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nothing_excuses_is_wrong() {
        let refused = || Went::Refused("40001".to_owned());
        assert!(Ended::default().failed(refused(), false).wrong.is_some());
        let excused = Ended::default().failed(refused(), true);
        assert!(excused.is_refused && excused.wrong.is_none());
    }
}
