//! Everything that can stop the private Postgres from running, in plain sentences that say
//! what to do. The commands print them as they are.

use std::{
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

/// Why the private Postgres cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// No Postgres that is new enough is installed.
    #[error("no Postgres 15 or newer was found; install it with: {install}")]
    NoPostgres {
        /// A command that installs it on this system.
        install: String,
    },

    /// The folder given as `--postgres-bin-dir` is not one of Postgres 15 or newer.
    #[error(
        "{} is not a folder with initdb and postgres of version 15 or newer: {detail}",
        bin_dir.display()
    )]
    BadBinDir {
        /// The folder given.
        bin_dir: PathBuf,
        /// What is wrong with it.
        detail: String,
    },

    /// Postgres is installed, pg_partman is not.
    #[error("pg_partman is missing from Postgres {major}; install it with: {install}")]
    NoPartman {
        /// Major version of the Postgres found.
        major: u32,
        /// A command that installs it on this system.
        install: String,
    },

    /// As root: the server's user cannot enter a folder above the data folder.
    #[error(
        "the user {user}, which Postgres runs as because it refuses root, cannot enter {}, so it \
         cannot reach {}; choose a folder that it can reach, such as --data-dir /var/lib/daybook",
        blocker.display(), data_dir.display()
    )]
    Unreachable {
        /// The data folder.
        data_dir: PathBuf,
        /// The folder above it that the user may not enter.
        blocker: PathBuf,
        /// The server's user.
        user: String,
    },

    /// As root: there is neither a user `postgres` nor a user `nobody`.
    #[error(
        "Postgres refuses to run as root, and there is neither a user postgres nor a user nobody; \
         add one with: useradd --system postgres"
    )]
    NoUser,

    /// The folder holds something that Daybook did not put there.
    #[error(
        "{} {detail}, so Daybook leaves it alone; choose another folder with --data-dir",
        path.display()
    )]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// What it holds.
        detail: &'static str,
    },

    /// Another Daybook has the data folder.
    #[error(
        "another Daybook{} is running on {}; stop it first, or choose another folder with \
         --data-dir",
        process_suffix(*pid), data_dir.display()
    )]
    InUse {
        /// The data folder.
        data_dir: PathBuf,
        /// Process id of the other Daybook, where known.
        pid: Option<u32>,
    },

    /// A signal came while the server was being started.
    #[error("stopped before the private Postgres accepted connections")]
    Stopped,

    /// The system does not let signals be heard.
    #[error("cannot listen for stop signals")]
    Signals(#[source] io::Error),

    /// Another Daybook has the data folder, and its Postgres did not become ready in time.
    #[error(
        "another Daybook{} is running on {}, but its Postgres does not accept connections; \
         see postgres.log in that folder", process_suffix(*pid), data_dir.display()
    )]
    NotReady {
        /// The data folder.
        data_dir: PathBuf,
        /// Process id of the other Daybook, where known.
        pid: Option<u32>,
    },

    /// The data was written by a major version that is not installed.
    #[error(
        "{} holds data of Postgres {found}, but only Postgres {installed} is at hand; install \
         version {found} with: {install} (nothing was touched)", data_dir.display()
    )]
    OtherMajor {
        /// The data folder.
        data_dir: PathBuf,
        /// Major version that wrote the data.
        found: u32,
        /// Major versions that are installed.
        installed: String,
        /// A command that installs the version that wrote the data.
        install: String,
    },

    /// The data was written by a version that is too old for Daybook.
    #[error(
        "{} holds data of Postgres {found}, and Daybook needs 15 or newer; upgrade it with \
         pg_upgrade, or choose another folder with --data-dir (nothing was touched)",
        data_dir.display()
    )]
    TooOld {
        /// The data folder.
        data_dir: PathBuf,
        /// Major version that wrote the data.
        found: u32,
    },

    /// A server runs on the data that cannot be told apart from a stranger's.
    #[error(
        "process {pid} looks like a Postgres server and is named in {}, but it cannot be told \
         whether it serves that folder; stop it by hand", pid_file.display()
    )]
    UnknownServer {
        /// The process.
        pid: u32,
        /// The file that names it.
        pid_file: PathBuf,
    },

    /// A server that an earlier Daybook left does not end.
    #[error("the Postgres server that was left over (process {pid}) does not end; stop it by hand")]
    LeftOverStays {
        /// Its process.
        pid: u32,
    },

    /// The disk is full.
    #[error(
        "the disk that holds {} is full; free some space, or choose another disk with --data-dir",
        path.display()
    )]
    DiskFull {
        /// What was being written.
        path: PathBuf,
    },

    /// A file or folder may not be written.
    #[error(
        "{} cannot be used ({detail}); give it to the user {user}, or choose another folder with \
         --data-dir",
        path.display()
    )]
    Unwritable {
        /// What was being written or opened.
        path: PathBuf,
        /// The system's words.
        detail: String,
        /// Who has to be able to write it.
        user: String,
    },

    /// The TCP port is taken.
    #[error("port {port} of 127.0.0.1 is taken; choose another one with --postgres-port")]
    PortTaken {
        /// The port.
        port: u16,
    },

    /// The socket folder under `/tmp` is someone else's.
    #[error(
        "{} is needed for the socket of Postgres, but it is not a folder of the user {user} alone; \
         remove it, or choose a shorter --data-dir",
        path.display()
    )]
    SocketFolder {
        /// The folder.
        path: PathBuf,
        /// Who should own it.
        user: String,
    },

    /// `initdb` failed.
    #[error("initdb failed: {detail}")]
    Initdb {
        /// Its last words.
        detail: String,
    },

    /// The server ended, or never accepted a connection.
    #[error("Postgres {how}: {detail} (see {})", log.display())]
    Server {
        /// What happened.
        how: String,
        /// The last meaningful line of its log.
        detail: String,
        /// Its log.
        log: PathBuf,
    },

    /// A statement that prepares the database failed.
    #[error("preparing the database failed at {step}: {}", database_detail(source))]
    Bootstrap {
        /// Which file under `sql/queries` failed.
        step: &'static str,
        /// The database's answer.
        source: tokio_postgres::Error,
    },

    /// A program could not be run.
    #[error("{} could not be run", program.display())]
    Program {
        /// The program.
        program: PathBuf,
        /// The system's answer.
        source: io::Error,
    },

    /// A file could not be read or written for another reason.
    #[error("{}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },

    /// The task that watches the server ended by a fault of its own.
    #[error("the task that watches Postgres ended unexpectedly: {0}")]
    Supervisor(String),
}

impl ClusterError {
    /// Says in terms of the data folder what a failed file operation means.
    pub(super) fn file(path: &Path, user: &str, source: io::Error) -> Self {
        let path = path.to_path_buf();
        if matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
            return Self::DiskFull { path };
        }
        if matches!(source.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) {
            return Self::Unwritable { path, detail: source.to_string(), user: user.to_owned() };
        }
        Self::File { path, source }
    }

    /// Says what the words of a failed `initdb` or `postgres` mean, if they are known ones.
    pub(super) fn from_words(words: &str, path: &Path, user: &str) -> Option<Self> {
        let path = path.to_path_buf();
        // The hint is all that Postgres says of the disk where a write was cut short.
        let full = ["No space left on device", "Check free disk space", "Disk quota exceeded"];
        if full.into_iter().any(|text| words.contains(text)) {
            return Some(Self::DiskFull { path });
        }
        // A server may be refused shared memory, too: that is told in its own words.
        let of_files = words.lines().filter(|line| !line.contains("shared memory"));
        let reason = |line: &str| {
            ["Permission denied", "Read-only file system"].into_iter().find(|t| line.contains(t))
        };
        let denied = of_files.filter_map(reason).next();
        denied.map(|detail| Self::Unwritable {
            path,
            detail: detail.to_owned(),
            user: user.to_owned(),
        })
    }
}

fn process_suffix(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (process {pid})"))
}

/// The message of the server, which `tokio_postgres` keeps apart from its own.
fn database_detail(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), |db| db.message().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_told_once() {
        let source = || io::Error::from_raw_os_error(2);
        for error in [
            ClusterError::file(Path::new("/odd"), "ann", source()),
            ClusterError::Program { program: "/odd".into(), source: source() },
            ClusterError::Signals(source()),
        ] {
            let text = format!("{:#}", anyhow::Error::new(error));
            assert_eq!(text.matches("os error 2").count(), 1, "{text}");
        }
    }
}
