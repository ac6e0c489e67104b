//! The built binary: how it starts, stops, is killed, and refuses.

use std::{
    env, fs,
    io::Read,
    net::{SocketAddr, TcpListener},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

use daybook::{
    cluster::{ClusterRole, attach},
    grpc::pb::v1::{
        Direction, GetStatusRequest, ListUsersRequest, ListUsersResponse, RankMetric, RankOrder,
        RankRequest, RankResponse, VerifierStatus, status_service_client::StatusServiceClient,
    },
};
use prost::Message;
use rustix::process::{Pid, Signal, kill_process};
use tokio_postgres::Client;
use tonic::{Code, transport::Endpoint};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{
    health::status,
    sum_amount::window,
    support::{
        cluster::{TestFolder, connect, eventually},
        not_run::not_run,
        raw::{LIST_USERS, RawClient},
        slow::at_work,
    },
};

/// A running Daybook. Killed when dropped, if it still runs.
pub(crate) struct Daybook {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Drop for Daybook {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address that nothing listens on, given once in this process, and outside of the range that
/// the system gives to whoever asks for any.
pub(crate) fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let begin = u16::try_from(std::process::id() % 10_000).unwrap();
    loop {
        let place = (begin + NEXT.fetch_add(1, Ordering::Relaxed) % 10_000) % 10_000;
        let address = SocketAddr::from(([127, 0, 0, 1], 20_000 + place));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// One of the built programs, whatever this process' environment.
pub(crate) fn program(path: &str) -> Command {
    let mut command = Command::new(path);
    for (name, _) in env::vars().filter(|(name, _)| name.starts_with("DAYBOOK_")) {
        if name != "DAYBOOK_POSTGRES_BIN_DIR" {
            command.env_remove(name);
        }
    }
    command
}

/// Signals that stop a Daybook started by this process.
pub(crate) fn stop_signals() -> Vec<Signal> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // Under nohup the programs inherit that SIGHUP is ignored, and keep to it.
    if ignored.is_some_and(|mask| mask.trim().ends_with(['1', '3', '5', '7', '9', 'b', 'd', 'f'])) {
        not_run("a stop by SIGHUP", "this process ignores it");
        return vec![Signal::TERM, Signal::INT];
    }
    vec![Signal::TERM, Signal::INT, Signal::HUP]
}

/// The command to serve a folder with a small seed.
fn command(folder: &TestFolder, address: SocketAddr) -> Command {
    let mut command = program(env!("CARGO_BIN_EXE_daybook"));
    command
        .args(["--seed-users", "5", "--seed-transactions", "300", "--seed-days", "3"])
        .args(["--seed-from", "2024-02-28", "--partition-days-ahead", "2"])
        .args(["--scheduler", "ticker"])
        .arg("--data-dir")
        .arg(folder.data())
        .arg("--listen")
        .arg(address.to_string())
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

impl Daybook {
    /// Starts one and waits until it serves.
    pub(crate) async fn start(folder: &TestFolder, arguments: &[&str]) -> Self {
        let address = free_address();
        let mut command = command(folder, address);
        command.args(arguments);
        let log = folder.path().join("log");
        fs::File::create(&log).unwrap();
        Self::run(command, address, &log).await
    }

    /// Runs one that listens on this address and waits until it serves. What it says on
    /// standard error is added to a file.
    pub(crate) async fn run(mut command: Command, address: SocketAddr, log: &Path) -> Self {
        let file = fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).spawn();
        let mut daybook = Self { child: child.unwrap(), address };
        eventually("it serves", async || {
            let ended = daybook.child.try_wait().unwrap();
            assert!(ended.is_none(), "{ended:?}: {}", fs::read_to_string(log).unwrap());
            let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
            let Ok(channel) = endpoint.connect().await else { return false };
            status(&channel, "").await == ServingStatus::Serving
        })
        .await;
        daybook
    }

    pub(crate) fn log(&self, folder: &TestFolder) -> String {
        fs::read_to_string(folder.path().join("log")).unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end, while the tasks of this test go on.
    pub(crate) async fn end(&mut self) -> ExitStatus {
        let mut ended = None;
        eventually("it has ended", async || {
            ended = self.child.try_wait().unwrap();
            ended.is_some()
        })
        .await;
        ended.unwrap()
    }
}

/// A session of the owner's in the served schema, by the socket.
async fn owner(folder: &TestFolder) -> Client {
    let attached = attach(&folder.settings()).await.unwrap().expect("it runs");
    let mut config = attached.connection(ClusterRole::Owner);
    config.options("-c search_path=daybook");
    connect(&config).await
}

/// Holds the users, and begins a call that waits for them.
async fn begin_slow_call(
    daybook: &Daybook,
    folder: &TestFolder,
) -> (Client, tokio::task::JoinHandle<Result<Code, h2::Error>>) {
    let holder = owner(folder).await;
    holder.batch_execute("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let client = RawClient::open(daybook.address).await;
    let call = tokio::spawn(async move {
        let answer = client.call(LIST_USERS, &ListUsersRequest::default(), None).await?;
        Ok(answer.status.code())
    });
    eventually("the call waits", async || at_work(&holder).await.len() == 1).await;
    (holder, call)
}

async fn nothing_is_left(folder: &TestFolder) {
    assert_eq!(folder.processes(), Vec::<String>::new());
}

#[tokio::test]
async fn a_stop_signal_lets_a_request_finish_and_leaves_nothing_running() {
    let folder = TestFolder::initialised();
    for signal in stop_signals() {
        let mut daybook = Daybook::start(&folder, &[]).await;
        let (holder, call) = begin_slow_call(&daybook, &folder).await;
        // Neither of these two may hold up the stop.
        let silent = tokio::net::TcpStream::connect(daybook.address).await.unwrap();
        let idle = RawClient::open(daybook.address).await;
        daybook.signal(signal);
        eventually("nobody new is let in", async || {
            tokio::net::TcpStream::connect(daybook.address).await.is_err()
        })
        .await;
        assert!(daybook.child.try_wait().unwrap().is_none(), "it waits for the request");
        holder.batch_execute("COMMIT").await.unwrap();
        drop(holder);
        assert_eq!(call.await.unwrap().unwrap(), Code::Ok, "{signal:?}");
        let begun_at = Instant::now();
        let ended = daybook.end().await;
        assert_eq!(ended.code(), Some(0), "{ended:?}: {}", daybook.log(&folder));
        assert!(begun_at.elapsed() < Duration::from_secs(4), "{:?}", begun_at.elapsed());
        assert!(daybook.log(&folder).contains("stopped"));
        nothing_is_left(&folder).await;
        drop((silent, idle));
    }
}

#[tokio::test]
async fn a_request_that_does_not_finish_is_cut_at_the_drain_timeout_or_by_a_second_signal() {
    let folder = TestFolder::initialised();
    for (drain_ms, hurries) in [("300", false), ("600000", true)] {
        let mut daybook = Daybook::start(&folder, &["--drain-timeout-ms", drain_ms]).await;
        let (holder, call) = begin_slow_call(&daybook, &folder).await;
        let begun_at = Instant::now();
        daybook.signal(Signal::TERM);
        if hurries {
            eventually("the first is heard", async || {
                tokio::net::TcpStream::connect(daybook.address).await.is_err()
            })
            .await;
            daybook.signal(Signal::INT);
        }
        let ended = daybook.end().await;
        let took = begun_at.elapsed();
        assert_eq!(ended.code(), Some(0), "{ended:?}: {}", daybook.log(&folder));
        // The drain, then what the pool and Postgres are given to end.
        assert!(took < Duration::from_secs(8), "it took {took:?}: {}", daybook.log(&folder));
        let log = daybook.log(&folder);
        assert!(log.contains("some requests did not finish in time"), "{log}");
        // Postgres may end the holder before the call: only the call's end is sure.
        let _ = call.await.unwrap();
        nothing_is_left(&folder).await;
        drop(holder);
    }
}

#[tokio::test]
async fn a_stop_signal_in_the_midst_of_the_first_start_leaves_nothing_running() {
    let folder = TestFolder::empty();
    for _ in 0..2 {
        let address = free_address();
        let mut command = command(&folder, address);
        let child = command.stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let mut daybook = Daybook { child, address };
        eventually("it has begun", async || folder.processes().len() > 1).await;
        daybook.signal(Signal::TERM);
        let ended = daybook.end().await;
        assert_eq!(ended.code(), Some(0), "{ended:?}");
        eventually("nothing is left", async || folder.processes().is_empty()).await;
    }
    // What was begun does not hinder the next start.
    let mut daybook = Daybook::start(&folder, &[]).await;
    daybook.signal(Signal::TERM);
    assert_eq!(daybook.end().await.code(), Some(0));
    nothing_is_left(&folder).await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_before_the_database_is_touched() {
    let folder = TestFolder::empty();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let output = command(&folder, address).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let words = String::from_utf8_lossy(&output.stderr);
    let expected = format!("daybook: cannot listen on {address}: is something else there?");
    assert!(words.contains(&expected), "{words}");
    assert!(!folder.data().exists(), "nothing was made");
}

/// The users and their ranking, as bytes.
async fn answers(daybook: &Daybook) -> (ListUsersResponse, Vec<daybook::grpc::pb::v1::RankRow>) {
    let client = RawClient::open(daybook.address).await;
    let users = client.call(LIST_USERS, &ListUsersRequest::default(), None).await.unwrap();
    let request = RankRequest {
        window: window("2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"),
        direction: Direction::Sender.into(),
        metric: RankMetric::StddevSample.into(),
        order: RankOrder::Top.into(),
        include_idle: true,
        ..RankRequest::default()
    };
    let path = "/daybook.v1.AnalyticsService/Rank";
    let ranked = client.call(path, &request, None).await.unwrap();
    let users = ListUsersResponse::decode(users.message).unwrap();
    (users, RankResponse::decode(ranked.message).unwrap().rows)
}

#[tokio::test]
async fn a_daybook_that_is_killed_leaves_its_data_to_the_next_one() {
    let folder = TestFolder::initialised();
    let mut first = Daybook::start(&folder, &[]).await;
    let before = answers(&first).await;
    assert_eq!((before.0.users.len(), before.1.len()), (5, 5));
    let sum: i64 = before.1.iter().map(|row| row.transaction_count).sum();
    assert_eq!(sum, 300);

    // A second one on the same folder is refused, and harms the first in nothing.
    let second = command(&folder, free_address()).output().unwrap();
    assert_eq!(second.status.code(), Some(1), "{second:?}");
    let words = String::from_utf8_lossy(&second.stderr).into_owned();
    let expected = format!("another Daybook (process {}) is running on", first.child.id());
    assert!(words.contains(&expected), "{words}");
    assert_eq!(answers(&first).await, before);

    first.signal(Signal::KILL);
    assert_eq!(first.end().await.signal(), Some(9));
    let mut next = Daybook::start(&folder, &[]).await;
    assert_eq!(answers(&next).await, before);
    next.signal(Signal::TERM);
    assert_eq!(next.end().await.code(), Some(0));
    nothing_is_left(&folder).await;
}

/// Starts one with these arguments too, and stops it when it has introduced itself; returns its
/// address, the first user and the words.
async fn introduction(arguments: &[&str]) -> (SocketAddr, String, String) {
    let folder = TestFolder::initialised();
    let address = free_address();
    let mut command = command(&folder, address);
    let mut child = command.args(arguments).stderr(Stdio::null()).spawn().unwrap();
    let mut output = child.stdout.take().unwrap();
    let mut daybook = Daybook { child, address };
    let reading = std::thread::spawn(move || {
        let mut text = String::new();
        let mut byte = [0; 256];
        while !text.contains("Ctrl-C") {
            match output.read(&mut byte).unwrap() {
                0 => break,
                count => text.push_str(&String::from_utf8_lossy(&byte[..count])),
            }
        }
        (text, output)
    });
    eventually("it has spoken", async || reading.is_finished()).await;
    let (text, _output) = reading.join().unwrap();
    // One that asks for a token would not answer.
    let user = match arguments.contains(&"--auth") {
        true => String::new(),
        false => answers(&daybook).await.0.users[0].user_uuid.clone(),
    };
    daybook.signal(Signal::TERM);
    assert_eq!(daybook.end().await.code(), Some(0));
    nothing_is_left(&folder).await;
    (address, user, text)
}

#[tokio::test]
async fn the_first_words_of_a_start_are_a_question_to_paste() {
    let (address, user, text) = introduction(&[]).await;
    assert!(text.contains(&format!("Daybook serves gRPC on {address}")), "{text}");
    assert!(text.contains(&user), "{text}");
    let window = "{\"start\": \"2024-02-28T00:00:00Z\", \"end\": \"2024-03-02T00:00:00Z\"}";
    assert!(text.contains(window), "{text}");
}

#[tokio::test]
async fn where_callers_must_show_a_token_the_question_has_one() {
    let (_, _, text) = introduction(&["--auth", "on"]).await;
    assert!(text.contains("grpcurl -plaintext -H 'authorization: Bearer TOKEN' -d"), "{text}");
    assert!(text.contains("daybook token create"), "{text}");
}

#[tokio::test]
async fn a_question_that_reflection_would_have_to_answer_is_not_printed_without_it() {
    let (_, user, text) = introduction(&["--reflection", "off"]).await;
    assert!(text.contains(&user), "{text}");
    assert!(!text.contains("grpcurl -plaintext"), "{text}");
    assert!(text.contains("--reflection on"), "{text}");
}

#[tokio::test]
async fn values_of_statements_never_reach_the_log() {
    let folder = TestFolder::initialised();
    let filter = "info,tokio_postgres=trace,tokio_postgres::query=debug,deadpool_postgres=trace";
    let mut daybook = Daybook::start(&folder, &["--log", filter]).await;
    answers(&daybook).await;
    daybook.signal(Signal::TERM);
    assert_eq!(daybook.end().await.code(), Some(0));
    let log = daybook.log(&folder);
    assert!(log.contains("stopped"), "{log}");
    assert!(!log.contains("parameters"), "{log}");
}

#[tokio::test]
async fn a_preparation_that_fails_lets_those_who_watch_go_in_order() {
    let (folder, address, nowhere) = (TestFolder::empty(), free_address(), free_address());
    let mut command = command(&folder, address);
    command.arg("--database-url").arg(format!("postgres://u:p@{nowhere}/d"));
    let child = command.args(["--database-wait-seconds", "2"]).spawn().unwrap();
    let mut daybook = Daybook { child, address };
    eventually("it listens", async || tokio::net::TcpStream::connect(address).await.is_ok()).await;
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let mut health = HealthClient::new(endpoint.connect().await.unwrap());
    let request = HealthCheckRequest::default();
    let mut watched = health.watch(request).await.unwrap().into_inner();
    // Its end is told, rather than the connection cut.
    while let Some(told) = watched.message().await.unwrap() {
        assert_ne!(told.status(), ServingStatus::Serving);
    }
    assert_eq!(daybook.end().await.code(), Some(1));
}

#[tokio::test]
async fn the_verifier_runs_unless_it_is_switched_off() {
    for (interval, is_wanted) in [("1", true), ("0", false)] {
        let folder = TestFolder::initialised();
        let mut daybook = Daybook::start(&folder, &["--verify-interval-ms", interval]).await;
        let endpoint = Endpoint::from_shared(format!("http://{}", daybook.address)).unwrap();
        let mut client = StatusServiceClient::new(endpoint.connect().await.unwrap());
        let mut told = VerifierStatus::default();
        eventually("it has checked if it should", async || {
            let answer = client.get_status(GetStatusRequest::default()).await.unwrap().into_inner();
            told = answer.verifier.unwrap();
            !is_wanted || told.checks > 20
        })
        .await;
        assert_eq!((told.is_running, told.mismatches), (is_wanted, 0), "{told:?}");
        assert_eq!(told.checks > 0, is_wanted, "{told:?}");
        daybook.signal(Signal::TERM);
        assert_eq!(daybook.end().await.code(), Some(0));
        let log = daybook.log(&folder);
        assert!(!log.contains("could not be checked") && !log.contains("WARN"), "{log}");
        nothing_is_left(&folder).await;
    }
}
