//! Settings: every flag and environment variable that Daybook reads, with its
//! default and meaning.
//!
//! Parsed by the binaries only. Everyone below is handed a sub-struct, so that
//! nothing but a binary depends on the process environment. `app` checks them together,
//! before a port opens or a process starts.

mod bench;

use std::{net::SocketAddr, path::PathBuf};

use chrono::NaiveDate;
use clap::{Args, ValueEnum};

pub use bench::{BenchDirection, BenchMetric, BenchSettings, Call, Mix, WindowLength, WindowShape};

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

/// The gRPC port and its limits.
#[derive(Args, Clone, Debug)]
pub struct ServerSettings {
    /// Address and port to listen on
    #[arg(long, env = "DAYBOOK_LISTEN", default_value = "127.0.0.1:50051", value_name = "ADDR")]
    pub listen: SocketAddr,

    /// Whether callers must show a token; `daybook token` makes them
    #[arg(long, env = "DAYBOOK_AUTH", value_enum, default_value_t = AuthMode::Auto)]
    pub auth: AuthMode,

    /// How long what is known of a token is believed, in milliseconds: a revoked one is refused
    /// after this time
    #[arg(long, env = "DAYBOOK_TOKEN_FRESHNESS_MS", default_value_t = 10_000, value_name = "MS")]
    pub token_freshness_ms: u64,

    /// Most calls a second with one token; more are RESOURCE_EXHAUSTED with the time to wait. 0 is
    /// no limit
    #[arg(long, env = "DAYBOOK_TOKEN_RATE_MAX", default_value_t = 1_000, value_name = "CALLS")]
    pub token_rate_max: u32,

    /// Most calls at work at once with one token; more are RESOURCE_EXHAUSTED. 0 is no limit
    #[arg(long, env = "DAYBOOK_TOKEN_CONCURRENCY_MAX", default_value_t = 32, value_name = "N")]
    pub token_concurrency_max: usize,

    /// Most calls a second from one address (IPv6: one /64), with or without a token; 0 is no limit
    #[arg(long, env = "DAYBOOK_ADDRESS_RATE_MAX", default_value_t = 0, value_name = "CALLS")]
    pub address_rate_max: u32,

    /// Most look-ups a second of tokens from one address; guesses beyond are not looked up. 0 is
    /// no limit
    #[arg(
        long,
        env = "DAYBOOK_TOKEN_LOOKUP_RATE_MAX",
        default_value_t = 50,
        value_name = "LOOKUPS"
    )]
    pub token_lookup_rate_max: u32,

    /// File with the server's certificate, and those that lead to its root, in PEM; connections
    /// are encrypted then. Read again when it changes
    #[arg(long, env = "DAYBOOK_TLS_CERTIFICATE", value_name = "FILE", requires = "tls_key")]
    pub tls_certificate: Option<PathBuf>,

    /// File with the private key of --tls-certificate, in PEM; not readable by everybody
    #[arg(long, env = "DAYBOOK_TLS_KEY", value_name = "FILE", requires = "tls_certificate")]
    pub tls_key: Option<PathBuf>,

    /// File with the roots of callers' certificates, in PEM: callers without one are not let in,
    /// and those with one may be known by a name in it (daybook token create --certificate-name)
    #[arg(long, env = "DAYBOOK_TLS_CLIENT_CA", value_name = "FILE", requires = "tls_certificate")]
    pub tls_client_ca: Option<PathBuf>,

    /// Let callers in without a certificate too: they show a token
    #[arg(long, env = "DAYBOOK_TLS_CLIENT_OPTIONAL", requires = "tls_client_ca")]
    pub tls_client_optional: bool,

    /// Serve on an address that others can reach without encryption, or without asking for
    /// tokens: whoever is on the way reads amounts and tokens, or whoever comes may do everything
    #[arg(long, env = "DAYBOOK_ALLOW_UNPROTECTED_NETWORK")]
    pub allow_unprotected_network: bool,

    /// Longest time for one request, in milliseconds, whatever deadline its client sets
    #[arg(long, env = "DAYBOOK_REQUEST_TIMEOUT_MS", default_value_t = 30_000, value_name = "MS")]
    pub request_timeout_ms: u64,

    /// Most requests at work at once; more are answered UNAVAILABLE within milliseconds
    #[arg(long, env = "DAYBOOK_CONCURRENCY_MAX", default_value_t = 256, value_name = "N")]
    pub concurrency_max: usize,

    /// Most connections at once; more are closed at once
    #[arg(long, env = "DAYBOOK_CONNECTIONS_MAX", default_value_t = 1_024, value_name = "N")]
    pub connections_max: usize,

    /// Most requests at once on one connection
    #[arg(long, env = "DAYBOOK_STREAMS_MAX", default_value_t = 200, value_name = "N")]
    pub streams_max: u32,

    /// Largest request message, in bytes
    #[arg(
        long,
        env = "DAYBOOK_REQUEST_BYTES_MAX",
        default_value_t = 1_048_576,
        value_name = "BYTES"
    )]
    pub request_bytes_max: usize,

    /// Largest answer message, in bytes
    #[arg(
        long,
        env = "DAYBOOK_RESPONSE_BYTES_MAX",
        default_value_t = 4_194_304,
        value_name = "BYTES"
    )]
    pub response_bytes_max: usize,

    /// Largest population that is ranked, in members; larger ones are RESOURCE_EXHAUSTED
    #[arg(
        long,
        env = "DAYBOOK_RANK_POPULATION_MAX",
        default_value_t = 100_000,
        value_name = "MEMBERS"
    )]
    pub rank_population_max: u64,

    /// Most rows that a histogram reads; windows that hold more are RESOURCE_EXHAUSTED
    #[arg(
        long,
        env = "DAYBOOK_HISTOGRAM_ROWS_MAX",
        default_value_t = 5_000_000,
        value_name = "ROWS"
    )]
    pub histogram_rows_max: u64,

    /// Most accounts that one user tracks as wallets; more are RESOURCE_EXHAUSTED
    #[arg(long, env = "DAYBOOK_USER_WALLETS_MAX", default_value_t = 1_000, value_name = "N")]
    pub user_wallets_max: u32,

    /// Most users who track one account as a wallet; more are RESOURCE_EXHAUSTED
    #[arg(long, env = "DAYBOOK_WALLET_USERS_MAX", default_value_t = 1_000, value_name = "N")]
    pub wallet_users_max: u32,

    /// Most rows of one reference that are added up; larger ones are RESOURCE_EXHAUSTED
    #[arg(long, env = "DAYBOOK_REFERENCE_ROWS_MAX", default_value_t = 10_000, value_name = "ROWS")]
    pub reference_rows_max: usize,

    /// Most combinations of wallet, asset and direction that are merged into one list of
    /// transactions; more are RESOURCE_EXHAUSTED
    #[arg(long, env = "DAYBOOK_LIST_SERIES_MAX", default_value_t = 20_000, value_name = "N")]
    pub list_series_max: usize,

    /// Most streams that record transactions at once; more are RESOURCE_EXHAUSTED
    #[arg(long, env = "DAYBOOK_INGEST_STREAMS_MAX", default_value_t = 128, value_name = "N")]
    pub ingest_streams_max: usize,

    /// Longest time that such a stream may send nothing, or leave its answers unread, in
    /// milliseconds
    #[arg(
        long,
        env = "DAYBOOK_INGEST_IDLE_TIMEOUT_MS",
        default_value_t = 60_000,
        value_name = "MS"
    )]
    pub ingest_idle_timeout_ms: u64,

    /// Longest time that such a stream may last, in milliseconds
    #[arg(
        long,
        env = "DAYBOOK_INGEST_STREAM_TIMEOUT_MS",
        default_value_t = 86_400_000,
        value_name = "MS"
    )]
    pub ingest_stream_timeout_ms: u64,

    /// Longest wait for a new connection's first request bytes, in milliseconds
    #[arg(
        long,
        env = "DAYBOOK_FIRST_BYTES_TIMEOUT_MS",
        default_value_t = 5_000,
        value_name = "MS"
    )]
    pub first_bytes_timeout_ms: u64,

    /// Age at which a connection is told to go, in seconds; what it asks meanwhile is answered, and
    /// its client connects anew (one that does not retry may see a call fail then). 0 is no limit
    #[arg(
        long,
        env = "DAYBOOK_CONNECTION_AGE_MAX_SECONDS",
        default_value_t = 0,
        value_name = "SECONDS"
    )]
    pub connection_age_max_seconds: u64,

    /// Most bytes of requests that have not arrived whole, and as many of answers that have not
    /// been read; beyond, whoever waits longest is cut off
    #[arg(
        long,
        env = "DAYBOOK_WAITING_BYTES_MAX",
        default_value_t = 268_435_456,
        value_name = "BYTES"
    )]
    pub waiting_bytes_max: usize,

    /// Longest time for a request to arrive whole, in milliseconds; then its connection is closed
    #[arg(
        long,
        env = "DAYBOOK_REQUEST_READ_TIMEOUT_MS",
        default_value_t = 10_000,
        value_name = "MS"
    )]
    pub request_read_timeout_ms: u64,

    /// Longest time for a client to read an answer, in milliseconds; then its connection is
    /// closed
    #[arg(long, env = "DAYBOOK_ANSWER_TIMEOUT_MS", default_value_t = 30_000, value_name = "MS")]
    pub answer_timeout_ms: u64,

    /// Longest time that requests at work get to finish after a stop signal, in milliseconds
    #[arg(long, env = "DAYBOOK_DRAIN_TIMEOUT_MS", default_value_t = 10_000, value_name = "MS")]
    pub drain_timeout_ms: u64,

    /// Whether server reflection is served
    #[arg(long, env = "DAYBOOK_REFLECTION", value_enum, default_value_t = Reflection::Auto)]
    pub reflection: Reflection,
}

/// Whether callers must show a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum AuthMode {
    /// Unless the address is a loopback one.
    Auto,
    /// Always.
    On,
    /// Never: whoever reaches the port may do everything.
    Off,
}

/// Whether server reflection is served.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Reflection {
    /// On a loopback address only.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
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

    /// Leave an empty database empty; a seeding that was cut off is still completed
    #[arg(long, env = "DAYBOOK_NO_SEED")]
    pub no_seed: bool,
}
