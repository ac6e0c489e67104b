//! Keys that webhooks are signed with, and signatures by them: the scheme of
//! <https://www.standardwebhooks.com>, for which receivers have libraries in most languages.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use rand::RngExt;
use sha2::Sha256;

/// Bytes of a key.
const SECRET_BYTES: usize = 32;

/// A key that webhooks are signed with. It is not shown by `Debug`.
#[derive(Clone, Eq, PartialEq)]
pub struct WebhookSecret([u8; SECRET_BYTES]);

impl WebhookSecret {
    /// A new one, which nobody guesses.
    #[must_use]
    pub fn random() -> Self {
        Self(rand::rng().random())
    }

    /// The key of these bytes, if there are as many as one has.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Its bytes, to be stored.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// As its holder is told it.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("whsec_{}", STANDARD.encode(self.0))
    }

    /// The signature of a message: its id, the second at which it is sent, and its body.
    #[must_use]
    pub fn sign(&self, id: &str, second: i64, body: &str) -> String {
        // Keys of any length are taken.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return String::new() };
        mac.update(format!("{id}.{second}.").as_bytes());
        mac.update(body.as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("WebhookSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_told_and_signs_but_is_not_shown() {
        let secret = WebhookSecret::from_bytes(&[7; SECRET_BYTES]).expect("a key");
        assert_eq!(secret.to_text(), "whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=");
        assert_eq!(format!("{secret:?}"), "WebhookSecret(..)");
        assert_ne!(secret.sign("1", 2, "{}"), secret.sign("1", 3, "{}"));
        assert_ne!(secret.sign("1", 2, "{}"), WebhookSecret::random().sign("1", 2, "{}"));
        assert_eq!(WebhookSecret::from_bytes(&[7; 31]), None);
    }
}
