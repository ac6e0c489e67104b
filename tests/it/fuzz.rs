//! Broken requests to every rpc, in each form of a call: the server panics at none of them, answers
//! each with a code that the contracts name, and is well afterwards.
//!
//! Messages are made from the descriptors of the contracts, so that an rpc that is added is
//! covered by itself. `DAYBOOK_FUZZ_MESSAGES=100000 cargo test --test it fuzz -- --nocapture`
//! is a long run, and prints what was answered.

mod messages;
mod mutations;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::{BufMut, Bytes, BytesMut};
use daybook::grpc::pb::v1::{
    Direction, ListUsersRequest, ListUsersResponse, SumSeriesRequest, SumSeriesResponse,
    sum_series_request::Subject,
};
use prost::Message;
use rand::{RngExt, SeedableRng, rngs::ChaCha12Rng, seq::IndexedRandom};
use rustix::process::Signal;
use tokio::task::JoinSet;
use tonic::Code;

use crate::{
    fuzz::{
        messages::{Contracts, Method, Words},
        mutations::mutate,
    },
    process::{Daybook, program},
    sum_amount::window,
    support::{
        cluster::TestFolder,
        http::{grpc_web, json, unframed},
        random::random,
        raw::{LIST_USERS, RawClient},
    },
};

/// Messages of a usual run.
const MESSAGES: usize = 3_000;

/// Clients, each with a connection.
const CLIENTS: usize = 8;

/// Longest time for one answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// Codes that the contracts name. INTERNAL is for faults of the server's own: none may come
/// to light here.
const FIT: [Code; 11] = [
    Code::Ok,
    Code::InvalidArgument,
    Code::NotFound,
    Code::AlreadyExists,
    Code::FailedPrecondition,
    Code::OutOfRange,
    Code::Unimplemented,
    Code::ResourceExhausted,
    Code::Unavailable,
    Code::Aborted,
    Code::DeadlineExceeded,
];

/// Answers by rpc and code.
type Tally = BTreeMap<(String, String), usize>;

/// In which form a call is made.
#[derive(Clone, Copy, Debug)]
enum Form {
    Grpc,
    GrpcWeb,
    Json,
}

/// A call: its path and all of its bytes.
struct Call {
    form: Form,
    path: String,
    body: Bytes,
}

impl Call {
    fn draw(contracts: &Contracts, words: &Words, random: &mut ChaCha12Rng) -> Self {
        let method = contracts.methods.choose(random).unwrap();
        let form = *[Form::Grpc, Form::Grpc, Form::GrpcWeb, Form::Json].choose(random).unwrap();
        if matches!(form, Form::Json) {
            let body = json_of(contracts, method, words, random);
            return Self { form, path: method.path.clone(), body };
        }
        let count = if method.is_client_streaming { random.random_range(0..6) } else { 1 };
        let mut body = BytesMut::new();
        for _ in 0..count {
            let mut message = contracts.message(&method.input, words, random);
            if random.random_bool(0.6) {
                mutate(&mut message, random);
            }
            put_frame(&mut body, &message);
        }
        if random.random_bool(0.03) {
            break_frames(&mut body, random);
        }
        Self { form, path: method.path.clone(), body: body.freeze() }
    }

    /// Calls, and says with which code it was answered.
    async fn make(&self, client: &RawClient) -> Code {
        // It goes on for as long as its client likes.
        let deadline = self.path.contains("/Watch").then_some("200m");
        let answer = tokio::time::timeout(ANSWER_MAX, self.send(client, deadline));
        let answer = answer.await.unwrap_or_else(|_| panic!("no answer to {self}"));
        let code = answer.unwrap_or_else(|error| panic!("{error} instead of an answer to {self}"));
        assert!(FIT.contains(&code), "{code:?} is the answer to {self}");
        code
    }

    async fn send(&self, client: &RawClient, deadline: Option<&str>) -> Result<Code, h2::Error> {
        match self.form {
            Form::Grpc => {
                let answer = client.send(&self.path, self.body(), deadline).await?;
                Ok(answer.status.code())
            }
            Form::GrpcWeb => {
                let deadline = deadline.unwrap_or("30S");
                let call = grpc_web(&self.path).header("grpc-timeout", deadline);
                let said = client.ask(call, self.body()).await?;
                Ok(unframed(&said.headers, said.body).1.code())
            }
            Form::Json => Ok(client.ask(json(&self.path), self.body()).await?.code()),
        }
    }

    fn body(&self) -> Bytes {
        self.body.clone()
    }
}

impl std::fmt::Display for Call {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hex: String = self.body.iter().map(|byte| format!("{byte:02x}")).collect();
        write!(formatter, "{} of {hex} as {:?}", self.path, self.form)
    }
}

/// A message in JSON, often broken.
fn json_of(
    contracts: &Contracts,
    method: &Method,
    words: &Words,
    random: &mut ChaCha12Rng,
) -> Bytes {
    let message = contracts.message(&method.input, words, random);
    let mut json = contracts.json(&method.input, &message).unwrap_or_default();
    for _ in 0..random.random_range(0..3) {
        let place = random.random_range(0..=json.len());
        match random.random_range(0..5) {
            0 => json.truncate(place),
            1 if place < json.len() => json[place] = random.random(),
            2 if place < json.len() => drop(json.remove(place)),
            3 => json.insert(place, *b"{}[]\",:0e-".choose(random).unwrap()),
            _ => drop(json.splice(place..place, *b"[[[[[[[[")),
        }
    }
    json.into()
}

/// A message behind its five bytes of head.
fn put_frame(body: &mut BytesMut, message: &[u8]) {
    body.put_u8(0);
    body.put_u32(u32::try_from(message.len()).unwrap());
    body.put_slice(message);
}

/// Breaks what holds the messages together.
fn break_frames(body: &mut BytesMut, random: &mut ChaCha12Rng) {
    match random.random_range(0..5) {
        0 => body.clear(),
        1 => body.truncate(random.random_range(0..=body.len())),
        // Says that it is compressed.
        2 if !body.is_empty() => body[0] = random.random(),
        // Says another length.
        3 if body.len() >= 5 => body[random.random_range(1..5)] = random.random(),
        _ => {
            let twice = body.clone();
            body.put_slice(&twice);
        }
    }
}

/// Who and what there is, so that some questions are good ones.
async fn words(address: SocketAddr) -> Words {
    let client = RawClient::open(address).await;
    let answer = client.call(LIST_USERS, &ListUsersRequest::default(), None).await.unwrap();
    let users = ListUsersResponse::decode(answer.message).unwrap().users;
    Words::new(
        users.iter().map(|user| user.user_uuid.clone()).collect(),
        users.iter().map(|user| user.username.clone()).collect(),
    )
}

/// Makes a client's share of the calls.
async fn call_all(
    address: SocketAddr,
    count: usize,
    contracts: Arc<Contracts>,
    words: Words,
    mut random: ChaCha12Rng,
    tally: Arc<Mutex<Tally>>,
) {
    let client = RawClient::open(address).await;
    for _ in 0..count {
        let call = Call::draw(&contracts, &words, &mut random);
        let code = call.make(&client).await;
        *tally.lock().unwrap().entry((call.path, format!("{code:?}"))).or_default() += 1;
    }
}

/// Everybody's sums by day, verified against the rows.
async fn check_is_well(address: SocketAddr) {
    let client = RawClient::open(address).await;
    let request = SumSeriesRequest {
        subject: Some(Subject::All(Default::default())),
        window: window("2024-02-01T00:00:00Z", "2024-04-01T00:00:00Z"),
        bucket_unit: daybook::grpc::pb::v1::BucketUnit::Day.into(),
        direction: Direction::Sender.into(),
        verify: true,
        ..SumSeriesRequest::default()
    };
    let path = "/daybook.v1.AnalyticsService/SumSeries";
    let answer = client.call(path, &request, None).await.unwrap();
    assert_eq!(answer.status.code(), Code::Ok, "{:?}", answer.status);
    let answer = SumSeriesResponse::decode(answer.message).unwrap();
    let verification = answer.verification.expect("it was asked for");
    assert!(verification.agrees, "{verification:?}");
    assert!(verification.rows_scanned >= 300, "{verification:?}");
}

/// No panic, and no fault of the server's own.
fn check_log(log: &str) {
    for word in ["panicked", "ERROR"] {
        let lines: Vec<_> = log.lines().filter(|line| line.contains(word)).collect();
        assert_eq!(lines, Vec::<&str>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_makes_the_server_panic_or_blame_itself() {
    let given = std::env::var("DAYBOOK_FUZZ_MESSAGES").ok();
    let count = given.map_or(MESSAGES, |text| text.parse().expect("a number of messages"));
    let folder = TestFolder::initialised();
    // Requests have days made: a few hundred are enough.
    let mut daybook = Daybook::start(&folder, &["--partition-count-max", "200"]).await;
    let (contracts, words) = (Arc::new(Contracts::read()), words(daybook.address).await);
    let (mut random, tally) = (random(), Arc::new(Mutex::new(Tally::new())));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let random = ChaCha12Rng::seed_from_u64(random.random());
        let (contracts, words, tally) = (contracts.clone(), words.clone(), tally.clone());
        let count = count.div_ceil(CLIENTS);
        clients.spawn(call_all(daybook.address, count, contracts, words, random, tally));
    }
    while let Some(ended) = clients.join_next().await {
        ended.unwrap_or_else(|error| panic!("{error}: {}", daybook.log(&folder)));
    }
    check_is_well(daybook.address).await;
    let tally = tally.lock().unwrap().clone();
    for ((path, code), count) in &tally {
        eprintln!("{count:>8} {code:<20} {path}");
    }
    // What is broken comes to light behind what reads it: some requests must get there.
    let good: usize =
        tally.iter().filter(|((_, code), _)| code == "Ok").map(|(_, count)| count).sum();
    assert!(good > count / 50, "{good} of {count} requests were good ones");
    for Method { path, .. } in &contracts.methods {
        let is_asked = tally.keys().any(|(found, _)| found == path);
        assert!(is_asked || count < MESSAGES, "{path} was not asked");
    }
    // What requests wrote is right, too.
    let audit = program(env!("CARGO_BIN_EXE_daybook"))
        .args(["audit", "--partition-days-ahead", "2", "--data-dir"])
        .arg(folder.data())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(audit.status.code(), Some(0), "{audit:?}");
    daybook.signal(Signal::TERM);
    assert_eq!(daybook.end().await.code(), Some(0));
    check_log(&daybook.log(&folder));
}

#[tokio::test]
async fn a_message_that_cannot_be_read_is_the_clients_fault() {
    let service = crate::support::service::TestService::start().await;
    let client = RawClient::open(service.address).await;
    let framed = |message: &[u8]| {
        let mut body = BytesMut::new();
        put_frame(&mut body, message);
        body.freeze()
    };
    // A key without a value; an end in the midst; no message; one that says it is compressed.
    let cut = framed(&[0x0a]).slice(..5);
    let compressed = Bytes::from_static(&[1, 0, 0, 0, 0]);
    for body in [framed(&[0x0a]), cut, Bytes::new(), compressed] {
        let answer = client.send(LIST_USERS, body.clone(), None).await.unwrap();
        assert_eq!(answer.status.code(), Code::InvalidArgument, "{:?}", answer.status);
        let message = answer.status.message();
        assert!(message.contains("message cannot be read"), "{body:?}: {message}");
    }
}
