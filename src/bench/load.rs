//! The calls: so many callers, each a task that makes one call after the other.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, timeout},
};
use tonic::{Request, client::Grpc};

use crate::bench::{
    Line,
    error::BenchError,
    questions::Questions,
    raw::{RawCodec, is_answer},
    recorder::{Recorder, WRONG_ANSWER, code_name},
    schedule::Schedule,
};

/// How long calls that are under way at the end are waited for: longer than the server lets a
/// request take.
const LAST_CALLS: Duration = Duration::from_secs(60);

/// What all callers measured together.
#[derive(Debug)]
pub(super) struct Measured {
    /// One a call of the mix, in its order.
    pub(super) recorders: Vec<Recorder>,
    /// From the first call to the last answer.
    pub(super) seconds: f64,
    /// Calls of an open loop that were due and never begun.
    pub(super) not_begun: u64,
}

/// What is asked, of whom, and how.
pub(super) struct Load {
    /// Connections.
    pub(super) channels: Vec<Line>,
    /// The requests of each call of the mix.
    pub(super) sets: Vec<Questions>,
    /// Which of them come one after the other.
    pub(super) cycle: Vec<usize>,
    /// Tasks that make calls.
    pub(super) callers: usize,
    /// Calls a second of an open loop; none for a closed one.
    pub(super) rate: Option<f64>,
}

/// What every caller of a run is told.
struct Orders {
    load: Arc<Load>,
    begun_at: Instant,
    end: Instant,
    pace: Option<Pace>,
}

/// What an open loop's callers share: a permit for each call that is due, and the number of the
/// next one.
struct Pace {
    schedule: Schedule,
    due: Semaphore,
    next: AtomicU64,
}

/// One task.
struct Caller {
    orders: Arc<Orders>,
    client: Grpc<Line>,
    recorders: Vec<Recorder>,
    cycle_place: usize,
    message_place: usize,
    last_answer: Instant,
}

/// Makes calls for so long, waits for the last answers, and adds up what was measured. The
/// first requests are those `from` this place on.
pub(super) async fn run(
    load: &Arc<Load>,
    duration: Duration,
    from: usize,
) -> Result<Measured, BenchError> {
    let begun_at = Instant::now();
    let pace = |rate| Pace {
        schedule: Schedule::new(rate),
        due: Semaphore::new(0),
        next: AtomicU64::new(0),
    };
    let orders = Arc::new(Orders {
        load: load.clone(),
        begun_at,
        end: begun_at + duration,
        pace: load.rate.map(pace),
    });
    let mut tasks = JoinSet::new();
    for number in 0..load.callers {
        tasks.spawn(Caller::new(orders.clone(), number, from).call_until_the_end());
    }
    if orders.pace.is_some() {
        let told = orders.clone();
        // A thread of its own: tokio's timers tick in milliseconds.
        tokio::task::spawn_blocking(move || told.pace_calls()).await.map_err(BenchError::Caller)?;
    }
    let patience = orders.end.saturating_duration_since(Instant::now()) + LAST_CALLS;
    let stuck = |_| BenchError::Stuck { seconds: LAST_CALLS.as_secs() };
    timeout(patience, add_up(&orders, tasks)).await.map_err(stuck)?
}

async fn add_up(
    orders: &Orders,
    mut tasks: JoinSet<(Vec<Recorder>, Instant)>,
) -> Result<Measured, BenchError> {
    let mut recorders = vec![Recorder::new(); orders.load.sets.len()];
    let mut last_answer = orders.end;
    while let Some(ended) = tasks.join_next().await {
        let (found, at) = ended.map_err(BenchError::Caller)?;
        recorders.iter_mut().zip(&found).for_each(|(all, one)| all.add(one));
        last_answer = last_answer.max(at);
    }
    let not_begun = orders.pace.as_ref().map_or(0, |pace| pace.due.available_permits());
    let seconds = last_answer.saturating_duration_since(orders.begun_at).as_secs_f64();
    Ok(Measured { recorders, seconds, not_begun: not_begun as u64 })
}

impl Orders {
    /// Lets calls begin when they are due, until the end.
    fn pace_calls(&self) {
        let Some(Pace { schedule, due, .. }) = &self.pace else { return };
        let whole = self.end - self.begun_at;
        let mut number = 0;
        while schedule.at(number) < whole {
            let passed = self.begun_at.elapsed();
            let count = schedule.due(number, passed, whole);
            due.add_permits(usize::try_from(count).unwrap_or(usize::MAX));
            number += count;
            let next_at = schedule.at(number).min(whole);
            std::thread::sleep(next_at.saturating_sub(self.begun_at.elapsed()));
        }
        std::thread::sleep(whole.saturating_sub(self.begun_at.elapsed()));
        due.close();
    }

    /// The instant that the next call's latency counts from; none when the time is over.
    async fn next_call(&self) -> Option<Instant> {
        let Some(Pace { schedule, due, next }) = &self.pace else {
            let now = Instant::now();
            return (now < self.end).then_some(now);
        };
        due.acquire().await.ok()?.forget();
        let number = next.fetch_add(1, Ordering::Relaxed);
        Some(self.begun_at + schedule.at(number))
    }
}

impl Caller {
    fn new(orders: Arc<Orders>, number: usize, from: usize) -> Self {
        let Load { channels, sets, cycle, callers, .. } = &*orders.load;
        Self {
            client: Grpc::new(channels[number % channels.len()].clone()),
            recorders: vec![Recorder::new(); sets.len()],
            // Callers begin at different places of the mix, and each passes over the requests
            // of the others.
            cycle_place: number * cycle.len() / callers,
            message_place: from + number,
            last_answer: orders.begun_at,
            orders,
        }
    }

    async fn call_until_the_end(mut self) -> (Vec<Recorder>, Instant) {
        let orders = self.orders.clone();
        while let Some(begun_at) = orders.next_call().await {
            let (set, message) = self.next_question();
            let outcome = self.call(&orders.load.sets[set], message).await;
            self.last_answer = Instant::now();
            let took = self.last_answer - begun_at;
            match outcome {
                Ok(()) => self.recorders[set].answered(took),
                Err(name) => self.recorders[set].failed(name, took),
            }
        }
        (self.recorders, self.last_answer)
    }

    fn next_question(&mut self) -> (usize, Bytes) {
        let Load { sets, cycle, callers, .. } = &*self.orders.load;
        let set = cycle[self.cycle_place % cycle.len()];
        let messages = &sets[set].messages;
        let message = messages[self.message_place % messages.len()].clone();
        self.cycle_place += 1;
        self.message_place += callers;
        (set, message)
    }

    /// Makes a call; what it ended with where that is no answer.
    async fn call(&mut self, set: &Questions, message: Bytes) -> Result<(), &'static str> {
        self.client.ready().await.map_err(|_| "UNAVAILABLE")?;
        let answer = self.client.unary(Request::new(message), set.path.clone(), RawCodec).await;
        match answer {
            Ok(answer) if is_answer(set.call, answer.get_ref()) => Ok(()),
            Ok(_) => Err(WRONG_ANSWER),
            Err(status) => Err(code_name(status.code())),
        }
    }
}
