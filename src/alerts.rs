//! Alerts: rules about prices, the events that come of them, and telling those who want to know.
//!
//! Rules are judged where ticks are recorded, in the same tx (`store/alert_step.rs`), and what
//! comes of them is written there. What is here makes and lists rules, pages through events, and
//! has recipients told of them.

pub mod courier;
mod message;
pub mod rules;

use std::sync::Arc;

use tokio::sync::watch;
use uuid::Uuid;

pub use crate::store::{
    alert_deliveries::{Channel, DeliveryState, ListedDelivery},
    alert_events::AlertEvent,
    alert_rules::{NewRule, RecordedRule, RuleChange},
};
use crate::{
    config::AlertSettings,
    domain::access::Scope,
    error::{Error, ErrorKind},
    outbound::{OutboundError, mail::Mailer, webhook::Webhooks},
    store::{
        Database, alert_deliveries, alert_events,
        alert_rules::RuleLimits,
        alert_silences,
        get_user::{UserKey, get_user},
    },
};

/// Most events that are read at once.
pub const EVENTS_READ_MAX: usize = 500;

/// Events that are deleted at once.
const PRUNED_AT_ONCE: i64 = 5_000;

/// What recipients are told by.
#[derive(Clone)]
pub struct Outlets {
    webhooks: Webhooks,
    mailer: Option<Mailer>,
}

impl Outlets {
    /// As the settings have it.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(settings: &AlertSettings) -> Result<Self, OutboundError> {
        let allows_private = settings.webhook_private_addresses;
        let webhooks = Webhooks::new(settings.webhook_ca.as_deref(), allows_private)?;
        let mailer = match (&settings.smtp_url, &settings.smtp_from) {
            (Some(url), Some(from)) => Some(Mailer::new(url, from)?),
            _ => None,
        };
        Ok(Self { webhooks, mailer })
    }
}

/// Rules, events and deliveries of one database.
#[derive(Clone)]
pub struct Alerts {
    database: Database,
    outlets: Outlets,
    limits: RuleLimits,
    last_event: Arc<watch::Sender<i64>>,
}

impl Alerts {
    /// Those of this database.
    #[must_use]
    pub fn new(database: Database, outlets: Outlets, settings: &AlertSettings) -> Self {
        let limits = RuleLimits {
            rules_max: i64::from(settings.alert_rules_max),
            wide_max: i64::from(settings.alert_wide_rules_max),
        };
        Self { database, outlets, limits, last_event: Arc::new(watch::channel(0).0) }
    }

    /// Whose records are meant: those of a user whom the scope knows, or all that it has.
    ///
    /// # Errors
    /// `NotFound` for an unknown user, which every one beyond the scope is; what the database says.
    pub async fn owner(
        &self,
        user_uuid: Option<Uuid>,
        scope: Scope,
    ) -> Result<Option<Uuid>, Error> {
        let Some(user_uuid) = user_uuid else { return Ok(scope.owner()) };
        let found = get_user(&self.database, &UserKey::Uuid(user_uuid), scope).await?;
        match found {
            Some(user) => Ok(Some(user.user_uuid)),
            None => Err(Error::new(ErrorKind::NotFound("user"))),
        }
    }

    /// Events behind an id, of a user or of everybody, in their order: [`EVENTS_READ_MAX`] at most.
    ///
    /// # Errors
    /// What the database says.
    pub async fn events_after(
        &self,
        event_id: i64,
        owner: Option<Uuid>,
    ) -> Result<Vec<AlertEvent>, Error> {
        let count_max = i64::try_from(EVENTS_READ_MAX).unwrap_or(i64::MAX);
        Ok(alert_events::after(&self.database, event_id, owner, count_max).await?)
    }

    /// The largest id of an event: no smaller one comes after it.
    ///
    /// # Errors
    /// What the database says.
    pub async fn last_event(&self) -> Result<i64, Error> {
        Ok(alert_events::last(&self.database).await?)
    }

    /// The largest id of an event, as [`Self::look`] sees it, whenever it changes.
    #[must_use]
    pub fn listen(&self) -> watch::Receiver<i64> {
        self.last_event.subscribe()
    }

    /// Looks for new events, if anybody listens, and tells them.
    ///
    /// # Errors
    /// What the database says.
    pub async fn look(&self) -> Result<(), Error> {
        if self.last_event.receiver_count() == 0 {
            return Ok(());
        }
        let last = self.last_event().await?;
        self.last_event.send_if_modified(|known| std::mem::replace(known, last) != last);
        Ok(())
    }

    /// Has the rules that watch for silence judge it; returns how many symbols were looked at.
    ///
    /// # Errors
    /// What the database says.
    pub async fn judge_silences(&self) -> Result<usize, Error> {
        Ok(alert_silences::judge_silences(&self.database).await?)
    }

    /// Deletes some of the events that were recorded more than so many days ago; says how many.
    ///
    /// # Errors
    /// What the database says.
    pub async fn prune(&self, days: i32) -> Result<usize, Error> {
        Ok(alert_events::prune(&self.database, PRUNED_AT_ONCE, days).await?)
    }

    /// Up to `count_max` deliveries before an id, latest first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn list_deliveries(
        &self,
        before: i64,
        owner: Option<Uuid>,
        state: Option<DeliveryState>,
        count_max: usize,
    ) -> Result<Vec<ListedDelivery>, Error> {
        let count_max = i64::try_from(count_max).unwrap_or(i64::MAX);
        Ok(alert_deliveries::list(&self.database, before, owner, state, count_max).await?)
    }

    /// Has a delivery that was given up tried again.
    ///
    /// # Errors
    /// `NotFound` where there is none within the scope; what the database says.
    pub async fn retry_delivery(&self, delivery_id: i64, scope: Scope) -> Result<(), Error> {
        match alert_deliveries::retry(&self.database, delivery_id, scope).await? {
            true => Ok(()),
            false => Err(Error::new(ErrorKind::NotFound("delivery that was given up"))),
        }
    }

    /// The one way to write the address of a webhook.
    ///
    /// # Errors
    /// What would be right.
    pub fn check_webhook(&self, url: &str) -> Result<String, &'static str> {
        self.outlets.webhooks.check(url)
    }

    /// The one way to write the address of a mailbox.
    ///
    /// # Errors
    /// What would be right.
    pub fn check_email(&self, address: &str) -> Result<String, &'static str> {
        Mailer::address(address)
            .ok_or("must be the address of a mailbox, for example ann@example.com")
    }
}
