//! Which calls may be made again, and what makes them so.
//!
//! An rpc with one request and one answer may: those that ask change nothing, and the contracts
//! promise of those that write that the same request again is answered the same and changes
//! nothing. Two let the server make an id, so that the same request twice would record twice: they
//! get an id here, before the first try. One tells of what it did only once; it is not made again.

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;
use prost_types::FileDescriptorSet;
use uuid::Uuid;

use crate::grpc::pb::{DESCRIPTORS, v1};

/// What stands before a message on the wire: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;

/// Asks for a delivery that was given up; once that was done there is none that was given up, so a
/// second try would be told NOT_FOUND although the first one was heard.
const ONCE: &str = "/daybook.v1.PriceService/RetryAlertDelivery";

const RECORD_TRANSACTION: &str = "/daybook.v1.IngestService/RecordTransaction";
const CREATE_ALERT_RULE: &str = "/daybook.v1.PriceService/CreateAlertRule";

/// Paths of all rpcs with one request and one answer that may be made again.
pub(super) fn unary_paths() -> Vec<String> {
    let contracts = FileDescriptorSet::decode(DESCRIPTORS)
        .expect("the descriptors were encoded when this was built");
    let mut paths = Vec::new();
    for file in contracts.file {
        for service in &file.service {
            let unary = service
                .method
                .iter()
                .filter(|rpc| !rpc.client_streaming() && !rpc.server_streaming());
            let path = |rpc: &str| format!("/{}.{}/{rpc}", file.package(), service.name());
            paths.extend(unary.map(|rpc| path(rpc.name())).filter(|path| path != ONCE));
        }
    }
    paths
}

/// The request as it is sent, each time the same: with an id where the server would make one.
pub(super) fn with_id(path: &str, sent: Bytes) -> Bytes {
    let is_plain = sent.len() >= PREFIX_BYTES && sent[0] == 0;
    if !is_plain {
        return sent;
    }
    let message = &sent[PREFIX_BYTES..];
    // What cannot be read the server answers for.
    match path {
        RECORD_TRANSACTION => match v1::RecordTransactionRequest::decode(message) {
            Ok(mut request) => match &mut request.transaction {
                Some(row) if row.transaction_id.is_empty() => {
                    row.transaction_id = Uuid::now_v7().to_string();
                    frame(&request)
                }
                _ => sent,
            },
            Err(_) => sent,
        },
        CREATE_ALERT_RULE => match v1::CreateAlertRuleRequest::decode(message) {
            Ok(mut request) if request.rule_id.is_empty() => {
                request.rule_id = Uuid::now_v7().to_string();
                frame(&request)
            }
            _ => sent,
        },
        _ => sent,
    }
}

/// A message as it is sent.
fn frame(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut sent = BytesMut::with_capacity(PREFIX_BYTES + length);
    sent.put_u8(0);
    sent.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    message.encode(&mut sent).expect("a buffer in memory grows until a message fits");
    sent.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_and_what_is_told_once_are_not_made_again() {
        let paths = unary_paths();
        for path in ["/daybook.v1.AnalyticsService/SumAmount", RECORD_TRANSACTION] {
            assert!(paths.iter().any(|found| found == path), "{path}");
        }
        for path in [
            ONCE,
            "/daybook.v1.IngestService/RecordTransactions",
            "/daybook.v1.PriceService/WatchAlerts",
            "/daybook.v1.SyncService/WatchSyncJob",
            "/grpc.health.v1.Health/Check",
        ] {
            assert!(paths.iter().all(|found| found != path), "{path}");
        }
        // The paths that this file names exist.
        assert!(crate::grpc::policy::policy_of(ONCE).is_some());
        assert!(paths.iter().any(|found| found == CREATE_ALERT_RULE));
    }

    #[test]
    fn a_row_without_an_id_gets_one_and_keeps_everything_else() {
        let row = v1::NewTransaction { amount: "12.50".to_owned(), ..Default::default() };
        let request =
            v1::RecordTransactionRequest { transaction: Some(row), create_accounts: true };
        let sent = with_id(RECORD_TRANSACTION, frame(&request));
        let mut found = v1::RecordTransactionRequest::decode(&sent[PREFIX_BYTES..]).expect("it is");
        let id = std::mem::take(&mut found.transaction.as_mut().expect("a row").transaction_id);
        assert!(Uuid::parse_str(&id).is_ok_and(|id| id.get_version_num() == 7), "{id}");
        assert_eq!(found, request);
        // Once more, and there is nothing to do.
        assert_eq!(with_id(RECORD_TRANSACTION, sent.clone()), sent);
        let rule = with_id(CREATE_ALERT_RULE, frame(&v1::CreateAlertRuleRequest::default()));
        let found = v1::CreateAlertRuleRequest::decode(&rule[PREFIX_BYTES..]).expect("it is");
        assert!(Uuid::parse_str(&found.rule_id).is_ok());
    }

    #[test]
    fn what_is_no_message_is_left_alone() {
        for sent in [&b""[..], b"\0\0", b"\0\0\0\0\x02\xff\xff", b"\x01\0\0\0\0"] {
            let sent = Bytes::from_static(sent);
            assert_eq!(with_id(RECORD_TRANSACTION, sent.clone()), sent);
        }
    }
}
