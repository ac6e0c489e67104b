//! What is counted of the database: statements, pools, and the gauges that a worker gathers.

use std::{
    cell::RefCell,
    collections::HashMap,
    time::{Duration, SystemTime},
};

use metrics::{Counter, Histogram, counter, gauge, histogram};

use super::families::{
    CORRECTIONS_WAITING, DAMAGED_TOTALS, DAYS_DETACHED, DAYS_DROPPED, DELIVERIES_DEAD,
    DELIVERIES_WAITING, GATHERED_AT, GATHERING_FAILURES, OLDEST_DELIVERY_AGE, PARTITIONS,
    PARTITIONS_AHEAD, POOL_IDLE, POOL_MAX, POOL_OPEN, POOL_TIMEOUTS, POOL_WAIT_SECONDS,
    POOL_WAITING, SEALED_AGE_SECONDS, SERVING, SHARED_SUM_WAIT_SECONDS, STATEMENT_FAILURES,
    STATEMENT_SECONDS, SYNC_JOBS, SYNC_OLDEST_AGE,
};

thread_local! {
    /// Histograms of statements by stem: looking one up in the registry costs more than measuring.
    static STATEMENTS: RefCell<HashMap<&'static str, Histogram>> = RefCell::default();
}

pub(super) fn begin() {
    gauge!(SERVING).set(0.0);
    gauge!(GATHERED_AT).set(0.0);
    counter!(GATHERING_FAILURES).increment(0);
    let _ = histogram!(SHARED_SUM_WAIT_SECONDS);
}

/// A statement took so long, from the question to its last row.
pub fn statement_took(stem: &'static str, took: Duration) {
    STATEMENTS.with_borrow_mut(|statements| {
        let known = statements.entry(stem);
        known.or_insert_with(|| histogram!(STATEMENT_SECONDS, "statement" => stem)).record(took);
    });
}

/// So many statements failed; the kind is a word of an enum.
pub fn statements_failed(kind: &'static str, count: u64) {
    counter!(STATEMENT_FAILURES, "kind" => kind).increment(count);
}

/// Measures how long sums wait for a statement that they share.
#[derive(Clone)]
pub struct SharedSumMeter(Histogram);

impl SharedSumMeter {
    /// Measures from here on.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "a meter is nothing that stands for itself")]
    pub fn new() -> Self {
        Self(histogram!(SHARED_SUM_WAIT_SECONDS))
    }

    /// A sum waited so long.
    pub fn waited(&self, waited: Duration) {
        self.0.record(waited);
    }
}

/// Measures the waits for connections of one pool.
#[derive(Clone)]
pub struct PoolMeter {
    seconds: Histogram,
    timeouts: Counter,
}

impl PoolMeter {
    /// Measures those of the pool of this name.
    #[must_use]
    pub fn new(pool: &'static str) -> Self {
        Self {
            seconds: histogram!(POOL_WAIT_SECONDS, "pool" => pool),
            timeouts: counter!(POOL_TIMEOUTS, "pool" => pool),
        }
    }

    /// Somebody waited so long.
    pub fn waited(&self, waited: Duration) {
        self.seconds.record(waited);
    }

    /// Somebody waited in vain.
    pub fn gave_up(&self) {
        self.timeouts.increment(1);
    }
}

/// How it stands with a pool.
#[derive(Clone, Copy, Debug)]
pub struct PoolGauges {
    /// Its name.
    pub pool: &'static str,
    /// Most connections.
    pub max: usize,
    /// Connections.
    pub open: usize,
    /// Those that nobody uses.
    pub idle: usize,
    /// Who waits for one.
    pub waiting: usize,
}

/// Shows how it stands with a pool.
pub fn show_pool(gauges: PoolGauges) {
    let PoolGauges { pool, max, open, idle, waiting } = gauges;
    let show = |name: &'static str, count: usize| gauge!(name, "pool" => pool).set(count as f64);
    show(POOL_MAX, max);
    show(POOL_OPEN, open);
    show(POOL_IDLE, idle);
    show(POOL_WAITING, waiting);
}

/// Whether health says SERVING.
pub fn is_serving(is_serving: bool) {
    gauge!(SERVING).set(if is_serving { 1.0 } else { 0.0 });
}

/// What the database knows and a worker asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DatabaseGauges {
    /// Corrections that wait, counted up to a million.
    pub corrections_waiting: i64,
    /// Age of the earliest row that is not sealed, in seconds; 0 if all are.
    pub sealed_age_seconds: f64,
    /// Running totals that are set aside, and cells of prices that cannot be read.
    pub damaged_totals: i64,
    /// Daily partitions.
    pub partitions: i64,
    /// Days from today on that have one, without a gap.
    pub partitions_ahead: i64,
    /// Days that somebody detached.
    pub days_detached: i64,
    /// Days that retention dropped.
    pub days_dropped: i64,
    /// Deliveries of alerts that are not made yet.
    pub deliveries_waiting: i64,
    /// Those that were given up.
    pub deliveries_dead: i64,
    /// Time since the oldest waiting one was due, in seconds; 0 without one.
    pub oldest_delivery_age_seconds: f64,
}

/// Shows what was gathered just now.
pub fn gathered(gauges: &DatabaseGauges) {
    for (name, count) in [
        (CORRECTIONS_WAITING, gauges.corrections_waiting),
        (DAMAGED_TOTALS, gauges.damaged_totals),
        (PARTITIONS, gauges.partitions),
        (PARTITIONS_AHEAD, gauges.partitions_ahead),
        (DAYS_DETACHED, gauges.days_detached),
        (DAYS_DROPPED, gauges.days_dropped),
        (DELIVERIES_WAITING, gauges.deliveries_waiting),
        (DELIVERIES_DEAD, gauges.deliveries_dead),
    ] {
        gauge!(name).set(count as f64);
    }
    gauge!(SEALED_AGE_SECONDS).set(gauges.sealed_age_seconds);
    gauge!(OLDEST_DELIVERY_AGE).set(gauges.oldest_delivery_age_seconds);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    gauge!(GATHERED_AT).set(now.as_secs_f64());
}

/// What the database knows could not be gathered; what is shown is old.
pub fn gathering_failed() {
    counter!(GATHERING_FAILURES).increment(1);
}

/// Jobs of syncing of one network.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SyncGauges {
    /// The network, as the chains file names it.
    pub network: String,
    /// Jobs that wait.
    pub queued: i64,
    /// Jobs at work.
    pub running: i64,
    /// Jobs that wait for somebody to do something.
    pub parked: i64,
    /// Time since the oldest queued one was due, in seconds; 0 without one.
    pub oldest_age_seconds: f64,
}

/// Shows the jobs of a network.
pub fn show_sync_jobs(gauges: &SyncGauges) {
    let SyncGauges { network, queued, running, parked, oldest_age_seconds } = gauges;
    for (state, count) in [("queued", queued), ("running", running), ("parked", parked)] {
        gauge!(SYNC_JOBS, "network" => network.clone(), "state" => state).set(*count as f64);
    }
    gauge!(SYNC_OLDEST_AGE, "network" => network.clone()).set(*oldest_age_seconds);
}
