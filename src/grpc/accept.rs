//! Accepting connections: how many, and only from peers that speak.
//!
//! HTTP/2 keep-alive begins after the first exchange of settings; a peer that never
//! gets that far would hold its connection for ever, and a graceful stop with it.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::Stream;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Sleep,
};
use tonic::transport::server::{Connected, TcpConnectInfo};

/// Bytes that a client must send in time: the preface of HTTP/2 (24) and the head of
/// its first SETTINGS frame (9). RFC 9113, sections 3.4 and 4.1.
const FIRST_BYTES: usize = 24 + 9;

/// Wait after the system refused to accept, for example for want of descriptors:
/// without it the loop would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The connections of a listener, one after the other, at most so many at once.
pub fn incoming(
    listener: TcpListener,
    connections_max: usize,
    first_bytes_timeout: Duration,
) -> impl Stream<Item = io::Result<Connection>> {
    let permits = Arc::new(Semaphore::new(connections_max));
    futures_util::stream::unfold((listener, permits), move |(listener, permits)| async move {
        let connection = next(&listener, &permits, first_bytes_timeout).await;
        Some((Ok(connection), (listener, permits)))
    })
}

async fn next(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
    first_bytes_timeout: Duration,
) -> Connection {
    loop {
        let (stream, remote) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(permits).try_acquire_owned() else {
            tracing::debug!(%remote, "closed a connection beyond the limit");
            continue;
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "could not switch off Nagle's algorithm");
        }
        return Connection {
            stream,
            remote,
            missing_bytes: FIRST_BYTES,
            patience: Box::pin(tokio::time::sleep(first_bytes_timeout)),
            _permit: permit,
        };
    }
}

/// A connection that must speak in time.
pub struct Connection {
    stream: TcpStream,
    remote: SocketAddr,
    missing_bytes: usize,
    patience: Pin<Box<Sleep>>,
    _permit: OwnedSemaphorePermit,
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(context, buffer);
        if this.missing_bytes > 0 {
            let read = buffer.filled().len() - before;
            this.missing_bytes = this.missing_bytes.saturating_sub(read);
            if this.missing_bytes > 0 && this.patience.as_mut().poll(context).is_ready() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        polled
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        TcpConnectInfo { local_addr: self.stream.local_addr().ok(), remote_addr: Some(self.remote) }
    }
}
