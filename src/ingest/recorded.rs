//! How many transactions this process recorded, and how many of late, for `GetStatus`.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Spans of time that rows are counted by, and how many of them are kept: the one at work and
/// those of a minute before it.
const SPAN: Duration = Duration::from_secs(5);
const SPANS: usize = 13;

/// Counts rows that were recorded. Clones share their counts.
#[derive(Clone)]
pub struct RecordedRows {
    shared: Arc<Shared>,
}

struct Shared {
    started_at: Instant,
    rows: AtomicU64,
    /// Rows of a span, by its number since the start; one lock a chunk.
    spans: Mutex<[(u64, u64); SPANS]>,
}

impl Default for RecordedRows {
    fn default() -> Self {
        let (rows, spans) = (AtomicU64::new(0), Mutex::default());
        Self { shared: Arc::new(Shared { started_at: Instant::now(), rows, spans }) }
    }
}

impl RecordedRows {
    pub(super) fn add(&self, rows: usize) {
        let rows = rows as u64;
        self.shared.rows.fetch_add(rows, Ordering::Relaxed);
        let number = self.number(self.shared.started_at.elapsed());
        let mut spans = self.shared.spans.lock().unwrap_or_else(PoisonError::into_inner);
        let place = usize::try_from(number % SPANS as u64).expect("there are few spans");
        if spans[place].0 != number {
            spans[place] = (number, 0);
        }
        spans[place].1 += rows;
    }

    /// Rows since the start.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.shared.rows.load(Ordering::Relaxed)
    }

    /// Rows a second over the last minute (60 to 65 seconds), or since the start.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        let elapsed = self.shared.started_at.elapsed();
        let now = self.number(elapsed);
        let first = now.saturating_sub(SPANS as u64 - 1);
        let spans = *self.shared.spans.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = spans.iter().filter(|(number, _)| (first..=now).contains(number));
        let rows: u64 = kept.map(|(_, rows)| rows).sum();
        let begun = SPAN * u32::try_from(first).unwrap_or(u32::MAX);
        let seconds = elapsed.saturating_sub(begun).as_secs_f64().max(1.0);
        #[expect(clippy::cast_precision_loss, reason = "a rate is rounded")]
        let rate = rows as f64 / seconds;
        rate
    }

    fn number(&self, elapsed: Duration) -> u64 {
        elapsed.as_secs() / SPAN.as_secs()
    }
}
