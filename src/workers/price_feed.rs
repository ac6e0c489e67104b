//! Takes prices from an exchange, a round each minute.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio_util::sync::CancellationToken;

use crate::{
    domain::price::candle::{MINUTE, minute_of},
    feeds::{Feed, Round},
};

/// How long after a minute's end a round begins: exchanges write the minute meanwhile.
const DELAY: TimeDelta = TimeDelta::seconds(3);

/// How much longer at most, by chance: not everybody asks at once.
const DELAY_DRAWN_MS: f64 = 4_000.0;

/// Wait of a server that is not the one that asks, between two looks whether it is now.
const LOOK_INTERVAL: TimeDelta = TimeDelta::seconds(15);

/// First wait after the database failed; doubled with each further failure, up to a minute.
const PAUSE: TimeDelta = TimeDelta::seconds(1);

/// Longest sleep at a time: the clock may be set meanwhile.
const SLEEP_MAX: Duration = Duration::from_secs(30);

/// Follows the exchange until `stop`. What fails is logged and tried again: minutes that were
/// missed meanwhile are asked for then.
pub async fn run(mut feed: Feed, stop: CancellationToken) {
    let mut pause = PAUSE;
    loop {
        let outcome = tokio::select! {
            () = stop.cancelled() => return,
            outcome = feed.round(Utc::now()) => outcome,
        };
        let now = Utc::now();
        let next_at = match outcome {
            Ok(round) => {
                pause = PAUSE;
                if round.recorded > 0 {
                    let Round { calls, recorded, .. } = round;
                    tracing::debug!(calls, recorded, "recorded prices");
                }
                next_at(&round, now, rand::random())
            }
            Err(error) => {
                tracing::warn!(%error, "prices could not be recorded");
                let next_at = now + pause;
                pause = (pause * 2).min(MINUTE);
                next_at
            }
        };
        if !sleep_until(next_at, &stop).await {
            return;
        }
    }
}

/// When the next round begins; `chance` is drawn from 0 to 1.
fn next_at(round: &Round, now: DateTime<Utc>, chance: f64) -> DateTime<Utc> {
    if !round.is_ours && !round.is_paused {
        return now + LOOK_INTERVAL;
    }
    let drawn = Duration::from_secs_f64(DELAY_DRAWN_MS * chance.clamp(0.0, 1.0) / 1_000.0);
    let minute = minute_of(now) + MINUTE + DELAY + TimeDelta::from_std(drawn).unwrap_or_default();
    match round.retry_at {
        Some(retry_at) if round.is_paused => retry_at,
        Some(retry_at) => retry_at.min(minute),
        None => minute,
    }
}

/// Sleeps; `false` if it was stopped meanwhile.
async fn sleep_until(at: DateTime<Utc>, stop: &CancellationToken) -> bool {
    while let Some(left) = (at - Utc::now()).to_std().ok().filter(|left| !left.is_zero()) {
        if tokio::time::timeout(left.min(SLEEP_MAX), stop.cancelled()).await.is_ok() {
            return false;
        }
    }
    !stop.is_cancelled()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_begin_shortly_after_a_minute_or_when_a_pause_ends() {
        let at = |seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
        let ours = Round { is_ours: true, ..Round::default() };
        let retry = |seconds| Round { retry_at: Some(at(seconds)), ..ours };
        for (round, now, least, most) in [
            (Round::default(), 10, 25, 25),
            (ours, 10, 63, 67),
            (ours, 60, 123, 127),
            (retry(12), 10, 12, 12),
            (retry(3_000), 10, 63, 67),
            (Round { is_paused: true, ..retry(3_000) }, 10, 3_000, 3_000),
        ] {
            for chance in [0.0, 1.0] {
                let next = next_at(&round, at(now), chance);
                assert!((at(least)..=at(most)).contains(&next), "{round:?} {now}: {next}");
            }
        }
    }
}
