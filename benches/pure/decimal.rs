//! `domain::decimal`: sums of amounts, quotients and roots as metrics need them.

use std::hint::black_box;

use criterion::Criterion;
use daybook::domain::{
    decimal::Decimal,
    metric::{Metric, Moments},
};

/// A thousand amounts as the seeder draws them: up to 5,000 with 5 decimals.
pub(crate) fn amounts() -> Vec<Decimal> {
    (0..1_000i64)
        .map(|place| Decimal::new((1_000_000 + place * 499_001 % 499_000_000).into(), 5))
        .collect()
}

/// The moments of such amounts.
fn moments() -> Moments {
    amounts().iter().fold(Moments::none(), |all, amount| Moments {
        count: all.count + 1,
        sum: all.sum.plus(amount),
        sum_of_squares: all.sum_of_squares.plus(&amount.times(amount)),
    })
}

pub(crate) fn bench(criterion: &mut Criterion) {
    let amounts = amounts();
    criterion.bench_function("decimal: sum of 1,000 amounts", |bencher| {
        bencher.iter(|| {
            black_box(&amounts).iter().fold(Decimal::zero(), |sum, amount| sum.plus(amount))
        });
    });
    let moments = moments();
    for (name, metric) in [("quotient", Metric::Avg), ("root", Metric::StddevSample)] {
        criterion.bench_function(&format!("decimal: {name} to 18 decimals"), |bencher| {
            bencher.iter(|| metric.value(black_box(&moments)));
        });
    }
    let (top, bottom) = (moments.sum_of_squares.clone(), Decimal::from(moments.count));
    criterion.bench_function("decimal: rounded_root", |bencher| {
        bencher.iter(|| Decimal::rounded_root(black_box(&top), black_box(&bottom), 18));
    });
    criterion.bench_function("decimal: text of a sum", |bencher| {
        bencher.iter(|| black_box(&moments.sum).to_text(5));
    });
}
