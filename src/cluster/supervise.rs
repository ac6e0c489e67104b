//! The task that watches the server, restarts it when it ends unasked, and ends it when asked.

use std::time::{Duration, Instant};

use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{interval, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::{
    error::ClusterError,
    lock::FolderLock,
    process::{Launch, ServerProcess},
    socket,
};

/// Failed starts in a row after which the server is given up.
const FAILURES_MAX: u32 = 8;
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// A server that ran for so long was well: its end is the first failure again.
const WELL_AFTER: Duration = Duration::from_secs(60);
const LOG_CHECK_EVERY: Duration = Duration::from_secs(60);

/// How the server is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ServerState {
    /// It accepts connections.
    Running {
        /// Process id of the postmaster.
        pid: Option<u32>,
    },
    /// It ended unasked and is being started again.
    Restarting,
    /// It was given up after too many failures in a row; the text says why it ended last.
    Failed(String),
    /// It was stopped.
    Stopped,
}

/// A handle on the watching task.
#[derive(Debug)]
pub(super) struct Supervisor {
    stop: CancellationToken,
    state: watch::Receiver<ServerState>,
    task: Option<JoinHandle<()>>,
}

impl Supervisor {
    /// Watches a server that accepts connections; the folder stays locked until it has ended.
    pub(super) fn watch(launch: Launch, server: ServerProcess, lock: FolderLock) -> Self {
        let stop = CancellationToken::new();
        let (sender, state) = watch::channel(ServerState::Running { pid: server.id() });
        let watcher = Watcher { launch, stop: stop.clone(), state: sender, failures: 0 };
        let run = async move {
            watcher.run(server).await;
            drop(lock);
        };
        let task = tokio::spawn(run.instrument(tracing::info_span!("postgres")));
        Self { stop, state, task: Some(task) }
    }

    pub(super) fn state(&self) -> watch::Receiver<ServerState> {
        self.state.clone()
    }

    /// Ends the server and waits until nothing of it is left.
    pub(super) async fn stop(mut self) -> Result<(), ClusterError> {
        self.stop.cancel();
        match self.task.take() {
            Some(task) => task.await.map_err(|error| ClusterError::Supervisor(error.to_string())),
            None => Ok(()),
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

struct Watcher {
    launch: Launch,
    stop: CancellationToken,
    state: watch::Sender<ServerState>,
    failures: u32,
}

impl Watcher {
    async fn run(mut self, first: ServerProcess) {
        let mut server = first;
        loop {
            let started = Instant::now();
            let Some(ended) = self.until_end(&mut server).await else {
                server.stop(&self.launch).await;
                break;
            };
            if started.elapsed() > WELL_AFTER {
                self.failures = 0;
            }
            tracing::error!(reason = %ended, "Postgres ended unasked; starting it again");
            self.state.send_replace(ServerState::Restarting);
            match self.restart(ended).await {
                Ok(Some(again)) => server = again,
                Ok(None) => break,
                Err(last) => {
                    tracing::error!(reason = %last, "Postgres keeps ending; it is given up");
                    self.state.send_replace(ServerState::Failed(last.to_string()));
                    self.launch.end_orphans().await;
                    socket::remove(&self.launch.socket_dir);
                    return;
                }
            }
            tracing::info!(pid = server.id(), "Postgres accepts connections again");
            self.state.send_replace(ServerState::Running { pid: server.id() });
        }
        socket::remove(&self.launch.socket_dir);
        self.state.send_replace(ServerState::Stopped);
    }

    /// Waits until the server ends unasked; none when it is to be stopped.
    async fn until_end(&self, server: &mut ServerProcess) -> Option<ClusterError> {
        let mut log_check = interval(LOG_CHECK_EVERY);
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return None,
                ended = server.wait() => return Some(match ended {
                    Ok(status) => self.launch.ended(server, status),
                    Err(error) => self.launch.folder.failed(&self.launch.folder.pgdata(), error),
                }),
                _ = log_check.tick() => self.launch.bound_log(),
            }
        }
    }

    /// Starts the server until it runs or there were too many failures; none when it is to be
    /// stopped meanwhile.
    async fn restart(
        &mut self,
        mut last: ClusterError,
    ) -> Result<Option<ServerProcess>, ClusterError> {
        loop {
            self.failures += 1;
            if self.failures > FAILURES_MAX {
                return Err(last);
            }
            let pause = PAUSE_MIN.saturating_mul(1 << (self.failures - 1)).min(PAUSE_MAX);
            tokio::select! {
                () = self.stop.cancelled() => {
                    self.launch.end_orphans().await;
                    return Ok(None);
                }
                () = sleep(pause) => {}
            }
            self.launch.end_orphans().await;
            last = match self.start_once().await {
                Ok(started) => return Ok(started),
                Err(error) => error,
            };
            tracing::warn!(reason = %last, failures = self.failures, "Postgres does not start");
        }
    }

    async fn start_once(&self) -> Result<Option<ServerProcess>, ClusterError> {
        let launch = &self.launch;
        socket::prepare(&launch.socket_dir, launch.port, &launch.folder)?;
        let mut server = self.launch.spawn()?;
        let accepting = tokio::select! {
            () = self.stop.cancelled() => None,
            accepting = self.launch.wait_until_accepting(&mut server) => Some(accepting),
        };
        match accepting {
            Some(Ok(())) => Ok(Some(server)),
            Some(Err(error)) => {
                server.stop(&self.launch).await;
                Err(error)
            }
            None => {
                server.stop(&self.launch).await;
                Ok(None)
            }
        }
    }
}
