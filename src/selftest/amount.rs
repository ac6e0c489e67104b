//! The oracle's own exact arithmetic: whole numbers of 10^-24, and nothing of
//! `domain::decimal`, which it judges.

use num_bigint::BigInt;
use rand::{RngExt, rngs::ChaCha12Rng};

/// Decimals of the unit that amounts are counted in: more than any asset here has.
pub(super) const UNIT_DECIMALS: u32 = 24;

/// Decimals that means and deviations are rounded to.
const ROUNDED_DECIMALS: u32 = 18;

/// Ten to this power.
pub(super) fn power(exponent: u32) -> BigInt {
    BigInt::from(10).pow(exponent)
}

/// The amount as text with at least so many decimals, more only where it has more.
pub(super) fn text(units: &BigInt, decimals: u32) -> String {
    text_of(units, UNIT_DECIMALS, decimals)
}

/// The same of an amount in units of another size.
pub(super) fn text_of(units: &BigInt, unit_decimals: u32, decimals: u32) -> String {
    let places = unit_decimals as usize;
    let digits = format!("{:0>width$}", units.magnitude().to_string(), width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    let mut kept = fraction.trim_end_matches('0').to_owned();
    while kept.len() < decimals as usize {
        kept.push('0');
    }
    let sign = if units < &BigInt::ZERO { "-" } else { "" };
    let point = if kept.is_empty() { "" } else { "." };
    format!("{sign}{whole}{point}{kept}")
}

/// The mean, rounded half-even to 18 decimals.
pub(super) fn mean(units: &[BigInt]) -> BigInt {
    let sum: BigInt = units.iter().sum();
    let step = power(UNIT_DECIMALS - ROUNDED_DECIMALS);
    let divisor = BigInt::from(units.len()) * &step;
    let (quotient, rest) = (&sum / &divisor, &sum % &divisor);
    let twice = rest * 2;
    let is_odd = &quotient % 2 != BigInt::ZERO;
    let is_up = twice > divisor || (twice == divisor && is_odd);
    (quotient + i32::from(is_up)) * step
}

/// The standard deviation with divisor n, or n - 1, rounded half-even to 18 decimals: the
/// whole number k of 10^-18 with (2k - 1)^2 <= 4 * variance <= (2k + 1)^2.
pub(super) fn deviation(units: &[BigInt], is_sample: bool) -> BigInt {
    let n = BigInt::from(units.len());
    let sum: BigInt = units.iter().sum();
    // Each difference from the mean times n, squared.
    let spread: BigInt = units.iter().map(|x| (&n * x - &sum).pow(2)).sum();
    let step = power(UNIT_DECIMALS - ROUNDED_DECIMALS);
    let divisor = if is_sample { &n - 1 } else { n.clone() };
    let below = &n * &n * divisor * &step * &step;
    let wanted: BigInt = &spread * 4;
    let edge = |k: &BigInt, side: i32| -> BigInt {
        let odd: BigInt = k * 2 + side;
        odd.pow(2) * &below
    };
    // Begins near, and goes on by the definition.
    let mut k: BigInt = (&spread / &below).sqrt();
    while edge(&k, 1) < wanted {
        k += 1;
    }
    while k > BigInt::ZERO && edge(&k, -1) > wanted {
        k -= 1;
    }
    // Half-way between two, the even one.
    if edge(&k, 1) == wanted && &k % 2 != BigInt::ZERO {
        k += 1;
    }
    if k > BigInt::ZERO && edge(&k, -1) == wanted && &k % 2 != BigInt::ZERO {
        k -= 1;
    }
    k * step
}

/// An amount of any size: nothing, the smallest and the largest there are, huge ones that
/// differ little, and everyday ones, often equal.
pub(super) fn draw(rng: &mut ChaCha12Rng) -> BigInt {
    let units = |count: u64, decimals: u32| BigInt::from(count) * power(UNIT_DECIMALS - decimals);
    match rng.random_range(0..16) {
        0 => BigInt::ZERO,
        1 => BigInt::from(1),
        2 => units(1, 18),
        3 => power(30) * power(UNIT_DECIMALS),
        4 => ((BigInt::from(1) << 256) - 1) * power(UNIT_DECIMALS - 18),
        5 => units(1_000_000_000_000_000 + rng.random_range(0..3), 0),
        6 => units(rng.random(), 18),
        7 => BigInt::from(rng.random::<u128>()),
        8 | 9 => units(rng.random_range(1..4), 0),
        10 => units(rng.random_range(0..100), 1),
        11 | 12 => units(rng.random_range(0..1_000_000), 2),
        _ => units(rng.random_range(0..1_000_000_000), 5),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amounts(whole: &[u64]) -> Vec<BigInt> {
        whole.iter().map(|&whole| BigInt::from(whole) * power(UNIT_DECIMALS)).collect()
    }

    #[test]
    fn what_was_worked_out_by_hand_comes_out() {
        let shown = |units: BigInt| text(&units, 0);
        assert_eq!(text(&BigInt::ZERO, 2), "0.00");
        assert_eq!(text(&BigInt::from(-1), 0), "-0.000000000000000000000001");
        assert_eq!(shown(mean(&amounts(&[1, 1, 2]))), "1.333333333333333333");
        assert_eq!(shown(mean(&amounts(&[1, 2, 2]))), "1.666666666666666667");
        assert_eq!(shown(deviation(&amounts(&[2, 4]), true)), "1.414213562373095049");
        assert_eq!(shown(deviation(&amounts(&[2, 4]), false)), "1");
        assert_eq!(shown(deviation(&amounts(&[5]), false)), "0");
    }

    #[test]
    fn half_goes_to_the_even_neighbour() {
        // Half of 10^-18, and three halves.
        let half = BigInt::from(500_000);
        let pair = |middle: &BigInt| vec![BigInt::ZERO, middle * 2];
        for (middle, expected) in [(half.clone(), 0u32), (&half * 3, 2), (&half * 5, 2)] {
            let expected = BigInt::from(expected) * 1_000_000;
            assert_eq!(mean(&pair(&middle)), expected);
            assert_eq!(deviation(&pair(&middle), false), expected);
        }
    }
}
