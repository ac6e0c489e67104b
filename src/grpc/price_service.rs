//! `daybook.v1.PriceService`: the index of its rpcs.

use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::{
    alerts::Alerts,
    grpc::{
        admission::identity,
        create_alert_rule::create_alert_rule,
        delete_alert_rule::delete_alert_rule,
        list_alert_deliveries::{list_alert_deliveries, retry_alert_delivery},
        list_alert_rules::list_alert_rules,
        list_prices::list_prices,
        list_symbols::list_symbols,
        pb::v1::{
            CreateAlertRuleRequest, CreateAlertRuleResponse, DeleteAlertRuleRequest,
            DeleteAlertRuleResponse, ListAlertDeliveriesRequest, ListAlertDeliveriesResponse,
            ListAlertRulesRequest, ListAlertRulesResponse, ListPricesRequest, ListPricesResponse,
            ListSymbolsRequest, ListSymbolsResponse, RankSymbolsRequest, RankSymbolsResponse,
            RetryAlertDeliveryRequest, RetryAlertDeliveryResponse, UpdateAlertRuleRequest,
            UpdateAlertRuleResponse, WatchAlertsRequest, WatchAlertsResponse,
            price_service_server::PriceService,
        },
        rank_symbols::rank_symbols,
        status::to_status,
        update_alert_rule::update_alert_rule,
        watch_alerts::watch_alerts,
        watchers::{Messages, Watchers},
    },
    prices::Prices,
};

/// What bounds answers about prices.
#[derive(Clone, Copy, Debug)]
pub struct PriceLimits {
    /// Largest population that is ranked.
    pub population_max: u64,
    /// Longest answer, in bytes.
    pub response_bytes_max: usize,
    /// Most streams that watch alerts.
    pub streams_max: usize,
}

/// Serves `PriceService`.
#[derive(Clone)]
pub struct PriceApi {
    prices: Prices,
    pub(super) alerts: Alerts,
    limits: PriceLimits,
    pub(super) watchers: Watchers,
}

impl PriceApi {
    /// Serves these prices and alerts. Streams end once `stop` is told.
    #[must_use]
    pub fn new(
        (prices, alerts): (Prices, Alerts),
        limits: PriceLimits,
        stop: CancellationToken,
    ) -> Self {
        let watchers = Watchers::new(limits.streams_max, stop);
        Self { prices, alerts, limits, watchers }
    }
}

#[tonic::async_trait]
impl PriceService for PriceApi {
    type WatchAlertsStream = Messages<WatchAlertsResponse>;

    async fn list_symbols(
        &self,
        request: Request<ListSymbolsRequest>,
    ) -> Result<Response<ListSymbolsResponse>, Status> {
        let answer = list_symbols(&self.prices, request.get_ref()).await;
        answer.map(Response::new).map_err(to_status)
    }

    async fn list_prices(
        &self,
        request: Request<ListPricesRequest>,
    ) -> Result<Response<ListPricesResponse>, Status> {
        let answer = list_prices(&self.prices, self.limits, request.get_ref()).await;
        answer.map(Response::new).map_err(to_status)
    }

    async fn rank_symbols(
        &self,
        request: Request<RankSymbolsRequest>,
    ) -> Result<Response<RankSymbolsResponse>, Status> {
        let answer = rank_symbols(&self.prices, self.limits, request.get_ref()).await;
        answer.map(Response::new).map_err(to_status)
    }

    async fn create_alert_rule(
        &self,
        request: Request<CreateAlertRuleRequest>,
    ) -> Result<Response<CreateAlertRuleResponse>, Status> {
        let by = identity(&request)?;
        let answer = create_alert_rule(&self.alerts, request.get_ref(), &by).await;
        answer.map(Response::new).map_err(to_status)
    }

    async fn list_alert_rules(
        &self,
        request: Request<ListAlertRulesRequest>,
    ) -> Result<Response<ListAlertRulesResponse>, Status> {
        let (scope, bytes_max) = (identity(&request)?.scope, self.limits.response_bytes_max);
        let answer = list_alert_rules(&self.alerts, bytes_max, request.get_ref(), scope).await;
        answer.map(Response::new).map_err(to_status)
    }

    async fn update_alert_rule(
        &self,
        request: Request<UpdateAlertRuleRequest>,
    ) -> Result<Response<UpdateAlertRuleResponse>, Status> {
        let by = identity(&request)?;
        let answer = update_alert_rule(&self.alerts, request.get_ref(), &by).await;
        answer.map(Response::new).map_err(to_status)
    }

    async fn delete_alert_rule(
        &self,
        request: Request<DeleteAlertRuleRequest>,
    ) -> Result<Response<DeleteAlertRuleResponse>, Status> {
        let by = identity(&request)?;
        let answer = delete_alert_rule(&self.alerts, request.get_ref(), &by).await;
        answer.map(Response::new).map_err(to_status)
    }

    async fn watch_alerts(
        &self,
        request: Request<WatchAlertsRequest>,
    ) -> Result<Response<Self::WatchAlertsStream>, Status> {
        watch_alerts(self, &request).await.map(Response::new)
    }

    async fn list_alert_deliveries(
        &self,
        request: Request<ListAlertDeliveriesRequest>,
    ) -> Result<Response<ListAlertDeliveriesResponse>, Status> {
        let (scope, bytes_max) = (identity(&request)?.scope, self.limits.response_bytes_max);
        let answer = list_alert_deliveries(&self.alerts, bytes_max, request.get_ref(), scope).await;
        answer.map(Response::new).map_err(to_status)
    }

    async fn retry_alert_delivery(
        &self,
        request: Request<RetryAlertDeliveryRequest>,
    ) -> Result<Response<RetryAlertDeliveryResponse>, Status> {
        let scope = identity(&request)?.scope;
        let answer = retry_alert_delivery(&self.alerts, request.get_ref(), scope).await;
        answer.map(Response::new).map_err(to_status)
    }
}
