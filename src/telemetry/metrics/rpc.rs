//! What is counted of one rpc, under the names that dashboards for gRPC know.

use std::time::Duration;

use metrics::{Counter, Histogram, Label, counter, histogram};

use super::families::{HANDLED, HANDLING_SECONDS, STARTED};

/// The code of what went well.
const OK: &str = "OK";

/// The code of a fault of Daybook's own: counted from zero, so that the first one is seen.
const FAULT: &str = "Internal";

/// Counts the calls of one rpc.
pub struct RpcMeter {
    labels: [Label; 3],
    started: Counter,
    seconds: Histogram,
    ok: Counter,
}

impl RpcMeter {
    /// Counts calls of this method; `kind` is `unary`, `client_stream`, `server_stream` or
    /// `bidi_stream`.
    #[must_use]
    pub fn new(kind: &'static str, service: &'static str, method: &'static str) -> Self {
        let labels = [
            Label::from_static_parts("grpc_type", kind),
            Label::from_static_parts("grpc_service", service),
            Label::from_static_parts("grpc_method", method),
        ];
        counter!(HANDLED, with_code(&labels, FAULT)).increment(0);
        Self {
            started: counter!(STARTED, labels.to_vec()),
            seconds: histogram!(HANDLING_SECONDS, labels.to_vec()),
            ok: counter!(HANDLED, with_code(&labels, OK)),
            labels,
        }
    }

    /// A call begins.
    pub fn begin(&self) {
        self.started.increment(1);
    }

    /// A call ended with this code, after so long.
    pub fn end(&self, code: &'static str, took: Duration) {
        self.seconds.record(took);
        match code {
            OK => self.ok.increment(1),
            _ => counter!(HANDLED, with_code(&self.labels, code)).increment(1),
        }
    }
}

fn with_code(labels: &[Label], code: &'static str) -> Vec<Label> {
    let mut labels = labels.to_vec();
    labels.push(Label::from_static_parts("grpc_code", code));
    labels
}
