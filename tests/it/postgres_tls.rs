//! Encrypted connections to Postgres: all of them, and only to the server that was meant.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::Path,
    str::FromStr,
    time::Duration,
};

use daybook::{
    analytics::{
        Analytics,
        sum_amount::{Subject, SumQuestion},
    },
    cluster::{Cluster, ClusterRole},
    config::PoolSettings,
    domain::{access::Scope, direction::Direction, window::Window},
    store::{Database, DatabaseTarget, postgres_tls::PostgresTls},
};
use rustix::process::{Pid, Signal, kill_process};
use tokio_postgres::Config;

use crate::{
    process::free_address,
    support::{
        cluster::{TestFolder, eventually},
        ledger::add_user,
        schema::{TestSchema, one},
        service::settings,
    },
    tls::Authority,
};

/// A Postgres that lets nobody in by TCP who does not encrypt.
struct Encrypted {
    folder: TestFolder,
    cluster: Cluster,
    port: u16,
    authority: Authority,
}

impl Encrypted {
    async fn start(name: &str) -> Self {
        let (folder, authority) = (TestFolder::initialised(), Authority::new());
        let pgdata = folder.data().join("pgdata");
        let (certificate, key) = authority.sign(name, |_| {});
        let owner = fs::metadata(&pgdata).unwrap();
        for (file, text) in [("server.crt", &certificate), ("server.key", &key)] {
            let path = pgdata.join(file);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
        }
        let port = free_address().port();
        append(&pgdata.join("postgresql.conf"), "ssl = on\n");
        let mut settings = folder.settings();
        settings.postgres_port = Some(port);
        let cluster = Cluster::start(&settings).await.unwrap_or_else(|error| panic!("{error}"));
        let encrypted = Self { folder, cluster, port, authority };
        encrypted.let_in("hostssl all all 127.0.0.1/32 trust").await;
        encrypted
    }

    /// Changes who is let in by TCP.
    async fn let_in(&self, line: &str) {
        let pgdata = self.folder.data().join("pgdata");
        let path = pgdata.join("pg_hba.conf");
        let text = fs::read_to_string(&path).unwrap();
        let local: String = text
            .lines()
            .filter(|line| line.starts_with("local"))
            .fold(String::new(), |text, line| text + line + "\n");
        fs::write(&path, format!("{local}{line}\n")).unwrap();
        // The owner may not reload: the postmaster is told.
        let pid = self.folder.postmaster().unwrap();
        let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        kill_process(pid, Signal::HUP).unwrap();
    }

    /// A target on this server, as the settings would name it.
    fn target(&self, host: &str, roots: &str) -> DatabaseTarget {
        let path = self.folder.path().join("roots.pem");
        fs::write(&path, roots).unwrap();
        let port = self.port;
        let url = format!("postgres://daybook@{host}:{port}/daybook");
        let tls = PostgresTls::required(Some(&path)).unwrap();
        let config = Config::from_str(&url).unwrap();
        DatabaseTarget { config, schema: "daybook".to_owned(), tls }
    }
}

fn append(path: &Path, text: &str) {
    let before = fs::read_to_string(path).unwrap();
    fs::write(path, before + text).unwrap();
}

fn pool() -> PoolSettings {
    let mut pool = settings().pool;
    pool.connect_timeout_ms = 2_000;
    pool
}

#[tokio::test]
async fn every_connection_is_encrypted_and_cancelling_too() {
    let encrypted = Encrypted::start("127.0.0.1").await;
    let target = encrypted.target("127.0.0.1", &encrypted.authority.pem);
    let is_in = async || {
        let database = Database::new(&target, &pool()).unwrap();
        database.connect().await.is_ok()
    };
    eventually("the server lets callers in who encrypt", is_in).await;
    let plain = DatabaseTarget::plain(target.config.clone(), target.schema.clone());
    assert!(Database::new(&plain, &pool()).unwrap().connect().await.is_err());
    // A whole service, whose own SQL comes by the socket.
    let local = encrypted.cluster.connection(ClusterRole::Owner);
    let schema =
        TestSchema::prepared_on(DatabaseTarget::plain(local, "daybook".to_owned()), settings());
    let schema = schema.await;
    let database = Database::new(&target, &pool()).unwrap();
    let user = add_user(&schema.sql, "ann").await;
    let analytics = Analytics::new(database.clone());
    let asset = analytics.find_asset("").await.unwrap().unwrap();
    let question = SumQuestion {
        subject: Subject::User(user.user_uuid),
        scope: Scope::Everybody,
        asset,
        window: Window::before(None),
        direction: Direction::Sender,
        explain: false,
        verify: false,
    };
    assert_eq!(analytics.sum_amount(&question).await.unwrap().sum_amount, "0.00000");
    let own = database.connect().await.unwrap();
    let counts = "SELECT count(*) FILTER (WHERE s.ssl) || ' of ' || count(*)
        FROM pg_stat_activity a JOIN pg_stat_ssl s USING (pid) WHERE a.client_addr IS NOT NULL";
    // One of each pool that was asked, and one of its own.
    assert_eq!(one::<String>(&schema.sql, counts).await, "3 of 3");
    drop(own);
    // A statement that nobody waits for is cancelled.
    let long = "BEGIN; LOCK TABLE assets IN ACCESS EXCLUSIVE MODE";
    schema.sql.batch_execute(long).await.unwrap();
    let fresh = Analytics::new(database.clone());
    let asked = tokio::time::timeout(Duration::from_millis(500), fresh.find_asset("EUR")).await;
    assert!(asked.is_err(), "the lock keeps it waiting");
    let waiting = "SELECT count(*) FROM pg_stat_activity
        WHERE wait_event_type = 'Lock' AND client_addr IS NOT NULL";
    eventually("the statement is cancelled", async || one::<i64>(&schema.sql, waiting).await == 0)
        .await;
    schema.sql.batch_execute("ROLLBACK").await.unwrap();
    assert!(database.close(Duration::from_secs(5)).await);
    encrypted.cluster.stop().await.unwrap();
}

#[tokio::test]
async fn another_name_another_root_or_no_encryption_at_all_is_refused() {
    let encrypted = Encrypted::start("127.0.0.1").await;
    let right = encrypted.target("127.0.0.1", &encrypted.authority.pem);
    let connects = async |target: &DatabaseTarget| {
        Database::new(target, &pool()).unwrap().connect().await.is_ok()
    };
    eventually("the server lets callers in who encrypt", async || connects(&right).await).await;
    let other_root = encrypted.target("127.0.0.1", &Authority::new().pem);
    assert!(!connects(&other_root).await, "a root that did not sign it");
    let other_name = encrypted.target("localhost", &encrypted.authority.pem);
    assert!(!connects(&other_name).await, "a certificate for another name");
    // A server that does not encrypt, or somebody on the way who says so.
    let plain = TestFolder::initialised();
    let port = free_address().port();
    let mut settings = plain.settings();
    settings.postgres_port = Some(port);
    let cluster = Cluster::start(&settings).await.unwrap_or_else(|error| panic!("{error}"));
    let mut bare = encrypted.target("127.0.0.1", &encrypted.authority.pem);
    bare.config =
        Config::from_str(&format!("postgres://daybook@127.0.0.1:{port}/daybook")).unwrap();
    let refused = Database::new(&bare, &pool()).unwrap().connect().await.unwrap_err();
    let text = format!("{:?}", refused);
    assert!(text.contains("server does not support TLS"), "{text}");
    cluster.stop().await.unwrap();
    encrypted.cluster.stop().await.unwrap();
}
