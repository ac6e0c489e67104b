//! Ids of rows that bring none: derived from where a row comes from and what tells it from
//! others, so that a file that is imported again is known again.

use std::collections::HashMap;

use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use crate::files::mapping::Origin;

/// Most different lines of a file whose mapping names no key: their hashes are held in memory,
/// in about 140 MiB.
pub const LINES_MAX: usize = 5_000_000;

/// The id of the row with these values in the key columns.
#[must_use]
pub fn id_of_key(origin: &Origin, key: &[String]) -> Uuid {
    let parts = key.iter().map(String::as_bytes);
    derive(origin, "key", parts)
}

/// The id of a line that so many of its like came before.
#[must_use]
pub fn id_of_line(origin: &Origin, line: &[u8], before: u32) -> Uuid {
    derive(origin, "line", [line, before.to_string().as_bytes()].into_iter())
}

/// SHA-256 (FIPS 180-4) over the parts, each behind its length in bytes (64 bits, big-endian);
/// the first 128 bits as a UUID of version 8 (RFC 9562). The parts: `daybook import`, the
/// mapping's network (empty without one), its name, the kind, and what tells the row.
fn derive<'a>(origin: &'a Origin, kind: &'a str, parts: impl Iterator<Item = &'a [u8]>) -> Uuid {
    let network = origin.network.as_ref().map_or("", |network| network.as_str());
    let head = ["daybook import", network, &origin.name, kind].map(str::as_bytes);
    let mut hash = Sha256::new();
    for part in head.into_iter().chain(parts) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    Builder::from_custom_bytes(bytes).into_uuid()
}

/// Counts equal lines.
#[derive(Debug, Default)]
pub struct LineCounter {
    /// Two lines of one hash would only be numbered as if they were equal.
    seen: HashMap<u64, u32>,
}

impl LineCounter {
    /// How many lines equal to this one came before; `None` beyond [`LINES_MAX`] different
    /// ones.
    pub fn count(&mut self, line: &[u8]) -> Option<u32> {
        let digest = Sha256::digest(line);
        let mut hash = [0; 8];
        hash.copy_from_slice(&digest[..8]);
        let hash = u64::from_be_bytes(hash);
        if self.seen.len() >= LINES_MAX && !self.seen.contains_key(&hash) {
            return None;
        }
        let count = self.seen.entry(hash).or_default();
        *count += 1;
        Some(*count - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::Network;

    fn origin(name: &str) -> Origin {
        Origin { network: Network::parse("bank"), name: name.to_owned() }
    }

    #[test]
    fn ids_are_what_they_were_and_depend_on_every_part() {
        let key = |parts: &[&str]| parts.iter().map(ToString::to_string).collect::<Vec<_>>();
        let id = id_of_key(&origin("giro"), &key(&["ab", "c"]));
        // Written down once: ids of files that were imported must stay.
        assert_eq!(id.to_string(), "68ba5862-263c-84e1-a04f-3b0841a171f1");
        assert_eq!(id.get_version_num(), 8);
        let other = Origin { network: None, name: "giro".to_owned() };
        for different in [
            id_of_key(&origin("giro"), &key(&["a", "bc"])),
            id_of_key(&origin("giro"), &key(&["abc"])),
            id_of_key(&origin("savings"), &key(&["ab", "c"])),
            id_of_key(&other, &key(&["ab", "c"])),
            id_of_line(&origin("giro"), b"ab", 0),
            id_of_line(&origin("giro"), b"ab", 1),
        ] {
            assert_ne!(different, id);
        }
    }

    #[test]
    fn equal_lines_are_counted() {
        let mut counter = LineCounter::default();
        let counts = [&b"a"[..], b"b", b"a", b"a"].map(|line| counter.count(line));
        assert_eq!(counts, [Some(0), Some(0), Some(1), Some(2)]);
    }
}
