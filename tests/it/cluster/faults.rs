//! Kills, stale files and left-over servers.

use std::{
    env,
    ffi::OsString,
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use daybook::cluster::{Cluster, ClusterError, ClusterRole, ServerState, attach, psql};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::support::cluster::{TestFolder, connect, eventually, settings, shared, try_connect};

const CHILD_DIR: &str = "DAYBOOK_IT_CHILD_DIR";

fn kill(pid: u32) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL).unwrap();
}

/// Runs one test of this binary in a process of its own, told a folder by the environment.
fn run_test_in_child(name: &str, dir: &Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD_DIR, dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // As a shell starts a command, so that a test can press Ctrl-C.
        .process_group(0)
        .spawn()
        .unwrap()
}

/// Runs a server for another test, which kills this process; does nothing on its own.
#[tokio::test]
async fn holds_a_server_for_another_test() {
    let Some(dir) = env::var_os(CHILD_DIR) else { return };
    let _cluster = Cluster::start(&settings(dir.into())).await.unwrap();
    std::future::pending::<()>().await;
}

/// Runs psql for another test, which presses Ctrl-C, and writes its exit code; else does nothing.
#[tokio::test]
async fn runs_psql_for_another_test() {
    let Some(dir) = env::var_os(CHILD_DIR).map(PathBuf::from) else { return };
    let arguments = ["-Xqc", "SELECT pg_sleep(600)"].map(OsString::from);
    let code = psql(&settings(dir.clone()), "daybook", &arguments).await.unwrap();
    fs::write(dir.with_extension("code"), code.to_string()).unwrap();
}

#[tokio::test]
async fn ctrl_c_in_psql_cancels_its_query_and_the_server_is_stopped_in_order() {
    let folder = TestFolder::initialised();
    let mut child =
        run_test_in_child("cluster::faults::runs_psql_for_another_test", &folder.data());
    eventually("the query runs", async || {
        let Ok(Some(server)) = attach(&folder.settings()).await else { return false };
        let Ok(client) = try_connect(&server.connection(ClusterRole::Superuser)).await else {
            return false;
        };
        let query = "SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)'";
        client.query(query, &[]).await.is_ok_and(|rows| !rows.is_empty())
    })
    .await;
    let group = Pid::from_raw(child.id().cast_signed()).unwrap();
    kill_process_group(group, Signal::INT).unwrap();
    assert!(child.wait().unwrap().success(), "it was not ended by the signal");
    assert_eq!(fs::read_to_string(folder.data().with_extension("code")).unwrap(), "1");
    assert_eq!(folder.processes(), Vec::<String>::new());
}

/// Starts the shared server for another test, which kills this process; else does nothing.
#[tokio::test]
async fn holds_the_shared_server_for_another_test() {
    let Some(dir) = env::var_os(CHILD_DIR) else { return };
    let config = shared().connection(ClusterRole::Superuser);
    let client = connect(&config).await;
    let data: String = client.query_one("SHOW data_directory", &[]).await.unwrap().get(0);
    fs::write(dir, data).unwrap();
    std::future::pending::<()>().await;
}

/// A killed server's lock of its socket, whose process id another one has by now.
#[tokio::test]
async fn a_stale_lock_of_the_socket_does_not_keep_a_server_from_starting() {
    let folder = TestFolder::initialised();
    let stranger = connect(&shared().connection(ClusterRole::Superuser)).await;
    let pid: i32 = stranger.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    let cluster = folder.start().await;
    let socket_dir = cluster.describe().socket_dir;
    cluster.stop().await.unwrap();
    // A stop has removed the folder; a kill leaves it, with the socket's lock in it.
    fs::create_dir_all(&socket_dir).unwrap();
    let owner = fs::metadata(folder.data().join("pgdata")).unwrap();
    chown(&socket_dir, Some(owner.uid()), Some(owner.gid())).unwrap();
    fs::set_permissions(&socket_dir, fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(socket_dir.join(".s.PGSQL.5432.lock"), format!("{pid}\n/nowhere\n")).unwrap();
    folder.start().await.stop().await.unwrap();
}

#[tokio::test]
async fn a_killed_daybook_leaves_a_server_that_the_next_one_replaces() {
    let folder = TestFolder::initialised();
    let mut child =
        run_test_in_child("cluster::faults::holds_a_server_for_another_test", &folder.data());
    let refusal = |result: Result<Cluster, ClusterError>| match result {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    };
    let settings = folder.settings();
    eventually("the other Daybook runs", async || attach(&settings).await.unwrap().is_some()).await;
    let expected = format!("another Daybook (process {}) is running on", child.id());
    let message = refusal(Cluster::start(&settings).await);
    assert!(message.starts_with(&expected), "{message}");

    let left = folder.postmaster().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(folder.postmaster(), Some(left));
    assert!(attach(&settings).await.unwrap().is_none());
    let cluster = folder.start().await;
    assert_ne!(folder.postmaster(), Some(left));
    connect(&cluster.connection(ClusterRole::Owner)).await;
    cluster.stop().await.unwrap();
    assert_eq!(folder.processes(), Vec::<String>::new());
}

#[tokio::test]
async fn a_server_started_by_hand_on_the_folder_is_replaced() {
    let folder = TestFolder::initialised();
    let cluster = folder.start().await;
    let program = cluster.describe().bin_dir.join("postgres");
    let user = cluster.describe().user;
    cluster.stop().await.unwrap();
    let mut command = Command::new(program);
    let pgdata = folder.data().join("pgdata");
    command.arg("-D").arg(".").args(["-c", "unix_socket_directories=", "-c"]);
    command.arg("listen_addresses=").current_dir(&pgdata).stderr(Stdio::null());
    if rustix::process::geteuid().is_root() {
        command.uid(id("-u", &user)).gid(id("-g", &user));
    }
    let mut left = command.spawn().unwrap();
    let is_up = async || folder.postmaster() == Some(left.id());
    eventually("it runs", is_up).await;
    let cluster = folder.start().await;
    assert!(left.wait().unwrap().code().is_some(), "it was not killed but shut down");
    cluster.stop().await.unwrap();
    assert_eq!(folder.processes(), Vec::<String>::new());
}

fn id(flag: &str, user: &str) -> u32 {
    let output = Command::new("id").args([flag, user]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

#[tokio::test]
async fn a_killed_postgres_comes_back_by_itself_although_a_backend_holds_its_memory() {
    let folder = TestFolder::initialised();
    let cluster = folder.start().await;
    let config = cluster.connection(ClusterRole::Superuser);
    let busy = connect(&config).await;
    let sleeper = tokio::spawn(async move {
        // Does not look for the postmaster: only a signal ends it.
        let loops = "DO $$ BEGIN LOOP PERFORM 1; END LOOP; END $$";
        busy.batch_execute(loops).await.expect_err("it is ended");
    });
    let client = connect(&config).await;
    eventually("the backend is busy", async || {
        let count = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'DO %LOOP%'
                     AND state = 'active'";
        client.query_one(count, &[]).await.unwrap().get::<_, i64>(0) == 1
    })
    .await;
    let mut state = cluster.state();
    state.mark_unchanged();
    let killed = folder.postmaster().unwrap();
    kill(killed);
    let restarted =
        |state: &ServerState| matches!(state, ServerState::Running { pid } if *pid != Some(killed));
    state.wait_for(restarted).await.unwrap();
    sleeper.await.unwrap();
    let client = connect(&config).await;
    assert_eq!(client.query_one("SELECT 1", &[]).await.unwrap().get::<_, i32>(0), 1);
    cluster.stop().await.unwrap();
    assert_eq!(folder.processes(), Vec::<String>::new());
}

#[tokio::test]
async fn a_server_that_cannot_come_back_is_given_up_with_its_reason() {
    let folder = TestFolder::initialised();
    let cluster = folder.start().await;
    let conf = folder.data().join("pgdata/postgresql.conf");
    fs::write(&conf, "no_such_setting = 1\n").unwrap();
    kill(folder.postmaster().unwrap());
    let reason = cluster.failed().await;
    assert!(reason.contains("errors") && reason.contains("postgresql.conf"), "{reason}");
    cluster.stop().await.unwrap();
    assert_eq!(folder.processes(), Vec::<String>::new());
}

#[tokio::test]
async fn a_stop_while_the_server_cannot_come_back_does_not_wait_for_it() {
    let folder = TestFolder::initialised();
    let cluster = folder.start().await;
    fs::write(folder.data().join("pgdata/postgresql.conf"), "no_such_setting = 1\n").unwrap();
    let mut state = cluster.state();
    kill(folder.postmaster().unwrap());
    state.wait_for(|state| *state == ServerState::Restarting).await.unwrap();
    cluster.stop().await.unwrap();
    assert_eq!(*state.borrow(), ServerState::Stopped);
    assert_eq!(folder.processes(), Vec::<String>::new());
}

#[tokio::test]
async fn a_stale_pid_file_does_not_hinder_a_start_and_harms_no_stranger() {
    let folder = TestFolder::initialised();
    folder.start().await.stop().await.unwrap();
    let pgdata = folder.data().join("pgdata");
    let owner = fs::metadata(&pgdata).unwrap();
    let (user, group) = {
        use std::os::unix::fs::MetadataExt;
        (owner.uid(), owner.gid())
    };
    let mut stranger = Command::new("sleep");
    stranger.arg("600");
    if rustix::process::geteuid().is_root() {
        // Postgres takes any live process of its own user for a server.
        stranger.uid(user).gid(group);
    }
    let mut stranger = stranger.spawn().unwrap();
    let mut dead = Command::new("true").spawn().unwrap();
    dead.wait().unwrap();
    let shared_pid = {
        let client = connect(&shared().connection(ClusterRole::Superuser)).await;
        let text = "SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int";
        client.query_one(text, &[]).await.unwrap().get::<_, i32>(0).cast_unsigned()
    };
    for pid in [dead.id(), stranger.id(), shared_pid] {
        let file = pgdata.join("postmaster.pid");
        let text = format!("{pid}\n{}\n1700000000\n5432\n/tmp\n\n  1 2\nready\n", pgdata.display());
        fs::write(&file, text).unwrap();
        chown(&file, Some(user), Some(group)).unwrap();
        let cluster = folder.start().await;
        connect(&cluster.connection(ClusterRole::Owner)).await;
        cluster.stop().await.unwrap();
    }
    assert!(stranger.try_wait().unwrap().is_none(), "the stranger lives");
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    connect(&shared().connection(ClusterRole::Superuser)).await;
}

#[tokio::test]
async fn a_kill_in_mid_initdb_leaves_nothing_that_looks_whole() {
    let folder = TestFolder::empty();
    let mut child =
        run_test_in_child("cluster::faults::holds_a_server_for_another_test", &folder.data());
    let unfinished = || {
        let entries = fs::read_dir(folder.data()).into_iter().flatten();
        let mut paths = entries.map(|entry| entry.unwrap().path());
        paths.find(|path| path.to_str().unwrap().contains("pgdata.new-"))
    };
    eventually("initdb is at work", async || {
        unfinished().is_some_and(|path| path.join("global").exists())
    })
    .await;
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!folder.data().join("pgdata").exists());
    let cluster = folder.start().await;
    assert_eq!(unfinished(), None);
    connect(&cluster.connection(ClusterRole::Owner)).await;
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_kill_in_mid_start_is_made_good_by_the_next_one() {
    let folder = TestFolder::initialised();
    // As after a kill between two steps: a role and the password file are not there.
    let cluster = folder.start().await;
    let client = connect(&cluster.connection(ClusterRole::Superuser)).await;
    client.batch_execute("DROP EXTENSION pg_partman; DROP SCHEMA partman").await.unwrap();
    client.batch_execute("DROP OWNED BY daybook_client; DROP ROLE daybook_client").await.unwrap();
    drop(client);
    cluster.stop().await.unwrap();
    let cluster = folder.start().await;
    connect(&cluster.connection(ClusterRole::Client)).await;
    let client = connect(&cluster.connection(ClusterRole::Owner)).await;
    client.batch_execute("SELECT FROM partman.part_config").await.unwrap();
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_cluster_that_is_dropped_shuts_down_all_the_same() {
    let folder = TestFolder::initialised();
    let cluster = folder.start().await;
    let config = cluster.connection(ClusterRole::Owner);
    drop(cluster);
    eventually("nothing is left", async || folder.processes().is_empty()).await;
    assert!(try_connect(&config).await.is_err());
}

#[tokio::test]
async fn the_tests_own_server_goes_with_them_even_when_they_are_killed() {
    let folder = TestFolder::empty();
    let told = folder.path().join("told");
    let mut child =
        run_test_in_child("cluster::faults::holds_the_shared_server_for_another_test", &told);
    eventually("it runs", async || fs::read_to_string(&told).is_ok_and(|t| !t.is_empty())).await;
    let pgdata = fs::read_to_string(&told).unwrap();
    assert!(Path::new(&pgdata).exists());
    child.kill().unwrap();
    child.wait().unwrap();
    let run = Path::new(&pgdata).ancestors().nth(3).unwrap();
    assert!(run.file_name().unwrap().to_str().unwrap().starts_with("daybook-it-"), "{run:?}");
    eventually("its folder is gone", async || !run.exists()).await;
}
