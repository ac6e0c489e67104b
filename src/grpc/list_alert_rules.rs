//! `PriceService.ListAlertRules`.

use uuid::Uuid;

use crate::{
    alerts::Alerts,
    domain::access::Scope,
    error::Error,
    grpc::{
        alert_settings::rule_pb,
        decode, page, page_token,
        pb::v1::{ListAlertRulesRequest, ListAlertRulesResponse},
        violations::Violations,
    },
};

pub(super) async fn list_alert_rules(
    alerts: &Alerts,
    bytes_max: usize,
    request: &ListAlertRulesRequest,
    scope: Scope,
) -> Result<ListAlertRulesResponse, Error> {
    let cleared =
        ListAlertRulesRequest { page_size: 0, page_token: String::new(), ..request.clone() };
    let digest = page_token::digest(&cleared);
    let mut violations = Violations::default();
    let user_uuid = owner(&request.user_uuid, &mut violations);
    let size = decode::list_size(request.page_size, &mut violations);
    let read = |text: &str| Uuid::parse_str(text).ok();
    let after = page_token::place(digest, &request.page_token, read, &mut violations);
    let ((user_uuid, size), after) = violations.finish(user_uuid.zip(size).zip(after))?;
    let owner = alerts.owner(user_uuid, scope).await?;
    let mut rules = alerts.list_rules(after.unwrap_or(Uuid::nil()), owner, size + 1).await?;
    let has_more = rules.len() > size;
    rules.truncate(size);
    let mut shown: Vec<_> = rules.iter().map(rule_pb).collect();
    let is_cut = page::cut_after_first(&mut shown, page::room(bytes_max))?;
    let next = shown.last().filter(|_| has_more || is_cut).map(|rule| rule.rule_id.clone());
    let next_page_token = page_token::next(digest, next.as_deref());
    Ok(ListAlertRulesResponse { rules: shown, next_page_token })
}

/// Checks the field `user_uuid` of a request that may leave it out.
pub(super) fn owner(given: &str, violations: &mut Violations) -> Option<Option<Uuid>> {
    match given {
        "" => Some(None),
        given => decode::user_uuid(given, "user_uuid", violations).map(Some),
    }
}
