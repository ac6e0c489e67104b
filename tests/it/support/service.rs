//! A whole Daybook for one test: its own schema on the shared server, served on a port
//! of its own, with real clients.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use clap::Parser;
use daybook::{
    access::Authenticator,
    alerts::{Alerts, Outlets},
    analytics::{Analytics, overviews::Overviews},
    cli::Cli,
    cluster::ClusterRole,
    config::{Scheduler, ServeSettings, ServerSettings},
    feeds::report::FeedReport,
    grpc::{
        admission::Gate,
        pb::{
            DESCRIPTORS,
            transactions_service::transactions_client::TransactionsClient,
            v1::{
                analytics_service_client::AnalyticsServiceClient,
                ingest_service_client::IngestServiceClient,
                ledger_service_client::LedgerServiceClient,
                price_service_client::PriceServiceClient,
                status_service_client::StatusServiceClient, sync_service_client::SyncServiceClient,
                token_service_client::TokenServiceClient,
            },
        },
        serve::{Edges, Services, Signals, Stop, serve},
        tls::{Tls, TlsFiles},
    },
    ingest::Ingest,
    ledger::Ledger,
    prices::Prices,
    store::{Database, DatabaseTarget},
    sync::{Sync, SyncPolicy, networks::SyncNetworks},
    tokens::Tokens,
    upkeep::{
        days::DayWatch, get_status::StatusReader, migrate, partitions, pulse::Pulse, server_check,
        verifier::VerifierCounts,
    },
    web::{self, callers::IsNamed},
    workers,
};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tokio_postgres::{Client, Config};
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};

use crate::support::cluster::{connect, shared};

/// Settings as if nothing was set, with few partitions and no pg_cron.
pub(crate) fn settings() -> ServeSettings {
    let mut settings = Cli::parse_from(["daybook"]).serve.settings;
    settings.partitions.partition_days_ahead = 2;
    settings.partitions.scheduler = Scheduler::Ticker;
    settings.pool.pool_size = 4;
    settings
}

/// A schema of its own on the shared server.
pub(crate) fn new_target() -> DatabaseTarget {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let schema = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    DatabaseTarget::plain(shared().connection(ClusterRole::Owner), schema)
}

/// The same database, as the role that answers requests.
pub(crate) fn service_target(target: &DatabaseTarget) -> DatabaseTarget {
    let mut service = target.clone();
    if service.config.get_user() == Some(ClusterRole::Owner.name()) {
        service.config.user(ClusterRole::Service.name());
    }
    service
}

/// Connects to a target's schema with plain SQL, as a role of one's choice.
pub(crate) async fn sql(mut config: Config, schema: &str) -> Client {
    config.options(format!("-c search_path={schema} -c timezone=UTC"));
    connect(&config).await
}

/// What the settings say of certificates.
fn tls(settings: &ServerSettings) -> Option<Tls> {
    let certificate = settings.tls_certificate.clone()?;
    let (key, client_ca) = (settings.tls_key.clone().unwrap(), settings.tls_client_ca.clone());
    let is_client_optional = settings.tls_client_optional;
    Some(Tls::load(TlsFiles { certificate, key, client_ca, is_client_optional }).unwrap())
}

/// The metrics of a service, where there are real ones in the binary.
pub(crate) const METRICS: &str = "daybook_tests 1\n";

/// What is around the services, as in the binary.
pub(crate) fn edges(
    settings: &ServeSettings,
    tls: Option<Tls>,
) -> Edges<web::Outside, web::Inside> {
    let descriptors = vec![
        DESCRIPTORS,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_types::pb::FILE_DESCRIPTOR_SET,
    ];
    let is_named = tls.map(|tls| -> IsNamed { Arc::new(move |host| tls.is_for(host)) });
    let metrics: web::MetricsText = Arc::new(|| METRICS.to_owned());
    let parts = web::Parts { descriptors, is_named, metrics: Some(metrics) };
    let (outside, inside) = web::edge(&settings.web, &settings.server, parts).unwrap();
    Edges { outside, inside }
}

/// A whole Daybook for one test.
pub(crate) struct TestService {
    /// Where it serves.
    pub(crate) address: SocketAddr,
    /// The database behind it, as the role that answers requests.
    pub(crate) database: Database,
    /// The same one, as the role that owns the tables.
    pub(crate) owner: Database,
    /// Its schema, as the owner, in plain SQL.
    pub(crate) sql: Client,
    /// Which database, to connect in other ways.
    pub(crate) target: DatabaseTarget,
    /// What `GetStatus` says of the verifier, which runs where a test starts one.
    pub(crate) verified: VerifierCounts,
    /// What `GetStatus` says of a feed, which a test makes where there is one.
    pub(crate) feed: FeedReport,
    /// What tells who asks, where tokens are asked for.
    pub(crate) authenticator: Option<Authenticator>,
    /// What makes rules, and looks for silence and events.
    pub(crate) alerts: Alerts,
    /// What takes rows in.
    pub(crate) taking: Ingest,
    /// Overviews that are watched, and answered here.
    pub(crate) overviews: Overviews,
    /// What works at jobs of syncing: in a test nobody does by himself.
    pub(crate) sync: Sync,
    /// Lets a test stop it.
    pub(crate) stop: Stop,
    /// Ends with the number of requests that were cut off.
    pub(crate) serving: Option<JoinHandle<usize>>,
    workers: CancellationToken,
}

impl TestService {
    /// One with the usual settings.
    pub(crate) async fn start() -> Self {
        Self::start_with(new_target(), settings()).await
    }

    /// One with settings of the test's own on a database of its choice.
    pub(crate) async fn start_with(target: DatabaseTarget, settings: ServeSettings) -> Self {
        // On the heap: the future holds everything that serving needs.
        Box::pin(Self::begin(target, settings)).await
    }

    async fn begin(target: DatabaseTarget, settings: ServeSettings) -> Self {
        let owner = Database::new(&target, &settings.pool).unwrap();
        Box::pin(prepare(&owner, &settings)).await;
        let database = Database::new(&service_target(&target), &settings.pool).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (verified, feed) = (VerifierCounts::default(), FeedReport::default());
        let authenticator = Authenticator::wanted(&settings.server, &database);
        let outlets = Outlets::new(&settings.alerts).unwrap();
        let alerts = Alerts::new(database.clone(), outlets, &settings.alerts);
        let ingest = Ingest::new(&database, &settings.partitions);
        let (taking, days_max) = (ingest.clone(), settings.server.window_days_max);
        let networks = settings.sync.chains_file.as_deref().map(SyncNetworks::load);
        let networks = networks.transpose().unwrap().unwrap_or_default();
        let policy = SyncPolicy::new(&settings.sync);
        let sync = Sync::new(&database, ingest.clone(), networks, policy);
        let analytics = Analytics::new(database.clone()).with_window_days_max(days_max);
        let overviews = Overviews::new(analytics.clone(), &settings.server);
        let services = Services {
            analytics,
            overviews: overviews.clone(),
            ledger: Ledger::new(database.clone()),
            prices: Prices::new(database.clone()),
            tokens: Tokens::new(database.clone(), settings.server.holders_max),
            alerts: alerts.clone(),
            alert_streams_max: settings.alerts.alert_streams_max,
            ingest,
            sync: sync.clone(),
            sync_streams_max: settings.sync.sync_streams_max,
            status: StatusReader::new(database.clone(), verified.clone()),
            feed: feed.clone(),
            gate: Gate::new(authenticator.clone(), &settings.server),
            tls: tls(&settings.server),
        };
        let (_, is_started) = watch::channel(true);
        let (serving_sender, is_serving) = watch::channel(true);
        let stop = Stop { drain: CancellationToken::new(), hurry: CancellationToken::new() };
        let (told, server_settings) = (stop.clone(), settings.server.clone());
        let slow = Duration::from_secs(5);
        let signals = Signals { is_started, is_serving };
        let edges = edges(&settings, services.tls.clone());
        let serving = tokio::spawn(async move {
            let settings = (&server_settings, slow);
            Box::pin(serve(listener, settings, services, edges, signals, told)).await.unwrap()
        });
        let workers = CancellationToken::new();
        let pulse = Pulse::new(database.clone());
        tokio::spawn(workers::database_health::run(pulse, serving_sender, workers.clone()));
        tokio::spawn(workers::day_watch::run(DayWatch::new(database.clone()), workers.clone()));
        tokio::spawn(workers::alerts::look(alerts.clone(), workers.clone()));
        tokio::spawn(workers::watch_overview::run(overviews.clone(), workers.clone()));
        let sql = sql(target.config.clone(), &target.schema).await;
        Self {
            address,
            database,
            owner,
            sql,
            target,
            verified,
            feed,
            authenticator,
            alerts,
            taking,
            overviews,
            sync,
            stop,
            serving: Some(serving),
            workers,
        }
    }

    /// Stops it; whether every connection to the database and every task that cancels
    /// what was left behind has ended in time.
    pub(crate) async fn end(mut self) -> bool {
        self.workers.cancel();
        self.stop.drain.cancel();
        if let Some(serving) = self.serving.take() {
            serving.await.unwrap();
        }
        self.database.close(Duration::from_secs(5)).await
    }

    /// A connection for clients.
    pub(crate) async fn channel(&self) -> Channel {
        Endpoint::from_shared(format!("http://{}", self.address)).unwrap().connect().await.unwrap()
    }

    /// A client of `AnalyticsService`.
    pub(crate) async fn analytics(&self) -> AnalyticsServiceClient<Channel> {
        AnalyticsServiceClient::new(self.channel().await)
    }

    /// A client of `LedgerService`.
    pub(crate) async fn ledger(&self) -> LedgerServiceClient<Channel> {
        LedgerServiceClient::new(self.channel().await)
    }

    /// A client of `IngestService`.
    pub(crate) async fn ingest(&self) -> IngestServiceClient<Channel> {
        IngestServiceClient::new(self.channel().await)
    }

    /// A client of `PriceService`.
    pub(crate) async fn prices(&self) -> PriceServiceClient<Channel> {
        PriceServiceClient::new(self.channel().await)
    }

    /// A client of `SyncService`.
    pub(crate) async fn syncs(&self) -> SyncServiceClient<Channel> {
        SyncServiceClient::new(self.channel().await)
    }

    /// A client of `StatusService`.
    pub(crate) async fn status(&self) -> StatusServiceClient<Channel> {
        StatusServiceClient::new(self.channel().await)
    }

    /// A client of `TokenService`.
    pub(crate) async fn tokens(&self) -> TokenServiceClient<Channel> {
        TokenServiceClient::new(self.channel().await)
    }

    /// A client of the original contract.
    pub(crate) async fn transactions(&self) -> TransactionsClient<Channel> {
        TransactionsClient::new(self.channel().await)
    }
}

impl Drop for TestService {
    fn drop(&mut self) {
        self.workers.cancel();
        self.stop.drain.cancel();
        self.stop.hurry.cancel();
    }
}

/// Makes a database fit to serve, as the binary does.
pub(crate) async fn prepare(database: &Database, settings: &ServeSettings) {
    let facts = server_check::check(database, &settings.pool).await.unwrap();
    migrate::migrate(database).await.unwrap();
    let owner = migrate::Standing::Owner;
    partitions::prepare(database, &settings.partitions, &facts, owner).await.unwrap();
}
