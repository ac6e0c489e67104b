//! What happened in the last minute, span by span.

use std::time::{Duration, Instant};

/// Length of a span, and how many of them are kept: the one at work and those of a minute before
/// it.
const SPAN: Duration = Duration::from_secs(5);
const SPANS: usize = 13;

/// The clock that spans are counted by, from its start on.
#[derive(Clone, Copy, Debug)]
pub struct SpanClock {
    started_at: Instant,
}

/// Which span it is, and how long those that are kept have lasted.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    number: u64,
    /// Seconds since the first span that is kept began: 60 to 65, or since the start.
    seconds: f64,
}

/// A value for each span that is kept.
#[derive(Clone, Debug)]
pub struct Spans<T>([(u64, T); SPANS]);

impl SpanClock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        Self { started_at: Instant::now() }
    }

    /// The present.
    #[must_use]
    pub fn now(&self) -> Now {
        let elapsed = self.started_at.elapsed();
        let number = elapsed.as_secs() / SPAN.as_secs();
        let first = number.saturating_sub(SPANS as u64 - 1);
        let begun = SPAN * u32::try_from(first).unwrap_or(u32::MAX);
        Now { number, seconds: elapsed.saturating_sub(begun).as_secs_f64().max(1.0) }
    }
}

impl Now {
    /// So many of the spans that are kept, a second.
    #[must_use]
    pub fn per_second(&self, count: u64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a rate is rounded")]
        let count = count as f64;
        count / self.seconds
    }

    fn keeps(&self, number: u64) -> bool {
        number <= self.number && self.number - number < SPANS as u64
    }
}

impl<T> Spans<T> {
    /// Values as they are before anything happened.
    pub fn new(empty: impl Fn() -> T) -> Self {
        Self(std::array::from_fn(|_| (0, empty())))
    }

    /// The value of the present span, which `reset` has emptied where an older one stood there.
    pub fn at(&mut self, now: Now, reset: impl FnOnce(&mut T)) -> &mut T {
        let place = usize::try_from(now.number % SPANS as u64).expect("there are few spans");
        let (number, value) = &mut self.0[place];
        if *number != now.number {
            *number = now.number;
            reset(value);
        }
        value
    }

    /// The values that are kept.
    pub fn kept(&self, now: Now) -> impl Iterator<Item = &T> {
        self.0.iter().filter(move |(number, _)| now.keeps(*number)).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(number: u64) -> Now {
        Now { number, seconds: 1.0 }
    }

    #[test]
    fn spans_that_are_over_are_used_again() {
        let mut spans = Spans::new(|| 0);
        *spans.at(now(0), |value| *value = 0) = 1;
        *spans.at(now(12), |value| *value = 0) = 2;
        assert_eq!(*spans.at(now(0), |value| *value = 0), 1);
        assert_eq!(spans.kept(now(12)).sum::<u64>(), 3);
        assert_eq!(spans.kept(now(20)).sum::<u64>(), 2);
        assert_eq!(*spans.at(now(13), |value| *value = 0), 0);
        let kept = |at: u64| (0..30).filter(|number| now(at).keeps(*number)).count();
        assert_eq!((kept(0), kept(5), kept(12), kept(20)), (1, 6, 13, 13));
    }
}
