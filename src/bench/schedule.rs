//! When calls of an open loop are meant to begin.

use std::time::Duration;

/// Instants a fixed time apart, counted from the start of the run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    calls_per_second: f64,
}

impl Schedule {
    /// So many calls a second.
    #[must_use]
    pub(super) fn new(calls_per_second: f64) -> Self {
        Self { calls_per_second }
    }

    /// When the call with this number, from 0 on, is meant to begin. Computed from the number
    /// and not from the call before, so that nothing adds up.
    #[must_use]
    pub(super) fn at(&self, number: u64) -> Duration {
        Duration::from_secs_f64(number as f64 / self.calls_per_second)
    }

    /// How many calls from this number on are due when so much time has passed, but none that
    /// is meant to begin at `end` or after it.
    #[must_use]
    pub(super) fn due(&self, number: u64, passed: Duration, end: Duration) -> u64 {
        let mut next = number;
        while self.at(next) <= passed && self.at(next) < end {
            next += 1;
        }
        next - number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn calls_are_due_at_their_instants_and_not_before() {
        let schedule = Schedule::new(100.0);
        assert_eq!(schedule.at(0), Duration::ZERO);
        assert_eq!(schedule.at(250), millis(2_500));
        let end = millis(1_000);
        assert_eq!(schedule.due(0, Duration::ZERO, end), 1);
        assert_eq!(schedule.due(1, millis(9), end), 0);
        assert_eq!(schedule.due(1, millis(10), end), 1);
        // After a stall all that were due meanwhile are.
        assert_eq!(schedule.due(1, millis(500), end), 50);
    }

    #[test]
    fn a_run_holds_as_many_calls_as_its_rate_says() {
        for (rate, seconds, expected) in [(100.0, 1, 100), (3.0, 10, 30), (0.5, 3, 2)] {
            let end = Duration::from_secs(seconds);
            assert_eq!(Schedule::new(rate).due(0, 2 * end, end), expected, "{rate}");
        }
    }
}
