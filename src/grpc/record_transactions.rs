//! `IngestService.RecordTransactions`: the protocol of the stream.
//!
//! A task for each stream reads a message ahead while a chunk is being recorded, and no
//! more: a client that is faster waits, by HTTP/2's own flow control. The task ends with the
//! stream's answer, whoever ends it. A cancelled upload looks like one that has ended, so
//! nothing but the message `end` is taken for an end.

use std::{borrow::Cow, pin::pin, time::Instant};

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

use crate::{
    domain::{
        refusal::{Fault, Refusal, RefusalReason},
        transaction::NewTransaction,
    },
    error::{Error, ErrorKind, Violation},
    grpc::{
        admission::{Pass, pass},
        deadline,
        ingest_service::{IngestApi, StreamLimits},
        pb::v1::{
            self, ChunkAcknowledgement, MadeTransactionId, RecordTransactionsRequest,
            RecordTransactionsResponse, RecordingChunk, RecordingEnd, RecordingStart,
            RecordingSummary, RefusedTransaction, record_transactions_request::Message,
            record_transactions_response::Message as Answer,
        },
        record_transaction::transaction,
        status::to_status,
        violations::Violations,
    },
    ingest::{CHUNK_ROWS_MAX, ChunkOutcome, Ingest, RecordOptions},
};

/// Answers that wait to be sent.
const QUEUED_ANSWERS: usize = 1;

type AnswerStream =
    std::pin::Pin<Box<dyn Stream<Item = Result<RecordTransactionsResponse, Status>> + Send>>;

/// Opens a stream.
pub(super) fn open(
    api: &IngestApi,
    request: Request<Streaming<RecordTransactionsRequest>>,
) -> Result<AnswerStream, Error> {
    let pass = pass(&request)?;
    let place = api.places.clone().try_acquire_owned().map_err(|_| {
        Error::new(ErrorKind::ResourceExhausted("the server is at its limit of streams"))
    })?;
    let headers = request.metadata().clone().into_headers();
    // The request layer has refused one that cannot be read.
    let time = deadline::time_limit(&headers, api.limits.time_max).unwrap_or_default();
    let (answers, receiver) = mpsc::channel(QUEUED_ANSWERS);
    let recording = Recording {
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
    Ok(answer_stream(receiver))
}

/// The answers, until one that is the last. A task that ends without it has panicked: that
/// must not look like an end in good order.
fn answer_stream(
    receiver: mpsc::Receiver<Result<RecordTransactionsResponse, Status>>,
) -> AnswerStream {
    Box::pin(stream::unfold(Some(receiver), |receiver| async move {
        let mut receiver = receiver?;
        let Some(answer) = receiver.recv().await else {
            return Some((Err(to_status(Error::new(ErrorKind::Internal))), None));
        };
        let is_last = match &answer {
            Ok(answer) => matches!(answer.message, Some(Answer::Summary(_))),
            Err(_) => true,
        };
        Some((answer, (!is_last).then_some(receiver)))
    }))
}

/// A stream at work.
struct Recording {
    pass: Pass,
    ingest: Ingest,
    reader: Reader,
    writer: Writer,
    summary: RecordingSummary,
    _place: OwnedSemaphorePermit,
}

/// What a client sent, in order and decoded.
enum Sent {
    Chunk(Chunk),
    End,
}

/// Rows of a chunk: those that can be read, with their places, and those that cannot.
struct Chunk {
    number: i64,
    rows: Vec<NewTransaction>,
    places: Vec<usize>,
    /// Places of rows that had no id.
    without_id: Vec<usize>,
    refused: Vec<Refusal>,
}

impl Recording {
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
        let RecordingStart { create_accounts, whole_chunks_only } =
            within(idle_max, self.reader.start()).await?;
        let mut options =
            RecordOptions { create_accounts, whole_chunks_only, ..RecordOptions::default() };
        let mut sent = within(idle_max, self.reader.next()).await?;
        loop {
            let Sent::Chunk(chunk) = sent else { return Ok(()) };
            // What lets a stream in may be revoked or expire while it lasts.
            self.pass.check().await?;
            let chunk_options = options.clone();
            let (ingest, writer) = (&self.ingest, &self.writer);
            let summary = &mut self.summary;
            let recording = pin!(async {
                let acknowledged = acknowledge(ingest, chunk, &chunk_options).await?;
                count(summary, &acknowledged);
                let many_are_known =
                    acknowledged.already_present_count > acknowledged.recorded_count;
                writer.send(Ok(Answer::Chunk(acknowledged))).await?;
                Ok::<_, Error>(many_are_known)
            });
            let reading = pin!(self.reader.next());
            // The chunk at work is finished whatever comes behind it.
            let (many_are_known, next) = match select(recording, reading).await {
                Either::Left((known, reading)) => (known?, within(idle_max, reading).await?),
                Either::Right((next, recording)) => (recording.await?, next?),
            };
            // A stream that is sent again: the next chunk is likely to be there, too.
            options.look_first = many_are_known;
            sent = next;
        }
    }
}

/// What a client sends, as it must come.
struct Reader {
    requests: Streaming<RecordTransactionsRequest>,
    stop: CancellationToken,
    ends_at: Instant,
    bytes_max: usize,
    chunk_count: i64,
    row_count: i64,
}

impl Reader {
    async fn start(&mut self) -> Result<RecordingStart, Error> {
        match self.message().await? {
            Some(Message::Start(start)) => Ok(start),
            _ => Err(wrong("start", "must be the first message")),
        }
    }

    async fn next(&mut self) -> Result<Sent, Error> {
        match self.message().await? {
            Some(Message::Chunk(chunk)) => self.chunk(chunk).map(Sent::Chunk),
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
    async fn message(&mut self) -> Result<Option<Message>, Error> {
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
        Ok(message.and_then(|request| request.message))
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
            return wrong("message", "must be a RecordTransactionsRequest");
        }
        let cause = status.message().to_owned();
        Error::with_source(ErrorKind::Unavailable("the stream broke"), cause)
    }

    fn chunk(&mut self, chunk: RecordingChunk) -> Result<Chunk, Error> {
        let number = self.chunk_count + 1;
        if chunk.chunk_number != number {
            return Err(wrong("chunk.chunk_number", format!("must be {number}: the next one")));
        }
        let count = chunk.transactions.len();
        if count == 0 || count > CHUNK_ROWS_MAX {
            let description = format!("must be 1 to {CHUNK_ROWS_MAX} rows");
            return Err(wrong("chunk.transactions", description));
        }
        self.chunk_count = number;
        self.row_count = self.row_count.saturating_add(i64::try_from(count).unwrap_or(i64::MAX));
        Ok(decode(number, chunk.transactions))
    }
}

/// What is sent to a client.
struct Writer {
    answers: mpsc::Sender<Result<RecordTransactionsResponse, Status>>,
    limits: StreamLimits,
}

impl Writer {
    async fn send(&self, answer: Result<Answer, Status>) -> Result<(), Error> {
        let answer = answer.map(|message| RecordTransactionsResponse { message: Some(message) });
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

fn decode(number: i64, transactions: Vec<v1::NewTransaction>) -> Chunk {
    let count = transactions.len();
    let mut chunk = Chunk {
        number,
        rows: Vec::with_capacity(count),
        places: Vec::with_capacity(count),
        without_id: Vec::new(),
        refused: Vec::new(),
    };
    for (index, given) in transactions.into_iter().enumerate() {
        let is_without_id = given.transaction_id.is_empty();
        let mut violations = Violations::default();
        let row = transaction(given, &mut violations);
        match row.filter(|_| !violations.has_any()) {
            Some(row) => {
                if is_without_id {
                    chunk.without_id.push(chunk.rows.len());
                }
                chunk.places.push(index);
                chunk.rows.push(row);
            }
            None => chunk.refused.push(Refusal { index, fault: first_fault(violations) }),
        }
    }
    chunk
}

/// The first of the things that are wrong with a row.
fn first_fault(violations: Violations) -> Fault {
    let (field, message) = match violations.into_first() {
        Some(Violation { field: Cow::Borrowed(field), description }) => (field, description),
        Some(Violation { description, .. }) => ("", description),
        None => ("", "cannot be read".to_owned()),
    };
    Fault { reason: RefusalReason::WrongField, field, message }
}

/// Records a chunk and says what became of it.
async fn acknowledge(
    ingest: &Ingest,
    chunk: Chunk,
    options: &RecordOptions,
) -> Result<ChunkAcknowledgement, Error> {
    let Chunk { number, rows, places, without_id, mut refused } = chunk;
    let outcome = if options.whole_chunks_only && !refused.is_empty() {
        ChunkOutcome::default()
    } else {
        ingest.record(rows, options).await?
    };
    let is_refused = |place: &usize| {
        outcome.refused.binary_search_by_key(place, |refusal| refusal.index).is_ok()
    };
    let made_ids = without_id
        .into_iter()
        .filter(|place| outcome.recorded > 0 && !is_refused(place))
        .map(|place| MadeTransactionId {
            row_index: small(places[place]),
            transaction_id: outcome.ids[place].to_string(),
        })
        .collect();
    refused.extend(
        outcome
            .refused
            .into_iter()
            .map(|refusal| Refusal { index: places[refusal.index], fault: refusal.fault }),
    );
    refused.sort_unstable_by_key(|refusal| refusal.index);
    Ok(ChunkAcknowledgement {
        chunk_number: number,
        recorded_count: small(outcome.recorded),
        already_present_count: small(outcome.already_present),
        refused: refused.into_iter().map(refused_pb).collect(),
        made_ids,
    })
}

fn refused_pb(refusal: Refusal) -> RefusedTransaction {
    let Refusal { index, fault: Fault { reason, field, message } } = refusal;
    let reason = match reason {
        RefusalReason::WrongField => v1::RefusalReason::WrongField,
        RefusalReason::UnknownAccount => v1::RefusalReason::UnknownAccount,
        RefusalReason::UnknownAsset => v1::RefusalReason::UnknownAsset,
        RefusalReason::DayOutOfRange => v1::RefusalReason::DayOutOfRange,
        RefusalReason::DayAbsent => v1::RefusalReason::DayAbsent,
        RefusalReason::OtherContent => v1::RefusalReason::OtherContent,
        RefusalReason::Deleted => v1::RefusalReason::Deleted,
    };
    RefusedTransaction {
        row_index: small(index),
        reason: reason.into(),
        field: field.to_owned(),
        description: message,
    }
}

fn count(summary: &mut RecordingSummary, chunk: &ChunkAcknowledgement) {
    let refused = i64::try_from(chunk.refused.len()).unwrap_or(i64::MAX);
    summary.chunk_count += 1;
    summary.recorded_count += i64::from(chunk.recorded_count);
    summary.already_present_count += i64::from(chunk.already_present_count);
    summary.refused_count += refused;
}

/// A number of rows of a chunk, which are few.
fn small(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn wrong(field: &'static str, description: impl Into<String>) -> Error {
    Error::invalid(vec![Violation { field: field.into(), description: description.into() }])
}
