//! Users: persons or systems that own wallets.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// Longest username, in characters.
pub const USERNAME_LENGTH_MAX: usize = 128;

/// Longest name of a user or an asset, in characters.
pub const NAME_LENGTH_MAX: usize = 256;

/// A user as recorded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct User {
    /// The user's UUID.
    pub user_uuid: Uuid,
    /// Unique username.
    pub username: String,
    /// Name to show.
    pub name: String,
    /// When the user was recorded.
    pub created_at: DateTime<Utc>,
}

/// A user to record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewUser {
    /// The user's UUID; `None` lets Daybook make one.
    pub user_uuid: Option<Uuid>,
    /// Unique username: see [`is_username`].
    pub username: String,
    /// Name to show: see [`is_name`].
    pub name: String,
}

/// Whether a text may be a username: 1 to 128 characters without ASCII control characters.
#[must_use]
pub fn is_username(text: &str) -> bool {
    !text.is_empty() && is_plain(text, USERNAME_LENGTH_MAX)
}

/// Whether a text may be the name of a user or an asset: up to 256 characters without ASCII
/// control characters.
#[must_use]
pub fn is_name(text: &str) -> bool {
    is_plain(text, NAME_LENGTH_MAX)
}

/// Whether a text has so many characters at most and no ASCII control characters.
#[must_use]
pub fn is_plain(text: &str, length_max: usize) -> bool {
    // Bytes first: what is far too long is not counted through.
    text.len() <= length_max * 4
        && text.chars().count() <= length_max
        && !text.bytes().any(|byte| byte.is_ascii_control())
}

/// Reads a UUID of any version, with or without hyphens and in either case.
/// Braces and URN prefixes are not taken.
#[must_use]
pub fn parse_user_uuid(text: &str) -> Option<Uuid> {
    matches!(text.len(), 32 | 36).then(|| Uuid::try_parse(text).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usernames_and_names_are_plain_and_short() {
        for (text, is_one, is_other) in [
            ("", false, true),
            ("ann", true, true),
            (" Ä日 ", true, true),
            ("a\tb", false, false),
            ("a\0b", false, false),
            ("a\u{7f}", false, false),
            (&"日".repeat(128), true, true),
            (&"x".repeat(129), false, true),
            (&"𝄞".repeat(256), false, true),
            (&"x".repeat(257), false, false),
        ] {
            assert_eq!((is_username(text), is_name(text)), (is_one, is_other), "{text}");
        }
    }

    #[test]
    fn uuids_come_with_or_without_hyphens() {
        let uuid = parse_user_uuid("67E55044-10b1-426f-9247-bb680e5fe0c8");
        assert!(uuid.is_some());
        assert_eq!(uuid, parse_user_uuid("67e5504410b1426f9247bb680e5fe0c8"));
        for text in ["", "1", "{67e55044-10b1-426f-9247-bb680e5fe0c8}", "67e55044-10b1-426f-9247"] {
            assert_eq!(parse_user_uuid(text), None, "{text}");
        }
    }
}
