//! Accepting connections: how many, and only from peers that speak; encrypted where there is a
//! certificate. Handshakes are made beside each other, so a slow one holds up nobody.
//!
//! HTTP/2 keep-alive begins after the first exchange of settings, and the time limit of a head of
//! HTTP/1.1 with its first bytes; a peer that never gets that far would hold its connection for
//! ever, and a graceful stop with it.

use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures_util::Stream;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::Sleep,
};
use tokio_rustls::server::TlsStream;

use crate::{
    grpc::{
        flood::FrameCount,
        neighbours::{Neighbour, Neighbours},
        protocol::{Beginning, Protocol},
        tls::{Tls, names},
        waiting::{Line, Lines},
    },
    telemetry::metrics::{ClosedConnection, OpenConnection, connection_closed},
};

/// After what silence, and then how often, the system asks whether a peer is still there. HTTP/2
/// asks by itself; a peer of HTTP/1.1 to whom a stream is sent is noticed to be gone by this alone.
const PROBE_AFTER: Duration = Duration::from_secs(30);
const PROBE_INTERVAL: Duration = Duration::from_secs(10);

/// A frame that ends a connection: nothing behind the last stream that there can be was refused,
/// ENHANCE_YOUR_CALM (RFC 9113, sections 6.8 and 7).
const GOAWAY: [u8; 17] = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 11];

/// Longest wait for the end of a connection that makes room for another.
const ROOM_WAIT: Duration = Duration::from_millis(200);

/// Wait after the system refused to accept, for example for want of descriptors:
/// without it the loop would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long peers may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// To say the first bytes.
    pub first_bytes: Duration,
    /// To read some of what they are sent.
    pub stall: Duration,
}

/// How many connections there may be at once.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Of everybody.
    pub connections_max: usize,
    /// Of one address; 0 is no limit.
    pub address_connections_max: usize,
}

/// The connections of a listener, one after the other, at most so many at once.
pub fn incoming(
    listener: TcpListener,
    room: Room,
    patience: Patience,
    tls: Option<Tls>,
) -> impl Stream<Item = Connection> {
    let door = Door {
        listener,
        permits: Arc::new(Semaphore::new(room.connections_max)),
        neighbours: Neighbours::new(room.address_connections_max),
        patience,
        tls,
        lines: Lines::default(),
        handshakes: JoinSet::new(),
    };
    futures_util::stream::unfold(door, |mut door| async move {
        let connection = door.next().await;
        Some((connection, door))
    })
}

/// What a connection holds for as long as it lasts.
struct Permit {
    _place: OwnedSemaphorePermit,
    _neighbour: Neighbour,
}

/// Where connections come in.
struct Door {
    listener: TcpListener,
    permits: Arc<Semaphore>,
    neighbours: Neighbours,
    patience: Patience,
    tls: Option<Tls>,
    lines: Lines,
    /// Those that are under way; at most as many as there are permits.
    handshakes: JoinSet<Option<Connection>>,
}

impl Door {
    /// A place for a connection. Where there is none, the one on which nothing has been asked for
    /// longest makes room: peers who hold connections and ask nothing keep nobody out.
    /// An address that has as many as it may have is not let in for that.
    async fn permit(&mut self, address: IpAddr) -> Option<Permit> {
        let neighbour = self.neighbours.take(address)?;
        if let Ok(place) = Arc::clone(&self.permits).try_acquire_owned() {
            return Some(Permit { _place: place, _neighbour: neighbour });
        }
        if !self.lines.cut_idlest() {
            return None;
        }
        let place = Arc::clone(&self.permits).acquire_owned();
        let place = tokio::time::timeout(ROOM_WAIT, place).await.ok()?.ok()?;
        Some(Permit { _place: place, _neighbour: neighbour })
    }

    async fn next(&mut self) -> Connection {
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                Some(ended) = self.handshakes.join_next() => {
                    if let Ok(Some(connection)) = ended {
                        self.lines.add(&connection.line);
                        return connection;
                    }
                    continue;
                }
            };
            let (stream, remote) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "could not accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Some(permit) = self.permit(remote.ip()).await else {
                tracing::debug!(%remote, "closed a connection beyond the limit");
                connection_closed(ClosedConnection::AtLimit);
                continue;
            };
            if let Err(error) = set_options(&stream) {
                tracing::debug!(%error, "could not set the options of a connection");
            }
            let patience = self.patience;
            let Some(tls) = &self.tls else {
                let connection = Connection::new(Socket::Plain(stream), remote, patience, permit);
                self.lines.add(&connection.line);
                return connection;
            };
            let acceptor = tls.acceptor();
            self.handshakes.spawn(async move {
                match tokio::time::timeout(patience.first_bytes, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => {
                        let socket = Socket::Tls(Box::new(stream));
                        Some(Connection::new(socket, remote, patience, permit))
                    }
                    Ok(Err(error)) => {
                        tracing::debug!(%remote, %error, "a handshake failed");
                        connection_closed(ClosedConnection::Handshake);
                        None
                    }
                    Err(_) => {
                        tracing::debug!(%remote, "a handshake took too long");
                        connection_closed(ClosedConnection::Handshake);
                        None
                    }
                }
            });
        }
    }
}

/// Without Nagle's algorithm, and with probes of peers that say nothing.
fn set_options(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let probes = TcpKeepalive::new().with_time(PROBE_AFTER).with_interval(PROBE_INTERVAL);
    SockRef::from(stream).set_tcp_keepalive(&probes)
}

/// What bytes come through.
enum Socket {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Socket {
    fn names(&self) -> Vec<String> {
        let Self::Tls(stream) = self else { return Vec::new() };
        let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
        certificates.first().map(names).unwrap_or_default()
    }
}

/// A connection that must speak in time.
pub struct Connection {
    stream: Socket,
    remote: SocketAddr,
    beginning: Beginning,
    frames: FrameCount,
    line: Line,
    /// Whether all was written that was to be: then what was sent ends with a frame.
    is_between_frames: bool,
    patience: Patience,
    first_bytes: Pin<Box<Sleep>>,
    /// Since a write could not go on, for how long it may stand still.
    stalled: Option<Pin<Box<Sleep>>>,
    _permit: Permit,
    _open: OpenConnection,
}

impl Connection {
    fn new(stream: Socket, remote: SocketAddr, patience: Patience, permit: Permit) -> Self {
        Self {
            stream,
            remote,
            beginning: Beginning::default(),
            frames: FrameCount::new(Instant::now()),
            line: Line::default(),
            is_between_frames: false,
            patience,
            first_bytes: Box::pin(tokio::time::sleep(patience.first_bytes)),
            stalled: None,
            _permit: permit,
            _open: OpenConnection::begin(),
        }
    }
}

impl Connection {
    /// Who is at the other end.
    pub(super) fn peer(&self) -> Peer {
        let (address, line) = (self.remote.ip(), self.line.clone());
        Peer { address, names: self.stream.names().into(), line }
    }

    fn is_http2(&self) -> bool {
        self.beginning.protocol() == Some(Protocol::Http2)
    }

    /// Remembers what came of writing so many bytes; an error where nothing did for too long.
    fn wrote(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
        length: usize,
    ) -> Poll<io::Result<usize>> {
        self.is_between_frames = is_whole(&written, length);
        if let Poll::Ready(outcome) = &written {
            self.stalled = None;
            self.frames.sent(*outcome.as_ref().unwrap_or(&0));
            return written;
        }
        let time_max = self.patience.stall;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(time_max)));
        if stalled.as_mut().poll(context).is_ready() {
            tracing::debug!(remote = %self.remote, "cut off a peer that reads nothing");
            connection_closed(ClosedConnection::Late);
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        written
    }

    /// Says why the connection is closed, where the protocol can, and where it can be said at once.
    fn say_goodbye(&mut self, context: &mut Context<'_>) {
        if !self.is_between_frames || !self.is_http2() {
            return;
        }
        let (said, _) = match &mut self.stream {
            Socket::Plain(stream) => (
                Pin::new(&mut *stream).poll_write(context, &GOAWAY),
                Pin::new(stream).poll_flush(context),
            ),
            Socket::Tls(stream) => (
                Pin::new(&mut *stream).poll_write(context, &GOAWAY),
                Pin::new(stream).poll_flush(context),
            ),
        };
        tracing::debug!(was_said = is_whole(&said, GOAWAY.len()), "said goodbye");
    }
}

/// Whether all of so many bytes were written.
fn is_whole(written: &Poll<io::Result<usize>>, length: usize) -> bool {
    matches!(written, Poll::Ready(Ok(count)) if *count == length)
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.line.is_cut(context) {
            connection_closed(ClosedConnection::Late);
            this.say_goodbye(context);
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let before = buffer.filled().len();
        let polled = match &mut this.stream {
            Socket::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Socket::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        };
        let read = &buffer.filled()[before..];
        if !this.beginning.is_over() {
            this.beginning.read(read);
            if !this.beginning.is_over() && this.first_bytes.as_mut().poll(context).is_ready() {
                connection_closed(ClosedConnection::Silent);
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        // Whatever may still become HTTP/2 is counted from its first byte on.
        let may_be_http2 = this.beginning.protocol() != Some(Protocol::Http1);
        if may_be_http2 && this.frames.count(read, Instant::now).is_err() {
            tracing::warn!(remote = %this.remote, "cut off a flood of frames");
            connection_closed(ClosedConnection::Flood);
            this.say_goodbye(context);
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
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
        let this = self.get_mut();
        if this.line.is_cut(context) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let written = match &mut this.stream {
            Socket::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Socket::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        };
        this.wrote(context, written, bytes.len())
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Socket::Plain(stream) => Pin::new(stream).poll_flush(context),
            Socket::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Socket::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Socket::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.line.is_cut(context) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let written = match &mut this.stream {
            Socket::Plain(stream) => Pin::new(stream).poll_write_vectored(context, buffers),
            Socket::Tls(stream) => Pin::new(stream).poll_write_vectored(context, buffers),
        };
        this.wrote(context, written, buffers.iter().map(|bytes| bytes.len()).sum())
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Socket::Plain(stream) => stream.is_write_vectored(),
            Socket::Tls(stream) => stream.is_write_vectored(),
        }
    }
}

/// Who is at the other end of a connection; each request carries it along.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// Names in its certificate, if it showed one that was signed by a root for callers.
    pub names: Arc<[String]>,
    /// The connection, for those who may end it.
    pub line: Line,
}
