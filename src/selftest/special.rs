//! Rounds in which writers commit while questions are asked, in ways whose answers are known
//! all the same; and days that are detached for a while.

use futures_util::future;
use num_bigint::BigInt;
use rand::RngExt;

use crate::{
    domain::direction::Direction,
    error::Error,
    selftest::{
        draws::{ALL_TIME, DAY_MICROS, Scan},
        oracle::{About, Change, OracleRow, Span, Whose},
        questions::{Answering, Asked, Drawn, Mismatch, Question, instant, sum_question, sum_text},
        rounds::{Halt, QUESTIONS_A_ROUND, Run, check_all, run_seal, upkeep_fault},
        writers::{Ended, ShortTx, run_short},
        writes::{Hold, Step, Writes},
    },
    store::{
        StoreErrorKind, days, partitions,
        selftest::{Isolation, Outsider},
    },
};

/// Txs of a writer in such a round.
const TXS_EACH: usize = 6;

/// Questions that are asked while they are committed.
const QUESTIONS: usize = 24;

/// Days that are dropped at most: their rows stay in the oracle.
const DROPPED_DAYS_MAX: usize = 12;

/// Days that are kept at least: those around today.
const KEPT_DAYS: i64 = 8;

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
            let right = self.draws.right(expected, span, Scan::Never);
            asked.push(Asked { number, drawn: Drawn { question, right } });
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
            check_all(&self.answering, &asked),
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
        let is_free = |row: &&OracleRow| {
            self.draws.has_day(row.micros) && !self.held.contains(&Hold::Row(row.id))
        };
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
        let answering = &self.answering;
        let running = self
            .writers
            .iter_mut()
            .zip(scripts)
            .map(|(writer, script)| tell(answering, writer, script));
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
            let right = self.draws.right(expected, span, Scan::Never);
            let asked = self.question_number("sum right after a write");
            let asked = Asked { number: asked, drawn: Drawn { question, right } };
            let isolation = Isolation::ReadCommitted;
            script.push((number, ShortTx { isolation, writes, is_committed: true }, asked));
        }
        script
    }

    /// Takes a day off, and puts it back. Meanwhile whatever needs its rows is refused, for no
    /// other reason than that day, and the rest is written, sealed, answered and audited.
    pub(super) async fn detached_round(&mut self) -> Result<(), Halt> {
        // Taking a day off waits for every tx that has touched the table.
        self.end_long_txs().await?;
        let client = self.database.connect().await?;
        let mut leaves = partitions::list(&client).await?;
        leaves.retain(|leaf| self.draws.days.contains(&leaf.lower_at.timestamp_micros()));
        let Some(leaf) = leaves.get(self.draws.index(leaves.len())) else { return Ok(()) };
        let start = leaf.lower_at.timestamp_micros();
        self.number("day detached");
        self.control.detach(leaf).await?;
        self.watch.look().await.map_err(upkeep_fault)?;
        self.draws.days.remove(&start);
        // Nothing is missing of a day without rows.
        if self.oracle.has_rows(Span { start, end: start + DAY_MICROS }) {
            self.draws.absent.insert(start, false);
        }
        let outcome = Box::pin(self.go_on_without_a_day()).await;
        self.number("day attached");
        self.control.attach(leaf).await?;
        self.watch.look().await.map_err(upkeep_fault)?;
        self.draws.absent.remove(&start);
        self.draws.days.insert(start);
        outcome?;
        self.question_phase(QUESTIONS, true).await
    }

    async fn go_on_without_a_day(&mut self) -> Result<(), Halt> {
        self.question_phase(QUESTIONS, false).await?;
        self.write_phase(2, false).await?;
        self.question_phase(QUESTIONS, false).await?;
        if self.draws.is(0.05) { self.audit().await } else { Ok(()) }
    }

    /// Retention drops the oldest day. What running totals know of it stays.
    pub(super) async fn dropped_round(&mut self) -> Result<(), Halt> {
        let oldest = self.draws.days.first().copied().unwrap_or(self.draws.today);
        let back = (self.draws.today - oldest) / DAY_MICROS;
        if back <= KEPT_DAYS || self.draws.absent.len() >= DROPPED_DAYS_MAX {
            return self.usual_round().await;
        }
        self.end_long_txs().await?;
        let client = self.database.connect().await?;
        let number = self.number("day dropped by retention");
        let kept = u32::try_from(back - 1).unwrap_or(u32::MAX);
        let expected = instant(oldest).date_naive();
        match days::drop_oldest(&client, kept).await {
            Ok(Some(day)) if day == expected => {
                self.draws.days.remove(&oldest);
                self.draws.absent.insert(oldest, true);
            }
            // Autovacuum holds the day: retention does not wait.
            Err(error) if error.kind() == StoreErrorKind::Conflict => {}
            Err(error) => return Err(error.into()),
            Ok(found) => {
                return Err(Halt::Mismatch(Box::new(Mismatch {
                    operation: number,
                    question: format!("the oldest day is dropped, {kept} are kept"),
                    expected: expected.to_string(),
                    found: format!("{found:?}"),
                })));
            }
        }
        self.question_phase(QUESTIONS_A_ROUND, true).await
    }
}

/// Carries out a writer's txs, and asks right after each.
async fn tell(
    answering: &Answering,
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
        told.push((number, ended, asked.check(answering).await));
    }
    Ok(told)
}
