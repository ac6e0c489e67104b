//! Addresses of Ethereum: 0x and twenty bytes in hexadecimal digits, whose case may hold a
//! checksum (EIP-55).

use sha3::{Digest, Keccak256};

use super::AddressError;

/// Name of the main network.
const NETWORK: &str = "ethereum";

/// Number of the main network.
const MAIN_CHAIN: u64 = 1;

/// What names of other networks begin with; their number (EIP-155) follows.
const PREFIX: &str = "evm-";

/// The number (EIP-155) of the chain that a network is; `None` for any other network. The main
/// network has one name only: with a second one its rows could be recorded twice.
pub(super) fn chain_id(network: &str) -> Option<u64> {
    if network == NETWORK {
        return Some(MAIN_CHAIN);
    }
    let number = network.strip_prefix(PREFIX)?;
    let is_plain = !number.starts_with('0') && number.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = if is_plain { number.parse().ok()? } else { return None };
    (number != MAIN_CHAIN).then_some(number)
}

/// Hexadecimal digits of an address.
const DIGITS: usize = 40;

/// The one way to write an address: in lower case. Letters of both cases are a checksum,
/// which must be right.
pub(super) fn canonical(text: &str) -> Result<String, AddressError> {
    let digits = text.strip_prefix("0x").ok_or(AddressError::Ethereum)?;
    if digits.len() != DIGITS || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(AddressError::Ethereum);
    }
    let lower = digits.to_ascii_lowercase();
    let has = |is_case: fn(&u8) -> bool| digits.as_bytes().iter().any(is_case);
    let is_mixed = has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase);
    if is_mixed && digits != checksummed(&lower) {
        return Err(AddressError::EthereumChecksum);
    }
    Ok(format!("0x{lower}"))
}

/// Lower-case digits with the letters in upper case that the digest of all says.
fn checksummed(lower: &str) -> String {
    let digest = Keccak256::digest(lower);
    let nibble = |place: usize| digest[place / 2] >> (4 * (1 - place % 2)) & 0xf;
    let case = |(place, digit): (usize, char)| {
        if nibble(place) >= 8 { digit.to_ascii_uppercase() } else { digit }
    };
    lower.chars().enumerate().map(case).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Addresses of EIP-55: all capitals, all lower, normal.
    const CHECKSUMMED: [&str; 8] = [
        "0x52908400098527886E0F7030069857D2E4169EE7",
        "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
        "0xde709f2102306220921060314715629080e2fb77",
        "0x27b1fdb04752bbc536007a920d24acb045561c26",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ];

    #[test]
    fn checksums_are_those_of_the_standard() {
        for address in CHECKSUMMED {
            let lower = address.to_lowercase();
            assert_eq!(format!("0x{}", checksummed(&lower[2..])), address);
        }
    }

    #[test]
    fn networks_are_known_by_the_number_of_their_chain() {
        for (network, expected) in [
            ("ethereum", Some(1)),
            ("evm-137", Some(137)),
            ("evm-31337", Some(31_337)),
            ("evm-10", Some(10)),
            ("evm-1", None),
            ("evm-0137", None),
            ("evm-", None),
            ("evm-x", None),
            ("evm-99999999999999999999", None),
            ("ethereum-sepolia", None),
        ] {
            assert_eq!(chain_id(network), expected, "{network}");
        }
    }

    #[test]
    fn addresses_are_written_in_lower_case() {
        for address in CHECKSUMMED {
            let lower = address.to_lowercase();
            let upper = format!("0x{}", address[2..].to_uppercase());
            for text in [address, &lower, &upper] {
                assert_eq!(canonical(text).as_deref(), Ok(lower.as_str()), "{text}");
            }
        }
    }

    #[test]
    fn letters_in_the_wrong_case_are_a_typing_error() {
        for address in &CHECKSUMMED[4..] {
            for place in 2..address.len() {
                let mut text = (*address).to_owned().into_bytes();
                text[place] ^= if text[place].is_ascii_alphabetic() { 0x20 } else { 0 };
                let text = String::from_utf8(text).expect("ASCII");
                if text != *address {
                    assert_eq!(canonical(&text), Err(AddressError::EthereumChecksum), "{text}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let good = CHECKSUMMED[4];
        for text in [
            "",
            "0x",
            &good[2..],
            &good[..41],
            &format!("{good}0"),
            &format!("0X{}", &good[2..]),
            &format!(" {good}"),
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeg",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeA\u{e9}",
            "vitalik.eth",
        ] {
            assert_eq!(canonical(text), Err(AddressError::Ethereum), "{text}");
        }
    }
}
