//! Calls in JSON, and in Protobuf without a frame: Connect's unary form.

use std::{io::Write, time::Duration};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use daybook::grpc::pb::v1::{ListUsersRequest, ListUsersResponse, WatchAlertsRequest};
use flate2::{Compression, write::GzEncoder};
use http::Request;
use prost::Message;
use serde_json::{Value, json};
use tonic::Code;

use crate::support::{
    http::{WebClient, ask, connect_stream, framed, json as call},
    ledger::{add_user, ensure_days},
    raw::{LIST_USERS, RawClient, SUM_AMOUNT},
    rows::NewRow,
    service::{TestService, new_target, settings},
};

fn gzip(bytes: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap().into()
}

#[tokio::test]
async fn a_sum_is_asked_for_with_plain_http() {
    let service = TestService::start().await;
    ensure_days(&service.sql, &["2024-05-05"]).await;
    let user = add_user(&service.sql, "ann").await;
    let other = add_user(&service.sql, "bob").await;
    let row = NewRow::new("2024-05-05T10:00:00Z", user.account_id, other.account_id);
    row.add(&service.sql).await;
    let window = json!({"start": "2024-05-05T00:00:00Z", "end": "2024-05-06T02:00:00+02:00"});
    // Fields as in JSON and as in the contract; an enum by its name and by its number.
    let uuid = user.user_uuid.to_string();
    for request in [
        json!({"userUuid": uuid, "window": window, "direction": "DIRECTION_SENDER"}),
        json!({"user_uuid": uuid, "window": window, "direction": 1}),
    ] {
        let first = ask(service.address, call(SUM_AMOUNT), request.to_string()).await;
        let raw = RawClient::open(service.address).await;
        let charset = Request::post(SUM_AMOUNT)
            .header("content-type", "application/json; charset=utf-8")
            .header("connect-protocol-version", "1")
            .header("connect-timeout-ms", "5000");
        let second = raw.ask(charset, request.to_string()).await.unwrap();
        for said in [first, second] {
            assert_eq!((said.status, said.header("content-type")), (200, "application/json"));
            assert_eq!(said.header("x-request-id").len(), 36);
            assert!(said.headers.get("grpc-status").is_none(), "{said:?}");
            let answer = said.json();
            assert_eq!(answer["transactionCount"], "1", "{answer}");
            let end: DateTime<Utc> = answer["window"]["end"].as_str().unwrap().parse().unwrap();
            assert_eq!(end.to_rfc3339(), "2024-05-06T00:00:00+00:00");
        }
    }
}

#[tokio::test]
async fn a_message_may_be_protobuf_and_compressed() {
    let service = TestService::start().await;
    add_user(&service.sql, "ann").await;
    let request = ListUsersRequest { page_size: 1, ..Default::default() }.encode_to_vec();
    for (encoding, sent) in [
        (None, Bytes::from(request.clone())),
        (Some("identity"), request.clone().into()),
        (Some("gzip"), gzip(&request)),
        (None, Bytes::new()),
    ] {
        let mut call = Request::post(LIST_USERS).header("content-type", "application/proto");
        if let Some(encoding) = encoding {
            call = call.header("content-encoding", encoding);
        }
        let said = ask(service.address, call, sent).await;
        assert_eq!((said.status, said.header("content-type")), (200, "application/proto"));
        assert_eq!(ListUsersResponse::decode(said.body).unwrap().users[0].username, "ann");
    }
    let zipped = call(LIST_USERS).header("content-encoding", "gzip");
    let said = ask(service.address, zipped, gzip(br#"{"pageSize": 1}"#)).await;
    assert_eq!(said.json()["users"][0]["username"], "ann");
}

/// Code, message and the first field that is complained of.
fn failure(said: &Value) -> (&str, &str, &str) {
    let detail = &said["details"][0]["debug"]["fieldViolations"][0]["field"];
    (
        said["code"].as_str().unwrap(),
        said["message"].as_str().unwrap(),
        detail.as_str().unwrap_or_default(),
    )
}

#[tokio::test]
async fn what_is_wrong_is_told_in_json_with_a_status_of_http() {
    let mut settings = settings();
    settings.server.request_bytes_max = 2_048;
    let service = TestService::start_with(new_target(), settings).await;
    let long = format!(r#"{{"pageToken": "{}"}}"#, "x".repeat(3_000));
    let unknown = format!(r#"{{"{}": 1}}"#, "y".repeat(1_000));
    for (sent, status, code, words, field) in [
        (r#"{"pageSize": -1}"#, 400, "invalid_argument", "page_size", "page_size"),
        (r#"{"pagesize": 1}"#, 400, "invalid_argument", "'pagesize'", "message"),
        (&*unknown, 400, "invalid_argument", "unrecognized field", "message"),
        (r#"{"pageSize": 1, "pageSize": 2}"#, 400, "invalid_argument", "'pageSize'", "message"),
        (r#"{"pageSize": 1, "page_size": 1}"#, 400, "invalid_argument", "given twice", "message"),
        (r#"{"pageSize": "x"}"#, 400, "invalid_argument", "cannot be read", "message"),
        (r#"{"pageSize": 1"#, 400, "invalid_argument", "cannot be read", "message"),
        (r#"{} {}"#, 400, "invalid_argument", "cannot be read", "message"),
        ("", 400, "invalid_argument", "cannot be read", "message"),
        ("[]", 400, "invalid_argument", "cannot be read", "message"),
        (&long, 400, "out_of_range", "the limit is 2048 bytes", ""),
    ] {
        let said = ask(service.address, call(LIST_USERS), sent.to_owned()).await;
        assert_eq!((said.status, said.header("content-type")), (status, "application/json"));
        assert_eq!(said.header("x-request-id").len(), 36);
        let (found, message, complained) = (said.json(), words, field);
        let (code_found, message_found, field_found) = failure(&found);
        assert_eq!((code_found, field_found), (code, complained), "{sent}: {found}");
        assert!(message_found.contains(message) && message_found.len() < 600, "{found}");
    }
    let detail = &ask(service.address, call(LIST_USERS), "[]").await.json()["details"][0];
    assert_eq!(detail["type"], "google.rpc.BadRequest");
    assert!(!detail["value"].as_str().unwrap().contains('='), "{detail}");
    let unknown = json!({"userUuid": "00000000-0000-0000-0000-000000000001"}).to_string();
    let said = ask(service.address, call("/daybook.v1.LedgerService/GetUser"), unknown).await;
    assert_eq!((said.status, failure(&said.json()).0.to_owned()), (404, "not_found".to_owned()));
}

#[tokio::test]
async fn headers_that_are_wrong_are_named() {
    let mut settings = settings();
    settings.server.request_bytes_max = 1_024;
    let service = TestService::start_with(new_target(), settings).await;
    let mut client = WebClient::open(service.address).await;
    for (name, value, status, code, words) in [
        ("connect-protocol-version", "2", 400, "invalid_argument", "connect-protocol-version"),
        ("connect-timeout-ms", "soon", 400, "invalid_argument", "connect-timeout-ms"),
        ("connect-timeout-ms", "12345678901", 400, "invalid_argument", "connect-timeout-ms"),
        ("connect-timeout-ms", "0", 504, "deadline_exceeded", "deadline"),
        ("content-encoding", "br", 501, "unimplemented", "identity or gzip"),
        ("content-encoding", "gzip", 400, "invalid_argument", "not compressed with gzip"),
    ] {
        let said = client.ask(call(LIST_USERS).header(name, value), "{}").await.unwrap();
        let told = said.json();
        let (found, message, _) = failure(&told);
        assert_eq!((said.status, found), (status, code), "{name}: {value}");
        assert!(message.contains(words), "{message}");
    }
    for (charset, status) in [("utf-8", 200), ("\"UTF-8\"", 200), ("latin1", 415)] {
        let content_type = format!("application/json; charset={charset}");
        let call = Request::post(LIST_USERS).header("content-type", content_type);
        let said = client.ask(call, "{}").await.unwrap();
        assert_eq!(said.status, status, "{charset}");
    }
    // A little that becomes much.
    let bomb = gzip(&vec![b' '; 10_000_000]);
    let bomb = bomb.slice(..bomb.len().min(1_000));
    let zipped = call(LIST_USERS).header("content-encoding", "gzip");
    let said = client.ask(zipped, bomb).await.unwrap();
    assert_eq!(failure(&said.json()).0, "out_of_range");
}

#[tokio::test]
async fn only_unary_calls_are_answered_in_json() {
    let service = TestService::start().await;
    let watch = "/daybook.v1.PriceService/WatchAlerts";
    let record = "/daybook.v1.IngestService/RecordTransactions";
    for path in [watch, record, "/grpc.health.v1.Health/Watch", "/daybook.v1.Nothing/Nothing"] {
        let said = ask(service.address, call(path), "{}").await;
        assert_eq!((said.status, failure(&said.json()).0), (501, "unimplemented"), "{path}");
    }
    // In Protobuf they are, with the frames of gRPC and an end in JSON.
    let wrong = WatchAlertsRequest { after_event_id: Some(-1), ..Default::default() };
    let said = ask(service.address, connect_stream(watch), framed(&wrong)).await;
    assert_eq!(said.header("content-type"), "application/connect+proto");
    assert_eq!(said.end(), Code::InvalidArgument);
    let late = connect_stream(watch).header("connect-timeout-ms", "0");
    let said = ask(service.address, late, framed(&wrong)).await;
    assert_eq!(said.end(), Code::DeadlineExceeded);
    let zipped = connect_stream(watch).header("connect-content-encoding", "gzip");
    let said = ask(service.address, zipped, framed(&wrong)).await;
    assert_eq!(said.end(), Code::Unimplemented);
    let stream = Request::post(watch).header("content-type", "application/connect+json");
    let said = ask(service.address, stream, &b"\0\0\0\0\x02{}"[..]).await;
    assert_eq!(said.header("content-type"), "application/connect+json");
    assert_eq!(said.end(), Code::Unimplemented);
    // Reading is never a call.
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"] {
        let request = Request::builder().method(method).uri(LIST_USERS);
        let said = ask(service.address, request, "").await;
        assert_eq!(said.status, 405, "{method}");
    }
    let said = ask(service.address, call("/grpc.health.v1.Health/Check"), "{}").await;
    assert_eq!((said.status, &said.json()), (200, &json!({"status": "SERVING"})));
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_back() {
    let mut settings = settings();
    settings.server.address_rate_max = 1;
    let service = TestService::start_with(new_target(), settings).await;
    let mut client = WebClient::open(service.address).await;
    let mut refused = None;
    for _ in 0..20 {
        let said = client.ask(call(LIST_USERS), "{}").await.unwrap();
        if said.status != 200 {
            refused = Some(said);
            break;
        }
    }
    let refused = refused.expect("one a second is let in");
    assert_eq!((refused.status, refused.header("retry-after")), (429, "1"));
    assert_eq!(failure(&refused.json()).0, "resource_exhausted");
}

#[tokio::test]
async fn a_fault_of_our_own_tells_nothing_but_its_number() {
    let service = TestService::start().await;
    service.sql.batch_execute("DROP TABLE users CASCADE").await.unwrap();
    let said = ask(service.address, call(LIST_USERS), "{}").await;
    let message = format!("internal error (request {})", said.header("x-request-id"));
    assert_eq!((said.status, said.json()), (500, json!({"code": "internal", "message": message})));
    let took = tokio::time::timeout(Duration::from_secs(5), async {
        ask(service.address, call("/grpc.health.v1.Health/Check"), "{}").await
    });
    assert_eq!(took.await.unwrap().status, 200);
}
