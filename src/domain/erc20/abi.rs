//! Calls of a token's functions and what they return, in the contract ABI:
//! <https://docs.soliditylang.org/en/latest/abi-spec.html>.

use crate::domain::{
    erc20::{Address, Word},
    hex,
};

/// `totalSupply()`.
pub const TOTAL_SUPPLY: &str = "0x18160ddd";

/// `decimals()`, which a token need not have.
pub const DECIMALS: &str = "0x313ce567";

/// `symbol()`, which a token need not have.
pub const SYMBOL: &str = "0x95d89b41";

/// `name()`, which a token need not have.
pub const NAME: &str = "0x06fdde03";

/// `balanceOf(address)`, before the address.
const BALANCE_OF: &str = "0x70a08231";

/// Longest text that is read, in characters: longer ones are cut.
const TEXT_LENGTH_MAX: usize = 64;

/// The call `balanceOf(holder)`.
#[must_use]
pub fn balance_of(holder: &Address) -> String {
    let mut call = format!("{BALANCE_OF}{:0>24}", "");
    hex::append(&holder.0, &mut call);
    call
}

/// A number that a function returned: the first word. `None` if there is none, as where the
/// contract has no such function.
#[must_use]
pub fn number(returned: &[u8]) -> Option<Word> {
    returned.first_chunk().copied().map(Word)
}

/// A text that a function returned: a string, or, as tokens older than the standard have it, one
/// word filled up with zeros. `None` if it is neither, or empty. Control characters are left out.
#[must_use]
pub fn text(returned: &[u8]) -> Option<String> {
    let bytes = string(returned).or_else(|| word(returned))?;
    let text = String::from_utf8_lossy(bytes);
    let text: String = text.chars().filter(|c| !c.is_control()).take(TEXT_LENGTH_MAX).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// A string: where it begins, its length, its bytes, filled up to whole words.
fn string(returned: &[u8]) -> Option<&[u8]> {
    let small = |bytes: &[u8]| usize::try_from(number(bytes)?.to_u64()?).ok();
    let (length, bytes) = returned.get(small(returned)?..)?.split_at_checked(32)?;
    bytes.get(..small(length)?)
}

fn word(returned: &[u8]) -> Option<&[u8]> {
    let word: &[u8; 32] = returned.try_into().ok()?;
    let length = word.iter().position(|&byte| byte == 0).unwrap_or(word.len());
    Some(&word[..length])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn returned(words: &[&str]) -> Vec<u8> {
        hex::bytes(&format!("0x{}", words.concat())).expect("the test wrote digits")
    }

    const AT_32: &str = "0000000000000000000000000000000000000000000000000000000000000020";
    const FOUR: &str = "0000000000000000000000000000000000000000000000000000000000000004";
    const USDC: &str = "5553444300000000000000000000000000000000000000000000000000000000";
    const MOST: &str = "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";

    #[test]
    fn texts_are_strings_or_single_words() {
        for (words, expected) in [
            (&[AT_32, FOUR, USDC][..], Some("USDC")),
            (&[AT_32, FOUR, &USDC[..8]][..], Some("USDC")),
            (&[USDC][..], Some("USDC")),
            (&[AT_32, FOUR, &USDC[..6]][..], None),
            (&[AT_32, MOST, USDC][..], None),
            (&[MOST, FOUR, USDC][..], None),
            (&[AT_32, AT_32][..], None),
            (&[][..], None),
            (&["0000000000000000000000000000000000000000000000000000000000000000"][..], None),
        ] {
            assert_eq!(text(&returned(words)).as_deref(), expected, "{words:?}");
        }
        // A bell, and a byte that is no UTF-8.
        let odd = "07414b52ff000000000000000000000000000000000000000000000000000000";
        assert_eq!(text(&returned(&[AT_32, AT_32, odd])).as_deref(), Some("AKR\u{fffd}"));
    }

    #[test]
    fn a_missing_number_is_none() {
        assert_eq!(number(&returned(&[FOUR])).and_then(|word| word.to_u64()), Some(4));
        assert_eq!(number(&[]), None);
    }

    #[test]
    fn a_call_names_the_holder_in_a_word() {
        let holder = Address::parse("0x52908400098527886e0f7030069857d2e4169ee7").expect("right");
        assert_eq!(
            balance_of(&holder),
            "0x70a0823100000000000000000000000052908400098527886e0f7030069857d2e4169ee7"
        );
    }
}
