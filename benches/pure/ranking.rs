//! `domain::ranking`: 2,000 members, by numbers as each metric makes them.

use criterion::{BatchSize, Criterion};
use daybook::domain::{
    decimal::Decimal,
    ranking::{Member, RankOrder, Ranking},
};
use rand::{RngExt, SeedableRng, rngs::ChaCha12Rng};
use uuid::Builder;

const MEMBERS: usize = 2_000;

/// Members with sums of so many decimals.
fn members(decimals: u32) -> Vec<Member<[u8; 16]>> {
    let mut random = ChaCha12Rng::seed_from_u64(1);
    let mut member = |_| Member {
        key: Builder::from_random_bytes(random.random()).into_uuid().into_bytes(),
        value: Some(Decimal::new(random.random_range(1i128..1 << 80).into(), decimals)),
        transaction_count: 1_500,
    };
    (0..MEMBERS).map(&mut member).collect()
}

pub(crate) fn bench(criterion: &mut Criterion) {
    for (name, decimals) in [("sums", 5), ("deviations", 18)] {
        let members = members(decimals);
        criterion.bench_function(&format!("ranking: 2,000 members by {name}"), |bencher| {
            bencher.iter_batched(
                || members.clone(),
                |members| Ranking::new(RankOrder::Top, members),
                BatchSize::LargeInput,
            );
        });
        let ranking = Ranking::new(RankOrder::Top, members);
        criterion.bench_function(&format!("ranking: page of 100 by {name}"), |bencher| {
            bencher.iter(|| {
                let (rows, has_more) = ranking.page(None, 100);
                (rows.map(|(rank, _)| rank).sum::<usize>(), has_more)
            });
        });
    }
}
