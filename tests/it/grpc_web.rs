//! gRPC-Web: what connect-web and `buf curl --protocol grpcweb` send, over both versions of HTTP.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use daybook::grpc::pb::v1::{
    CreateUserRequest, ListUsersRequest, ListUsersResponse, WatchAlertsRequest,
};
use http::Request;
use prost::Message;
use tonic::Code;
use tonic_health::pb::HealthCheckResponse;
use tonic_types::StatusExt;

use crate::support::{
    http::{WebClient, ask, finish, framed, grpc_web, unframed},
    ledger::add_user,
    raw::{LIST_USERS, RawClient},
    service::{TestService, new_target, settings},
};

const WATCH_ALERTS: &str = "/daybook.v1.PriceService/WatchAlerts";

#[tokio::test]
async fn unary_calls_are_answered_in_each_form_and_version() {
    let service = TestService::start().await;
    add_user(&service.sql, "ann").await;
    let request = framed(&ListUsersRequest::default());
    for (form, is_text) in [
        ("application/grpc-web", false),
        ("application/grpc-web+proto", false),
        ("application/grpc-web+proto; charset=utf-8", false),
        ("application/grpc-web-text", true),
        ("application/grpc-web-text+proto", true),
    ] {
        let sent = if is_text { STANDARD.encode(&request).into() } else { request.clone() };
        let call = || {
            let accepted = form.split(';').next().unwrap();
            Request::post(LIST_USERS).header("content-type", form).header("accept", accepted)
        };
        let first = ask(service.address, call(), sent.clone()).await;
        let raw = RawClient::open(service.address).await;
        let second = raw.ask(call(), sent).await.unwrap();
        for said in [first, second] {
            assert_eq!(said.status, 200, "{form}: {said:?}");
            assert!(said.header("content-type").starts_with("application/grpc-web"), "{said:?}");
            assert_eq!(said.header("x-request-id").len(), 36);
            let body = match is_text {
                true => decoded(&said.body),
                false => said.body.clone(),
            };
            let (messages, status) = unframed(&said.headers, body);
            assert_eq!(status.code(), Code::Ok, "{status:?}");
            let page = ListUsersResponse::decode(messages[0].clone()).unwrap();
            assert_eq!((messages.len(), &*page.users[0].username), (1, "ann"));
        }
    }
}

/// Base64 in pieces, each padded by itself.
fn decoded(text: &[u8]) -> Bytes {
    let pieces = text.split_inclusive(|&byte| byte == b'=').collect::<Vec<_>>();
    let mut bytes = Vec::new();
    let mut piece = Vec::new();
    for part in pieces {
        // A second sign of padding is a part of its own.
        if part == b"=" {
            piece.extend(part);
            continue;
        }
        if piece.ends_with(b"=") {
            bytes.extend(STANDARD.decode(&piece).unwrap());
            piece.clear();
        }
        piece.extend(part);
    }
    bytes.extend(STANDARD.decode(&piece).unwrap());
    bytes.into()
}

#[tokio::test]
async fn errors_bring_their_details() {
    let service = TestService::start().await;
    let request = framed(&ListUsersRequest { page_size: -1, ..Default::default() });
    let said = ask(service.address, grpc_web(LIST_USERS), request).await;
    assert_eq!(said.status, 200);
    let (messages, status) = unframed(&said.headers, said.body);
    assert_eq!((messages.len(), status.code()), (0, Code::InvalidArgument));
    let fields = status.get_details_bad_request().unwrap().field_violations;
    assert_eq!(fields[0].field, "page_size");
    let nothing = "/daybook.v1.LedgerService/Nothing";
    let said = ask(service.address, grpc_web(nothing), Bytes::from_static(&[0; 5])).await;
    assert_eq!(unframed(&said.headers, said.body).1.code(), Code::Unimplemented);
    // A frame that is none, and Base64 that is none.
    let said = ask(service.address, grpc_web(LIST_USERS), &b"\0\0\0\0\x02\x08"[..]).await;
    assert_eq!(unframed(&said.headers, said.body).1.code(), Code::InvalidArgument);
    let text = Request::post(LIST_USERS).header("content-type", "application/grpc-web-text");
    let said = ask(service.address, text, "####").await;
    assert_eq!(unframed(&said.headers, said.body).1.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn streams_of_answers_go_on_until_their_end() {
    let service = TestService::start().await;
    let health = "/grpc.health.v1.Health/Watch";
    let mut client = WebClient::open(service.address).await;
    let begun = client.begin(grpc_web(health), Bytes::from_static(&[0; 5])).await.unwrap();
    // It ends with the server, which says so before.
    let (said, _) = tokio::join!(finish(begun), service.end());
    let said = said.unwrap();
    let (messages, status) = unframed(&said.headers, said.body);
    assert_eq!(status.code(), Code::Ok, "{status:?}");
    let told = HealthCheckResponse::decode(messages[0].clone()).unwrap();
    assert_eq!(told.status, 1);
    assert!(messages.len() > 1, "{messages:?}");
}

#[tokio::test]
async fn limits_and_deadlines_hold_as_in_plain_grpc() {
    let mut settings = settings();
    settings.alerts.alert_streams_max = 1;
    settings.server.request_bytes_max = 1_024;
    let service = TestService::start_with(new_target(), settings).await;
    let user = add_user(&service.sql, "ann").await;
    let watch = WatchAlertsRequest { user_uuid: user.user_uuid.to_string(), ..Default::default() };
    let held = RawClient::open(service.address).await;
    let _held = held.begin(WATCH_ALERTS, &watch).await.0.await.unwrap();
    let said = ask(service.address, grpc_web(WATCH_ALERTS), framed(&watch)).await;
    assert_eq!(unframed(&said.headers, said.body).1.code(), Code::ResourceExhausted);
    let long = CreateUserRequest { name: "x".repeat(2_000), ..Default::default() };
    let path = "/daybook.v1.LedgerService/CreateUser";
    let said = ask(service.address, grpc_web(path), framed(&long)).await;
    assert_eq!(unframed(&said.headers, said.body).1.code(), Code::OutOfRange);
    let late = grpc_web(LIST_USERS).header("grpc-timeout", "0m");
    let said = ask(service.address, late, Bytes::from_static(&[0; 5])).await;
    assert_eq!(unframed(&said.headers, said.body).1.code(), Code::DeadlineExceeded);
    let request = framed(&ListUsersRequest::default());
    let mut client = WebClient::open(service.address).await;
    for _ in 0..3 {
        let asked = client.ask(grpc_web(LIST_USERS), request.clone());
        let said = tokio::time::timeout(Duration::from_secs(5), asked).await.unwrap().unwrap();
        assert_eq!(unframed(&said.headers, said.body).1.code(), Code::Ok);
    }
}
