//! Alert rules, recorded.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    domain::{
        access::{Identity, Scope},
        alert::{Condition, RuleSettings, WebhookSecret},
        price::symbol::SymbolName,
    },
    store::{
        Database, StoreError, StoreErrorKind,
        alert_step::{add_watermarks, condition},
        audit_log::note,
        numeric::Numeric,
        statement::{Statement, statement},
        tx::PooledTx,
    },
};

/// A rule as it is recorded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RecordedRule {
    /// Its id.
    pub rule_id: Uuid,
    /// Whose it is.
    pub user_uuid: Uuid,
    /// What it says.
    pub settings: RuleSettings,
    /// The key of its webhooks.
    pub webhook_secret: WebhookSecret,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was changed last.
    pub updated_at: DateTime<Utc>,
}

/// What came of making or changing a rule.
#[derive(Debug)]
pub enum RuleOutcome {
    /// It is as wanted now.
    Recorded(Box<RecordedRule>),
    /// Nothing was changed: the id is this rule's.
    Known(Box<RecordedRule>),
    /// Nothing was changed, because of this.
    Refused(RuleRefusal),
}

/// Why a rule is neither made nor changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RuleRefusal {
    /// There is no such user.
    NoUser,
    /// There is no such symbol.
    NoSymbol,
    /// There is no such rule.
    NoRule,
    /// The user has as many as there may be.
    Full,
    /// The user has as many about all symbols as there may be.
    FullOfWide,
}

fn recorded(statement: Statement, row: &Row) -> Result<RecordedRule, StoreError> {
    let webhook_secret = WebhookSecret::from_bytes(row.get("webhook_secret")).ok_or_else(|| {
        let source = "a key of another length";
        StoreError::with_source(StoreErrorKind::Unexpected, statement.stem, source)
    })?;
    Ok(RecordedRule {
        rule_id: row.get("rule_id"),
        user_uuid: row.get("user_uuid"),
        settings: RuleSettings {
            name: row.get("name"),
            symbol: row.get::<_, Option<&str>>("symbol").map(SymbolName::recorded),
            condition: condition(statement, row)?,
            window_seconds: row.get("window_seconds"),
            ticks_min: row.get("ticks_min"),
            cooldown_seconds: row.get("cooldown_seconds"),
            webhook_urls: row.get("webhook_urls"),
            emails: row.get("emails"),
            is_enabled: row.get("is_enabled"),
        },
        webhook_secret,
        created_at: row.get("created_at"),
        updated_at: row.get("updated_at"),
    })
}

/// How many rules a user may have.
#[derive(Clone, Copy, Debug)]
pub struct RuleLimits {
    /// In all.
    pub rules_max: i64,
    /// About all symbols.
    pub wide_max: i64,
}

/// A rule to make.
#[derive(Clone, Debug)]
pub struct NewRule {
    /// Its id.
    pub rule_id: Uuid,
    /// Whose it is.
    pub user_uuid: Uuid,
    /// What it says.
    pub settings: RuleSettings,
    /// The key of its webhooks.
    pub webhook_secret: WebhookSecret,
}

/// Makes a rule of a user who has fewer than there may be, or finds whose the id is.
///
/// # Errors
/// If the database refuses. If the connection broke, whether it was made is unknown.
pub async fn create(
    database: &Database,
    new: &NewRule,
    limits: RuleLimits,
    by: &Identity,
) -> Result<RuleOutcome, StoreError> {
    let tx = PooledTx::begin(database, "alert_rules_add").await?;
    let outcome = create_in(&tx, new, limits, by).await?;
    end(tx, outcome).await
}

/// Keeps what was recorded.
async fn end(tx: PooledTx, outcome: RuleOutcome) -> Result<RuleOutcome, StoreError> {
    match outcome {
        RuleOutcome::Recorded(_) => tx.commit().await?,
        RuleOutcome::Known(_) | RuleOutcome::Refused(_) => tx.roll_back().await?,
    }
    Ok(outcome)
}

async fn create_in(
    tx: &PooledTx,
    new: &NewRule,
    limits: RuleLimits,
    by: &Identity,
) -> Result<RuleOutcome, StoreError> {
    let settings = &new.settings;
    let symbol = settings.symbol.as_ref().map(SymbolName::as_str);
    let facts = tx.rows(statement!("alert_rules_facts"), &[&new.user_uuid, &symbol]).await?;
    let Some(facts) = facts.first() else { return Ok(RuleOutcome::Refused(RuleRefusal::NoUser)) };
    let found = async || {
        let statement = statement!("alert_rules_known");
        let rows = tx.rows(statement, &[&new.rule_id]).await?;
        rows.first().map(|row| recorded(statement, row)).transpose()
    };
    if let Some(known) = found().await? {
        return Ok(RuleOutcome::Known(Box::new(known)));
    }
    let symbol_id: Option<i32> = facts.get("symbol_id");
    if symbol.is_some() && symbol_id.is_none() {
        return Ok(RuleOutcome::Refused(RuleRefusal::NoSymbol));
    }
    if facts.get::<_, i64>("rule_count") >= limits.rules_max {
        return Ok(RuleOutcome::Refused(RuleRefusal::Full));
    }
    if symbol.is_none() && facts.get::<_, i64>("wide_count") >= limits.wide_max {
        return Ok(RuleOutcome::Refused(RuleRefusal::FullOfWide));
    }
    let (condition, secret) = (&settings.condition, new.webhook_secret.as_bytes());
    let (threshold, rearm) = thresholds(condition);
    let added = tx
        .rows(
            statement!("alert_rules_add"),
            &[
                &new.rule_id,
                &new.user_uuid,
                &symbol,
                &settings.name,
                &condition.kind.as_str(),
                &threshold,
                &rearm,
                &settings.window_seconds,
                &settings.ticks_min,
                &settings.cooldown_seconds,
                &settings.is_enabled,
                &settings.webhook_urls,
                &settings.emails,
                &secret,
            ],
        )
        .await?;
    let Some(rule) = found().await?.map(Box::new) else {
        return Ok(RuleOutcome::Refused(RuleRefusal::NoRule));
    };
    if added.is_empty() {
        // Another one was faster.
        return Ok(RuleOutcome::Known(rule));
    }
    watch_symbol(tx, symbol_id).await?;
    note(tx, by, "create alert rule", &new.rule_id.to_string()).await?;
    Ok(RuleOutcome::Recorded(rule))
}

/// The levels of a condition as they are stored.
fn thresholds(condition: &Condition) -> (Numeric, Numeric) {
    (Numeric(condition.threshold.clone()), Numeric(condition.rearm_threshold.clone()))
}

/// Has the silence of a symbol noticed of which no tick has come yet.
async fn watch_symbol(tx: &PooledTx, symbol_id: Option<i32>) -> Result<(), StoreError> {
    match symbol_id {
        Some(symbol_id) => add_watermarks(tx, &[symbol_id]).await,
        None => Ok(()),
    }
}

/// A rule within a scope, locked.
async fn find(
    tx: &PooledTx,
    rule_id: Uuid,
    scope: Scope,
) -> Result<Option<RecordedRule>, StoreError> {
    let statement = statement!("alert_rules_find");
    let rows = tx.rows(statement, &[&rule_id, &scope.owner()]).await?;
    rows.first().map(|row| recorded(statement, row)).transpose()
}

/// What is to be changed of a rule.
#[derive(Clone, Debug)]
pub struct RuleChange {
    /// Which one.
    pub rule_id: Uuid,
    /// What it says from now on.
    pub settings: Option<RuleSettings>,
    /// Whether it watches.
    pub is_enabled: Option<bool>,
    /// The key of its webhooks.
    pub webhook_secret: Option<WebhookSecret>,
}

/// Changes a rule within a scope. Armed anew where something else is watched, or it is watched
/// again.
///
/// # Errors
/// As for [`create`].
pub async fn change(
    database: &Database,
    change: &RuleChange,
    limits: RuleLimits,
    by: &Identity,
) -> Result<RuleOutcome, StoreError> {
    let tx = PooledTx::begin(database, "alert_rules_change").await?;
    let outcome = change_in(&tx, change, limits, by).await?;
    end(tx, outcome).await
}

async fn change_in(
    tx: &PooledTx,
    change: &RuleChange,
    limits: RuleLimits,
    by: &Identity,
) -> Result<RuleOutcome, StoreError> {
    // Before the rule is locked: whoever judges ticks locks in that order.
    let wanted = change.settings.as_ref().and_then(|settings| settings.symbol.as_ref());
    let found =
        tx.rows(statement!("alert_rules_symbol"), &[&wanted.map(SymbolName::as_str)]).await?;
    let symbol_id: Option<i32> = found.first().map(|row| row.get("symbol_id"));
    if wanted.is_some() && symbol_id.is_none() {
        return Ok(RuleOutcome::Refused(RuleRefusal::NoSymbol));
    }
    watch_symbol(tx, symbol_id).await?;
    let Some(old) = find(tx, change.rule_id, by.scope).await? else {
        return Ok(RuleOutcome::Refused(RuleRefusal::NoRule));
    };
    let mut settings = change.settings.clone().unwrap_or_else(|| old.settings.clone());
    settings.is_enabled = change.is_enabled.unwrap_or(settings.is_enabled);
    let symbol = settings.symbol.as_ref().map(SymbolName::as_str);
    if symbol.is_none() && old.settings.symbol.is_some() {
        let found = tx.rows(statement!("alert_rules_wide"), &[&change.rule_id]).await?;
        if found.first().is_some_and(|row| row.get::<_, i64>("wide_count") >= limits.wide_max) {
            return Ok(RuleOutcome::Refused(RuleRefusal::FullOfWide));
        }
    }
    let is_armed_anew = !old.settings.watches_like(&settings);
    let secret = change.webhook_secret.as_ref().unwrap_or(&old.webhook_secret).as_bytes();
    let condition = &settings.condition;
    let (threshold, rearm) = thresholds(condition);
    tx.rows(
        statement!("alert_rules_change"),
        &[
            &change.rule_id,
            &symbol,
            &settings.name,
            &condition.kind.as_str(),
            &threshold,
            &rearm,
            &settings.window_seconds,
            &settings.ticks_min,
            &settings.cooldown_seconds,
            &settings.is_enabled,
            &settings.webhook_urls,
            &settings.emails,
            &secret,
            &is_armed_anew,
        ],
    )
    .await?;
    note(tx, by, "change alert rule", &change.rule_id.to_string()).await?;
    let changed = find(tx, change.rule_id, by.scope).await?;
    Ok(changed.map_or(RuleOutcome::Refused(RuleRefusal::NoRule), |rule| {
        RuleOutcome::Recorded(Box::new(rule))
    }))
}

/// Deletes a rule within a scope; says whether there was one.
///
/// # Errors
/// As for [`create`].
pub async fn delete(database: &Database, rule_id: Uuid, by: &Identity) -> Result<bool, StoreError> {
    let tx = PooledTx::begin(database, "alert_rules_delete").await?;
    let deleted = tx.rows(statement!("alert_rules_delete"), &[&rule_id, &by.scope.owner()]).await?;
    if deleted.is_empty() {
        tx.roll_back().await?;
        return Ok(false);
    }
    note(&tx, by, "delete alert rule", &rule_id.to_string()).await?;
    tx.commit().await?;
    Ok(true)
}

/// Up to `count_max` rules behind an id, of a user or of everybody, by id.
///
/// # Errors
/// If the database cannot answer.
pub async fn list(
    database: &Database,
    after: Uuid,
    owner: Option<Uuid>,
    count_max: i64,
) -> Result<Vec<RecordedRule>, StoreError> {
    let statement = statement!("alert_rules_list");
    let answer = database.read(statement, &[&after, &owner, &count_max]).await?;
    answer.value.iter().map(|row| recorded(statement, row)).collect()
}
