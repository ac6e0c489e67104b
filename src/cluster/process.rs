//! The server's process: its start, the wait until it accepts connections, and its end.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::Child,
    time::{sleep, timeout},
};
use tokio_postgres::{Config, NoTls};

use super::{create, error::ClusterError, folder::Folder, install::Installation, left_over};

/// Longest wait for a server that replays its log after a crash.
const ACCEPT_LIMIT: Duration = Duration::from_secs(600);
const ACCEPT_PAUSE: Duration = Duration::from_millis(25);
const ACCEPT_REPORT: Duration = Duration::from_secs(10);
/// Longest wait for a fast shutdown, which writes a checkpoint; then it is an immediate one.
const FAST_LIMIT: Duration = Duration::from_secs(60);
/// Longest wait for an immediate shutdown; then the process is killed.
const IMMEDIATE_LIMIT: Duration = Duration::from_secs(10);
/// The log is moved aside when it is larger; one older log is kept.
const LOG_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// How much of the end of the log is read for its last words.
const LOG_TAIL_BYTES: u64 = 64 * 1024;

/// All that it takes to start the server.
#[derive(Clone, Debug)]
pub(super) struct Launch {
    pub(super) folder: Folder,
    pub(super) installation: Installation,
    pub(super) socket_dir: PathBuf,
    pub(super) port: u16,
    pub(super) is_listening: bool,
}

/// A running server; dropping it sends a fast shutdown, without waiting.
#[derive(Debug)]
pub(super) struct ServerProcess {
    child: Child,
    pid: Option<Pid>,
    log_start: u64,
}

impl Launch {
    /// Starts the server; it does not accept connections yet.
    pub(super) fn spawn(&self) -> Result<ServerProcess, ClusterError> {
        self.bound_log();
        let (log, log_start) = self.open_log()?;
        let program = self.installation.program("postgres");
        // On the command line, because a later start has to find the server by them.
        let addresses = if self.is_listening { "127.0.0.1" } else { "" };
        let options = [
            format!("unix_socket_directories={}", quoted(&self.socket_dir)),
            format!("port={}", self.port),
            format!("listen_addresses={addresses}"),
        ];
        let child = create::command(&program, &self.installation, &self.folder.identity)
            .arg("-D")
            .arg(self.folder.pgdata())
            .args(options.iter().flat_map(|option| ["-c", option]))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|source| ClusterError::Program { program, source })?;
        let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        Ok(ServerProcess { child, pid, log_start })
    }

    /// Waits until the server accepts connections; fails as soon as it ends.
    pub(super) async fn wait_until_accepting(
        &self,
        server: &mut ServerProcess,
    ) -> Result<(), ClusterError> {
        let started = Instant::now();
        let mut reported = started;
        let config = self.connection("postgres", "postgres");
        loop {
            let error = match timeout(Duration::from_secs(5), config.connect(NoTls)).await {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(error)) => error.to_string(),
                Err(elapsed) => elapsed.to_string(),
            };
            if let Ok(ended) = timeout(ACCEPT_PAUSE, server.child.wait()).await {
                let status = ended.map_err(|e| self.folder.failed(&self.folder.pgdata(), e))?;
                return Err(self.ended(server, status));
            }
            if started.elapsed() > ACCEPT_LIMIT {
                return Err(ClusterError::Server {
                    how: format!("accepted no connection for {} s", ACCEPT_LIMIT.as_secs()),
                    detail: error,
                    log: self.folder.log(),
                });
            }
            if reported.elapsed() > ACCEPT_REPORT {
                reported = Instant::now();
                let waited_seconds = started.elapsed().as_secs();
                tracing::info!(waited_seconds, "Postgres is not ready yet; it may be recovering");
            }
        }
    }

    /// Ends what a killed server has left.
    pub(super) async fn end_orphans(&self) {
        left_over::end_orphans(&self.folder.pgdata(), &self.folder.identity).await;
    }

    /// How to connect by the socket.
    pub(super) fn connection(&self, user: &str, database: &str) -> Config {
        let mut config = Config::new();
        config.host_path(&self.socket_dir).port(self.port).user(user).dbname(database);
        config.connect_timeout(Duration::from_secs(5));
        config
    }

    /// Says why a server that should run has ended.
    pub(super) fn ended(&self, server: &ServerProcess, status: ExitStatus) -> ClusterError {
        let words = self.words_since(server.log_start);
        if words.contains("Address already in use") && self.is_listening {
            return ClusterError::PortTaken { port: self.port };
        }
        // An error of one statement may say the same as the reason of the end.
        let grave = words
            .lines()
            .filter(|line| {
                ["PANIC:", "FATAL:", "HINT:"].into_iter().any(|mark| line.contains(mark))
            })
            .collect::<Vec<_>>()
            .join("\n");
        let (path, user) = (&self.folder.path, &self.folder.identity.name);
        if let Some(known) = ClusterError::from_words(&grave, path, user) {
            return known;
        }
        let detail = last_meaningful(&words).unwrap_or("it said nothing").to_owned();
        ClusterError::Server { how: describe(status), detail, log: self.folder.log() }
    }

    /// Moves the log aside when it has grown large. The server keeps the file open, so it is
    /// copied and emptied; it appends, so what it writes next is at the start.
    pub(super) fn bound_log(&self) {
        let path = self.folder.log();
        if fs::metadata(&path).map_or(0, |found| found.len()) <= LOG_BYTES_MAX {
            return;
        }
        let older = self.folder.path.join("postgres.log.1");
        let move_aside = || {
            match fs::remove_file(&older) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
            let identity = &self.folder.identity;
            let mut from = identity.open(&path, OpenOptions::new().read(true).write(true))?;
            let mut to = identity.open(&older, OpenOptions::new().write(true).create_new(true))?;
            io::copy(&mut from, &mut to)?;
            from.set_len(0)
        };
        if let Err(error) = move_aside() {
            tracing::warn!(path = %path.display(), %error, "the log of Postgres stays large");
        }
    }

    fn open_log(&self) -> Result<(File, u64), ClusterError> {
        let path = self.folder.log();
        let mut options = OpenOptions::new();
        let opened = self.folder.identity.open(&path, options.create(true).append(true));
        let opened = opened.and_then(|file| {
            let length = file.metadata()?.len();
            Ok((file, length))
        });
        opened.map_err(|error| self.folder.failed(&path, error))
    }

    fn words_since(&self, start: u64) -> String {
        let read = || -> io::Result<Vec<u8>> {
            let mut file = File::open(self.folder.log())?;
            let length = file.metadata()?.len();
            let from = if start > length { 0 } else { start };
            file.seek(SeekFrom::Start(from.max(length.saturating_sub(LOG_TAIL_BYTES))))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
    }
}

impl ServerProcess {
    /// Process id of the postmaster.
    pub(super) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until the server ends by itself.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Ends the server: fast, else immediately, else by kill; nothing of it is left.
    pub(super) async fn stop(mut self, launch: &Launch) {
        for (signal, limit) in [(Signal::INT, FAST_LIMIT), (Signal::QUIT, IMMEDIATE_LIMIT)] {
            self.send(signal);
            if timeout(limit, self.child.wait()).await.is_ok() {
                return;
            }
            tracing::warn!(?signal, limit_seconds = limit.as_secs(), "Postgres does not end");
        }
        self.send(Signal::KILL);
        // A killed process ends; waiting takes its entry out of the process table.
        let _ = self.child.wait().await;
        launch.end_orphans().await;
    }

    fn send(&self, signal: Signal) {
        // Its id is not given to another process before the child has been waited for.
        if let (Some(pid), Some(_)) = (self.pid, self.child.id()) {
            // The only error left is that it has just ended.
            let _ = kill_process(pid, signal);
        }
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.send(Signal::INT);
    }
}

/// Waits a little between two looks at something that another process changes.
pub(super) async fn pause() {
    sleep(ACCEPT_PAUSE).await;
}

/// How a process ended.
pub(super) fn describe(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("was ended by signal {signal}"),
        (None, Some(code)) => format!("ended with code {code}"),
        (None, None) => "ended".to_owned(),
    }
}

/// The last line of a log that tells why the server ended.
fn last_meaningful(words: &str) -> Option<&str> {
    let text_after = |mark: &str| {
        let line = words.lines().rev().find(|line| line.contains(mark))?;
        line.split_once(mark).map(|(_, text)| text.trim())
    };
    ["PANIC:", "FATAL:", "ERROR:", "LOG:"]
        .into_iter()
        .find_map(text_after)
        .or_else(|| words.lines().rev().map(str::trim).find(|line| !line.is_empty()))
}

/// A folder as an entry of a list that Postgres reads: quoted, quotes doubled.
fn quoted(folder: &std::path::Path) -> String {
    format!("\"{}\"", folder.display().to_string().replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::last_meaningful;

    #[test]
    fn the_gravest_line_of_the_log_is_told() {
        let log = "2026 [1] LOG:  starting\n2026 [1] FATAL:  could not map memory\n\
                   2026 [1] LOG:  database system is shut down\n";
        assert_eq!(last_meaningful(log), Some("could not map memory"));
        assert_eq!(last_meaningful("postgres: no such option\n"), Some("postgres: no such option"));
        assert_eq!(last_meaningful(""), None);
    }
}
