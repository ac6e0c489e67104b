//! Questions that share a statement under load.
//!
//! A statement costs more than the look-ups in it, so questions that come while every
//! connection is at work wait together and are then asked by one statement. A lone question
//! never waits. A statement starts after the last of its questions came: each of them sees
//! what was committed before it was asked.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use tokio::sync::oneshot;

use crate::{
    store::{
        Database, StoreError,
        pool::Reader,
        session::Answer,
        sum_amount::{FoundSum, SumQuery, sum_amounts},
    },
    telemetry::metrics::SharedSumMeter,
};

/// Most questions in one statement: bounds how long the first one waits for the last.
const TOGETHER_MAX: usize = 64;

/// What came of a question.
#[derive(Debug)]
pub struct SharedSum {
    /// The answer.
    pub found: FoundSum,
    /// How long the database took for the statement.
    pub took: Duration,
    /// Questions in the statement.
    pub together: usize,
}

/// Asks the database for sums.
#[derive(Clone)]
pub struct SharedSums {
    database: Database,
    statements_max: usize,
    state: Arc<Mutex<State>>,
    meter: SharedSumMeter,
}

#[derive(Default)]
struct State {
    running: usize,
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    query: SumQuery,
    since: Instant,
    reply: oneshot::Sender<Result<SharedSum, StoreError>>,
}

impl SharedSums {
    /// Asks this database, as many statements at once as it has connections for them.
    #[must_use]
    pub fn new(database: Database) -> Self {
        let statements_max = database.totals_pool_size();
        Self { database, statements_max, state: Arc::default(), meter: SharedSumMeter::new() }
    }

    /// Answers a question.
    ///
    /// # Errors
    /// If the database cannot answer.
    pub async fn ask(&self, query: SumQuery) -> Result<SharedSum, StoreError> {
        let answer = {
            let mut state = self.lock();
            if state.running < self.statements_max {
                state.running += 1;
                None
            } else {
                let (reply, answer) = oneshot::channel();
                let since = Instant::now();
                state.waiting.push_back(Waiting { query: query.clone(), since, reply });
                Some(answer)
            }
        };
        match answer {
            Some(answer) => answer.await.unwrap_or_else(|_| Err(StoreError::lost("sum_amount"))),
            None => self.ask_alone(query).await,
        }
    }

    /// Asks one question at once. Whoever came meanwhile is asked for behind it, by a task
    /// that outlives this one.
    async fn ask_alone(&self, query: SumQuery) -> Result<SharedSum, StoreError> {
        let _place = HandedOn(self);
        let reader = Reader::Pool(&self.database);
        let answer = sum_amounts(reader, std::slice::from_ref(&query), false).await?;
        let found = answer.value.into_iter().next();
        let found = found.ok_or_else(|| StoreError::lost("sum_amount"))?;
        Ok(SharedSum { found, took: answer.took, together: 1 })
    }

    /// Asks what waits, until nothing does.
    async fn run(&self) {
        let mut place = Place { state: &self.state, is_held: true };
        while let Some(together) = place.next() {
            if !together.is_empty() {
                self.answer(together).await;
            }
        }
    }

    async fn answer(&self, mut together: Vec<Waiting>) {
        let queries: Vec<_> = together.iter().map(|waiting| waiting.query.clone()).collect();
        for waiting in &together {
            self.meter.waited(waiting.since.elapsed());
        }
        let outcome = {
            let gone = join_all(together.iter_mut().map(|waiting| waiting.reply.closed()));
            tokio::select! {
                outcome = sum_amounts(Reader::Pool(&self.database), &queries, false) => outcome,
                // Nobody wants the answer: dropping the statement cancels it.
                _ = gone => return,
            }
        };
        let count = together.len();
        match outcome {
            Ok(Answer { value, took }) => {
                for (waiting, found) in together.into_iter().zip(value) {
                    let _ = waiting.reply.send(Ok(SharedSum { found, took, together: count }));
                }
            }
            Err(error) => {
                // The first one takes the cause along, for the log.
                let kind = error.kind();
                let mut cause = Some(error);
                for waiting in together {
                    let error = cause.take().unwrap_or_else(|| StoreError::new(kind, "sum_amount"));
                    let _ = waiting.reply.send(Err(error));
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to run a statement, handed on to a task where questions wait.
struct HandedOn<'a>(&'a SharedSums);

impl Drop for HandedOn<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        if state.waiting.is_empty() {
            state.running -= 1;
            return;
        }
        drop(state);
        let own = self.0.clone();
        self.0.database.spawn(async move { own.run().await });
    }
}

/// The right to run a statement.
struct Place<'a> {
    state: &'a Mutex<State>,
    is_held: bool,
}

impl Place<'_> {
    /// Questions that wait; `None` if there are none. Then the place is given back in the
    /// same breath: whoever asks next finds it free.
    fn next(&mut self) -> Option<Vec<Waiting>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.waiting.is_empty() {
            state.running -= 1;
            self.is_held = false;
            return None;
        }
        let count = state.waiting.len().min(TOGETHER_MAX);
        // Nobody is there any more whose deadline passed meanwhile.
        Some(state.waiting.drain(..count).filter(|waiting| !waiting.reply.is_closed()).collect())
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        // A task that was cut off gives its place back too.
        if self.is_held {
            self.state.lock().unwrap_or_else(PoisonError::into_inner).running -= 1;
        }
    }
}
