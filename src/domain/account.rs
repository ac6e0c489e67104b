//! Accounts: what sends and receives.

/// Network of users' payments accounts; their address is the user's UUID.
pub const INTERNAL_NETWORK: &str = "internal";

/// Longest name of a network, in characters.
pub const NETWORK_LENGTH_MAX: usize = 64;

/// Longest address, in characters.
pub const ADDRESS_LENGTH_MAX: usize = 256;

/// The name of a network: lower-case letters, digits and hyphens.
#[derive(Clone, Debug, Eq, PartialEq)]
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
}

/// An address on some network, 1 to 256 characters without ASCII control characters.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
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

/// An account by its natural key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AccountKey {
    /// The network that the address lives on.
    pub network: Network,
    /// The address.
    pub address: Address,
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
}
