//! Before the gate: what form a request has, whether its page is let in, and its answer in the same
//! form.
//!
//! Plain gRPC goes straight through. Everything else must name the server by one of its names, and
//! come from no page of anybody else's ([`super::callers`]); then it becomes a gRPC call, or is the
//! page or the metrics, or nothing. Reading alone (GET) is never a call.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::future::Either;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version,
    header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, ORIGIN, TE, X_CONTENT_TYPE_OPTIONS},
};
use http_body_util::{BodyExt, Full};
use tonic::{Code, Status, body::Body};
use tonic_web::GrpcWebLayer;
use tower::{Layer, Service, ServiceExt};

use crate::web::{
    MetricsFor, Shared,
    connect::{self, Call, Codec, NO_STREAMS},
    connect_stream,
    inside::{self, Asked},
};

/// Where the metrics are.
const METRICS: &str = "/metrics";

/// The forms of gRPC-Web: as bytes, and in Base64 for browsers that read nothing else.
const GRPC_WEB: [&str; 4] = [
    "application/grpc-web",
    "application/grpc-web+proto",
    "application/grpc-web-text",
    "application/grpc-web-text+proto",
];

/// What a call may be sent as.
const FORMS: &str = "send application/json, application/proto, application/grpc-web or \
                     application/grpc";

/// The content type of words for people.
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// Methods of what is read, and of rpcs.
const READING: HeaderValue = HeaderValue::from_static("GET, HEAD");
const CALLING: HeaderValue = HeaderValue::from_static("POST");

/// Wraps the gate; see the head of the file.
#[derive(Clone)]
pub struct Outside {
    shared: Arc<Shared>,
}

/// A service behind an [`Outside`].
#[derive(Clone)]
pub struct OutsideService<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl Outside {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}

impl<S> Layer<S> for Outside {
    type Service = OutsideService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        OutsideService { inner, shared: Arc::clone(&self.shared) }
    }
}

type BoxedFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl<S> Service<Request<Body>> for OutsideService<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Either<S::Future, BoxedFuture<Result<Self::Response, Self::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let is_grpc = is_grpc(request.headers());
        if is_grpc && request.version() == Version::HTTP_2 {
            return Either::Left(self.inner.call(request));
        }
        let (inner, shared) = (self.inner.clone(), Arc::clone(&self.shared));
        Either::Right(Box::pin(async move {
            match is_grpc {
                // Its answers end with trailers, which few clients of HTTP/1.1 read.
                true => Ok(text(StatusCode::HTTP_VERSION_NOT_SUPPORTED, "gRPC wants HTTP/2")),
                false => answer(inner, request, &shared).await,
            }
        }))
    }
}

/// Whether a request says that it is plain gRPC (gRPC over HTTP/2, "Content-Type").
fn is_grpc(headers: &HeaderMap) -> bool {
    let rest = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let rest = rest.and_then(|content_type| content_type.strip_prefix(b"application/grpc"));
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// Answers what is not plain gRPC, to those who are let in.
async fn answer<S>(
    inner: S,
    request: Request<Body>,
    shared: &Arc<Shared>,
) -> Result<Response<Body>, S::Error>
where
    S: Service<Request<Body>, Response = Response<Body>>,
{
    let (mut head, body) = request.into_parts();
    let visit = match shared.callers.admit(&head.uri, &head.headers) {
        Ok(visit) => visit,
        Err(stranger) => {
            tracing::debug!(?stranger, path = head.uri.path(), "turned away");
            return Ok(text(stranger.status(), &stranger.to_string()));
        }
    };
    let mut response = match visit.preflight(&head) {
        Some(response) => response,
        None => {
            // It was looked at; the gate lets nobody in who has one.
            head.headers.remove(ORIGIN);
            route(inner, Request::from_parts(head, body), shared).await?
        }
    };
    visit.mark(response.headers_mut());
    Ok(response)
}

async fn route<S>(
    inner: S,
    request: Request<Body>,
    shared: &Arc<Shared>,
) -> Result<Response<Body>, S::Error>
where
    S: Service<Request<Body>, Response = Response<Body>>,
{
    let path = request.uri().path();
    let is_head = request.method() == Method::HEAD;
    if request.method() == Method::POST {
        return call(inner, request, shared).await;
    }
    if request.method() != Method::GET && !is_head {
        return Ok(not_allowed(READING));
    }
    let mut response = if path == METRICS {
        metrics(inner, request, shared).await?
    } else if shared.contracts.rpc(path).is_some() {
        not_allowed(CALLING)
    } else {
        let found = shared.page.as_ref().and_then(|page| page.find(path, request.headers()));
        found.unwrap_or_else(|| text(StatusCode::NOT_FOUND, "there is nothing here"))
    };
    if is_head {
        *response.body_mut() = Body::empty();
    }
    Ok(response)
}

/// Answers a call in the form that its content type says.
async fn call<S>(
    inner: S,
    mut request: Request<Body>,
    shared: &Arc<Shared>,
) -> Result<Response<Body>, S::Error>
where
    S: Service<Request<Body>, Response = Response<Body>>,
{
    let Some(content_type) = request.headers().get(CONTENT_TYPE).cloned() else {
        return Ok(text(StatusCode::UNSUPPORTED_MEDIA_TYPE, FORMS));
    };
    let said = content_type.to_str().unwrap_or_default();
    let codec = match said.split(';').next().unwrap_or_default().trim_end() {
        "application/json" => Codec::Json,
        "application/proto" => Codec::Proto,
        connect_stream::CONTENT_TYPE_PROTO => return stream(inner, request, shared).await,
        "application/connect+json" => {
            let end = connect_stream::end(Some(&Status::unimplemented(NO_STREAMS)), shared);
            let mut response = Response::new(Body::new(Full::new(end)));
            response.headers_mut().insert(CONTENT_TYPE, content_type);
            return Ok(response);
        }
        form if GRPC_WEB.contains(&form) => {
            let form = HeaderValue::from_str(form).unwrap_or(content_type);
            request.headers_mut().insert(CONTENT_TYPE, form);
            let inner = inner.map_request(blame_caller);
            return GrpcWebLayer::new().layer(inner).oneshot(request).await;
        }
        _ => return Ok(text(StatusCode::UNSUPPORTED_MEDIA_TYPE, FORMS)),
    };
    if codec == Codec::Json && !is_utf8(said) {
        return Ok(text(StatusCode::UNSUPPORTED_MEDIA_TYPE, "JSON is read as UTF-8 alone"));
    }
    if is_announced_too_large(request.headers(), shared.request_bytes_max) {
        let limit = shared.request_bytes_max;
        let words = format!("the message is too large: the limit is {limit} bytes");
        return Ok(text(StatusCode::PAYLOAD_TOO_LARGE, &words));
    }
    let call = match Call::read(codec, request.headers_mut()) {
        Ok(call) => call,
        Err(status) => {
            let (head, ()) = Response::new(()).into_parts();
            return Ok(connect::failed(head, &status, &shared.contracts));
        }
    };
    let response = inner.oneshot(as_grpc(request, Asked::Rpc(call))).await?;
    Ok(match failure(&response) {
        Some(status) => connect::failed(response.into_parts().0, &status, &shared.contracts),
        None => response,
    })
}

/// Whether a content type names no other character set than UTF-8 (RFC 9110, 8.3.1 and 8.3.2).
fn is_utf8(content_type: &str) -> bool {
    content_type.split(';').skip(1).all(|parameter| {
        let Some((name, value)) = parameter.split_once('=') else { return true };
        let value = value.trim().trim_matches('"');
        !name.trim().eq_ignore_ascii_case("charset") || value.eq_ignore_ascii_case("utf-8")
    })
}

/// Whether a caller asks before sending a message, and would send more than is read: it is told so
/// instead of being asked to go on, which reading from it would (RFC 9110, 10.1.1).
fn is_announced_too_large(headers: &HeaderMap, bytes_max: usize) -> bool {
    let asks = headers
        .get(EXPECT)
        .is_some_and(|expected| expected.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    // What is too long for a number is too long.
    let is_long = |text: &str| text.parse().map_or(true, |length: usize| length > bytes_max);
    asks && length.is_some_and(is_long)
}

/// Answers a stream in Connect's form.
async fn stream<S>(
    inner: S,
    mut request: Request<Body>,
    shared: &Arc<Shared>,
) -> Result<Response<Body>, S::Error>
where
    S: Service<Request<Body>, Response = Response<Body>>,
{
    if let Err(status) = connect_stream::read(request.headers_mut()) {
        return Ok(connect_stream::answer(status.into_http(), shared));
    }
    dress_as_grpc(request.headers_mut());
    Ok(connect_stream::answer(inner.oneshot(blame_caller(request)).await?, shared))
}

/// Says of a message that cannot be read that it is wrong: what reads it takes that for a fault of
/// its own.
fn blame_caller(request: Request<Body>) -> Request<Body> {
    request.map(|body| {
        Body::new(body.map_err(|status| {
            if !matches!(status.code(), Code::Internal | Code::Unknown) {
                return status;
            }
            tracing::debug!(%status, "a message cannot be read");
            connect::invalid("message", "cannot be read, or did not arrive whole")
        }))
    })
}

/// The metrics: at once where everybody may see them, else to those whom the gate lets in.
async fn metrics<S>(
    inner: S,
    request: Request<Body>,
    shared: &Arc<Shared>,
) -> Result<Response<Body>, S::Error>
where
    S: Service<Request<Body>, Response = Response<Body>>,
{
    let Some((tell, for_whom)) = &shared.metrics else {
        return Ok(text(StatusCode::NOT_FOUND, "metrics are not served"));
    };
    if *for_whom == MetricsFor::Everybody {
        return Ok(inside::metrics(tell));
    }
    let request = as_grpc(request.map(|_| Body::empty()), Asked::Metrics);
    let response = inner.oneshot(request).await?;
    Ok(match failure(&response) {
        Some(status) => {
            let message = Bytes::from(format!("{}\n", status.message()));
            let mut response = connect::refused(response.into_parts().0, &status, message);
            response.headers_mut().insert(CONTENT_TYPE, TEXT);
            response
        }
        None => response,
    })
}

/// Dresses a request as gRPC, for the gate; what it asks goes along.
fn as_grpc(mut request: Request<Body>, asked: Asked) -> Request<Body> {
    dress_as_grpc(request.headers_mut());
    request.extensions_mut().insert(asked);
    request
}

fn dress_as_grpc(headers: &mut HeaderMap) {
    headers.remove(CONTENT_LENGTH);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
}

/// What went wrong, if something did.
fn failure(response: &Response<Body>) -> Option<Status> {
    let status = Status::from_header_map(response.headers());
    status.filter(|status| status.code() != Code::Ok)
}

/// A status with a line of words.
fn text(status: StatusCode, words: &str) -> Response<Body> {
    let words = Bytes::from(format!("{words}\n"));
    let mut response = Response::new(Body::new(Full::new(words)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, TEXT);
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn not_allowed(allowed: HeaderValue) -> Response<Body> {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "this method is not answered here");
    response.headers_mut().insert(ALLOW, allowed);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_in_utf8_whatever_the_parameters_look_like() {
        for (parameters, expected) in [
            ("", true),
            ("; charset=utf-8", true),
            (";charset=UTF-8", true),
            ("; charset=\"utf-8\"; profile=x", true),
            ("; Charset = Utf-8", true),
            ("; profile=latin1", true),
            (";", true),
            ("; charset=latin1", false),
            ("; charset=utf-16", false),
            ("; charset=", false),
            ("; CHARSET=\"iso-8859-1\"", false),
            ("; a=b; charset=us-ascii", false),
        ] {
            assert_eq!(is_utf8(&format!("application/json{parameters}")), expected, "{parameters}");
        }
    }
}
