//! `daybook.v1.AnalyticsService`: the index of its rpcs.

use tonic::{Request, Response, Status};

use crate::{
    analytics::{Analytics, overviews::Overviews},
    grpc::{
        admission::identity,
        batch_sum_amount::batch_sum_amount,
        histogram::histogram,
        pb::v1::{
            BatchSumAmountRequest, BatchSumAmountResponse, HistogramRequest, HistogramResponse,
            RankRequest, RankResponse, SumAmountRequest, SumAmountResponse, SumSeriesRequest,
            SumSeriesResponse, WatchOverviewRequest, WatchOverviewResponse,
            analytics_service_server::AnalyticsService,
        },
        rank::{RankLimits, rank},
        status::to_status,
        sum_amount::sum_amount,
        sum_series::sum_series,
        watch_overview::watch_overview,
        watchers::{Messages, Watchers},
    },
};

/// Serves `AnalyticsService`.
#[derive(Clone)]
pub struct AnalyticsApi {
    analytics: Analytics,
    rank_limits: RankLimits,
    histogram_rows_max: u64,
    overviews: (Overviews, Watchers),
}

impl AnalyticsApi {
    /// Serves answers of these analytics; a histogram reads so many rows at most. Overviews come
    /// with the room for those who watch them.
    #[must_use]
    pub fn new(
        analytics: Analytics,
        rank_limits: RankLimits,
        histogram_rows_max: u64,
        overviews: (Overviews, Watchers),
    ) -> Self {
        Self { analytics, rank_limits, histogram_rows_max, overviews }
    }
}

#[tonic::async_trait]
impl AnalyticsService for AnalyticsApi {
    type WatchOverviewStream = Messages<WatchOverviewResponse>;

    async fn sum_amount(
        &self,
        request: Request<SumAmountRequest>,
    ) -> Result<Response<SumAmountResponse>, Status> {
        let scope = identity(&request)?.scope;
        let answer = sum_amount(&self.analytics, request.get_ref(), scope).await;
        answer.map(Response::new).map_err(to_status)
    }

    async fn rank(&self, request: Request<RankRequest>) -> Result<Response<RankResponse>, Status> {
        let answer = rank(&self.analytics, self.rank_limits, request.get_ref()).await;
        answer.map(Response::new).map_err(to_status)
    }

    async fn batch_sum_amount(
        &self,
        request: Request<BatchSumAmountRequest>,
    ) -> Result<Response<BatchSumAmountResponse>, Status> {
        let scope = identity(&request)?.scope;
        let answer = batch_sum_amount(&self.analytics, request.get_ref(), scope).await;
        answer.map(Response::new).map_err(to_status)
    }

    async fn sum_series(
        &self,
        request: Request<SumSeriesRequest>,
    ) -> Result<Response<SumSeriesResponse>, Status> {
        let scope = identity(&request)?.scope;
        let answer = sum_series(&self.analytics, request.get_ref(), scope).await;
        answer.map(Response::new).map_err(to_status)
    }

    async fn histogram(
        &self,
        request: Request<HistogramRequest>,
    ) -> Result<Response<HistogramResponse>, Status> {
        let (rows_max, scope) = (self.histogram_rows_max, identity(&request)?.scope);
        let answer = histogram(&self.analytics, rows_max, request.get_ref(), scope).await;
        answer.map(Response::new).map_err(to_status)
    }

    async fn watch_overview(
        &self,
        request: Request<WatchOverviewRequest>,
    ) -> Result<Response<Self::WatchOverviewStream>, Status> {
        let (overviews, watchers) = &self.overviews;
        let stream = watch_overview(&self.analytics, (overviews, watchers), &request).await;
        stream.map(Response::new)
    }
}
