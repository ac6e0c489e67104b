//! What the benchmarks share: a private Postgres of their own, and a seeded database.

#![allow(dead_code, reason = "not every benchmark uses everything")]

use std::time::{Duration, Instant};

use chrono::NaiveDate;
use clap::Parser;
use daybook::{
    alerts::{Alerts, Outlets},
    analytics::{Analytics, overviews::Overviews},
    cli::Cli,
    cluster::{Cluster, ClusterRole},
    config::{Scheduler, ServeSettings},
    feeds::report::FeedReport,
    grpc::{
        admission::Gate,
        serve::{Edges, Services, Signals, Stop, serve},
    },
    ingest::Ingest,
    ledger::Ledger,
    prices::Prices,
    seed::{SeedOutcome, SeedPlan, seed},
    store::{Database, DatabaseTarget},
    sync::{Sync, SyncPolicy, networks::SyncNetworks},
    tokens::Tokens,
    upkeep::{
        get_status::StatusReader, migrate, partitions, server_check, verifier::VerifierCounts,
    },
};
use tokio::{net::TcpListener, sync::watch};
use tokio_postgres::{Client, NoTls};
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};
use tower::layer::util::Identity;

/// Number from the environment, or a default.
pub(crate) fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A private Postgres in a temporary folder.
pub(crate) struct Bench {
    pub(crate) cluster: Cluster,
    pub(crate) settings: ServeSettings,
    pub(crate) database: Database,
    folder: tempfile::TempDir,
}

impl Bench {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::Builder::new()
            .prefix("daybook-bench-")
            .permissions(std::fs::Permissions::from_mode(0o755))
            .tempdir()?;
        let mut settings = Cli::parse_from(["daybook"]).serve.settings;
        settings.partitions.scheduler = Scheduler::Ticker;
        settings.database.cluster.data_dir = Some(folder.path().join("data"));
        let cluster = Cluster::start(&settings.database.cluster).await?;
        let target = DatabaseTarget::plain(
            cluster.connection(ClusterRole::Owner),
            settings.database.schema.clone(),
        );
        let database = Database::new(&target, &settings.pool)?;
        let facts = server_check::check(&database, &settings.pool).await?;
        migrate::migrate(&database).await?;
        partitions::prepare(&database, &settings.partitions, &facts, migrate::Standing::Owner)
            .await?;
        Ok(Self { cluster, settings, database, folder })
    }

    /// The plan: 2,000 users and 3,000,000 transactions over 365 days unless
    /// DAYBOOK_BENCH_TRANSACTIONS and DAYBOOK_BENCH_DAYS say otherwise.
    pub(crate) fn plan(&self) -> anyhow::Result<SeedPlan> {
        let mut seed = self.settings.seed.clone();
        seed.seed_transactions = number("DAYBOOK_BENCH_TRANSACTIONS", 3_000_000);
        seed.seed_days = u32::try_from(number("DAYBOOK_BENCH_DAYS", 365))?;
        seed.seed_from = NaiveDate::from_ymd_opt(2023, 1, 1);
        Ok(SeedPlan::new(&seed, NaiveDate::default())?)
    }

    /// Seeds, ends with a checkpoint, and returns the seconds.
    pub(crate) async fn seed(&self, superuser: &Client) -> anyhow::Result<f64> {
        let begun_at = Instant::now();
        let loaders = std::thread::available_parallelism().map_or(1, usize::from).min(4);
        let outcome =
            seed(&self.database, Some(self.plan()?), loaders, &self.settings.partitions).await?;
        anyhow::ensure!(matches!(outcome, SeedOutcome::Seeded { .. }), "{outcome:?}");
        superuser.batch_execute("CHECKPOINT").await?;
        Ok(begun_at.elapsed().as_secs_f64())
    }

    /// A connection that may ask for a checkpoint.
    pub(crate) async fn superuser(&self) -> anyhow::Result<Client> {
        let config = self.cluster.connection(ClusterRole::Superuser);
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// Serves it on a port of its own; returns a connection to there.
    pub(crate) async fn serve(&self) -> anyhow::Result<Channel> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let analytics = Analytics::new(self.database.clone());
        let services = Services {
            overviews: Overviews::new(analytics.clone(), &self.settings.server),
            analytics,
            ledger: Ledger::new(self.database.clone()),
            ingest: Ingest::new(&self.database, &self.settings.partitions),
            prices: Prices::new(self.database.clone()),
            tokens: Tokens::new(self.database.clone(), self.settings.server.holders_max),
            alerts: Alerts::new(
                self.database.clone(),
                Outlets::new(&self.settings.alerts)?,
                &self.settings.alerts,
            ),
            alert_streams_max: self.settings.alerts.alert_streams_max,
            sync: Sync::new(
                &self.database,
                Ingest::new(&self.database, &self.settings.partitions),
                SyncNetworks::default(),
                SyncPolicy::new(&self.settings.sync),
            ),
            sync_streams_max: self.settings.sync.sync_streams_max,
            status: StatusReader::new(self.database.clone(), VerifierCounts::default()),
            feed: FeedReport::default(),
            gate: Gate::new(None, &self.settings.server),
            tls: None,
        };
        let (_, is_started) = watch::channel(true);
        let (serving, is_serving) = watch::channel(true);
        let stop = Stop { drain: CancellationToken::new(), hurry: CancellationToken::new() };
        let settings = self.settings.server.clone();
        let signals = Signals { is_started, is_serving };
        tokio::spawn(async move {
            let _serving = serving;
            let settings = (&settings, Duration::from_secs(9));
            // Plain gRPC alone is measured.
            let edges = Edges { outside: Identity::new(), inside: Identity::new() };
            Box::pin(serve(listener, settings, services, edges, signals, stop)).await
        });
        Ok(Endpoint::from_shared(format!("http://{address}"))?.connect().await?)
    }

    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        Ok(self.cluster.stop().await?)
    }
}
