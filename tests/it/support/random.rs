//! Random numbers that can be had again.

use rand::{RngExt, SeedableRng, rngs::ChaCha12Rng};

/// Random numbers whose seed is printed, and can be given by `DAYBOOK_TEST_RANDOM`.
pub(crate) fn random() -> ChaCha12Rng {
    let given = std::env::var("DAYBOOK_TEST_RANDOM").ok().and_then(|text| text.parse().ok());
    let number: u64 = given.unwrap_or_else(|| rand::rng().random());
    eprintln!("DAYBOOK_TEST_RANDOM={number}");
    ChaCha12Rng::seed_from_u64(number)
}
