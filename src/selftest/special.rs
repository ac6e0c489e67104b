//! Rounds in which writers commit while questions are asked, in ways whose answers are known
//! all the same; and days that are detached for a while.

use futures_util::future;
use num_bigint::BigInt;
use rand::RngExt;

use crate::{
    analytics::Analytics,
    domain::direction::Direction,
    error::Error,
    selftest::{
        draws::{ALL_TIME, DAY_MICROS},
        oracle::{About, Change, OracleRow, Span, Whose},
        questions::{Asked, Mismatch, Question, sum_question, sum_text},
        rounds::{Halt, Run, check_all, run_seal},
        writers::{Ended, ShortTx, run_short},
        writes::{Hold, Step, Writes},
    },
    store::{
        partitions,
        selftest::{Isolation, Outsider},
    },
};

/// Txs of a writer in such a round.
const TXS_EACH: usize = 6;

/// Questions that are asked while they are committed.
const QUESTIONS: usize = 24;

/// Whether questions that need rows of detached days are refused or answered right. Until
/// they are, nothing is asked while a day is detached.
const DETACHED_DAYS_ARE_KNOWN: bool = false;

/// A writer's txs, each with the question that follows its commit at once.
type Told = Vec<(u64, ShortTx, Asked)>;

impl Run<'_> {
    /// Rows of one user change while the user's sums are asked for, and days are sealed.
    /// Where amounts and instants change too, the total over all time never does; where rows
    /// only go from one of the user's accounts to another, no sum does.
    pub(super) async fn steady_round(&mut self) -> Result<(), Halt> {
        let (user, direction) = (self.draws.index(self.oracle.users.len()), self.draws.direction());
        let asset = self.draws.index(self.oracle.assets.len());
        let about = About { whose: Whose::User(user), asset, direction };
        let is_total = self.draws.is(0.5);
        let scripts: Vec<Vec<ShortTx>> =
            (0..self.writers.len()).map(|_| self.steady_script(user, about, is_total)).collect();
        let mut asked = Vec::new();
        for _ in 0..QUESTIONS {
            let number = self.question_number("steady sum");
            let span = if is_total { ALL_TIME } else { self.draws.span(&self.oracle) };
            let question = Question::Sum(sum_question(&self.oracle, about, span));
            let expected = sum_text(self.oracle.sum(about, span));
            asked.push(Asked { number, question, expected, detached: None });
        }
        let number = self.counts.operations;
        let seal = self.draw_seal(0.5);
        let running = self.writers.iter_mut().zip(scripts).map(|(writer, script)| async move {
            let mut ended = Vec::new();
            for tx in script {
                ended.push((number, run_short(writer, tx).await?));
            }
            Ok::<_, Error>(ended)
        });
        let (ended, mismatches, sealed) = tokio::join!(
            future::try_join_all(running),
            check_all(&self.analytics, &asked),
            run_seal(&mut self.sealer, seal),
        );
        if let Some(first) = mismatches.into_iter().min_by_key(|one| one.operation) {
            return Err(Halt::Mismatch(Box::new(first)));
        }
        sealed?;
        for (number, ended) in ended?.into_iter().flatten() {
            self.take(number, ended)?;
        }
        Ok(())
    }

    /// Txs that leave a user's total, or all the user's sums, as they are.
    fn steady_script(&mut self, user: usize, about: About, is_total: bool) -> Vec<ShortTx> {
        let About { asset, direction, .. } = about;
        let mut script = Vec::new();
        for _ in 0..TXS_EACH {
            let mut writes = Writes::default();
            let (Some(one), Some(other)) = (
                self.hold_row_of(user, asset, direction, &mut writes),
                self.hold_row_of(user, asset, direction, &mut writes),
            ) else {
                self.held_again(&writes);
                break;
            };
            self.number("steady write");
            let (mut first, mut second) = (one.clone(), other.clone());
            if is_total {
                // From one to the other, and perhaps all of it.
                let moved = &first.units / BigInt::from(self.draws.rng.random_range(1..4));
                first.units -= &moved;
                second.units += &moved;
                first.micros = self.draws.instant(&self.oracle);
            }
            let wallets = &self.oracle.users[user].wallets;
            let place = self.draws.rng.random_range(0..wallets.len().max(1));
            let account = wallets.iter().nth(place).copied().unwrap_or(one.sender);
            match direction {
                Direction::Sender => second.sender = account,
                Direction::Receiver => second.receiver = account,
            }
            for (before, after) in [(one, first), (other, second)] {
                let pair = (self.oracle.ledger_row(&before), self.oracle.ledger_row(&after));
                writes.steps.push(Step::Update(Box::new(pair)));
                writes.changes.push(Change::Put(after));
            }
            let is_committed = self.draws.is(0.9);
            let isolation = Isolation::ReadCommitted;
            script.push(ShortTx { isolation, writes, is_committed });
        }
        script
    }

    fn held_again(&mut self, writes: &Writes) {
        for hold in &writes.held {
            self.held.remove(hold);
        }
    }

    /// A row of the user's that nobody holds.
    fn hold_row_of(
        &mut self,
        user: usize,
        asset: usize,
        direction: Direction,
        writes: &mut Writes,
    ) -> Option<OracleRow> {
        let wallets = &self.oracle.users[user].wallets;
        let is_of_user = |row: &&OracleRow| {
            let account = match direction {
                Direction::Sender => row.sender,
                Direction::Receiver => row.receiver,
            };
            row.asset == asset && wallets.contains(&account)
        };
        let is_free = |row: &&OracleRow| !self.held.contains(&Hold::Row(row.id));
        let row = self.oracle.rows.iter().filter(is_of_user).find(is_free)?.clone();
        self.held.insert(Hold::Row(row.id));
        writes.held.push(Hold::Row(row.id));
        Some(row)
    }

    /// Each writer adds rows to an account that it has to itself, and asks for that
    /// account's sum as soon as it has committed: what it wrote is in it.
    pub(super) async fn read_your_writes_round(&mut self) -> Result<(), Halt> {
        let first = self.draws.index(self.oracle.accounts.len());
        let count = self.writers.len().min(self.oracle.accounts.len());
        let accounts: Vec<_> =
            (0..count).map(|place| (first + place) % self.oracle.accounts.len()).collect();
        // The same side for all: what one writes never counts on the side of another.
        let direction = self.draws.direction();
        let scripts: Vec<Told> =
            accounts.iter().map(|&account| self.telling_script(account, direction)).collect();
        let seal = self.draw_seal(0.5);
        let analytics = &self.analytics;
        let running = self
            .writers
            .iter_mut()
            .zip(scripts)
            .map(|(writer, script)| tell(analytics, writer, script));
        let (outcome, sealed) =
            tokio::join!(future::try_join_all(running), run_seal(&mut self.sealer, seal));
        sealed?;
        for (number, ended, mismatch) in outcome?.into_iter().flatten() {
            if let Some(mismatch) = mismatch {
                return Err(Halt::Mismatch(Box::new(mismatch)));
            }
            self.take(number, ended)?;
        }
        Ok(())
    }

    fn telling_script(&mut self, account: usize, direction: Direction) -> Told {
        let asset = self.draws.index(self.oracle.assets.len());
        let about = About { whose: Whose::Account(account), asset, direction };
        let mut own: Vec<OracleRow> = Vec::new();
        let mut script = Vec::new();
        for _ in 0..TXS_EACH {
            let mut rows = Vec::new();
            for _ in 0..self.draws.rng.random_range(1..4) {
                let mut row = OracleRow { asset, ..self.draws.row(&self.oracle) };
                match direction {
                    Direction::Sender => row.sender = account,
                    Direction::Receiver => row.receiver = account,
                }
                rows.push(row);
            }
            own.extend(rows.iter().cloned());
            let written = rows.iter().map(|row| self.oracle.ledger_row(row)).collect();
            let writes = Writes {
                steps: vec![Step::Insert(written)],
                changes: rows.into_iter().map(Change::Put).collect(),
                ..Writes::default()
            };
            let number = self.number("write before a question");
            let span = self.draws.span(&self.oracle);
            let question = Question::Sum(sum_question(&self.oracle, about, span));
            let expected = sum_text(self.oracle.sum_with(about, span, &own));
            let asked = self.question_number("sum right after a write");
            let asked = Asked { number: asked, question, expected, detached: None };
            let isolation = Isolation::ReadCommitted;
            script.push((number, ShortTx { isolation, writes, is_committed: true }, asked));
        }
        script
    }

    /// Takes a day off, asks, and puts it back. Questions may be refused meanwhile, for
    /// no other reason than that day, and are answered right otherwise.
    pub(super) async fn detached_round(&mut self) -> Result<(), Halt> {
        // Taking a day off waits for every tx that has touched the table.
        self.write_phase(1, true).await?;
        if !self.is_quiet() {
            self.write_phase(1, true).await?;
        }
        let client = self.database.connect().await?;
        let leaves = partitions::list(&client).await?;
        let late = self.draws.today - 7 * DAY_MICROS;
        let late: Vec<_> =
            leaves.into_iter().filter(|leaf| leaf.lower_at.timestamp_micros() < late).collect();
        let Some(leaf) = late.get(self.draws.index(late.len())) else { return Ok(()) };
        let start = leaf.lower_at.timestamp_micros();
        let day = Span { start, end: start + DAY_MICROS };
        self.number("day detached");
        self.control.detach(leaf).await?;
        let asked = match DETACHED_DAYS_ARE_KNOWN {
            true => self.question_phase(QUESTIONS, false, Some(day)).await,
            false => Ok(()),
        };
        self.number("day attached");
        self.control.attach(leaf).await?;
        asked?;
        self.question_phase(QUESTIONS, true, None).await
    }
}

/// Carries out a writer's txs, and asks right after each.
async fn tell(
    analytics: &Analytics,
    writer: &mut Outsider,
    script: Told,
) -> Result<Vec<(u64, Ended, Option<Mismatch>)>, Error> {
    let mut told = Vec::new();
    for (number, tx, asked) in script {
        let ended = run_short(writer, tx).await?;
        if ended.is_refused {
            // Nothing refuses plain inserts; the questions after it would count these rows.
            let question = "a plain insert".to_owned();
            let (expected, found) = ("it is committed".to_owned(), "it was refused".to_owned());
            let refused = Mismatch { operation: number, question, expected, found };
            told.push((number, ended, Some(refused)));
            return Ok(told);
        }
        told.push((number, ended, asked.check(analytics).await));
    }
    Ok(told)
}
