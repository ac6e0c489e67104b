//! Users: persons or systems that own wallets.

use chrono::{DateTime, Utc};
use uuid::Uuid;

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
    fn uuids_come_with_or_without_hyphens() {
        let uuid = parse_user_uuid("67E55044-10b1-426f-9247-bb680e5fe0c8");
        assert!(uuid.is_some());
        assert_eq!(uuid, parse_user_uuid("67e5504410b1426f9247bb680e5fe0c8"));
        for text in ["", "1", "{67e55044-10b1-426f-9247-bb680e5fe0c8}", "67e55044-10b1-426f-9247"] {
            assert_eq!(parse_user_uuid(text), None, "{text}");
        }
    }
}
