//! The protocol of streams that record: a start, chunks, an end. What is recorded, and in which
//! messages, a [`Recorder`] says: `record_transactions` and `record_prices` have one each.
//!
//! A task for each stream reads a message ahead while a chunk is being recorded, and no
//! more: a client that is faster waits, by HTTP/2's own flow control. The task ends with the
//! stream's answer, whoever ends it. A cancelled upload looks like one that has ended, so
//! nothing but the message `end` is taken for an end.

mod chunk;

use std::{pin::pin, time::Instant};

use futures_util::{
    Stream,
    future::{Either, select},
    stream,
};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    time::{Duration, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Status, Streaming};
use tracing::Instrument;
use uuid::Uuid;

use crate::{
    domain::refusal::Refusal,
    error::{Error, ErrorKind, Violation},
    grpc::{
        admission::{Pass, pass},
        deadline,
        ingest_service::{IngestApi, StreamLimits},
        pb::v1::{RecordingEnd, RecordingSummary, RefusedTransaction},
        recording::chunk::{Chunk, acknowledge, decode},
        status::to_status,
        violations::Violations,
    },
    ingest::{CHUNK_ROWS_MAX, Ingest},
};

/// What streams of one rpc record, and in which messages; one is made for each stream by its
/// start.
pub(super) trait Recorder: Sized + Send + Sync + 'static {
    /// A message of a client.
    type Request: Send + 'static;
    /// A message of the server.
    type Response: Send + 'static;
    /// How rows are to be recorded.
    type Start: Send;
    /// A row as it is sent.
    type Given: Send;
    /// A row that can be read.
    type Row: Send;

    /// Name of the messages that clients send.
    const REQUEST: &'static str;
    /// The field with the rows of a chunk.
    const ROWS: &'static str;

    /// What a message says; `None` where it is empty.
    fn read(request: Self::Request) -> Option<Message<Self>>;

    /// Records as a start asks.
    fn start(start: Self::Start) -> Result<Self, Error>;

    /// Reads a row; notes what is wrong with it, by the names of its own fields.
    fn decode(given: Self::Given, violations: &mut Violations) -> Option<Self::Row>;

    /// Whether a chunk of which a row is refused is not recorded at all.
    fn is_for_whole_chunks(&self) -> bool;

    /// Records rows.
    fn record(
        &self,
        ingest: &Ingest,
        rows: Vec<Self::Row>,
    ) -> impl Future<Output = Result<Recorded, Error>> + Send;

    /// Takes notice of whether most rows of the last chunk were there already.
    fn expect_known(&mut self, many_are_known: bool) {
        let _ = many_are_known;
    }

    /// The acknowledgement of a chunk.
    fn acknowledgement(chunk: Acknowledged) -> Self::Response;

    /// The last answer of a stream that came to its end.
    fn summary(summary: RecordingSummary) -> Self::Response;
}

/// What a message of a client says.
pub(super) enum Message<R: Recorder> {
    /// How rows are to be recorded.
    Start(R::Start),
    /// Rows, with the number of their chunk.
    Chunk(i64, Vec<R::Given>),
    /// That all rows were sent.
    End(RecordingEnd),
}

/// What became of rows. Places are those among them.
#[derive(Default)]
pub(super) struct Recorded {
    /// Rows that were recorded now.
    pub(super) recorded: usize,
    /// Rows that were there already.
    pub(super) already_present: usize,
    /// Rows that took the place of others.
    pub(super) replaced: usize,
    /// Rows that were refused, in the order of their places.
    pub(super) refused: Vec<Refusal>,
    /// Ids that were made for rows that had none.
    pub(super) made_ids: Vec<(usize, Uuid)>,
}

/// What became of a chunk. Places are those in it.
pub(super) struct Acknowledged {
    /// Its number.
    pub(super) chunk_number: i64,
    /// Rows that were recorded now.
    pub(super) recorded_count: i32,
    /// Rows that were there already.
    pub(super) already_present_count: i32,
    /// Rows that took the place of others.
    pub(super) replaced_count: i32,
    /// Rows that were refused.
    pub(super) refused: Vec<RefusedTransaction>,
    /// Ids that were made.
    pub(super) made_ids: Vec<(i32, Uuid)>,
}

/// What a stream answers.
enum Answer {
    Chunk(Acknowledged),
    Summary(RecordingSummary),
}

/// Answers that wait to be sent.
const QUEUED_ANSWERS: usize = 1;

/// The answers of a stream.
pub(super) type AnswerStream<Response> =
    std::pin::Pin<Box<dyn Stream<Item = Result<Response, Status>> + Send>>;

/// Opens a stream.
pub(super) fn open<R: Recorder>(
    api: &IngestApi,
    request: Request<Streaming<R::Request>>,
) -> Result<AnswerStream<R::Response>, Error> {
    let pass = pass(&request)?;
    let place = api.places.clone().try_acquire_owned().map_err(|_| {
        Error::new(ErrorKind::ResourceExhausted("the server is at its limit of streams"))
    })?;
    let headers = request.metadata().clone().into_headers();
    // The request layer has refused one that cannot be read.
    let time = deadline::time_limit(&headers, api.limits.time_max).unwrap_or_default();
    let (answers, receiver) = mpsc::channel(QUEUED_ANSWERS);
    let recording = Recording::<R> {
        pass,
        ingest: api.ingest.clone(),
        reader: Reader {
            requests: request.into_inner(),
            stop: api.stop.clone(),
            ends_at: Instant::now() + time,
            bytes_max: api.limits.bytes_max,
            chunk_count: 0,
            row_count: 0,
        },
        writer: Writer { answers, limits: api.limits },
        summary: RecordingSummary::default(),
        _place: place,
    };
    api.tasks.spawn(recording.run().in_current_span());
    Ok(answer_stream::<R>(receiver))
}

/// The answers, until one that is the last. A task that ends without it has panicked: that
/// must not look like an end in good order.
fn answer_stream<R: Recorder>(
    receiver: mpsc::Receiver<Result<Answer, Status>>,
) -> AnswerStream<R::Response> {
    Box::pin(stream::unfold(Some(receiver), |receiver| async move {
        let mut receiver = receiver?;
        Some(match receiver.recv().await {
            Some(Ok(Answer::Chunk(chunk))) => (Ok(R::acknowledgement(chunk)), Some(receiver)),
            Some(Ok(Answer::Summary(summary))) => (Ok(R::summary(summary)), None),
            Some(Err(status)) => (Err(status), None),
            None => (Err(to_status(Error::new(ErrorKind::Internal))), None),
        })
    }))
}

/// A stream at work.
struct Recording<R: Recorder> {
    pass: Pass,
    ingest: Ingest,
    reader: Reader<R>,
    writer: Writer,
    summary: RecordingSummary,
    _place: OwnedSemaphorePermit,
}

/// What a client sent, in order and decoded.
enum Sent<Row> {
    Chunk(Chunk<Row>),
    End,
}

impl<R: Recorder> Recording<R> {
    async fn run(mut self) {
        let gone = self.writer.answers.clone();
        let outcome = tokio::select! {
            outcome = self.record_all() => outcome,
            // Whatever is at work is given up: nobody will hear of it.
            () = gone.closed() => {
                tracing::debug!("a stream that records was left by its client");
                return;
            }
        };
        self.summary.row_count = self.reader.row_count;
        let RecordingSummary { chunk_count, row_count, .. } = self.summary;
        let last = match outcome {
            Ok(()) => {
                tracing::debug!(chunk_count, row_count, "a stream was recorded");
                Ok(Answer::Summary(self.summary))
            }
            Err(error) if *error.kind() == ErrorKind::Internal => {
                let cause = anyhow::Error::new(error);
                tracing::error!(cause = format!("{cause:#}"), "a stream that records failed");
                Err(to_status(Error::new(ErrorKind::Internal)))
            }
            Err(error) => {
                tracing::debug!(%error, chunk_count, row_count, "a stream ended early");
                Err(to_status(error))
            }
        };
        // Nobody listens any more if it fails.
        let _ = self.writer.send(last).await;
    }

    async fn record_all(&mut self) -> Result<(), Error> {
        let idle_max = self.writer.limits.idle_max;
        let start = within(idle_max, self.reader.start()).await?;
        let mut recorder = R::start(start)?;
        let mut sent = within(idle_max, self.reader.next()).await?;
        loop {
            let Sent::Chunk(chunk) = sent else { return Ok(()) };
            // What lets a stream in may be revoked or expire while it lasts.
            self.pass.check().await?;
            let (many_are_known, next) = self.record_one(&recorder, chunk).await?;
            // A stream that is sent again: the next chunk is likely to be there, too.
            recorder.expect_known(many_are_known);
            sent = next;
        }
    }

    /// Records a chunk and reads what comes behind it meanwhile. Says whether most of its rows
    /// were there already.
    async fn record_one(
        &mut self,
        recorder: &R,
        chunk: Chunk<R::Row>,
    ) -> Result<(bool, Sent<R::Row>), Error> {
        let idle_max = self.writer.limits.idle_max;
        let (ingest, writer) = (&self.ingest, &self.writer);
        let summary = &mut self.summary;
        let recording = pin!(async {
            let acknowledged = acknowledge(recorder, ingest, chunk).await?;
            count(summary, &acknowledged);
            let many_are_known = acknowledged.already_present_count > acknowledged.recorded_count;
            writer.send(Ok(Answer::Chunk(acknowledged))).await?;
            Ok::<_, Error>(many_are_known)
        });
        let reading = pin!(self.reader.next());
        // The chunk at work is finished whatever comes behind it.
        Ok(match select(recording, reading).await {
            Either::Left((known, reading)) => (known?, within(idle_max, reading).await?),
            Either::Right((next, recording)) => (recording.await?, next?),
        })
    }
}

/// What a client sends, as it must come.
struct Reader<R: Recorder> {
    requests: Streaming<R::Request>,
    stop: CancellationToken,
    ends_at: Instant,
    bytes_max: usize,
    chunk_count: i64,
    row_count: i64,
}

impl<R: Recorder> Reader<R> {
    async fn start(&mut self) -> Result<R::Start, Error> {
        match self.message().await? {
            Some(Message::Start(start)) => Ok(start),
            _ => Err(wrong("start", "must be the first message")),
        }
    }

    async fn next(&mut self) -> Result<Sent<R::Row>, Error> {
        match self.message().await? {
            Some(Message::Chunk(number, rows)) => self.chunk(number, rows).map(Sent::Chunk),
            Some(Message::End(RecordingEnd { row_count })) if row_count == self.row_count => {
                Ok(Sent::End)
            }
            Some(Message::End(_)) => Err(wrong(
                "end.row_count",
                format!("must be the number of rows in all chunks, {}", self.row_count),
            )),
            Some(Message::Start(_)) => Err(wrong("start", "must be the first message alone")),
            None => Err(wrong(
                "end",
                format!(
                    "must be the last message; {} chunks came, and what was acknowledged is \
                     recorded",
                    self.chunk_count
                ),
            )),
        }
    }

    /// The next message; `None` where the client sends no more, or an empty one.
    async fn message(&mut self) -> Result<Option<Message<R>>, Error> {
        let message = tokio::select! {
            message = self.requests.message() => message,
            () = self.stop.cancelled() => {
                return Err(Error::new(ErrorKind::Unavailable("the server is stopping")));
            }
            () = sleep_until(self.ends_at.into()) => {
                return Err(Error::new(ErrorKind::Unavailable(
                    "the stream has lasted as long as it may: open another one",
                )));
            }
        };
        let message = message.map_err(|status| self.broken(&status))?;
        Ok(message.and_then(R::read))
    }

    /// What is wrong with what was sent, as far as the transport knows.
    fn broken(&self, status: &Status) -> Error {
        let code = status.code();
        if code == Code::OutOfRange {
            return wrong(
                "chunk",
                format!("must be at most {} bytes as a message", self.bytes_max),
            );
        }
        if code == Code::Internal {
            return wrong("message", format!("must be a {}", R::REQUEST));
        }
        let cause = status.message().to_owned();
        Error::with_source(ErrorKind::Unavailable("the stream broke"), cause)
    }

    fn chunk(&mut self, number: i64, rows: Vec<R::Given>) -> Result<Chunk<R::Row>, Error> {
        let expected = self.chunk_count + 1;
        if number != expected {
            let description = format!("must be {expected}: the next one");
            return Err(wrong("chunk.chunk_number", description));
        }
        let count = rows.len();
        if count == 0 || count > CHUNK_ROWS_MAX {
            return Err(wrong(R::ROWS, format!("must be 1 to {CHUNK_ROWS_MAX} rows")));
        }
        self.chunk_count = number;
        self.row_count = self.row_count.saturating_add(i64::try_from(count).unwrap_or(i64::MAX));
        Ok(decode::<R>(number, rows))
    }
}

/// What is sent to a client.
struct Writer {
    answers: mpsc::Sender<Result<Answer, Status>>,
    limits: StreamLimits,
}

impl Writer {
    async fn send(&self, answer: Result<Answer, Status>) -> Result<(), Error> {
        let sending = timeout(self.limits.idle_max, self.answers.send(answer));
        match sending.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Error::new(ErrorKind::Unavailable("the client is gone"))),
            Err(_) => Err(Error::new(ErrorKind::Unavailable("answers were not read for too long"))),
        }
    }
}

/// Waits for what a client sends, as long as it may take.
async fn within<T>(
    idle_max: Duration,
    reading: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    timeout(idle_max, reading).await.unwrap_or_else(|_| {
        Err(Error::new(ErrorKind::Unavailable("nothing was sent for too long")))
    })
}

fn count(summary: &mut RecordingSummary, chunk: &Acknowledged) {
    let refused = i64::try_from(chunk.refused.len()).unwrap_or(i64::MAX);
    summary.chunk_count += 1;
    summary.recorded_count += i64::from(chunk.recorded_count);
    summary.already_present_count += i64::from(chunk.already_present_count);
    summary.refused_count += refused;
    summary.replaced_count += i64::from(chunk.replaced_count);
}

/// What is wrong with a message.
pub(super) fn wrong(field: &'static str, description: impl Into<String>) -> Error {
    Error::invalid(vec![Violation { field: field.into(), description: description.into() }])
}
