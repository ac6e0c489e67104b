//! The server: services, what surrounds them, and a stop that drains.

use std::time::{Duration, Instant};

use tokio::{net::TcpListener, sync::watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::service::Routes;
use tonic_reflection::server::Builder as ReflectionBuilder;
use tower::Layer;

use crate::{
    alerts::Alerts,
    analytics::{Analytics, overviews::Overviews},
    config::{Reflection, ServerSettings},
    domain::wallet::WalletLimits,
    feeds::report::FeedReport,
    grpc::{
        accept::{self, Patience, Room},
        admission::Gate,
        analytics_service::AnalyticsApi,
        connections::{self, HttpService},
        health,
        ingest_service::IngestApi,
        ledger_service::{LedgerApi, LedgerLimits},
        pb::{
            DESCRIPTORS,
            transactions_service::transactions_server::TransactionsServer,
            v1::{
                analytics_service_server::AnalyticsServiceServer,
                ingest_service_server::IngestServiceServer,
                ledger_service_server::LedgerServiceServer,
                price_service_server::PriceServiceServer,
                status_service_server::StatusServiceServer, sync_service_server::SyncServiceServer,
                token_service_server::TokenServiceServer,
            },
        },
        price_service::{PriceApi, PriceLimits},
        rank::RankLimits,
        request_layer::{RequestLayer, RequestLimits, RequestService},
        status_service::StatusApi,
        sync_service::SyncApi,
        tls::Tls,
        token_service::TokenApi,
        transactions_service::TransactionsApi,
        watchers::Watchers,
    },
    ingest::Ingest,
    ledger::Ledger,
    prices::Prices,
    sync::Sync,
    tokens::Tokens,
    upkeep::get_status::StatusReader,
};

/// How long no request must have been at work before a stop waits no longer, and how
/// often it looks. The last answer leaves in this time.
const STOP_QUIET: Duration = Duration::from_secs(1);
const STOP_LOOK: Duration = Duration::from_millis(50);

/// What the server answers from.
#[derive(Clone)]
pub struct Services {
    /// Sums, series, ranks and histograms.
    pub analytics: Analytics,
    /// Overviews that are watched.
    pub overviews: Overviews,
    /// Users and balances.
    pub ledger: Ledger,
    /// What takes transactions in.
    pub ingest: Ingest,
    /// Prices of symbols.
    pub prices: Prices,
    /// Tokens of chains.
    pub tokens: Tokens,
    /// Rules about them, and what comes of those.
    pub alerts: Alerts,
    /// Most streams that watch alerts.
    pub alert_streams_max: usize,
    /// Jobs that sync wallets and tokens.
    pub sync: Sync,
    /// Most streams that watch such jobs.
    pub sync_streams_max: usize,
    /// How Daybook itself is doing.
    pub status: StatusReader,
    /// How it stands with the feed of prices, if there is one.
    pub feed: FeedReport,
    /// Who may ask.
    pub gate: Gate,
    /// What connections are encrypted with, if they are.
    pub tls: Option<Tls>,
}

/// Signals that the server follows.
pub struct Signals {
    /// Whether requests are let in at all.
    pub is_started: watch::Receiver<bool>,
    /// What health reports.
    pub is_serving: watch::Receiver<bool>,
}

/// What requests pass before they are let in, and what surrounds the services behind that.
pub struct Edges<Outside, Inside> {
    /// What a request meets first, and its answer last.
    pub outside: Outside,
    /// What stands between the gate and the services.
    pub inside: Inside,
}

/// How the server is told to stop.
#[derive(Clone)]
pub struct Stop {
    /// Take no new connections and let requests at work finish.
    pub drain: CancellationToken,
    /// Do not wait for them any longer.
    pub hurry: CancellationToken,
}

/// Serves until told to stop, then drains.
///
/// Returns the number of requests that were cut off because they did not finish in
/// time.
///
/// # Errors
/// If the services cannot be put together or the transport fails.
pub async fn serve<Outside, Inside>(
    listener: TcpListener,
    (settings, slow): (&ServerSettings, Duration),
    services: Services,
    edges: Edges<Outside, Inside>,
    signals: Signals,
    stop: Stop,
) -> anyhow::Result<usize>
where
    Inside: Layer<Routes, Service: HttpService>,
    Outside: Layer<RequestService<Inside::Service>, Service: HttpService>,
{
    let (reporter, health_server) = health::health().await;
    let following = tokio::spawn(health::follow(reporter, signals.is_serving));
    let limits = RequestLimits {
        concurrency_max: settings.concurrency_max,
        time_max: Duration::from_millis(settings.request_timeout_ms),
        request_bytes_max: settings.request_bytes_max,
        waiting_bytes_max: settings.waiting_bytes_max,
        read_time_max: Duration::from_millis(settings.request_read_timeout_ms),
        answer_time_max: Duration::from_millis(settings.answer_timeout_ms),
        slow,
    };
    let tls = services.tls.clone();
    let layer = RequestLayer::new(limits, services.gate.clone(), signals.is_started);
    let mut routes = Routes::builder();
    routes.add_service(health_server);
    let streams = Streams { stop: stop.drain.clone(), tasks: TaskTracker::new() };
    let (reader, ingest) = (services.status.clone(), services.ingest.clone());
    let status = StatusApi::new(reader, ingest, layer.calls(), services.feed.clone());
    add_services(&mut routes, settings, services, status, &streams);
    if is_reflection_open(settings) {
        add_reflection(&mut routes)?;
    }
    let patience = Patience {
        first_bytes: Duration::from_millis(settings.first_bytes_timeout_ms),
        stall: limits.answer_time_max,
    };
    let room = Room {
        connections_max: settings.connections_max,
        address_connections_max: settings.address_connections_max(),
    };
    let incoming = accept::incoming(listener, room, patience, tls.clone());
    let following_files = tls.map(|tls| tokio::spawn(tls.follow(stop.drain.clone())));
    let cutting = tokio::spawn(layer.clone().cut_late());
    let services = edges.inside.layer(routes.routes().prepare());
    let service = edges.outside.layer(layer.layer(services));
    let serving = connections::serve(incoming, settings, service, stop.drain.clone());
    let drain_timeout = Duration::from_millis(settings.drain_timeout_ms);
    let overtime = async {
        stop.drain.cancelled().await;
        tokio::select! {
            () = stop.hurry.cancelled() => {}
            () = tokio::time::sleep(drain_timeout) => {}
            () = until_quiet(&layer) => {}
        }
    };
    let cut_off = tokio::select! {
        () = serving => 0,
        () = overtime => layer.at_work(),
    };
    following.abort();
    cutting.abort();
    if let Some(following_files) = following_files {
        following_files.abort();
    }
    // Their clients were drained or cut off above: what is left is to let go of.
    streams.tasks.close();
    let ended = tokio::time::timeout(STOP_QUIET, streams.tasks.wait()).await;
    if ended.is_err() {
        tracing::warn!(streams = streams.tasks.len(), "streams that record did not end in time");
    }
    Ok(cut_off)
}

/// What streams follow, and where they run.
struct Streams {
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// Waits until no request was at work for a while. What is open then would stay open:
/// streams of health, and peers that never spoke.
async fn until_quiet(layer: &RequestLayer) {
    let mut quiet_since = Instant::now();
    while quiet_since.elapsed() < STOP_QUIET {
        tokio::time::sleep(STOP_LOOK).await;
        if layer.at_work() > 0 {
            quiet_since = Instant::now();
        }
    }
}

fn add_services(
    routes: &mut tonic::service::RoutesBuilder,
    settings: &ServerSettings,
    services: Services,
    status: StatusApi,
    streams: &Streams,
) {
    let (decoded, encoded) = (settings.request_bytes_max, settings.response_bytes_max);
    let rank_limits = RankLimits {
        population_max: settings.rank_population_max,
        response_bytes_max: settings.response_bytes_max,
    };
    let rows_max = settings.histogram_rows_max;
    let streams_max = settings.overview_streams_max;
    let overviews = (services.overviews, Watchers::new(streams_max, streams.stop.clone()));
    let analytics = AnalyticsApi::new(services.analytics.clone(), rank_limits, rows_max, overviews);
    let ledger_limits = LedgerLimits {
        wallets: WalletLimits {
            user_wallets_max: settings.user_wallets_max,
            wallet_users_max: settings.wallet_users_max,
        },
        response_bytes_max: settings.response_bytes_max,
        reference_rows_max: settings.reference_rows_max,
        list_series_max: settings.list_series_max,
    };
    let bytes_max = settings.response_bytes_max;
    let tokens = TokenApi::new(services.tokens, services.ledger.clone(), bytes_max);
    let ledger = LedgerApi::new(services.analytics.clone(), services.ledger, ledger_limits);
    let (stop, tasks) = (streams.stop.clone(), streams.tasks.clone());
    let ingest = IngestApi::new(services.ingest, settings, stop, tasks);
    let (prices, alert_streams_max) =
        ((services.prices, services.alerts), services.alert_streams_max);
    let prices = price_api(settings, prices, alert_streams_max, streams);
    let sync = SyncApi::new(services.sync, services.sync_streams_max, streams.stop.clone());
    routes
        .add_service(
            AnalyticsServiceServer::new(analytics)
                .max_decoding_message_size(decoded)
                .max_encoding_message_size(encoded),
        )
        .add_service(
            LedgerServiceServer::new(ledger)
                .max_decoding_message_size(decoded)
                .max_encoding_message_size(encoded),
        )
        .add_service(
            IngestServiceServer::new(ingest)
                .max_decoding_message_size(decoded)
                .max_encoding_message_size(encoded),
        )
        .add_service(
            PriceServiceServer::new(prices)
                .max_decoding_message_size(decoded)
                .max_encoding_message_size(encoded),
        )
        .add_service(
            SyncServiceServer::new(sync)
                .max_decoding_message_size(decoded)
                .max_encoding_message_size(encoded),
        )
        .add_service(
            StatusServiceServer::new(status)
                .max_decoding_message_size(decoded)
                .max_encoding_message_size(encoded),
        )
        .add_service(
            TokenServiceServer::new(tokens)
                .max_decoding_message_size(decoded)
                .max_encoding_message_size(encoded),
        )
        .add_service(
            TransactionsServer::new(TransactionsApi::new(services.analytics))
                .max_decoding_message_size(decoded)
                .max_encoding_message_size(encoded),
        );
}

fn price_api(
    settings: &ServerSettings,
    prices: (Prices, Alerts),
    streams_max: usize,
    streams: &Streams,
) -> PriceApi {
    let limits = PriceLimits {
        population_max: settings.rank_population_max,
        response_bytes_max: settings.response_bytes_max,
        streams_max,
    };
    PriceApi::new(prices, limits, streams.stop.clone())
}

/// Whether anybody may ask for the contract by reflection: unless said otherwise, only where
/// nobody from elsewhere can.
pub(crate) fn is_reflection_open(settings: &ServerSettings) -> bool {
    match settings.reflection {
        Reflection::On => true,
        Reflection::Off => false,
        Reflection::Auto => settings.listen.ip().is_loopback(),
    }
}

/// Reflection in both versions: older grpcurl and Postman ask the older one.
fn add_reflection(routes: &mut tonic::service::RoutesBuilder) -> anyhow::Result<()> {
    let builder = || {
        ReflectionBuilder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            // With the details of errors, clients that read them by reflection show them.
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
    };
    routes.add_service(builder().build_v1()?);
    routes.add_service(builder().build_v1alpha()?);
    Ok(())
}
