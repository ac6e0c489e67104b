//! Logs: one subscriber for the process, for people or as JSON. Beside it what is counted
//! (`metrics`; of late: `last_minute`), which trace a request belongs to (`trace_context`), and
//! where traces go (`traces`).

pub mod last_minute;
pub mod metrics;
pub mod trace_context;
pub mod traces;

use std::io::IsTerminal;

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer, filter::filter_fn, fmt, prelude::*, registry::LookupSpan,
};

use crate::config::{LogFormat, LogSettings};

/// What runs beside the log until the end; without the feature `otel` nothing does.
#[derive(Default)]
pub struct Telemetry {
    #[cfg(feature = "otel")]
    collector: Option<traces::Collector>,
}

impl Telemetry {
    /// Sends what was not sent yet.
    pub async fn close(self) {
        #[cfg(feature = "otel")]
        if let Some(collector) = self.collector {
            // It blocks; what it says is in the log.
            let _ = tokio::task::spawn_blocking(move || collector.close()).await;
        }
    }
}

/// Starts logging to standard error.
///
/// Whatever the filter says, of `tokio_postgres` only warnings and errors are logged.
///
/// # Errors
/// If the filter cannot be read.
pub fn start(settings: &LogSettings) -> Result<(), anyhow::Error> {
    let registry = tracing_subscriber::registry().with(filter(settings)?);
    let registry = registry.with(filter_fn(may_be_logged)).with(log_layer(settings.log_format));
    registry.try_init().map_err(|error| anyhow::anyhow!("logging: {error}"))
}

/// Starts logging, and tracing where there is an endpoint for that.
///
/// # Errors
/// As for [`start`]; if this Daybook cannot trace, or not to this endpoint.
pub fn start_traced(
    settings: &LogSettings,
    otlp_endpoint: Option<&str>,
) -> Result<Telemetry, anyhow::Error> {
    match otlp_endpoint {
        None => start(settings).map(|()| Telemetry::default()),
        #[cfg(not(feature = "otel"))]
        Some(_) => Err(anyhow::anyhow!(
            "--otlp-endpoint: this Daybook was built without the feature `otel`"
        )),
        #[cfg(feature = "otel")]
        Some(endpoint) => {
            let (collector, traces) = traces::collector(endpoint)?;
            let logged = filter_fn(may_be_logged);
            let log = log_layer(settings.log_format).with_filter(logged);
            let registry = tracing_subscriber::registry();
            let registry = registry.with(traces).with(log.with_filter(filter(settings)?));
            registry.try_init().map_err(|error| anyhow::anyhow!("logging: {error}"))?;
            Ok(Telemetry { collector: Some(collector) })
        }
    }
}

fn filter(settings: &LogSettings) -> Result<EnvFilter, anyhow::Error> {
    EnvFilter::try_new(&settings.log).map_err(|error| anyhow::anyhow!("--log: {error}"))
}

fn log_layer<S>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    match format {
        LogFormat::Human => {
            let layer = fmt::layer().with_writer(std::io::stderr).with_target(false);
            layer.with_ansi(std::io::stderr().is_terminal()).boxed()
        }
        LogFormat::Json => fmt::layer().json().with_writer(std::io::stderr).boxed(),
    }
}

/// `tokio_postgres` logs every statement with its values at debug level, and every notice at
/// info. A filter of its own holds them back, because a directive of the user's that names a
/// module within would win over any directive added here. Spans of traces are not for the log.
fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    (*metadata.level() <= Level::WARN || !target.starts_with("tokio_postgres"))
        && target != traces::TARGET
}
