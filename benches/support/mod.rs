//! What the benchmarks share: a private Postgres of their own, and a seeded database.

#![allow(dead_code, reason = "not every benchmark uses everything")]

use std::time::Instant;

use chrono::NaiveDate;
use clap::Parser;
use daybook::{
    cli::Cli,
    cluster::{Cluster, ClusterRole},
    config::{Scheduler, ServeSettings},
    seed::{SeedOutcome, SeedPlan, seed},
    store::{Database, DatabaseTarget},
    upkeep::{migrate, partitions, server_check},
};
use tokio_postgres::{Client, NoTls};

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
        let target = DatabaseTarget {
            config: cluster.connection(ClusterRole::Owner),
            schema: settings.database.schema.clone(),
        };
        let database = Database::new(&target, &settings.pool)?;
        let facts = server_check::check(&database, &settings.pool).await?;
        migrate::migrate(&database).await?;
        partitions::prepare(&database, &settings.partitions, &facts).await?;
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

    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        Ok(self.cluster.stop().await?)
    }
}
