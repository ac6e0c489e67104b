//! Page tokens: where the next page goes on, bound to the request that it belongs to.
//!
//! Opaque to clients, and not a secret: a made-up token can at most begin a page at
//! another place.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use prost::Message;
use sha2::{Digest, Sha256};

use crate::grpc::violations::Violations;

/// What a client is told about a token that is none.
pub const TOKEN_HINT: &str =
    "must be empty or the next_page_token of an answer to the same request";

/// Longest token that is looked at, in bytes.
const TOKEN_BYTES_MAX: usize = 4_096;

/// Bytes of the digest that ties a token to its request.
const DIGEST_BYTES: usize = 8;

/// Where a page goes on: empty for the first one.
pub fn position(
    digest: [u8; DIGEST_BYTES],
    token: &str,
    violations: &mut Violations,
) -> Option<String> {
    if token.is_empty() {
        return Some(String::new());
    }
    violations.require(read(digest, token), "page_token", TOKEN_HINT)
}

/// Where a page goes on, as `read_position` reads it; `None` within for the first one.
pub fn place<T>(
    digest: [u8; DIGEST_BYTES],
    token: &str,
    read_position: impl Fn(&str) -> Option<T>,
    violations: &mut Violations,
) -> Option<Option<T>> {
    let position = position(digest, token, violations)?;
    if position.is_empty() {
        return Some(None);
    }
    violations.require(read_position(&position), "page_token", TOKEN_HINT).map(Some)
}

/// The token of the next page, empty where there is none.
#[must_use]
pub fn next(digest: [u8; DIGEST_BYTES], position: Option<&str>) -> String {
    position.map(|position| write(digest, position)).unwrap_or_default()
}

/// The digest of a request with its paging fields cleared.
#[must_use]
pub fn digest(request: &impl Message) -> [u8; DIGEST_BYTES] {
    let full = Sha256::digest(request.encode_to_vec());
    let mut digest = [0; DIGEST_BYTES];
    digest.copy_from_slice(&full[..DIGEST_BYTES]);
    digest
}

/// A token for the request with this digest.
#[must_use]
pub fn write(digest: [u8; DIGEST_BYTES], position: &str) -> String {
    URL_SAFE_NO_PAD.encode([&digest[..], position.as_bytes()].concat())
}

/// The position in a token; `None` if it is not a token of the request with this
/// digest.
#[must_use]
pub fn read(digest: [u8; DIGEST_BYTES], token: &str) -> Option<String> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let position = bytes.strip_prefix(&digest[..])?;
    // No text in Postgres holds a NUL, and none that is bound to a statement may.
    String::from_utf8(position.to_vec()).ok().filter(|position| !position.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_by_its_own_request_only() {
        let (own, other) = (digest(&"a".to_owned()), digest(&"b".to_owned()));
        let token = write(own, "zoë");
        assert_eq!(read(own, &token).as_deref(), Some("zoë"));
        assert_eq!(read(other, &token), None);
        for nonsense in ["", "!", "AAAA", &"A".repeat(5_000)] {
            assert_eq!(read(own, nonsense), None, "{nonsense}");
        }
        assert_eq!(read(own, &write(own, "a\0b")), None);
    }
}
