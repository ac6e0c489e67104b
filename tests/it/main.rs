//! Every integration test, in one binary.
#![allow(clippy::unwrap_used, reason = "an unwrap that fails is a test that fails")]

mod cluster;
mod partitions;
mod sum_amount;
mod support;
