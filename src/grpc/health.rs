//! The health protocol (`grpc.health.v1`), fed by what the workers find.

use tokio::sync::watch;
use tonic::server::NamedService;
use tonic_health::{
    ServingStatus,
    pb::health_server::{Health, HealthServer},
    server::{HealthReporter, health_reporter},
};

use crate::grpc::pb::{
    transactions_service::transactions_server::TransactionsServer,
    v1::{
        analytics_service_server::AnalyticsServiceServer,
        ledger_service_server::LedgerServiceServer, price_service_server::PriceServiceServer,
        status_service_server::StatusServiceServer, sync_service_server::SyncServiceServer,
        token_service_server::TokenServiceServer,
    },
};

/// Services that have a status of their own besides the server's, which has no name.
fn service_names() -> [&'static str; 8] {
    [
        "",
        <AnalyticsServiceServer<super::analytics_service::AnalyticsApi> as NamedService>::NAME,
        <LedgerServiceServer<super::ledger_service::LedgerApi> as NamedService>::NAME,
        <PriceServiceServer<super::price_service::PriceApi> as NamedService>::NAME,
        <StatusServiceServer<super::status_service::StatusApi> as NamedService>::NAME,
        <SyncServiceServer<super::sync_service::SyncApi> as NamedService>::NAME,
        <TokenServiceServer<super::token_service::TokenApi> as NamedService>::NAME,
        <TransactionsServer<super::transactions_service::TransactionsApi> as NamedService>::NAME,
    ]
}

/// The health service, not serving until told otherwise, and its reporter.
pub async fn health() -> (HealthReporter, HealthServer<impl Health>) {
    let (reporter, server) = health_reporter();
    set(&reporter, false).await;
    (reporter, server)
}

/// Reports what `is_serving` says until its sender is gone, then not serving; and ends
/// the streams of those who watch, which would otherwise hold up a graceful stop.
pub async fn follow(mut reporter: HealthReporter, mut is_serving: watch::Receiver<bool>) {
    loop {
        let now = *is_serving.borrow_and_update();
        set(&reporter, now).await;
        if is_serving.changed().await.is_err() {
            set(&reporter, false).await;
            for name in service_names() {
                reporter.clear_service_status(name).await;
            }
            // Who asks once, on a connection that drains, is told and not puzzled.
            set(&reporter, false).await;
            return;
        }
    }
}

async fn set(reporter: &HealthReporter, is_serving: bool) {
    let status = if is_serving { ServingStatus::Serving } else { ServingStatus::NotServing };
    for name in service_names() {
        reporter.set_service_status(name, status).await;
    }
}
