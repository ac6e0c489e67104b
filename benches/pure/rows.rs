//! `seed::rows`: a day of the default seed, even and skewed.

use chrono::NaiveDate;
use criterion::{Criterion, Throughput};
use daybook::seed::{SeedPlan, rows::RowMaker};

/// Rows of one day: 3,000,000 over 365.
const ROWS: u64 = 8_219;

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rows");
    group.throughput(Throughput::Elements(ROWS));
    for (name, is_skewed) in [("an even day", false), ("a skewed day", true)] {
        let plan = SeedPlan {
            user_count: 2_000,
            transaction_count: 3_000_000,
            first_day: NaiveDate::from_ymd_opt(2023, 1, 1).unwrap_or_default(),
            day_count: 365,
            seed_number: 20_230_101,
            is_skewed,
        };
        let maker = RowMaker::new(plan, (1..=2_000).collect(), 1);
        group.bench_function(name, |bencher| {
            bencher.iter(|| maker.day(7, ROWS).map(|hour| hour.len()).sum::<usize>());
        });
    }
    group.finish();
}
