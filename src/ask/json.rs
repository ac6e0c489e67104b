//! Requests and answers as JSON, as gRPC's tools write it, by the descriptors of the contracts.

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};
use serde_json::Serializer;

use crate::grpc::pb::DESCRIPTORS;

/// A request on one line.
pub(super) fn question(rpc: &str, message: &impl Message) -> String {
    let mut text = Vec::new();
    write(&mut Serializer::new(&mut text), &dynamic(types_of(rpc).0, message));
    String::from_utf8(text).unwrap_or_default()
}

/// An answer over many lines.
pub(super) fn answer(rpc: &str, message: &impl Message) -> String {
    let mut text = Vec::new();
    write(&mut Serializer::pretty(&mut text), &dynamic(types_of(rpc).1, message));
    text.push(b'\n');
    String::from_utf8(text).unwrap_or_default()
}

/// An answer with its descriptors.
pub(super) fn dynamic_answer(rpc: &str, message: &impl Message) -> DynamicMessage {
    dynamic(types_of(rpc).1, message)
}

/// A word for a shell: whatever is in it, it is one, and nothing in it is run.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The types of an rpc's request and answer.
fn types_of(rpc: &str) -> (MessageDescriptor, MessageDescriptor) {
    let pool = DescriptorPool::decode(DESCRIPTORS)
        .expect("the descriptors were compiled when this was built");
    let (service, method) = rpc.split_once('/').expect("an rpc is a service and a method");
    let service = pool.get_service_by_name(service).expect("rpcs that are asked are contracts'");
    let method = service.methods().find(|found| found.name() == method);
    let method = method.expect("rpcs that are asked are contracts'");
    (method.input(), method.output())
}

fn dynamic(of: MessageDescriptor, message: &impl Message) -> DynamicMessage {
    let mut dynamic = DynamicMessage::new(of);
    dynamic.transcode_from(message).expect("a message has the type that its rpc names");
    dynamic
}

fn write<W, F>(into: &mut Serializer<W, F>, message: &DynamicMessage)
where
    W: std::io::Write,
    F: serde_json::ser::Formatter,
{
    let written = message.serialize_with_options(into, &SerializeOptions::new());
    written.expect("a buffer in memory takes what is written");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::v1;

    const SUM: &str = "daybook.v1.AnalyticsService/SumAmount";

    #[test]
    fn messages_are_written_as_grpcs_tools_write_them() {
        let window =
            v1::Window { start: Some("2026-06-01T00:00:00Z".parse().expect("one")), end: None };
        let request = v1::SumAmountRequest {
            subject: Some(v1::sum_amount_request::Subject::UserUuid("it's me".to_owned())),
            window: Some(window),
            direction: v1::Direction::Sender.into(),
            ..Default::default()
        };
        let text = question(SUM, &request);
        let window = r#""window":{"start":"2026-06-01T00:00:00Z"}"#;
        let side = r#""direction":"DIRECTION_SENDER""#;
        assert_eq!(text, format!(r#"{{"userUuid":"it's me",{window},{side}}}"#));
        assert!(quoted(&text).contains(r#""it'\''s me""#));
        let found = v1::SumAmountResponse { transaction_count: 3, ..Default::default() };
        assert_eq!(answer(SUM, &found), "{\n  \"transactionCount\": \"3\"\n}\n");
    }
}
