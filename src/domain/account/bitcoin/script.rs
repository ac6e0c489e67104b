//! The address that an output of Bitcoin pays to, read from its script alone: every source's
//! spelling, and its idea of which scripts have an address, are left out of it.

use sha2::{Digest, Sha256};

use super::{CHECKSUM_BYTES, Chain};

/// Bytes of the hash in a base58 address.
const HASH_BYTES: usize = 20;

/// The address of an output's script on this chain; `None` where no address stands for the script,
/// as of a bare public key, a bare multisignature, or data.
///
/// P2PKH and P2SH are written as base58check, witness programs by BIP-141 as bech32 or bech32m.
pub(in crate::domain) fn address(chain: &Chain, script: &[u8]) -> Option<String> {
    match script {
        [0x76, 0xa9, 0x14, hash @ .., 0x88, 0xac] if hash.len() == HASH_BYTES => {
            Some(base58(chain.p2pkh, hash))
        }
        [0xa9, 0x14, hash @ .., 0x87] if hash.len() == HASH_BYTES => Some(base58(chain.p2sh, hash)),
        [version @ (0 | 0x51..=0x60), length, program @ ..]
            if program.len() == usize::from(*length) =>
        {
            segwit(chain.prefix, *version, program)
        }
        _ => None,
    }
}

fn base58(version: u8, hash: &[u8]) -> String {
    let mut bytes = [&[version], hash].concat();
    let digest = Sha256::digest(Sha256::digest(&bytes));
    bytes.extend_from_slice(&digest[..CHECKSUM_BYTES]);
    bs58::encode(bytes).into_string()
}

/// `None` for a program of a length that its version does not have.
fn segwit(prefix: &str, version: u8, program: &[u8]) -> Option<String> {
    let version = bech32::Fe32::try_from(version.saturating_sub(0x50)).ok()?;
    let prefix = bech32::Hrp::parse(prefix).ok()?;
    bech32::segwit::encode(prefix, version, program).ok()
}
