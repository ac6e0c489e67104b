//! The server's configuration: `daybook.conf`, `postgresql.conf` and `pg_hba.conf`.
//!
//! `daybook.conf` is written anew at each start. `postgresql.conf` is the user's: it begins by
//! including `daybook.conf`, so that every line that the user adds below wins.

use std::{fmt::Write, fs, io};

use super::{error::ClusterError, folder::Folder, install::Installation, machine::Machine};

const MIB: u64 = 1024 * 1024;
const INCLUDE: &str = "include 'daybook.conf'";
const POSTGRESQL_CONF: &str = "\
# Settings of the private Postgres. Daybook's own are in daybook.conf, which is written anew at
# each start; a line that you add below wins over them.
include 'daybook.conf'
";
const PG_HBA_CONF: &str = "\
# Who may connect; written anew at each start of Daybook.
# The socket lies in a folder that only the server's user and root can enter.
local all all trust
local replication postgres trust
# By TCP, which is off unless a port is set, only the roles of clients and of dashboards, with
# the passwords in the file pgpass of the data folder.
host daybook daybook_client,daybook_reader 127.0.0.1/32 scram-sha-256
";

/// Writes the three files for the next start.
pub(super) fn write(
    folder: &Folder,
    installation: &Installation,
    machine: &Machine,
) -> Result<(), ClusterError> {
    let pgdata = folder.pgdata();
    folder.write(&pgdata.join("daybook.conf"), &render(machine, installation))?;
    folder.write(&pgdata.join("pg_hba.conf"), PG_HBA_CONF)?;
    let path = pgdata.join("postgresql.conf");
    let found = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(folder.failed(&path, error)),
    };
    if found.lines().any(|line| line.trim() == INCLUDE) {
        return Ok(());
    }
    folder.write(&path, &format!("{POSTGRESQL_CONF}{found}"))
}

/// The first `postgresql.conf`, in place of the one of `initdb`, whose lines would all win.
pub(super) fn first_postgresql_conf() -> &'static str {
    POSTGRESQL_CONF
}

/// The text of `daybook.conf`.
fn render(machine: &Machine, installation: &Installation) -> String {
    let mut text = String::from("# Written by Daybook at each start; see postgresql.conf.\n");
    let mut set = |why: &str, name: &str, value: &str| {
        // Writing into a string cannot fail.
        let _ = write!(text, "\n# {why}\n{name} = '{value}'\n");
    };
    for (why, name, value) in FIXED {
        set(why, name, value);
    }
    for (why, name, value) in sized(machine) {
        set(why, name, &value);
    }
    if installation.has_lz4 {
        let why = "LZ4 halves the page images after a checkpoint for little work; the default \
                   method costs more than it saves.";
        set(why, "wal_compression", "lz4");
    }
    if cfg!(target_os = "linux") {
        let why = "A backend whose client has vanished stops working on its query.";
        set(why, "client_connection_check_interval", "2s");
    }
    if machine.shared_memory_bytes.is_some_and(|bytes| bytes < 256 * MIB) {
        let why = "Containers give /dev/shm 64 MB, on which parallel queries run aground.";
        set(why, "dynamic_shared_memory_type", "sysv");
    }
    if installation.has_cron {
        for (why, name, value) in CRON {
            set(why, name, value);
        }
    }
    text
}

/// Why, name and value of the settings that are the same on every machine.
const FIXED: [(&str, &str, &str); 25] = [
    ("A committed row survives a crash of the machine.", "fsync", "on"),
    ("A page torn by a crash is repaired.", "full_page_writes", "on"),
    ("A commit is acknowledged when it is on disk.", "synchronous_commit", "on"),
    ("Enough for a base backup or a streaming replica.", "wal_level", "replica"),
    ("Day bounds are UTC; pg_partman takes this zone for them.", "timezone", "UTC"),
    ("Times in the log compare with those of the data.", "log_timezone", "UTC"),
    ("Dates are read and written in one order.", "datestyle", "ISO, YMD"),
    ("Messages are understood by whoever reads the log of Daybook.", "lc_messages", "C"),
    ("Hot statements run for less time than compiling them takes.", "jit", "off"),
    (
        "One statement over thousands of partitions locks each of them and their indexes.",
        "max_locks_per_transaction",
        "1024",
    ),
    ("The pool, the workers and some sessions of psql.", "max_connections", "100"),
    ("Sorts and hashes of an audit stay in memory; hot statements need none.", "work_mem", "16MB"),
    ("Checkpoints come by time and not in the midst of a load.", "checkpoint_timeout", "15min"),
    ("A checkpoint spreads its writes.", "checkpoint_completion_target", "0.9"),
    (
        "Random reads from solid state disks cost little more than others.",
        "random_page_cost",
        "1.1",
    ),
    ("Dead rows are removed and statistics kept.", "autovacuum", "on"),
    ("Autovacuum of thousands of partitions keeps pace.", "autovacuum_naptime", "30s"),
    (
        "Nothing reads these times, and on some machines the clock is slow.",
        "track_io_timing",
        "off",
    ),
    ("Clients that vanish from the network free their backends.", "tcp_keepalives_idle", "60"),
    ("They are asked again after this many seconds.", "tcp_keepalives_interval", "10"),
    ("They are given up after this many unanswered.", "tcp_keepalives_count", "6"),
    ("Passwords are kept as SCRAM verifiers only.", "password_encryption", "scram-sha-256"),
    (
        "Each line of the log tells when, which process and which role.",
        "log_line_prefix",
        "%m [%p] %u ",
    ),
    ("The log, which is bounded, keeps what matters.", "log_checkpoints", "off"),
    ("Only the server's user reads the socket's folder.", "unix_socket_permissions", "0700"),
];

const CRON: [(&str, &str, &str); 6] = [
    ("pg_cron schedules from inside the server.", "shared_preload_libraries", "pg_cron"),
    ("It keeps its jobs where the data is.", "cron.database_name", "daybook"),
    ("Jobs need no connection, and so no password.", "cron.use_background_workers", "on"),
    ("Jobs that run at once leave workers to parallel queries.", "cron.max_running_jobs", "4"),
    ("A row for each run would grow for ever.", "cron.log_run", "off"),
    ("A line in the log for each run says nothing new.", "cron.log_statement", "off"),
];

/// The settings that follow from the size of the machine.
fn sized(machine: &Machine) -> Vec<(&'static str, &'static str, String)> {
    let mib = |bytes: u64| format!("{}MB", bytes / MIB);
    let shared = (machine.memory_bytes / 4).clamp(128 * MIB, 8192 * MIB);
    let cache = (machine.memory_bytes / 2).max(256 * MIB);
    let maintenance = (machine.memory_bytes / 32).clamp(64 * MIB, 512 * MIB);
    let wal = (machine.disk_bytes / 16).clamp(256 * MIB, 4096 * MIB);
    let workers = 8 + machine.processors;
    vec![
        ("A quarter of the memory, or of the container's.", "shared_buffers", mib(shared)),
        ("What the system is likely to cache besides.", "effective_cache_size", mib(cache)),
        ("Indexes of a load are built in memory.", "maintenance_work_mem", mib(maintenance)),
        ("Loads run between few checkpoints, on small disks more.", "max_wal_size", mib(wal)),
        (
            "Parallel workers, and those of extensions besides.",
            "max_worker_processes",
            workers.to_string(),
        ),
        (
            "Parallel queries use each processor.",
            "max_parallel_workers",
            machine.processors.to_string(),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{Installation, MIB, Machine, render};

    fn rendered(memory_bytes: u64, shared_memory_bytes: Option<u64>, has_cron: bool) -> String {
        let machine =
            Machine { memory_bytes, disk_bytes: 100 << 30, shared_memory_bytes, processors: 4 };
        let installation = Installation {
            bin_dir: PathBuf::from("/usr/bin"),
            major: 15,
            version: "15.1".to_owned(),
            has_partman: Some(true),
            has_cron,
            has_lz4: false,
        };
        render(&machine, &installation)
    }

    #[test]
    fn memory_follows_the_machine_within_bounds() {
        assert!(rendered(64 << 30, None, true).contains("shared_buffers = '8192MB'"));
        assert!(rendered(4 << 30, None, true).contains("shared_buffers = '1024MB'"));
        assert!(rendered(200 * MIB, None, true).contains("shared_buffers = '128MB'"));
    }

    #[test]
    fn what_is_absent_is_not_configured() {
        assert!(!rendered(1 << 30, None, false).contains("cron."));
        assert!(!rendered(1 << 30, Some(8 << 30), true).contains("sysv"));
        assert!(rendered(1 << 30, Some(64 * MIB), true).contains("sysv"));
    }
}
