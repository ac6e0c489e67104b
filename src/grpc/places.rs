//! Places of requests that take time of ours: so many are at work at once, and the others are
//! refused.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// How long a refusal waits, in microseconds, that others would ask for again and again: the first
/// where a place is held for less, so that refusing takes the time of many who have one. Those of a
/// while end together: what leaves on one connection is written at once. Ten milliseconds is the
/// promise.
const REFUSAL_PAUSES: [Range<u64>; 2] = [3_000..7_000, 2_000..4_000];

/// All places, and how many of them are taken.
#[derive(Debug)]
pub(super) struct Places {
    count_max: usize,
    taken: AtomicUsize,
    /// How long one is held, lately and on average, in microseconds.
    held_micros: AtomicU64,
    /// From when on pauses are counted.
    begun_at: Instant,
}

/// A request's place; free again when dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    since: Instant,
}

impl Places {
    /// So many.
    pub(super) fn new(count_max: usize) -> Arc<Self> {
        let (taken, held_micros) = (AtomicUsize::new(0), AtomicU64::new(0));
        Arc::new(Self { count_max, taken, held_micros, begun_at: Instant::now() })
    }

    /// Whether one is free now: what a request brings is not read where there is none.
    pub(super) fn is_any_free(&self) -> bool {
        self.taken.load(Ordering::Relaxed) < self.count_max
    }

    /// A place, if one is free.
    pub(super) fn take(self: &Arc<Self>) -> Option<Place> {
        let take = |taken| (taken < self.count_max).then_some(taken + 1);
        let taken = self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        taken.ok().map(|_| Place { places: Arc::clone(self), since: Instant::now() })
    }

    /// How long to wait before a request is refused for want of a place. Whoever asks again at
    /// once, against advice, is refused less often then, and leaves more of the processors to those
    /// who are at work.
    pub(super) fn refusal_pause(&self) -> Duration {
        let since = u64::try_from(self.begun_at.elapsed().as_micros()).unwrap_or(0);
        Duration::from_micros(pause(since, self.refusal_pauses()))
    }

    fn refusal_pauses(&self) -> Range<u64> {
        let [long, short] = REFUSAL_PAUSES;
        if self.held_micros.load(Ordering::Relaxed) < long.end { long } else { short }
    }

    fn note_held(&self, held: Duration) {
        let held = u64::try_from(held.as_micros()).unwrap_or(u64::MAX);
        // Two who write at once lose one of both: an average bears that.
        let before = self.held_micros.load(Ordering::Relaxed);
        self.held_micros.store(before - before / 8 + held / 8, Ordering::Relaxed);
    }
}

/// The pause from an instant on, within a range, that ends at a multiple of the range's length: all
/// instants between two multiples have one end.
fn pause(since: u64, Range { start, end }: Range<u64>) -> u64 {
    (since + start).next_multiple_of(end - start) - since
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.note_held(self.since.elapsed());
        self.places.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_so_many_places_and_no_more() {
        let places = Places::new(2);
        let both = [places.take(), places.take()];
        assert!(both.iter().all(Option::is_some) && !places.is_any_free());
        assert!(places.take().is_none());
        drop(both);
        assert!(places.is_any_free() && places.take().is_some());
    }

    #[test]
    fn pauses_are_in_their_range_and_end_together() {
        for since in 0..20_000 {
            let pause = pause(since, 3_000..7_000);
            assert!((3_000..7_000).contains(&pause), "{since}: {pause}");
            assert_eq!((since + pause) % 4_000, 0, "{since}: {pause}");
        }
    }

    #[test]
    fn refusals_wait_longer_where_places_are_held_for_a_short_time() {
        let places = Places::new(1);
        let [long, short] = REFUSAL_PAUSES;
        assert_eq!(places.refusal_pauses(), long);
        (0..50).for_each(|_| places.note_held(Duration::from_millis(50)));
        assert_eq!(places.refusal_pauses(), short);
        (0..50).for_each(|_| places.note_held(Duration::from_micros(500)));
        assert_eq!(places.refusal_pauses(), long);
    }
}
