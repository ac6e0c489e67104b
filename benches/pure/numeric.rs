//! `store::numeric`: NUMERIC as it comes from Postgres and goes there.

use std::hint::black_box;

use bytes::BytesMut;
use criterion::Criterion;
use daybook::store::numeric::{decode, encode, encode_trimmed};

/// Mantissas and scales: an amount, a year's sum, and a token's sum with 18 decimals.
const NUMBERS: [(&str, i128, u16); 3] = [
    ("an amount", 123_456_789, 5),
    ("a sum", 381_446_181_655_000, 5),
    ("a wide sum", 98_765_432_109_876_543_210_987_654_321, 18),
];

pub(crate) fn bench(criterion: &mut Criterion) {
    for (name, mantissa, scale) in NUMBERS {
        let mut bytes = BytesMut::new();
        encode(mantissa, scale, &mut bytes);
        criterion.bench_function(&format!("numeric: decode {name}"), |bencher| {
            bencher.iter(|| decode(black_box(&bytes)));
        });
        let mut buffer = BytesMut::with_capacity(64);
        criterion.bench_function(&format!("numeric: encode {name}"), |bencher| {
            bencher.iter(|| {
                buffer.clear();
                encode(black_box(mantissa), black_box(scale), &mut buffer);
            });
        });
        criterion.bench_function(&format!("numeric: encode {name}, trimmed"), |bencher| {
            bencher.iter(|| {
                buffer.clear();
                encode_trimmed(black_box(mantissa), black_box(scale), &mut buffer);
            });
        });
    }
}
