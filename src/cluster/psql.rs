//! `daybook psql`: opens psql on the private Postgres, started for the session if need be.

use std::{ffi::OsString, os::unix::process::ExitStatusExt, path::Path, process::ExitStatus};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::Command,
    signal::unix::{Signal as Signals, SignalKind, signal},
};

use super::{Cluster, ClusterDescription, attach, error::ClusterError};
use crate::config::ClusterSettings;

/// Variables that would lead psql elsewhere, or let it show other times than the role's.
const UNSET: [&str; 13] = [
    "PGHOST",
    "PGHOSTADDR",
    "PGPORT",
    "PGUSER",
    "PGDATABASE",
    "PGPASSWORD",
    "PGPASSFILE",
    "PGSERVICE",
    "PGSSLMODE",
    "PGREQUIREAUTH",
    "PGTARGETSESSIONATTRS",
    "PGTZ",
    "PGDATESTYLE",
];

/// Runs psql as the client role with the arguments given, on this process' own terminal, and
/// returns its exit code, or 128 and the signal's number. The schema, a plain name, is the one
/// that unqualified names are looked for in.
///
/// Uses the server that another Daybook runs; else starts one and stops it afterwards.
///
/// # Errors
/// If the server cannot be reached or started, psql cannot be run, or a signal came before that.
pub async fn psql(
    settings: &ClusterSettings,
    schema: &str,
    arguments: &[OsString],
) -> Result<u8, ClusterError> {
    // Before a server is started: a signal that nobody hears would leave it running.
    let mut stops = Stops::listen()?;
    if let Some(attached) = attach(settings).await? {
        return run(&attached.describe(), schema, arguments, &mut stops).await;
    }
    let cluster = tokio::select! {
        started = Cluster::start(settings) => started?,
        () = stops.any() => return Err(ClusterError::Stopped),
    };
    let code = run(&cluster.describe(), schema, arguments, &mut stops).await;
    let stopped = cluster.stop().await;
    let code = code?;
    stopped.map(|()| code)
}

/// Signals that ask for the end. From the first listening on they do not end this process.
struct Stops {
    interrupts: Signals,
    terminations: Signals,
    hang_ups: Signals,
}

impl Stops {
    fn listen() -> Result<Self, ClusterError> {
        let listen = |kind| signal(kind).map_err(ClusterError::Signals);
        Ok(Self {
            interrupts: listen(SignalKind::interrupt())?,
            terminations: listen(SignalKind::terminate())?,
            hang_ups: listen(SignalKind::hangup())?,
        })
    }

    async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupts.recv() => {}
            _ = self.terminations.recv() => {}
            _ = self.hang_ups.recv() => {}
        }
    }

    /// All but Ctrl-C, which belongs to psql: the terminal tells psql too.
    async fn not_by_key(&mut self) {
        tokio::select! {
            _ = self.terminations.recv() => {}
            _ = self.hang_ups.recv() => {}
        }
    }
}

async fn run(
    server: &ClusterDescription,
    schema: &str,
    arguments: &[OsString],
    stops: &mut Stops,
) -> Result<u8, ClusterError> {
    let program = server.bin_dir.join("psql");
    let failed = |source| ClusterError::Program { program: program.clone(), source };
    let mut child = command(&program, server, schema, arguments).spawn().map_err(failed)?;
    let status = loop {
        tokio::select! {
            ended = child.wait() => break ended.map_err(failed)?,
            () = stops.not_by_key() => {}
        }
        if let Some(pid) = child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
            // It may have ended meanwhile.
            let _ = kill_process(pid, Signal::TERM);
        }
    };
    Ok(exit_code(status))
}

fn command(
    program: &Path,
    server: &ClusterDescription,
    schema: &str,
    arguments: &[OsString],
) -> Command {
    let mut command = Command::new(program);
    for name in UNSET {
        command.env_remove(name);
    }
    // After the user's own: of two that set the same, the server takes the last.
    let mut options = std::env::var_os("PGOPTIONS").unwrap_or_default();
    options.push(format!(" -c search_path={schema}"));
    command
        .env("PGOPTIONS", options)
        .arg("--host")
        .arg(&server.socket_dir)
        .args(["--port", &server.port.to_string()])
        .args(["--username=daybook_client", "--dbname=daybook"])
        .args(arguments);
    command
}

fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    u8::try_from(code).unwrap_or(u8::MAX)
}
