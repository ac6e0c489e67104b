//! A stream that records, as a client holds it.

use daybook::grpc::pb::v1::{
    AccountKey, ChunkAcknowledgement, NewTransaction, RecordTransactionsRequest,
    RecordTransactionsResponse, RecordingChunk, RecordingEnd, RecordingStart, RecordingSummary,
    ingest_service_client::IngestServiceClient, record_transactions_request::Message,
    record_transactions_response::Message as Answer,
};
use prost_types::Timestamp;
use tokio::sync::mpsc;
use tonic::{Request, Status, Streaming, transport::Channel};
use uuid::Uuid;

use crate::support::ledger::at;

/// A stream that records.
pub(crate) struct Upload {
    sender: Option<mpsc::Sender<RecordTransactionsRequest>>,
    answers: Streaming<RecordTransactionsResponse>,
}

impl Upload {
    /// Opens one without a word.
    pub(crate) async fn open(client: &mut IngestServiceClient<Channel>) -> Result<Self, Status> {
        Self::open_with(client, |_| ()).await
    }

    /// Opens one whose headers a test changes.
    pub(crate) async fn open_with(
        client: &mut IngestServiceClient<Channel>,
        change: impl FnOnce(&mut Request<()>),
    ) -> Result<Self, Status> {
        let (sender, receiver) = mpsc::channel(1);
        let requests = futures_util::stream::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|message| (message, receiver))
        });
        let mut headers = Request::new(());
        change(&mut headers);
        let request = headers.map(|()| requests);
        let answers = client.record_transactions(request).await?.into_inner();
        Ok(Self { sender: Some(sender), answers })
    }

    /// Opens one and starts it.
    pub(crate) async fn start(
        client: &mut IngestServiceClient<Channel>,
        start: RecordingStart,
    ) -> Self {
        let mut upload = Self::open(client).await.unwrap();
        upload.send(Message::Start(start)).await;
        upload
    }

    /// Sends a message; whether the server still takes any.
    pub(crate) async fn send(&mut self, message: Message) -> bool {
        let request = RecordTransactionsRequest { message: Some(message) };
        match &self.sender {
            Some(sender) => sender.send(request).await.is_ok(),
            None => false,
        }
    }

    /// Sends rows.
    pub(crate) async fn chunk(&mut self, number: i64, rows: &[NewTransaction]) -> bool {
        self.send(chunk(number, rows)).await
    }

    /// Sends the end.
    pub(crate) async fn end(&mut self, row_count: i64) {
        self.send(Message::End(RecordingEnd { row_count })).await;
    }

    /// Closes the request without an end.
    pub(crate) fn close(&mut self) {
        self.sender = None;
    }

    /// The next answer; `None` at the end of the stream.
    pub(crate) async fn answer(&mut self) -> Result<Option<Answer>, Status> {
        let answer = self.answers.message().await?;
        Ok(answer.map(|answer| answer.message.expect("an answer says something")))
    }

    /// The next answer, which is an acknowledgement.
    pub(crate) async fn acknowledged(&mut self) -> ChunkAcknowledgement {
        match self.answer().await {
            Ok(Some(Answer::Chunk(chunk))) => chunk,
            other => panic!("an acknowledgement, not {other:?}"),
        }
    }

    /// The summary, which is the last answer.
    pub(crate) async fn summary(&mut self) -> RecordingSummary {
        let summary = match self.answer().await {
            Ok(Some(Answer::Summary(summary))) => summary,
            other => panic!("a summary, not {other:?}"),
        };
        assert_eq!(self.answer().await.unwrap(), None, "a summary is the last answer");
        summary
    }

    /// The error that ends the stream, whatever is acknowledged before it.
    pub(crate) async fn failure(&mut self) -> Status {
        loop {
            match self.answer().await {
                Ok(Some(Answer::Chunk(_))) => {}
                Ok(other) => panic!("an error, not {other:?}"),
                Err(status) => return status,
            }
        }
    }
}

/// A chunk as a message.
pub(crate) fn chunk(number: i64, rows: &[NewTransaction]) -> Message {
    Message::Chunk(RecordingChunk { chunk_number: number, transactions: rows.to_vec() })
}

/// An account of the network bank.
pub(crate) fn bank(address: &str) -> Option<AccountKey> {
    Some(AccountKey { network: "bank".to_owned(), address: address.to_owned() })
}

/// A row from the account a to the account b, with an id of its own.
pub(crate) fn row(number: u128) -> NewTransaction {
    NewTransaction {
        transaction_id: Uuid::from_u128(number).to_string(),
        occurred_at: Some(instant("2024-05-05T12:00:00.000001Z")),
        position: 7,
        asset: String::new(),
        sender: bank("a"),
        receiver: bank("b"),
        amount: "12.50".to_owned(),
        reference: "first".to_owned(),
    }
}

/// An instant, from its RFC 3339 text.
pub(crate) fn instant(text: &str) -> Timestamp {
    let at = at(text);
    let nanos = i32::try_from(at.timestamp_subsec_nanos()).unwrap();
    Timestamp { seconds: at.timestamp(), nanos }
}
