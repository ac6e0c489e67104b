//! Settings of the gRPC port: who may call, and the limits of what is asked.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, ValueEnum};

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

    /// Most connections at once of one address (IPv6: one /64); more are closed at once. 0 is no
    /// limit. Unless it is set, 256, and no limit where the server listens on a loopback address
    #[arg(long, env = "DAYBOOK_ADDRESS_CONNECTIONS_MAX", value_name = "N")]
    pub address_connections_max: Option<usize>,

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

    /// Longest window of a sum, a series, a ranking or a histogram, in days; longer ones are
    /// INVALID_ARGUMENT. 0 is no limit
    #[arg(long, env = "DAYBOOK_WINDOW_DAYS_MAX", default_value_t = 0, value_name = "DAYS")]
    pub window_days_max: u32,

    /// Largest population that is ranked, in members; larger ones are RESOURCE_EXHAUSTED
    #[arg(
        long,
        env = "DAYBOOK_RANK_POPULATION_MAX",
        default_value_t = 100_000,
        value_name = "MEMBERS"
    )]
    pub rank_population_max: u64,

    /// Most accounts that ever had a token whose holders are listed; more are RESOURCE_EXHAUSTED
    #[arg(long, env = "DAYBOOK_HOLDERS_MAX", default_value_t = 300_000, value_name = "ACCOUNTS")]
    pub holders_max: u64,

    /// Most streams that watch overviews at once; more are RESOURCE_EXHAUSTED
    #[arg(long, env = "DAYBOOK_OVERVIEW_STREAMS_MAX", default_value_t = 256, value_name = "N")]
    pub overview_streams_max: usize,

    /// Most different overviews that are watched at once: each is computed again and again. More
    /// are RESOURCE_EXHAUSTED
    #[arg(long, env = "DAYBOOK_OVERVIEW_QUESTIONS_MAX", default_value_t = 32, value_name = "N")]
    pub overview_questions_max: usize,

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

    /// Longest time for a request to arrive whole, in milliseconds; then its connection is closed.
    /// One of HTTP/1.1 is closed too on which nothing is asked for so long
    #[arg(
        long,
        env = "DAYBOOK_REQUEST_READ_TIMEOUT_MS",
        default_value_t = 10_000,
        value_name = "MS"
    )]
    pub request_read_timeout_ms: u64,

    /// Longest time for a client to read an answer, or any of it, in milliseconds; then its
    /// connection is closed
    #[arg(long, env = "DAYBOOK_ANSWER_TIMEOUT_MS", default_value_t = 30_000, value_name = "MS")]
    pub answer_timeout_ms: u64,

    /// Longest time that requests at work get to finish after a stop signal, in milliseconds
    #[arg(long, env = "DAYBOOK_DRAIN_TIMEOUT_MS", default_value_t = 10_000, value_name = "MS")]
    pub drain_timeout_ms: u64,

    /// Whether server reflection is served
    #[arg(long, env = "DAYBOOK_REFLECTION", value_enum, default_value_t = Reflection::Auto)]
    pub reflection: Reflection,
}

/// Most connections of one address where others can reach the server, unless it is set.
const ADDRESS_CONNECTIONS_MAX: usize = 256;

impl ServerSettings {
    /// Most connections at once of one address; 0 is no limit.
    #[must_use]
    pub fn address_connections_max(&self) -> usize {
        let is_loopback = self.listen.ip().is_loopback();
        let usual = if is_loopback { 0 } else { ADDRESS_CONNECTIONS_MAX };
        self.address_connections_max.unwrap_or(usual)
    }
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
