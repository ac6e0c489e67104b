//! Postgres: connections, and one function for each statement or tx.
//!
//! Nothing here decides anything. Statements are files under `sql/queries/`;
//! values are bound, never written into text (`leaf.rs` is the one exception,
//! for quoted partition names from the catalog). Rows stop here: callers get
//! values of `domain`.

pub mod access_tokens;
pub mod account_assets;
pub mod account_ids;
mod accounts;
pub mod add_wallet;
pub mod alert_deliveries;
pub mod alert_events;
pub mod alert_rules;
pub mod alert_silences;
mod alert_step;
pub mod assets;
pub mod audit;
pub mod audit_log;
pub mod binary_copy;
pub mod content_hash;
pub mod coverage;
pub mod create_asset;
pub mod create_user;
pub mod damage;
mod day_sums;
pub mod days;
pub mod delete_transaction;
pub mod delete_user;
pub mod error;
pub mod export;
pub mod feeds;
pub mod fold_prices;
pub mod get_balance;
pub mod get_status;
pub mod get_transaction;
pub mod get_user;
pub mod histogram;
pub mod instant;
mod lane;
pub mod leaf;
pub mod list_accounts;
pub mod list_assets;
pub mod list_holders;
pub mod list_transactions;
pub mod list_users;
pub mod list_wallet_users;
pub mod list_wallets;
pub mod migrate;
pub mod numeric;
pub mod partitions;
pub mod pool;
pub mod postgres_tls;
mod price_cells;
pub mod price_totals;
pub mod prices;
pub mod rank;
pub mod record_prices;
pub mod record_transactions;
pub mod remove_wallet;
pub mod sealing;
pub mod seed;
pub mod selftest;
pub mod server_facts;
pub mod session;
pub mod shared_sums;
pub mod statement;
pub mod sum_amount;
pub mod sum_series;
pub mod symbols;
pub mod sync_bitcoin;
pub mod sync_blocks;
pub mod sync_jobs;
pub mod sync_sources;
pub mod sync_streams;
pub mod sync_wallets;
pub mod token_checks;
pub mod tokens;
mod transaction;
pub mod tx;
mod users;
pub mod verifier;

pub use error::{StoreError, StoreErrorKind};
pub use pool::{Database, DatabaseTarget, Reader};
pub use session::Snapshot;
/// A connection of one's own, outside the pool.
pub use tokio_postgres::Client as Connection;
