//! Settings of what is answered in other forms than gRPC: who is let in from browsers, the page,
//! and the metrics.

use clap::{Args, ValueEnum};

/// What is answered in other forms than gRPC.
#[derive(Args, Clone, Debug)]
pub struct WebSettings {
    /// Names under which browsers and programs that speak plain HTTP may ask, besides localhost and
    /// those of --tls-certificate; with commas between them
    #[arg(long, env = "DAYBOOK_WEB_HOSTS", value_name = "NAMES", value_delimiter = ',')]
    pub web_hosts: Vec<String>,

    /// Origins (scheme, host and port) of other servers whose pages may ask too; with commas
    /// between them [default: none, Daybook's own page alone]
    #[arg(long, env = "DAYBOOK_WEB_ORIGINS", value_name = "ORIGINS", value_delimiter = ',')]
    pub web_origins: Vec<String>,

    /// Whether the page is served, at /
    #[arg(long, env = "DAYBOOK_PAGE", value_enum, default_value_t = PageMode::Auto)]
    pub page: PageMode,

    /// Whether the metrics for Prometheus are served, at /metrics, and to whom
    #[arg(long, env = "DAYBOOK_METRICS", value_enum, default_value_t = MetricsMode::Auto)]
    pub metrics: MetricsMode,
}

/// Whether the page is served.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum PageMode {
    /// Wherever Daybook listens: it holds no data, and asks as whoever looks at it.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// To whom metrics are served.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum MetricsMode {
    /// To everybody on a loopback address; elsewhere to tokens of readers and admins.
    Auto,
    /// To everybody.
    On,
    /// To nobody.
    Off,
}
