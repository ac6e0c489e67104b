//! Servers and backends that an earlier Daybook left on the data folder.
//!
//! Called with the folder's lock held. A process is signalled only after it has been told to be
//! a Postgres on this very folder: ids are used again, and `postmaster.pid` may be stale.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::{ffi::OsStringExt, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use super::{error::ClusterError, folder::Folder, identity::Identity, process::pause};

const STOP_STEPS: [(Signal, Duration); 3] = [
    (Signal::INT, Duration::from_secs(60)),
    (Signal::QUIT, Duration::from_secs(10)),
    (Signal::KILL, Duration::from_secs(10)),
];
const MAKER_STEPS: [(Signal, Duration); 1] = [(Signal::KILL, Duration::from_secs(5))];
const ORPHAN_STEPS: [(Signal, Duration); 2] =
    [(Signal::QUIT, Duration::from_secs(1)), (Signal::KILL, Duration::from_secs(5))];

/// What a process id in `postmaster.pid` stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Holder {
    /// No process.
    Nobody,
    /// A server on this data.
    Server,
    /// Another program, or a server on other data.
    Stranger,
    /// A server, but on which data cannot be seen.
    Unknown,
}

/// The data that a server works on, and the user that it runs as.
#[derive(Clone, Copy)]
struct Data<'a> {
    path: &'a Path,
    identity: &'a Identity,
}

/// What `postmaster.pid` says of a server.
#[derive(Clone, Debug)]
pub(super) struct PidFile {
    pub(super) pid: u32,
    /// TCP port and number in the socket's name.
    pub(super) port: u16,
    /// Folder of its socket.
    pub(super) socket_dir: PathBuf,
    /// Whether it listens on TCP too.
    pub(super) is_listening: bool,
    /// Whether it accepts connections.
    pub(super) is_ready: bool,
}

impl PidFile {
    /// Reads the file; none where there is none or it is not whole.
    pub(super) fn read(pgdata: &Path) -> Option<Self> {
        let text = fs::read_to_string(pgdata.join("postmaster.pid")).ok()?;
        let line = |number: usize| text.lines().nth(number).map(str::trim);
        Some(Self {
            pid: line(0)?.parse().ok()?,
            port: line(3).and_then(|text| text.parse().ok()).unwrap_or_default(),
            socket_dir: PathBuf::from(line(4).unwrap_or_default()),
            is_listening: line(5).is_some_and(|text| !text.is_empty()),
            is_ready: line(7) == Some("ready"),
        })
    }

    /// Whether its server runs on this data.
    pub(super) fn is_alive(&self, folder: &Folder) -> bool {
        let pgdata = folder.pgdata();
        Data { path: &pgdata, identity: &folder.identity }.holder(self.pid) == Holder::Server
    }
}

/// Ends a server that was left over, and removes a `postmaster.pid` that names a stranger.
pub(super) async fn replace(folder: &Folder) -> Result<(), ClusterError> {
    let pgdata = folder.pgdata();
    let data = Data { path: &pgdata, identity: &folder.identity };
    let pid_file = pgdata.join("postmaster.pid");
    if let Some(PidFile { pid, .. }) = PidFile::read(&pgdata) {
        match data.holder(pid) {
            Holder::Server => {
                tracing::warn!(pid, "ending the Postgres server that an earlier Daybook left");
                if !end(pid, &STOP_STEPS, || data.holder(pid) == Holder::Server).await {
                    return Err(ClusterError::LeftOverStays { pid });
                }
            }
            // Postgres would take a process of its own user for a server and refuse to start.
            Holder::Stranger => {
                tracing::warn!(pid, "removing a stale postmaster.pid: its process is not Postgres");
                match fs::remove_file(&pid_file) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(folder.failed(&pid_file, error));
                    }
                    Ok(()) | Err(_) => {}
                }
            }
            Holder::Unknown => return Err(ClusterError::UnknownServer { pid, pid_file }),
            Holder::Nobody => {}
        }
    }
    end_orphans(&pgdata, &folder.identity).await;
    Ok(())
}

/// Ends backends whose postmaster was killed: each holds the shared memory, without which no
/// server starts, until its statement is done.
pub(super) async fn end_orphans(pgdata: &Path, identity: &Identity) {
    let data = Data { path: pgdata, identity };
    for pid in processes() {
        let is_orphan = || is_postgres(pid) && data.is_worked_on_by(pid) == Some(true);
        if is_orphan() {
            tracing::warn!(pid, "ending a backend whose Postgres server was killed");
            end(pid, &ORPHAN_STEPS, is_orphan).await;
        }
    }
}

/// Ends an `initdb` whose Daybook was killed, and the server without connections that it runs.
pub(super) async fn end_makers(data: &Path, identity: &Identity) {
    for pid in processes() {
        let is_maker = || is_program(pid, "initdb") && command_line(pid).iter().any(|w| w == data);
        if is_maker() {
            end(pid, &MAKER_STEPS, is_maker).await;
        }
    }
    end_orphans(data, identity).await;
}

/// The ids of all processes; none where the system has no `/proc`.
fn processes() -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Signals a process, step by step, until it is not there any more; false if it stays.
async fn end(pid: u32, steps: &[(Signal, Duration)], is_there: impl Fn() -> bool) -> bool {
    for (signal, limit) in steps {
        let started = Instant::now();
        if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
            // It may have ended by itself since it was looked at.
            let _ = kill_process(pid, *signal);
        }
        while started.elapsed() < *limit {
            if !is_there() {
                return true;
            }
            pause().await;
        }
    }
    !is_there()
}

impl Data<'_> {
    fn holder(self, pid: u32) -> Holder {
        let Some(id) = Pid::from_raw(pid.cast_signed()) else { return Holder::Nobody };
        if test_kill_process(id) == Err(rustix::io::Errno::SRCH) {
            return Holder::Nobody;
        }
        // A process that has ended and not been waited for has no command line: a stranger.
        if !is_postgres(pid) {
            return Holder::Stranger;
        }
        let words = command_line(pid);
        let named = words.windows(2).find(|pair| pair[0] == "-D").map(|pair| Path::new(&pair[1]));
        match (named, self.is_worked_on_by(pid)) {
            (_, Some(true)) => Holder::Server,
            (_, Some(false)) => Holder::Stranger,
            (Some(dir), None) if dir == self.path => Holder::Server,
            (Some(dir), None) if dir.is_absolute() => Holder::Stranger,
            (_, None) => Holder::Unknown,
        }
    }

    /// Whether a process works in the folder of the data, as every process of a server does;
    /// none where the system does not tell, as on macOS.
    fn is_worked_on_by(self, pid: u32) -> Option<bool> {
        let link = format!("/proc/{pid}/cwd");
        let dir = match fs::read_link(&link) {
            Ok(dir) => dir,
            // In a container root may not look at other users' processes, but they may.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                if !self.identity.is_switch {
                    return None;
                }
                let (user_id, group_id) = (self.identity.user_id, self.identity.group_id);
                let mut command = Command::new("readlink");
                let asked = command.arg("-n").arg(&link).uid(user_id).gid(group_id).output();
                let output = asked.ok().filter(|output| output.status.success())?;
                PathBuf::from(OsString::from_vec(output.stdout))
            }
            Err(_) => return None,
        };
        Some(dir == self.path)
    }
}

fn is_postgres(pid: u32) -> bool {
    is_program(pid, "postgres") || is_program(pid, "postmaster")
}

fn is_program(pid: u32, name: &str) -> bool {
    // Backends change their command line to `postgres: role database ...`.
    let arguments = command_line(pid);
    let Some(first) = arguments.first().and_then(|word| word.to_str()) else { return false };
    let program = first.split(':').next().unwrap_or_default();
    Path::new(program).file_name().is_some_and(|found| found == name)
}

/// The command line of a process; empty where it has none.
fn command_line(pid: u32) -> Vec<OsString> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_else(|_| {
        let asked =
            Command::new("ps").args(["-ww", "-o", "args=", "-p", &pid.to_string()]).output();
        let mut bytes = asked.map(|output| output.stdout).unwrap_or_default();
        bytes.iter_mut().filter(|byte| byte.is_ascii_whitespace()).for_each(|byte| *byte = 0);
        bytes
    });
    bytes
        .split(|byte| *byte == 0)
        .filter(|word| !word.is_empty())
        .map(|word| OsString::from_vec(word.to_vec()))
        .collect()
}
