//! Tokens by the standard ERC-20: what a transfer looks like in a chain's logs, and in which
//! ranges of blocks to ask for them.
//!
//! Pure. The clients in `outbound` read logs with it, `sync` plans by it. The standard:
//! <https://eips.ethereum.org/EIPS/eip-20>. Balances are not its business: a token may change
//! them without a transfer.

pub mod abi;
pub mod bloom;
pub mod logs;
pub mod pages;
pub mod ranges;
pub mod refusals;

use std::fmt;

use num_bigint::{BigInt, Sign};

use crate::domain::{decimal::Decimal, hex};

/// First topic of every transfer: the digest of `Transfer(address,address,uint256)`.
pub const TRANSFER_TOPIC: &str =
    "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef";

/// The same as bytes.
const TRANSFER_DIGEST: [u8; 32] = [
    0xdd, 0xf2, 0x52, 0xad, 0x1b, 0xe2, 0xc8, 0x9b, 0x69, 0xc2, 0xb0, 0x68, 0xfc, 0x37, 0x8d, 0xaa,
    0x95, 0x2b, 0xa7, 0xf1, 0x63, 0xc4, 0xa1, 0x16, 0x28, 0xf5, 0x5a, 0x4d, 0xf5, 0x23, 0xb3, 0xef,
];

/// A number of 32 bytes, the biggest first: an amount, before it is known how many decimals the
/// token has.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Word(pub [u8; 32]);

impl Word {
    /// The amount in whole units of a token with so many decimals, exactly.
    #[must_use]
    pub fn to_decimal(&self, decimals: u32) -> Decimal {
        Decimal::new(BigInt::from_bytes_be(Sign::Plus, &self.0), decimals)
    }

    /// The number, if it is so small.
    #[must_use]
    pub fn to_u64(&self) -> Option<u64> {
        let (high, low) = self.0.split_at(24);
        let low: [u8; 8] = low.try_into().ok()?;
        high.iter().all(|&byte| byte == 0).then(|| u64::from_be_bytes(low))
    }
}

/// The digest that names a block or a transaction of a chain.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// Reads `0x` and 64 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        hex::fixed(text).map(Self)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::text(&self.0))
    }
}

/// An address of a chain.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Address(pub [u8; 20]);

impl Address {
    /// Whom new tokens come from and destroyed ones go to.
    pub const ZERO: Self = Self([0; 20]);

    /// Reads `0x` and 40 hexadecimal digits, whatever their case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        hex::fixed(text).map(Self)
    }

    /// The address in a word of 32 bytes: the last twenty, the others being zero.
    #[must_use]
    pub fn from_word(word: &Word) -> Option<Self> {
        let (padding, address) = word.0.split_at(12);
        let address = address.try_into().ok()?;
        padding.iter().all(|&byte| byte == 0).then_some(Self(address))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::text(&self.0))
    }
}

/// Tokens moved from one address to another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Transfer {
    /// Who had them; the zero address where they were made.
    pub sender: Address,
    /// Who has them; the zero address where they were destroyed.
    pub receiver: Address,
    /// How many, in the token's smallest unit.
    pub amount: Word,
}

/// What a log with the topic of a transfer turned out to be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Event {
    /// A transfer of this standard.
    Transfer(Transfer),
    /// One of ERC-721, which has the same first topic and names the thing that was moved in a
    /// fourth: there is no amount.
    NotFungible,
    /// Neither.
    Malformed,
}

impl Event {
    /// Reads a log's topics and data, written in hexadecimal digits.
    #[must_use]
    pub fn read(topics: &[&str], data: &str) -> Self {
        let is_transfer =
            topics.first().and_then(|topic| hex::fixed(topic)) == Some(TRANSFER_DIGEST);
        match (is_transfer, topics) {
            (true, [_, sender, receiver]) => {
                transfer(sender, receiver, data).map_or(Self::Malformed, Self::Transfer)
            }
            (true, [_, _, _, _]) => Self::NotFungible,
            (true | false, _) => Self::Malformed,
        }
    }
}

fn transfer(sender: &str, receiver: &str, data: &str) -> Option<Transfer> {
    let address = |topic: &str| Address::from_word(&hex::fixed(topic).map(Word)?);
    Some(Transfer {
        sender: address(sender)?,
        receiver: address(receiver)?,
        amount: hex::fixed(data).map(Word)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENDER: &str = "0x00000000000000000000000052908400098527886e0f7030069857d2e4169ee7";
    const NOBODY: &str = "0x0000000000000000000000000000000000000000000000000000000000000000";
    const MOST: &str = "0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";

    #[test]
    fn a_transfer_has_three_topics_and_one_word() {
        let event = Event::read(&[TRANSFER_TOPIC, SENDER, NOBODY], MOST);
        let sender = Address::parse("0x52908400098527886E0F7030069857D2E4169EE7").expect("right");
        let amount = Word([0xff; 32]);
        assert_eq!(event, Event::Transfer(Transfer { sender, receiver: Address::ZERO, amount }));
        assert_eq!(sender.to_string(), "0x52908400098527886e0f7030069857d2e4169ee7");
    }

    #[test]
    fn what_is_no_transfer_is_told_apart() {
        let topics = [TRANSFER_TOPIC, SENDER, NOBODY, MOST];
        assert_eq!(Event::read(&topics, "0x"), Event::NotFungible);
        for (topics, data) in [
            (&topics[..3], "0x"),
            (&topics[..3], &MOST[..64]),
            (&topics[..3], &format!("{MOST}00")[..]),
            (&topics[..2], MOST),
            (&topics[..1], MOST),
            (&[][..], MOST),
            (&[MOST, SENDER, NOBODY][..], MOST),
            (&[TRANSFER_TOPIC, MOST, NOBODY][..], MOST),
            (&[TRANSFER_TOPIC, SENDER, "0x00"][..], MOST),
            (&topics[..3], &MOST.replace("0xf", "0xg")[..]),
            (&topics[..3], &"é".repeat(33)[..]),
        ] {
            assert_eq!(Event::read(topics, data), Event::Malformed, "{topics:?} {data}");
        }
    }

    #[test]
    fn amounts_are_exact_whatever_the_decimals() {
        let most = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
        assert_eq!(Word([0xff; 32]).to_decimal(0).to_string(), most);
        let (whole, fraction) = most.split_at(most.len() - 18);
        assert_eq!(Word([0xff; 32]).to_decimal(18).to_string(), format!("{whole}.{fraction}"));
        let mut one = [0; 32];
        one[31] = 1;
        assert_eq!(Word(one).to_decimal(18).to_string(), "0.000000000000000001");
        assert_eq!(Word(one).to_u64(), Some(1));
        assert_eq!(Word([0xff; 32]).to_u64(), None);
        assert_eq!(Word::default().to_decimal(18), Decimal::zero());
    }
}
