//! How many transactions this process recorded, and how many of late, for `GetStatus`.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use crate::telemetry::last_minute::{SpanClock, Spans};

/// Counts rows that were recorded. Clones share their counts.
#[derive(Clone)]
pub struct RecordedRows {
    shared: Arc<Shared>,
}

struct Shared {
    clock: SpanClock,
    rows: AtomicU64,
    /// One lock a chunk.
    spans: Mutex<Spans<u64>>,
}

impl Default for RecordedRows {
    fn default() -> Self {
        let (rows, spans) = (AtomicU64::new(0), Mutex::new(Spans::new(|| 0)));
        Self { shared: Arc::new(Shared { clock: SpanClock::start(), rows, spans }) }
    }
}

impl RecordedRows {
    pub(super) fn add(&self, rows: usize) {
        let (rows, now) = (rows as u64, self.shared.clock.now());
        self.shared.rows.fetch_add(rows, Ordering::Relaxed);
        let mut spans = self.shared.spans.lock().unwrap_or_else(PoisonError::into_inner);
        *spans.at(now, |rows| *rows = 0) += rows;
    }

    /// Rows since the start.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.shared.rows.load(Ordering::Relaxed)
    }

    /// Rows a second over the last minute (60 to 65 seconds), or since the start.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        let now = self.shared.clock.now();
        let spans = self.shared.spans.lock().unwrap_or_else(PoisonError::into_inner);
        now.per_second(spans.kept(now).sum())
    }
}
