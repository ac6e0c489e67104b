//! `PriceService.ListAlertDeliveries` and `PriceService.RetryAlertDelivery`.

use crate::{
    alerts::{Alerts, Channel, DeliveryState, ListedDelivery},
    domain::access::Scope,
    error::Error,
    grpc::{
        decode::{self, timestamp},
        list_alert_rules::owner,
        page, page_token,
        pb::v1::{
            AlertDelivery, AlertDeliveryState, AlertRecipient, ListAlertDeliveriesRequest,
            ListAlertDeliveriesResponse, RetryAlertDeliveryRequest, RetryAlertDeliveryResponse,
            alert_recipient::Kind,
        },
        violations::Violations,
    },
};

pub(super) async fn list_alert_deliveries(
    alerts: &Alerts,
    bytes_max: usize,
    request: &ListAlertDeliveriesRequest,
    scope: Scope,
) -> Result<ListAlertDeliveriesResponse, Error> {
    let cleared =
        ListAlertDeliveriesRequest { page_size: 0, page_token: String::new(), ..request.clone() };
    let digest = page_token::digest(&cleared);
    let mut violations = Violations::default();
    let user_uuid = owner(&request.user_uuid, &mut violations);
    let state = match AlertDeliveryState::try_from(request.state) {
        Ok(AlertDeliveryState::Unspecified) => Some(None),
        Ok(AlertDeliveryState::Pending) => Some(Some(DeliveryState::Pending)),
        Ok(AlertDeliveryState::Delivered) => Some(Some(DeliveryState::Delivered)),
        Ok(AlertDeliveryState::Dead) => Some(Some(DeliveryState::Dead)),
        Ok(AlertDeliveryState::Outdated) => Some(Some(DeliveryState::Outdated)),
        Err(_) => None,
    };
    let state = violations.require(state, "state", "must be a state of deliveries, or 0 for any");
    let size = decode::list_size(request.page_size, &mut violations);
    let read = |text: &str| text.parse::<i64>().ok();
    let before = page_token::place(digest, &request.page_token, read, &mut violations);
    let parts = violations.finish(user_uuid.zip(state).zip(size.zip(before)))?;
    let ((user_uuid, state), (size, before)) = parts;
    let owner = alerts.owner(user_uuid, scope).await?;
    let before = before.unwrap_or(i64::MAX);
    let mut found = alerts.list_deliveries(before, owner, state, size + 1).await?;
    let has_more = found.len() > size;
    found.truncate(size);
    let mut deliveries: Vec<_> = found.into_iter().map(delivery_pb).collect();
    let is_cut = page::cut_after_first(&mut deliveries, page::room(bytes_max))?;
    let next = deliveries.last().filter(|_| has_more || is_cut);
    let next = next.map(|delivery| delivery.delivery_id.to_string());
    let next_page_token = page_token::next(digest, next.as_deref());
    Ok(ListAlertDeliveriesResponse { deliveries, next_page_token })
}

pub(super) async fn retry_alert_delivery(
    alerts: &Alerts,
    request: &RetryAlertDeliveryRequest,
    scope: Scope,
) -> Result<RetryAlertDeliveryResponse, Error> {
    let mut violations = Violations::default();
    let id = Some(request.delivery_id).filter(|&id| id > 0);
    let id = violations.require(id, "delivery_id", "must be the id of a delivery, above 0");
    alerts.retry_delivery(violations.finish(id)?, scope).await?;
    Ok(RetryAlertDeliveryResponse {})
}

fn delivery_pb(delivery: ListedDelivery) -> AlertDelivery {
    let kind = match delivery.channel {
        Channel::Webhook => Kind::WebhookUrl(delivery.target),
        Channel::Email => Kind::Email(delivery.target),
    };
    let state = match delivery.state {
        DeliveryState::Pending => AlertDeliveryState::Pending,
        DeliveryState::Delivered => AlertDeliveryState::Delivered,
        DeliveryState::Dead => AlertDeliveryState::Dead,
        DeliveryState::Outdated => AlertDeliveryState::Outdated,
    };
    let is_pending = delivery.state == DeliveryState::Pending;
    AlertDelivery {
        delivery_id: delivery.delivery_id,
        event_id: delivery.event_id,
        rule_id: delivery.rule_id.to_string(),
        recipient: Some(AlertRecipient { kind: Some(kind) }),
        state: state.into(),
        attempts: delivery.attempts,
        due_at: is_pending.then(|| timestamp(delivery.due_at)),
        settled_at: delivery.settled_at.map(timestamp),
        last_error: delivery.last_error.unwrap_or_default(),
    }
}
