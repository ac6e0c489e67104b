//! `daybook psql`: opens psql on the private Postgres, started for the session if need be.

use std::{ffi::OsString, os::unix::process::ExitStatusExt, path::Path, process::ExitStatus};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::Command,
    signal::unix::{SignalKind, signal},
};

use super::{Cluster, ClusterDescription, attach, error::ClusterError};
use crate::config::ClusterSettings;

/// Variables that would lead psql elsewhere, or let it show other times than the role's.
const UNSET: [&str; 14] = [
    "PGHOST",
    "PGHOSTADDR",
    "PGPORT",
    "PGUSER",
    "PGDATABASE",
    "PGPASSWORD",
    "PGPASSFILE",
    "PGSERVICE",
    "PGOPTIONS",
    "PGSSLMODE",
    "PGREQUIREAUTH",
    "PGTARGETSESSIONATTRS",
    "PGTZ",
    "PGDATESTYLE",
];

/// Runs psql as the client role with the arguments given, on this process' own terminal, and
/// returns its exit code, or 128 and the signal's number.
///
/// Uses the server that another Daybook runs; else starts one and stops it afterwards.
///
/// # Errors
/// If the server cannot be reached or started, or psql cannot be run.
pub async fn psql(settings: &ClusterSettings, arguments: &[OsString]) -> Result<u8, ClusterError> {
    if let Some(attached) = attach(settings).await? {
        return run(&attached.describe(), arguments).await;
    }
    let cluster = Cluster::start(settings).await?;
    let code = run(&cluster.describe(), arguments).await;
    let stopped = cluster.stop().await;
    let code = code?;
    stopped.map(|()| code)
}

async fn run(server: &ClusterDescription, arguments: &[OsString]) -> Result<u8, ClusterError> {
    let program = server.bin_dir.join("psql");
    let failed = |source| ClusterError::Program { program: program.clone(), source };
    // While these exist, the signals do not end this process. Ctrl-C belongs to psql, which the
    // terminal tells too; the others are handed on.
    let _interrupts = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminations = signal(SignalKind::terminate()).map_err(failed)?;
    let mut hang_ups = signal(SignalKind::hangup()).map_err(failed)?;
    let mut child = command(&program, server, arguments).spawn().map_err(failed)?;
    let status = loop {
        tokio::select! {
            ended = child.wait() => break ended.map_err(failed)?,
            _ = terminations.recv() => {}
            _ = hang_ups.recv() => {}
        }
        if let Some(pid) = child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
            // It may have ended meanwhile.
            let _ = kill_process(pid, Signal::TERM);
        }
    };
    Ok(exit_code(status))
}

fn command(program: &Path, server: &ClusterDescription, arguments: &[OsString]) -> Command {
    let mut command = Command::new(program);
    for name in UNSET {
        command.env_remove(name);
    }
    command
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
