//! The gRPC edge: decode, call, encode. Generated types stop here.
//!
//! A request passes `accept` and `connections` (who may connect, and in which protocol),
//! `request_layer` (request id, deadline, panics, log), `admission` (who asks, and whether
//! `policy` lets them), then the service of its rpc; the rpc's own file checks the fields, calls
//! one function of `analytics` or `ledger`, and writes the answer. What comes in another form than
//! gRPC is brought into it by what `serve` is given to put around.

pub mod accept;
mod add_wallet;
pub mod admission;
mod alert_settings;
pub mod analytics_service;
mod batch_sum_amount;
pub mod call_counts;
pub mod connections;
mod coverage;
mod create_alert_rule;
mod create_asset;
mod create_user;
pub mod deadline;
pub mod decode;
mod delete_alert_rule;
mod delete_transaction;
mod delete_user;
mod explanation;
mod flood;
mod gather;
mod get_balance;
mod get_status;
mod get_token;
mod get_transaction;
mod get_user;
pub mod health;
mod histogram;
pub mod ingest_service;
pub mod ledger_service;
mod list_accounts;
mod list_alert_deliveries;
mod list_alert_rules;
mod list_assets;
mod list_holders;
mod list_prices;
mod list_symbols;
mod list_sync_jobs;
mod list_transactions;
mod list_transfers;
mod list_users;
mod list_wallet_users;
mod list_wallets;
mod meters;
mod neighbours;
pub mod page;
pub mod page_token;
mod places;
pub mod policy;
pub mod price_service;
mod protocol;
mod rank;
mod rank_symbols;
pub mod rates;
mod record_prices;
mod record_transaction;
mod record_transactions;
mod recording;
mod remove_wallet;
pub mod request_layer;
mod request_log;
pub mod serve;
pub mod status;
pub mod status_service;
mod sum_amount;
mod sum_series;
mod sync_job;
pub mod sync_service;
mod sync_token;
mod sync_wallet;
pub mod tls;
pub mod token_service;
mod transaction;
pub mod transactions_service;
mod turns;
mod update_alert_rule;
pub mod violations;
mod waiting;
mod watch_alerts;
mod watch_overview;
mod watch_sync_job;
pub mod watchers;

/// Types generated from the contracts under `proto/`.
pub mod pb {
    #![allow(
        missing_docs,
        unreachable_pub,
        clippy::all,
        clippy::pedantic,
        clippy::restriction,
        reason = "generated; the contracts hold the documentation"
    )]

    /// Daybook's own API.
    pub mod v1 {
        tonic::include_proto!("daybook.v1");
    }

    /// The contract of the Python service that Daybook takes the place of.
    pub mod transactions_service {
        tonic::include_proto!("transactions_service");
    }

    /// Descriptors of all contracts, comments included, as reflection serves them.
    pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
}
