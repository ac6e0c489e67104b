//! What several integration tests need.

pub(crate) mod cluster;
pub(crate) mod exchanges;
pub(crate) mod ledger;
pub(crate) mod not_run;
pub(crate) mod oracle;
pub(crate) mod proxy;
pub(crate) mod random;
pub(crate) mod raw;
pub(crate) mod receiver;
pub(crate) mod records;
pub(crate) mod rows;
pub(crate) mod schema;
pub(crate) mod service;
pub(crate) mod slow;
pub(crate) mod token;
pub(crate) mod totals;
pub(crate) mod upload;
