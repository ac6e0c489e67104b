//! What alert rules say, read from requests and written into answers.

use crate::{
    alerts::{Alerts, RecordedRule},
    domain::{
        alert::{
            COOLDOWN_SECONDS_MAX, Condition, ConditionKind, MEASURED_WINDOWS, RuleSettings,
            TICKS_MIN_MAX, WINDOW_SECONDS_MAX,
        },
        decimal::Decimal,
        price::symbol::SymbolName,
        user::is_new_name,
    },
    grpc::{
        decode::{self, timestamp},
        pb::v1::{
            self, AlertCondition, AlertRecipient, AlertRuleSettings, NoData, PercentChange,
            PriceLevel, TimesAverage, alert_condition, alert_recipient,
        },
        violations::Violations,
    },
};

/// Most recipients of a rule.
const RECIPIENTS_MAX: usize = 10;

/// Seconds that a rule looks back which does not say how many.
const WINDOW_SECONDS_DEFAULT: i32 = 3_600;

/// Ticks that a window must hold where the rule does not say how many.
const TICKS_MIN_DEFAULT: i32 = 5;

/// Times the average at which a rule fires that does not say how many.
const FACTOR_DEFAULT: &str = "3";

/// Digits before and behind the point of a price.
const PRICE_DIGITS: (u32, u32) = (30, 30);

/// Digits before and behind the point of a factor or a percentage.
const RATIO_DIGITS: (u32, u32) = (12, 18);

/// Checks what a rule is to say.
pub(super) fn settings(
    given: Option<&AlertRuleSettings>,
    alerts: &Alerts,
    violations: &mut Violations,
) -> Option<RuleSettings> {
    let given = violations.require(given, "settings", "must be set")?;
    let name =
        decode::plain(&given.name, is_new_name, "settings.name", decode::NAME_HINT, violations);
    let symbol = match given.symbol.as_str() {
        "" => Some(None),
        text => {
            let symbol = SymbolName::parse(text).map(Some);
            violations.require(symbol, "settings.symbol", SymbolName::RULE)
        }
    };
    let condition = condition(given.condition.as_ref(), violations);
    let looks_back = condition.as_ref().is_some_and(|condition| condition.kind.looks_back());
    let window = window(given.window_seconds, looks_back, violations);
    let ticks = number(
        (given.ticks_min, TICKS_MIN_DEFAULT, TICKS_MIN_MAX),
        "settings.ticks_min",
        violations,
    );
    let cooldown = Some(given.cooldown_seconds).filter(|s| (0..=COOLDOWN_SECONDS_MAX).contains(s));
    let hint = format!("must be 0 to {COOLDOWN_SECONDS_MAX}");
    let cooldown = violations.require(cooldown, "settings.cooldown_seconds", hint);
    let recipients = recipients(&given.recipients, alerts, violations);
    let (webhook_urls, emails) = recipients?;
    Some(RuleSettings {
        name: name?.to_owned(),
        symbol: symbol?,
        condition: condition?,
        window_seconds: window?,
        ticks_min: ticks?,
        cooldown_seconds: cooldown?,
        webhook_urls,
        emails,
        is_enabled: !given.disabled,
    })
}

/// Checks how far a rule looks back, or how long silence must last. What is measured has a few
/// lengths, each of which is measured once for all rules.
fn window(given: i32, looks_back: bool, violations: &mut Violations) -> Option<i32> {
    let field = "settings.window_seconds";
    if !looks_back {
        let limits = (given, WINDOW_SECONDS_DEFAULT, WINDOW_SECONDS_MAX);
        return number(limits, field, violations);
    }
    let seconds = if given == 0 { WINDOW_SECONDS_DEFAULT } else { given };
    let window = Some(seconds).filter(|seconds| MEASURED_WINDOWS.contains(seconds));
    violations.require(window, field, format!("must be one of {MEASURED_WINDOWS:?}, or 0 for 3600"))
}

/// Checks a number of which 0 means a default.
fn number(
    (given, default, max): (i32, i32, i32),
    field: &'static str,
    violations: &mut Violations,
) -> Option<i32> {
    let number = match given {
        0 => Some(default),
        number if (1..=max).contains(&number) => Some(number),
        _ => None,
    };
    violations.require(number, field, format!("must be 1 to {max}, or 0 for {default}"))
}

/// The two levels of a condition, as they are sent.
struct Levels<'a> {
    kind: ConditionKind,
    digits: (u32, u32),
    threshold: (&'static str, &'a str),
    rearm: (&'static str, &'a str),
}

fn condition(given: Option<&AlertCondition>, violations: &mut Violations) -> Option<Condition> {
    let kind = given.and_then(|given| given.kind.as_ref());
    let kind = violations.require(
        kind,
        "settings.condition",
        "must be one of times_average, above, below, change and no_data",
    )?;
    let levels = match kind {
        alert_condition::Kind::TimesAverage(TimesAverage { factor, rearm_factor }) => Levels {
            kind: ConditionKind::TimesAverage,
            digits: RATIO_DIGITS,
            threshold: (
                "settings.condition.times_average.factor",
                if factor.is_empty() { FACTOR_DEFAULT } else { factor },
            ),
            rearm: ("settings.condition.times_average.rearm_factor", rearm_factor),
        },
        alert_condition::Kind::Above(PriceLevel { price, rearm_price }) => Levels {
            kind: ConditionKind::Above,
            digits: PRICE_DIGITS,
            threshold: ("settings.condition.above.price", price),
            rearm: ("settings.condition.above.rearm_price", rearm_price),
        },
        alert_condition::Kind::Below(PriceLevel { price, rearm_price }) => Levels {
            kind: ConditionKind::Below,
            digits: PRICE_DIGITS,
            threshold: ("settings.condition.below.price", price),
            rearm: ("settings.condition.below.rearm_price", rearm_price),
        },
        alert_condition::Kind::Change(PercentChange { percent, rearm_percent }) => Levels {
            kind: ConditionKind::Change,
            digits: RATIO_DIGITS,
            threshold: ("settings.condition.change.percent", percent),
            rearm: ("settings.condition.change.rearm_percent", rearm_percent),
        },
        alert_condition::Kind::NoData(NoData {}) => {
            let (threshold, rearm_threshold) = (Decimal::zero(), Decimal::zero());
            return Some(Condition { kind: ConditionKind::NoData, threshold, rearm_threshold });
        }
    };
    levels.read(violations)
}

impl Levels<'_> {
    fn read(&self, violations: &mut Violations) -> Option<Condition> {
        let threshold = self.level(self.threshold, violations);
        let rearm = match self.rearm.1 {
            "" => threshold.clone(),
            _ => self.level(self.rearm, violations),
        };
        let (threshold, rearm_threshold) = (threshold?, rearm?);
        let condition = Condition { kind: self.kind, threshold, rearm_threshold };
        let in_order = condition.is_rearm_in_order().then_some(condition);
        let hint = "must lie on the side of the other level where the rule does not fire";
        violations.require(in_order, self.rearm.0, hint)
    }

    fn level(
        &self,
        (field, text): (&'static str, &str),
        violations: &mut Violations,
    ) -> Option<Decimal> {
        let number = Decimal::parse(text).filter(|_| text.len() <= 100);
        let (whole, decimals) = self.digits;
        let number = number.filter(|number| number.fits(whole, decimals));
        if self.kind == ConditionKind::Change {
            let lowest = Decimal::from(-100);
            let is_threshold = field == self.threshold.0;
            let number = number
                .filter(|number| *number > lowest)
                .filter(|number| !(is_threshold && *number == Decimal::zero()));
            let hint = "must be a decimal above -100 and not 0, for example 5 or -5, with up to 18 \
                        digits behind the point";
            return violations.require(number, field, hint);
        }
        let hint = format!(
            "must be a decimal above 0, with up to {whole} digits before and {decimals} behind the \
             point"
        );
        violations.require(number.filter(Decimal::is_positive), field, hint)
    }
}

/// Checks recipients: addresses of webhooks, and of mailboxes.
fn recipients(
    given: &[AlertRecipient],
    alerts: &Alerts,
    violations: &mut Violations,
) -> Option<(Vec<String>, Vec<String>)> {
    if given.len() > RECIPIENTS_MAX {
        let hint = format!("must be at most {RECIPIENTS_MAX}");
        violations.add("settings.recipients", hint);
        return None;
    }
    let (mut urls, mut emails) = (Vec::new(), Vec::new());
    let mut is_right = true;
    for (place, recipient) in given.iter().enumerate() {
        let field = |name: &str| format!("settings.recipients[{place}]{name}");
        let fault = match &recipient.kind {
            Some(alert_recipient::Kind::WebhookUrl(url)) => {
                add_once(alerts.check_webhook(url), &mut urls)
                    .map_err(|h| (field(".webhook_url"), h))
            }
            Some(alert_recipient::Kind::Email(email)) => {
                add_once(alerts.check_email(email), &mut emails).map_err(|h| (field(".email"), h))
            }
            None => Err((field(""), "must be a webhook_url or an email")),
        };
        if let Err((field, hint)) = fault {
            violations.add(field, hint);
            is_right = false;
        }
    }
    is_right.then_some((urls, emails))
}

/// Adds a recipient, as it is written one way, that is right and not there yet.
fn add_once(
    recipient: Result<String, &'static str>,
    known: &mut Vec<String>,
) -> Result<(), &'static str> {
    let recipient = recipient?;
    if known.contains(&recipient) {
        return Err("must not be named twice");
    }
    known.push(recipient);
    Ok(())
}

/// A rule as the API writes it.
pub(super) fn rule_pb(rule: &RecordedRule) -> v1::AlertRule {
    v1::AlertRule {
        rule_id: rule.rule_id.to_string(),
        user_uuid: rule.user_uuid.to_string(),
        settings: Some(settings_pb(&rule.settings)),
        created_at: Some(timestamp(rule.created_at)),
        updated_at: Some(timestamp(rule.updated_at)),
    }
}

/// The key of a rule's webhooks as it is told; empty where there are none.
pub(super) fn secret_pb(rule: &RecordedRule) -> String {
    match rule.settings.webhook_urls.is_empty() {
        true => String::new(),
        false => rule.webhook_secret.to_text(),
    }
}

fn settings_pb(settings: &RuleSettings) -> AlertRuleSettings {
    let urls = settings.webhook_urls.iter().cloned().map(alert_recipient::Kind::WebhookUrl);
    let emails = settings.emails.iter().cloned().map(alert_recipient::Kind::Email);
    let recipients = urls.chain(emails).map(|kind| AlertRecipient { kind: Some(kind) });
    AlertRuleSettings {
        name: settings.name.clone(),
        symbol: settings.symbol.as_ref().map(ToString::to_string).unwrap_or_default(),
        condition: Some(condition_pb(&settings.condition)),
        window_seconds: settings.window_seconds,
        ticks_min: settings.ticks_min,
        cooldown_seconds: settings.cooldown_seconds,
        recipients: recipients.collect(),
        disabled: !settings.is_enabled,
    }
}

fn condition_pb(condition: &Condition) -> AlertCondition {
    let (at, rearm) = (condition.threshold.to_string(), condition.rearm_threshold.to_string());
    let kind = match condition.kind {
        ConditionKind::TimesAverage => {
            alert_condition::Kind::TimesAverage(TimesAverage { factor: at, rearm_factor: rearm })
        }
        ConditionKind::Above => {
            alert_condition::Kind::Above(PriceLevel { price: at, rearm_price: rearm })
        }
        ConditionKind::Below => {
            alert_condition::Kind::Below(PriceLevel { price: at, rearm_price: rearm })
        }
        ConditionKind::Change => {
            alert_condition::Kind::Change(PercentChange { percent: at, rearm_percent: rearm })
        }
        ConditionKind::NoData => alert_condition::Kind::NoData(NoData {}),
    };
    AlertCondition { kind: Some(kind) }
}
