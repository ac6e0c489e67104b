//! Every integration test, in one binary.
#![allow(clippy::unwrap_used, reason = "an unwrap that fails is a test that fails")]

mod binary_values;
mod cluster;
mod ledger_rules;
mod migrate;
mod partitions;
mod partman_versions;
mod query_plans;
mod scheduler;
mod seed;
mod sum_amount;
mod support;
