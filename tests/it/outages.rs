//! The database goes away and comes back: killed, cut off, frozen.

use std::{
    fs,
    io::Write as _,
    time::{Duration, Instant},
};

use daybook::{
    cluster::{Cluster, ClusterRole, ServerState},
    grpc::pb::v1::ListUsersRequest,
    store::DatabaseTarget,
};
use rustix::{
    io::Errno,
    process::{Pid, Signal, kill_process},
};
use tokio::task::JoinHandle;
use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_types::StatusExt;

use crate::support::{
    cluster::{TestFolder, connect, eventually, try_connect},
    ledger::add_user,
    raw::{LIST_USERS, RawClient},
    service::{TestService, settings},
    slow::at_work,
};

/// Longest time from an event to its being told by health.
const TOLD: Duration = Duration::from_millis(2_500);

/// Longest time that a call may take while the database is away.
const TURNED_AWAY: Duration = Duration::from_millis(1_500);

/// A service on a Postgres of its own.
struct Case {
    folder: TestFolder,
    cluster: Cluster,
    service: TestService,
    health: Health,
}

/// What health tells, with the instant.
struct Health {
    told: tokio::sync::mpsc::UnboundedReceiver<(Instant, ServingStatus)>,
    _task: JoinHandle<()>,
}

impl Health {
    async fn watch(service: &TestService) -> Self {
        let mut client = HealthClient::new(service.channel().await);
        let mut watched = client.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
        let (sender, told) = tokio::sync::mpsc::unbounded_channel();
        let _task = tokio::spawn(async move {
            while let Ok(Some(message)) = watched.message().await {
                if sender.send((Instant::now(), message.status())).is_err() {
                    return;
                }
            }
        });
        Self { told, _task }
    }

    /// Waits until it tells this; returns when it did.
    async fn until(&mut self, wanted: ServingStatus) -> Instant {
        let next = async {
            loop {
                let (at, status) = self.told.recv().await.expect("health goes on");
                if status == wanted {
                    return at;
                }
            }
        };
        let told = tokio::time::timeout(Duration::from_secs(30), next).await;
        told.unwrap_or_else(|_| panic!("health never told {wanted:?}"))
    }
}

impl Case {
    async fn start() -> Self {
        let folder = TestFolder::initialised();
        let cluster = folder.start().await;
        let config = cluster.connection(ClusterRole::Owner);
        let target = DatabaseTarget::plain(config, "daybook".to_owned());
        let service = TestService::start_with(target, settings()).await;
        add_user(&service.sql, "ann").await;
        let mut health = Health::watch(&service).await;
        health.until(ServingStatus::Serving).await;
        Self { folder, cluster, service, health }
    }

    /// Postmaster and all its processes.
    fn processes(&self) -> Vec<u32> {
        let postmaster = self.folder.postmaster().unwrap();
        let is_child = |pid: &u32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let after_name = stat.rsplit(')').next().unwrap_or_default().to_owned();
            after_name.split_whitespace().nth(1) == Some(&postmaster.to_string())
        };
        let all = fs::read_dir("/proc").unwrap().flatten();
        let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        [postmaster].into_iter().chain(pids.filter(is_child)).collect()
    }

    async fn end(self) {
        self.cluster.stop().await.unwrap();
        assert_eq!(self.folder.processes(), Vec::<String>::new());
    }
}

/// Prints a line of what was measured, for docs/reliability.md.
macro_rules! tell {
    ($($words:tt)*) => {
        writeln!(std::io::stdout(), $($words)*).expect("the standard output is open")
    };
}

/// One call: answered or turned away, in time. Says which, and when.
async fn call(client: &RawClient) -> (Instant, bool) {
    let answer = client.call(LIST_USERS, &ListUsersRequest::default(), Some("9S")).await.unwrap();
    assert!(answer.took < TURNED_AWAY, "{:?}: {:?}", answer.took, answer.status);
    let is_answered = answer.status.code() == Code::Ok;
    if !is_answered {
        assert_eq!(answer.status.code(), Code::Unavailable, "{:?}", answer.status);
        assert!(answer.status.get_details_retry_info().is_some());
    }
    (Instant::now(), is_answered)
}

/// Calls until one is answered.
async fn until_answered(client: &RawClient) -> Instant {
    let begun_at = Instant::now();
    while begun_at.elapsed() < Duration::from_secs(30) {
        if let (at, true) = call(client).await {
            return at;
        }
    }
    panic!("the service never healed");
}

/// Fills the pool: each of its connections has answered.
async fn fill_pool(client: &RawClient) {
    let calls = futures_util::future::join_all((0..4).map(|_| call(client))).await;
    assert!(calls.iter().all(|(_, is_answered)| *is_answered));
}

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

/// Lets a process go on. One that had ended just before it was frozen is gone when its parent,
/// which was frozen too, looks after it.
fn thaw(pid: u32) {
    match kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::CONT) {
        Ok(()) | Err(Errno::SRCH) => {}
        Err(error) => panic!("{error}"),
    }
}

/// Kills a process and calls all the while, until health says that all is well again.
async fn check_outage(case: &mut Case, victim: u32) {
    let client = RawClient::open(case.service.address).await;
    fill_pool(&client).await;
    let config = case.cluster.connection(ClusterRole::Owner);
    let killed_at = Instant::now();
    signal(victim, Signal::KILL);
    let story = async {
        let down_at = case.health.until(ServingStatus::NotServing).await;
        eventually("it accepts", async || try_connect(&config).await.is_ok()).await;
        let accepts_at = Instant::now();
        (down_at, accepts_at, case.health.until(ServingStatus::Serving).await)
    };
    let mut calls = Vec::new();
    let keep_calling = async {
        loop {
            calls.push(call(&client).await);
        }
    };
    let (down_at, accepts_at, up_at) = tokio::select! {
        told = story => told,
        () = keep_calling => unreachable!("it calls for ever"),
    };
    assert!(down_at - killed_at < TOLD, "told after {:?}", down_at - killed_at);
    let up = up_at.saturating_duration_since(accepts_at);
    assert!(up < TOLD, "told {up:?} after Postgres");
    assert!(calls.iter().any(|(_, is_answered)| !is_answered), "there was an outage");
    let mut later = calls.iter().filter(|(at, is_answered)| *is_answered && *at >= accepts_at);
    let healed = later.next().map_or_else(Instant::now, |(at, _)| *at) - accepts_at;
    assert!(healed < Duration::from_secs(1), "healed {healed:?} after Postgres");
    tell!(
        "killed: told not serving after {:?}; Postgres accepted after {:?}; first answer \
         {healed:?} later, told serving {up:?} later; {} of {} calls turned away",
        down_at - killed_at,
        accepts_at - killed_at,
        calls.iter().filter(|(_, is_answered)| !is_answered).count(),
        calls.len()
    );
    fill_pool(&client).await;
}

#[tokio::test]
async fn a_killed_postmaster_is_an_outage_that_heals_by_itself() {
    let mut case = Case::start().await;
    let killed = case.folder.postmaster().unwrap();
    check_outage(&mut case, killed).await;
    let mut state = case.cluster.state();
    let is_another =
        |state: &ServerState| matches!(state, ServerState::Running { pid } if *pid != Some(killed));
    state.wait_for(is_another).await.unwrap();
    case.end().await;
}

#[tokio::test]
async fn a_killed_backend_is_an_outage_that_heals_by_itself() {
    let mut case = Case::start().await;
    let postmaster = case.folder.postmaster();
    let backend = {
        let client = connect(&case.cluster.connection(ClusterRole::Owner)).await;
        let text = "SELECT pg_backend_pid()";
        let pid: i32 = client.query_one(text, &[]).await.unwrap().get(0);
        // It lives on with this client until it is killed.
        tokio::spawn(async move {
            let _ = client.query("SELECT pg_sleep(60)", &[]).await;
        });
        pid.cast_unsigned()
    };
    check_outage(&mut case, backend).await;
    assert_eq!(case.folder.postmaster(), postmaster, "the postmaster lived on");
    case.end().await;
}

#[tokio::test]
async fn connections_that_are_cut_cost_no_call() {
    let case = Case::start().await;
    let client = RawClient::open(case.service.address).await;
    let superuser = connect(&case.cluster.connection(ClusterRole::Superuser)).await;
    for _ in 0..10 {
        fill_pool(&client).await;
        let text = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
                    WHERE application_name = 'daybook'";
        let cut = superuser.query(text, &[]).await.unwrap();
        assert!(!cut.is_empty());
        assert!(call(&client).await.1, "the call found another connection");
    }
    drop(superuser);
    case.end().await;
}

#[tokio::test]
async fn a_frozen_database_is_answered_for_by_the_deadline_and_heals() {
    let mut case = Case::start().await;
    let client = RawClient::open(case.service.address).await;
    fill_pool(&client).await;
    let pids = case.processes();
    assert!(pids.len() > 5, "{pids:?}");
    let frozen_at = Instant::now();
    for &pid in &pids {
        signal(pid, Signal::STOP);
    }
    let mut codes = Vec::new();
    while frozen_at.elapsed() < Duration::from_secs(3) {
        let answer = client.call(LIST_USERS, &ListUsersRequest::default(), Some("400m")).await;
        let answer = answer.unwrap();
        assert!(answer.took < Duration::from_millis(500), "{:?}", answer.took);
        codes.push(answer.status.code());
        let is_fit = matches!(answer.status.code(), Code::DeadlineExceeded | Code::Unavailable);
        assert!(is_fit, "{:?}", answer.status);
    }
    assert!(codes.contains(&Code::DeadlineExceeded));
    // Without a deadline of the client's: the wait for a connection is bounded.
    let answer = client.call(LIST_USERS, &ListUsersRequest::default(), None).await.unwrap();
    assert_eq!(answer.status.code(), Code::Unavailable, "{:?}", answer.status);
    assert!(answer.took < TURNED_AWAY, "{:?}", answer.took);
    let without_deadline = answer.took;
    let told_at = case.health.until(ServingStatus::NotServing).await;
    assert!(told_at - frozen_at < TOLD, "told after {:?}", told_at - frozen_at);
    let down = told_at - frozen_at;
    let thawed_at = Instant::now();
    for &pid in &pids {
        thaw(pid);
    }
    let answered_at = until_answered(&client).await;
    assert!(answered_at - thawed_at < TOLD, "{:?}", answered_at - thawed_at);
    let told_at = case.health.until(ServingStatus::Serving).await;
    assert!(told_at - thawed_at < TOLD, "told after {:?}", told_at - thawed_at);
    tell!(
        "frozen: told not serving after {down:?}; a call without a deadline turned away after \
         {without_deadline:?}; thawed: first answer after {:?}, told serving after {:?}",
        answered_at - thawed_at,
        told_at - thawed_at
    );
    // Nothing of the outage stays: the pool is not larger than it may be.
    let text = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'daybook'";
    eventually("only the pool and health are left", async || {
        // Four in the pool, one of health.
        case.service.sql.query_one(text, &[]).await.unwrap().get::<_, i64>(0) <= 5
    })
    .await;
    case.end().await;
}

#[tokio::test]
async fn a_read_whose_connection_is_cut_is_asked_once_more_and_not_for_ever() {
    let service = TestService::start().await;
    let sql = &service.sql;
    for (cuts, expected) in [(1, Code::Ok), (2, Code::Unavailable)] {
        let target = service.target.clone();
        let holder = crate::support::service::sql(target.config, &target.schema).await;
        holder.batch_execute("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE").await.unwrap();
        let client = RawClient::open(service.address).await;
        let call = tokio::spawn(async move {
            client.call(LIST_USERS, &ListUsersRequest::default(), None).await.unwrap()
        });
        let mut cut = Vec::new();
        for _ in 0..cuts {
            let mut waiting = Vec::new();
            eventually("it waits on a connection that was not cut yet", async || {
                waiting = at_work(sql).await;
                waiting.len() == 1 && !cut.contains(&waiting[0])
            })
            .await;
            sql.query("SELECT pg_terminate_backend($1)", &[&waiting[0]]).await.unwrap();
            cut.push(waiting[0]);
        }
        if expected == Code::Ok {
            eventually("it waits again", async || {
                at_work(sql).await.iter().any(|pid| !cut.contains(pid))
            })
            .await;
            holder.batch_execute("COMMIT").await.unwrap();
        }
        let answer = call.await.unwrap();
        assert_eq!(answer.status.code(), expected, "{:?}", answer.status);
    }
}
