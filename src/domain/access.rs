//! Who asks, and what they may do.

use core::net::IpAddr;
use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// What every token begins with: scanners for leaked secrets find it.
const PREFIX: &str = "dbk_";

/// Bytes of a secret: nobody guesses 256 random bits.
const SECRET_BYTES: usize = 32;

/// Bytes of the check behind a secret.
const CHECK_BYTES: usize = 4;

/// Longest name of a token, in characters.
pub const TOKEN_NAME_LENGTH_MAX: usize = 128;

/// What somebody may do.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Role {
    /// Ask everything, change nothing.
    Reader,
    /// Record transactions, and look up what that takes.
    Ingester,
    /// Ask about one user, and choose what that user tracks.
    User,
    /// Everything.
    Admin,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 4] = [Self::Reader, Self::Ingester, Self::User, Self::Admin];

    /// The role in a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Ingester => "ingester",
            Self::User => "user",
            Self::Admin => "admin",
        }
    }

    /// The role that a word means.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// Whose records somebody may see and change. Statements are told, and find nothing else.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scope {
    /// Everybody's.
    Everybody,
    /// Those of this user: the user, the wallets, and what the wallets sent and received. All
    /// others look as if they were not there.
    Own(Uuid),
}

impl Scope {
    /// The one user whose records they are; `None` for everybody's. Statements take it so.
    #[must_use]
    pub fn owner(self) -> Option<Uuid> {
        match self {
            Self::Everybody => None,
            Self::Own(user_uuid) => Some(user_uuid),
        }
    }
}

/// Who asks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity {
    /// Who it is.
    pub principal: Principal,
    /// What they may do.
    pub role: Role,
    /// With whose records.
    pub scope: Scope,
    /// From where, if they came by a connection.
    pub peer: Option<IpAddr>,
}

impl Identity {
    /// Whoever reaches a Daybook that does not ask who they are; and Daybook itself.
    #[must_use]
    pub fn local() -> Self {
        let (role, scope) = (Role::Admin, Scope::Everybody);
        Self { principal: Principal::Local, role, scope, peer: None }
    }
}

/// Who somebody is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Principal {
    /// Nobody was asked.
    Local,
    /// Whoever holds a token.
    Token {
        /// Its id.
        token_id: Uuid,
        /// What it is called.
        name: String,
    },
}

impl fmt::Display for Principal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => formatter.write_str("local"),
            Self::Token { token_id, name } => write!(formatter, "{name} ({token_id})"),
        }
    }
}

/// A secret that says who asks: `dbk_`, 32 random bytes and 4 bytes by which a wrong letter is
/// noticed without a look into the database, in Base64 for URLs (RFC 4648, section 5).
///
/// Only its hash is stored. SHA-256 alone is enough: there is nothing to guess in 256 random
/// bits, so nothing is gained by a slow hash.
#[derive(Clone, Eq, PartialEq)]
pub struct Token([u8; SECRET_BYTES]);

/// SHA-256 of a token's secret, or of a name in a certificate.
pub type TokenHash = [u8; 32];

/// Longest name in a certificate, in bytes: that of a domain (RFC 1035), and room for a URI.
pub const CERTIFICATE_NAME_LENGTH_MAX: usize = 1_024;

/// What is stored of whoever is known by a name in a certificate: a DNS name or a URI of its
/// subject alternative names (RFC 5280, section 4.2.1.6). No secret has the same hash.
#[must_use]
pub fn certificate_name_hash(name: &str) -> TokenHash {
    Sha256::new().chain_update("name in a certificate: ").chain_update(name).finalize().into()
}

impl Token {
    /// The token of a secret; the bytes must come from a source fit for secrets.
    #[must_use]
    pub fn new(secret: [u8; SECRET_BYTES]) -> Self {
        Self(secret)
    }

    /// Reads a token; `None` if the text is none, or has a wrong letter.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
        let (secret, check) = bytes.split_at_checked(SECRET_BYTES)?;
        let token = Self(secret.try_into().ok()?);
        (check == token.check()).then_some(token)
    }

    /// The token as its holder sends it.
    #[must_use]
    pub fn to_text(&self) -> String {
        let bytes = [&self.0[..], &self.check()].concat();
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// What is stored in its place.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        Sha256::digest(self.0).into()
    }

    fn check(&self) -> [u8; CHECK_BYTES] {
        let digest = Sha256::new().chain_update("check of a token").chain_update(self.0).finalize();
        std::array::from_fn(|place| digest[place])
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(..)")
    }
}

/// A token as recorded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TokenRecord {
    /// Its id.
    pub token_id: Uuid,
    /// What it is called.
    pub name: String,
    /// What its holder may do.
    pub role: Role,
    /// Whose records a `user` sees; `None` for the other roles.
    pub user_uuid: Option<Uuid>,
    /// The name in its holder's certificate that takes the place of a secret, if one does.
    pub certificate_name: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// From when on it is refused, if ever.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<DateTime<Utc>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written_and_with_no_other_letter() {
        let token = Token::new(std::array::from_fn(|place| u8::try_from(place * 7).unwrap_or(0)));
        let text = token.to_text();
        assert_eq!((text.len(), Token::parse(&text)), (52, Some(token.clone())));
        for place in 0..text.len() {
            for letter in ["A", "z", "-", "é"] {
                let mut other = text.clone();
                other.replace_range(place..=place, letter);
                assert!(other == text || Token::parse(&other).is_none(), "{place} {letter}");
            }
        }
        for wrong in ["", "dbk_", "dbk", &text[4..], &text[..51], &format!("{text}A")] {
            assert_eq!(Token::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_secret_is_not_shown_and_its_hash_says_nothing_of_it() {
        let token = Token::new([0x42; SECRET_BYTES]);
        assert_eq!(format!("{token:?}"), "Token(..)");
        assert_ne!(token.hash(), [0x42; 32]);
        assert_ne!(token.hash()[..CHECK_BYTES], token.check());
    }

    #[test]
    fn roles_are_read_as_they_are_written() {
        for role in Role::ALL {
            assert_eq!(Role::parse(role.as_str()), Some(role));
        }
        assert_eq!(Role::parse("root"), None);
    }
}
