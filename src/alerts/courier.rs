//! Telling recipients: what is due is taken for a while, sent outside of any tx, and settled.
//!
//! Any number of servers do this side by side. What one of them has taken and not settled, because
//! it was killed, another one takes when the time is over; so each delivery is made at least once,
//! and more than once only where a recipient had taken it and nobody could note that any more. It
//! carries the same id then.

use std::{
    collections::{HashMap, hash_map::Entry},
    time::Duration,
};

use chrono::Utc;
use futures_util::{
    StreamExt,
    stream::{self, FuturesUnordered},
};
use rand::RngExt;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    alerts::{
        Outlets,
        message::{mail, webhook_body},
    },
    config::AlertSettings,
    error::Error,
    outbound::{Failure, SEND_TIMEOUT, webhook::Message},
    store::{
        Database,
        alert_deliveries::{
            Channel, DeliveryState, Settlement, TakenDelivery, Wanted, settle, spread, take,
        },
    },
    telemetry::metrics::{self, DeliveryOutcome},
};

/// Deliveries that are sent at once.
const AT_ONCE: usize = 64;

/// Those of one rule that are taken at once, and only while it has fewer at work: its recipients
/// may be slow.
const OF_RULE_TAKEN_MAX: usize = 4;

/// Events whose deliveries are made at once.
const SPREAD_AT_ONCE: i64 = 500;

/// Time between two looks for what is due.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// The same while there is much.
const BUSY_INTERVAL: Duration = Duration::from_millis(10);

/// Wait after the database failed.
const FAILURE_PAUSE: Duration = Duration::from_secs(2);

/// How long a delivery is taken for: what is sent has ended by then.
const LEASE: Duration = Duration::from_secs(30);

/// Wait after the first failed attempt; it doubles.
const WAIT_MIN: Duration = Duration::from_secs(1);

/// Longest wait between two attempts, unless the recipient asks for a longer one.
const WAIT_MAX: Duration = Duration::from_secs(3_600);

// A delivery must not be taken by somebody else while it is being sent.
const _: () = assert!(LEASE.as_secs() > 2 * SEND_TIMEOUT.as_secs());

/// Sends what is due.
pub struct Courier {
    database: Database,
    outlets: Outlets,
    attempts_max: i32,
    age_max_seconds: f64,
}

impl Courier {
    /// Sends what is due in this database.
    #[must_use]
    pub fn new(database: Database, outlets: Outlets, settings: &AlertSettings) -> Self {
        let attempts_max = i32::try_from(settings.alert_attempts_max).unwrap_or(i32::MAX);
        let age_max_seconds = f64::from(settings.alert_age_max_seconds);
        Self { database, outlets, attempts_max, age_max_seconds }
    }

    /// Sends until `stop`, and finishes what is being sent then: it would be sent twice otherwise.
    pub async fn work(&self, stop: CancellationToken) {
        let mut at_work = FuturesUnordered::new();
        let mut of_rules: HashMap<Uuid, usize> = HashMap::new();
        let mut look_at = Instant::now();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some((rule_id, outcome)) = at_work.next() => {
                    let_go(&mut of_rules, rule_id);
                    note(outcome);
                    continue;
                }
                () = sleep_until(look_at), if at_work.len() < AT_ONCE => {}
            }
            let busy: Vec<Uuid> = of_rules
                .iter()
                .filter(|(_, count)| **count >= OF_RULE_TAKEN_MAX)
                .map(|(rule_id, _)| *rule_id)
                .collect();
            let pause = match self.next(&busy, AT_ONCE - at_work.len()).await {
                Ok(taken) => {
                    let pause = if taken.is_empty() { LOOK_INTERVAL } else { BUSY_INTERVAL };
                    for taken in taken {
                        let rule_id = taken.event.rule_id;
                        *of_rules.entry(rule_id).or_default() += 1;
                        at_work.push(async move { (rule_id, self.deliver(taken).await) });
                    }
                    pause
                }
                Err(error) => {
                    note(Err(error));
                    FAILURE_PAUSE
                }
            };
            look_at = Instant::now() + pause;
        }
        while let Some((_, outcome)) = at_work.next().await {
            note(outcome);
        }
    }

    /// Sends some of what is due, and returns how many deliveries were tried.
    ///
    /// # Errors
    /// What the database says: what was not settled is sent again.
    pub async fn round(&self) -> Result<usize, Error> {
        let taken = self.next(&[], AT_ONCE).await?;
        let tried = taken.len();
        let settled =
            stream::iter(taken).map(|taken| self.deliver(taken)).buffer_unordered(AT_ONCE);
        let outcomes: Vec<Result<(), Error>> = settled.collect().await;
        outcomes.into_iter().collect::<Result<(), Error>>()?;
        Ok(tried)
    }

    /// Has deliveries made of new events, and takes up to so many.
    async fn next(&self, busy: &[Uuid], count: usize) -> Result<Vec<TakenDelivery>, Error> {
        spread(&self.database, SPREAD_AT_ONCE, self.age_max_seconds).await?;
        let count_max = i64::try_from(count).unwrap_or(i64::MAX);
        let rule_max = i64::try_from(OF_RULE_TAKEN_MAX).unwrap_or(i64::MAX);
        let wanted = Wanted { channels: self.channels(), busy, count_max, rule_max };
        Ok(take(&self.database, &wanted, LEASE.as_secs_f64()).await?)
    }

    /// How this server can tell anybody: another one of the same database may have other settings.
    fn channels(&self) -> &'static [Channel] {
        match self.outlets.mailer {
            Some(_) => &[Channel::Webhook, Channel::Email],
            None => &[Channel::Webhook],
        }
    }

    async fn deliver(&self, taken: TakenDelivery) -> Result<(), Error> {
        let settlement = self.settlement(&taken, self.send(&taken).await);
        let (delivery, attempt) = (taken.delivery_id, taken.attempt);
        metrics::alert_delivered(taken.channel.as_str(), outcome(settlement.state));
        match (&settlement.state, &settlement.error) {
            (DeliveryState::Dead, Some(why)) => {
                tracing::warn!(delivery, attempt, why, "an alert could not be delivered");
            }
            (state, why) => tracing::debug!(delivery, attempt, ?state, why, "an alert was sent"),
        }
        Ok(settle(&self.database, &taken, &settlement).await?)
    }

    async fn send(&self, taken: &TakenDelivery) -> Result<(), Failure> {
        match taken.channel {
            Channel::Webhook => {
                let body = webhook_body(&taken.event);
                let id = format!("{}.{}", taken.event.rule_id, taken.delivery_id);
                let message =
                    Message { id: &id, second: Utc::now().timestamp(), body: body.as_str() };
                self.outlets.webhooks.send(&taken.target, &taken.webhook_secret, message).await
            }
            Channel::Email => match &self.outlets.mailer {
                Some(mailer) => mailer.send(mail(&taken.event, &taken.target)).await,
                None => Err(Failure::passing("this server sends no mail")),
            },
        }
    }

    fn settlement(&self, taken: &TakenDelivery, sent: Result<(), Failure>) -> Settlement {
        let Err(failure) = sent else {
            return Settlement { state: DeliveryState::Delivered, error: None, wait_seconds: 0.0 };
        };
        let is_over = failure.is_final || taken.attempt >= self.attempts_max;
        let state = if is_over { DeliveryState::Dead } else { DeliveryState::Pending };
        let wait = wait_after(taken.attempt, rand::rng().random_range(0.5..1.0));
        let wait = wait.max(failure.retry_after.unwrap_or_default());
        Settlement { state, error: Some(failure.message), wait_seconds: wait.as_secs_f64() }
    }
}

/// What an attempt is counted as.
fn outcome(state: DeliveryState) -> DeliveryOutcome {
    match state {
        DeliveryState::Delivered => DeliveryOutcome::Delivered,
        DeliveryState::Dead => DeliveryOutcome::Dead,
        DeliveryState::Pending | DeliveryState::Outdated => DeliveryOutcome::Failed,
    }
}

fn let_go(of_rules: &mut HashMap<Uuid, usize>, rule_id: Uuid) {
    if let Entry::Occupied(mut count) = of_rules.entry(rule_id) {
        *count.get_mut() -= 1;
        if *count.get() == 0 {
            count.remove();
        }
    }
}

fn note(outcome: Result<(), Error>) {
    if let Err(error) = outcome {
        tracing::warn!(%error, "alerts could not be sent");
    }
}

/// How long to wait after a failed attempt, the first being 1: up to twice as long each time,
/// `share` of it.
fn wait_after(attempt: i32, share: f64) -> Duration {
    let doublings = u32::try_from(attempt - 1).unwrap_or(0).min(20);
    (WAIT_MIN * 2u32.pow(doublings)).min(WAIT_MAX).mul_f64(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_an_hour() {
        for (attempt, seconds) in [(1, 1), (2, 2), (5, 16), (12, 2_048), (13, 3_600), (40, 3_600)] {
            assert_eq!(wait_after(attempt, 1.0), Duration::from_secs(seconds), "{attempt}");
        }
        assert_eq!(wait_after(1, 0.5), Duration::from_millis(500));
    }
}
