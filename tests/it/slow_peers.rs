//! Peers that keep the server waiting: they hold no place of others, and are cut off in time.

use std::time::{Duration, Instant};

use daybook::{
    config::ServeSettings,
    grpc::{
        pb::{
            DESCRIPTORS,
            v1::{ListUsersRequest, ListUsersResponse},
        },
        policy::{POLICIES, STREAMS, is_stream},
    },
};
use prost::Message;
use prost_types::FileDescriptorSet;
use tonic::Code;

use crate::support::{
    cluster::eventually,
    raw::{LIST_USERS, RawClient},
    service::{TestService, new_target, settings},
};

/// Users, and who asks for all of them.
const USERS: usize = 800;
fn all() -> ListUsersRequest {
    ListUsersRequest { page_size: 1_000, ..Default::default() }
}

/// Far more peers than there are places.
const PEERS: usize = 40;

/// A service with two places and little patience, and so many users that a list of them all takes
/// several frames.
async fn impatient(change: impl FnOnce(&mut ServeSettings)) -> TestService {
    let mut settings = settings();
    settings.server.concurrency_max = 2;
    change(&mut settings);
    let service = TestService::start_with(new_target(), settings).await;
    let users = format!(
        "INSERT INTO users (user_uuid, username, name)
         SELECT gen_random_uuid(), 'user ' || n, repeat('x', 60) FROM generate_series(1, {USERS}) n"
    );
    service.sql.batch_execute(&users).await.unwrap();
    service
}

/// Others are answered all along, until all of these peers have been cut off; returns when the
/// last one was.
async fn others_are_answered(service: &TestService, peers: Vec<RawClient>) -> Duration {
    let begun_at = Instant::now();
    let closed = tokio::spawn(async move {
        for peer in peers {
            peer.until_closed().await;
        }
        begun_at.elapsed()
    });
    let other = RawClient::open(service.address).await;
    let mut asked = 0;
    while !closed.is_finished() {
        let request = ListUsersRequest { page_size: 1, ..Default::default() };
        let answer = other.call(LIST_USERS, &request, None).await.unwrap();
        assert_eq!(answer.status.code(), Code::Ok, "{:?}", answer.status);
        let list = ListUsersResponse::decode(answer.message).unwrap();
        assert_eq!(list.users.len(), 1);
        asked += 1;
        assert!(begun_at.elapsed() < Duration::from_secs(20), "they are not cut off");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(asked > 10, "{asked}");
    closed.await.unwrap()
}

#[tokio::test]
async fn who_does_not_read_an_answer_is_cut_off_and_holds_nobody_up() {
    let service = impatient(|settings| settings.server.answer_timeout_ms = 1_000).await;
    let (mut peers, mut calls) = (Vec::new(), Vec::new());
    for _ in 0..PEERS {
        let peer = RawClient::open_with_window(service.address, 1).await;
        let (answer, sent) = peer.begin(LIST_USERS, &all()).await;
        let head = answer.await.unwrap();
        assert!(head.headers().get("grpc-status").is_none(), "{head:?}");
        calls.push((head, sent));
        peers.push(peer);
    }
    let took = others_are_answered(&service, peers).await;
    assert!(took > Duration::from_millis(500), "they were given the time: {took:?}");
    drop(calls);
}

#[tokio::test]
async fn who_does_not_send_a_request_whole_is_cut_off_and_holds_nobody_up() {
    let service = impatient(|settings| settings.server.request_read_timeout_ms = 1_000).await;
    // The head of a message of four bytes, and two of them; or nothing of it.
    for sent in [&[0, 0, 0, 0, 4, 8, 1][..], &[]] {
        let (mut peers, mut calls) = (Vec::new(), Vec::new());
        for _ in 0..PEERS {
            let peer = RawClient::open(service.address).await;
            calls.push(peer.begin_with(LIST_USERS, sent).await);
            peers.push(peer);
        }
        let took = others_are_answered(&service, peers).await;
        assert!(took > Duration::from_millis(500), "they were given the time: {took:?}");
        drop(calls);
    }
}

#[tokio::test]
async fn who_reads_slowly_and_in_time_gets_the_whole_answer() {
    let service = impatient(|settings| settings.server.answer_timeout_ms = 10_000).await;
    let slow = RawClient::open_with_window(service.address, 100).await;
    let answer = slow.call(LIST_USERS, &all(), None).await.unwrap();
    let list = ListUsersResponse::decode(answer.message).unwrap();
    assert_eq!((answer.status.code(), list.users.len()), (Code::Ok, USERS));
}

#[tokio::test]
async fn a_stop_does_not_wait_for_who_keeps_it_waiting() {
    let service = impatient(|settings| {
        settings.server.answer_timeout_ms = 500;
        settings.server.request_read_timeout_ms = 500;
    })
    .await;
    let reader = RawClient::open_with_window(service.address, 1).await;
    let unread = reader.begin(LIST_USERS, &all()).await;
    let (unread, sent) = (unread.0.await.unwrap(), unread.1);
    let writer = RawClient::open(service.address).await;
    let unsent = writer.begin_with(LIST_USERS, &[0]).await;
    let begun_at = Instant::now();
    assert!(service.end().await);
    // The settings give requests at work ten seconds.
    assert!(begun_at.elapsed() < Duration::from_secs(5), "{:?}", begun_at.elapsed());
    drop((unread, sent, unsent));
    eventually("both are closed", async || reader.is_closed() && writer.is_closed()).await;
}

#[test]
fn the_streams_are_those_of_the_contracts() {
    let mut expected = Vec::new();
    for file in FileDescriptorSet::decode(DESCRIPTORS).unwrap().file {
        for service in &file.service {
            for method in &service.method {
                if method.client_streaming() || method.server_streaming() {
                    let service = format!("{}.{}", file.package(), service.name());
                    expected.push(format!("/{service}/{}", method.name()));
                }
            }
        }
    }
    expected.sort();
    assert_eq!(expected, STREAMS);
    assert_eq!(POLICIES.iter().filter(|(path, _)| is_stream(path)).count(), STREAMS.len());
}

#[tokio::test]
async fn old_connections_go_and_every_call_is_answered_by_the_next_one() {
    let service = impatient(|settings| settings.server.connection_age_max_seconds = 1).await;
    let old = RawClient::open(service.address).await;
    let mut client = service.ledger().await;
    let begun_at = Instant::now();
    let closed = tokio::spawn(async move {
        old.until_closed().await;
        begun_at.elapsed()
    });
    // A client that connects anew by itself, as all do.
    while begun_at.elapsed() < Duration::from_secs(3) {
        let request = ListUsersRequest { page_size: 1, ..Default::default() };
        // One that crosses the GOAWAY was not begun; this client does not ask again by itself.
        if client.list_users(request.clone()).await.is_err() {
            client.list_users(request).await.unwrap();
        }
    }
    let took = closed.await.unwrap();
    assert!((Duration::from_millis(900)..Duration::from_secs(3)).contains(&took), "{took:?}");
}

#[tokio::test]
async fn connections_on_which_nothing_is_asked_make_room_for_others() {
    let service = impatient(|settings| settings.server.connections_max = 4).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(RawClient::open(service.address).await);
    }
    let used = RawClient::open(service.address).await;
    let request = ListUsersRequest { page_size: 1, ..Default::default() };
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    used.call(LIST_USERS, &request, None).await.unwrap();
    let mut others = Vec::new();
    for _ in 0..3 {
        let other = RawClient::open(service.address).await;
        let answer = other.call(LIST_USERS, &request, None).await.unwrap();
        assert_eq!(answer.status.code(), Code::Ok);
        others.push(other);
    }
    for idle in held {
        idle.until_closed().await;
    }
    // Whoever asks is not cut off for them.
    for other in others.iter().chain([&used]) {
        assert_eq!(other.call(LIST_USERS, &request, None).await.unwrap().status.code(), Code::Ok);
    }
}
