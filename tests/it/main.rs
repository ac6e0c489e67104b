//! Every integration test, in one binary.
#![allow(clippy::unwrap_used, reason = "an unwrap that fails is a test that fails")]

mod absent_days;
mod batch_sum_amount;
mod bench;
mod binary_values;
mod cluster;
mod deadlines;
mod get_balance;
mod get_status;
mod health;
mod histogram;
mod invalid_requests;
mod ledger_rules;
mod list_users;
mod migrate;
mod oracle;
mod outages;
mod page_tokens;
mod partitions;
mod partman_versions;
mod process;
mod query_plans;
mod rank;
mod retention;
mod rights;
mod scheduler;
mod seed;
mod seed_kills;
mod snapshots;
mod stops;
mod sum_amount;
mod sum_series;
mod support;
mod tidy;
mod transactions_service;
mod transport;
