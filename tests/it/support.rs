//! What several integration tests need.

pub(crate) mod anvil;
pub(crate) mod bitcoin_chain;
pub(crate) mod bitcoin_index;
pub(crate) mod bitcoin_life;
pub(crate) mod bitcoind;
pub(crate) mod cluster;
pub(crate) mod esplora;
pub(crate) mod esplora_answers;
pub(crate) mod exchanges;
pub(crate) mod ledger;
pub(crate) mod not_run;
pub(crate) mod oracle;
pub(crate) mod provider;
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
pub(crate) mod wallets;
