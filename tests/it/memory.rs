//! Memory while many clients record at once: what a stream may hold is bounded by settings,
//! however fast it is sent or how slowly.
//!
//! `DAYBOOK_MEMORY_SECONDS=60 cargo test --test it memory -- --nocapture` is a long run, and
//! prints resident memory over time.

use std::{
    fs,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use daybook::grpc::pb::v1::{
    NewTransaction, RecordTransactionsRequest, RecordingStart,
    ingest_service_client::IngestServiceClient, record_transactions_response::Message as Answer,
};
use futures_util::FutureExt;
use prost::Message as _;
use rustix::process::Signal;
use tokio_util::sync::CancellationToken;
use tonic::transport::Endpoint;
use uuid::Uuid;

use crate::{
    process::Daybook,
    support::{
        cluster::TestFolder,
        upload::{Upload, chunk, row},
    },
};

/// Seconds of a usual run.
const SECONDS: u64 = 4;

/// Clients that send a little now and then.
const SLOW: usize = 100;

/// Clients that send as much as they can.
const FAST: usize = 10;

/// `--request-bytes-max` of the run.
const REQUEST_BYTES_MAX: usize = 256 * 1024;

/// Chunks that the server may hold of a stream: one at work and one read ahead.
const CHUNKS_HELD: usize = 2;

/// Most memory of a chunk, in its bytes on the wire.
const DECODED: usize = 2;

/// How a client sends.
#[derive(Clone, Copy)]
struct Pace {
    rows: usize,
    pause: Duration,
}

/// Resident memory of a process, in KiB.
fn resident_kib(pid: u32) -> usize {
    memory_kib(pid, "VmRSS").unwrap()
}

/// A kind of memory of a process, in KiB; `None` once it has ended.
pub(crate) fn memory_kib(pid: u32, kind: &str) -> Option<usize> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(kind)?.strip_prefix(':'))?;
    Some(line.trim().trim_end_matches(" kB").parse().unwrap())
}

/// New rows.
fn rows(count: usize) -> Vec<NewTransaction> {
    (0..count).map(|_| row(Uuid::new_v4().as_u128())).collect()
}

/// Rows of the largest chunk that is taken.
fn rows_max() -> usize {
    let size = |count| {
        let message = Some(chunk(i64::MAX, &rows(count)));
        RecordTransactionsRequest { message }.encoded_len()
    };
    // Every row is as long as the others.
    let row = size(2) - size(1);
    let count = 1 + (REQUEST_BYTES_MAX - size(1) - 4) / row;
    assert!(size(count) <= REQUEST_BYTES_MAX);
    count.min(5_000)
}

/// Sends whatever the server takes until told to stop, then leaves; counts what is
/// acknowledged.
async fn send(address: SocketAddr, pace: Pace, stop: CancellationToken, count: Arc<AtomicU64>) {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let mut client = IngestServiceClient::new(endpoint.connect().await.unwrap());
    let start = RecordingStart { create_accounts: true, ..RecordingStart::default() };
    let mut upload = Upload::start(&mut client, start).await;
    let send_all = async {
        for number in 1.. {
            assert!(upload.chunk(number, &rows(pace.rows)).await, "the stream is taken");
            // What is not there yet is not waited for.
            while let Some(answer) = upload.answer().now_or_never() {
                let Some(Answer::Chunk(said)) = answer.unwrap() else { panic!("no chunk") };
                let recorded = u64::from(said.recorded_count.cast_unsigned());
                assert_eq!(recorded, pace.rows as u64);
                count.fetch_add(recorded, Ordering::Relaxed);
            }
            tokio::time::sleep(pace.pause).await;
        }
    };
    tokio::select! {
        () = send_all => {}
        () = stop.cancelled() => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_is_bounded_by_the_chunks_that_streams_may_hold() {
    let given = std::env::var("DAYBOOK_MEMORY_SECONDS").ok();
    let seconds = given.map_or(SECONDS, |text| text.parse().expect("a number of seconds"));
    let folder = TestFolder::initialised();
    let bytes = REQUEST_BYTES_MAX.to_string();
    let mut daybook = Daybook::start(&folder, &["--request-bytes-max", &bytes]).await;
    let before = resident_kib(daybook.pid());
    let (stop, count) = (CancellationToken::new(), Arc::new(AtomicU64::new(0)));
    let slow = Pace { rows: 5, pause: Duration::from_millis(500) };
    let fast = Pace { rows: rows_max(), pause: Duration::ZERO };
    let paces = std::iter::repeat_n(slow, SLOW).chain(std::iter::repeat_n(fast, FAST));
    let clients: Vec<_> = paces
        .map(|pace| tokio::spawn(send(daybook.address, pace, stop.clone(), count.clone())))
        .collect();
    let (begun_at, mut most) = (Instant::now(), 0);
    while begun_at.elapsed() < Duration::from_secs(seconds) {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = resident_kib(daybook.pid());
        most = most.max(now);
        let at = begun_at.elapsed().as_secs_f64();
        eprintln!("{at:>6.1} s {now:>8} KiB {:>10} rows", count.load(Ordering::Relaxed));
    }
    stop.cancel();
    for client in clients {
        client.await.unwrap();
    }
    let limit = before + (SLOW + FAST) * CHUNKS_HELD * DECODED * REQUEST_BYTES_MAX / 1024;
    let rows = count.load(Ordering::Relaxed);
    eprintln!("{before} KiB before, {most} KiB at most, {limit} KiB allowed, {rows} rows");
    assert!(rows > 0, "rows were recorded");
    assert!(most <= limit, "{most} KiB are more than {limit}");
    daybook.signal(Signal::TERM);
    assert_eq!(daybook.end().await.code(), Some(0));
}
