//! `daybook.v1.PriceService`: the index of its rpcs.

use tonic::{Request, Response, Status};

use crate::{
    grpc::{
        list_prices::list_prices,
        list_symbols::list_symbols,
        pb::v1::{
            ListPricesRequest, ListPricesResponse, ListSymbolsRequest, ListSymbolsResponse,
            RankSymbolsRequest, RankSymbolsResponse, price_service_server::PriceService,
        },
        rank_symbols::rank_symbols,
        status::to_status,
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
}

/// Serves `PriceService`.
#[derive(Clone)]
pub struct PriceApi {
    prices: Prices,
    limits: PriceLimits,
}

impl PriceApi {
    /// Serves these prices.
    #[must_use]
    pub fn new(prices: Prices, limits: PriceLimits) -> Self {
        Self { prices, limits }
    }
}

#[tonic::async_trait]
impl PriceService for PriceApi {
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
}
