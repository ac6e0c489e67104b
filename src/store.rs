//! Postgres: connections, and one function for each statement or tx.
//!
//! Nothing here decides anything. Statements are files under `sql/queries/`;
//! values are bound, never written into text (`leaf.rs` is the one exception,
//! for quoted partition names from the catalog). Rows stop here: callers get
//! values of `domain`.

pub mod account_ids;
pub mod assets;
pub mod audit;
pub mod binary_copy;
pub mod content_hash;
mod day_sums;
pub mod days;
pub mod error;
pub mod get_balance;
pub mod get_status;
pub mod histogram;
pub mod instant;
pub mod leaf;
pub mod list_users;
pub mod migrate;
pub mod numeric;
pub mod partitions;
pub mod pool;
pub mod rank;
pub mod record_transactions;
pub mod sealing;
pub mod seed;
pub mod selftest;
pub mod server_facts;
pub mod session;
pub mod shared_sums;
pub mod statement;
pub mod sum_amount;
pub mod sum_series;
pub mod tx;
pub mod verifier;

pub use error::{StoreError, StoreErrorKind};
pub use pool::{Database, DatabaseTarget, Reader};
pub use session::Snapshot;
/// A connection of one's own, outside the pool.
pub use tokio_postgres::Client as Connection;
