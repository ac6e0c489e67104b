//! `PriceService.DeleteAlertRule`.

use crate::{
    alerts::Alerts,
    domain::access::Identity,
    error::Error,
    grpc::{
        decode,
        pb::v1::{DeleteAlertRuleRequest, DeleteAlertRuleResponse},
        violations::Violations,
    },
};

pub(super) async fn delete_alert_rule(
    alerts: &Alerts,
    request: &DeleteAlertRuleRequest,
    by: &Identity,
) -> Result<DeleteAlertRuleResponse, Error> {
    let mut violations = Violations::default();
    let rule_id = decode::user_uuid(&request.rule_id, "rule_id", &mut violations);
    let rule_id = violations.finish(rule_id)?;
    alerts.delete_rule(rule_id, by).await?;
    Ok(DeleteAlertRuleResponse {})
}
