//! Behind the gate: reads the message of a call in Connect's form, hands it to the service in
//! that of gRPC, and writes the answer. What fails is told as gRPC tells it; [`super::outside`]
//! turns that.
//!
//! A message has arrived whole by now, and its caller has a place: reading it takes no time of
//! anybody's who waits at the gate.

use std::{
    future::Future,
    io::Read,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use flate2::read::GzDecoder;
use futures_util::future::Either;
use http::{HeaderValue, Request, Response, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use tonic::{Code, Status, body::Body};
use tower::{Layer, Service, ServiceExt};

use crate::{
    error::BoxError,
    web::{
        MetricsText, Shared,
        connect::{Call, Codec, NO_STREAMS, invalid},
        contracts::{self, Rpc},
    },
};

/// Bytes before a message that tell its length (gRPC over HTTP/2, "Length-Prefixed-Message").
const PREFIX: usize = 5;

/// What somebody asks who was let in, in another form than gRPC.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Asked {
    /// An rpc.
    Rpc(Call),
    /// The metrics.
    Metrics,
}

/// Wraps services; see the head of the file.
#[derive(Clone)]
pub struct Inside {
    shared: Arc<Shared>,
}

/// A service behind an [`Inside`].
#[derive(Clone)]
pub struct InsideService<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl Inside {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}

impl<S> Layer<S> for Inside {
    type Service = InsideService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        InsideService { inner, shared: Arc::clone(&self.shared) }
    }
}

type BoxedFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl<S> Service<Request<Body>> for InsideService<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Either<S::Future, BoxedFuture<Result<Self::Response, Self::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Some(&asked) = request.extensions().get::<Asked>() else {
            return Either::Left(self.inner.call(request));
        };
        let (inner, shared) = (self.inner.clone(), Arc::clone(&self.shared));
        Either::Right(Box::pin(async move {
            let answered = match (asked, &shared.metrics) {
                (Asked::Rpc(call), _) => answer(inner, request, call, &shared).await?,
                (Asked::Metrics, Some((text, _))) => Ok(metrics(text)),
                (Asked::Metrics, None) => Err(Status::unimplemented("metrics are not served")),
            };
            Ok(answered.unwrap_or_else(Status::into_http))
        }))
    }
}

/// The metrics, as Prometheus reads them.
pub(super) fn metrics(text: &MetricsText) -> Response<Body> {
    let mut response = Response::new(Body::new(Full::new(Bytes::from(text()))));
    let content_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// Answers a call. The outer error is the service's own, which has none; the inner one is told.
async fn answer<S>(
    inner: S,
    request: Request<Body>,
    call: Call,
    shared: &Shared,
) -> Result<Result<Response<Body>, Status>, S::Error>
where
    S: Service<Request<Body>, Response = Response<Body>>,
{
    let Some(Rpc::Unary { input, output }) = shared.contracts.rpc(request.uri().path()) else {
        return Ok(Err(Status::unimplemented(NO_STREAMS)));
    };
    let (head, body) = request.into_parts();
    let message = match whole(body, shared.request_bytes_max).await {
        Ok(bytes) if call.is_gzip => unzip(&bytes, shared.request_bytes_max),
        read => read,
    };
    let message = message.and_then(|bytes| match call.codec {
        Codec::Proto => Ok(bytes),
        Codec::Json => contracts::read(input, &bytes)
            .map(Bytes::from)
            .map_err(|wrong| invalid("message", format!("cannot be read: {wrong}"))),
    });
    let message = match message {
        Ok(message) => message,
        Err(status) => return Ok(Err(status)),
    };
    let request = Request::from_parts(head, Body::new(Full::new(framed(&message))));
    let (mut head, body) = inner.oneshot(request).await?.into_parts();
    if head.headers.contains_key(Status::GRPC_STATUS) {
        return Ok(Ok(Response::from_parts(head, body)));
    }
    let answer = match answered(body).await {
        Ok(answer) => answer,
        Err(status) => return Ok(Err(status)),
    };
    let answer = match call.codec {
        Codec::Proto => Ok(answer),
        Codec::Json => contracts::write(output, &answer).map(Bytes::from),
    };
    Ok(answer.map_err(own_fault).map(|answer| {
        head.headers.insert(CONTENT_TYPE, call.codec.content_type());
        Response::from_parts(head, Body::new(Full::new(answer)))
    }))
}

/// All of a body.
async fn whole(body: Body, bytes_max: usize) -> Result<Bytes, Status> {
    match Limited::new(body, bytes_max).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large(bytes_max)),
        Err(error) => {
            tracing::debug!(error, "a message did not arrive");
            Err(invalid("message", "did not arrive whole"))
        }
    }
}

/// What was compressed, unless it is longer than a message may be.
fn unzip(bytes: &[u8], bytes_max: usize) -> Result<Bytes, Status> {
    let mut message = Vec::new();
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    let read = GzDecoder::new(bytes).take(limit).read_to_end(&mut message);
    read.map_err(|_| invalid("message", "cannot be read: it is not compressed with gzip"))?;
    if message.len() > bytes_max {
        return Err(too_large(bytes_max));
    }
    Ok(message.into())
}

/// Told as the codec of gRPC tells it.
fn too_large(bytes_max: usize) -> Status {
    Status::out_of_range(format!("the message is too large: the limit is {bytes_max} bytes"))
}

fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(PREFIX + message.len());
    frame.put_u8(0);
    // A setting says how long a message may be, at most 1 GiB; written in JSON none is less than a
    // third of what it is here.
    frame.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    frame.put_slice(message);
    frame.freeze()
}

/// The message of an answer without its frame, if its trailers say that all went well.
async fn answered(body: Body) -> Result<Bytes, Status> {
    let collected = body.collect().await?;
    let failed = collected.trailers().and_then(Status::from_header_map);
    if let Some(status) = failed.filter(|status| status.code() != Code::Ok) {
        let is_own = status.code() == Code::Internal;
        return Err(if is_own { own_fault(status.message().into()) } else { status });
    }
    let mut bytes = collected.to_bytes();
    if bytes.len() < PREFIX {
        return Err(own_fault("an answer without a message".into()));
    }
    bytes.advance(PREFIX);
    Ok(bytes)
}

/// A fault of our own, with its cause for the log: what has none is taken for the caller's.
fn own_fault(cause: BoxError) -> Status {
    let mut status = Status::internal("internal error");
    status.set_source(cause.into());
    status
}
