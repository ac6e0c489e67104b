//! What is to be sent because of alerts: taken, settled and listed.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    domain::{access::Scope, alert::WebhookSecret},
    store::{
        Database, StoreError, StoreErrorKind,
        alert_events::{AlertEvent, event},
        statement::{Statement, statement},
    },
};

/// How somebody is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Channel {
    /// By a webhook.
    Webhook,
    /// By mail.
    Email,
}

impl Channel {
    /// Its name, as it is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Email => "email",
        }
    }
}

/// How it stands with a delivery.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DeliveryState {
    /// It is to be tried.
    Pending,
    /// The recipient has taken it.
    Delivered,
    /// It was given up.
    Dead,
    /// It was too old to be sent.
    Outdated,
}

impl DeliveryState {
    const ALL: [Self; 4] = [Self::Pending, Self::Delivered, Self::Dead, Self::Outdated];

    fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
            Self::Outdated => "outdated",
        }
    }
}

/// A delivery that somebody has taken.
#[derive(Clone, Debug)]
pub struct TakenDelivery {
    /// Its id.
    pub delivery_id: i64,
    /// How.
    pub channel: Channel,
    /// Whom.
    pub target: String,
    /// The number of this attempt, from 1.
    pub attempt: i32,
    /// The key of the rule's webhooks.
    pub webhook_secret: WebhookSecret,
    /// What to tell.
    pub event: AlertEvent,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Settlement {
    /// How it stands now.
    pub state: DeliveryState,
    /// Why it failed.
    pub error: Option<String>,
    /// Seconds until the next attempt.
    pub wait_seconds: f64,
}

fn unknown(statement: Statement, what: &'static str) -> StoreError {
    StoreError::with_source(StoreErrorKind::Unexpected, statement.stem, what)
}

fn channel(statement: Statement, row: &Row) -> Result<Channel, StoreError> {
    let word: &str = row.get("channel");
    let known = [Channel::Webhook, Channel::Email];
    let channel = known.into_iter().find(|channel| channel.as_str() == word);
    channel.ok_or_else(|| unknown(statement, "a channel that is not known"))
}

/// Makes the deliveries of up to `count_max` events that have none yet; what was older than so many
/// seconds when it was recorded is not sent. Returns how many events there were.
///
/// # Errors
/// What the database says.
pub async fn spread(
    database: &Database,
    count_max: i64,
    age_max_seconds: f64,
) -> Result<i64, StoreError> {
    let statement = statement!("alert_deliveries_spread");
    let answer = database.read(statement, &[&count_max, &age_max_seconds]).await?;
    Ok(answer.value.first().map_or(0, |row| row.get("event_count")))
}

/// Which deliveries somebody can make.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// By these channels.
    pub channels: &'a [Channel],
    /// None of these rules.
    pub busy: &'a [Uuid],
    /// At most so many.
    pub count_max: i64,
    /// At most so many of one rule.
    pub rule_max: i64,
}

/// Takes deliveries that are due, for so many seconds.
///
/// # Errors
/// What the database says.
pub async fn take(
    database: &Database,
    wanted: &Wanted<'_>,
    lease_seconds: f64,
) -> Result<Vec<TakenDelivery>, StoreError> {
    let &Wanted { channels, busy, count_max, rule_max } = wanted;
    let statement = statement!("alert_deliveries_take");
    let channels: Vec<&str> = channels.iter().map(|channel| channel.as_str()).collect();
    let answer = database
        .read(statement, &[&count_max, &lease_seconds, &channels, &busy, &rule_max])
        .await?;
    let taken = |row: &Row| {
        let webhook_secret = WebhookSecret::from_bytes(row.get("webhook_secret"))
            .ok_or_else(|| unknown(statement, "a key of another length"))?;
        Ok(TakenDelivery {
            delivery_id: row.get("delivery_id"),
            channel: channel(statement, row)?,
            target: row.get("target"),
            attempt: row.get("attempts"),
            webhook_secret,
            event: event(row),
        })
    };
    answer.value.iter().map(taken).collect()
}

/// Notes how an attempt ended, unless others have taken the delivery meanwhile.
///
/// # Errors
/// What the database says.
pub async fn settle(
    database: &Database,
    taken: &TakenDelivery,
    settlement: &Settlement,
) -> Result<(), StoreError> {
    let Settlement { state, error, wait_seconds } = settlement;
    let (statement, state) = (statement!("alert_deliveries_settle"), state.as_str());
    let params: &[&(dyn tokio_postgres::types::ToSql + Sync)] =
        &[&taken.delivery_id, &taken.attempt, &state, error, wait_seconds];
    database.read(statement, params).await.map(drop)
}

/// A delivery as it is listed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListedDelivery {
    /// Its id.
    pub delivery_id: i64,
    /// Which event.
    pub event_id: i64,
    /// Of which rule.
    pub rule_id: Uuid,
    /// How.
    pub channel: Channel,
    /// Whom.
    pub target: String,
    /// How it stands.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: i32,
    /// When it is tried next, if it is pending.
    pub due_at: DateTime<Utc>,
    /// When it was settled.
    pub settled_at: Option<DateTime<Utc>>,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
}

/// Up to `count_max` deliveries before an id, of a user or of everybody, in a state or in any,
/// latest first.
///
/// # Errors
/// If the database cannot answer.
pub async fn list(
    database: &Database,
    before: i64,
    owner: Option<Uuid>,
    state: Option<DeliveryState>,
    count_max: i64,
) -> Result<Vec<ListedDelivery>, StoreError> {
    let statement = statement!("alert_deliveries_list");
    let word = state.map(DeliveryState::as_str);
    let answer = database.read(statement, &[&before, &owner, &word, &count_max]).await?;
    let listed = |row: &Row| {
        let word: &str = row.get("state");
        let state = DeliveryState::ALL.into_iter().find(|state| state.as_str() == word);
        Ok(ListedDelivery {
            delivery_id: row.get("delivery_id"),
            event_id: row.get("event_id"),
            rule_id: row.get("rule_id"),
            channel: channel(statement, row)?,
            target: row.get("target"),
            state: state.ok_or_else(|| unknown(statement, "a state that is not known"))?,
            attempts: row.get("attempts"),
            due_at: row.get("due_at"),
            settled_at: row.get("settled_at"),
            last_error: row.get("last_error"),
        })
    };
    answer.value.iter().map(listed).collect()
}

/// Has a delivery within a scope tried again; says whether one was given up.
///
/// # Errors
/// What the database says.
pub async fn retry(
    database: &Database,
    delivery_id: i64,
    scope: Scope,
) -> Result<bool, StoreError> {
    let statement = statement!("alert_deliveries_retry");
    let answer = database.read(statement, &[&delivery_id, &scope.owner()]).await?;
    Ok(!answer.value.is_empty())
}
