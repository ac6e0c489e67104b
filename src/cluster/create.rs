//! Makes the data of a new server, whole or not at all.

use std::{
    fs::{self, File},
    path::Path,
    process::Stdio,
    time::Duration,
};

use tokio::process::Command;
use uuid::Uuid;

use super::{
    configuration, error::ClusterError, folder::Folder, identity::Identity, install::Installation,
    left_over,
};

/// Beginning of the name of the folder that `initdb` works in, which becomes `pgdata` when it
/// is whole. Each has a name of its own, because an `initdb` may outlive a killed Daybook.
const UNFINISHED: &str = "pgdata.new-";

/// How often the folder of one that was killed is tried to be removed, and the time between.
const REMOVALS_MAX: u32 = 10;
const REMOVAL_PAUSE: Duration = Duration::from_millis(50);

/// Makes `pgdata` by `initdb` unless it is there.
///
/// A kill at any point leaves at most the unfinished folder, which the next start removes.
pub(super) async fn ensure(
    folder: &Folder,
    installation: &Installation,
) -> Result<(), ClusterError> {
    let pgdata = folder.pgdata();
    remove_unfinished(folder).await;
    if folder.data_major()?.is_some() {
        return Ok(());
    }
    if fs::read_dir(&pgdata).is_ok_and(|mut entries| entries.next().is_some()) {
        let detail = "is not empty and holds no data of Postgres";
        return Err(ClusterError::Foreign { path: pgdata, detail });
    }
    tracing::info!(
        data_dir = %folder.path.display(),
        postgres = installation.version,
        "making the data folder of a private Postgres"
    );
    let unfinished = folder.path.join(format!("{UNFINISHED}{}", Uuid::new_v4().simple()));
    let failed = |error| folder.failed(&unfinished, error);
    let made = initdb(folder, installation, &unfinished).await.and_then(|()| {
        let conf = unfinished.join("postgresql.conf");
        folder.write(&conf, configuration::first_postgresql_conf())?;
        fs::rename(&unfinished, &pgdata).map_err(failed)?;
        File::open(&folder.path).and_then(|dir| dir.sync_all()).map_err(failed)
    });
    if made.is_err() {
        // The first error is the one to tell; the next start tries to remove it again.
        let _ = fs::remove_dir_all(&unfinished);
    }
    made
}

/// Removes what a kill in the midst of `initdb` has left; what cannot be removed only takes room.
async fn remove_unfinished(folder: &Folder) {
    for entry in fs::read_dir(&folder.path).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(UNFINISHED)) {
            let mut tries_left = REMOVALS_MAX;
            loop {
                left_over::end_makers(&entry.path(), &folder.identity).await;
                let Err(error) = fs::remove_dir_all(entry.path()) else { break };
                tries_left -= 1;
                if tries_left == 0 {
                    tracing::warn!(path = %entry.path().display(), %error, "half-made data stays");
                    break;
                }
                // Who was ended in the midst of a write may have made a file meanwhile.
                tokio::time::sleep(REMOVAL_PAUSE).await;
            }
        }
    }
}

async fn initdb(
    folder: &Folder,
    installation: &Installation,
    into: &Path,
) -> Result<(), ClusterError> {
    let program = installation.program("initdb");
    let mut command = command(&program, installation, &folder.identity);
    command
        .arg("--pgdata")
        .arg(into)
        .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"])
        .args(["--data-checksums", "--no-instructions"])
        .kill_on_drop(true);
    let output = command
        .output()
        .await
        .map_err(|source| ClusterError::Program { program: program.clone(), source })?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let known = ClusterError::from_words(&words, &folder.path, &folder.identity.name);
    Err(known.unwrap_or_else(|| {
        let said = words.lines().rev().map(str::trim).find(|line| {
            ["error:", "FATAL:", "PANIC:"].into_iter().any(|mark| line.contains(mark))
        });
        let last = words.lines().rev().map(str::trim).find(|line| !line.is_empty());
        let detail = said.or(last).unwrap_or("it said nothing").to_owned();
        ClusterError::Initdb { detail }
    }))
}

/// A program of Postgres as the server's user, in a process group of its own, so that a
/// terminal's Ctrl-C does not reach it, and with none of the caller's `PG...` variables.
pub(super) fn command(program: &Path, installation: &Installation, identity: &Identity) -> Command {
    let mut command = Command::new(program);
    let path = format!("{}:/usr/bin:/bin", installation.bin_dir.display());
    command
        .env_clear()
        .envs([("LC_ALL", "C"), ("TZ", "UTC"), ("PATH", path.as_str())])
        .current_dir("/")
        .stdin(Stdio::null())
        .process_group(0);
    if identity.is_switch {
        command.uid(identity.user_id).gid(identity.group_id);
    }
    command
}
