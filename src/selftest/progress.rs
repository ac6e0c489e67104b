//! How far the selftest is: a bar on a terminal, plain lines elsewhere.

use std::{
    io::IsTerminal,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// Time between two plain lines.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// Shows how many operations were carried out, how fast, and how long it will take.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    state: Mutex<State>,
    total: u64,
    has_warned: AtomicBool,
}

struct State {
    done: u64,
    begun_at: Instant,
    shown_at: Instant,
}

impl Progress {
    /// A progress of `total` operations.
    pub(super) fn new(total: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total);
            let template =
                "  selftest {wide_bar} {human_pos}/{human_len} operations, {per_sec}, {eta} left";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar
        });
        let now = Instant::now();
        let state = Mutex::new(State { done: 0, begun_at: now, shown_at: now });
        Self { bar, state, total, has_warned: AtomicBool::new(false) }
    }

    /// Says once, for all worlds, that the server prepares no txs.
    pub(super) fn warn_of_no_prepared_txs(&self) {
        if !self.has_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "NO PREPARED TXS ARE TESTED: max_prepared_transactions is 0 on this server"
            );
        }
    }

    /// So many more were carried out.
    pub(super) fn add(&self, operations: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(operations);
        }
        let Ok(mut state) = self.state.lock() else { return };
        state.done += operations;
        if self.bar.is_none() && state.shown_at.elapsed() >= LINE_INTERVAL {
            state.shown_at = Instant::now();
            let per_second = per_second(state.done, state.begun_at.elapsed());
            let seconds_left = (self.total - state.done.min(self.total)) / per_second.max(1);
            tracing::info!(
                operations = state.done,
                operations_total = self.total,
                operations_per_second = per_second,
                seconds_left,
                "selftest"
            );
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// How many a second.
pub(super) fn per_second(count: u64, elapsed: Duration) -> u64 {
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    count.saturating_mul(1_000) / millis.max(1)
}
