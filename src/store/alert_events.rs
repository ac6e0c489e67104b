//! Events of alert rules, as they were recorded.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    domain::decimal::Decimal,
    store::{Database, StoreError, numeric::Numeric, statement::statement},
};

/// That a rule began or ceased to fire for a symbol.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AlertEvent {
    /// Its id: later ones are larger.
    pub event_id: i64,
    /// Which rule.
    pub rule_id: Uuid,
    /// What it was called.
    pub rule_name: String,
    /// Whose it is.
    pub user_uuid: Uuid,
    /// Which symbol.
    pub symbol: String,
    /// What the rule watches for, in a word.
    pub kind: String,
    /// The factor, price or percentage at which it fires.
    pub threshold: Decimal,
    /// Whether it began to fire.
    pub is_firing: bool,
    /// The instant of the tick, or of the one that was missed.
    pub occurred_at: DateTime<Utc>,
    /// The tick's price.
    pub price: Option<Decimal>,
    /// What was compared with the threshold.
    pub value: Option<Decimal>,
    /// Ticks in the window.
    pub tick_count: Option<i32>,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
}

/// The event of a row.
pub(super) fn event(row: &Row) -> AlertEvent {
    let numeric = |name| row.get::<_, Option<Numeric>>(name).map(|Numeric(number)| number);
    let Numeric(threshold) = row.get("threshold");
    AlertEvent {
        event_id: row.get("event_id"),
        rule_id: row.get("rule_id"),
        rule_name: row.get("rule_name"),
        user_uuid: row.get("user_uuid"),
        symbol: row.get("symbol"),
        kind: row.get("kind"),
        threshold,
        is_firing: row.get("is_firing"),
        occurred_at: row.get("occurred_at"),
        price: numeric("price"),
        value: numeric("value"),
        tick_count: row.get("tick_count"),
        recorded_at: row.get("recorded_at"),
    }
}

/// Up to `count_max` events behind an id, of a user or of everybody, in their order.
///
/// # Errors
/// If the database cannot answer.
pub async fn after(
    database: &Database,
    event_id: i64,
    owner: Option<Uuid>,
    count_max: i64,
) -> Result<Vec<AlertEvent>, StoreError> {
    let statement = statement!("alert_events_after");
    let answer = database.read(statement, &[&event_id, &owner, &count_max]).await?;
    Ok(answer.value.iter().map(event).collect())
}

/// The largest id of an event: whoever sees it sees all smaller ones. 0 without any.
///
/// # Errors
/// If the database cannot answer.
pub async fn last(database: &Database) -> Result<i64, StoreError> {
    let answer = database.read(statement!("alert_events_last"), &[]).await?;
    Ok(answer.value.first().map_or(0, |row| row.get("event_id")))
}

/// Deletes up to `count_max` events that were recorded more than so many days ago, with their
/// deliveries; returns how many.
///
/// # Errors
/// What the database says.
pub async fn prune(database: &Database, count_max: i64, days: i32) -> Result<usize, StoreError> {
    let statement = statement!("alert_events_prune");
    Ok(database.read(statement, &[&count_max, &days]).await?.value.len())
}
