//! Tokens of chains of Ethereum's kind, as far as they are known: what a contract is called, how
//! far its transfers are recorded, and whether those explain what the contract says.
//!
//! What becomes of the transfers is `holders`'.

use chrono::{DateTime, Utc};

use crate::domain::{decimal::Decimal, job::JobState};

/// What mints come from and burns go to. It holds nothing: what it lacks is the supply.
pub const ZERO_ADDRESS: &str = "0x0000000000000000000000000000000000000000";

/// A token that is synced from a network.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Token {
    /// Key of its asset.
    pub asset_id: i32,
    /// Code of its asset.
    pub asset_code: String,
    /// The network.
    pub network: String,
    /// The address of its contract.
    pub contract: String,
    /// What its contract calls it; empty where it does not.
    pub name: String,
    /// What its contract calls a unit of it; empty where it does not.
    pub symbol: String,
    /// Decimals that one unit of it is divided into.
    pub decimals: u32,
    /// The account of [`ZERO_ADDRESS`], if it is recorded.
    pub zero_account_id: Option<i64>,
    /// How far it is recorded; `None` if nobody has asked for it yet.
    pub stream: Option<TokenStream>,
    /// The latest comparison with its contract.
    pub check: Option<TokenCheck>,
}

/// How far the transfers of a token are recorded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TokenStream {
    /// Its key.
    pub stream_id: i64,
    /// First block whose transfers are asked for.
    pub first_height: i64,
    /// Last block whose transfers are asked for; `None`: the head of the chain.
    pub last_height: Option<i64>,
    /// The last block whose transfers are recorded; `None` before the first.
    pub head: Option<KnownBlock>,
    /// Block up to which nothing is taken back any more; -1: none.
    pub final_height: i64,
    /// How often rows were taken back.
    pub generation: i64,
    /// Transfers that are recorded.
    pub transfer_count: i64,
    /// Events that look like transfers and are none.
    pub other_count: i64,
    /// When a job last reached the head.
    pub synced_at: Option<DateTime<Utc>>,
    /// The job that is at it or waits.
    pub job: Option<JobState>,
}

/// A block of which it is known when it was made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KnownBlock {
    /// Its height.
    pub height: i64,
    /// Its hash.
    pub hash: String,
    /// When it was made: its transfers are at this instant.
    pub mined_at: DateTime<Utc>,
}

/// A comparison of a token's rows with what its contract says, as of a block that is not taken
/// back any more.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TokenCheck {
    /// When it was made.
    pub checked_at: DateTime<Utc>,
    /// The block's height.
    pub height: i64,
    /// Balances that were compared.
    pub sampled: i32,
    /// Those of them that the contract has otherwise.
    pub differing: i32,
    /// What rows mint less what they burn.
    pub recorded_supply: Decimal,
    /// What the contract calls its supply; `None` where it does not say.
    pub contract_supply: Option<Decimal>,
}

/// Whether transfers explain what the contract says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TokenVerdict {
    /// Nothing was compared yet.
    Unknown,
    /// Everything that was compared is the same.
    Explained,
    /// Something differs: the contract changes balances without saying so (rebasing tokens, fees
    /// that are taken on the way, deposits that are no transfers), or transfers are missing.
    NotExplained,
}

impl TokenCheck {
    /// What it says.
    #[must_use]
    pub fn verdict(&self) -> TokenVerdict {
        let is_other_supply = |supply: &Decimal| *supply != self.recorded_supply;
        if self.differing > 0 || self.contract_supply.as_ref().is_some_and(is_other_supply) {
            TokenVerdict::NotExplained
        } else if self.sampled == 0 && self.contract_supply.is_none() {
            TokenVerdict::Unknown
        } else {
            TokenVerdict::Explained
        }
    }
}

impl Token {
    /// What the latest comparison says, if there was one.
    #[must_use]
    pub fn verdict(&self) -> TokenVerdict {
        self.check.as_ref().map_or(TokenVerdict::Unknown, TokenCheck::verdict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_difference_is_enough_and_nothing_compared_says_nothing() {
        let check = |sampled, differing, contract_supply: Option<i64>| TokenCheck {
            checked_at: DateTime::UNIX_EPOCH,
            height: 1,
            sampled,
            differing,
            recorded_supply: Decimal::from(100),
            contract_supply: contract_supply.map(Decimal::from),
        };
        for (sampled, differing, supply, expected) in [
            (0, 0, None, TokenVerdict::Unknown),
            (0, 0, Some(100), TokenVerdict::Explained),
            (5, 0, None, TokenVerdict::Explained),
            (5, 0, Some(100), TokenVerdict::Explained),
            (5, 1, Some(100), TokenVerdict::NotExplained),
            (5, 0, Some(101), TokenVerdict::NotExplained),
            (0, 0, Some(0), TokenVerdict::NotExplained),
        ] {
            let verdict = check(sampled, differing, supply).verdict();
            assert_eq!(verdict, expected, "{sampled} {differing} {supply:?}");
        }
    }
}
