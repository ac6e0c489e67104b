//! What every request passes before its service: its content type and origin, a request id, the
//! deadline, whether there is a place, its arrival as a whole, its place, the gate, a net for
//! panics, and one line in the log; and what its answer passes behind it, until it has left.
//!
//! Only the gate may ask the database, for tokens. Health and reflection are always admitted
//! and have no deadline: they must answer when nothing else does, and may stream for ever.

use std::{
    future::Future,
    ops::Range,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{
    HeaderValue, Request, Response, StatusCode,
    header::{CONTENT_TYPE, ORIGIN},
};
use http_body::{Body as _, Frame, SizeHint};
use rand::RngExt;
use tokio::sync::watch;
use tonic::{Code, Status, body::Body};
use tower::{Layer, Service};
use tracing::Instrument;
use uuid::Uuid;

use crate::{
    domain::access::Principal,
    error::{Error, ErrorKind, Violation},
    grpc::{
        accept::Peer,
        admission::{Admitted, Gate},
        call_counts::CallCounts,
        deadline,
        gather::{TooMany, gather, make},
        meters::Meters,
        places::Places,
        policy::{Policy, is_stream, policy_of},
        request_log::log,
        status::to_status,
        waiting::{InUse, Line, Wait, Waiting},
    },
    telemetry::metrics::{Refused, RequestAtWork, refused},
};

/// What asks whether Daybook serves.
const HEALTH_CHECK: &str = "/grpc.health.v1.Health/Check";

/// Header of every answer, by which its lines are found in the log.
const REQUEST_ID: &str = "x-request-id";

/// What is said where there are too many.
const AT_LIMIT: ErrorKind = ErrorKind::Unavailable("the server is at its limit of requests");

/// Time between two looks for peers that keep the server waiting.
const LATE_LOOK: Duration = Duration::from_millis(50);

/// Time between two of them that are cut off.
const LATE_PAUSE: Duration = Duration::from_millis(20);

/// How long a refusal of somebody who asks too often waits, in milliseconds: callers who do not
/// listen are kept from asking so often that refusing them takes the time of others. Each waits for
/// a time of its own, so that they do not come back all at once.
const TURNED_BACK_PAUSE_MS: Range<u64> = 50..150;

/// Limits of requests.
#[derive(Clone, Copy, Debug)]
pub struct RequestLimits {
    /// Most requests at work at once.
    pub concurrency_max: usize,
    /// Longest time for one request.
    pub time_max: Duration,
    /// Longest message of a request, in bytes.
    pub request_bytes_max: usize,
    /// Most bytes of requests that have not arrived whole, and of answers that have not left.
    pub waiting_bytes_max: usize,
    /// Longest time for a request to arrive whole.
    pub read_time_max: Duration,
    /// Longest time for a client to read an answer.
    pub answer_time_max: Duration,
    /// Requests that take longer are logged as warnings.
    pub slow: Duration,
}

/// Wraps services; see the head of the file.
#[derive(Clone)]
pub struct RequestLayer {
    shared: Arc<Shared>,
}

struct Shared {
    limits: RequestLimits,
    gate: Gate,
    places: Arc<Places>,
    meters: Arc<Meters>,
    /// Requests that have begun and whose answer has not left; and the same for everybody to see.
    at_work: AtomicUsize,
    at_work_gauge: RequestAtWork,
    /// Requests that have not arrived whole.
    arriving: Waiting,
    /// Answers that have not been read.
    leaving: Waiting,
    is_started: watch::Receiver<bool>,
}

impl RequestLayer {
    /// A layer with these limits and this gate. Requests are turned away until `is_started`.
    #[must_use]
    pub fn new(limits: RequestLimits, gate: Gate, is_started: watch::Receiver<bool>) -> Self {
        let (places, at_work) = (Places::new(limits.concurrency_max), AtomicUsize::new(0));
        let arriving = Waiting::new(limits.waiting_bytes_max, limits.read_time_max);
        let leaving = Waiting::new(limits.waiting_bytes_max, limits.answer_time_max);
        let (meters, at_work_gauge) = (Meters::new(), RequestAtWork::gauge());
        let shared = Shared {
            limits,
            gate,
            places,
            meters,
            at_work,
            at_work_gauge,
            arriving,
            leaving,
            is_started,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Closes the connections of peers that keep the server waiting for too long, for ever.
    pub async fn cut_late(self) {
        loop {
            let is_any_late = self.shared.arriving.cut_late() | self.shared.leaving.cut_late();
            // Ending many connections at once would keep others waiting.
            tokio::time::sleep(if is_any_late { LATE_PAUSE } else { LATE_LOOK }).await;
        }
    }

    /// The calls of the last minute.
    #[must_use]
    pub fn calls(&self) -> CallCounts {
        self.shared.meters.calls()
    }

    /// Number of requests that have begun and whose answer has not left.
    #[must_use]
    pub fn at_work(&self) -> usize {
        self.shared.at_work.load(Ordering::Relaxed)
    }
}

impl<S> Layer<S> for RequestLayer {
    type Service = RequestService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequestService { inner, shared: Arc::clone(&self.shared) }
    }
}

/// A service behind a [`RequestLayer`].
#[derive(Clone)]
pub struct RequestService<S> {
    inner: S,
    shared: Arc<Shared>,
}

type BoxedFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl<S, E> Service<Request<Body>> for RequestService<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = E> + Clone + Send + 'static,
    S::Future: Send,
    E: Send + 'static,
{
    type Response = Response<Body>;
    type Error = E;
    type Future = BoxedFuture<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The clone takes our place; the one that was polled ready does the work.
        let clone = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, clone);
        let shared = Arc::clone(&self.shared);
        let path = request.uri().path().to_owned();
        if let Some(status) = turned_away(&request) {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = status;
            return Box::pin(std::future::ready(Ok(response)));
        }
        let mut call = shared.meters.begin(&path);
        if policy_of(&path) == Some(Policy::Open) {
            return Box::pin(async move {
                Ok(call.answered(answer_open(inner, request, &shared).await?))
            });
        }
        let id = Uuid::new_v4();
        let trace = call.trace(request.headers(), id);
        let traced = call.span();
        let by = tracing::field::Empty;
        let span = tracing::info_span!(parent: &traced, "request", %id, %trace, rpc = path, by);
        let answered = async move {
            let begun_at = Instant::now();
            let response = answer(inner, request, &shared).await?;
            let response = call.answered(name_unreadable(response));
            log(&response, begun_at.elapsed(), shared.limits.slow);
            let mut response = name_request(response, id);
            if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
                response.headers_mut().insert(REQUEST_ID, id);
            }
            Ok(response)
        };
        Box::pin(answered.instrument(span).instrument(traced))
    }
}

/// A request that has begun, until its answer has left.
struct AtWork {
    shared: Arc<Shared>,
    _in_use: Option<InUse>,
}

impl AtWork {
    fn begin(shared: &Arc<Shared>, line: Option<&Line>) -> Self {
        shared.at_work.fetch_add(1, Ordering::Relaxed);
        shared.at_work_gauge.begin();
        Self { shared: Arc::clone(shared), _in_use: line.map(Line::begin_use) }
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.shared.at_work.fetch_sub(1, Ordering::Relaxed);
        self.shared.at_work_gauge.end();
    }
}

/// An answer on its way: one of a stream lasts as long as that, any other is waited for.
struct Answer<B> {
    body: B,
    _wait: Option<Wait>,
    _at_work: AtWork,
    _admitted: Option<Admitted>,
}

impl<B> http_body::Body for Answer<B>
where
    B: http_body::Body<Data = Bytes, Error = Status> + Unpin,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

async fn answer<S, E>(
    inner: S,
    mut request: Request<Body>,
    shared: &Arc<Shared>,
) -> Result<Response<Body>, E>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = E> + Send,
    S::Future: Send,
{
    if !*shared.is_started.borrow() {
        refused(Refused::Starting);
        return Ok(refuse(ErrorKind::Unavailable("the server is starting")));
    }
    let line = line_of(&request);
    let at_work = AtWork::begin(shared, line.as_ref());
    let Some(limit) = deadline::time_limit(request.headers(), shared.limits.time_max) else {
        return Ok(refuse(ErrorKind::InvalidArgument(vec![Violation {
            field: "grpc-timeout".into(),
            description: "must be 1 to 8 digits and one of H, M, S, m, u, n".to_owned(),
        }])));
    };
    if limit.is_zero() {
        // Not left to timers: tonic's own would race it, and answers CANCELLED.
        return Ok(refuse(ErrorKind::DeadlineExceeded));
    }
    let is_stream = is_stream(request.uri().path());
    let work = async {
        if !shared.places.is_any_free() {
            return Ok((at_limit(shared).await, None));
        }
        if !is_stream {
            let body = std::mem::take(request.body_mut());
            let bytes_max = shared.limits.request_bytes_max;
            match gather(body, bytes_max, &shared.arriving, line.as_ref()).await {
                Ok(body) => *request.body_mut() = body,
                Err(TooMany) => return Ok((refuse_at_limit(), None)),
            }
        }
        let Some(place) = shared.places.take() else {
            return Ok((at_limit(shared).await, None));
        };
        let admitted = match shared.gate.admit(&mut request).await {
            Ok(admitted) => {
                if !matches!(admitted.identity.principal, Principal::Local) {
                    let by = tracing::field::display(&admitted.identity.principal);
                    tracing::Span::current().record("by", by);
                }
                admitted
            }
            Err(error) => {
                drop(place);
                if matches!(error.kind(), ErrorKind::TooOften(_)) {
                    let pause = rand::rng().random_range(TURNED_BACK_PAUSE_MS);
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                }
                return Ok((to_status(error).into_http(), None));
            }
        };
        Ok((catch(inner, request).await?, Some(admitted)))
    };
    let (response, admitted) = match tokio::time::timeout(limit, work).await {
        Ok(answered) => answered?,
        // The handler is dropped, and with it its statement is cancelled.
        Err(_) => return Ok(refuse(ErrorKind::DeadlineExceeded)),
    };
    let (head, body) = response.into_parts();
    if is_stream {
        // It counts as one of its caller's calls at work for as long as it lasts.
        let body = Answer { body, _wait: None, _at_work: at_work, _admitted: admitted };
        return Ok(Response::from_parts(head, Body::new(body)));
    }
    if body.is_end_stream() {
        return Ok(Response::from_parts(head, body));
    }
    let (body, length) = make(body);
    let Some(wait) = shared.leaving.begin(line.as_ref(), length) else {
        return Ok(refuse_at_limit());
    };
    let answer = Answer { body, _wait: Some(wait), _at_work: at_work, _admitted: None };
    Ok(Response::from_parts(head, Body::new(answer)))
}

/// The connection that a request came by.
fn line_of(request: &Request<Body>) -> Option<Line> {
    request.extensions().get::<Peer>().map(|peer| peer.line.clone())
}

/// Answers what is always admitted, once it has arrived whole.
async fn answer_open<S, E>(
    inner: S,
    mut request: Request<Body>,
    shared: &Shared,
) -> Result<Response<Body>, E>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = E>,
{
    let line = line_of(&request);
    let _in_use = line.as_ref().map(Line::begin_use);
    if request.uri().path() == HEALTH_CHECK {
        let body = std::mem::take(request.body_mut());
        let bytes_max = shared.limits.request_bytes_max;
        match gather(body, bytes_max, &shared.arriving, line.as_ref()).await {
            Ok(body) => *request.body_mut() = body,
            Err(TooMany) => return Ok(refuse_at_limit()),
        }
    }
    catch(inner, request).await
}

/// With what a request is turned away that no client of gRPC sends. A browser says from which page
/// it asks, and no page speaks gRPC; a page of somebody else's cannot make it leave that out, nor
/// send what says that it is gRPC (gRPC over HTTP/2, "Content-Type") without being let. What pages
/// and programs ask in another form was looked at before, and has become gRPC by now.
fn turned_away(request: &Request<Body>) -> Option<StatusCode> {
    let content_type = request.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let is_grpc = content_type.is_some_and(|content_type| {
        content_type == b"application/grpc"
            || content_type.starts_with(b"application/grpc+")
            || content_type.starts_with(b"application/grpc;")
    });
    let is_of_page = request.headers().contains_key(ORIGIN);
    match (is_grpc, is_of_page) {
        (true, false) => None,
        (true, true) => Some(StatusCode::FORBIDDEN),
        (false, _) => Some(StatusCode::UNSUPPORTED_MEDIA_TYPE),
    }
}

/// Runs the service; a panic becomes INTERNAL.
async fn catch<S, E>(mut inner: S, request: Request<Body>) -> Result<Response<Body>, E>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = E>,
{
    match AssertUnwindSafe(async { inner.call(request).await }).catch_unwind().await {
        Ok(response) => response,
        Err(panic) => {
            let text = panic
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_default();
            Ok(to_status(Error::with_source(ErrorKind::Internal, format!("panicked: {text}")))
                .into_http())
        }
    }
}

/// Refuses what there is no place for.
async fn at_limit(shared: &Shared) -> Response<Body> {
    tokio::time::sleep(shared.places.refusal_pause()).await;
    refuse_at_limit()
}

fn refuse_at_limit() -> Response<Body> {
    refused(Refused::AtLimit);
    refuse(AT_LIMIT)
}

fn refuse(kind: ErrorKind) -> Response<Body> {
    to_status(Error::new(kind)).into_http()
}

/// Says INVALID_ARGUMENT of a message that could not be read: tonic says INTERNAL, which is
/// for faults of our own. Those have a source, and what tonic says has none.
fn name_unreadable(response: Response<Body>) -> Response<Body> {
    match response.extensions().get::<Status>() {
        Some(status)
            if status.code() == Code::Internal && std::error::Error::source(status).is_none() =>
        {
            refuse(ErrorKind::InvalidArgument(vec![Violation {
                field: "message".into(),
                description: format!("cannot be read: {}", status.message()),
            }]))
        }
        _ => response,
    }
}

/// Puts the request's id into the message of a fault of our own: whoever reports it
/// names the lines in the log.
fn name_request(response: Response<Body>, id: Uuid) -> Response<Body> {
    match response.extensions().get::<Status>() {
        Some(status) if status.code() == Code::Internal => {
            let message = format!("{} (request {id})", status.message());
            Status::internal(message).into_http()
        }
        _ => response,
    }
}
