//! The built binary at work: one that runs its own Postgres, or several on one server; and
//! how they are killed.

use std::{
    fs,
    net::SocketAddr,
    process::{Command, Stdio},
};

use daybook::cluster::{Cluster, ClusterRole, attach};
use futures_util::future::join_all;
use rand::{RngExt, rngs::ChaCha12Rng, seq::IndexedRandom};
use rustix::process::{Pid, Signal, kill_process};
use tokio_postgres::{Client, config::Host};

use crate::{
    process::{Daybook, free_address, program},
    support::cluster::{TestFolder, connect, eventually},
};

/// What is killed.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Victim {
    /// Postgres.
    Postmaster,
    /// A process of Postgres that serves a connection; the others are ended then by Postgres.
    Backend,
    /// An instance of Daybook.
    Service,
}

/// Instances at work.
pub(super) struct Deployment {
    folder: TestFolder,
    /// The server that several instances share.
    cluster: Option<Cluster>,
    instances: Vec<Daybook>,
    /// The postmaster that was killed last.
    killed: Option<u32>,
}

impl Deployment {
    /// Starts them all at once.
    pub(super) async fn start(count: usize) -> Self {
        let folder = TestFolder::initialised();
        let cluster = if count > 1 { Some(folder.start().await) } else { None };
        let mut deployment = Self { folder, cluster, instances: Vec::new(), killed: None };
        let starting = (0..count).map(|_| deployment.start_instance(free_address()));
        deployment.instances = join_all(starting).await;
        deployment
    }

    async fn start_instance(&self, address: SocketAddr) -> Daybook {
        let mut command = self.command(&[]);
        command
            .args(["--no-seed", "--seal-seconds", "1", "--seal-rows", "200", "--listen"])
            .arg(address.to_string());
        Daybook::run(command, address, &self.folder.path().join("log")).await
    }

    /// A command of Daybook's on the database.
    fn command(&self, words: &[&str]) -> Command {
        let mut command = program(env!("CARGO_BIN_EXE_daybook"));
        command
            .args(words)
            .args(["--partition-days-ahead", "2", "--scheduler", "ticker"])
            .args(["--pool-size", "4", "--ingest-pool-size", "3"])
            .current_dir(self.folder.path());
        match &self.cluster {
            None => command.arg("--data-dir").arg(self.folder.data()),
            Some(cluster) => command
                .args(["--database-url", &url(cluster, ClusterRole::Service)])
                .args(["--owner-database-url", &url(cluster, ClusterRole::Owner)]),
        };
        command
    }

    /// Where the instances serve.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.instances.iter().map(|instance| instance.address).collect()
    }

    /// Kills something, and starts again what does not start again by itself.
    pub(super) async fn kill(&mut self, victim: Victim, random: &mut ChaCha12Rng) {
        match victim {
            Victim::Postmaster => {
                // Backends outlive their postmaster for a while, and go on to commit.
                eventually("another postmaster than the last is killed", async || {
                    let pid = self.folder.postmaster().filter(|pid| self.killed != Some(*pid));
                    let Some(pid) = pid.filter(|pid| kill(*pid)) else { return false };
                    self.killed = Some(pid);
                    true
                })
                .await;
                if let Some(cluster) = self.cluster.take() {
                    cluster.stop().await.unwrap();
                    self.cluster = Some(self.folder.start().await);
                }
            }
            Victim::Backend => {
                // One that ends by itself meanwhile is not killed.
                eventually("a backend is killed", async || self.backend(random).is_some_and(kill))
                    .await;
            }
            Victim::Service => {
                let place = random.random_range(0..self.instances.len());
                self.instances[place].signal(Signal::KILL);
                self.instances[place].end().await;
                let address = self.instances[place].address;
                self.instances[place] = self.start_instance(address).await;
            }
        }
    }

    /// A process that serves a connection of Daybook's, more likely one that is at work.
    fn backend(&self, random: &mut ChaCha12Rng) -> Option<u32> {
        let postmaster = self.folder.postmaster()?.to_string();
        let (mut at_work, mut all) = (Vec::new(), Vec::new());
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let read = |name| fs::read_to_string(entry.path().join(name)).unwrap_or_default();
            let stat = read("stat");
            let after_name = stat.rsplit(')').next().unwrap_or_default();
            let line = read("cmdline");
            if after_name.split_whitespace().nth(1) == Some(&postmaster) && line.contains("[local]")
            {
                all.push(pid);
                if !line.trim_end_matches('\0').ends_with("idle") {
                    at_work.push(pid);
                }
            }
        }
        let wanted = if random.random_bool(0.7) { &at_work } else { &all };
        wanted.choose(random).or_else(|| all.first()).copied()
    }

    /// A session of the owner's in the served schema.
    pub(super) async fn sql(&self) -> Client {
        let attached = attach(&self.folder.settings()).await.unwrap().expect("Postgres runs");
        let mut config = attached.connection(ClusterRole::Owner);
        config.options("-c search_path=daybook -c timezone=UTC");
        connect(&config).await
    }

    /// `daybook audit` must find nothing.
    pub(super) fn audit(&self) {
        let output = self.command(&["audit"]).stdin(Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }

    /// Stops everything in order; nobody may have panicked.
    pub(super) async fn end(mut self) {
        for instance in &mut self.instances {
            instance.signal(Signal::TERM);
            assert_eq!(instance.end().await.code(), Some(0));
        }
        if let Some(cluster) = self.cluster {
            cluster.stop().await.unwrap();
        }
        assert_eq!(self.folder.processes(), Vec::<String>::new());
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap();
        let panics: Vec<_> = log.lines().filter(|line| line.contains("panicked")).collect();
        assert_eq!(panics, Vec::<&str>::new());
    }
}

/// Kills a process; false if it is not there.
fn kill(pid: u32) -> bool {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL).is_ok()
}

/// How a guest finds the server as a role.
fn url(cluster: &Cluster, role: ClusterRole) -> String {
    let config = cluster.connection(role);
    let Some(Host::Unix(folder)) = config.get_hosts().first() else { panic!("a Unix socket") };
    let (user, database) = (config.get_user().unwrap(), config.get_dbname().unwrap());
    let port = config.get_ports()[0];
    format!("host={} port={port} user={user} dbname={database}", folder.display())
}
