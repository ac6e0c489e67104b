//! Settings of what is counted and traced.

use clap::Args;

/// What is counted and traced.
#[derive(Args, Clone, Debug)]
pub struct TelemetrySettings {
    /// Ask the database for what gauges show after this time, again and again, in seconds. 0 never
    /// does; what happens in the server itself is counted all the same
    #[arg(
        long,
        env = "DAYBOOK_METRICS_INTERVAL_SECONDS",
        default_value_t = 15,
        value_name = "SECONDS"
    )]
    pub metrics_interval_seconds: u64,

    /// Where traces are sent by OTLP over gRPC, for example http://127.0.0.1:4317; for a Daybook
    /// that was built with the feature `otel` [default: nowhere]
    #[arg(long, env = "DAYBOOK_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,
}
