//! Health: what it says before anything is ready, and whom it tells when that changes.

use std::{net::SocketAddr, time::Duration};

use daybook::{
    alerts::{Alerts, Outlets},
    analytics::{Analytics, overviews::Overviews},
    feeds::report::FeedReport,
    grpc::{
        admission::Gate,
        pb::v1::{ListUsersRequest, SumAmountRequest},
        serve::{Services, Signals, Stop, serve},
    },
    ingest::Ingest,
    ledger::Ledger,
    prices::Prices,
    store::Database,
    sync::{Sync, SyncPolicy, networks::SyncNetworks},
    tokens::Tokens,
    upkeep::{get_status::StatusReader, verifier::VerifierCounts},
};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tonic::{
    Code,
    transport::{Channel, Endpoint},
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_types::StatusExt;

use crate::support::{
    cluster::eventually,
    raw::{LIST_USERS, RawClient, SUM_AMOUNT},
    service::{TestService, edges, new_target, settings},
};

const SERVICES: [&str; 5] = [
    "",
    "daybook.v1.AnalyticsService",
    "daybook.v1.LedgerService",
    "daybook.v1.StatusService",
    "transactions_service.Transactions",
];

fn request(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

/// What health says of a service now.
pub(crate) async fn status(channel: &Channel, service: &str) -> ServingStatus {
    let answer = HealthClient::new(channel.clone()).check(request(service)).await;
    answer.unwrap().into_inner().status()
}

/// A server whose signals are the test's.
struct Server {
    address: SocketAddr,
    channel: Channel,
    started: watch::Sender<bool>,
    serving: watch::Sender<bool>,
    stop: Stop,
    task: JoinHandle<usize>,
}

impl Server {
    async fn start(drain_timeout_ms: u64) -> Self {
        let mut settings = settings();
        settings.server.drain_timeout_ms = drain_timeout_ms;
        let database = Database::new(&new_target(), &settings.pool).unwrap();
        let analytics = Analytics::new(database.clone());
        let services = Services {
            overviews: Overviews::new(analytics.clone(), &settings.server),
            analytics,
            ledger: Ledger::new(database.clone()),
            prices: Prices::new(database.clone()),
            tokens: Tokens::new(database.clone(), settings.server.holders_max),
            alerts: Alerts::new(
                database.clone(),
                Outlets::new(&settings.alerts).unwrap(),
                &settings.alerts,
            ),
            alert_streams_max: settings.alerts.alert_streams_max,
            ingest: Ingest::new(&database, &settings.partitions),
            sync: Sync::new(
                &database,
                Ingest::new(&database, &settings.partitions),
                SyncNetworks::default(),
                SyncPolicy::new(&settings.sync),
            ),
            sync_streams_max: settings.sync.sync_streams_max,
            status: StatusReader::new(database, VerifierCounts::default()),
            feed: FeedReport::default(),
            gate: Gate::new(None, &settings.server),
            tls: None,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (started, is_started) = watch::channel(false);
        let (serving, is_serving) = watch::channel(false);
        let stop = Stop { drain: CancellationToken::new(), hurry: CancellationToken::new() };
        let (signals, told) = (Signals { is_started, is_serving }, stop.clone());
        let (slow, edges) = (Duration::from_secs(5), edges(&settings, None));
        let task = tokio::spawn(async move {
            let settings = (&settings.server, slow);
            serve(listener, settings, services, edges, signals, told).await.unwrap()
        });
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let channel = endpoint.connect().await.unwrap();
        Self { address, channel, started, serving, stop, task }
    }
}

#[tokio::test]
async fn nothing_serves_before_it_is_prepared() {
    let server = Server::start(1_000).await;
    for service in SERVICES {
        assert_eq!(status(&server.channel, service).await, ServingStatus::NotServing, "{service}");
    }
    let client = RawClient::open(server.address).await;
    for path in [LIST_USERS, SUM_AMOUNT, "/transactions_service.Transactions/SumAmount", "/no/such"]
    {
        let answer = client.call(path, &SumAmountRequest::default(), None).await.unwrap();
        let found = (answer.status.code(), answer.status.message());
        assert_eq!(found, (Code::Unavailable, "the server is starting"), "{path}");
        assert!(answer.status.get_details_retry_info().is_some());
    }
    // Let in: the request is looked at, and found wrong.
    server.started.send_replace(true);
    let bad = ListUsersRequest { page_size: -1, ..Default::default() };
    let answer = client.call(LIST_USERS, &bad, None).await.unwrap();
    assert_eq!(answer.status.code(), Code::InvalidArgument);
    assert_eq!(status(&server.channel, "").await, ServingStatus::NotServing);
}

#[tokio::test]
async fn who_watches_is_told_of_every_change_and_of_the_end() {
    let server = Server::start(1_000).await;
    let mut watches = Vec::new();
    for service in SERVICES {
        let mut client = HealthClient::new(server.channel.clone());
        let mut watched = client.watch(request(service)).await.unwrap().into_inner();
        let first = watched.message().await.unwrap().unwrap();
        assert_eq!(first.status(), ServingStatus::NotServing, "{service}");
        watches.push(watched);
    }
    for is_serving in [true, false, true, false] {
        server.serving.send_replace(is_serving);
        let expected = if is_serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        for (watched, service) in watches.iter_mut().zip(SERVICES) {
            let next = watched.message().await.unwrap().unwrap();
            assert_eq!(next.status(), expected, "{service}");
        }
    }
    let unknown = HealthClient::new(server.channel.clone()).check(request("nobody")).await;
    assert_eq!(unknown.unwrap_err().code(), Code::NotFound);
    // Whoever says that it serves is gone: then it does not.
    server.serving.send_replace(true);
    eventually("it serves", async || status(&server.channel, "").await == ServingStatus::Serving)
        .await;
    drop(server.serving);
    for (mut watched, service) in watches.into_iter().zip(SERVICES) {
        let (mut last, mut is_ended) = (ServingStatus::Unknown, false);
        while !is_ended {
            match watched.message().await.unwrap() {
                Some(message) => last = message.status(),
                None => is_ended = true,
            }
        }
        assert_eq!(last, ServingStatus::NotServing, "{service}");
        eventually("it does not serve", async || {
            let answer = HealthClient::new(server.channel.clone()).check(request(service)).await;
            answer.is_ok_and(|answer| answer.into_inner().status() == ServingStatus::NotServing)
        })
        .await;
    }
}

#[tokio::test]
async fn a_stop_waits_neither_for_watchers_nor_for_silent_peers() {
    let server = Server::start(60_000).await;
    server.started.send_replace(true);
    let silent = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let idle = RawClient::open(server.address).await;
    let mut client = HealthClient::new(server.channel.clone());
    let mut watched = client.watch(request("")).await.unwrap().into_inner();
    watched.message().await.unwrap().unwrap();
    server.stop.drain.cancel();
    let begun_at = std::time::Instant::now();
    assert_eq!(server.task.await.unwrap(), 0, "nothing was cut off");
    let took = begun_at.elapsed();
    assert!(took < Duration::from_secs(2), "it took {took:?}");
    drop((silent, idle));
}

#[tokio::test]
async fn a_stop_lets_requests_finish_within_its_time_and_counts_those_that_do_not() {
    for (released, expected) in [(true, 0), (false, 1)] {
        let mut settings = settings();
        settings.server.drain_timeout_ms = if released { 60_000 } else { 300 };
        let mut service = TestService::start_with(new_target(), settings).await;
        let target = service.target.clone();
        let holder = crate::support::service::sql(target.config, &target.schema).await;
        holder.batch_execute("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE").await.unwrap();
        let client = RawClient::open(service.address).await;
        let call = tokio::spawn(async move {
            client.call(LIST_USERS, &ListUsersRequest::default(), None).await
        });
        eventually("it waits", async || {
            let pids = crate::support::slow::at_work(&service.sql).await;
            pids.len() == 1
        })
        .await;
        service.stop.drain.cancel();
        eventually("nobody new is let in", async || {
            tokio::net::TcpStream::connect(service.address).await.is_err()
        })
        .await;
        if released {
            holder.batch_execute("COMMIT").await.unwrap();
            assert_eq!(call.await.unwrap().unwrap().status.code(), Code::Ok);
        }
        assert_eq!(service.serving.take().unwrap().await.unwrap(), expected, "{released}");
    }
}
