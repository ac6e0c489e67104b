//! Values and rules of the field, without any I/O: what every other level
//! speaks in. Parsing happens here once; a value that exists is valid.

pub mod access;
pub mod account;
pub mod alert;
pub mod asset;
pub mod bitcoin;
pub mod buckets;
pub mod chain;
pub mod coverage;
pub mod decimal;
pub mod direction;
pub mod erc20;
pub mod explanation;
pub mod hex;
pub mod holders;
pub mod job;
pub mod metric;
pub mod price;
pub mod ranking;
pub mod recorded_transaction;
pub mod refusal;
pub mod running_total;
pub mod token;
pub mod transaction;
pub mod user;
pub mod wallet;
pub mod window;
