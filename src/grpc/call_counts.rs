//! What became of the calls of the last minute, and how long they took, for `GetStatus`: a layer
//! around all others that looks at a call's path and at its answer.
//!
//! A call costs one lock that nobody else holds, as a rule: there are several counters, and whoever
//! counts takes one that is free. Readers add them up.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use http::{Request, Response, StatusCode};
use tonic::{Code, Status};
use tower::{Layer, Service};

use crate::grpc::policy::{Policy, is_stream, policy_of};

/// Spans of time that calls are counted by, and how many of them are kept: the one at work and
/// those of a minute before it.
const SPAN: Duration = Duration::from_secs(5);
const SPANS: usize = 13;

/// Counters side by side.
const COUNTERS: usize = 4;

/// Latencies are told apart to two digits from a microsecond to ten minutes; longer ones count as
/// the longest.
const LONGEST_MICROS: u64 = 600_000_000;
const DIGITS: u8 = 2;

/// Counts calls, as a layer around whatever answers them. Clones share their counts.
#[derive(Clone)]
pub struct CallCounts {
    shared: Arc<Shared>,
}

struct Shared {
    started_at: Instant,
    counters: [Mutex<Counter>; COUNTERS],
}

/// Calls by the time at which they were answered.
struct Counter {
    spans: Vec<Span>,
}

struct Span {
    /// Which span since the start.
    number: u64,
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
        let counters = std::array::from_fn(|_| Mutex::new(Counter::new()));
        Self { shared: Arc::new(Shared { started_at: Instant::now(), counters }) }
    }

    /// Counts a call that was answered.
    pub fn count(&self, took: Duration, is_error: bool) {
        let number = self.now().1;
        let mut counter = self.free();
        let span = counter.span(number);
        let micros = u64::try_from(took.as_micros()).unwrap_or(LONGEST_MICROS);
        span.latencies.saturating_record(micros.max(1));
        span.errors += u64::from(is_error);
    }

    /// What became of the calls of the last minute: of 60 to 65 seconds, or since the start.
    #[must_use]
    pub fn last_minute(&self) -> CallSummary {
        let (elapsed, number) = self.now();
        let mut latencies = histogram();
        let mut errors = 0;
        for counter in &self.shared.counters {
            let counter = counter.lock().unwrap_or_else(PoisonError::into_inner);
            for span in counter.spans.iter().filter(|span| is_kept(span.number, number)) {
                latencies.add(&span.latencies).expect("all histograms have the same bounds");
                errors += span.errors;
            }
        }
        let first_span = number.saturating_sub(SPANS as u64 - 1);
        let begun = SPAN * u32::try_from(first_span).unwrap_or(u32::MAX);
        let seconds = elapsed.saturating_sub(begun).as_secs_f64().max(1.0);
        let calls = latencies.len();
        let at = |quantile| Duration::from_micros(latencies.value_at_quantile(quantile));
        #[expect(clippy::cast_precision_loss, reason = "a rate is rounded")]
        let per_second = calls as f64 / seconds;
        CallSummary { calls, errors, per_second, p50: at(0.5), p99: at(0.99) }
    }

    /// Time since the start, and the number of the span that this is in.
    fn now(&self) -> (Duration, u64) {
        let elapsed = self.shared.started_at.elapsed();
        (elapsed, elapsed.as_secs() / SPAN.as_secs())
    }

    /// A counter that nobody uses, or the first.
    fn free(&self) -> MutexGuard<'_, Counter> {
        let [first, ..] = &self.shared.counters;
        let free = self.shared.counters.iter().find_map(|counter| counter.try_lock().ok());
        free.unwrap_or_else(|| first.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Counter {
    fn new() -> Self {
        let span = || Span { number: 0, latencies: histogram(), errors: 0 };
        Self { spans: std::iter::repeat_with(span).take(SPANS).collect() }
    }

    /// The span of this number, empty where an older one stood in its place.
    fn span(&mut self, number: u64) -> &mut Span {
        let place = usize::try_from(number % SPANS as u64).expect("there are few spans");
        let span = &mut self.spans[place];
        if span.number != number {
            span.number = number;
            span.latencies.reset();
            span.errors = 0;
        }
        span
    }
}

/// Whether a span belongs to the last minute before the end of another one.
fn is_kept(number: u64, now: u64) -> bool {
    number <= now && now - number < SPANS as u64
}

fn histogram() -> Histogram<u32> {
    Histogram::new_with_bounds(1, LONGEST_MICROS, DIGITS)
        .expect("the bounds are in order and the digits few")
}

impl<S> Layer<S> for CallCounts {
    type Service = CountedService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CountedService { inner, counts: self.clone() }
    }
}

/// A service whose calls are counted.
#[derive(Clone)]
pub struct CountedService<S> {
    inner: S,
    counts: CallCounts,
}

impl<S, A, B> Service<Request<A>> for CountedService<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Future: Unpin,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = CountedFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let path = request.uri().path();
        let is_counted = policy_of(path) != Some(Policy::Open) && !is_stream(path);
        let counting = is_counted.then(|| (self.counts.clone(), Instant::now()));
        CountedFuture { inner: self.inner.call(request), counting }
    }
}

/// A call whose answer is counted when it comes.
pub struct CountedFuture<F> {
    inner: F,
    counting: Option<(CallCounts, Instant)>,
}

impl<F, B, E> Future for CountedFuture<F>
where
    F: Future<Output = Result<Response<B>, E>> + Unpin,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let answered = ready!(Pin::new(&mut self.inner).poll(context));
        if let Some((counts, begun_at)) = self.counting.take()
            && let Ok(response) = &answered
            // All else is no gRPC.
            && response.status() == StatusCode::OK
        {
            // Where all went well the status is left out.
            let status = response.extensions().get::<Status>();
            let is_error = status.is_some_and(|status| status.code() != Code::Ok);
            counts.count(begun_at.elapsed(), is_error);
        }
        Poll::Ready(answered)
    }
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

    #[test]
    fn spans_that_are_over_are_used_again() {
        let mut counter = Counter::new();
        counter.span(0).errors = 1;
        counter.span(12).errors = 2;
        assert_eq!((counter.span(0).errors, counter.span(12).errors), (1, 2));
        assert_eq!(counter.span(13).errors, 0);
        let kept = |now: u64| (0..30).filter(|number| is_kept(*number, now)).count();
        assert_eq!((kept(0), kept(5), kept(12), kept(20)), (1, 6, 13, 13));
    }
}
