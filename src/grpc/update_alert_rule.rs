//! `PriceService.UpdateAlertRule`.

use crate::{
    alerts::{Alerts, RuleChange},
    domain::{access::Identity, alert::WebhookSecret},
    error::Error,
    grpc::{
        alert_settings::{rule_pb, secret_pb, settings},
        decode,
        pb::v1::{UpdateAlertRuleRequest, UpdateAlertRuleResponse},
        violations::Violations,
    },
};

pub(super) async fn update_alert_rule(
    alerts: &Alerts,
    request: &UpdateAlertRuleRequest,
    by: &Identity,
) -> Result<UpdateAlertRuleResponse, Error> {
    let mut violations = Violations::default();
    let rule_id = decode::user_uuid(&request.rule_id, "rule_id", &mut violations);
    let given = request.settings.as_ref();
    let settings = match given {
        None => Some(None),
        given => settings(given, alerts, &mut violations).map(Some),
    };
    let (is_enabled, rotates) = (request.enabled, request.rotate_webhook_secret);
    if given.is_some() && is_enabled.is_some() {
        violations.add("enabled", "must not be set beside settings, which say disabled or not");
    }
    if given.is_none() && is_enabled.is_none() && !rotates {
        let hint = "must be set, or enabled, or rotate_webhook_secret: nothing changes otherwise";
        violations.add("settings", hint);
    }
    let (rule_id, settings) = violations.finish(rule_id.zip(settings))?;
    let tells_secret = rotates || settings.is_some();
    let webhook_secret = rotates.then(WebhookSecret::random);
    let change = RuleChange { rule_id, settings, is_enabled, webhook_secret };
    let rule = alerts.change_rule(&change, by).await?;
    let webhook_secret = if tells_secret { secret_pb(&rule) } else { String::new() };
    Ok(UpdateAlertRuleResponse { rule: Some(rule_pb(&rule)), webhook_secret })
}
