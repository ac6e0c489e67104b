//! Judging silence: symbols of which no tick has come for as long as a rule waits for.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;

use crate::{
    domain::alert::{AlertState, silence},
    store::{
        Database, StoreError,
        alert_step::{Event, Watermark, lock_watermarks, record, rules_for, states_of},
        statement::statement,
        tx::PooledTx,
    },
    telemetry::metrics,
};

/// Symbols that one tx judges at most.
const SYMBOLS_MAX: i64 = 1_000;

/// Has the rules that watch for silence fire for the symbols that have been silent for too long,
/// and returns how many symbols were looked at.
///
/// # Errors
/// What the database says; then nothing has fired.
pub async fn judge_silences(database: &Database) -> Result<usize, StoreError> {
    let found = database.read(statement!("alert_silences"), &[&SYMBOLS_MAX]).await?;
    let symbols: Vec<i32> = found.value.iter().map(|row: &Row| row.get("symbol_id")).collect();
    if symbols.is_empty() {
        return Ok(0);
    }
    let tx = PooledTx::begin(database, "alert_silences").await?;
    let rules = rules_for(&tx, &symbols).await?;
    let watermarks = lock_watermarks(&tx, &symbols).await?;
    let mut states = states_of(&tx, &rules, &symbols).await?;
    // After the locks: whoever held them may have brought a tick just now.
    let now = Utc::now();
    let mut events = Vec::new();
    for &symbol_id in &symbols {
        let watermark = watermarks.get(&symbol_id).copied().unwrap_or_default();
        for rule in rules.iter().filter(|rule| rule.covers(symbol_id)) {
            let Some(since) = silent_since(watermark, rule.armed_at, rule.window, now) else {
                continue;
            };
            let key = (symbol_id, rule.rule_id);
            let mut state: AlertState = states.get(&key).copied().unwrap_or_default();
            if let Some(judgement) = silence(rule, &mut state, since, now) {
                states.insert(key, state);
                events.push(Event { rule, symbol_id, judgement });
            }
        }
    }
    let turns = record(&tx, &events, &states, true).await?;
    tx.commit().await?;
    metrics::alert_events(turns);
    Ok(symbols.len())
}

/// Since when there has been no tick, where nothing has come for the whole window, either: the
/// instant of the last tick, or when the rule began to watch, if nothing came after that.
fn silent_since(
    watermark: Watermark,
    armed_at: DateTime<Utc>,
    window: chrono::Duration,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let Watermark { ticked_at, received_at } = watermark;
    let heard_at = received_at.map_or(armed_at, |at| at.max(armed_at));
    if now - heard_at <= window {
        return None;
    }
    match (ticked_at, received_at) {
        (Some(ticked_at), Some(received_at)) if received_at >= armed_at => Some(ticked_at),
        (Some(ticked_at), _) => Some(ticked_at.max(armed_at)),
        (None, _) => Some(armed_at),
    }
}

#[cfg(test)]
mod tests {
    use chrono::Duration;

    use super::*;

    #[test]
    fn silence_is_counted_from_what_was_heard_since_the_rule_watches() {
        let at = |second: i64| DateTime::from_timestamp(second, 0);
        let case = |ticked: Option<i64>, received: Option<i64>, armed: i64, now: i64| {
            let (ticked_at, received_at) = (ticked.and_then(at), received.and_then(at));
            let watermark = Watermark { ticked_at, received_at };
            let (armed, now) = (at(armed).expect("an instant"), at(now).expect("an instant"));
            let since = silent_since(watermark, armed, Duration::seconds(60), now);
            since.map(|since| since.timestamp())
        };
        for (ticked, received, armed, now, expected) in [
            (Some(100), Some(101), 0, 161, None),
            (Some(100), Some(101), 0, 162, Some(100)),
            // A history that is being played.
            (Some(100), Some(9_000), 8_000, 9_050, None),
            (Some(100), Some(9_000), 8_000, 9_061, Some(100)),
            // Heard before the rule was there.
            (Some(100), Some(101), 1_000, 1_061, Some(1_000)),
            (None, None, 1_000, 1_061, Some(1_000)),
            (None, None, 1_000, 1_060, None),
        ] {
            assert_eq!(case(ticked, received, armed, now), expected, "{ticked:?} {received:?}");
        }
    }
}
