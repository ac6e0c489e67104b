//! Addresses of Bitcoin: base58check (P2PKH and P2SH) and segwit (BIP-173, BIP-350).

pub(in crate::domain) mod script;

use sha2::{Digest, Sha256};

use super::AddressError;

/// Bytes of a base58 address: a version, a hash of 20 bytes, a checksum.
const BASE58_BYTES: usize = 25;

/// Bytes of a checksum in base58.
const CHECKSUM_BYTES: usize = 4;

/// What addresses of one of Bitcoin's chains begin with.
#[derive(Debug)]
pub(super) struct Chain {
    /// Version byte of a P2PKH address.
    p2pkh: u8,
    /// Version byte of a P2SH address.
    p2sh: u8,
    /// Human-readable part of a segwit address.
    prefix: &'static str,
    /// What a wrong address is told.
    error: AddressError,
}

const MAIN: Chain = Chain { p2pkh: 0, p2sh: 5, prefix: "bc", error: AddressError::Bitcoin };

const TEST: Chain = Chain { p2pkh: 111, p2sh: 196, prefix: "tb", error: AddressError::BitcoinTest };

const REGRESSION: Chain =
    Chain { p2pkh: 111, p2sh: 196, prefix: "bcrt", error: AddressError::BitcoinRegression };

/// Accounts of which each chain has one, and which belong to nobody.
pub(super) const SYSTEM: [&str; 3] = ["hub", "fees", "coinbase"];

/// The chain that a network is; `None` for any other network.
pub(super) fn chain(network: &str) -> Option<&'static Chain> {
    match network {
        "bitcoin" => Some(&MAIN),
        "bitcoin-testnet" | "bitcoin-testnet4" | "bitcoin-signet" => Some(&TEST),
        "bitcoin-regtest" => Some(&REGRESSION),
        _ => None,
    }
}

/// Whether an address is of an account that stands for none: where the rows of a transaction meet
/// (`hub`), what is paid to whoever mines it (`fees`), where new coins come from (`coinbase`), and
/// outputs without address, by the SHA-256 of their script.
pub(super) fn is_system(text: &str) -> bool {
    let is_digest = |digits: &str| {
        digits.len() == 64 && digits.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
    };
    SYSTEM.contains(&text) || text.strip_prefix("script:").is_some_and(is_digest)
}

/// Whether a text begins like a segwit address of the chain, in any case.
pub(super) fn is_segwit_like(chain: &Chain, text: &str) -> bool {
    let head = text.as_bytes().get(..chain.prefix.len() + 1);
    head.and_then(|head| head.strip_suffix(b"1"))
        .is_some_and(|prefix| prefix.eq_ignore_ascii_case(chain.prefix.as_bytes()))
}

/// The one way to write an address: segwit in lower case, base58 as it is.
/// Accounts that stand for no address are written as they are.
pub(super) fn canonical(chain: &Chain, text: &str) -> Result<String, AddressError> {
    if is_system(text) {
        return Ok(text.to_owned());
    }
    if is_segwit(chain, text) {
        return Ok(text.to_ascii_lowercase());
    }
    if is_base58(chain, text) { Ok(text.to_owned()) } else { Err(chain.error) }
}

fn is_segwit(chain: &Chain, text: &str) -> bool {
    // Reads either case, but not both mixed; version 0 with bech32, later ones with bech32m.
    let decoded = bech32::segwit::decode(text);
    decoded.is_ok_and(|(prefix, ..)| prefix.as_str().eq_ignore_ascii_case(chain.prefix))
}

fn is_base58(chain: &Chain, text: &str) -> bool {
    let mut bytes = [0; BASE58_BYTES];
    // A longer text does not fit, a shorter one leaves bytes over.
    if bs58::decode(text).onto(&mut bytes[..]) != Ok(BASE58_BYTES) {
        return false;
    }
    let (content, checksum) = bytes.split_at(BASE58_BYTES - CHECKSUM_BYTES);
    let digest = Sha256::digest(Sha256::digest(content));
    [chain.p2pkh, chain.p2sh].contains(&content[0]) && digest[..CHECKSUM_BYTES] == *checksum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(network: &str, text: &str) -> Option<String> {
        canonical(chain(network).expect("a chain"), text).ok()
    }

    /// Valid addresses of BIP-350 (whose version 0 ones are those of BIP-173).
    const SEGWIT: [(&str, &str); 8] = [
        ("bitcoin", "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4"),
        ("bitcoin-testnet", "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7"),
        ("bitcoin", "bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y"),
        ("bitcoin", "BC1SW50QGDZ25J"),
        ("bitcoin", "bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs"),
        ("bitcoin-testnet4", "tb1qqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesrxh6hy"),
        ("bitcoin-signet", "tb1pqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesf3hn0c"),
        ("bitcoin", "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0"),
    ];

    #[test]
    fn segwit_addresses_are_written_in_lower_case() {
        for (network, address) in SEGWIT {
            let expected = address.to_lowercase();
            assert_eq!(check(network, address), Some(expected.clone()), "{address}");
            assert_eq!(check(network, &expected.to_uppercase()), Some(expected), "{address}");
        }
    }

    #[test]
    fn segwit_addresses_of_other_chains_are_refused() {
        for (network, address) in SEGWIT {
            let other = if network == "bitcoin" { "bitcoin-testnet" } else { "bitcoin" };
            assert_eq!(check(other, address), None, "{address}");
            assert_eq!(check("bitcoin-regtest", address), None, "{address}");
        }
    }

    /// Invalid addresses of BIP-350 and BIP-173: prefix, checksum, characters, version,
    /// length, case, padding, nothing.
    #[test]
    fn segwit_addresses_that_are_broken_are_refused() {
        for address in [
            "tc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq5zuyut",
            "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd",
            "tb1z0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqglt7rf",
            "BC1S0XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ54WELL",
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kemeawh",
            "tb1q0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq24jc47",
            "bc1p38j9r5y49hruaue7wxjce0updqjuyyx0kh56v8s25huc6995vvpql3jow4",
            "BC130XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ7ZWS8R",
            "bc1pw5dgrnzv",
            "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v8n0nx0muaewav253zgeav",
            "BC1QR508D6QEJXTDG4Y5R3ZARVARYV98GJ9P",
            "tb1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq47Zagq",
            "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v07qwwzcrf",
            "tb1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vpggkg4j",
            "bc1gmk9yu",
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5",
            "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sL5k7",
        ] {
            for network in ["bitcoin", "bitcoin-testnet", "bitcoin-regtest"] {
                assert_eq!(check(network, address), None, "{network} {address}");
            }
        }
    }

    #[test]
    fn base58_addresses_stay_as_they_are() {
        for (network, address) in [
            // The first block's, and two that are all zeros but for the checksum.
            ("bitcoin", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"),
            ("bitcoin", "1111111111111111111114oLvT2"),
            ("bitcoin", "1QLbz7JHiBTspS962RLKV8GndWFwi5j6Qr"),
            ("bitcoin", "3P14159f73E4gFr7JterCCQh9QjiTjiZrG"),
            ("bitcoin-testnet", "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn"),
            ("bitcoin-regtest", "2MzQwSSnBHWHqSAqtTVQ6v47XtaisrJa1Vc"),
        ] {
            assert_eq!(check(network, address).as_deref(), Some(address), "{address}");
            let other = if network == "bitcoin" { "bitcoin-signet" } else { "bitcoin" };
            assert_eq!(check(other, address), None, "{address}");
        }
    }

    #[test]
    fn base58_addresses_that_are_broken_are_refused() {
        for address in [
            "",
            " ",
            "1",
            "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb",
            "1a1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
            "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfN",
            "11A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
            " 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
            "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa ",
            "1A1zP1eP5QGefi2DMPTfTL5SLmv7Divf0O",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            // A private key and an extended key are base58check too.
            "5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ",
            &"1".repeat(256),
            "日本語",
        ] {
            for network in ["bitcoin", "bitcoin-testnet", "bitcoin-regtest"] {
                assert_eq!(check(network, address), None, "{network} {address}");
            }
        }
    }
}
