//! Wallets: accounts that users track.

use chrono::{DateTime, Utc};

use crate::domain::{account::AccountKey, user::User};

/// How many wallets there may be.
#[derive(Clone, Copy, Debug)]
pub struct WalletLimits {
    /// Most accounts that a user tracks.
    pub user_wallets_max: u32,
    /// Most users who track an account.
    pub wallet_users_max: u32,
}

/// An account that a user tracks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wallet {
    /// The account.
    pub account: AccountKey,
    /// Since when the user tracks it.
    pub added_at: DateTime<Utc>,
}

/// A user who tracks an account.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WalletUser {
    /// The user.
    pub user: User,
    /// Since when the user tracks it.
    pub added_at: DateTime<Utc>,
}
