//! `IngestService.RecordTransactions`: what its messages say, and what they ask for. The
//! protocol is in `recording`.

use crate::{
    domain::transaction::NewTransaction,
    error::Error,
    grpc::{
        pb::v1::{
            self, ChunkAcknowledgement, MadeTransactionId, RecordTransactionsRequest,
            RecordTransactionsResponse, RecordingChunk, RecordingStart, RecordingSummary,
            record_transactions_request::Message as Request,
            record_transactions_response::Message as Response,
        },
        record_transaction::transaction,
        recording::{Acknowledged, Message, Recorded, Recorder},
        violations::Violations,
    },
    ingest::{Ingest, RecordOptions},
};

/// Records the transactions of a stream.
pub(super) struct TransactionRecorder {
    options: RecordOptions,
}

impl Recorder for TransactionRecorder {
    type Request = RecordTransactionsRequest;
    type Response = RecordTransactionsResponse;
    type Start = RecordingStart;
    type Given = v1::NewTransaction;
    type Row = NewTransaction;

    const REQUEST: &'static str = "RecordTransactionsRequest";
    const ROWS: &'static str = "chunk.transactions";

    fn read(request: RecordTransactionsRequest) -> Option<Message<Self>> {
        Some(match request.message? {
            Request::Start(start) => Message::Start(start),
            Request::Chunk(RecordingChunk { chunk_number, transactions }) => {
                Message::Chunk(chunk_number, transactions)
            }
            Request::End(end) => Message::End(end),
        })
    }

    fn start(start: RecordingStart) -> Result<Self, Error> {
        let RecordingStart { create_accounts, whole_chunks_only } = start;
        let options =
            RecordOptions { create_accounts, whole_chunks_only, ..RecordOptions::default() };
        Ok(Self { options })
    }

    fn decode(given: v1::NewTransaction, violations: &mut Violations) -> Option<NewTransaction> {
        transaction(given, violations)
    }

    fn is_for_whole_chunks(&self) -> bool {
        self.options.whole_chunks_only
    }

    async fn record(&self, ingest: &Ingest, rows: Vec<NewTransaction>) -> Result<Recorded, Error> {
        let is_without_id =
            |(place, row): (usize, &NewTransaction)| row.transaction_id.is_none().then_some(place);
        let without_id: Vec<usize> = rows.iter().enumerate().filter_map(is_without_id).collect();
        let outcome = ingest.record(rows, &self.options).await?;
        let is_refused = |place: &usize| {
            outcome.refused.binary_search_by_key(place, |refusal| refusal.index).is_ok()
        };
        let made_ids = without_id
            .into_iter()
            .filter(|place| outcome.recorded > 0 && !is_refused(place))
            .map(|place| (place, outcome.ids[place]))
            .collect();
        Ok(Recorded {
            recorded: outcome.recorded,
            already_present: outcome.already_present,
            replaced: 0,
            refused: outcome.refused,
            made_ids,
        })
    }

    fn expect_known(&mut self, many_are_known: bool) {
        self.options.look_first = many_are_known;
    }

    fn acknowledgement(chunk: Acknowledged) -> RecordTransactionsResponse {
        let made = |(row_index, id): (i32, uuid::Uuid)| MadeTransactionId {
            row_index,
            transaction_id: id.to_string(),
        };
        let acknowledgement = ChunkAcknowledgement {
            chunk_number: chunk.chunk_number,
            recorded_count: chunk.recorded_count,
            already_present_count: chunk.already_present_count,
            refused: chunk.refused,
            made_ids: chunk.made_ids.into_iter().map(made).collect(),
        };
        RecordTransactionsResponse { message: Some(Response::Chunk(acknowledgement)) }
    }

    fn summary(summary: RecordingSummary) -> RecordTransactionsResponse {
        RecordTransactionsResponse { message: Some(Response::Summary(summary)) }
    }
}
