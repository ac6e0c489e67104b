//! The transport, by hand: who may connect, who must speak, and what a flood earns.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::{Buf, BufMut, BytesMut};
use daybook::{
    config::{Reflection, ServeSettings},
    grpc::{
        admission::Gate,
        pb::v1::ListUsersRequest,
        request_layer::{RequestLayer, RequestLimits},
    },
};
use http::{HeaderMap, Request, Response};
use prost::Message;
use prost_types::FileDescriptorProto;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    sync::watch,
};
use tonic::{Code, Status, body::Body};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_types::StatusExt;
use tower::{Layer, ServiceExt};

use crate::support::{
    cluster::eventually,
    raw::{LIST_USERS, RawClient, SUM_AMOUNT},
    service::{TestService, new_target, settings},
    slow::{SlowService, quick, slow},
};

/// Preface of HTTP/2 and an empty SETTINGS frame (RFC 9113, sections 3.4 and 6.5).
const GREETING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

async fn start(change: impl FnOnce(&mut ServeSettings)) -> TestService {
    let mut settings = settings();
    change(&mut settings);
    TestService::start_with(new_target(), settings).await
}

/// Reads until the peer closes; returns how long that took.
async fn until_closed(stream: &mut TcpStream) -> Duration {
    let begun_at = Instant::now();
    let mut bytes = Vec::new();
    // A reset is an end as well.
    let _ = stream.read_to_end(&mut bytes).await;
    begun_at.elapsed()
}

#[tokio::test]
async fn who_does_not_speak_in_time_is_closed_and_who_does_stays() {
    let service = start(|settings| settings.server.first_bytes_timeout_ms = 300).await;
    let speaker = RawClient::open(service.address).await;
    let mut greeter = TcpStream::connect(service.address).await.unwrap();
    greeter.write_all(GREETING).await.unwrap();
    for (what, bytes) in [
        ("nothing", &b""[..]),
        ("half the preface", &GREETING[..12]),
        ("the preface alone", &GREETING[..24]),
        ("all but one byte", &GREETING[..32]),
    ] {
        let mut silent = TcpStream::connect(service.address).await.unwrap();
        silent.write_all(bytes).await.unwrap();
        let took = until_closed(&mut silent).await;
        let (least, most) = (Duration::from_millis(250), Duration::from_millis(800));
        assert!((least..most).contains(&took), "{what}: closed after {took:?}");
    }
    // Both have outlived the time limit by far, though one never asked anything.
    let answer = speaker.call(LIST_USERS, &quick(), None).await.unwrap();
    assert_eq!(answer.status.code(), Code::Ok);
    greeter.write_all(&frame(SETTINGS, 1, 0, b"")).await.unwrap();
    greeter.write_all(&frame(6, 0, 0, b"12345678")).await.unwrap();
    let pong = read_until(&mut greeter, 6).await.expect("it answers a ping");
    assert_eq!(&pong[..], b"12345678");
}

#[tokio::test]
async fn other_protocols_are_closed_at_once() {
    let service = start(|_| ()).await;
    for words in [&b"SSH-2.0-OpenSSH_9.2\r\n"[..], b"*1\r\n$4\r\nINFO\r\n", &[0x16; 64]] {
        let mut stream = TcpStream::connect(service.address).await.unwrap();
        stream.write_all(words).await.unwrap();
        let took = until_closed(&mut stream).await;
        assert!(took < Duration::from_secs(1), "{took:?}");
    }
}

#[tokio::test]
async fn what_a_page_elsewhere_may_make_a_browser_send_is_not_answered() {
    let service = start(|_| ()).await;
    let client = RawClient::open(service.address).await;
    for path in [LIST_USERS, "/grpc.health.v1.Health/Check", "/nowhere"] {
        // What a form or a script sends without asking first (Fetch, "CORS-safelisted").
        for content_type in [
            None,
            Some(""),
            Some("text/plain"),
            Some("application/x-www-form-urlencoded"),
            Some("multipart/form-data; boundary=x"),
            Some("application/grpcx"),
            Some("text/plain; application/grpc"),
        ] {
            for (origin, expected) in [(None, 415), (Some("https://example.org"), 403)] {
                let status = client.status_of(path, content_type, origin).await;
                assert_eq!(status, expected, "{path} {content_type:?} {origin:?}");
            }
        }
        for content_type in ["application/grpc", "application/grpc+proto"] {
            let content_type = Some(content_type);
            assert_eq!(client.status_of(path, content_type, None).await, 200, "{path}");
            // No page speaks gRPC: not one elsewhere, not one without an origin of its own, and not
            // the server's own, which speaks gRPC-Web.
            for origin in ["https://example.org", "null", "http://127.0.0.1:50051"] {
                let status = client.status_of(path, content_type, Some(origin)).await;
                assert_eq!(status, 403, "{path} {origin}");
            }
        }
    }
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed_until_one_is_free() {
    let service = start(|settings| settings.server.connections_max = 2).await;
    let first = RawClient::open(service.address).await;
    let second = RawClient::open(service.address).await;
    for client in [&first, &second] {
        client.call(LIST_USERS, &quick(), None).await.unwrap();
    }
    for _ in 0..20 {
        let mut third = TcpStream::connect(service.address).await.unwrap();
        let _ = third.write_all(GREETING).await;
        let took = until_closed(&mut third).await;
        assert!(took < Duration::from_secs(1), "{took:?}");
    }
    second.call(LIST_USERS, &quick(), None).await.unwrap();
    first.cut();
    eventually("a place is free", async || {
        let Ok(mut third) = TcpStream::connect(service.address).await else { return false };
        third.write_all(GREETING).await.is_ok() && read_until(&mut third, SETTINGS).await.is_some()
    })
    .await;
}

#[tokio::test]
async fn one_address_has_so_many_connections_and_others_have_theirs() {
    let service = start(|settings| settings.server.address_connections_max = Some(2)).await;
    let (first, _second) =
        (RawClient::open(service.address).await, RawClient::open(service.address).await);
    let mut third = TcpStream::connect(service.address).await.unwrap();
    let took = until_closed(&mut third).await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    let other = TcpSocket::new_v4().unwrap();
    other.bind(SocketAddr::from(([127, 0, 0, 2], 0))).unwrap();
    let mut other = other.connect(service.address).await.unwrap();
    other.write_all(GREETING).await.unwrap();
    assert!(read_until(&mut other, SETTINGS).await.is_some());
    first.call(LIST_USERS, &quick(), None).await.unwrap();
    first.cut();
    eventually("a place of the address is free", async || {
        let Ok(mut third) = TcpStream::connect(service.address).await else { return false };
        third.write_all(GREETING).await.is_ok() && read_until(&mut third, SETTINGS).await.is_some()
    })
    .await;
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.put_uint(payload.len() as u64, 3);
    bytes.put_slice(&[kind, flags]);
    bytes.put_u32(stream);
    bytes.put_slice(payload);
    bytes
}

/// Payload of the next frame of this kind; none if the connection ends before it.
async fn read_until(stream: &mut TcpStream, wanted: u8) -> Option<BytesMut> {
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.ok()?;
        let length = (&head[..3]).get_uint(3);
        let mut payload = BytesMut::zeroed(usize::try_from(length).unwrap());
        stream.read_exact(&mut payload).await.ok()?;
        // The acknowledgement of our own settings is not the peer's settings.
        if head[3] == wanted && !(wanted == SETTINGS && head[4] == 1) {
            return Some(payload);
        }
    }
}

#[tokio::test]
async fn the_settings_announce_the_limits() {
    let service = start(|settings| settings.server.streams_max = 17).await;
    let mut stream = TcpStream::connect(service.address).await.unwrap();
    stream.write_all(GREETING).await.unwrap();
    let mut payload = read_until(&mut stream, SETTINGS).await.expect("it sends settings");
    let mut found = Vec::new();
    while payload.has_remaining() {
        found.push((payload.get_u16(), payload.get_u32()));
    }
    // SETTINGS_MAX_CONCURRENT_STREAMS and SETTINGS_MAX_HEADER_LIST_SIZE.
    assert!(found.contains(&(3, 17)), "{found:?}");
    assert!(found.contains(&(6, 16_384)), "{found:?}");
}

/// Headers of a call, each written out (RFC 7541, section 6.2.2).
fn header_block(path: &str) -> Vec<u8> {
    let mut block = vec![0x83, 0x86];
    let fields = [
        (":path", path),
        (":authority", "daybook"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.put_slice(text.as_bytes());
        }
    }
    block
}

#[tokio::test]
async fn a_flood_of_resets_ends_the_connection_and_disturbs_nobody() {
    let service = start(|_| ()).await;
    let honest = RawClient::open(service.address).await;
    let mut flooder = TcpStream::connect(service.address).await.unwrap();
    let block = header_block(LIST_USERS);
    let mut flood = GREETING.to_vec();
    for number in 0..5_000 {
        let stream = 2 * number + 1;
        flood.extend(frame(HEADERS, 4, stream, &block));
        flood.extend(frame(RST_STREAM, 0, stream, &8u32.to_be_bytes()));
    }
    // The server may close while it is still being written to.
    let _ = flooder.write_all(&flood).await;
    let mut last = read_until(&mut flooder, GOAWAY).await.expect("it says why it goes away");
    let _last_stream = last.get_u32();
    // ENHANCE_YOUR_CALM.
    assert_eq!(last.get_u32(), 11);
    let answer = honest.call(LIST_USERS, &quick(), Some("2S")).await.unwrap();
    assert_eq!(answer.status.code(), Code::Ok);
}

/// Frames of one kind, on a connection that has opened stream 1 and not ended it.
fn frames(kind: u8, flags: u8, stream: u32, payload: &[u8], count: usize) -> Vec<u8> {
    let mut bytes = GREETING.to_vec();
    let record = header_block("/daybook.v1.IngestService/RecordTransactions");
    bytes.extend(frame(HEADERS, 4, 1, &record));
    bytes.extend(frame(kind, flags, stream, payload).repeat(count));
    bytes
}

#[tokio::test]
async fn a_flood_of_frames_that_ask_nothing_ends_the_connection_and_disturbs_nobody() {
    let service = start(|_| ()).await;
    let honest = RawClient::open(service.address).await;
    honest.call(LIST_USERS, &quick(), Some("2S")).await.unwrap();
    let window = &1u32.to_be_bytes();
    for (what, kind, flags, stream, payload) in [
        ("PING", 6, 0, 0, &b"12345678"[..]),
        ("SETTINGS", SETTINGS, 0, 0, b""),
        ("empty DATA", 0, 0, 1, b""),
        ("padded empty DATA", 0, 8, 1, b"\0"),
        ("WINDOW_UPDATE", 8, 0, 0, window),
        ("WINDOW_UPDATE of 0", 8, 0, 0, &[0; 4]),
        ("PRIORITY", 2, 0, 1, &[0, 0, 0, 3, 1]),
        ("an unknown type", 0xee, 0, 1, b""),
        ("CONTINUATION", 9, 0, 1, b""),
        ("RST_STREAM", RST_STREAM, 0, 1, &8u32.to_be_bytes()),
    ] {
        let mut flooder = TcpStream::connect(service.address).await.unwrap();
        // The server may close while it is still being written to.
        let _ = flooder.write_all(&frames(kind, flags, stream, payload, 4_000)).await;
        let said = tokio::time::timeout(Duration::from_secs(5), read_until(&mut flooder, GOAWAY));
        let said = said.await.unwrap_or_else(|_| panic!("{what}: it goes on"));
        let said = said.unwrap_or_else(|| panic!("{what}: it says why it goes away"));
        // PROTOCOL_ERROR, STREAM_CLOSED or ENHANCE_YOUR_CALM.
        let code = (&said[4..]).get_u32();
        assert!([1, 5, 11].contains(&code), "{what}: {code}");
        let begun_at = Instant::now();
        let answer = honest.call(LIST_USERS, &quick(), Some("2S")).await.unwrap();
        assert_eq!(answer.status.code(), Code::Ok, "{what}");
        assert!(begun_at.elapsed() < Duration::from_secs(1), "{what}");
    }
}

#[tokio::test]
async fn requests_beyond_the_limit_are_turned_away_while_health_answers() {
    let mut settings = settings();
    settings.server.concurrency_max = 2;
    let slow_service = SlowService::start(settings).await;
    let client = slow_service.client().await;
    let held = [client.begin(LIST_USERS, &slow()).await, client.begin(LIST_USERS, &slow()).await];
    slow_service.until_at_work(2).await;
    for client in [&client, &slow_service.client().await] {
        let answer = client.call(LIST_USERS, &quick(), None).await.unwrap();
        let found = (answer.status.code(), answer.status.message());
        assert_eq!(found, (Code::Unavailable, "the server is at its limit of requests"));
        let retry = answer.status.get_details_retry_info().expect("it says when");
        assert_eq!(retry.retry_delay, Some(Duration::from_secs(1)));
        assert!(answer.took < Duration::from_millis(100), "{:?}", answer.took);
    }
    let mut health = HealthClient::new(slow_service.service.channel().await);
    let answer = health.check(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(answer.status, 1);
    drop(held);
    slow_service.until_gone(Duration::from_millis(250)).await;
    slow_service.serving_process(&client).await;
}

#[tokio::test]
async fn a_panic_is_an_internal_error_and_the_server_goes_on() {
    let limits = RequestLimits {
        concurrency_max: 1,
        time_max: Duration::from_secs(1),
        request_bytes_max: 1_024,
        waiting_bytes_max: 1 << 20,
        read_time_max: Duration::from_secs(1),
        answer_time_max: Duration::from_secs(1),
        slow: Duration::from_secs(1),
    };
    let (_started, is_started) = watch::channel(true);
    let layer = RequestLayer::new(limits, Gate::new(None, &settings().server), is_started);
    let service =
        layer.layer(tower::service_fn(async |request: Request<Body>| match request.uri().path() {
            LIST_USERS => panic!("secret of the handler"),
            SUM_AMOUNT => std::panic::panic_any(7),
            "/grpc.health.v1.Health/Check" => panic!("secret of health"),
            _ => Ok::<_, Status>(Response::new(Body::empty())),
        }));
    // More often than there are places: each is given back.
    for path in [LIST_USERS, SUM_AMOUNT, LIST_USERS, "/grpc.health.v1.Health/Check", SUM_AMOUNT] {
        let request = grpc_request(path);
        let response = service.clone().oneshot(request).await.unwrap();
        let status = Status::from_header_map(response.headers()).unwrap();
        let message = match path.contains("health") {
            true => "internal error".to_owned(),
            false => format!("internal error (request {})", request_id(response.headers())),
        };
        assert_eq!((status.code(), status.message()), (Code::Internal, &*message), "{path}");
        assert!(!format!("{:?}", response.headers()).contains("secret"));
        assert_eq!(layer.at_work(), 0);
    }
    let request = grpc_request("/daybook.v1.StatusService/GetStatus");
    let response = service.oneshot(request).await.unwrap();
    assert!(response.headers().get("grpc-status").is_none());
}

fn grpc_request(path: &str) -> Request<Body> {
    Request::post(path).header("content-type", "application/grpc").body(Body::empty()).unwrap()
}

fn request_id(headers: &HeaderMap) -> uuid::Uuid {
    headers["x-request-id"].to_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn every_answer_has_a_request_id_and_faults_of_our_own_tell_nothing_else() {
    let service = start(|_| ()).await;
    let client = RawClient::open(service.address).await;
    let mut ids = Vec::new();
    let good = client.call(LIST_USERS, &quick(), None).await.unwrap();
    let bad = ListUsersRequest { page_size: -1, ..Default::default() };
    let bad = client.call(LIST_USERS, &bad, None).await.unwrap();
    let unknown = client.call("/daybook.v1.LedgerService/Nothing", &quick(), None).await.unwrap();
    assert_eq!(unknown.status.code(), Code::Unimplemented);
    service.sql.batch_execute("DROP TABLE users CASCADE").await.unwrap();
    let fault = client.call(LIST_USERS, &quick(), None).await.unwrap();
    let message = format!("internal error (request {})", request_id(&fault.headers));
    assert_eq!((fault.status.code(), fault.status.message()), (Code::Internal, &*message));
    let shown = format!("{fault:?}").to_lowercase();
    for word in ["select", "users", "relation", "postgres", "42p01", "list_users", "sql"] {
        assert!(!shown.contains(word), "{word} in {shown}");
    }
    for answer in [&good, &bad, &unknown, &fault] {
        ids.push(request_id(&answer.headers));
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4, "each has its own");
}

const SERVICES: [&str; 9] = [
    "daybook.v1.AnalyticsService",
    "daybook.v1.IngestService",
    "daybook.v1.LedgerService",
    "daybook.v1.PriceService",
    "daybook.v1.StatusService",
    "daybook.v1.SyncService",
    "daybook.v1.TokenService",
    "grpc.health.v1.Health",
    "transactions_service.Transactions",
];

/// A test of reflection in one of its versions, which differ in name alone.
macro_rules! reflection_test {
    ($name:ident, $version:ident, $own:literal) => {
        #[tokio::test]
        async fn $name() {
            use tonic_reflection::pb::$version::{
                ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
                server_reflection_request::MessageRequest,
                server_reflection_response::MessageResponse,
            };
            let service = start(|settings| settings.server.reflection = Reflection::On).await;
            let mut client = ServerReflectionClient::new(service.channel().await);
            let mut asked = vec![MessageRequest::ListServices(String::new())];
            asked
                .extend(SERVICES.map(|name| MessageRequest::FileContainingSymbol(name.to_owned())));
            let requests = asked.into_iter().map(|request| ServerReflectionRequest {
                host: String::new(),
                message_request: Some(request),
            });
            let requests = futures_util::stream::iter(requests.collect::<Vec<_>>());
            let answers = client.server_reflection_info(requests).await.unwrap();
            let mut answers = answers.into_inner();
            let mut next = async || answers.message().await.unwrap().unwrap().message_response;
            let Some(MessageResponse::ListServicesResponse(list)) = next().await else {
                panic!("a list")
            };
            let mut names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
            names.retain(|name| name != $own);
            names.sort();
            assert_eq!(names, SERVICES);
            for name in SERVICES {
                let Some(MessageResponse::FileDescriptorResponse(file)) = next().await else {
                    panic!("a file of {name}")
                };
                check_file(name, &file.file_descriptor_proto[0]);
            }
        }
    };
}

reflection_test!(
    reflection_lists_every_service_with_its_comments,
    v1,
    "grpc.reflection.v1.ServerReflection"
);
reflection_test!(
    the_older_reflection_lists_every_service_with_its_comments,
    v1alpha,
    "grpc.reflection.v1alpha.ServerReflection"
);

/// The file has the service, and ours say in words what each of its parts is.
fn check_file(service: &str, bytes: &[u8]) {
    let file = FileDescriptorProto::decode(bytes).unwrap();
    let package = format!("{}.", file.package());
    let has_it = file.service.iter().any(|s| format!("{package}{}", s.name()) == service);
    assert!(has_it, "{service}");
    if service.starts_with("grpc.") {
        return;
    }
    let info = file.source_code_info.expect("comments are kept");
    let commented: Vec<_> = info
        .location
        .iter()
        .filter(|location| !location.leading_comments().trim().is_empty())
        .map(|location| location.path.clone())
        .collect();
    let number = |place: usize| i32::try_from(place).unwrap();
    // Field numbers of FileDescriptorProto: 4 messages, 6 services; below them 2 fields
    // and methods.
    for (place, message) in file.message_type.iter().enumerate() {
        assert!(commented.contains(&vec![4, number(place)]), "{}", message.name());
        for (below, field) in message.field.iter().enumerate() {
            let path = vec![4, number(place), 2, number(below)];
            assert!(commented.contains(&path), "{}.{}", message.name(), field.name());
        }
    }
    for (place, found) in file.service.iter().enumerate() {
        assert!(commented.contains(&vec![6, number(place)]), "{}", found.name());
        for (below, method) in found.method.iter().enumerate() {
            assert!(commented.contains(&vec![6, number(place), 2, number(below)]), "{method:?}");
        }
    }
}

#[tokio::test]
async fn reflection_can_be_off_and_is_by_default_only_on_loopback() {
    use tonic_reflection::pb::v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    };
    let everywhere = "0.0.0.0:50051".parse().unwrap();
    for (reflection, listen, expected) in [
        (Reflection::Off, "127.0.0.1:1".parse().unwrap(), Err(Code::Unimplemented)),
        (Reflection::Auto, everywhere, Err(Code::Unimplemented)),
        (Reflection::Auto, "127.0.0.1:1".parse().unwrap(), Ok(())),
        (Reflection::On, everywhere, Ok(())),
    ] {
        let service = start(|settings| {
            settings.server.reflection = reflection;
            settings.server.listen = listen;
        })
        .await;
        let mut client = ServerReflectionClient::new(service.channel().await);
        let request = futures_util::stream::iter([ServerReflectionRequest::default()]);
        let answer = client.server_reflection_info(request).await;
        assert_eq!(answer.map(drop).map_err(|status| status.code()), expected, "{reflection:?}");
    }
}
