//! Real Postgres for the tests: one server for the whole run, and folders for those that need
//! a server of their own.
//!
//! Everything lies in one folder under `/tmp`. A shell that waits for the end of the test
//! process, however that comes, ends what still runs there and removes the folder.

use std::{
    env, fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use daybook::{
    cluster::{Cluster, ClusterRole},
    config::ClusterSettings,
};
use tokio::runtime::Runtime;
use tokio_postgres::{Client, Config, NoTls};

/// Longest wait for anything.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// Waits for the end of its standard input, which is the end of the test process.
const WATCHDOG: &str = r#"
read -r _
find "$1" -name postmaster.pid | while read -r file; do
    pid=$(head -n 1 "$file")
    is_postgres() { ps -o args= -p "$pid" 2>/dev/null | grep -q postgres; }
    tries=0
    while is_postgres && [ $tries -lt 200 ]; do
        if [ $tries -lt 100 ]; then kill -QUIT "$pid"; else kill -KILL "$pid"; fi
        tries=$((tries + 1)); sleep 0.1
    done
done
grep -F " $1/" /proc/mounts 2>/dev/null | cut -d ' ' -f 2 | xargs -r umount -l
tries=0
while ! rm -rf "$1" && [ $tries -lt 50 ]; do tries=$((tries + 1)); sleep 0.1; done
"#;

/// The one server of the run. Tests make a schema each in its database.
pub(crate) struct SharedCluster {
    cluster: Cluster,
    /// Drives the task that watches the server.
    _runtime: Runtime,
}

impl SharedCluster {
    /// How to connect as a role.
    pub(crate) fn connection(&self, role: ClusterRole) -> Config {
        self.cluster.connection(role)
    }
}

/// The one server of the run, started by whoever asks first.
pub(crate) fn shared() -> &'static SharedCluster {
    static SHARED: OnceLock<SharedCluster> = OnceLock::new();
    SHARED.get_or_init(|| {
        let folder = TestFolder::initialised().keep();
        let conf = folder.data().join("pgdata/postgresql.conf");
        let text = fs::read_to_string(&conf).expect("the copied folder is configured");
        let text = format!("{text}max_prepared_transactions = 20\n");
        fs::write(&conf, text).expect("it can be configured");
        let settings = folder.settings();
        // A runtime cannot be waited for inside that of a test.
        let start = move || {
            let runtime = Runtime::new().expect("a runtime can be made");
            let cluster = runtime.block_on(Cluster::start(&settings));
            let cluster = cluster.unwrap_or_else(|error| panic!("the shared server: {error}"));
            SharedCluster { cluster, _runtime: runtime }
        };
        thread::spawn(start).join().expect("the shared server starts")
    })
}

/// The folder that all tests of this process share; removed after its end.
struct Run {
    path: PathBuf,
    _watchdog: Child,
    _pipe: ChildStdin,
}

fn run() -> &'static Run {
    static RUN: OnceLock<Run> = OnceLock::new();
    RUN.get_or_init(|| {
        let path = tempfile::Builder::new()
            .prefix("daybook-it-")
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir_in("/tmp")
            .expect("a temporary folder can be made")
            .keep();
        let mut watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(&path)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A terminal's Ctrl-C ends the tests, not the one that tidies up after them.
            .process_group(0)
            .spawn()
            .expect("a shell can be started");
        let pipe = watchdog.stdin.take().expect("its standard input is a pipe");
        Run { path, _watchdog: watchdog, _pipe: pipe }
    })
}

/// A folder of one test, removed when dropped unless a server still runs there.
pub(crate) struct TestFolder {
    path: PathBuf,
    is_kept: bool,
}

impl Drop for TestFolder {
    fn drop(&mut self) {
        if !self.is_kept && self.postmaster().is_none() {
            // What stays is removed at the end of the run.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

impl TestFolder {
    /// One that is empty.
    pub(crate) fn empty() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let path = run().path.join(NEXT.fetch_add(1, Ordering::Relaxed).to_string());
        fs::create_dir(&path).expect("a folder can be made");
        Self { path, is_kept: false }
    }

    /// One with a data folder that is ready, copied, because `initdb` takes seconds.
    pub(crate) fn initialised() -> Self {
        static TEMPLATE: OnceLock<PathBuf> = OnceLock::new();
        let template = TEMPLATE.get_or_init(|| {
            let settings = Self::empty().keep().settings();
            let copied = settings.clone();
            let make = move || {
                let runtime = Runtime::new().expect("a runtime can be made");
                runtime.block_on(async {
                    let cluster = Cluster::start(&settings).await.expect("a server starts");
                    cluster.stop().await.expect("it stops");
                });
            };
            thread::spawn(make).join().expect("the template is made");
            copied.data_dir.expect("the settings have a folder")
        });
        let folder = Self::empty();
        let copied = Command::new("cp").arg("-a").arg(template).arg(folder.data()).status();
        assert!(copied.is_ok_and(|status| status.success()), "the template can be copied");
        folder
    }

    /// Keeps it until the end of the run.
    fn keep(mut self) -> Self {
        self.is_kept = true;
        self
    }

    /// The folder itself, which everybody can enter.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The data folder in it, which need not exist.
    pub(crate) fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    /// Settings with that data folder.
    pub(crate) fn settings(&self) -> ClusterSettings {
        settings(self.data())
    }

    /// Starts a server there.
    pub(crate) async fn start(&self) -> Cluster {
        Cluster::start(&self.settings()).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// The postmaster that `postmaster.pid` names.
    pub(crate) fn postmaster(&self) -> Option<u32> {
        let text = fs::read_to_string(self.data().join("pgdata/postmaster.pid")).ok()?;
        text.lines().next()?.trim().parse().ok()
    }

    /// Every process whose working folder or command line is in this folder.
    pub(crate) fn processes(&self) -> Vec<String> {
        let mut found = Vec::new();
        let name = format!("{}/", self.path.display());
        for entry in fs::read_dir("/proc").expect("/proc can be read").flatten() {
            let works_here = fs::read_link(entry.path().join("cwd"))
                .is_ok_and(|dir| dir.starts_with(&self.path));
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            // A process that is ending has no command line any more.
            if !line.is_empty() && (works_here || line.contains(&name)) {
                found.push(format!("{} {line}", entry.file_name().display()));
            }
        }
        found
    }
}

/// Settings with a data folder, and with the programs that the environment names, so that one
/// machine can run the tests on several versions of Postgres and its extensions.
pub(crate) fn settings(data_dir: PathBuf) -> ClusterSettings {
    let postgres_bin_dir = env::var_os("DAYBOOK_POSTGRES_BIN_DIR").map(PathBuf::from);
    ClusterSettings { data_dir: Some(data_dir), postgres_bin_dir, postgres_port: None }
}

/// Connects, and drives the connection until the client is dropped.
pub(crate) async fn connect(config: &Config) -> Client {
    try_connect(config).await.unwrap_or_else(|error| panic!("{config:?}: {error}"))
}

/// Connects, or says why not.
pub(crate) async fn try_connect(config: &Config) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Waits until something is true; fails with its name when that takes too long.
pub(crate) async fn eventually(what: &str, mut is_true: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !is_true().await {
        assert!(started.elapsed() < WAIT_MAX, "waited too long until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
