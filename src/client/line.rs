//! What every call of a client goes through: its token, its deadline, and its further tries.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header, request::Parts};
use http_body_util::{BodyExt, Limited};
use tokio::time::{Instant, sleep, timeout_at};
use tonic::{Code, Status, TimeoutExpired, body::Body, transport, transport::Channel};
use tower::{Service, ServiceExt};

use crate::client::{
    repeats,
    retry::{Budget, RetryPolicy, advice},
};

const GRPC_TIMEOUT: &str = "grpc-timeout";

/// Most milliseconds that the header can say: it has eight digits.
const TIMEOUT_MILLIS_MAX: u128 = 99_999_999;

/// What an answer has around its message.
const FRAME_BYTES: usize = 64;

/// What all calls of a client share.
#[derive(Debug)]
pub(super) struct Orders {
    pub(super) token: Option<HeaderValue>,
    pub(super) deadline: Option<Duration>,
    pub(super) policy: RetryPolicy,
    pub(super) budget: Budget,
    pub(super) answer_bytes_max: usize,
    /// Paths of rpcs that may be made again: see `repeats`.
    pub(super) unary: HashSet<String>,
    pub(super) retries: AtomicU64,
}

/// The way of a client's calls to its server: what its handles are made over.
#[derive(Clone, Debug)]
pub struct Line {
    pub(super) channel: Channel,
    pub(super) orders: Arc<Orders>,
}

impl Service<Request<Body>> for Line {
    type Response = Response<Body>;
    type Error = transport::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, transport::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        // Each try waits for its own place on the connection.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let mut line = self.clone();
        Box::pin(async move {
            let (mut head, body) = request.into_parts();
            if let Some(token) = &line.orders.token {
                head.headers.insert(header::AUTHORIZATION, token.clone());
            }
            if line.orders.unary.contains(head.uri.path()) {
                let answer = line.ask(head, body).await;
                return Ok(answer.unwrap_or_else(Status::into_http));
            }
            line.channel.ready().await?.call(Request::from_parts(head, body)).await
        })
    }
}

impl Line {
    /// Makes a call, again and again if it must be.
    async fn ask(&self, head: Parts, body: Body) -> Result<Response<Body>, Status> {
        let time = timeout(&head.headers).or(self.orders.deadline);
        // A time beyond what clocks can tell is none.
        let ends_at = time.and_then(|time| Instant::now().checked_add(time));
        let message = repeats::with_id(head.uri.path(), body.collect().await?.to_bytes());
        let mut delays = self.orders.policy.delays();
        loop {
            let status = match self.attempt(head.clone(), message.clone(), ends_at).await {
                Ok(answer) => {
                    self.orders.budget.note_success();
                    return Ok(answer);
                }
                Err(status) => status,
            };
            let Some(said) = advice(&status) else { return Err(status) };
            let may_repeat = self.orders.budget.note_failure();
            let Some(pause) = delays.next().filter(|_| may_repeat) else { return Err(status) };
            let pause = said.saturating_add(pause);
            // Waiting in vain would cost the caller the rest of its time and the reason.
            if ends_at.is_some_and(|end| end.saturating_duration_since(Instant::now()) <= pause) {
                return Err(status);
            }
            sleep(pause).await;
            self.orders.retries.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Makes a call once.
    async fn attempt(
        &self,
        mut head: Parts,
        message: Bytes,
        ends_at: Option<Instant>,
    ) -> Result<Response<Body>, Status> {
        let Some(end) = ends_at else { return self.send(head, message).await };
        let left = end.saturating_duration_since(Instant::now());
        // Not less than the time that is left: the server would give up before the caller does.
        let millis = left.as_micros().div_ceil(1_000).min(TIMEOUT_MILLIS_MAX);
        if let Ok(value) = HeaderValue::try_from(format!("{millis}m")) {
            head.headers.insert(GRPC_TIMEOUT, value);
        }
        let late = |_| Err(Status::deadline_exceeded("the deadline passed before the answer came"));
        timeout_at(end, self.send(head, message)).await.unwrap_or_else(late)
    }

    /// Sends a request and reads its answer whole; an answer that is an error is one here.
    async fn send(&self, head: Parts, message: Bytes) -> Result<Response<Body>, Status> {
        let request = Request::from_parts(head, Body::new(http_body_util::Full::new(message)));
        let mut channel = self.channel.clone();
        let answer = async { channel.ready().await?.call(request).await }.await;
        let (head, body) = answer.map_err(broken)?.into_parts();
        refuse(&head.headers)?;
        if let Some(status) = of_a_proxy(head.status) {
            return Err(status);
        }
        let most = self.orders.answer_bytes_max.saturating_add(FRAME_BYTES);
        let body = Limited::new(body, most).collect().await.map_err(cut_off)?;
        if let Some(trailers) = body.trailers() {
            refuse(trailers)?;
        }
        Ok(Response::from_parts(head, Body::new(body)))
    }
}

/// The error that headers or trailers tell.
fn refuse(headers: &HeaderMap) -> Result<(), Status> {
    match Status::from_header_map(headers) {
        Some(status) if status.code() != Code::Ok => Err(status),
        _ => Ok(()),
    }
}

/// What a proxy says that got no answer of the server's, or was told to turn callers away.
fn of_a_proxy(code: StatusCode) -> Option<Status> {
    let is_away = matches!(
        code,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    );
    is_away.then(|| Status::unavailable(format!("a proxy on the way answered {code}")))
}

/// A connection that could not be made, or broke before the answer came.
fn broken(error: transport::Error) -> Status {
    let mut cause: Option<&dyn std::error::Error> = Some(&error);
    while let Some(one) = cause {
        if one.is::<TimeoutExpired>() {
            return Status::deadline_exceeded("the deadline passed before the answer came");
        }
        cause = one.source();
    }
    let mut status = Status::unavailable("the connection could not be made, or broke");
    status.set_source(Arc::new(error));
    status
}

/// An answer that did not come whole.
fn cut_off(error: Box<dyn std::error::Error + Send + Sync>) -> Status {
    if error.is::<http_body_util::LengthLimitError>() {
        return Status::out_of_range("the answer is larger than this client takes");
    }
    Status::unavailable("the connection broke before the answer was whole")
}

/// What a request says of its deadline: a number and a unit.
fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(GRPC_TIMEOUT)?.to_str().ok()?;
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: u64 = number.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number.checked_mul(3_600)?)),
        "M" => Some(Duration::from_secs(number.checked_mul(60)?)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_requests_own_deadline_is_read_as_it_is_written() {
        let read = |text: &'static str| {
            let headers = [(header::HeaderName::from_static(GRPC_TIMEOUT), text)];
            let map = headers.map(|(name, text)| (name, HeaderValue::from_static(text)));
            timeout(&HeaderMap::from_iter(map))
        };
        for (text, expected) in [
            ("2H", Some(Duration::from_secs(7_200))),
            ("3M", Some(Duration::from_secs(180))),
            ("4S", Some(Duration::from_secs(4))),
            ("250m", Some(Duration::from_millis(250))),
            ("7u", Some(Duration::from_micros(7))),
            ("8n", Some(Duration::from_nanos(8))),
            ("", None),
            ("m", None),
            ("5", None),
            ("5x", None),
        ] {
            assert_eq!(read(text), expected, "{text:?}");
        }
        assert_eq!(timeout(&HeaderMap::new()), None);
    }

    #[test]
    fn only_what_a_proxy_says_of_reachability_is_its_own() {
        assert_eq!(
            of_a_proxy(StatusCode::BAD_GATEWAY).map(|one| one.code()),
            Some(Code::Unavailable)
        );
        for code in [StatusCode::OK, StatusCode::FORBIDDEN, StatusCode::NOT_FOUND] {
            assert!(of_a_proxy(code).is_none(), "{code}");
        }
    }
}
