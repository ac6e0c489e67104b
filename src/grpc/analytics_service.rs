//! `daybook.v1.AnalyticsService`: the index of its rpcs.

use tonic::{Request, Response, Status};

use crate::{
    analytics::Analytics,
    grpc::{
        pb::v1::{
            BatchSumAmountRequest, BatchSumAmountResponse, HistogramRequest, HistogramResponse,
            RankRequest, RankResponse, SumAmountRequest, SumAmountResponse, SumSeriesRequest,
            SumSeriesResponse, analytics_service_server::AnalyticsService,
        },
        rank::{RankLimits, rank},
        status::to_status,
        sum_amount::sum_amount,
    },
};

/// Serves `AnalyticsService`.
#[derive(Clone)]
pub struct AnalyticsApi {
    analytics: Analytics,
    rank_limits: RankLimits,
}

impl AnalyticsApi {
    /// Serves answers of these analytics.
    #[must_use]
    pub fn new(analytics: Analytics, rank_limits: RankLimits) -> Self {
        Self { analytics, rank_limits }
    }
}

#[tonic::async_trait]
impl AnalyticsService for AnalyticsApi {
    async fn sum_amount(
        &self,
        request: Request<SumAmountRequest>,
    ) -> Result<Response<SumAmountResponse>, Status> {
        let answer = sum_amount(&self.analytics, request.get_ref()).await;
        answer.map(Response::new).map_err(to_status)
    }

    async fn rank(&self, request: Request<RankRequest>) -> Result<Response<RankResponse>, Status> {
        let answer = rank(&self.analytics, self.rank_limits, request.get_ref()).await;
        answer.map(Response::new).map_err(to_status)
    }

    async fn batch_sum_amount(
        &self,
        _: Request<BatchSumAmountRequest>,
    ) -> Result<Response<BatchSumAmountResponse>, Status> {
        Err(Status::unimplemented("not served yet"))
    }

    async fn sum_series(
        &self,
        _: Request<SumSeriesRequest>,
    ) -> Result<Response<SumSeriesResponse>, Status> {
        Err(Status::unimplemented("not served yet"))
    }

    async fn histogram(
        &self,
        _: Request<HistogramRequest>,
    ) -> Result<Response<HistogramResponse>, Status> {
        Err(Status::unimplemented("not served yet"))
    }
}
