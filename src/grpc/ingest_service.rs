//! `daybook.v1.IngestService`: the index of its rpcs.

use std::{sync::Arc, time::Duration};

use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{Request, Response, Status, Streaming};

use crate::{
    config::ServerSettings,
    grpc::{
        pb::v1::{
            RecordPricesRequest, RecordPricesResponse, RecordTransactionRequest,
            RecordTransactionResponse, RecordTransactionsRequest, RecordTransactionsResponse,
            ingest_service_server::IngestService,
        },
        record_prices::PriceRecorder,
        record_transaction::record_transaction,
        record_transactions::TransactionRecorder,
        recording::{self, AnswerStream},
        status::to_status,
    },
    ingest::Ingest,
};

/// Limits of streams that record.
#[derive(Clone, Copy, Debug)]
pub(super) struct StreamLimits {
    /// Longest time that nothing comes, or that an answer is not taken.
    pub(super) idle_max: Duration,
    /// Longest time for all of it.
    pub(super) time_max: Duration,
    /// Largest message.
    pub(super) bytes_max: usize,
}

/// Serves `IngestService`.
#[derive(Clone)]
pub struct IngestApi {
    pub(super) ingest: Ingest,
    pub(super) limits: StreamLimits,
    /// Places of streams.
    pub(super) places: Arc<Semaphore>,
    pub(super) stop: CancellationToken,
    pub(super) tasks: TaskTracker,
}

impl IngestApi {
    /// Records with this ingest. Streams end between two chunks once `stop` is told; `tasks`
    /// are theirs.
    #[must_use]
    pub fn new(
        ingest: Ingest,
        settings: &ServerSettings,
        stop: CancellationToken,
        tasks: TaskTracker,
    ) -> Self {
        let limits = StreamLimits {
            idle_max: Duration::from_millis(settings.ingest_idle_timeout_ms),
            time_max: Duration::from_millis(settings.ingest_stream_timeout_ms),
            bytes_max: settings.request_bytes_max,
        };
        let places = Arc::new(Semaphore::new(settings.ingest_streams_max));
        Self { ingest, limits, places, stop, tasks }
    }
}

#[tonic::async_trait]
impl IngestService for IngestApi {
    type RecordTransactionsStream = AnswerStream<RecordTransactionsResponse>;
    type RecordPricesStream = AnswerStream<RecordPricesResponse>;

    async fn record_transactions(
        &self,
        request: Request<Streaming<RecordTransactionsRequest>>,
    ) -> Result<Response<Self::RecordTransactionsStream>, Status> {
        let answers = recording::open::<TransactionRecorder>(self, request);
        answers.map(Response::new).map_err(to_status)
    }

    async fn record_transaction(
        &self,
        request: Request<RecordTransactionRequest>,
    ) -> Result<Response<RecordTransactionResponse>, Status> {
        let answer = record_transaction(&self.ingest, request.into_inner()).await;
        answer.map(Response::new).map_err(to_status)
    }

    async fn record_prices(
        &self,
        request: Request<Streaming<RecordPricesRequest>>,
    ) -> Result<Response<Self::RecordPricesStream>, Status> {
        let answers = recording::open::<PriceRecorder>(self, request);
        answers.map(Response::new).map_err(to_status)
    }
}
