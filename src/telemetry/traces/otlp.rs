//! Traces by OpenTelemetry, sent to a collector by OTLP over gRPC.
//!
//! Names of fields are those of OpenTelemetry's semantic conventions for rpcs and databases.

use std::{collections::HashMap, time::Duration};

use opentelemetry::{
    propagation::TextMapPropagator,
    trace::{TraceContextExt, TracerProvider},
};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::{Resource, propagation::TraceContextPropagator, trace::SdkTracerProvider};
use tracing::{Span, Subscriber, field::Empty, span::Id};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{Layer, Registry, filter::filter_fn, registry::LookupSpan};

use crate::telemetry::{trace_context::TraceId, traces::TARGET};

/// Longest wait for a collector at the end, to take what it was not sent yet.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);

/// Where spans go.
pub(in crate::telemetry) struct Collector {
    provider: SdkTracerProvider,
}

impl Collector {
    /// Sends what was not sent yet, and no more from then on. Blocks.
    pub(in crate::telemetry) fn close(&self) {
        if let Err(error) = self.provider.shutdown_with_timeout(FLUSH_TIMEOUT) {
            tracing::warn!(%error, "traces could not be sent to the end");
        }
    }
}

/// What sends spans to the collector at this endpoint, and what hands them over.
///
/// # Errors
/// If the endpoint is none.
pub(in crate::telemetry) fn collector<S>(
    endpoint: &str,
) -> Result<(Collector, impl Layer<S> + use<S>), anyhow::Error>
where
    S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
{
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .build()
        .map_err(|error| anyhow::anyhow!("--otlp-endpoint: {error}"))?;
    let resource = Resource::builder().with_service_name("daybook").build();
    let provider =
        SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
    let layer = tracing_opentelemetry::layer()
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_tracer(provider.tracer("daybook"))
        .with_filter(filter_fn(|metadata| metadata.is_span() && metadata.target() == TARGET));
    Ok((Collector { provider }, layer))
}

pub(super) fn rpc_span(
    traceparent: Option<&str>,
    service: &'static str,
    method: &'static str,
) -> Span {
    let span = tracing::info_span!(
        target: TARGET,
        parent: None,
        "rpc",
        otel.name = format!("{service}/{method}"),
        otel.kind = "server",
        otel.status_code = Empty,
        rpc.system = "grpc",
        rpc.service = service,
        rpc.method = method,
        rpc.grpc.status_code = Empty,
    );
    if let Some(traceparent) = traceparent.filter(|_| !span.is_disabled()) {
        let carrier = HashMap::from([("traceparent".to_owned(), traceparent.to_owned())]);
        // Begun just now: it has no parent yet.
        let _ = span.set_parent(TraceContextPropagator::new().extract(&carrier));
    }
    span
}

pub(super) fn trace_of(span: &Span) -> Option<TraceId> {
    if span.is_disabled() {
        return None;
    }
    TraceId::of_bytes(span.context().span().span_context().trace_id().to_bytes())
}

pub(super) fn statement_span(stem: &'static str) -> Span {
    let Some(call) = call_around(&Span::current()) else { return Span::none() };
    tracing::info_span!(
        target: TARGET,
        parent: call,
        "statement",
        otel.name = stem,
        otel.kind = "client",
        db.system = "postgresql",
    )
}

/// The call whose span this is, or lies within: spans of the log lie in between.
fn call_around(span: &Span) -> Option<Id> {
    span.with_subscriber(|(id, subscriber)| {
        let mut around = subscriber.downcast_ref::<Registry>()?.span(id)?.scope();
        around.find(|span| span.metadata().target() == TARGET).map(|span| span.id())
    })?
}
