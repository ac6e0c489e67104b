//! Settings: every flag and environment variable that Daybook reads, with its
//! default and meaning.
//!
//! Parsed by the binaries only. Everyone below is handed a sub-struct, so that
//! nothing but a binary depends on the process environment. `app` checks them together,
//! before a port opens or a process starts.

mod alerts;
pub mod ask;
mod bench;
mod chains;
mod feeds;
mod server;
mod telemetry;
mod web;

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::{Args, ValueEnum};

pub use alerts::AlertSettings;
pub use bench::{BenchDirection, BenchMetric, BenchSettings, Call, Mix, WindowLength, WindowShape};
pub use chains::{ChainNetwork, ChainSource, ChainsFile, SourceKind, SyncSettings};
pub use feeds::{FeedSettings, PriceSource};
pub use server::{AuthMode, Reflection, ServerSettings};
pub use telemetry::TelemetrySettings;
pub use web::{MetricsMode, PageMode, WebSettings};

/// Where the database is: a private Postgres, or a server given by URL.
#[derive(Args, Clone, Debug)]
pub struct DatabaseSettings {
    /// Use the Postgres server at this URL as a guest instead of starting a private one
    ///
    /// Connections to another host are encrypted, and its certificate is verified; sslmode=disable
    /// in the URL says that they need not be.
    #[arg(long, env = "DAYBOOK_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database_url: Option<String>,

    /// URL of the same database as the role that owns the schema, where the role of
    /// --database-url does not: migrations, seeding and commands are done as this role, requests
    /// are answered as the other
    #[arg(
        long,
        env = "DAYBOOK_OWNER_DATABASE_URL",
        hide_env_values = true,
        value_name = "URL",
        requires = "database_url"
    )]
    pub owner_database_url: Option<String>,

    /// File with the roots that sign the certificate of the server at --database-url, in PEM
    /// [default: those that the system trusts]
    #[arg(long, env = "DAYBOOK_DATABASE_CA", value_name = "FILE")]
    pub database_ca: Option<PathBuf>,

    /// How long to wait at start for the server at --database-url, in seconds
    #[arg(
        long,
        env = "DAYBOOK_DATABASE_WAIT_SECONDS",
        default_value_t = 30,
        value_name = "SECONDS"
    )]
    pub database_wait_seconds: u64,

    /// Schema that holds everything of Daybook's in the database
    #[arg(long, env = "DAYBOOK_SCHEMA", default_value = "daybook", value_name = "NAME")]
    pub schema: String,

    /// The private Postgres.
    #[command(flatten)]
    pub cluster: ClusterSettings,
}

/// The private Postgres.
#[derive(Args, Clone, Debug, Default)]
pub struct ClusterSettings {
    /// Folder of the private Postgres [default: ./daybook-data, or /var/lib/daybook where the
    /// server's user cannot reach that]
    #[arg(long, env = "DAYBOOK_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// Folder with initdb and postgres [default: what pg_config names, or the usual folders]
    #[arg(long, env = "DAYBOOK_POSTGRES_BIN_DIR", value_name = "DIR")]
    pub postgres_bin_dir: Option<PathBuf>,

    /// Let the private Postgres listen on this TCP port of 127.0.0.1 too [default: Unix socket
    /// only]
    #[arg(
        long,
        env = "DAYBOOK_POSTGRES_PORT",
        value_name = "PORT",
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    pub postgres_port: Option<u16>,
}

/// Connections to the database.
#[derive(Args, Clone, Debug)]
pub struct PoolSettings {
    /// Most connections to the database for statements that read rows
    #[arg(long, env = "DAYBOOK_POOL_SIZE", default_value_t = 8, value_name = "N")]
    pub pool_size: usize,

    /// Most connections to the database for sums from running totals; questions that come
    /// while all are at work share a statement
    #[arg(long, env = "DAYBOOK_TOTALS_POOL_SIZE", default_value_t = 2, value_name = "N")]
    pub totals_pool_size: usize,

    /// Most connections to the database for recording transactions; as many chunks are
    /// recorded at once, and the others wait
    #[arg(long, env = "DAYBOOK_INGEST_POOL_SIZE", default_value_t = 4, value_name = "N")]
    pub ingest_pool_size: usize,

    /// Longest wait for a free connection, in milliseconds; then UNAVAILABLE
    #[arg(long, env = "DAYBOOK_POOL_WAIT_MS", default_value_t = 1_000, value_name = "MS")]
    pub pool_wait_ms: u64,

    /// Longest wait for the database to accept a connection, in milliseconds
    #[arg(long, env = "DAYBOOK_CONNECT_TIMEOUT_MS", default_value_t = 1_000, value_name = "MS")]
    pub connect_timeout_ms: u64,

    /// Longest time that the database works on one statement of a request, in milliseconds
    #[arg(long, env = "DAYBOOK_STATEMENT_TIMEOUT_MS", default_value_t = 60_000, value_name = "MS")]
    pub statement_timeout_ms: u64,
}

/// Daily partitions and their upkeep.
#[derive(Args, Clone, Debug)]
pub struct PartitionSettings {
    /// Daily partitions kept ready ahead of today
    #[arg(long, env = "DAYBOOK_PARTITION_DAYS_AHEAD", default_value_t = 30, value_name = "DAYS")]
    pub partition_days_ahead: u16,

    /// How far back a day may lie that gets a partition on request
    #[arg(
        long,
        env = "DAYBOOK_PARTITION_DAYS_BACK_MAX",
        default_value_t = 14_610,
        value_name = "DAYS"
    )]
    pub partition_days_back_max: u32,

    /// Most daily partitions that there may be
    #[arg(long, env = "DAYBOOK_PARTITION_COUNT_MAX", default_value_t = 10_000, value_name = "N")]
    pub partition_count_max: u32,

    /// Days before today whose rows are kept; older days are dropped. 0 keeps everything
    #[arg(long, env = "DAYBOOK_RETENTION_DAYS", default_value_t = 0, value_name = "DAYS")]
    pub retention_days: u32,

    /// Days before today whose price ticks are kept; older days are dropped, and what they came to
    /// stays. 0 keeps everything
    #[arg(long, env = "DAYBOOK_PRICE_RETENTION_DAYS", default_value_t = 0, value_name = "DAYS")]
    pub price_retention_days: u32,

    /// Who runs the upkeep of partitions
    #[arg(long, env = "DAYBOOK_SCHEDULER", value_enum, default_value_t = Scheduler::Auto)]
    pub scheduler: Scheduler,

    /// Seconds between two rounds of the server's own ticker
    #[arg(long, env = "DAYBOOK_TICKER_SECONDS", default_value_t = 600, value_name = "SECONDS")]
    pub ticker_seconds: u64,
}

/// Who runs the upkeep of partitions.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Scheduler {
    /// pg_cron where it is usable, else the ticker.
    Auto,
    /// pg_cron, or refuse to start.
    Cron,
    /// A ticker in the server, under an advisory lock.
    Ticker,
}

/// When written rows are folded into running totals.
#[derive(Args, Clone, Debug)]
pub struct SealingSettings {
    /// Fold corrections into running totals as soon as there are so many
    #[arg(long, env = "DAYBOOK_SEAL_ROWS", default_value_t = 20_000, value_name = "ROWS")]
    pub seal_rows: u32,

    /// Fold corrections into running totals after this time, however few, in seconds
    #[arg(long, env = "DAYBOOK_SEAL_SECONDS", default_value_t = 30, value_name = "SECONDS")]
    pub seal_seconds: u64,
}

/// The background verifier.
#[derive(Args, Clone, Debug)]
pub struct VerifierSettings {
    /// Hold a random running total against the rows after this time, again and again, in
    /// milliseconds. 0 never does
    #[arg(long, env = "DAYBOOK_VERIFY_INTERVAL_MS", default_value_t = 1_000, value_name = "MS")]
    pub verify_interval_ms: u64,
}

/// What the seeder fills an empty database with.
#[derive(Args, Clone, Debug)]
pub struct SeedSettings {
    /// Users to make
    #[arg(long, env = "DAYBOOK_SEED_USERS", default_value_t = 2_000, value_name = "N")]
    pub seed_users: u32,

    /// Transactions to make
    #[arg(long, env = "DAYBOOK_SEED_TRANSACTIONS", default_value_t = 3_000_000, value_name = "N")]
    pub seed_transactions: u64,

    /// First day (UTC) with transactions [default: so that the last one is yesterday]
    #[arg(long, env = "DAYBOOK_SEED_FROM", value_name = "YYYY-MM-DD")]
    pub seed_from: Option<NaiveDate>,

    /// Days with transactions
    #[arg(long, env = "DAYBOOK_SEED_DAYS", default_value_t = 365, value_name = "N")]
    pub seed_days: u32,

    /// Number that the rows are drawn from: same number and first day, same rows
    #[arg(long, env = "DAYBOOK_SEED_NUMBER", default_value_t = 20_230_101, value_name = "N")]
    pub seed_number: u64,

    /// Draw users by Zipf's law and instants from business hours, as real data look
    #[arg(long, env = "DAYBOOK_SEED_SKEWED")]
    pub seed_skewed: bool,

    /// Loaders that work side by side [default: one a processor, at most 4]
    #[arg(long, env = "DAYBOOK_SEED_LOADERS", value_name = "N")]
    pub seed_loaders: Option<usize>,
}

/// Logs.
#[derive(Args, Clone, Debug)]
pub struct LogSettings {
    /// What is logged: a level, or a filter such as info,daybook::grpc=debug
    #[arg(long, env = "DAYBOOK_LOG", default_value = "info", value_name = "FILTER")]
    pub log: String,

    /// How log lines are written
    #[arg(long, env = "DAYBOOK_LOG_FORMAT", value_enum, default_value_t = LogFormat::Human)]
    pub log_format: LogFormat,

    /// Requests that take longer are logged as warnings, in milliseconds
    #[arg(long, env = "DAYBOOK_SLOW_REQUEST_MS", default_value_t = 1_000, value_name = "MS")]
    pub slow_request_ms: u64,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// Everything that `daybook serve` needs.
#[derive(Args, Clone, Debug)]
pub struct ServeSettings {
    /// Where the database is.
    #[command(flatten)]
    pub database: DatabaseSettings,
    /// Connections to it.
    #[command(flatten)]
    pub pool: PoolSettings,
    /// Daily partitions.
    #[command(flatten)]
    pub partitions: PartitionSettings,
    /// Running totals.
    #[command(flatten)]
    pub sealing: SealingSettings,
    /// What holds them against the rows.
    #[command(flatten)]
    pub verifier: VerifierSettings,
    /// What an empty database is filled with.
    #[command(flatten)]
    pub seed: SeedSettings,
    /// The gRPC port and its limits.
    #[command(flatten)]
    pub server: ServerSettings,
    /// What is answered there in other forms than gRPC.
    #[command(flatten)]
    pub web: WebSettings,
    /// Alerts.
    #[command(flatten)]
    pub alerts: AlertSettings,
    /// Prices taken from an exchange.
    #[command(flatten)]
    pub feed: FeedSettings,
    /// Wallets and tokens synced from chains.
    #[command(flatten)]
    pub sync: SyncSettings,
    /// What is counted and traced.
    #[command(flatten)]
    pub telemetry: TelemetrySettings,

    /// Leave an empty database empty; a seeding that was cut off is still completed
    #[arg(long, env = "DAYBOOK_NO_SEED")]
    pub no_seed: bool,
}
