//! A wire that breaks: a proxy in front of a socket that ends connections behind random bytes.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use rand::{RngExt, SeedableRng, rngs::ChaCha12Rng};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    task::JoinHandle,
};

/// Bytes carried at once at most.
const BUFFER: usize = 4_096;

/// How far a connection gets at most before it is cut, in powers of two of bytes. Small offsets
/// are as likely as large ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reach {
    pub(crate) to_server_bits: u32,
    pub(crate) to_client_bits: u32,
}

/// A proxy; ends when dropped, with all connections.
pub(crate) struct Proxy {
    cuts: Arc<Cuts>,
    task: JoinHandle<()>,
}

/// Cuts to be made, and those that were.
#[derive(Default)]
struct Cuts {
    left: AtomicUsize,
    made: AtomicUsize,
}

impl Cuts {
    /// Whether to cut now.
    fn take(&self) -> bool {
        let take = |left: usize| left.checked_sub(1);
        let is_taken = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok();
        if is_taken {
            self.made.fetch_add(1, Ordering::Relaxed);
        }
        is_taken
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    /// One between TCP sockets; cuts nothing until told to. Says where it listens.
    pub(crate) async fn tcp(
        target: SocketAddr,
        reach: Reach,
        random: &mut ChaCha12Rng,
    ) -> (Self, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let cuts = Arc::new(Cuts::default());
        let (mut random, carried) = (fork(random), cuts.clone());
        let task = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let Ok(server) = TcpStream::connect(target).await else { continue };
                for socket in [&client, &server] {
                    socket.set_nodelay(true).unwrap();
                }
                if random.random_bool(0.5) {
                    // Ends by a reset rather than by an end of data.
                    for socket in [&client, &server] {
                        socket.set_zero_linger().unwrap();
                    }
                }
                let offsets = offsets(reach, &mut random);
                tokio::spawn(carry(client, server, offsets, carried.clone()));
            }
        });
        (Self { cuts, task }, address)
    }

    /// One between Unix sockets; cuts nothing until told to.
    pub(crate) fn unix(
        path: &Path,
        target: PathBuf,
        reach: Reach,
        random: &mut ChaCha12Rng,
    ) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let cuts = Arc::new(Cuts::default());
        let (mut random, carried) = (fork(random), cuts.clone());
        let task = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let Ok(server) = UnixStream::connect(&target).await else { continue };
                let offsets = offsets(reach, &mut random);
                tokio::spawn(carry(client, server, offsets, carried.clone()));
            }
        });
        Self { cuts, task }
    }

    /// Cuts so many connections from now on.
    pub(crate) fn cut(&self, count: usize) {
        self.cuts.left.fetch_add(count, Ordering::Relaxed);
    }

    /// Cuts that are still to be made.
    pub(crate) fn left(&self) -> usize {
        self.cuts.left.load(Ordering::Relaxed)
    }

    /// Cuts that were made.
    pub(crate) fn made(&self) -> usize {
        self.cuts.made.load(Ordering::Relaxed)
    }
}

fn fork(random: &mut ChaCha12Rng) -> ChaCha12Rng {
    ChaCha12Rng::seed_from_u64(random.random())
}

/// Bytes to the server and to the client behind which a connection is cut: one of them.
fn offsets(reach: Reach, random: &mut ChaCha12Rng) -> (u64, u64) {
    let mut draw = |bits: u32| {
        let most = 1u64 << random.random_range(1..=bits);
        random.random_range(0..most)
    };
    let (up, down) = (draw(reach.to_server_bits), draw(reach.to_client_bits));
    if random.random_bool(0.5) { (up, u64::MAX) } else { (u64::MAX, down) }
}

/// Carries bytes both ways until an end or a cut.
async fn carry<S: AsyncRead + AsyncWrite>(
    client: S,
    server: S,
    (up, down): (u64, u64),
    cuts: Arc<Cuts>,
) {
    let (from_client, to_client) = split(client);
    let (from_server, to_server) = split(server);
    tokio::select! {
        () = pump(from_client, to_server, up, &cuts) => {}
        () = pump(from_server, to_client, down, &cuts) => {}
    }
}

/// Carries bytes one way until an end, or until a cut behind so many of them.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    offset: u64,
    cuts: &Cuts,
) {
    let (mut passed, mut buffer) = (0, [0; BUFFER]);
    while passed < offset || !cuts.take() {
        let left = usize::try_from(offset.saturating_sub(passed)).unwrap_or(usize::MAX);
        let most = if left == 0 { BUFFER } else { left.min(BUFFER) };
        match from.read(&mut buffer[..most]).await {
            Ok(count @ 1..) if to.write_all(&buffer[..count]).await.is_ok() => {
                passed += count as u64;
            }
            Ok(_) | Err(_) => return,
        }
    }
}
