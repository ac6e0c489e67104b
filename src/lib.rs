//! Daybook: exact time-window analytics on money movements in Postgres, over gRPC.
//!
//! One crate, five levels; imports go down only. `ARCHITECTURE.md` has the map.

pub mod access;
pub mod alerts;
pub mod analytics;
pub mod app;
pub mod ask;
pub mod bench;
pub mod cli;
pub mod client;
pub mod cluster;
pub mod config;
pub mod domain;
pub mod endpoint;
pub mod error;
pub mod feeds;
pub mod files;
pub mod grpc;
pub mod ingest;
pub mod ledger;
pub mod outbound;
pub mod prices;
pub mod seed;
pub mod selftest;
pub mod store;
pub mod sync;
pub mod telemetry;
pub mod tokens;
pub mod upkeep;
pub mod web;
pub mod workers;
