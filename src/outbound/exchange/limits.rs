//! How often a source may be asked: its documented limit as a bucket that fills again, and what
//! its answers say of how much is used.

use std::{
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use governor::{
    DefaultDirectRateLimiter, Quota,
    clock::{Clock, DefaultClock},
};
use http::HeaderMap;
use tokio::time::Instant;

/// What the answers of a source say of its limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct UsedWeight {
    /// Header with what all callers from here used in this minute.
    pub(super) header: &'static str,
    /// From how much on calls wait for the next minute.
    pub(super) slow_from: u32,
}

/// Makes calls wait for their turn.
pub(super) struct CallLimit {
    bucket: DefaultDirectRateLimiter,
    clock: DefaultClock,
    weight: NonZeroU32,
    used: Option<UsedWeight>,
    /// Nothing is asked before.
    slow_until: Mutex<Option<Instant>>,
}

impl CallLimit {
    /// Calls of this weight out of a bucket; none waits for what the answers say.
    pub(super) fn new(quota: Quota, weight: NonZeroU32) -> Self {
        let clock = DefaultClock::default();
        Self {
            bucket: DefaultDirectRateLimiter::direct_with_clock(quota, clock.clone()),
            clock,
            weight,
            used: None,
            slow_until: Mutex::default(),
        }
    }

    /// Calls that heed what the answers say, too.
    pub(super) fn heeding(self, used: UsedWeight) -> Self {
        Self { used: Some(used), ..self }
    }

    /// Waits until a call may be made, and counts it.
    pub(super) async fn wait(&self) {
        loop {
            let until = *self.slow_until.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(until) = until {
                tokio::time::sleep_until(until).await;
            }
            match self.bucket.check_n(self.weight) {
                // One call weighs less than the bucket holds.
                Ok(Ok(())) | Err(_) => return,
                Ok(Err(early)) => {
                    let wait = early.wait_time_from(self.clock.now());
                    tokio::time::sleep(wait + Duration::from_millis(1)).await;
                }
            }
        }
    }

    /// Notes what an answer says of how much is used: near the limit, the next call waits until
    /// the minute is over for sure.
    pub(super) fn heed(&self, headers: &HeaderMap) {
        let Some(UsedWeight { header, slow_from }) = self.used else { return };
        let used = headers.get(header).and_then(|value| value.to_str().ok()?.parse::<u32>().ok());
        if let Some(used) = used.filter(|used| *used >= slow_from) {
            tracing::warn!(used, "most of an exchange's limit is used up: waiting for a minute");
            let mut until = self.slow_until.lock().unwrap_or_else(PoisonError::into_inner);
            *until = Some(Instant::now() + Duration::from_secs(60));
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn limit() -> CallLimit {
        let [five, two] = [5, 2].map(|n| NonZeroU32::new(n).expect("not zero"));
        CallLimit::new(Quota::per_minute(five), two)
            .heeding(UsedWeight { header: "x-used", slow_from: 80 })
    }

    async fn is_free(limit: &CallLimit) -> bool {
        tokio::time::timeout(Duration::from_millis(50), limit.wait()).await.is_ok()
    }

    #[tokio::test]
    async fn calls_wait_for_their_weight() {
        let limit = limit();
        assert!(is_free(&limit).await && is_free(&limit).await);
        assert!(!is_free(&limit).await);
    }

    #[tokio::test]
    async fn calls_wait_where_most_is_used() {
        for (used, expected) in
            [(Some("79"), true), (Some("80"), false), (Some("?"), true), (None, true)]
        {
            let (limit, mut headers) = (limit(), HeaderMap::new());
            if let Some(used) = used {
                headers.insert("x-used", HeaderValue::from_static(used));
            }
            limit.heed(&headers);
            assert_eq!(is_free(&limit).await, expected, "{used:?}");
        }
    }
}
