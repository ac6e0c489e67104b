//! What recipients are told, in the words of each channel.

use serde_json::json;

use crate::{outbound::mail::Mail, store::alert_events::AlertEvent};

/// An event as a webhook is sent it.
pub(super) fn webhook_body(event: &AlertEvent) -> String {
    let text = |number: &Option<_>| number.as_ref().map(ToString::to_string);
    json!({
        "type": if event.is_firing { "alert.firing" } else { "alert.resolved" },
        "timestamp": event.occurred_at.to_rfc3339(),
        "data": {
            "event_id": event.event_id,
            "rule_id": event.rule_id.to_string(),
            "rule_name": event.rule_name,
            "user_uuid": event.user_uuid.to_string(),
            "symbol": event.symbol,
            "condition": event.kind,
            "threshold": event.threshold.to_string(),
            "firing": event.is_firing,
            "occurred_at": event.occurred_at.to_rfc3339(),
            "price": text(&event.price),
            "value": text(&event.value),
            "tick_count": event.tick_count,
            "recorded_at": event.recorded_at.to_rfc3339(),
        },
    })
    .to_string()
}

/// An event as a mailbox is sent it.
pub(super) fn mail<'a>(event: &AlertEvent, to: &'a str) -> Mail<'a> {
    let AlertEvent { symbol, rule_name, threshold, .. } = event;
    let verb = if event.is_firing { "fires" } else { "is over" };
    let mut body = format!("The alert rule \"{rule_name}\" {verb} for {symbol}.\n\n");
    let condition = match event.kind.as_str() {
        "times_average" => format!("price of at least {threshold} times the average before"),
        "above" => format!("price of at least {threshold}"),
        "below" => format!("price of at most {threshold}"),
        "change" => format!("change of {threshold} percent"),
        _ => "no data".to_owned(),
    };
    body.push_str(&format!("Watched for: {condition}\n"));
    body.push_str(&format!("At:          {}\n", event.occurred_at.to_rfc3339()));
    if let Some(price) = &event.price {
        body.push_str(&format!("Price:       {price}\n"));
    }
    if let Some(value) = &event.value {
        body.push_str(&format!("Value:       {value}\n"));
    }
    if let Some(count) = event.tick_count {
        body.push_str(&format!("Ticks:       {count}\n"));
    }
    body.push_str(&format!("Rule:        {}\nEvent:       {}\n", event.rule_id, event.event_id));
    Mail {
        to,
        id: format!("alert.{}.{}", event.rule_id, event.event_id),
        subject: format!("{symbol}: {rule_name} {verb}"),
        body,
    }
}
