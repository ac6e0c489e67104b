//! `daybook::client`: a server that is at its limit, wires that break, and what is made again.

use std::time::Duration;

use daybook::{
    client::{Client, ConnectError, RetryPolicy, v1},
    grpc::policy::POLICIES,
};
use futures_util::StreamExt;
use prost::Message;
use prost_types::FileDescriptorSet;
use rand::{RngExt, SeedableRng, rngs::ChaCha12Rng};
use tokio::net::TcpListener;
use tonic::{Code, Request};

use crate::support::{
    cluster::{TestFolder, eventually},
    ledger::{add_account, ensure_days},
    proxy::{Proxy, Reach},
    random::random,
    raw::LIST_USERS,
    service::{TestService, new_target, settings},
    slow::{SlowService, quick, slow},
};

/// A client of a test's service, which waits as briefly as it may.
fn client(service: &TestService) -> daybook::client::ClientBuilder {
    Client::builder(format!("http://{}", service.address)).retry(quickly(4))
}

/// So many tries, soon after each other.
fn quickly(tries_max: u32) -> RetryPolicy {
    let (first_delay, delay_max) = (Duration::from_millis(1), Duration::from_millis(20));
    RetryPolicy { tries_max, first_delay, delay_max }
}

#[tokio::test]
async fn a_server_at_its_limit_is_asked_again_and_answers() {
    let mut settings = settings();
    settings.server.concurrency_max = 1;
    let slow_service = SlowService::start(settings).await;
    let holder = slow_service.client().await;
    let held = holder.begin(LIST_USERS, &slow()).await;
    slow_service.until_at_work(1).await;

    let client = client(&slow_service.service).connect().await.unwrap();
    let asking = client.clone();
    let asked = tokio::spawn(async move { asking.ledger().list_users(quick()).await });
    // It was refused, waited as long as it was told, and asks again: only now there is room.
    eventually("the client asks again", async || client.retries() > 0).await;
    drop(held);
    let users = asked.await.unwrap().unwrap().into_inner().users;
    assert_eq!(users.len(), 1);
}

#[tokio::test]
async fn what_the_server_says_of_when_bounds_what_a_deadline_allows() {
    let mut settings = settings();
    settings.server.concurrency_max = 1;
    let slow_service = SlowService::start(settings).await;
    let holder = slow_service.client().await;
    let _held = holder.begin(LIST_USERS, &slow()).await;
    slow_service.until_at_work(1).await;

    // A second is more than there is: the caller is told at once, and why.
    let builder = client(&slow_service.service).deadline(Duration::from_millis(900));
    let client = builder.connect().await.unwrap();
    let refused = client.ledger().list_users(quick()).await.unwrap_err();
    assert_eq!(refused.message(), "the server is at its limit of requests");
    assert_eq!((refused.code(), client.retries()), (Code::Unavailable, 0));
    // A request's own deadline goes before the client's.
    let mut request = Request::new(quick());
    request.set_timeout(Duration::from_secs(3));
    let refused = client.ledger().list_users(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert!((1..=2).contains(&client.retries()), "{}", client.retries());
}

#[tokio::test]
async fn a_deadline_ends_a_wait_for_an_answer() {
    let slow_service = SlowService::start(settings()).await;
    let builder = client(&slow_service.service).deadline(Duration::from_millis(200));
    let client = builder.connect().await.unwrap();
    let late = client.ledger().list_users(slow()).await.unwrap_err();
    assert_eq!((late.code(), client.retries()), (Code::DeadlineExceeded, 0));
    // The server has the same deadline: nothing goes on in vain.
    slow_service.until_gone(Duration::from_millis(500)).await;
}

#[tokio::test]
async fn what_time_does_not_change_is_not_asked_again() {
    let service = TestService::start().await;
    let client = client(&service).connect().await.unwrap();
    let nobody = v1::get_user_request::User::Username("nobody".to_owned());
    let question = v1::GetUserRequest { user: Some(nobody) };
    let unknown = client.ledger().get_user(question).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    let wrong = client.analytics().sum_amount(v1::SumAmountRequest::default()).await.unwrap_err();
    assert_eq!((wrong.code(), client.retries()), (Code::InvalidArgument, 0));
}

#[tokio::test]
async fn streams_are_not_made_again() {
    let mut settings = settings();
    settings.alerts.alert_streams_max = 1;
    let service = TestService::start_with(new_target(), settings).await;
    let client = client(&service).connect().await.unwrap();
    let question = v1::WatchAlertsRequest::default();
    let mut first = client.prices().watch_alerts(question.clone()).await.unwrap().into_inner();
    first.message().await.unwrap().expect("the first message comes at once");
    // The same answer would have a question asked again: it says when to come back.
    let refused = client.prices().watch_alerts(question).await.unwrap_err();
    assert_eq!((refused.code(), client.retries()), (Code::ResourceExhausted, 0));
}

#[tokio::test]
async fn a_stream_that_records_goes_through_the_client() {
    let service = TestService::start().await;
    let client = client(&service).connect().await.unwrap();
    use v1::record_transactions_request::Message as Sent;
    let messages =
        [Sent::Start(v1::RecordingStart::default()), Sent::End(v1::RecordingEnd { row_count: 0 })];
    let messages = messages.map(|message| v1::RecordTransactionsRequest { message: Some(message) });
    let sent = futures_util::stream::iter(messages);
    let answers = client.ingest().record_transactions(sent).await.unwrap().into_inner();
    let answers: Vec<_> = answers.collect().await;
    assert!(answers.len() == 1 && answers[0].is_ok(), "{answers:?}");
}

#[tokio::test]
async fn wires_that_break_lose_nothing_and_double_nothing() {
    let mut random = random();
    let service = TestService::start().await;
    ensure_days(&service.sql, &["2024-02-29"]).await;
    for address in ["a", "b"] {
        add_account(&service.sql, "bank", address).await;
    }
    let reach = Reach { to_server_bits: 13, to_client_bits: 13 };
    let (proxy, address) = Proxy::tcp(service.address, reach, &mut random).await;
    let client = Client::builder(format!("http://{address}")).retry(quickly(10)).connect_lazy();
    let client = client.unwrap();
    let account =
        |address: &str| v1::AccountKey { network: "bank".to_owned(), address: address.to_owned() };
    let mut recorded = 0;
    let mut rows = ChaCha12Rng::seed_from_u64(random.random());
    // Some between the cuts fill what the client may still repeat.
    proxy.cut(4);
    while recorded < 120 || proxy.left() > 0 {
        let row = v1::NewTransaction {
            occurred_at: Some("2024-02-29T12:00:00Z".parse().unwrap()),
            sender: Some(account("a")),
            receiver: Some(account("b")),
            amount: rows.random_range(1..1_000).to_string(),
            ..Default::default()
        };
        let request = v1::RecordTransactionRequest { transaction: Some(row), ..Default::default() };
        let answer = client.ingest().record_transaction(request).await;
        answer.unwrap_or_else(|status| panic!("row {recorded}: {status}"));
        recorded += 1;
        assert!(recorded < 5_000, "the wire was not cut");
    }
    let found = service.sql.query_one("SELECT count(*) FROM transactions", &[]).await.unwrap();
    assert_eq!(found.get::<_, i64>(0), recorded);
    assert!(proxy.made() == 4 && client.retries() > 0, "{}", client.retries());
}

#[tokio::test]
async fn a_token_is_shown_with_every_call() {
    let mut guarded = settings();
    guarded.server.auth = daybook::config::AuthMode::On;
    let service = TestService::start_with(new_target(), guarded).await;
    let stranger = client(&service).connect().await.unwrap();
    let refused = stranger.ledger().list_users(quick()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    let token = crate::access::token_of(&service, daybook::domain::access::Role::Admin).await.0;
    let known = client(&service).token(token.to_text()).connect().await.unwrap();
    known.ledger().list_users(quick()).await.unwrap();
    let question = v1::WatchAlertsRequest::default();
    known.prices().watch_alerts(question).await.unwrap();
}

#[tokio::test]
async fn nobody_at_the_address_is_said_and_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let refused = Client::connect(&address).await.unwrap_err();
    assert!(matches!(refused, ConnectError::Unreachable { .. }), "{refused}");
    let lazy = Client::builder(&address).retry(quickly(3)).connect_lazy().unwrap();
    let refused = lazy.ledger().list_users(quick()).await.unwrap_err();
    assert_eq!((refused.code(), lazy.retries()), (Code::Unavailable, 2));
}

#[tokio::test]
async fn certificates_are_verified() {
    use rcgen::{CertificateParams, KeyPair};
    let folder = TestFolder::empty();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let file = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (public, secret) =
        (file("tls.crt", certificate.pem()), file("tls.key", key.serialize_pem()));
    let mut permissions = std::fs::metadata(&secret).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o600);
    std::fs::set_permissions(&secret, permissions).unwrap();
    let mut settings = settings();
    settings.server.tls_certificate = Some(public.clone());
    settings.server.tls_key = Some(secret);
    let service = TestService::start_with(new_target(), settings).await;
    let address = format!("https://{}", service.address);
    let known = Client::builder(&address).ca(&public).connect().await.unwrap();
    known.ledger().list_users(quick()).await.unwrap();
    // The system's roots did not sign it.
    let stranger = Client::connect(&address).await;
    assert!(matches!(stranger, Err(ConnectError::Unreachable { .. })));
}

#[test]
fn every_service_of_the_contracts_has_a_handle() {
    let contracts = FileDescriptorSet::decode(daybook::grpc::pb::DESCRIPTORS).unwrap();
    let source = include_str!("../../src/client.rs");
    let mut services = 0;
    for file in contracts.file.iter().filter(|file| file.package() == "daybook.v1") {
        for service in &file.service {
            let handle = format!(", {}Client\n", service.name());
            assert!(source.contains(&handle), "no handle of {}", service.name());
            services += 1;
        }
    }
    assert!(services >= 7 && POLICIES.len() > 40, "{services}");
}
