//! Settings of the price feed: from which exchange prices are taken, if from any.

use clap::{Args, ValueEnum};

/// Prices taken from an exchange.
#[derive(Args, Clone, Debug)]
pub struct FeedSettings {
    /// Exchange whose prices are recorded, minute by minute; with none, nothing is ever asked of
    /// any
    #[arg(long, env = "DAYBOOK_PRICE_SOURCE", value_enum, default_value_t = PriceSource::None)]
    pub price_source: PriceSource,

    /// Pairs whose prices are recorded, for example BTC-USD,ETH-USD
    #[arg(long, env = "DAYBOOK_PRICE_SYMBOLS", value_name = "PAIRS", value_delimiter = ',')]
    pub price_symbols: Vec<String>,

    /// Where the exchange is asked [default: its documented address]
    #[arg(long, env = "DAYBOOK_PRICE_SOURCE_URL", value_name = "URL")]
    pub price_source_url: Option<String>,

    /// How far back minutes that are missing are asked for, in hours; Kraken answers for 12 at most
    #[arg(long, env = "DAYBOOK_PRICE_BACKFILL_HOURS", default_value_t = 24, value_name = "HOURS")]
    pub price_backfill_hours: u32,
}

/// Exchange that prices are taken from.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum PriceSource {
    /// None: no prices are taken.
    None,
    /// Kraken, spot.
    Kraken,
    /// Coinbase Exchange.
    Coinbase,
    /// Binance, spot.
    Binance,
}
