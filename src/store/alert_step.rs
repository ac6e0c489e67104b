//! Judging the rules about recorded ticks, in the tx that records them.
//!
//! What a rule says is `domain::alert`, pure. Ticks are judged in the order of time, each once:
//! whoever judges a symbol's ticks holds its watermark, and one that is not later than it has come
//! too late to be judged. So is one that is dated ahead of the clock never judged, because those
//! after it would be too late.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Duration, Utc};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    domain::{
        alert::{
            AlertRule, AlertState, Condition, ConditionKind, Judgement, Preceding, TickToJudge,
            judge,
        },
        decimal::Decimal,
    },
    store::{
        StoreError, StoreErrorKind,
        numeric::Numeric,
        record_prices::KeyedPrice,
        statement::{Statement, statement},
        tx::PooledTx,
    },
    telemetry::metrics::AlertTurns,
};

/// How far ahead of the clock a tick may be dated and still be judged.
const AHEAD_MAX: Duration = Duration::seconds(60);

/// The last judged tick of a symbol, and when it came.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Watermark {
    pub(super) ticked_at: Option<DateTime<Utc>>,
    pub(super) received_at: Option<DateTime<Utc>>,
}

/// What happened to a rule about a symbol.
pub(super) struct Event<'a> {
    pub(super) rule: &'a AlertRule,
    pub(super) symbol_id: i32,
    pub(super) judgement: Judgement,
}

/// States by symbol and rule.
pub(super) type States = HashMap<(i32, Uuid), AlertState>;

/// Holds the rules about these ticks, which the tx has recorded, against them, and records what
/// fires; how many rules turned.
///
/// # Errors
/// What the database says.
pub(super) async fn judge_recorded(
    tx: &PooledTx,
    recorded: &[&KeyedPrice],
) -> Result<AlertTurns, StoreError> {
    let mut by_symbol: BTreeMap<i32, Vec<&KeyedPrice>> = BTreeMap::new();
    let latest = Utc::now() + AHEAD_MAX;
    for tick in recorded.iter().filter(|tick| tick.ticked_at <= latest) {
        by_symbol.entry(tick.symbol_id).or_default().push(tick);
    }
    let symbols: Vec<i32> = by_symbol.keys().copied().collect();
    if symbols.is_empty() {
        return Ok(AlertTurns::default());
    }
    let rules = rules_for(tx, &symbols).await?;
    by_symbol.retain(|symbol_id, _| rules.iter().any(|rule| rule.covers(*symbol_id)));
    let symbols: Vec<i32> = by_symbol.keys().copied().collect();
    if symbols.is_empty() {
        return Ok(AlertTurns::default());
    }
    let watermarks = lock_watermarks(tx, &symbols).await?;
    for (symbol_id, ticks) in &mut by_symbol {
        let judged_at = watermarks.get(symbol_id).and_then(|watermark| watermark.ticked_at);
        ticks.retain(|tick| judged_at.is_none_or(|judged_at| tick.ticked_at > judged_at));
        ticks.sort_unstable_by_key(|tick| tick.ticked_at);
    }
    by_symbol.retain(|_, ticks| !ticks.is_empty());
    if by_symbol.is_empty() {
        return Ok(AlertTurns::default());
    }
    let mut states = states_of(tx, &rules, &symbols).await?;
    let measured = measure(tx, &rules, &by_symbol).await?;
    let events = judge_all(&rules, &by_symbol, &watermarks, &measured, &mut states);
    let turns = record(tx, &events, &states, false).await?;
    let ends = by_symbol.iter().filter_map(|(symbol_id, ticks)| Some((*symbol_id, ticks.last()?)));
    let (ids, instants): (Vec<i32>, Vec<DateTime<Utc>>) =
        ends.map(|(symbol_id, tick)| (symbol_id, tick.ticked_at)).unzip();
    tx.rows(statement!("alert_watermarks_move"), &[&ids, &instants]).await?;
    Ok(turns)
}

/// The rules in force about any of these symbols.
pub(super) async fn rules_for(
    tx: &PooledTx,
    symbols: &[i32],
) -> Result<Vec<AlertRule>, StoreError> {
    let statement = statement!("alert_rules_for");
    let rows = tx.rows(statement, &[&symbols]).await?;
    rows.iter().map(|row| rule(statement, row)).collect()
}

/// A rule as it is stored.
fn rule(statement: Statement, row: &Row) -> Result<AlertRule, StoreError> {
    Ok(AlertRule {
        rule_id: row.get("rule_id"),
        revision: row.get("revision"),
        symbol_id: row.get("symbol_id"),
        condition: condition(statement, row)?,
        window: Duration::seconds(i64::from(row.get::<_, i32>("window_seconds"))),
        ticks_min: i64::from(row.get::<_, i32>("ticks_min")),
        cooldown: Duration::seconds(i64::from(row.get::<_, i32>("cooldown_seconds"))),
        armed_at: row.get("armed_at"),
    })
}

/// A rule's condition as it is stored. A kind that this Daybook does not know is of a later one.
pub(super) fn condition(statement: Statement, row: &Row) -> Result<Condition, StoreError> {
    let kind = ConditionKind::parse(row.get("kind")).ok_or_else(|| {
        let source = "a kind of alert that is not known";
        StoreError::with_source(StoreErrorKind::Unexpected, statement.stem, source)
    })?;
    let (Numeric(threshold), Numeric(rearm_threshold)) =
        (row.get("threshold"), row.get("rearm_threshold"));
    Ok(Condition { kind, threshold, rearm_threshold })
}

/// Locks the watermarks of symbols, which are in order.
pub(super) async fn lock_watermarks(
    tx: &PooledTx,
    symbols: &[i32],
) -> Result<HashMap<i32, Watermark>, StoreError> {
    let statement = statement!("alert_watermarks_lock");
    let mut rows = tx.rows(statement, &[&symbols]).await?;
    if rows.len() < symbols.len() {
        add_watermarks(tx, symbols).await?;
        rows = tx.rows(statement, &[&symbols]).await?;
    }
    let watermark = |row: &Row| {
        let (ticked_at, received_at) = (row.get("ticked_at"), row.get("received_at"));
        (row.get("symbol_id"), Watermark { ticked_at, received_at })
    };
    Ok(rows.iter().map(watermark).collect())
}

/// Has symbols known of which no tick was judged yet: their silence is noticed from then on.
pub(super) async fn add_watermarks(tx: &PooledTx, symbols: &[i32]) -> Result<(), StoreError> {
    tx.rows(statement!("alert_watermarks_add"), &[&symbols]).await.map(drop)
}

/// How it stands with these rules, as far as they have fired since they were changed.
pub(super) async fn states_of(
    tx: &PooledTx,
    rules: &[AlertRule],
    symbols: &[i32],
) -> Result<States, StoreError> {
    let revisions: HashMap<Uuid, i32> =
        rules.iter().map(|rule| (rule.rule_id, rule.revision)).collect();
    let rows = tx.rows(statement!("alert_states_of"), &[&symbols]).await?;
    let state = |row: &Row| {
        let rule_id: Uuid = row.get("rule_id");
        let is_current = revisions.get(&rule_id) == Some(&row.get::<_, i32>("revision"));
        let (is_firing, fired_at) = (row.get("is_firing"), row.get("fired_at"));
        let key = (row.get("symbol_id"), rule_id);
        is_current.then_some((key, AlertState { is_firing, fired_at }))
    };
    Ok(rows.iter().filter_map(state).collect())
}

/// What windows of a length before a symbol's tick hold.
type Measured = HashMap<(Duration, i32, DateTime<Utc>), Preceding>;

/// Measures the windows that rules look back on, each length once.
async fn measure(
    tx: &PooledTx,
    rules: &[AlertRule],
    by_symbol: &BTreeMap<i32, Vec<&KeyedPrice>>,
) -> Result<Measured, StoreError> {
    let mut measured = Measured::new();
    let looking_back = || rules.iter().filter(|rule| rule.condition.kind.looks_back());
    let mut windows: Vec<Duration> = looking_back().map(|rule| rule.window).collect();
    windows.sort_unstable();
    windows.dedup();
    for window in windows {
        let of_window: Vec<_> = looking_back().filter(|rule| rule.window == window).collect();
        let (mut ids, mut firsts, mut lasts) = (Vec::new(), Vec::new(), Vec::new());
        for (symbol_id, ticks) in by_symbol {
            if !of_window.iter().any(|rule| rule.covers(*symbol_id)) {
                continue;
            }
            // What lies between ticks that are far from each other is of no use.
            let is_near =
                |one: &&KeyedPrice, next: &&KeyedPrice| next.ticked_at - one.ticked_at <= window;
            for near in ticks.chunk_by(is_near) {
                let (Some(first), Some(last)) = (near.first(), near.last()) else { continue };
                ids.push(*symbol_id);
                firsts.push(first.ticked_at);
                lasts.push(last.ticked_at);
            }
        }
        let (Some(first), Some(last)) = (firsts.iter().min(), lasts.iter().max()) else { continue };
        // Instants of ticks are within the years that prices are recorded of.
        let earliest = first.checked_sub_signed(window).unwrap_or(DateTime::UNIX_EPOCH);
        let seconds = i32::try_from(window.num_seconds()).unwrap_or(i32::MAX);
        let rows = tx
            .rows(statement!("alert_measures"), &[&ids, &firsts, &lasts, &seconds, &earliest, last])
            .await?;
        for row in &rows {
            let (Numeric(price_sum), Numeric(first_price)) =
                (row.get("price_sum"), row.get("first_price"));
            let preceding = Preceding { tick_count: row.get("tick_count"), price_sum, first_price };
            measured.insert((window, row.get("symbol_id"), row.get("ticked_at")), preceding);
        }
    }
    Ok(measured)
}

/// Judges all ticks by all rules about them: by symbol, then in the order of time.
fn judge_all<'a>(
    rules: &'a [AlertRule],
    by_symbol: &BTreeMap<i32, Vec<&KeyedPrice>>,
    watermarks: &HashMap<i32, Watermark>,
    measured: &Measured,
    states: &mut States,
) -> Vec<Event<'a>> {
    let nothing =
        Preceding { tick_count: 0, price_sum: Decimal::zero(), first_price: Decimal::zero() };
    let mut events = Vec::new();
    for (&symbol_id, ticks) in by_symbol {
        let watermark = watermarks.get(&symbol_id).copied().unwrap_or_default();
        for rule in rules.iter().filter(|rule| rule.covers(symbol_id)) {
            let key = (symbol_id, rule.rule_id);
            let mut state = states.get(&key).copied().unwrap_or_default();
            let before = state;
            // Silence that began before anybody listened is nobody's.
            let is_heard = watermark.received_at.is_some_and(|at| at >= rule.armed_at);
            let mut previous_at = watermark.ticked_at.filter(|_| is_heard);
            for tick in ticks {
                let before = measured.get(&(rule.window, symbol_id, tick.ticked_at));
                let tick = TickToJudge {
                    ticked_at: tick.ticked_at,
                    price: &tick.price,
                    previous_at,
                    before: before.unwrap_or(&nothing),
                };
                previous_at = Some(tick.ticked_at);
                let judgements = judge(rule, &mut state, &tick);
                events.extend(judgements.into_iter().map(|judgement| Event {
                    rule,
                    symbol_id,
                    judgement,
                }));
            }
            if state != before {
                states.insert(key, state);
            }
        }
    }
    // Whoever reads events sees them in the order of time, as far as they come in one tx.
    events.sort_by_key(|event| event.judgement.occurred_at);
    events
}

/// Records events and the states that they lead to; how many rules turned.
pub(super) async fn record(
    tx: &PooledTx,
    events: &[Event<'_>],
    states: &States,
    is_of_clock: bool,
) -> Result<AlertTurns, StoreError> {
    if events.is_empty() {
        return Ok(AlertTurns::default());
    }
    let touched: BTreeSet<Uuid> = events.iter().map(|event| event.rule.rule_id).collect();
    let touched: Vec<Uuid> = touched.into_iter().collect();
    // Whoever waits here keeps nobody else's events waiting.
    tx.rows(statement!("alert_owners_lock"), &[&touched]).await?;
    tx.rows(statement!("alert_rules_lock"), &[&touched]).await?;
    tx.rows(statement!("alert_events_lock"), &[]).await?;
    let numeric = |number: &Option<Decimal>| number.clone().map(Numeric);
    let rule_ids: Vec<Uuid> = events.iter().map(|event| event.rule.rule_id).collect();
    let revisions: Vec<i32> = events.iter().map(|event| event.rule.revision).collect();
    let symbols: Vec<i32> = events.iter().map(|event| event.symbol_id).collect();
    let judgements = || events.iter().map(|event| &event.judgement);
    let firing: Vec<bool> = judgements().map(|judgement| judgement.is_firing).collect();
    let instants: Vec<DateTime<Utc>> =
        judgements().map(|judgement| judgement.occurred_at).collect();
    let prices: Vec<_> = judgements().map(|judgement| numeric(&judgement.price)).collect();
    let values: Vec<_> = judgements().map(|judgement| numeric(&judgement.value)).collect();
    let counts: Vec<Option<i32>> =
        judgements().map(|judgement| i32::try_from(judgement.tick_count?).ok()).collect();
    tx.rows(
        statement!("alert_events_add"),
        &[
            &rule_ids,
            &revisions,
            &symbols,
            &firing,
            &instants,
            &prices,
            &values,
            &counts,
            &is_of_clock,
        ],
    )
    .await?;
    let mut turned: BTreeMap<(i32, Uuid), (i32, AlertState)> = BTreeMap::new();
    for event in events {
        let key = (event.symbol_id, event.rule.rule_id);
        if let Some(state) = states.get(&key) {
            turned.insert(key, (event.rule.revision, *state));
        }
    }
    let symbols: Vec<i32> = turned.keys().map(|(symbol_id, _)| *symbol_id).collect();
    let rule_ids: Vec<Uuid> = turned.keys().map(|(_, rule_id)| *rule_id).collect();
    let revisions: Vec<i32> = turned.values().map(|(revision, _)| *revision).collect();
    let firing: Vec<bool> = turned.values().map(|(_, state)| state.is_firing).collect();
    let fired: Vec<Option<DateTime<Utc>>> =
        turned.values().map(|(_, state)| state.fired_at).collect();
    let statement = statement!("alert_states_put");
    tx.rows(statement, &[&symbols, &rule_ids, &revisions, &firing, &fired]).await?;
    let firing = events.iter().filter(|event| event.judgement.is_firing).count();
    Ok(AlertTurns { firing, ceased: events.len() - firing })
}
