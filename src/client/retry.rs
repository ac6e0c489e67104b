//! When a call is made again: the policy, and the budget that keeps all calls of a client
//! together from asking a server that is in trouble ever more.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// What a full budget holds, in tenths of a failure.
const BUDGET_MAX: u32 = 100;

/// What a failure takes out of it.
const FAILURE_COST: u32 = 10;

/// What a success puts into it.
const SUCCESS_GAIN: u32 = 1;

/// How often and how soon a call is made again.
///
/// The pauses grow: each is twice the one before, up to `delay_max`, and up to as much again is
/// added by chance, so that callers who failed together do not come back together. Where the server
/// says how long to wait (RetryInfo), its time goes before the pause. Nothing is waited for beyond
/// the deadline: the caller is then told at once what the last try was told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RetryPolicy {
    /// Most tries of a call, the first one included. 1: none is made again.
    pub tries_max: u32,
    /// The first pause.
    pub first_delay: Duration,
    /// The longest pause, before chance and the server add to it.
    pub delay_max: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            tries_max: 4,
            first_delay: Duration::from_millis(100),
            delay_max: Duration::from_secs(5),
        }
    }
}

impl RetryPolicy {
    /// No call is made again.
    #[must_use]
    pub fn none() -> Self {
        Self { tries_max: 1, ..Self::default() }
    }

    /// The pauses between the tries of one call.
    pub(super) fn delays(&self) -> ExponentialBackoff {
        let again = self.tries_max.saturating_sub(1);
        ExponentialBuilder::default()
            .with_min_delay(self.first_delay)
            .with_max_delay(self.delay_max)
            .with_max_times(usize::try_from(again).unwrap_or(usize::MAX))
            .with_jitter()
            .build()
    }
}

/// Whether a call that ended like this may be made again, and what the server says of when.
pub(super) fn advice(status: &Status) -> Option<Duration> {
    let said = status.get_details_retry_info().and_then(|info| info.retry_delay);
    match status.code() {
        Code::Unavailable => Some(said.unwrap_or_default()),
        // A limit that time does not change says no time.
        Code::ResourceExhausted => said,
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::InvalidArgument
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Internal
        | Code::DataLoss
        | Code::Unauthenticated => None,
    }
}

/// What all calls of a client together may still ask for again: while many fail, none is made
/// again. gRPC's own clients do the same (retry throttling, gRFC A6): ten failures empty it, a
/// success gives back a tenth of one, and it must be more than half full.
#[derive(Debug)]
pub(super) struct Budget {
    left: AtomicU32,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self { left: AtomicU32::new(BUDGET_MAX) }
    }

    pub(super) fn note_success(&self) {
        self.change(|left| (left + SUCCESS_GAIN).min(BUDGET_MAX));
    }

    /// Notes a failure; whether a call may be made again.
    pub(super) fn note_failure(&self) -> bool {
        self.change(|left| left.saturating_sub(FAILURE_COST)) > BUDGET_MAX / 2
    }

    fn change(&self, change: impl Fn(u32) -> u32) -> u32 {
        let changed = |left| Some(change(left));
        let before = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, changed);
        change(before.unwrap_or_else(|left| left))
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn only_what_time_may_change_is_asked_again() {
        let told = |code| {
            let details = ErrorDetails::with_retry_info(Some(Duration::from_secs(2)));
            advice(&Status::with_error_details(code, "", details))
        };
        let untold = |code| advice(&Status::new(code, ""));
        assert_eq!(told(Code::Unavailable), Some(Duration::from_secs(2)));
        assert_eq!(untold(Code::Unavailable), Some(Duration::ZERO));
        assert_eq!(told(Code::ResourceExhausted), Some(Duration::from_secs(2)));
        assert_eq!(untold(Code::ResourceExhausted), None);
        for code in (0..17).map(Code::from_i32) {
            if !matches!(code, Code::Unavailable | Code::ResourceExhausted) {
                assert_eq!(told(code), None, "{code:?}");
            }
        }
    }

    #[test]
    fn pauses_grow_up_to_the_longest_and_end() {
        let policy = RetryPolicy { tries_max: 8, ..RetryPolicy::default() };
        let delays: Vec<_> = policy.delays().collect();
        assert_eq!(delays.len(), 7);
        let mut floor = policy.first_delay;
        for delay in delays {
            assert!(delay >= floor && delay <= 2 * floor, "{delay:?} at {floor:?}");
            floor = (2 * floor).min(policy.delay_max);
        }
        assert_eq!(RetryPolicy::none().delays().count(), 0);
    }

    #[test]
    fn a_budget_that_is_used_up_comes_back_with_successes() {
        let budget = Budget::new();
        let allowed = (0..20).filter(|_| budget.note_failure()).count();
        assert_eq!(allowed, 4);
        (0..60).for_each(|_| budget.note_success());
        assert!(!budget.note_failure(), "half of it is not enough");
        (0..11).for_each(|_| budget.note_success());
        assert!(budget.note_failure());
    }
}
