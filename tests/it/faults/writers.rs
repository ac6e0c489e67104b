//! Writers: each draws rows, sends them in chunks over streams, and sends again what it has no
//! acknowledgement of, until it has one.

use std::{
    collections::{HashMap, VecDeque},
    error::Error,
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use daybook::grpc::pb::v1::{
    AccountKey, NewTransaction, RecordingStart, RefusalReason,
    ingest_service_client::IngestServiceClient, record_transactions_request::Message,
    record_transactions_response::Message as Answer,
};
use prost_types::Timestamp;
use rand::{RngExt, SeedableRng, rngs::ChaCha12Rng, seq::IndexedRandom};
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint},
};
use uuid::Uuid;

use crate::{
    faults::{
        books::{ACCOUNTS, Content, Fate, SentRow},
        campaign::Shared,
    },
    support::upload::Upload,
};

/// Rows of a chunk at most.
const CHUNK_ROWS_MAX: usize = 40;

/// Chunks of a stream at most, before its writer ends it in order.
const STREAM_CHUNKS_MAX: usize = 30;

/// Chunks that are sent before the first of them is acknowledged, at most.
pub(super) const AHEAD_MAX: usize = 3;

/// Ids that all writers use.
const SHARED_IDS: u128 = 2_000;

/// First microsecond of the days that rows lie on, and how many there are.
const FIRST_MICROS: i64 = 1_714_867_200_000_000;
const DAY_MICROS: i64 = 86_400_000_000;
const DAYS: i64 = 3;

/// Longest time that a stream may take: it hangs if it takes longer.
const STREAM_MAX: Duration = Duration::from_secs(90);

/// Pause before a writer whose stream broke tries again.
const PAUSE: Duration = Duration::from_millis(50);

/// Somebody who makes up rows.
pub(super) struct Author {
    number: u128,
    next: u128,
    random: ChaCha12Rng,
    /// Rows that were acknowledged, some of them.
    own: Vec<(Uuid, Content)>,
}

impl Author {
    pub(super) fn new(number: u128, random: &mut ChaCha12Rng) -> Self {
        let random = ChaCha12Rng::seed_from_u64(random.random());
        Self { number, next: 0, random, own: Vec::new() }
    }

    fn chunk(&mut self) -> Vec<SentRow> {
        let count = self.random.random_range(1..=CHUNK_ROWS_MAX);
        let mut contents = HashMap::new();
        let mut rows = Vec::new();
        while rows.len() < count {
            let row = self.row();
            // Two rows of one id in one chunk say the same.
            let known = contents.entry(row.id).or_insert_with(|| row.message.clone());
            if *known == row.message {
                rows.push(row);
            }
        }
        rows
    }

    fn row(&mut self) -> SentRow {
        let kind = self.random.random_range(0..100);
        let known = self.own.choose(&mut self.random).cloned();
        match (kind, known) {
            (0..4, _) => self.refused(),
            (4..8, Some((id, content))) => sent(id, content, Fate::Recorded),
            (8..10, Some((id, content))) => {
                let content = Content { cents: content.cents + 1, ..content };
                sent(id, content, Fate::Differs)
            }
            (10..15, _) => self.shared(1, 0, Fate::Recorded),
            (15..20, _) => self.shared(2, self.number, Fate::Contested),
            _ => {
                let content = content(&mut self.random);
                sent(self.id(), content, Fate::Recorded)
            }
        }
    }

    /// A new id.
    fn id(&mut self) -> Uuid {
        self.next += 1;
        Uuid::from_u128(self.number << 96 | self.next)
    }

    /// A row that others send too; who all say the same have the same `variant`.
    fn shared(&mut self, kind: u128, variant: u128, fate: Fate) -> SentRow {
        let place = self.random.random_range(0..SHARED_IDS);
        let seed = u64::try_from(place << 32 | kind << 16 | variant).unwrap();
        let content = content(&mut ChaCha12Rng::seed_from_u64(seed));
        sent(Uuid::from_u128(kind << 120 | place), content, fate)
    }

    fn refused(&mut self) -> SentRow {
        let (id, content) = (self.id(), content(&mut self.random));
        let right = content.message(id);
        let nobody = || {
            let address = Uuid::from_u128(7).to_string();
            Some(AccountKey { network: "internal".to_owned(), address })
        };
        let long_ago = Some(Timestamp { seconds: -3_786_825_600, nanos: 0 });
        let (message, reason) = match self.random.random_range(0..4) {
            0 => (NewTransaction { amount: "0".into(), ..right }, RefusalReason::WrongField),
            1 => (NewTransaction { sender: nobody(), ..right }, RefusalReason::UnknownAccount),
            2 => (NewTransaction { asset: "NOPE".into(), ..right }, RefusalReason::UnknownAsset),
            _ => (NewTransaction { occurred_at: long_ago, ..right }, RefusalReason::DayOutOfRange),
        };
        SentRow { id, content, message, fate: Fate::Refused(reason) }
    }

    fn learn(&mut self, rows: &[SentRow]) {
        let recorded = rows.iter().filter(|row| row.fate == Fate::Recorded);
        self.own.extend(recorded.map(|row| (row.id, row.content.clone())).take(2));
    }
}

fn sent(id: Uuid, content: Content, fate: Fate) -> SentRow {
    SentRow { id, message: content.message(id), content, fate }
}

fn content(random: &mut ChaCha12Rng) -> Content {
    let micros = match random.random_range(0..10) {
        // On the edge of a day, or next to it.
        0 => DAY_MICROS * random.random_range(1..DAYS) + random.random_range(-1..=1),
        _ => random.random_range(0..DAYS * DAY_MICROS),
    };
    let sender = random.random_range(0..ACCOUNTS);
    Content {
        micros: FIRST_MICROS + micros,
        position: random.random_range(0..3),
        sender,
        receiver: (sender + random.random_range(1..ACCOUNTS)) % ACCOUNTS,
        cents: random.random_range(1..1_000_000),
        reference: ["", "first", "second"].choose(random).unwrap().to_string(),
    }
}

/// Writes until told to stop and until everything that was sent is acknowledged.
pub(super) async fn write(mut author: Author, shared: Arc<Shared>) {
    let mut pending = VecDeque::new();
    loop {
        let address = *shared.addresses.choose(&mut author.random).unwrap();
        let stream = stream(address, &mut author, &mut pending, &shared);
        let ended = tokio::time::timeout(STREAM_MAX, stream).await.expect("no stream hangs");
        match ended {
            Ok(()) if shared.stop.is_cancelled() => return,
            Ok(()) => {}
            Err(status) => {
                check_is_fit(&status);
                shared.books.lock().unwrap().broken += 1;
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// What a server says of a stream, or of a question, that it could not go on with.
pub(super) fn check_is_fit(status: &Status) {
    // What the client found out by itself has a source.
    let is_servers = status.source().is_none();
    let is_fit = matches!(status.code(), Code::Unavailable | Code::Aborted);
    assert!(is_fit || !is_servers, "{status:?}");
}

/// Connects; a server that is not there is no reason to stop.
pub(super) async fn connect(address: SocketAddr) -> Result<Channel, Status> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let connected = endpoint.connect_timeout(Duration::from_secs(5)).connect().await;
    connected.map_err(|error| Status::from_error(error.into()))
}

/// Sends pending chunks, and new ones behind them, over one stream; ends it in order.
async fn stream(
    address: SocketAddr,
    author: &mut Author,
    pending: &mut VecDeque<Vec<SentRow>>,
    shared: &Shared,
) -> Result<(), Status> {
    let mut client = IngestServiceClient::new(connect(address).await?);
    let mut upload = Upload::open(&mut client).await?;
    let start = RecordingStart { create_accounts: true, whole_chunks_only: false };
    upload.send(Message::Start(start)).await;
    let chunks = author.random.random_range(1..=STREAM_CHUNKS_MAX);
    let (mut number, mut in_flight, mut row_count) = (0, 0, 0);
    loop {
        while in_flight < AHEAD_MAX && number < chunks {
            if pending.len() == in_flight {
                if shared.stop.is_cancelled() {
                    break;
                }
                pending.push_back(author.chunk());
            }
            let rows: Vec<_> = pending[in_flight].iter().map(|row| row.message.clone()).collect();
            (number, in_flight) = (number + 1, in_flight + 1);
            row_count += i64::try_from(rows.len()).unwrap();
            // A stream that broke says so where its answers are read.
            upload.chunk(i64::try_from(number).unwrap(), &rows).await;
        }
        if in_flight == 0 {
            break;
        }
        match upload.answer().await? {
            Some(Answer::Chunk(said)) => {
                assert_eq!(said.chunk_number, i64::try_from(number - in_flight + 1).unwrap());
                let rows = pending.pop_front().unwrap();
                in_flight -= 1;
                shared.books.lock().unwrap().settle(&rows, &said);
                author.learn(&rows);
            }
            other => panic!("an acknowledgement, not {other:?}"),
        }
    }
    upload.end(row_count).await;
    match upload.answer().await? {
        Some(Answer::Summary(said)) => assert_eq!(said.row_count, row_count),
        other => panic!("a summary, not {other:?}"),
    }
    Ok(())
}
