//! How far the seeding is: a bar on a terminal, plain lines elsewhere.

use std::{
    io::IsTerminal,
    sync::Mutex,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// Time between two plain lines.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// Shows how many rows are loaded, how fast, and how long it will take.
pub struct Progress {
    bar: Option<ProgressBar>,
    state: Mutex<State>,
    total: u64,
}

struct State {
    done: u64,
    done_before: u64,
    begun_at: Instant,
    shown_at: Instant,
}

impl Progress {
    /// A progress of `total` rows of which `done` were there before.
    #[must_use]
    pub fn new(total: u64, done: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total).with_position(done);
            let template =
                "  seeding {wide_bar} {human_pos}/{human_len} rows, {per_sec}, {eta} left";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.reset_eta();
            bar
        });
        let now = Instant::now();
        let state = State { done, done_before: done, begun_at: now, shown_at: now };
        Self { bar, state: Mutex::new(state), total }
    }

    /// So many more rows are loaded.
    pub fn add(&self, rows: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(rows);
        }
        let Ok(mut state) = self.state.lock() else { return };
        state.done += rows;
        if self.bar.is_none() && state.shown_at.elapsed() >= LINE_INTERVAL {
            state.shown_at = Instant::now();
            let per_second = state.per_second();
            let seconds_left = (self.total - state.done.min(self.total)) / per_second.max(1);
            tracing::info!(
                rows = state.done,
                rows_total = self.total,
                rows_per_second = per_second,
                seconds_left,
                "seeding"
            );
        }
    }

    /// Shows what is being done now that all rows are loaded.
    pub fn step(&self, what: &'static str) {
        if let Some(bar) = &self.bar {
            bar.suspend(|| tracing::info!("{what}"));
        } else {
            tracing::info!("{what}");
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl State {
    fn per_second(&self) -> u64 {
        let millis = u64::try_from(self.begun_at.elapsed().as_millis()).unwrap_or(u64::MAX);
        (self.done - self.done_before).saturating_mul(1_000) / millis.max(1)
    }
}
