//! Finds the server that another Daybook runs on the data folder.

use std::time::{Duration, Instant};

use tokio_postgres::Config;

use super::{
    ClusterDescription, ClusterRole, connection, describe, error::ClusterError, folder::Folder,
    install::Installation, left_over::PidFile, lock, process::pause, socket,
};
use crate::config::ClusterSettings;

/// Longest wait for a server whose Daybook is just starting it.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// A server that another Daybook runs.
#[derive(Clone, Debug)]
pub struct Attached {
    folder: Folder,
    installation: Installation,
    server: PidFile,
}

impl Attached {
    /// How to connect as a role.
    pub fn connection(&self, role: ClusterRole) -> Config {
        connection(&self.server.socket_dir, self.server.port, role)
    }

    /// Where the server is and what it is.
    pub fn describe(&self) -> ClusterDescription {
        let tcp_port = self.server.is_listening.then_some(self.server.port);
        let (dir, port) = (&self.server.socket_dir, self.server.port);
        describe(&self.folder, &self.installation, dir, port, tcp_port)
    }
}

/// Connects to the server that another Daybook on this folder runs; none if none runs. Where
/// that Daybook is just starting it, waits until it is ready.
///
/// # Errors
/// If the folder may not be read, or if its server is not ready in time.
pub async fn attach(settings: &ClusterSettings) -> Result<Option<Attached>, ClusterError> {
    let folder = Folder::locate(settings)?;
    let pgdata = folder.pgdata();
    let started = Instant::now();
    while lock::is_held(&folder)? {
        if let Some(server) = PidFile::read(&pgdata)
            && server.is_ready
            && server.is_alive(&folder)
        {
            socket::check(&server.socket_dir, &folder)?;
            let installation = super::installation(settings, &folder)?;
            return Ok(Some(Attached { folder, installation, server }));
        }
        if started.elapsed() > READY_LIMIT {
            let pid = lock::holder_pid(&folder);
            return Err(ClusterError::NotReady { data_dir: folder.path, pid });
        }
        pause().await;
    }
    Ok(None)
}
