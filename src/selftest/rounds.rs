//! The rounds: clients write at once, the oracle follows at a barrier, and questions are
//! asked while txs are open and days are sealed.

use std::collections::{BTreeMap, HashSet};

use futures_util::{StreamExt, future, stream};
use rand::{RngExt, SeedableRng, rngs::ChaCha12Rng};

use crate::{
    analytics::Analytics,
    error::{Error, ErrorKind},
    ledger::Ledger,
    selftest::{
        draws::{DAY_MICROS, DAYS_BACK_MAX, Draws},
        oracle::Oracle,
        people,
        progress::Progress,
        questions::{Answering, Asked, Mismatch, Question, instant},
        sealing::{SealWay, Sealer},
        world::World,
        writers::{Action, Ended, LongWriter, ShortTx, Sight, isolation, run_short},
        writes::{Hold, Planner, Writes},
    },
    store::{
        Database, partitions,
        selftest::{Isolation, Outsider},
    },
    upkeep::{UpkeepError, audit, days::DayWatch, sealing::SEALED_ROWS_MAX},
};

/// Clients whose txs stay open.
const LONG_WRITERS: usize = 3;

/// Questions of a round, and how many are asked at once.
pub(super) const QUESTIONS_A_ROUND: usize = 32;
pub(super) const QUESTIONS_AT_ONCE: usize = 8;

/// Most days that get partitions: with thousands of them every question would take long.
const DAYS_MAX: usize = 24;

/// Units of an audit that are compared side by side.
const AUDIT_JOBS: usize = 2;

/// Rounds that are not left to chance: every run has them.
const STEADY_ROUND: u64 = 4;
const OWN_WRITES_ROUND: u64 = 6;
const DETACHED_ROUND: u64 = 8;
const DROPPED_ROUND: u64 = 16;
const AUDITED_ROUND: u64 = 24;

/// Why a run ended before its time.
#[derive(Debug)]
pub(super) enum Halt {
    /// An answer was wrong.
    Mismatch(Box<Mismatch>),
    /// The database failed where it may not.
    Fault(Error),
}

impl<E: Into<Error>> From<E> for Halt {
    fn from(error: E) -> Self {
        Self::Fault(error.into())
    }
}

/// Everything that a run holds.
pub(super) struct Run<'a> {
    pub(super) database: &'a Database,
    pub(super) answering: Answering,
    pub(super) oracle: Oracle,
    pub(super) draws: Draws,
    pub(super) held: HashSet<Hold>,
    pub(super) writers: Vec<Outsider>,
    pub(super) control: Outsider,
    long_writers: Vec<LongWriter>,
    pub(super) sealer: Sealer,
    pub(super) watch: DayWatch,
    can_prepare: bool,
    /// Whether retention drops days. From then on every sum is asked for in another way than
    /// before: half of the worlds never come to that.
    drops_days: bool,
    pub(super) counts: &'a mut Counts,
    progress: &'a Progress,
    operations_max: u64,
}

/// What was done so far.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Operations that were carried out.
    pub operations: u64,
    /// Questions among them.
    pub questions: u64,
    /// Operations by kind.
    pub by_kind: BTreeMap<&'static str, u64>,
}

impl Counts {
    /// Adds what was done elsewhere.
    pub(super) fn add(&mut self, other: Self) {
        self.operations += other.operations;
        self.questions += other.questions;
        for (kind, count) in other.by_kind {
            *self.by_kind.entry(kind).or_default() += count;
        }
    }
}

impl<'a> Run<'a> {
    /// Makes days, users, accounts and assets, and connects everybody.
    pub(super) async fn begin(
        database: &'a Database,
        writer_count: usize,
        world: &World,
        counts: &'a mut Counts,
        progress: &'a Progress,
    ) -> Result<Self, Error> {
        let mut control = Outsider::connect(database).await?;
        let facts = control.facts().await?;
        let can_prepare = facts.prepared_max > 0;
        if !can_prepare {
            progress.warn_of_no_prepared_txs();
        }
        let (mut writers, mut long_writers) = (Vec::new(), Vec::new());
        for _ in 0..writer_count.max(1) {
            writers.push(Outsider::connect(database).await?);
        }
        for _ in 0..LONG_WRITERS {
            long_writers.push(LongWriter::connect(database).await?);
        }
        let mut draws = Draws {
            rng: ChaCha12Rng::seed_from_u64(world.seed),
            today: facts.today_at.timestamp_micros(),
            days: std::collections::BTreeSet::new(),
            absent: BTreeMap::new(),
            round: 0,
            accounts_seen: usize::MAX,
        };
        let analytics = Analytics::new(database.clone());
        let answering = Answering { analytics, ledger: Ledger::new(database.clone()) };
        let oracle = people::begin(&mut control, &answering.analytics, &mut draws).await?;
        let sealer = Sealer::new(database).await?;
        let mut run = Self {
            database,
            answering,
            oracle,
            draws,
            held: HashSet::new(),
            writers,
            control,
            long_writers,
            sealer,
            watch: DayWatch::new(database.clone()),
            can_prepare,
            drops_days: world.seed.is_multiple_of(2),
            counts,
            progress,
            operations_max: world.operations,
        };
        let recent = (-6..=1).map(|day| run.draws.today + day * DAY_MICROS).collect();
        run.make_days(recent).await?;
        run.make_late_days().await?;
        Ok(run)
    }

    /// Goes on until enough operations were carried out.
    pub(super) async fn go_on(&mut self) -> Result<(), Halt> {
        while !self.is_done() {
            self.draws.round += 1;
            match (self.draws.round, self.draws.rng.random_range(0..1_000)) {
                (DETACHED_ROUND, _) | (_, 100..=109) => self.detached_round().await?,
                (DROPPED_ROUND, _) | (_, 110..=114) if self.drops_days => {
                    self.dropped_round().await?;
                }
                (AUDITED_ROUND, _) | (_, 115) => self.audited_round().await?,
                (STEADY_ROUND, _) | (_, 0..=49) => self.steady_round().await?,
                (OWN_WRITES_ROUND, _) | (_, 50..=99) => self.read_your_writes_round().await?,
                _ => self.usual_round().await?,
            }
        }
        // What is still open ends, and everything is asked once more, as it is and with
        // everything sealed, and audited.
        self.end_long_txs().await?;
        self.question_phase(QUESTIONS_A_ROUND, false).await?;
        self.number("seal");
        self.sealer.run(SealWay::Whole(SEALED_ROWS_MAX)).await?;
        self.question_phase(QUESTIONS_A_ROUND, false).await?;
        self.audit().await
    }

    /// Ends the txs that are open or prepared.
    pub(super) async fn end_long_txs(&mut self) -> Result<(), Halt> {
        self.write_phase(0, true).await?;
        if self.long_writers.iter().all(LongWriter::is_idle) {
            return Ok(());
        }
        Err(own_fault("a tx is still open").into())
    }

    /// Everything that is stored is held against the rows, while writers are at work.
    async fn audited_round(&mut self) -> Result<(), Halt> {
        self.number("audit beside writers");
        let database = self.database;
        let (audited, written) =
            tokio::join!(run_audit(database), Box::pin(self.write_phase(4, false)));
        written?;
        self.judge_audit(audited?)?;
        self.question_phase(QUESTIONS_A_ROUND, true).await
    }

    /// Everything that is stored is held against the rows.
    pub(super) async fn audit(&mut self) -> Result<(), Halt> {
        self.number("audit");
        let found = run_audit(self.database).await?;
        self.judge_audit(found)
    }

    fn judge_audit(&self, found: Vec<audit::Difference>) -> Result<(), Halt> {
        if found.is_empty() {
            return Ok(());
        }
        Err(Halt::Mismatch(Box::new(Mismatch {
            operation: self.counts.operations,
            question: "an audit".to_owned(),
            expected: "no difference".to_owned(),
            found: format!("{found:?}"),
        })))
    }

    fn is_done(&self) -> bool {
        self.counts.operations >= self.operations_max
    }

    /// Counts an operation; returns its number.
    pub(super) fn number(&mut self, kind: &'static str) -> u64 {
        self.counts.operations += 1;
        self.count(kind);
        self.progress.add(1);
        self.counts.operations
    }

    /// Counts something about an operation.
    fn count(&mut self, kind: &'static str) {
        *self.counts.by_kind.entry(kind).or_default() += 1;
    }

    /// Counts a question; returns its number.
    pub(super) fn question_number(&mut self, kind: &'static str) -> u64 {
        self.counts.questions += 1;
        self.number(kind)
    }

    pub(super) async fn usual_round(&mut self) -> Result<(), Halt> {
        if self.draws.is(0.02) {
            self.make_late_days().await?;
        }
        if self.draws.is(0.05) {
            people::add(self).await?;
        }
        if self.draws.is(0.05) {
            self.number("vacuum");
            self.control.vacuum().await?;
        }
        let writes_each = self.draws.rng.random_range(1..7);
        self.write_phase(writes_each, false).await?;
        self.question_phase(QUESTIONS_A_ROUND, true).await
    }

    /// Makes the partitions of these days that are missing.
    async fn make_days(&mut self, midnights: Vec<i64>) -> Result<(), Error> {
        let client = self.database.connect().await?;
        let days: Vec<_> = midnights.iter().map(|&day| instant(day).date_naive()).collect();
        let back_max = u32::try_from(DAYS_BACK_MAX * 2).unwrap_or(u32::MAX);
        partitions::ensure(&client, &days, back_max, 10_000).await?;
        self.draws.days.extend(midnights);
        Ok(())
    }

    /// Makes partitions of two days beside each other, up to five years back.
    async fn make_late_days(&mut self) -> Result<(), Error> {
        if self.draws.days.len() >= DAYS_MAX {
            return Ok(());
        }
        let back = self.draws.rng.random_range(8..DAYS_BACK_MAX);
        let day = self.draws.today - back * DAY_MICROS;
        let days = vec![day, day + DAY_MICROS];
        // A day that was dropped is never made again.
        if days.iter().any(|day| self.draws.absent.contains_key(day)) {
            return Ok(());
        }
        self.number("days made");
        self.make_days(days).await
    }

    /// Draws the txs of one writer.
    fn draw_script(&mut self, count: usize) -> Vec<(u64, ShortTx)> {
        let mut script = Vec::new();
        for _ in 0..count {
            let mut writes = Writes::default();
            let steps = if self.draws.is(0.6) { 1 } else { self.draws.rng.random_range(1..5) };
            let mut number = 0;
            for _ in 0..steps {
                self.planner(u64::MAX).extend(&mut writes);
                number = self.number("write");
            }
            let isolation = isolation(&mut self.draws);
            let is_committed = self.draws.is(0.9);
            script.push((number, ShortTx { isolation, writes, is_committed }));
        }
        script
    }

    fn planner(&mut self, seen_round: u64) -> Planner<'_> {
        Planner { draws: &mut self.draws, oracle: &self.oracle, held: &mut self.held, seen_round }
    }

    /// Everybody writes at once, long txs end, and days are sealed; then the oracle does
    /// what was committed.
    pub(super) async fn write_phase(&mut self, each: usize, is_last: bool) -> Result<(), Halt> {
        let scripts: Vec<_> = (0..self.writers.len()).map(|_| self.draw_script(each)).collect();
        let mut actions = Vec::new();
        for place in 0..self.long_writers.len() {
            let long = &self.long_writers[place];
            let action = long.ending(&mut self.draws, self.can_prepare, is_last);
            let kind = match action {
                Action::Wait => None,
                Action::Commit | Action::RollBack => Some("end of a long tx"),
                Action::Prepare(_) => Some("tx prepared"),
                Action::Finish(_) => Some("end of a prepared tx"),
                Action::Open(..) | Action::Write(_) => None,
            };
            let number = kind.map_or(0, |kind| self.number(kind));
            actions.push((number, action));
        }
        let seal = self.draw_seal(0.2);
        let short = self.writers.iter_mut().zip(scripts).map(|(writer, script)| async move {
            let mut ended = Vec::new();
            for (number, tx) in script {
                ended.push((number, run_short(writer, tx).await?));
            }
            Ok::<_, Error>(ended)
        });
        let long = self.long_writers.iter_mut().zip(actions).map(
            |(writer, (number, action))| async move {
                Ok::<_, Error>((number, writer.act(action).await?))
            },
        );
        let (short, long, sealed) = tokio::join!(
            future::try_join_all(short),
            future::try_join_all(long),
            run_seal(&mut self.sealer, seal),
        );
        sealed?;
        for (number, ended) in short?.into_iter().flatten().chain(long?) {
            self.take(number, ended)?;
        }
        Ok(())
    }

    /// Has the oracle do what a tx did.
    pub(super) fn take(&mut self, number: u64, ended: Ended) -> Result<(), Halt> {
        for hold in &ended.released {
            self.held.remove(hold);
        }
        if ended.is_refused {
            self.count("(of these refused)");
        }
        if let Some(found) = ended.wrong {
            return Err(Halt::Mismatch(Box::new(Mismatch {
                operation: number,
                question: "a write".to_owned(),
                expected: "it does what it says".to_owned(),
                found,
            })));
        }
        for change in ended.changes {
            self.oracle.apply(change, self.draws.round);
        }
        Ok(())
    }

    pub(super) fn draw_seal(&mut self, probability: f64) -> Option<SealWay> {
        if !self.draws.is(probability) {
            return None;
        }
        let way = SealWay::draw(&mut self.draws);
        self.number(way.kind());
        Some(way)
    }

    /// Questions are asked at once, while long txs open and write and days are sealed:
    /// nothing of that changes an answer.
    pub(super) async fn question_phase(
        &mut self,
        count: usize,
        has_writers: bool,
    ) -> Result<(), Halt> {
        let mut asked = Vec::with_capacity(count);
        for _ in 0..count {
            let drawn = Question::draw(&mut self.draws, &self.oracle);
            let number = self.question_number(drawn.question.kind());
            if drawn.question.is_verified() {
                self.count("(of these verified)");
            }
            if drawn.right.iter().any(|right| right.contains("refused")) {
                self.count("(of these refused for absent days)");
            }
            asked.push(Asked { number, drawn });
        }
        let actions: Vec<_> = (0..self.long_writers.len())
            .map(|place| if has_writers { self.draw_action(place) } else { (0, Action::Wait) })
            .collect();
        let seal = self.draw_seal(0.3);
        let long = self.long_writers.iter_mut().zip(actions).map(
            |(writer, (number, action))| async move {
                Ok::<_, Error>((number, writer.act(action).await?))
            },
        );
        let (mismatches, long, sealed) = tokio::join!(
            check_all(&self.answering, &asked),
            future::try_join_all(long),
            run_seal(&mut self.sealer, seal),
        );
        if let Some(first) = mismatches.into_iter().min_by_key(|one| one.operation) {
            return Err(Halt::Mismatch(Box::new(first)));
        }
        sealed?;
        for (number, ended) in long? {
            self.take(number, ended)?;
        }
        Ok(())
    }

    /// What a client with a long tx does beside the questions.
    fn draw_action(&mut self, place: usize) -> (u64, Action) {
        let long = &self.long_writers[place];
        if long.is_idle() {
            if self.draws.is(0.4) {
                return (0, Action::Wait);
            }
            let isolation = match self.draws.rng.random_range(0..3) {
                0 => Isolation::ReadCommitted,
                1 => Isolation::RepeatableRead,
                _ => Isolation::Serializable,
            };
            let sight = Sight {
                round: self.draws.round,
                accounts: self.oracle.accounts.len(),
                days: self.draws.days.clone(),
            };
            return (self.number("long tx opened"), Action::Open(isolation, sight));
        }
        let Some((sight, sees_later)) = long.sight() else { return (0, Action::Wait) };
        if self.draws.is(0.5) {
            return (0, Action::Wait);
        }
        let seen_round = if sees_later { u64::MAX } else { sight.round + 1 };
        self.draws.accounts_seen = if sees_later { usize::MAX } else { sight.accounts };
        let days = std::mem::replace(&mut self.draws.days, sight.days);
        let mut writes = Writes::default();
        self.planner(seen_round).extend(&mut writes);
        self.draws.days = days;
        self.draws.accounts_seen = usize::MAX;
        (self.number("write in a long tx"), Action::Write(writes))
    }
}

/// Asks several at once; returns what is wrong.
pub(super) async fn check_all(answering: &Answering, asked: &[Asked]) -> Vec<Mismatch> {
    let checks: Vec<_> = asked.iter().map(|one| one.check(answering)).collect();
    stream::iter(checks)
        .buffer_unordered(QUESTIONS_AT_ONCE)
        .filter_map(future::ready)
        .collect()
        .await
}

pub(super) async fn run_seal(sealer: &mut Sealer, way: Option<SealWay>) -> Result<(), Error> {
    match way {
        Some(way) => sealer.run(way).await,
        None => Ok(()),
    }
}

async fn run_audit(database: &Database) -> Result<Vec<audit::Difference>, Error> {
    audit::audit(database, AUDIT_JOBS, |_, _| ()).await.map_err(upkeep_fault)
}

/// A failure of upkeep.
pub(super) fn upkeep_fault(error: UpkeepError) -> Error {
    Error::with_source(ErrorKind::Internal, error)
}

/// A fault of the selftest's own.
pub(super) fn own_fault(text: &'static str) -> Error {
    Error::with_source(ErrorKind::Internal, text)
}
