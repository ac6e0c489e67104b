//! Start, stop, settings, sockets, psql.

use std::{ffi::OsString, fs};

use daybook::cluster::{ClusterRole, attach, psql};

use crate::support::cluster::{TestFolder, connect, shared, try_connect};

fn words(arguments: &[&str]) -> Vec<OsString> {
    arguments.iter().map(OsString::from).collect()
}

#[tokio::test]
async fn a_first_start_makes_everything_and_a_stop_leaves_nothing_running() {
    let folder = TestFolder::empty();
    let cluster = folder.start().await;
    assert!(!folder.processes().is_empty());
    let client = connect(&cluster.connection(ClusterRole::Owner)).await;
    let row = client.query_one("SELECT current_user, current_database()", &[]).await.unwrap();
    assert_eq!((row.get::<_, &str>(0), row.get::<_, &str>(1)), ("daybook", "daybook"));
    let described = cluster.describe();
    assert_eq!(described.data_dir, folder.data());
    assert!(!described.fell_back && described.tcp_port.is_none());
    cluster.stop().await.unwrap();
    assert_eq!(folder.processes(), Vec::<String>::new());
    let mut left: Vec<_> = fs::read_dir(folder.data())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["daybook.lock", "pgdata", "pgpass", "postgres.log"]);
}

#[tokio::test]
async fn data_and_the_users_own_settings_survive_a_restart() {
    let folder = TestFolder::initialised();
    let cluster = folder.start().await;
    let client = connect(&cluster.connection(ClusterRole::Owner)).await;
    client
        .batch_execute("CREATE SCHEMA daybook; CREATE TABLE daybook.t AS SELECT 7 AS n")
        .await
        .unwrap();
    drop(client);
    cluster.stop().await.unwrap();
    let conf = folder.data().join("pgdata/postgresql.conf");
    let own = fs::read_to_string(&conf).unwrap() + "work_mem = '17MB'\n";
    fs::write(&conf, own).unwrap();
    let cluster = folder.start().await;
    let client = connect(&cluster.connection(ClusterRole::Owner)).await;
    let n: i32 = client.query_one("SELECT n FROM daybook.t", &[]).await.unwrap().get(0);
    let work_mem: String = client.query_one("SHOW work_mem", &[]).await.unwrap().get(0);
    assert_eq!((n, work_mem.as_str()), (7, "17MB"));
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn the_server_runs_with_the_settings_of_this_job() {
    let client = connect(&shared().connection(ClusterRole::Superuser)).await;
    for (name, value) in [
        ("fsync", "on"),
        ("full_page_writes", "on"),
        ("synchronous_commit", "on"),
        ("TimeZone", "UTC"),
        ("log_timezone", "UTC"),
        ("jit", "off"),
        ("max_locks_per_transaction", "1024"),
        ("max_connections", "100"),
        ("listen_addresses", ""),
        ("server_encoding", "UTF8"),
        ("data_checksums", "on"),
        ("shared_preload_libraries", "pg_cron"),
        ("cron.use_background_workers", "on"),
    ] {
        let row = client.query_one("SELECT current_setting($1)", &[&name]).await.unwrap();
        assert_eq!(row.get::<_, &str>(0), value, "{name}");
    }
    let unset = "SELECT count(*) FROM pg_file_settings WHERE error IS NOT NULL";
    assert_eq!(client.query_one(unset, &[]).await.unwrap().get::<_, i64>(0), 0);
}

#[tokio::test]
async fn a_long_path_gets_a_short_socket_folder_which_goes_with_the_server() {
    let folder = TestFolder::empty();
    let mut settings = folder.settings();
    let deep = folder.path().join("x".repeat(80)).join("with, a comma");
    settings.data_dir = Some(deep);
    let cluster = daybook::cluster::Cluster::start(&settings).await.unwrap();
    let socket_dir = cluster.describe().socket_dir;
    assert!(socket_dir.starts_with("/tmp") && !socket_dir.starts_with(folder.path()));
    connect(&cluster.connection(ClusterRole::Owner)).await;
    let attached = attach(&settings).await.unwrap().expect("a server runs");
    connect(&attached.connection(ClusterRole::Client)).await;
    cluster.stop().await.unwrap();
    assert!(!socket_dir.exists());
    assert_eq!(folder.processes(), Vec::<String>::new());
}

#[tokio::test]
async fn a_port_is_open_to_the_client_role_with_its_password_alone() {
    let folder = TestFolder::initialised();
    let mut settings = folder.settings();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    settings.postgres_port = Some(port);
    let cluster = daybook::cluster::Cluster::start(&settings).await.unwrap();
    let pgpass = fs::read_to_string(folder.data().join("pgpass")).unwrap();
    let password = pgpass.lines().next().unwrap().rsplit(':').next().unwrap();
    let mut config = tokio_postgres::Config::new();
    config.host("127.0.0.1").port(port).dbname("daybook").password(password);
    connect(config.clone().user("daybook_client")).await;
    for user in ["postgres", "daybook"] {
        let error = try_connect(config.clone().user(user)).await.expect_err("refused");
        let message = error.as_db_error().expect("by the server").message().to_owned();
        assert!(message.contains("no pg_hba.conf entry"), "{message}");
    }
    let wrong = try_connect(config.user("daybook_client").password("wrong")).await;
    assert!(wrong.is_err());
    let line = cluster.describe().psql_line.expect("there is a port");
    let output = std::process::Command::new("sh")
        .args(["-c", &format!("{line} -w -Atc 'SELECT current_user'")])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "daybook_client", "{output:?}");

    let other = TestFolder::initialised();
    settings.data_dir = Some(other.data());
    let error = daybook::cluster::Cluster::start(&settings).await.expect_err("the port is taken");
    assert!(error.to_string().contains(&format!("port {port} of 127.0.0.1 is taken")), "{error}");
    assert_eq!(other.processes(), Vec::<String>::new());
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn psql_uses_the_running_server_or_starts_one_for_the_session() {
    let folder = TestFolder::initialised();
    let settings = folder.settings();
    let out = folder.path().join("out");
    let query = "SELECT current_user || ' ' || current_setting('TimeZone')";
    let arguments = words(&["-XAto", out.to_str().unwrap(), "-c", query]);
    let check = || {
        assert_eq!(fs::read_to_string(&out).unwrap(), "daybook_client UTC\n");
        fs::remove_file(&out).unwrap();
    };
    assert!(attach(&settings).await.unwrap().is_none());
    assert_eq!(psql(&settings, "daybook", &arguments).await.unwrap(), 0);
    check();
    assert_eq!(folder.processes(), Vec::<String>::new(), "it was stopped after the session");

    let cluster = folder.start().await;
    let pid = folder.postmaster();
    assert_eq!(psql(&settings, "daybook", &arguments).await.unwrap(), 0);
    check();
    let failing = words(&["-Xqc", "SELECT 1/0"]);
    assert_eq!(psql(&settings, "daybook", &failing).await.unwrap(), 1);
    assert_eq!(folder.postmaster(), pid, "the running server was left alone");
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_large_log_is_moved_aside_at_the_start() {
    let folder = TestFolder::initialised();
    let log = folder.data().join("postgres.log");
    fs::File::options().write(true).open(&log).unwrap().set_len(17 << 20).unwrap();
    let cluster = folder.start().await;
    assert!(fs::metadata(&log).unwrap().len() < 1 << 20);
    assert_eq!(fs::metadata(folder.data().join("postgres.log.1")).unwrap().len(), 17 << 20);
    cluster.stop().await.unwrap();
}
