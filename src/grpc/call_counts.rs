//! What became of the calls of the last minute, and how long they took, for `GetStatus`.
//!
//! A call costs one lock that nobody else holds, as a rule: there are several counters, and whoever
//! counts takes one that is free. Readers add them up.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hdrhistogram::Histogram;

use crate::telemetry::last_minute::{SpanClock, Spans};

/// Counters side by side.
const COUNTERS: usize = 4;

/// Latencies are told apart to two digits from a microsecond to ten minutes; longer ones count as
/// the longest.
const LONGEST_MICROS: u64 = 600_000_000;
const DIGITS: u8 = 2;

/// Counts calls. Clones share their counts.
#[derive(Clone)]
pub struct CallCounts {
    shared: Arc<Shared>,
}

struct Shared {
    clock: SpanClock,
    /// Calls by the time at which they were answered.
    counters: [Mutex<Spans<Counter>>; COUNTERS],
}

struct Counter {
    latencies: Histogram<u32>,
    errors: u64,
}

/// What became of the calls of the last minute, or since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CallSummary {
    /// Calls that were answered.
    pub calls: u64,
    /// Those of them that did not end well.
    pub errors: u64,
    /// Calls a second.
    pub per_second: f64,
    /// Time that half of them took at most.
    pub p50: Duration,
    /// Time that 99 of 100 took at most.
    pub p99: Duration,
}

impl Default for CallCounts {
    fn default() -> Self {
        Self::new()
    }
}

impl CallCounts {
    /// No calls, from now on.
    #[must_use]
    pub fn new() -> Self {
        let empty = || Counter { latencies: histogram(), errors: 0 };
        let counters = std::array::from_fn(|_| Mutex::new(Spans::new(empty)));
        Self { shared: Arc::new(Shared { clock: SpanClock::start(), counters }) }
    }

    /// Counts a call that was answered.
    pub fn count(&self, took: Duration, is_error: bool) {
        let now = self.shared.clock.now();
        let mut spans = self.free();
        let counter = spans.at(now, Counter::clear);
        let micros = u64::try_from(took.as_micros()).unwrap_or(LONGEST_MICROS);
        counter.latencies.saturating_record(micros.max(1));
        counter.errors += u64::from(is_error);
    }

    /// What became of the calls of the last minute: of 60 to 65 seconds, or since the start.
    #[must_use]
    pub fn last_minute(&self) -> CallSummary {
        let now = self.shared.clock.now();
        let mut latencies = histogram();
        let mut errors = 0;
        for spans in &self.shared.counters {
            let spans = spans.lock().unwrap_or_else(PoisonError::into_inner);
            for counter in spans.kept(now) {
                latencies.add(&counter.latencies).expect("all histograms have the same bounds");
                errors += counter.errors;
            }
        }
        let calls = latencies.len();
        let at = |quantile| Duration::from_micros(latencies.value_at_quantile(quantile));
        CallSummary {
            calls,
            errors,
            per_second: now.per_second(calls),
            p50: at(0.5),
            p99: at(0.99),
        }
    }

    /// A counter that nobody uses, or the first.
    fn free(&self) -> MutexGuard<'_, Spans<Counter>> {
        let [first, ..] = &self.shared.counters;
        let free = self.shared.counters.iter().find_map(|counter| counter.try_lock().ok());
        free.unwrap_or_else(|| first.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Counter {
    fn clear(&mut self) {
        self.latencies.reset();
        self.errors = 0;
    }
}

fn histogram() -> Histogram<u32> {
    Histogram::new_with_bounds(1, LONGEST_MICROS, DIGITS)
        .expect("the bounds are in order and the digits few")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_with_their_latencies_and_failures() {
        let counts = CallCounts::new();
        assert_eq!(counts.last_minute(), CallSummary::default());
        for millis in 1..=100 {
            counts.count(Duration::from_millis(millis), millis % 10 == 0);
        }
        let found = counts.last_minute();
        assert_eq!((found.calls, found.errors), (100, 10));
        let near = |found: Duration, millis: f64| {
            (found.as_secs_f64() * 1_000.0 - millis).abs() <= millis / 100.0
        };
        assert!(near(found.p50, 50.0) && near(found.p99, 99.0), "{found:?}");
        assert!(found.per_second > 0.0, "{found:?}");
        counts.count(Duration::from_secs(86_400), true);
        assert_eq!(counts.last_minute().errors, 11);
    }
}
