//! Settings of syncing: which chains, from which sources, how often.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Deserialize;

/// Wallets and tokens synced from chains.
#[derive(Args, Clone, Debug)]
pub struct SyncSettings {
    /// File that names the chains to sync and the sources to ask, in TOML; with none, nothing is
    /// ever asked of any
    #[arg(long, env = "DAYBOOK_CHAINS_FILE", value_name = "FILE")]
    pub chains_file: Option<PathBuf>,

    /// Jobs of each network that this process works at side by side; with 0 it leaves them to
    /// others, like `daybook work`
    #[arg(long, env = "DAYBOOK_SYNC_WORKERS", default_value_t = 2, value_name = "COUNT")]
    pub sync_workers: u16,

    /// How often wallets that somebody tracks, and tokens that are followed, are synced, in
    /// seconds; 0 syncs them only when asked
    #[arg(
        long,
        env = "DAYBOOK_SYNC_INTERVAL_SECONDS",
        default_value_t = 600,
        value_name = "SECONDS"
    )]
    pub sync_interval_seconds: u32,

    /// How long after a sync a request for another one is answered with the last one, in seconds
    #[arg(
        long,
        env = "DAYBOOK_SYNC_COOLDOWN_SECONDS",
        default_value_t = 30,
        value_name = "SECONDS"
    )]
    pub sync_cooldown_seconds: u32,

    /// Age from which on a wallet that somebody reads is synced, in seconds; 0 lets reads ask for
    /// nothing
    #[arg(
        long,
        env = "DAYBOOK_SYNC_STALE_AFTER_SECONDS",
        default_value_t = 0,
        value_name = "SECONDS"
    )]
    pub sync_stale_after_seconds: u32,

    /// How long a worker that has gone silent keeps its job, in seconds
    #[arg(long, env = "DAYBOOK_SYNC_LEASE_SECONDS", default_value_t = 60, value_name = "SECONDS")]
    pub sync_lease_seconds: u32,

    /// Tries in a row without anything recorded after which a job waits until somebody asks for it
    #[arg(long, env = "DAYBOOK_SYNC_ATTEMPTS_MAX", default_value_t = 10, value_name = "COUNT")]
    pub sync_attempts_max: u16,

    /// Most streams that watch jobs at once
    #[arg(long, env = "DAYBOOK_SYNC_STREAMS_MAX", default_value_t = 100, value_name = "COUNT")]
    pub sync_streams_max: usize,

    /// Days after which jobs that are over are forgotten; 0 keeps them for ever
    #[arg(long, env = "DAYBOOK_SYNC_KEEP_DAYS", default_value_t = 30, value_name = "DAYS")]
    pub sync_keep_days: u32,
}

/// The file of --chains-file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainsFile {
    /// Networks that are synced.
    #[serde(default, rename = "network")]
    pub networks: Vec<ChainNetwork>,
}

/// A network that is synced.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainNetwork {
    /// Its name: `bitcoin`, `bitcoin-regtest`, `ethereum`, `evm-137`.
    pub name: String,
    /// Code of the asset that its coin is [default: `BTC` on `bitcoin`, else `BTC-` and the rest of
    /// the name].
    pub coin: Option<String>,
    /// Blocks on top of one after which it is not taken back any more [default: 6 for Bitcoin, 64
    /// for Ethereum].
    pub finality: Option<u32>,
    /// Where it is asked, the first one that can be.
    #[serde(default, rename = "source")]
    pub sources: Vec<ChainSource>,
}

/// A source of a network.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainSource {
    /// Its name, unique in the file; limits are kept by it.
    pub name: String,
    /// What it speaks.
    pub kind: SourceKind,
    /// Where it is asked; `{key}` stands for a key.
    pub url: String,
    /// Its keys, each with limits of its own.
    #[serde(default)]
    pub keys: Vec<String>,
    /// File with one key a line.
    pub keys_file: Option<PathBuf>,
    /// Calls a second and key, or units if `cost` says so.
    pub per_second: f64,
    /// Calls a day (UTC) and key, or units if `cost` says so [default: no end of them].
    pub per_day: Option<u32>,
    /// Units that a call costs [default: 1].
    pub cost: Option<u32>,
    /// Most blocks of one question about logs [default: found out].
    pub blocks_max: Option<u32>,
}

/// What a source speaks.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum SourceKind {
    /// Esplora, as Blockstream runs it.
    Esplora,
    /// Esplora, as mempool.space has changed it.
    Mempool,
    /// blockchain.info.
    BlockchainInfo,
    /// JSON-RPC of a node of Ethereum.
    Rpc,
    /// Etherscan, version 2.
    Etherscan,
}
