//! How a rule's state for a symbol goes from tick to tick.

use chrono::{DateTime, Utc};

use crate::domain::{
    alert::{AlertRule, ConditionKind, Preceding, Standing},
    decimal::Decimal,
};

/// How it stands with a rule about a symbol.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct AlertState {
    /// Whether it fires.
    pub is_firing: bool,
    /// When it fired last.
    pub fired_at: Option<DateTime<Utc>>,
}

/// A tick that is to be judged: later than all that were judged before it.
#[derive(Clone, Debug)]
pub struct TickToJudge<'a> {
    /// When.
    pub ticked_at: DateTime<Utc>,
    /// The price.
    pub price: &'a Decimal,
    /// The tick that was judged before it, where it came after the rule began to watch.
    pub previous_at: Option<DateTime<Utc>>,
    /// What the window before it holds.
    pub before: &'a Preceding,
}

/// That a rule began or ceased to fire.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Judgement {
    /// Whether it fires now.
    pub is_firing: bool,
    /// When: the instant of a tick, or the one at which a tick was missed.
    pub occurred_at: DateTime<Utc>,
    /// The tick's price, if it is one's.
    pub price: Option<Decimal>,
    /// What was compared with the threshold.
    pub value: Option<Decimal>,
    /// Ticks in the window.
    pub tick_count: Option<i64>,
}

/// Holds a rule against a tick, and returns what happened, in the order of time. Without data
/// it may have fired and ceased to fire between two ticks.
pub fn judge(rule: &AlertRule, state: &mut AlertState, tick: &TickToJudge<'_>) -> Vec<Judgement> {
    let mut judgements = Vec::new();
    if let Some(since) = tick.previous_at {
        judgements.extend(silence(rule, state, since, tick.ticked_at));
    }
    let (before, price) = (tick.before, tick.price);
    let is_firing = match rule.condition.standing(price, before, rule.ticks_min) {
        Standing::Met if !state.is_firing && is_cool(rule, state, tick.ticked_at) => true,
        Standing::Cleared if state.is_firing => false,
        Standing::Met | Standing::Cleared | Standing::Between | Standing::Unknown => {
            return judgements;
        }
    };
    let tick_count = rule.condition.kind.looks_back().then_some(before.tick_count);
    // Silence may have been noticed by the clock before a tick came that is older than that.
    let occurred_at = state.fired_at.map_or(tick.ticked_at, |at| at.max(tick.ticked_at));
    judgements.push(Judgement {
        is_firing,
        occurred_at,
        price: Some(price.clone()),
        value: rule.condition.value(price, before),
        tick_count,
    });
    turn(state, is_firing, occurred_at);
    judgements
}

/// Holds a rule that watches for silence against a span without ticks: it fires when silence has
/// lasted for its window, or when the cool-down is over, if that is before the end.
pub fn silence(
    rule: &AlertRule,
    state: &mut AlertState,
    since: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Option<Judgement> {
    if rule.condition.kind != ConditionKind::NoData || state.is_firing {
        return None;
    }
    let missed_at = since.checked_add_signed(rule.window)?;
    let occurred_at = match state.fired_at {
        Some(fired_at) => missed_at.max(fired_at.checked_add_signed(rule.cooldown)?),
        None => missed_at,
    };
    if occurred_at >= until {
        return None;
    }
    turn(state, true, occurred_at);
    let (price, value, tick_count) = (None, None, None);
    Some(Judgement { is_firing: true, occurred_at, price, value, tick_count })
}

fn turn(state: &mut AlertState, is_firing: bool, at: DateTime<Utc>) {
    state.is_firing = is_firing;
    if is_firing {
        state.fired_at = Some(at);
    }
}

/// Whether the cool-down is over.
fn is_cool(rule: &AlertRule, state: &AlertState, at: DateTime<Utc>) -> bool {
    state.fired_at.is_none_or(|fired_at| at - fired_at >= rule.cooldown)
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Duration};
    use uuid::Uuid;

    use super::*;
    use crate::domain::alert::Condition;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).expect("an instant")
    }

    fn number(text: &str) -> Decimal {
        Decimal::parse(text).expect("a number")
    }

    fn rule(kind: ConditionKind, threshold: &str, rearm: &str) -> AlertRule {
        AlertRule {
            rule_id: Uuid::nil(),
            revision: 1,
            symbol_id: None,
            condition: Condition {
                kind,
                threshold: number(threshold),
                rearm_threshold: number(rearm),
            },
            window: Duration::seconds(60),
            ticks_min: 2,
            cooldown: Duration::zero(),
            armed_at: at(0),
        }
    }

    /// Plays ticks of these seconds and prices; says at which seconds it fired (+) and ceased (-).
    fn play(rule: &AlertRule, ticks: &[(i64, &str)]) -> Vec<String> {
        let mut state = AlertState::default();
        let mut seen = Vec::new();
        for (place, &(second, price)) in ticks.iter().enumerate() {
            let from = second - rule.window.num_seconds();
            let window = ticks[..place].iter().filter(|(earlier, _)| *earlier >= from);
            let prices: Vec<Decimal> = window.map(|(_, price)| number(price)).collect();
            let before = Preceding {
                tick_count: i64::try_from(prices.len()).expect("few"),
                price_sum: prices.iter().fold(Decimal::zero(), |sum, price| sum.plus(price)),
                first_price: prices.first().cloned().unwrap_or_else(Decimal::zero),
            };
            let price = number(price);
            let previous_at = place.checked_sub(1).map(|place| at(ticks[place].0));
            let tick =
                TickToJudge { ticked_at: at(second), price: &price, previous_at, before: &before };
            for Judgement { is_firing, occurred_at, .. } in judge(rule, &mut state, &tick) {
                let sign = if is_firing { '+' } else { '-' };
                seen.push(format!("{sign}{}", occurred_at.timestamp()));
            }
        }
        seen
    }

    #[test]
    fn a_rule_fires_when_its_condition_begins_to_hold_and_is_armed_again_beyond_the_second_level() {
        use ConditionKind::{Above, Below, Change, TimesAverage};
        let pump = [(0, "1"), (10, "1"), (20, "2.999"), (30, "9"), (40, "20"), (200, "1")];
        let wave = [(0, "9"), (10, "10"), (20, "9.5"), (30, "10"), (40, "8.99"), (50, "11")];
        for (kind, threshold, rearm, ticks, expected) in [
            (TimesAverage, "3", "3", &pump[..], &["+30"][..]),
            (TimesAverage, "2.999", "2.999", &pump, &["+20"]),
            (Above, "10", "10", &wave, &["+10", "-20", "+30", "-40", "+50"]),
            (Above, "10", "9", &wave, &["+10", "-40", "+50"]),
            (Below, "9", "9.5", &wave, &["+0", "-10", "+40", "-50"]),
            (Below, "9", "10", &wave, &["+0", "-50"]),
            (Change, "10", "10", &wave, &["+30", "-40", "+50"]),
            (Change, "-1", "-1", &[(0, "100"), (1, "100"), (2, "99"), (3, "99.5")], &["+2", "-3"]),
            (Change, "-1", "0", &[(0, "100"), (1, "100"), (2, "99"), (3, "99.5")], &["+2"]),
        ] {
            let rule = rule(kind, threshold, rearm);
            assert_eq!(play(&rule, ticks), expected, "{kind:?} {threshold} {rearm}");
        }
    }

    #[test]
    fn too_few_ticks_neither_fire_nor_arm() {
        let mut rule = rule(ConditionKind::TimesAverage, "3", "3");
        rule.ticks_min = 3;
        let ticks = [(0, "1"), (1, "1"), (2, "9"), (3, "90"), (200, "1"), (201, "1")];
        assert_eq!(play(&rule, &ticks), ["+3"]);
    }

    #[test]
    fn a_rule_that_cools_down_fires_at_the_first_tick_after_it() {
        let mut rule = rule(ConditionKind::Above, "10", "10");
        rule.cooldown = Duration::seconds(30);
        let ticks = [(0, "10"), (10, "9"), (20, "10"), (29, "10"), (30, "10"), (31, "9")];
        assert_eq!(play(&rule, &ticks), ["+0", "-10", "+30", "-31"]);
    }

    #[test]
    fn silence_is_told_when_it_has_lasted_for_the_window_and_ends_with_a_tick() {
        let mut rule = rule(ConditionKind::NoData, "0", "0");
        let ticks = [(0, "1"), (60, "1"), (121, "1"), (130, "1"), (300, "1")];
        assert_eq!(play(&rule, &ticks), ["+120", "-121", "+190", "-300"]);
        rule.cooldown = Duration::seconds(100);
        assert_eq!(play(&rule, &ticks), ["+120", "-121", "+220", "-300"]);
    }
}
