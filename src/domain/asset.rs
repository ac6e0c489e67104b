//! What is moved: a currency, a coin, a token.

use std::sync::Arc;

/// Code of the asset that the seeder fills and that requests mean when they name
/// none.
pub const SEEDED_ASSET_CODE: &str = "USD";

/// An asset as the database knows it. Assets are never deleted or renumbered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Asset {
    /// Key in the database.
    pub asset_id: i32,
    /// Unique code, for example `USD`.
    pub code: Arc<str>,
    /// Decimals that one unit is divided into: sums are written with as many.
    pub decimals: u32,
}
