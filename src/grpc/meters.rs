//! Counts calls: each begins once and ends once, with the code that its caller was told, or as
//! cancelled where nobody was there any more to be told. A stream ends when its last message has
//! been handed over, not when its first one could be.
//!
//! *Invariant:* what is counted by is the policy table. A path that it does not have is counted as
//! `unknown`, whatever somebody sends.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body::{Frame, SizeHint};
use prost::Message;
use prost_types::FileDescriptorSet;
use tonic::{Code, Status, body::Body};
use tracing::Span;
use uuid::Uuid;

use crate::{
    grpc::{
        call_counts::CallCounts,
        pb::DESCRIPTORS,
        policy::{METRICS, POLICIES, Policy, place_of, policy_of},
    },
    telemetry::{
        metrics::RpcMeter,
        trace_context::TraceId,
        traces::{rpc_ended, rpc_span, trace_of},
    },
};

/// Service and method of what is no rpc.
const UNKNOWN: &str = "unknown";

/// Kind of an rpc that is no stream.
const UNARY: &str = "unary";

/// Where the code of an answer is that ends with it.
const GRPC_STATUS: &str = "grpc-status";

/// Where a caller says which trace its request belongs to.
const TRACEPARENT: &str = "traceparent";

/// Counts the calls of all rpcs.
pub(super) struct Meters {
    /// In the order of the policy table.
    rpcs: Vec<Rpc>,
    /// Reading the metrics, which is no rpc.
    metrics: Rpc,
    unknown: Rpc,
    /// Those of the last minute.
    calls: CallCounts,
}

struct Rpc {
    service: &'static str,
    method: &'static str,
    meter: RpcMeter,
    is_stream: bool,
    /// Whether `GetStatus` tells of it: what callers wait for, once they are let in.
    is_told: bool,
}

impl Meters {
    /// Counts from here on.
    pub(super) fn new() -> Arc<Self> {
        let kinds = kinds();
        let rpc = |path: &'static str| {
            let (service, method) = split(path).unwrap_or(match path == METRICS.0 {
                true => ("metrics", "GET"),
                false => (UNKNOWN, UNKNOWN),
            });
            let kind = kinds.get(path).copied().unwrap_or(UNARY);
            let meter = RpcMeter::new(kind, service, method);
            let is_stream = kind != UNARY;
            let is_told = !is_stream && policy_of(path) != Some(Policy::Open);
            Rpc { service, method, meter, is_stream, is_told }
        };
        let rpcs = POLICIES.iter().map(|&(path, _)| rpc(path)).collect();
        let calls = CallCounts::new();
        Arc::new(Self { rpcs, metrics: rpc(METRICS.0), unknown: rpc(""), calls })
    }

    /// The calls of the last minute that were answered: no streams, and nothing that is open to
    /// all.
    pub(super) fn calls(&self) -> CallCounts {
        self.calls.clone()
    }

    /// A call of what is at this path begins.
    pub(super) fn begin(self: &Arc<Self>, path: &str) -> Call {
        let place = match path == METRICS.0 {
            true => Place::Metrics,
            false => place_of(path).map_or(Place::Unknown, Place::Rpc),
        };
        let (begun_at, span) = (Instant::now(), Span::none());
        let call = Call { meters: Arc::clone(self), place, begun_at, span, is_over: false };
        call.rpc().meter.begin();
        call
    }
}

/// What a call is counted as.
#[derive(Clone, Copy)]
enum Place {
    Rpc(usize),
    Metrics,
    Unknown,
}

/// Service and method of a path.
fn split(path: &'static str) -> Option<(&'static str, &'static str)> {
    path.strip_prefix('/')?.split_once('/')
}

/// Kinds of all rpcs that are described, by path.
fn kinds() -> HashMap<String, &'static str> {
    let described = [
        DESCRIPTORS,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
    ];
    let mut kinds = HashMap::new();
    for file in described.iter().flat_map(|bytes| {
        // Built in, so that they can be read.
        FileDescriptorSet::decode(*bytes).unwrap_or_default().file
    }) {
        for service in &file.service {
            for method in &service.method {
                let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                let kind = match (method.client_streaming(), method.server_streaming()) {
                    (false, false) => UNARY,
                    (true, false) => "client_stream",
                    (false, true) => "server_stream",
                    (true, true) => "bidi_stream",
                };
                kinds.insert(path, kind);
            }
        }
    }
    kinds
}

/// A call that has begun. Dropped before it has ended it counts as cancelled.
pub(super) struct Call {
    meters: Arc<Meters>,
    place: Place,
    begun_at: Instant,
    /// What traces know it by; none where nothing is traced.
    span: Span,
    is_over: bool,
}

impl Call {
    fn rpc(&self) -> &Rpc {
        match self.place {
            Place::Rpc(place) => &self.meters.rpcs[place],
            Place::Metrics => &self.meters.metrics,
            Place::Unknown => &self.meters.unknown,
        }
    }

    /// Puts the call into the trace that its caller names, else into one of its own; which that is.
    /// Where nothing is traced it is that of the request.
    pub(super) fn trace(&mut self, headers: &HeaderMap, request: Uuid) -> TraceId {
        let named = headers.get(TRACEPARENT);
        let trace = named.and_then(|named| TraceId::parse(named.as_bytes()));
        let parent = named.filter(|_| trace.is_some()).and_then(|named| named.to_str().ok());
        self.span = rpc_span(parent, self.rpc().service, self.rpc().method);
        trace_of(&self.span).or(trace).unwrap_or_else(|| TraceId::of_request(request))
    }

    /// What its work is done in.
    pub(super) fn span(&self) -> Span {
        self.span.clone()
    }

    /// Ends with this answer: at once, or where it is a stream with the end of that.
    pub(super) fn answered(mut self, response: Response<Body>) -> Response<Body> {
        // Where all went well the status is left out.
        let code = response.extensions().get::<Status>().map_or(Code::Ok, Status::code);
        if self.rpc().is_told {
            self.meters.calls.count(self.begun_at.elapsed(), code != Code::Ok);
        }
        if code != Code::Ok {
            self.end(code);
            return response;
        }
        if self.rpc().is_stream {
            return response.map(|body| Body::new(Streamed { body, call: self }));
        }
        self.end(Code::Ok);
        response
    }

    fn end(&mut self, code: Code) {
        if !std::mem::replace(&mut self.is_over, true) {
            self.rpc().meter.end(name(code), self.begun_at.elapsed());
            rpc_ended(&self.span, code as i32, is_fault(code));
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.is_over {
            tracing::debug!("request abandoned by its client");
        }
        self.end(Code::Cancelled);
    }
}

/// The body of a stream, which ends its call.
struct Streamed {
    body: Body,
    call: Call,
}

impl http_body::Body for Streamed {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(trailers) = frame.trailers_ref() {
                    self.call.end(code_of(trailers));
                }
            }
            Poll::Ready(Some(Err(status))) => self.call.end(status.code()),
            Poll::Ready(None) => self.call.end(Code::Unknown),
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn code_of(trailers: &HeaderMap) -> Code {
    trailers.get(GRPC_STATUS).map_or(Code::Unknown, |code| Code::from_bytes(code.as_bytes()))
}

/// Whether a code says that the server failed, for those who look at traces.
fn is_fault(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}

/// Codes as dashboards for gRPC spell them.
fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "Canceled",
        Code::Unknown => "Unknown",
        Code::InvalidArgument => "InvalidArgument",
        Code::DeadlineExceeded => "DeadlineExceeded",
        Code::NotFound => "NotFound",
        Code::AlreadyExists => "AlreadyExists",
        Code::PermissionDenied => "PermissionDenied",
        Code::ResourceExhausted => "ResourceExhausted",
        Code::FailedPrecondition => "FailedPrecondition",
        Code::Aborted => "Aborted",
        Code::OutOfRange => "OutOfRange",
        Code::Unimplemented => "Unimplemented",
        Code::Internal => "Internal",
        Code::Unavailable => "Unavailable",
        Code::DataLoss => "DataLoss",
        Code::Unauthenticated => "Unauthenticated",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rpc_of_the_policy_table_is_described() {
        let kinds = kinds();
        for (path, _) in POLICIES {
            assert!(kinds.contains_key(*path), "{path}");
            assert!(split(path).is_some_and(|(service, method)| {
                !service.is_empty() && !method.is_empty() && !method.contains('/')
            }));
        }
        assert_eq!(kinds["/daybook.v1.AnalyticsService/SumAmount"], "unary");
        assert_eq!(kinds["/daybook.v1.PriceService/WatchAlerts"], "server_stream");
        assert_eq!(kinds["/daybook.v1.IngestService/RecordPrices"], "bidi_stream");
    }
}
