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
    /// Unique username: see [`is_new_username`].
    pub username: String,
    /// Name to show: see [`is_new_name`].
    pub name: String,
}

/// Whether a text may become a username: what [`is_username`] says, without spaces at its ends,
/// and without characters that cannot be seen: two usernames that differ must look different.
#[must_use]
pub fn is_new_username(text: &str) -> bool {
    is_username(text) && text.trim() == text && !text.chars().any(is_unseen)
}

/// Whether a text may become the name of a user or an asset: what [`is_name`] says, without
/// spaces at its ends, and without characters that cannot be seen, but for those that scripts and
/// emoji join and vary characters with.
#[must_use]
pub fn is_new_name(text: &str) -> bool {
    is_name(text) && text.trim() == text && !text.chars().any(|c| is_unseen(c) && !is_joining(c))
}

/// Control characters, separators of lines, and characters of Unicode's category Cf (format),
/// as of Unicode 17, with the fillers and the blank that show as nothing.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{AD}' | '\u{34F}' | '\u{600}'..='\u{605}' | '\u{61C}' | '\u{6DD}' | '\u{70F}'
            | '\u{890}' | '\u{891}' | '\u{8E2}' | '\u{115F}' | '\u{1160}' | '\u{17B4}'
            | '\u{17B5}' | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}'
            | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}'
            | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}'
            | '\u{110BD}' | '\u{110CD}' | '\u{13430}'..='\u{1343F}'
            | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}'
            | '\u{E0000}'..='\u{E0FFF}')
}

/// The joiners, selectors of variations, and the tags of flags: words of Persian and many emoji are
/// not written without them.
fn is_joining(c: char) -> bool {
    matches!(c,
        '\u{200C}' | '\u{200D}' | '\u{FE00}'..='\u{FE0F}' | '\u{E0020}'..='\u{E007F}'
        | '\u{E0100}'..='\u{E01EF}')
}

/// Whether a text can be a username: 1 to 128 characters without ASCII control characters.
#[must_use]
pub fn is_username(text: &str) -> bool {
    !text.is_empty() && is_plain(text, USERNAME_LENGTH_MAX)
}

/// Whether a text can be the name of a user or an asset: up to 256 characters without ASCII
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
    fn new_names_look_like_what_they_are() {
        for (text, is_one, is_other) in [
            ("ann", true, true),
            ("Ä 日", true, true),
            (" ", false, false),
            (" ann", false, false),
            ("ann\u{a0}", false, false),
            ("a\u{202e}nn", false, false),
            ("\u{2066}ann\u{2069}", false, false),
            ("a\u{200b}nn", false, false),
            ("an\u{ad}n", false, false),
            ("\u{feff}ann", false, false),
            ("\u{3164}", false, false),
            ("\u{2800}", false, false),
            ("👩\u{200d}👧", false, true),
            ("می\u{200c}خواهم", false, true),
            ("a\u{85}", false, false),
            ("", false, true),
        ] {
            assert_eq!((is_new_username(text), is_new_name(text)), (is_one, is_other), "{text:?}");
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
