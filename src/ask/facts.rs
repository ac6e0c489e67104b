//! An answer of single facts, a line each, by the descriptors of its type: what a later contract
//! adds to it is shown too.

use chrono_tz::Tz;
use prost_reflect::{DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, ReflectMessage, Value};
use prost_types::Timestamp;

use crate::ask::instants;

/// Single values of a list that are shown.
const SHOWN_MAX: usize = 10;

/// The facts of a message: names in words, and values. What is not set has none, but for the
/// numbers and flags that are always there.
pub(super) fn of(message: &DynamicMessage, zone: Tz) -> Vec<(String, String)> {
    let mut facts = Vec::new();
    collect(message, "", zone, &mut facts);
    facts
}

/// Facts as lines, their values below each other.
pub(super) fn lines(facts: &[(String, String)]) -> Vec<String> {
    let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    facts.iter().map(|(name, value)| format!("{name:width$}  {value}")).collect()
}

fn collect(message: &DynamicMessage, within: &str, zone: Tz, facts: &mut Vec<(String, String)>) {
    for field in message.descriptor().fields() {
        if field.supports_presence() && !message.has_field(&field) {
            continue;
        }
        let name = format!("{within}{}", field.name().replace('_', " "));
        let value = message.get_field(&field);
        if let Some(inner) = value.as_message() {
            match instant(inner) {
                Some(at) => facts.push((name, instants::show(Some(&at), zone))),
                None => collect(inner, &format!("{name} "), zone, facts),
            }
        } else if let Some(values) = value.as_list() {
            facts.push((name, list(values, &field)));
        } else if value.as_str() != Some("") {
            facts.push((name, single(&value, &field)));
        }
    }
}

fn instant(message: &DynamicMessage) -> Option<Timestamp> {
    if message.descriptor().full_name() != "google.protobuf.Timestamp" {
        return None;
    }
    message.transcode_to().ok()
}

fn list(values: &[Value], field: &FieldDescriptor) -> String {
    let is_message = matches!(field.kind(), Kind::Message(_));
    if values.is_empty() || is_message {
        return format!("{}{}", values.len(), if values.is_empty() { "" } else { " (--json)" });
    }
    let mut shown: Vec<String> =
        values.iter().take(SHOWN_MAX).map(|value| single(value, field)).collect();
    if values.len() > SHOWN_MAX {
        shown.push(format!("and {} more", values.len() - SHOWN_MAX));
    }
    shown.join(", ")
}

fn single(value: &Value, field: &FieldDescriptor) -> String {
    match (value, field.kind()) {
        (Value::EnumNumber(number), Kind::Enum(kind)) => in_words(&kind, *number),
        (Value::Bool(is_so), _) => if *is_so { "yes" } else { "no" }.to_owned(),
        (Value::String(text), _) => text.clone(),
        (Value::F64(number), _) => number.to_string(),
        (Value::F32(number), _) => number.to_string(),
        (Value::I32(number), _) => number.to_string(),
        (Value::I64(number), _) => number.to_string(),
        (Value::U32(number), _) => number.to_string(),
        (Value::U64(number), _) => number.to_string(),
        (other, _) => other.to_string(),
    }
}

/// The value of an enum without the name of the enum that it begins with.
fn in_words(kind: &EnumDescriptor, number: i32) -> String {
    let Some(value) = kind.get_value(number) else { return number.to_string() };
    let mut prefix = String::new();
    for c in kind.name().chars() {
        if c.is_ascii_uppercase() && !prefix.is_empty() {
            prefix.push('_');
        }
        prefix.push(c.to_ascii_uppercase());
    }
    let bare = value.name().strip_prefix(&format!("{prefix}_")).unwrap_or(value.name());
    bare.to_ascii_lowercase().replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ask::json, client::v1};

    #[test]
    fn every_fact_has_a_line_and_what_is_not_set_has_none() {
        let verifier = v1::VerifierStatus { is_running: true, checks: 7, ..Default::default() };
        let status = v1::GetStatusResponse {
            partition_count: 3,
            first_day: "2026-06-01".to_owned(),
            detached_days: vec!["2026-06-02".to_owned()],
            sealed_until: Some("2026-06-03T00:00:00Z".parse().expect("an instant")),
            verifier: Some(verifier),
            ..Default::default()
        };
        let dynamic = json::dynamic_answer("daybook.v1.StatusService/GetStatus", &status);
        let lines = lines(&of(&dynamic, Tz::Europe__Berlin));
        let text = lines.join("\n");
        for line in [
            "partition count            3",
            "detached days              2026-06-02",
            "sealed until               2026-06-03T02:00:00+02:00",
            "verifier is running        yes",
            "verifier mismatches        0",
        ] {
            assert!(lines.iter().any(|found| squeezed(found) == squeezed(line)), "{line}:\n{text}");
        }
        assert!(!text.contains("last day") && !text.contains("last checked at"), "{text}");
    }

    #[test]
    fn enums_are_words() {
        let token =
            v1::Token { sync_state: v1::TokenSyncState::Parked.into(), ..Default::default() };
        let answer = v1::GetTokenResponse { token: Some(token), ..Default::default() };
        let dynamic = json::dynamic_answer("daybook.v1.TokenService/GetToken", &answer);
        let facts = of(&dynamic, Tz::UTC);
        assert!(facts.contains(&("token sync state".to_owned(), "parked".to_owned())), "{facts:?}");
    }

    fn squeezed(text: &str) -> String {
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}
