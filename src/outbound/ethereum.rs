//! Sources of Ethereum and of chains like it: nodes asked by JSON-RPC, and explorers that speak
//! Etherscan's dialect.
//!
//! Every method is one HTTP call, whose turn the caller has taken. Nothing is tried again here,
//! and no range is split: `sync` does both.

mod block_reader;
mod envelope;
mod explorer;
mod log_reader;
mod node;

pub use self::{explorer::Explorer, node::Node};
use crate::{
    domain::erc20::{Word, abi, refusals::Advice},
    outbound::source_error::SourceError,
};

/// What a token says of itself. All of it is optional, and none of it is to be trusted.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TokenFacts {
    /// Decimals of its amounts.
    pub decimals: Option<u8>,
    /// Its code.
    pub symbol: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// All there is of it, in its smallest unit.
    pub total_supply: Option<Word>,
}

impl TokenFacts {
    /// The calls that tell them, in the order in which they are read.
    pub const CALLS: [&str; 4] = [abi::DECIMALS, abi::SYMBOL, abi::NAME, abi::TOTAL_SUPPLY];

    /// Reads what the calls returned; nothing where the contract has no such function.
    #[must_use]
    pub fn read(returned: &[Vec<u8>]) -> Self {
        let of = |place: usize| returned.get(place).map_or(&[][..], Vec::as_slice);
        let decimals = abi::number(of(0)).and_then(|word| word.to_u64());
        Self {
            decimals: decimals.and_then(|decimals| u8::try_from(decimals).ok()),
            symbol: abi::text(of(1)),
            name: abi::text(of(2)),
            total_supply: abi::number(of(3)),
        }
    }
}

/// Why there are no logs.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum LogsError {
    /// The range has too many blocks or too many logs.
    #[error("does not answer so much at once: {why}")]
    TooMuch {
        /// Which ranges would be answered, as far as the source says.
        advice: Advice,
        /// Its words.
        why: String,
    },
    /// Another reason.
    #[error(transparent)]
    Source(SourceError),
}

impl From<SourceError> for LogsError {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::TooMuch(why) => Self::TooMuch { advice: Advice::default(), why },
            other @ (SourceError::RateLimited { .. }
            | SourceError::QuotaUsedUp { .. }
            | SourceError::Forbidden(_)
            | SourceError::Unavailable { .. }
            | SourceError::Ahead(_)
            | SourceError::UnknownPlace(_)
            | SourceError::Unsupported(_)
            | SourceError::Malformed(_)) => Self::Source(other),
        }
    }
}
