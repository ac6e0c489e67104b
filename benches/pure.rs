//! Hot code that asks nobody: numbers, their wire format, rankings, seeded rows.
//!
//! `cargo bench --bench pure`, or a part: `cargo bench --bench pure -- decimal`. What is
//! timed of a module is in the file of its name under `benches/pure/`.

use criterion::{criterion_group, criterion_main};

mod pure {
    pub(crate) mod decimal;
    pub(crate) mod numeric;
    pub(crate) mod ranking;
    pub(crate) mod rows;
}

criterion_group!(
    benches,
    pure::decimal::bench,
    pure::numeric::bench,
    pure::ranking::bench,
    pure::rows::bench
);
criterion_main!(benches);
