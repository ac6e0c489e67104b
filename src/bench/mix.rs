//! Which call comes next, so that every stretch of a run has the mix that was asked for.

use crate::config::Mix;

/// Places of calls in the mix, each as often as its weight says and spread evenly: callers go
/// through it again and again.
///
/// Smooth weighted round-robin: every call gains its weight, the one that has gained most is
/// next and gives the sum of all weights back.
#[must_use]
pub(super) fn cycle(mix: &Mix) -> Vec<usize> {
    let weights: Vec<i64> = mix.0.iter().map(|&(_, weight)| i64::from(weight)).collect();
    let whole: i64 = weights.iter().sum();
    let mut gained = vec![0; weights.len()];
    let mut cycle = Vec::new();
    for _ in 0..whole {
        for (gain, weight) in gained.iter_mut().zip(&weights) {
            *gain += weight;
        }
        // The first of equals.
        let next = (0..gained.len()).rev().max_by_key(|&place| gained[place]).unwrap_or(0);
        gained[next] -= whole;
        cycle.push(next);
    }
    cycle
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::Call;

    #[test]
    fn calls_come_as_often_as_their_weights_say_and_far_apart() {
        let mix = Mix(vec![(Call::SumAmount, 3), (Call::Rank, 1)]);
        assert_eq!(cycle(&mix), [0, 0, 1, 0]);
        let mix = Mix(vec![(Call::Health, 1), (Call::SumAmount, 1), (Call::Rank, 1)]);
        assert_eq!(cycle(&mix), [0, 1, 2]);
    }

    proptest! {
        #[test]
        fn every_stretch_has_the_mix(a in 1u32..50, b in 1u32..50, length in 1usize..100) {
            let cycle = cycle(&Mix(vec![(Call::SumAmount, a), (Call::Rank, b)]));
            let length = length.min(cycle.len());
            let found = cycle[..length].iter().filter(|&&place| place == 0).count();
            let exact = length as f64 * f64::from(a) / f64::from(a + b);
            prop_assert!((found as f64 - exact).abs() <= 1.0, "{} against {}", found, exact);
        }
    }
}
