//! The private Postgres: found, made, started, watched and stopped by Daybook itself.
//!
//! `app` starts it before everything else and stops it last; `cli` attaches to it for the other
//! commands. Knows roles, database and extensions, and no table of Daybook's. Touches nothing
//! outside the data folder, but for a socket folder under `/tmp` where the path is too long.

mod attach;
mod bootstrap;
mod configuration;
mod create;
mod error;
mod folder;
mod identity;
mod install;
mod left_over;
mod lock;
mod machine;
mod packages;
mod process;
mod psql;
mod socket;
mod supervise;

use std::{
    fmt,
    path::{Path, PathBuf},
};

use tokio::sync::watch;
use tokio_postgres::Config;

pub use self::{
    attach::{Attached, attach},
    error::ClusterError,
    packages::PackageSystem,
    psql::psql,
    supervise::ServerState,
};
use self::{
    folder::Folder,
    install::Installation,
    lock::FolderLock,
    machine::Machine,
    process::{Launch, ServerProcess},
    supervise::Supervisor,
};
use crate::config::ClusterSettings;

/// Number in the socket's name where no TCP port is set.
const SOCKET_PORT: u16 = 5432;

/// A role of the private Postgres.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ClusterRole {
    /// `daybook`, which owns everything: for migrations and other commands.
    Owner,
    /// `daybook_service`, which answers requests and changes no table.
    Service,
    /// `daybook_reader`, which reads the ledger and writes nothing.
    Reader,
    /// `daybook_client`, which may connect and do what the owner grants it.
    Client,
    /// `postgres`; never for requests.
    Superuser,
}

impl ClusterRole {
    /// Its name in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Owner => "daybook",
            Self::Service => "daybook_service",
            Self::Reader => "daybook_reader",
            Self::Client => "daybook_client",
            Self::Superuser => "postgres",
        }
    }
}

/// Where the server is and what it is.
#[derive(Clone, Debug)]
pub struct ClusterDescription {
    /// The data folder.
    pub data_dir: PathBuf,
    /// Whether that is `/var/lib/daybook` because the server's user cannot reach the default.
    pub fell_back: bool,
    /// The folder of the Unix socket.
    pub socket_dir: PathBuf,
    /// Number in the socket's name.
    pub port: u16,
    /// Port on 127.0.0.1, where one is set.
    pub tcp_port: Option<u16>,
    /// Version of the server, such as `15.18`.
    pub postgres_version: String,
    /// Folder of its programs.
    pub bin_dir: PathBuf,
    /// The user that it runs as.
    pub user: String,
    /// A command that installs pg_cron, where that is missing.
    pub install_cron: Option<String>,
    /// A line for a shell that opens psql by TCP, where a port is set.
    pub psql_line: Option<String>,
}

impl fmt::Display for ClusterDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Postgres {} on {}", self.postgres_version, self.data_dir.display())?;
        if self.fell_back {
            write!(f, " (the user {} cannot reach the working folder)", self.user)?;
        }
        match self.tcp_port {
            Some(port) => write!(f, ", port {port} of 127.0.0.1"),
            None => Ok(()),
        }
    }
}

/// A running private Postgres, owned by this process.
///
/// [`Cluster::stop`] ends it; dropping it begins a fast shutdown without waiting for its end.
#[derive(Debug)]
pub struct Cluster {
    launch: Launch,
    supervisor: Supervisor,
}

impl Cluster {
    /// Locks the data folder, makes the data if there is none, ends a server that was left over,
    /// starts one, waits until it accepts connections and makes roles, database and extensions.
    ///
    /// Can be done again after a kill at any point.
    ///
    /// # Errors
    /// Each in a plain sentence that says what to do. Nothing is left running then.
    pub async fn start(settings: &ClusterSettings) -> Result<Self, ClusterError> {
        let folder = Folder::locate(settings)?;
        let installation = installation(settings, &folder)?;
        folder.prepare()?;
        let lock = FolderLock::acquire(&folder).await?;
        create::ensure(&folder, &installation).await?;
        left_over::replace(&folder).await?;
        configuration::write(&folder, &installation, &Machine::read(&folder.path))?;
        let port = settings.postgres_port.unwrap_or(SOCKET_PORT);
        let socket_dir = socket::folder_path(&folder.path, port);
        socket::prepare(&socket_dir, port, &folder)?;
        let is_listening = settings.postgres_port.is_some();
        let launch = Launch { folder, installation, socket_dir, port, is_listening };
        let server = start_server(&launch).await?;
        let supervisor = Supervisor::watch(launch.clone(), server, lock);
        let cluster = Self { launch, supervisor };
        tracing::info!(
            data_dir = %cluster.launch.folder.path.display(),
            fell_back = cluster.launch.folder.fell_back,
            postgres = cluster.launch.installation.version,
            tcp_port = settings.postgres_port,
            "the private Postgres accepts connections"
        );
        Ok(cluster)
    }

    /// How to connect as a role.
    pub fn connection(&self, role: ClusterRole) -> Config {
        connection(&self.launch.socket_dir, self.launch.port, role)
    }

    /// Where the server is and what it is.
    pub fn describe(&self) -> ClusterDescription {
        let launch = &self.launch;
        let tcp_port = launch.is_listening.then_some(launch.port);
        describe(&launch.folder, &launch.installation, &launch.socket_dir, launch.port, tcp_port)
    }

    /// How the server is, now and from now on.
    pub fn state(&self) -> watch::Receiver<ServerState> {
        self.supervisor.state()
    }

    /// Waits until the server has been given up, after too many failures in a row; returns why.
    /// While the server is well, or after it was stopped, this waits for ever.
    pub async fn failed(&self) -> String {
        let mut state = self.supervisor.state();
        loop {
            if let ServerState::Failed(reason) = &*state.borrow_and_update() {
                return reason.clone();
            }
            if state.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Ends the server: fast, and by force where it takes too long. Nothing is left running.
    ///
    /// # Errors
    /// Only if the watching task ended by a fault of its own.
    pub async fn stop(self) -> Result<(), ClusterError> {
        self.supervisor.stop().await
    }
}

async fn start_server(launch: &Launch) -> Result<ServerProcess, ClusterError> {
    let mut server = launch.spawn()?;
    let ready = async {
        launch.wait_until_accepting(&mut server).await?;
        bootstrap::run(launch).await
    };
    match ready.await {
        Ok(has_cron) => {
            tracing::debug!(has_cron, "the private Postgres is prepared");
            Ok(server)
        }
        Err(error) => {
            server.stop(launch).await;
            socket::remove(&launch.socket_dir);
            Err(error)
        }
    }
}

/// The installation for the data in the folder; touches nothing.
fn installation(settings: &ClusterSettings, folder: &Folder) -> Result<Installation, ClusterError> {
    let data = folder.data_major()?.map(|major| (folder.path.as_path(), major));
    install::find(settings.postgres_bin_dir.as_deref(), data)
}

fn connection(socket_dir: &Path, port: u16, role: ClusterRole) -> Config {
    let mut config = Config::new();
    config.host_path(socket_dir).port(port).user(role.name()).dbname("daybook");
    config
}

fn describe(
    folder: &Folder,
    installation: &Installation,
    socket_dir: &Path,
    port: u16,
    tcp_port: Option<u16>,
) -> ClusterDescription {
    let install_cron =
        (!installation.has_cron).then(|| PackageSystem::detect().cron(installation.major));
    let psql_line = tcp_port.map(|port| {
        let pgpass = folder.pgpass();
        format!(
            "PGPASSFILE='{}' psql -h 127.0.0.1 -p {port} -U daybook_client daybook",
            pgpass.display()
        )
    });
    ClusterDescription {
        data_dir: folder.path.clone(),
        fell_back: folder.fell_back,
        socket_dir: socket_dir.to_path_buf(),
        port,
        tcp_port,
        postgres_version: installation.version.clone(),
        bin_dir: installation.bin_dir.clone(),
        user: folder.identity.name.clone(),
        install_cron,
        psql_line,
    }
}
