//! Traces: one span a call, within its caller's trace if that has one, and within it one for each
//! statement. They go to a collector, and never into the log.
//!
//! Without the feature `otel` there are none, and nothing here costs anything. A span says which
//! rpc or which statement file, and how it ended: no SQL and no values.

use tracing::Span;

use crate::telemetry::trace_context::TraceId;

#[cfg(feature = "otel")]
mod otlp;

#[cfg(feature = "otel")]
pub(super) use otlp::{Collector, collector};

/// What spans of traces are known by: the log leaves them out.
pub(super) const TARGET: &str = "daybook::traces";

/// The span of a call, in the trace that `traceparent` names; not one where nothing is traced.
#[must_use]
#[cfg_attr(
    not(feature = "otel"),
    expect(unused_variables, reason = "nothing is traced without the feature")
)]
pub fn rpc_span(traceparent: Option<&str>, service: &'static str, method: &'static str) -> Span {
    #[cfg(feature = "otel")]
    return otlp::rpc_span(traceparent, service, method);
    #[cfg(not(feature = "otel"))]
    Span::none()
}

/// The trace of a span, where it is traced.
#[must_use]
#[cfg_attr(
    not(feature = "otel"),
    expect(unused_variables, reason = "nothing is traced without the feature")
)]
pub fn trace_of(span: &Span) -> Option<TraceId> {
    #[cfg(feature = "otel")]
    return otlp::trace_of(span);
    #[cfg(not(feature = "otel"))]
    None
}

/// A call ended with this code, by a fault of the server's or not.
pub fn rpc_ended(span: &Span, code: i32, is_fault: bool) {
    if span.is_none() {
        return;
    }
    span.record("rpc.grpc.status_code", code);
    if is_fault {
        span.record("otel.status_code", "ERROR");
    }
}

/// The span of a statement, until it is dropped; not one outside of a call: workers ask all the
/// time.
pub struct StatementSpan {
    #[cfg(feature = "otel")]
    _span: Span,
}

impl StatementSpan {
    /// Begins one.
    #[must_use]
    #[cfg_attr(
        not(feature = "otel"),
        expect(unused_variables, reason = "nothing is traced without the feature")
    )]
    pub fn begin(stem: &'static str) -> Self {
        Self {
            #[cfg(feature = "otel")]
            _span: otlp::statement_span(stem),
        }
    }
}
