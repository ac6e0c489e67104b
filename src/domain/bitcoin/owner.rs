//! To whom coins of Bitcoin belong.

use sha2::{Digest, Sha256};

use crate::domain::{
    account::{AccountKey, Address, AddressError, Network},
    hex,
};

/// Who sends or receives in a row of a chain of Bitcoin. The order is that of rows.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Owner {
    /// An address, as it is recorded.
    Address(Address),
    /// Whoever can fulfil a script that no address stands for, by the SHA-256 of the script.
    Script([u8; 32]),
    /// Where everything that one transaction of the chain moves comes together; it keeps nothing.
    Hub,
    /// What miners were paid.
    Fees,
    /// Where new coins and collected fees come from.
    Coinbase,
}

impl Owner {
    /// Whose an output with this script is. It depends on nothing but the script and the network,
    /// so that all sources agree.
    #[must_use]
    pub fn of_script(network: &Network, script: &[u8]) -> Self {
        match network.address_of_script(script) {
            Some(address) => Self::Address(address),
            None => Self::Script(Sha256::digest(script).into()),
        }
    }

    /// Its address as an account's: `hub`, `fees`, `coinbase`, `script:` and 64 digits, or the
    /// address.
    #[must_use]
    pub fn address(&self) -> String {
        match self {
            Self::Address(address) => address.as_str().to_owned(),
            Self::Script(digest) => format!("script:{}", hex::bare_text(digest)),
            Self::Hub => "hub".to_owned(),
            Self::Fees => "fees".to_owned(),
            Self::Coinbase => "coinbase".to_owned(),
        }
    }

    /// Its account.
    ///
    /// # Errors
    /// If the network does not have such accounts.
    pub fn account(&self, network: &Network) -> Result<AccountKey, AddressError> {
        AccountKey::on(network, &self.address())
    }
}
