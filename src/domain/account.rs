//! Accounts: what sends and receives.
//!
//! An account is known by its network and its address. Networks that Daybook knows have
//! their addresses checked and written in one way, so that one address is one account.

mod bitcoin;
mod ethereum;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::user::parse_user_uuid;

/// Network of users' payments accounts; their address is the user's UUID.
pub const INTERNAL_NETWORK: &str = "internal";

/// Longest name of a network, in characters.
pub const NETWORK_LENGTH_MAX: usize = 64;

/// Longest address, in characters.
pub const ADDRESS_LENGTH_MAX: usize = 256;

/// What kind of network it is, which says how its addresses are written and what can be synced.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NetworkKind {
    /// One of Bitcoin's chains.
    Bitcoin,
    /// A chain of Ethereum's kind: `ethereum`, or `evm-` and its number.
    Ethereum {
        /// Its number (EIP-155).
        chain_id: u64,
    },
    /// No chain that Daybook knows.
    Other,
}

/// The name of a network: lower-case letters, digits and hyphens.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Network(String);

impl Network {
    /// Reads a network's name. `None` if it is not 1 to 64 lower-case letters,
    /// digits and hyphens.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let is_slug = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        let fits = (1..=NETWORK_LENGTH_MAX).contains(&name.len());
        (fits && name.bytes().all(is_slug)).then(|| Self(name.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether everybody can see what its addresses move: public chains.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.kind() != NetworkKind::Other
    }

    /// What kind of network it is.
    #[must_use]
    pub fn kind(&self) -> NetworkKind {
        if bitcoin::chain(self.as_str()).is_some() {
            return NetworkKind::Bitcoin;
        }
        match ethereum::chain_id(self.as_str()) {
            Some(chain_id) => NetworkKind::Ethereum { chain_id },
            None => NetworkKind::Other,
        }
    }

    /// The address that an output with this script pays to, on one of Bitcoin's chains; `None`
    /// where no address stands for the script, and on any other network.
    #[must_use]
    pub fn address_of_script(&self, script: &[u8]) -> Option<Address> {
        bitcoin::script::address(bitcoin::chain(self.as_str())?, script).map(Address)
    }

    /// Whether an address of it stands for none: see [`AccountKey::is_system`].
    #[must_use]
    pub fn is_system(&self, address: &str) -> bool {
        self.kind() == NetworkKind::Bitcoin && bitcoin::is_system(address)
    }

    /// What recorded addresses begin with that begin like this, however it is written.
    #[must_use]
    pub fn canonical_prefix(&self, text: &str) -> String {
        let is_any_case = match self.as_str() {
            INTERNAL_NETWORK => true,
            other if ethereum::chain_id(other).is_some() => true,
            other => {
                bitcoin::chain(other).is_some_and(|chain| bitcoin::is_segwit_like(chain, text))
            }
        };
        if is_any_case { text.to_ascii_lowercase() } else { text.to_owned() }
    }
}

/// An account as recorded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Account {
    /// Its key.
    pub key: AccountKey,
    /// When it was recorded.
    pub created_at: DateTime<Utc>,
}

/// An address on some network, 1 to 256 characters without ASCII control characters.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Address(String);

impl Address {
    /// Reads an address. `None` if it is empty, too long or holds control
    /// characters.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let length = text.chars().count();
        let fits = (1..=ADDRESS_LENGTH_MAX).contains(&length);
        (fits && !text.bytes().any(|byte| byte.is_ascii_control())).then(|| Self(text.to_owned()))
    }

    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is wrong with an address.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AddressError {
    /// Empty, too long, or with control characters.
    #[error("must be 1 to 256 characters, without control characters")]
    Text,
    /// Not a user's UUID, on the network of payments accounts.
    #[error("must be a user's UUID: the network internal has their payments accounts")]
    Internal,
    /// Not an address of Bitcoin's main chain.
    #[error(
        "must be an address of Bitcoin with its checksum right: base58 (1... or 3...) or segwit \
         (bc1...)"
    )]
    Bitcoin,
    /// Not an address of one of Bitcoin's chains for tests.
    #[error(
        "must be an address of Bitcoin's test chains with its checksum right: base58 (m..., n... \
         or 2...) or segwit (tb1...)"
    )]
    BitcoinTest,
    /// Not an address of a private chain of Bitcoin.
    #[error(
        "must be an address of a private Bitcoin chain with its checksum right: base58 (m..., \
         n... or 2...) or segwit (bcrt1...)"
    )]
    BitcoinRegression,
    /// Not an address of Ethereum.
    #[error("must be an address of Ethereum: 0x and 40 hexadecimal digits")]
    Ethereum,
    /// Letters of both cases that are not the checksum of the address.
    #[error(
        "is mistyped: its letters are not in the case of its checksum (EIP-55); all lower case is \
         taken without one"
    )]
    EthereumChecksum,
}

/// What is wrong with the key of an account.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AccountError {
    /// The network's name is none.
    #[error("network must be 1 to 64 lower-case letters, digits or hyphens")]
    Network,
    /// The address is none on that network.
    #[error("address {0}")]
    Address(AddressError),
}

/// An account by its natural key, written in the one way in which it is recorded.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct AccountKey {
    network: Network,
    address: Address,
}

impl AccountKey {
    /// The account of this network and address, however the address is written.
    ///
    /// On `internal` it is a UUID, kept in lower case with hyphens. On `bitcoin`,
    /// `bitcoin-testnet`, `bitcoin-testnet4`, `bitcoin-signet` and `bitcoin-regtest` it is a base58
    /// address, kept as it is, or a segwit one, kept in lower case. On `ethereum`, and on `evm-`
    /// and the number of a chain, it is kept in lower case too. Any other network takes any
    /// address, as it is.
    ///
    /// # Errors
    /// Says which part is wrong, and what would be right.
    pub fn canonical(network: &str, address: &str) -> Result<Self, AccountError> {
        let network = Network::parse(network).ok_or(AccountError::Network)?;
        Self::on(&network, address).map_err(AccountError::Address)
    }

    /// The account of an address on a known network, as [`Self::canonical`] has it.
    ///
    /// # Errors
    /// Says what an address of this network looks like.
    pub fn on(network: &Network, address: &str) -> Result<Self, AddressError> {
        let plain = Address::parse(address).ok_or(AddressError::Text)?;
        let address = match network.as_str() {
            INTERNAL_NETWORK => {
                Address(parse_user_uuid(address).ok_or(AddressError::Internal)?.to_string())
            }
            other if ethereum::chain_id(other).is_some() => Address(ethereum::canonical(address)?),
            other => match bitcoin::chain(other) {
                Some(chain) => Address(bitcoin::canonical(chain, address)?),
                None => plain,
            },
        };
        Ok(Self { network: network.clone(), address })
    }

    /// A user's payments account.
    #[must_use]
    pub fn payments(user_uuid: Uuid) -> Self {
        let network = Network(INTERNAL_NETWORK.to_owned());
        Self { network, address: Address(user_uuid.to_string()) }
    }

    /// The account of a recorded row, as it stands there.
    #[must_use]
    pub fn as_recorded(network: &str, address: &str) -> Option<Self> {
        Some(Self { network: Network::parse(network)?, address: Address::parse(address)? })
    }

    /// Whether it stands for no address: on Bitcoin's chains the accounts in which the rows of a
    /// transaction meet, and those of outputs without address.
    #[must_use]
    pub fn is_system(&self) -> bool {
        self.network.is_system(self.address.as_str())
    }

    /// The network that the address lives on.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The address.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_slugs() {
        for name in ["internal", "bank", "bitcoin-testnet4", "1"] {
            assert!(Network::parse(name).is_some(), "{name}");
        }
        for name in ["", "Bank", "a b", "ä", "a_b", &"x".repeat(65)] {
            assert!(Network::parse(name).is_none(), "{name}");
        }
    }

    #[test]
    fn addresses_have_no_control_characters() {
        assert!(Address::parse("0xAb").is_some());
        assert!(Address::parse("").is_none());
        assert!(Address::parse("a\0b").is_none());
        assert!(Address::parse(&"x".repeat(257)).is_none());
    }

    #[test]
    fn one_address_is_one_account() {
        for (network, texts, expected) in [
            (
                "internal",
                [
                    "67E55044-10B1-426F-9247-BB680E5FE0C8",
                    "67e5504410b1426f9247bb680e5fe0c8",
                    "67e55044-10b1-426f-9247-bb680e5fe0c8",
                ],
                "67e55044-10b1-426f-9247-bb680e5fe0c8",
            ),
            (
                "bitcoin",
                [
                    "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4",
                    "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
                    "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
                ],
                "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
            ),
            (
                "ethereum",
                [
                    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
                    "0x5AAEB6053F3E94C9B9A09F33669435E7EF1BEAED",
                    "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed",
                ],
                "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed",
            ),
        ] {
            for text in texts {
                let key = AccountKey::canonical(network, text).expect(text);
                assert_eq!(
                    (key.network().as_str(), key.address().as_str()),
                    (network, expected),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn other_networks_take_any_address_as_it_is() {
        for (network, address) in [
            ("bank", "CZ65 0800 0000 1920 0014 5399"),
            ("ethereum-sepolia", "0xAb"),
            ("bitcoin-cash", "bitcoincash:QPM2"),
            ("card", " Ä "),
        ] {
            let key = AccountKey::canonical(network, address).expect(address);
            assert_eq!((key.network().as_str(), key.address().as_str()), (network, address));
        }
    }

    #[test]
    fn prefixes_are_written_as_addresses_are() {
        for (network, text, expected) in [
            ("internal", "67E55044-10B1", "67e55044-10b1"),
            ("ethereum", "0x5aAeb6", "0x5aaeb6"),
            ("bitcoin", "BC1QW5", "bc1qw5"),
            ("bitcoin", "Bc1", "bc1"),
            ("bitcoin", "1A1zP1", "1A1zP1"),
            ("bitcoin", "TB1Q", "TB1Q"),
            ("bitcoin-signet", "TB1Q", "tb1q"),
            ("bank", "CZ65", "CZ65"),
            ("bank", "", ""),
        ] {
            let network = Network::parse(network).expect(network);
            assert_eq!(network.canonical_prefix(text), expected, "{text}");
        }
    }

    #[test]
    fn the_part_that_is_wrong_is_named() {
        let long = "x".repeat(257);
        for (network, address, expected) in [
            ("", "", AccountError::Network),
            ("Bank", "a", AccountError::Network),
            ("bank", "", AccountError::Address(AddressError::Text)),
            ("bitcoin", "a\0b", AccountError::Address(AddressError::Text)),
            ("ethereum", &long, AccountError::Address(AddressError::Text)),
            ("internal", "nobody", AccountError::Address(AddressError::Internal)),
            ("bitcoin", "nobody", AccountError::Address(AddressError::Bitcoin)),
            ("bitcoin-testnet4", "nobody", AccountError::Address(AddressError::BitcoinTest)),
            ("bitcoin-regtest", "nobody", AccountError::Address(AddressError::BitcoinRegression)),
            ("ethereum", "nobody", AccountError::Address(AddressError::Ethereum)),
        ] {
            assert_eq!(AccountKey::canonical(network, address), Err(expected), "{address}");
        }
    }
}
