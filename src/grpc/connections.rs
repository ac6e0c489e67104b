//! Serves connections, each in its protocol, until it ends or the server stops.
//!
//! The limits that HTTP/1.1 needs (how long a head may be, and how long it may take) and those of
//! HTTP/2 stand side by side here. Limits of requests are no business of this file.

use std::{convert::Infallible, pin::pin, time::Duration};

use futures_util::{Stream, StreamExt};
use http::{Request, Response};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::body::Body;
use tower::{Service, ServiceExt};

use crate::{config::ServerSettings, grpc::accept::Connection};

/// Pings on idle connections of HTTP/2, and how long their answer may take: a peer that is
/// gone without a word is noticed.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Streams that a peer may reset before they were looked at, and that we may reset
/// for its errors, before the connection is closed. The library takes "no limit" for granted
/// unless told otherwise (RUSTSEC-2024-0003).
const PENDING_RESETS_MAX: usize = 20;
const LOCAL_ERROR_RESETS_MAX: usize = 1_024;

/// Largest set of headers of a request, in bytes. Of HTTP/1.1 also what is held of an answer that
/// is not read.
const HEADER_BYTES_MAX: u16 = 16 * 1024;

/// What answers a request of HTTP.
pub trait HttpService:
    Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + 'static
{
}

impl<S> HttpService for S where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static
{
}

/// Serves what comes in until `drain`; then takes no more, tells clients to go, and waits for the
/// end of what they have begun. Who drops it does not wait any longer.
pub(super) async fn serve<S: HttpService>(
    incoming: impl Stream<Item = Connection>,
    settings: &ServerSettings,
    service: S,
    drain: CancellationToken,
) {
    let (builder, tasks) = (builder(settings), TaskTracker::new());
    let age_max = match settings.connection_age_max_seconds {
        0 => None,
        seconds => Some(Duration::from_secs(seconds)),
    };
    {
        // Dropped before the wait: whoever comes then finds a closed port.
        let mut incoming = pin!(incoming);
        loop {
            let connection = tokio::select! {
                () = drain.cancelled() => break,
                next = incoming.next() => next,
            };
            let Some(connection) = connection else { break };
            let (builder, service, drain) = (builder.clone(), service.clone(), drain.clone());
            tasks.spawn(serve_one(builder, connection, service, age_max, drain));
        }
    }
    tasks.close();
    tasks.wait().await;
}

fn builder(settings: &ServerSettings) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // Begins when a head is waited for: who asks nothing for so long is closed, too.
        .header_read_timeout(Duration::from_millis(settings.request_read_timeout_ms))
        .max_buf_size(usize::from(HEADER_BYTES_MAX));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(settings.streams_max)
        .max_pending_accept_reset_streams(PENDING_RESETS_MAX)
        .max_local_error_reset_streams(LOCAL_ERROR_RESETS_MAX)
        .max_header_list_size(u32::from(HEADER_BYTES_MAX))
        .keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT);
    builder
}

async fn serve_one<S: HttpService>(
    builder: Builder<TokioExecutor>,
    connection: Connection,
    service: S,
    age_max: Option<Duration>,
    drain: CancellationToken,
) {
    let peer = connection.peer();
    let service = service_fn(move |mut request: Request<Incoming>| {
        let in_use = peer.line.begin_use();
        request.extensions_mut().insert(peer.clone());
        let answered = service.clone().oneshot(request.map(Body::new));
        async move {
            let answer = answered.await;
            drop(in_use);
            answer
        }
    });
    let mut serving = pin!(builder.serve_connection(TokioIo::new(connection), service));
    let leave = async {
        match age_max {
            Some(age) => {
                tokio::select! {
                    () = tokio::time::sleep(age) => {}
                    () = drain.cancelled() => {}
                }
            }
            None => drain.cancelled().await,
        }
    };
    tokio::select! {
        served = serving.as_mut() => return note_end(served),
        () = leave => serving.as_mut().graceful_shutdown(),
    }
    note_end(serving.await);
}

fn note_end(served: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended out of order");
    }
}
