//! Peers that keep the server waiting: their requests do not arrive whole, or they do not read
//! their answers.
//!
//! An answer that fits into one frame is the connection's as soon as it is made, and not waited
//! for: what a connection holds of those is bounded by its streams.
//!
//! Neither holds one of the places of requests at work. What they hold is memory, which is counted;
//! those that take too long lose their connection. So does whoever has waited longest when there is
//! too much of it, so that peers who stall on purpose make room for those who do not.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Context,
    time::{Duration, Instant},
};

use futures_util::task::AtomicWaker;

/// What the smallest request or answer is counted as, with all that belongs to it, in bytes.
const WEIGHT_MIN: usize = 4 * 1024;

/// What is no larger than this, in bytes, is let in when larger ones are not.
const SMALL: usize = 64 * 1024;

/// Whoever waits no longer than this is not taken for somebody who stalls.
const GRACE: Duration = Duration::from_secs(1);

/// A connection, as those see it who may end it.
#[derive(Clone, Debug, Default)]
pub struct Line(Arc<LineState>);

#[derive(Debug)]
struct LineState {
    is_cut: AtomicBool,
    waker: AtomicWaker,
    /// Requests that have begun on it and whose answer has not left.
    uses: AtomicUsize,
    /// When it was made, or its last request ended.
    idle_since: Mutex<Instant>,
}

impl Default for LineState {
    fn default() -> Self {
        Self {
            is_cut: AtomicBool::default(),
            waker: AtomicWaker::default(),
            uses: AtomicUsize::default(),
            idle_since: Mutex::new(Instant::now()),
        }
    }
}

/// A request on a connection; ends when dropped.
#[derive(Debug)]
pub(super) struct InUse(Line);

impl Drop for InUse {
    fn drop(&mut self) {
        *self.0.0.idle_since.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.0.0.uses.fetch_sub(1, Ordering::Relaxed);
    }
}

/// All connections that there are.
#[derive(Debug, Default)]
pub(super) struct Lines(Vec<Weak<LineState>>);

impl Lines {
    /// Remembers a connection.
    pub(super) fn add(&mut self, line: &Line) {
        if self.0.len() == self.0.capacity() {
            self.0.retain(|line| line.strong_count() > 0);
        }
        self.0.push(Arc::downgrade(&line.0));
    }

    /// Cuts the connection on which nothing has been asked for longest; whether there was one.
    pub(super) fn cut_idlest(&mut self) -> bool {
        self.0.retain(|line| line.strong_count() > 0);
        let now = Instant::now();
        let idle = self.0.iter().filter_map(Weak::upgrade).filter_map(|line| {
            let since = *line.idle_since.lock().unwrap_or_else(PoisonError::into_inner);
            let is_idle = line.uses.load(Ordering::Relaxed) == 0
                && !line.is_cut.load(Ordering::Relaxed)
                && now.duration_since(since) >= GRACE;
            is_idle.then_some((since, line))
        });
        let idlest = idle.min_by_key(|(since, _)| *since);
        if let Some((_, line)) = idlest {
            Line(line).cut();
            return true;
        }
        false
    }
}

impl Line {
    /// Ends the connection as soon as it is looked at, which it is told to do now.
    fn cut(&self) {
        self.0.is_cut.store(true, Ordering::Release);
        self.0.waker.wake();
    }

    /// A request begins on it.
    pub(super) fn begin_use(&self) -> InUse {
        self.0.uses.fetch_add(1, Ordering::Relaxed);
        InUse(self.clone())
    }

    /// Whether the connection is to end; if not, its task is woken when it is.
    pub(super) fn is_cut(&self, context: &Context<'_>) -> bool {
        self.0.waker.register(context.waker());
        self.0.is_cut.load(Ordering::Acquire)
    }
}

/// Those who keep the server waiting in one way.
#[derive(Clone, Debug)]
pub(super) struct Waiting(Arc<Queue>);

#[derive(Debug)]
struct Queue {
    bytes_max: usize,
    time_max: Duration,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    /// By number, which is by age.
    by_age: BTreeMap<u64, Entry>,
    next: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    since: Instant,
    bytes: usize,
    line: Option<Line>,
}

/// One of those who are waited for; ends when dropped.
#[derive(Debug)]
pub(super) struct Wait {
    waiting: Waiting,
    number: u64,
}

impl Waiting {
    /// Who hold so many bytes at most, each for so long.
    pub(super) fn new(bytes_max: usize, time_max: Duration) -> Self {
        Self(Arc::new(Queue { bytes_max, time_max, entries: Mutex::default() }))
    }

    /// Begins to wait for somebody on this connection who holds so many bytes; `None` where others
    /// hold too many already, none of them for long.
    pub(super) fn begin(&self, line: Option<&Line>, bytes: usize) -> Option<Wait> {
        let (now, bytes) = (Instant::now(), bytes.max(WEIGHT_MIN));
        let bytes_max = self.0.bytes_max;
        let mut entries = self.lock();
        while entries.bytes + bytes > bytes_max && entries.cut_oldest(now, GRACE) {}
        let is_small = bytes <= SMALL && entries.bytes + bytes <= 2 * bytes_max;
        if entries.bytes + bytes > bytes_max && !is_small {
            return None;
        }
        let number = entries.next;
        entries.next += 1;
        entries.bytes += bytes;
        entries.by_age.insert(number, Entry { since: now, bytes, line: line.cloned() });
        Some(Wait { waiting: self.clone(), number })
    }

    /// Cuts the connection of whoever has waited longest, if that is too long; whether it was.
    pub(super) fn cut_late(&self) -> bool {
        let now = Instant::now();
        self.lock().cut_oldest(now, self.0.time_max)
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    /// Cuts the connection of whoever has waited longest, if that is so long; whether it was.
    fn cut_oldest(&mut self, now: Instant, at_least: Duration) -> bool {
        let Some(oldest) = self.by_age.first_entry() else { return false };
        if now.duration_since(oldest.get().since) < at_least {
            return false;
        }
        let entry = oldest.remove();
        self.bytes -= entry.bytes;
        tracing::debug!(entry.bytes, "cut off a peer that kept the server waiting");
        if let Some(line) = entry.line {
            line.cut();
        }
        true
    }
}

impl Wait {
    /// Counts so many bytes more.
    pub(super) fn grow(&self, bytes: usize) {
        let mut entries = self.waiting.lock();
        // Who was cut off is not counted any more.
        if let Some(entry) = entries.by_age.get_mut(&self.number) {
            entry.bytes += bytes;
            entries.bytes += bytes;
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let mut entries = self.waiting.lock();
        if let Some(entry) = entries.by_age.remove(&self.number) {
            entries.bytes -= entry.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_cut(line: &Line) -> bool {
        line.0.is_cut.load(Ordering::Acquire)
    }

    #[test]
    fn whoever_takes_too_long_is_cut_off() {
        let waiting = Waiting::new(1 << 20, Duration::from_millis(30));
        let (late, gone, in_time) = (Line::default(), Line::default(), Line::default());
        let wait = waiting.begin(Some(&late), 1).expect("there is room");
        drop(waiting.begin(Some(&gone), 1).expect("there is room"));
        std::thread::sleep(Duration::from_millis(40));
        let _in_time = waiting.begin(Some(&in_time), 1).expect("there is room");
        assert!(waiting.cut_late() && !waiting.cut_late());
        assert_eq!([&late, &gone, &in_time].map(is_cut), [true, false, false]);
        wait.grow(1 << 20);
        assert_eq!(waiting.lock().bytes, WEIGHT_MIN);
    }

    #[test]
    fn who_waits_longest_makes_room_and_nobody_who_has_just_come() {
        let waiting = Waiting::new(2 * SMALL + 2, Duration::from_secs(60));
        let lines: [Line; 4] = Default::default();
        let large = SMALL + 1;
        let mut waits: Vec<_> =
            lines[..2].iter().map(|line| waiting.begin(Some(line), large)).collect();
        assert!(waiting.begin(Some(&lines[2]), large).is_none());
        // What is small is let in all the same, up to twice as much.
        waits.push(waiting.begin(Some(&lines[3]), 1));
        let small = std::iter::from_fn(|| waiting.begin(None, SMALL)).collect::<Vec<_>>();
        assert_eq!(small.len(), 1);
        drop(small);
        assert_eq!(lines.each_ref().map(is_cut), [false; 4]);
        for entry in waiting.lock().by_age.values_mut() {
            entry.since -= GRACE;
        }
        waits.push(waiting.begin(Some(&lines[2]), large));
        assert!(waits.iter().all(Option::is_some));
        assert_eq!(lines.each_ref().map(is_cut), [true, true, false, false]);
        waits.clear();
        let entries = waiting.lock();
        assert_eq!((entries.by_age.len(), entries.bytes), (0, 0));
    }
}
