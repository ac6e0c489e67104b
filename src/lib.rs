//! Daybook: exact time-window analytics on money movements in Postgres, over gRPC.
//!
//! One crate, five levels; imports go down only. `ARCHITECTURE.md` has the map.

pub mod config;
