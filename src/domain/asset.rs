//! What is moved: a currency, a coin, a token.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::domain::user::is_plain;

/// Code of the asset that the seeder fills and that requests mean when they name
/// none.
pub const SEEDED_ASSET_CODE: &str = "USD";

/// Longest code of an asset, in characters.
pub const CODE_LENGTH_MAX: usize = 64;

/// Most decimals of an asset: a uint256 has no more digits.
pub const DECIMALS_MAX: u32 = 77;

/// Whether a text may be the code of an asset: 1 to 64 characters without ASCII control
/// characters.
#[must_use]
pub fn is_asset_code(text: &str) -> bool {
    !text.is_empty() && is_plain(text, CODE_LENGTH_MAX)
}

/// An asset to record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewAsset {
    /// Unique code: see [`is_asset_code`].
    pub code: String,
    /// Name to show: see [`crate::domain::user::is_new_name`].
    pub name: String,
    /// Decimals that one unit is divided into, at most [`DECIMALS_MAX`].
    pub decimals: u32,
}

/// An asset as recorded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AssetRecord {
    /// Unique code.
    pub code: String,
    /// Name to show.
    pub name: String,
    /// Decimals that one unit is divided into.
    pub decimals: u32,
    /// When the asset was recorded.
    pub created_at: DateTime<Utc>,
}

/// An asset as the database knows it. Assets are never deleted or renumbered.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Asset {
    /// Key in the database.
    pub asset_id: i32,
    /// Unique code, for example `USD`.
    pub code: Arc<str>,
    /// Decimals that one unit is divided into: sums are written with as many.
    pub decimals: u32,
}
