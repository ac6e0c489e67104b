//! HTTP/1.1 on the port of gRPC: the same patience, the same limits.

use std::time::{Duration, Instant};

use bytes::Bytes;
use daybook::{config::ServeSettings, grpc::pb::v1::ListUsersRequest};
use http::Request;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};
use tonic::Code;

use crate::support::{
    cluster::eventually,
    http::{WebClient, ask, json},
    ledger::add_user,
    raw::{LIST_USERS, RawClient},
    service::{TestService, new_target, settings},
};

async fn start(change: impl FnOnce(&mut ServeSettings)) -> TestService {
    let mut settings = settings();
    change(&mut settings);
    TestService::start_with(new_target(), settings).await
}

/// What a peer is told until the connection ends, and how long that takes.
async fn until_closed(stream: &mut TcpStream) -> (String, Duration) {
    let begun_at = Instant::now();
    let mut bytes = Vec::new();
    // A reset is an end as well.
    let _ = stream.read_to_end(&mut bytes).await;
    (String::from_utf8_lossy(&bytes).into_owned(), begun_at.elapsed())
}

/// A plain request, whole.
const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[tokio::test]
async fn heads_that_do_not_come_whole_in_time_end_the_connection() {
    let service = start(|settings| settings.server.request_read_timeout_ms = 400).await;
    let times = Duration::from_millis(300)..Duration::from_millis(2_000);
    for begun in [&b"G"[..], &GET[..10], &GET[..GET.len() - 1], b"POST / HTTP/1.1\r\nA: b\r\n"] {
        let mut peer = TcpStream::connect(service.address).await.unwrap();
        peer.write_all(begun).await.unwrap();
        let (_, took) = until_closed(&mut peer).await;
        assert!(times.contains(&took), "{took:?}");
    }
    // A little all the time is not enough.
    let mut slow = TcpStream::connect(service.address).await.unwrap();
    let begun_at = Instant::now();
    slow.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    eventually("it is closed", async || slow.write_all(b"A: b\r\n").await.is_err()).await;
    assert!(times.contains(&begun_at.elapsed()), "{:?}", begun_at.elapsed());
    // Nor is it to have asked before.
    let mut client = WebClient::open(service.address).await;
    for _ in 0..2 {
        assert_eq!(client.ask(Request::get("/"), "").await.unwrap().status, 200);
    }
    let begun_at = Instant::now();
    client.until_closed().await;
    assert!(times.contains(&begun_at.elapsed()), "{:?}", begun_at.elapsed());
}

#[tokio::test]
async fn messages_that_do_not_come_whole_in_time_end_the_connection() {
    let service = start(|settings| {
        settings.server.request_read_timeout_ms = 500;
        settings.server.concurrency_max = 1;
    })
    .await;
    let mut peers = Vec::new();
    for form in ["json", "proto", "grpc-web+proto"] {
        let mut peer = TcpStream::connect(service.address).await.unwrap();
        let head = format!(
            "POST {LIST_USERS} HTTP/1.1\r\nHost: localhost\r\n\
             Content-Type: application/{form}\r\nContent-Length: 100\r\n\r\n{{"
        );
        peer.write_all(head.as_bytes()).await.unwrap();
        peers.push(peer);
    }
    // They hold no place of others.
    assert_eq!(ask(service.address, json(LIST_USERS), "{}").await.status, 200);
    for mut peer in peers {
        let (told, took) = until_closed(&mut peer).await;
        assert!(told.is_empty() && took < Duration::from_secs(3), "{told}: {took:?}");
    }
}

#[tokio::test]
async fn who_asks_before_sending_too_much_is_not_told_to_go_on() {
    let service = start(|settings| settings.server.request_bytes_max = 1_024).await;
    let head = |length: &str, form: &str| {
        format!(
            "POST {LIST_USERS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/{form}\r\n\
             Content-Length: {length}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
        )
    };
    for form in ["json", "proto"] {
        for length in ["1025", "99999999999"] {
            let mut peer = TcpStream::connect(service.address).await.unwrap();
            peer.write_all(head(length, form).as_bytes()).await.unwrap();
            let (told, _) = until_closed(&mut peer).await;
            assert!(told.starts_with("HTTP/1.1 413 "), "{told}");
            assert!(told.contains("the limit is 1024 bytes"), "{told}");
        }
    }
    // As much as is read is asked for.
    let mut peer = TcpStream::connect(service.address).await.unwrap();
    peer.write_all(head("1024", "json").as_bytes()).await.unwrap();
    let mut told = [0; 25];
    peer.read_exact(&mut told).await.unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    peer.write_all(format!("{{{}}}", " ".repeat(1_022)).as_bytes()).await.unwrap();
    let (told, _) = until_closed(&mut peer).await;
    assert!(told.starts_with("HTTP/1.1 200 "), "{told}");
}

#[tokio::test]
async fn heads_are_no_longer_than_a_limit() {
    let service = start(|_| ()).await;
    let long =
        |length| format!("GET / HTTP/1.1\r\nHost: localhost\r\nA: {}\r\n", "x".repeat(length));
    let mut peer = TcpStream::connect(service.address).await.unwrap();
    peer.write_all(format!("{}Connection: close\r\n\r\n", long(15_000)).as_bytes()).await.unwrap();
    assert!(until_closed(&mut peer).await.0.starts_with("HTTP/1.1 200"));
    // It is not waited for its end.
    for sent in [long(20_000), format!("GET /{} HTTP/1.1\r\n", "x".repeat(100_000))] {
        let mut peer = TcpStream::connect(service.address).await.unwrap();
        // The server may close while it is still being written to.
        let _ = peer.write_all(sent.as_bytes()).await;
        let (told, took) = until_closed(&mut peer).await;
        assert!(took < Duration::from_secs(2), "{took:?}");
        assert!(told.is_empty() || told.starts_with("HTTP/1.1 4"), "{told}");
    }
}

#[tokio::test]
async fn who_does_not_read_answers_is_cut_off_and_holds_nobody_up() {
    let service = start(|settings| {
        settings.server.answer_timeout_ms = 1_000;
        settings.server.concurrency_max = 2;
    })
    .await;
    let users = "INSERT INTO users (user_uuid, username, name)
        SELECT gen_random_uuid(), 'user ' || n, repeat('x', 200) FROM generate_series(1, 1000) n";
    service.sql.batch_execute(users).await.unwrap();
    // Page sizes of 1,000, one request behind the other: more than any buffer holds.
    let call = format!(
        "POST {LIST_USERS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/proto\r\n\
         Content-Length: 3\r\n\r\n\u{8}"
    );
    let call = [call.as_bytes(), &[0xe8, 7]].concat();
    // Calls, and what passes no gate.
    for sent in [call.repeat(200), GET.repeat(10_000)] {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        let mut peer = socket.connect(service.address).await.unwrap();
        let sending = tokio::spawn(async move {
            // It ends when the connection does: not all of it is read.
            let _ = peer.write_all(&sent).await;
            peer
        });
        let mut sent = None;
        let mut sending = Some(sending);
        eventually("it is cut off", async || {
            let said = ask(service.address, json(LIST_USERS), r#"{"pageSize": 1}"#).await;
            assert_eq!(said.status, 200, "{said:?}");
            if let Some(done) = sending.take_if(|sending| sending.is_finished()) {
                sent = Some(done.await.unwrap());
            }
            sent.as_ref().is_some_and(|peer| peer.try_write(b"x").is_err())
        })
        .await;
    }
}

#[tokio::test]
async fn both_protocols_share_the_connections_and_make_room_for_each_other() {
    let service = start(|settings| settings.server.connections_max = 2).await;
    let mut first = WebClient::open(service.address).await;
    assert_eq!(first.ask(json(LIST_USERS), "{}").await.unwrap().status, 200);
    let second = RawClient::open(service.address).await;
    second.call(LIST_USERS, &ListUsersRequest::default(), None).await.unwrap();
    // Both were asked something a moment ago.
    let mut third = TcpStream::connect(service.address).await.unwrap();
    let _ = third.write_all(GET).await;
    assert_eq!(until_closed(&mut third).await.0, "");
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let answer = second.call(LIST_USERS, &ListUsersRequest::default(), None).await.unwrap();
    assert_eq!(answer.status.code(), Code::Ok);
    // The one on which nothing was asked for longest goes.
    assert_eq!(ask(service.address, json(LIST_USERS), "{}").await.status, 200);
    first.until_closed().await;
    second.call(LIST_USERS, &ListUsersRequest::default(), None).await.unwrap();
}

#[tokio::test]
async fn many_requests_go_over_one_connection_and_frames_are_not_counted() {
    let service = start(|_| ()).await;
    add_user(&service.sql, "ann").await;
    let mut client = WebClient::open(service.address).await;
    for _ in 0..50 {
        let said = client.ask(json(LIST_USERS), "{}").await.unwrap();
        assert_eq!(said.json()["users"][0]["username"], "ann");
    }
    // What would be a hundred thousand empty frames of HTTP/2.
    let zeros = Bytes::from(vec![0; 900_000]);
    let said = client.ask(json(LIST_USERS), zeros).await.unwrap();
    assert_eq!((said.status, said.json()["code"].as_str()), (400, Some("invalid_argument")));
    assert_eq!(client.ask(json(LIST_USERS), "{}").await.unwrap().status, 200);
}

#[tokio::test]
async fn a_stop_ends_idle_connections_at_once() {
    let service = start(|_| ()).await;
    let mut client = WebClient::open(service.address).await;
    assert_eq!(client.ask(json(LIST_USERS), "{}").await.unwrap().status, 200);
    let begun_at = Instant::now();
    assert!(service.end().await);
    client.until_closed().await;
    assert!(begun_at.elapsed() < Duration::from_secs(3), "{:?}", begun_at.elapsed());
}

#[tokio::test]
async fn old_connections_are_closed_behind_an_answer() {
    let service = start(|settings| settings.server.connection_age_max_seconds = 1).await;
    let mut client = WebClient::open(service.address).await;
    assert_eq!(client.ask(json(LIST_USERS), "{}").await.unwrap().status, 200);
    let begun_at = Instant::now();
    client.until_closed().await;
    assert!(begun_at.elapsed() < Duration::from_secs(3), "{:?}", begun_at.elapsed());
}
