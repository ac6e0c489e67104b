//! `PriceService.CreateAlertRule`.

use crate::{
    alerts::Alerts,
    domain::{
        access::{Identity, Scope},
        user::parse_user_uuid,
    },
    error::{Error, ErrorKind},
    grpc::{
        alert_settings::{rule_pb, secret_pb, settings},
        decode,
        pb::v1::{CreateAlertRuleRequest, CreateAlertRuleResponse},
        violations::Violations,
    },
};

pub(super) async fn create_alert_rule(
    alerts: &Alerts,
    request: &CreateAlertRuleRequest,
    by: &Identity,
) -> Result<CreateAlertRuleResponse, Error> {
    let mut violations = Violations::default();
    let user_uuid = decode::user_uuid(&request.user_uuid, "user_uuid", &mut violations);
    let rule_id = match request.rule_id.as_str() {
        "" => Some(None),
        text => {
            let id = parse_user_uuid(text).filter(|id| !id.is_nil()).map(Some);
            violations.require(id, "rule_id", decode::UUID_HINT)
        }
    };
    let settings = settings(request.settings.as_ref(), alerts, &mut violations);
    let parts = violations.finish(user_uuid.zip(rule_id).zip(settings))?;
    let ((user_uuid, rule_id), settings) = parts;
    if matches!(by.scope, Scope::Own(own) if own != user_uuid) {
        return Err(Error::new(ErrorKind::NotFound("user")));
    }
    let rule = alerts.create_rule((rule_id, user_uuid), settings, by).await?;
    Ok(CreateAlertRuleResponse { rule: Some(rule_pb(&rule)), webhook_secret: secret_pb(&rule) })
}
