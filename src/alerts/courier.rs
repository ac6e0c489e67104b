//! Telling recipients: what is due is taken for a while, sent outside of any tx, and settled.
//!
//! Any number of servers do this side by side. What one of them has taken and not settled, because
//! it was killed, another one takes when the time is over; so each delivery is made at least once,
//! and more than once only where a recipient had taken it and nobody could note that any more. It
//! carries the same id then.

use std::time::Duration;

use chrono::Utc;
use futures_util::{StreamExt, stream};
use rand::RngExt;

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
        alert_deliveries::{Channel, DeliveryState, Settlement, TakenDelivery, settle, take},
    },
};

/// Deliveries that are sent at once.
const AT_ONCE: usize = 16;

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
    age_max: chrono::Duration,
}

impl Courier {
    /// Sends what is due in this database.
    #[must_use]
    pub fn new(database: Database, outlets: Outlets, settings: &AlertSettings) -> Self {
        let attempts_max = i32::try_from(settings.alert_attempts_max).unwrap_or(i32::MAX);
        let age_max = chrono::Duration::seconds(i64::from(settings.alert_age_max_seconds));
        Self { database, outlets, attempts_max, age_max }
    }

    /// Sends some of what is due, and returns how many deliveries were tried.
    ///
    /// # Errors
    /// What the database says: what was not settled is sent again.
    pub async fn round(&self) -> Result<usize, Error> {
        let count_max = i64::try_from(AT_ONCE).unwrap_or(i64::MAX);
        let taken = take(&self.database, self.channels(), count_max, LEASE.as_secs_f64()).await?;
        let tried = taken.len();
        let settled =
            stream::iter(taken).map(|taken| self.deliver(taken)).buffer_unordered(AT_ONCE);
        let outcomes: Vec<Result<(), Error>> = settled.collect().await;
        outcomes.into_iter().collect::<Result<(), Error>>()?;
        Ok(tried)
    }

    /// How this server can tell anybody: another one of the same database may have other settings.
    fn channels(&self) -> &'static [Channel] {
        match self.outlets.mailer {
            Some(_) => &[Channel::Webhook, Channel::Email],
            None => &[Channel::Webhook],
        }
    }

    async fn deliver(&self, taken: TakenDelivery) -> Result<(), Error> {
        let settlement = if taken.event.recorded_at - taken.event.occurred_at > self.age_max {
            Settlement { state: DeliveryState::Outdated, error: None, wait_seconds: 0.0 }
        } else {
            self.settlement(&taken, self.send(&taken).await)
        };
        let (delivery, attempt) = (taken.delivery_id, taken.attempt);
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
                None => Err(Failure {
                    message: "this server sends no mail".to_owned(),
                    is_final: false,
                    retry_after: None,
                }),
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
