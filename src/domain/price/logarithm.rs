//! Natural logarithms of prices, and the returns between them.
//!
//! Computed with whole numbers only, so that every machine finds the same digits.

use std::sync::LazyLock;

use num_bigint::{BigInt, BigUint, Sign};
use num_traits::{One, Signed, ToPrimitive, Zero};

use crate::domain::running_total::whole::Whole;

/// Decimals of a logarithm.
pub const LN_DECIMALS: u32 = 30;

/// Decimals of a return.
pub const RETURN_DECIMALS: u32 = 18;

/// Bits behind the point while a logarithm is computed: 48 decimals. What the terms of the series
/// and the known logarithms lose, times the powers of two and ten that were taken out, leaves 43 of
/// them right.
const BITS: u32 = 160;

/// Bits that each term of the series adds at least: the square of 1/5 is below 2^-4.
const BITS_PER_TERM_MIN: u32 = 4;

/// The natural logarithm of `price / 10^scale`, as a whole number of `10^-LN_DECIMALS`, rounded
/// half away from zero. Prices have at most 60 digits and 30 decimals.
///
/// With a power of two taken out, `price = 2^s * y`, and with the nearest of some numbers c whose
/// logarithms are known: `ln price = s * ln 2 + ln c + 2 * atanh z`, where `z = (y - c) / (y + c)`.
///
/// # Panics
/// If the price is not greater than zero.
#[must_use]
pub fn ln(price: &Whole, scale: u32) -> i128 {
    let price = price.to_big();
    assert!(price.is_positive(), "a price is greater than zero");
    // y lies in [1, 2): its first bits say which c is nearest.
    let shift = price.bits() - 1;
    let scaled = &price << STEP_BITS;
    let first_bits = (&scaled >> shift).to_usize().unwrap_or(STEPS);
    let step = first_bits - STEPS;
    // c is in the middle of its step.
    let known = BigInt::from(2 * (STEPS + step) + 1) << shift;
    let scaled = scaled << 1u32;
    let series = twice_atanh(&(&scaled - &known), &(&scaled + &known));
    let constants = &*CONSTANTS;
    let ln_c = &KNOWN[step];
    rounded(&(&constants.ln_2 * shift - &constants.ln_10 * scale + ln_c + series))
}

/// The return between two prices of which these are the logarithms, as a whole number of
/// `10^-RETURN_DECIMALS`, rounded half away from zero.
#[must_use]
pub fn log_return(from: i128, to: i128) -> i128 {
    const UNIT: i128 = 10i128.pow(LN_DECIMALS - RETURN_DECIMALS);
    // Logarithms of prices are far from the largest number.
    let difference = to.saturating_sub(from);
    let (quotient, rest) = (difference / UNIT, difference % UNIT);
    quotient + if rest.abs() * 2 >= UNIT { rest.signum() } else { 0 }
}

/// Bits of a number in [1, 2) behind the point that say which known logarithm is near.
const STEP_BITS: u32 = 8;

/// Numbers whose logarithms are known, in [1, 2).
const STEPS: usize = 1 << STEP_BITS;

/// The logarithm of the middle of each step of `1 / STEPS` from 1 to 2, as whole numbers of
/// `2^-BITS`: `(2 * (STEPS + k) + 1) / (2 * STEPS)`, each from the one before.
static KNOWN: LazyLock<Vec<BigInt>> = LazyLock::new(|| {
    let numerator = |step: usize| BigInt::from(2 * (STEPS + step) + 1);
    let ratio = |from: &BigInt, to: &BigInt| twice_atanh(&(to - from), &(to + from));
    let mut known = vec![ratio(&BigInt::from(2 * STEPS), &numerator(0))];
    for step in 1..STEPS {
        let next = &known[step - 1] + ratio(&numerator(step - 1), &numerator(step));
        known.push(next);
    }
    known
});

struct Constants {
    ln_2: BigInt,
    ln_10: BigInt,
}

static CONSTANTS: LazyLock<Constants> = LazyLock::new(|| {
    let atanh = |top: i32, bottom: i32| twice_atanh(&top.into(), &bottom.into());
    // 2 = 4/3 * 3/2 and 10 = 2^3 * 5/4.
    let ln_2 = atanh(1, 7) + atanh(1, 5);
    let ln_10 = &ln_2 * 3 + atanh(1, 9);
    Constants { ln_2, ln_10 }
});

/// `1 / (2k + 1)` as whole numbers of `2^-BITS`, for as many k as an argument of 1/5 needs.
static RECIPROCALS: LazyLock<Vec<BigUint>> = LazyLock::new(|| {
    let one = BigUint::one() << BITS;
    (0..=BITS / BITS_PER_TERM_MIN).map(|k| &one / (2 * k + 1)).collect()
});

/// `2 * atanh(top / bottom)`, which is `ln((bottom + top) / (bottom - top))`, as a whole number of
/// `2^-BITS`, for arguments of at most 1/5.
///
/// The series is `atanh z = z + z^3/3 + z^5/5 + ...` (as a series of the logarithm: NIST Digital
/// Library of Mathematical Functions, 4.6.4), summed from its end by Horner's rule.
fn twice_atanh(top: &BigInt, bottom: &BigInt) -> BigInt {
    let z = (top.magnitude() << BITS) / bottom.magnitude();
    let square = (&z * &z) >> BITS;
    let bits_per_term = u64::from(BITS) - square.bits();
    let terms = (u64::from(BITS) / bits_per_term.max(1) + 1).to_usize().unwrap_or(usize::MAX);
    let reciprocals = &RECIPROCALS[..terms.min(RECIPROCALS.len())];
    let mut sum = BigUint::zero();
    for reciprocal in reciprocals.iter().rev() {
        sum *= &square;
        sum >>= BITS;
        sum += reciprocal;
    }
    BigInt::from_biguint(top.sign(), (sum * z) >> (BITS - 1))
}

/// A whole number of `2^-BITS` as one of `10^-LN_DECIMALS`.
fn rounded(number: &BigInt) -> i128 {
    let half = BigUint::one() << (BITS - 1);
    let magnitude = (number.magnitude() * 10u128.pow(LN_DECIMALS) + half) >> BITS;
    let magnitude = magnitude.to_i128().expect("logarithms of prices are below 140");
    if number.sign() == Sign::Minus { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::decimal::Decimal;

    fn ln_of(text: &str) -> i128 {
        let (unscaled, scale) = Decimal::parse(text).expect("the test wrote a number").to_parts();
        ln(&Whole::from(unscaled), scale)
    }

    #[test]
    fn logarithms_are_right_to_the_last_digit() {
        let nines = "9".repeat(30);
        for (price, expected) in [
            ("1", 0),
            ("2", 693_147_180_559_945_309_417_232_121_458),
            ("3", 1_098_612_288_668_109_691_395_245_236_923),
            ("10", 2_302_585_092_994_045_684_017_991_454_684),
            ("0.75", -287_682_072_451_780_927_439_219_005_994),
            ("1.5", 405_465_108_108_164_381_978_013_115_464),
            ("0.0994766", -2_307_832_838_355_170_519_481_706_823_629),
            ("64321.12345678", 11_071_643_370_379_100_856_719_424_552_677),
            ("1.000000000000000000000000000001", 1),
            ("0.000000000000000000000000000001", -69_077_552_789_821_370_520_539_743_640_531),
            (&format!("1{}", "0".repeat(30)), 69_077_552_789_821_370_520_539_743_640_531),
            (&format!("{nines}.{nines}"), 69_077_552_789_821_370_520_539_743_640_531),
        ] {
            assert_eq!(ln_of(price), expected, "{price}");
        }
    }

    #[test]
    fn returns_round_half_away_from_zero() {
        let half = 10i128.pow(12) / 2;
        for (from, to, expected) in [
            (0, 0, 0),
            (0, half, 1),
            (0, half - 1, 0),
            (half, 0, -1),
            (half - 1, 0, 0),
            (-half, half, 1),
            (half, -2 * half, -2),
            (ln_of("100"), ln_of("101"), 9_950_330_853_168_083),
        ] {
            assert_eq!(log_return(from, to), expected, "{from} {to}");
        }
    }

    fn digits() -> impl Strategy<Value = Whole> {
        prop_oneof![1i128..2_000, 1i128..1 << 40, 1i128..i128::MAX].prop_map(Whole::Small)
    }

    proptest! {
        #[test]
        fn the_logarithm_of_a_product_is_the_sum(
            a in digits(), b in digits(), scales in (0u32..16, 0u32..16),
        ) {
            let product = ln(&a.times(&b), scales.0 + scales.1);
            let sum = ln(&a, scales.0) + ln(&b, scales.1);
            prop_assert!((product - sum).abs() <= 2, "{} {}", product, sum);
        }

        #[test]
        fn a_higher_price_has_a_higher_logarithm(price in digits(), scale in 0u32..30) {
            let above = ln(&price.plus(&Whole::Small(1)), scale);
            let here = ln(&price, scale);
            prop_assert!(here <= above);
            // Zeros behind the point change nothing.
            prop_assert_eq!(ln(&price.shifted(30 - scale), 30), here);
            // ln(1 + 1/p) lies between 1/(p + 1) and 1/p.
            if let Whole::Small(p) = price {
                let one = 10i128.pow(LN_DECIMALS);
                prop_assert!(above - here >= one / p.saturating_add(1) - 1);
                prop_assert!(above - here <= one / p + 2);
            }
        }

        #[test]
        fn a_return_is_the_nearest_number(from in -1i128 << 106..1 << 106, by in any::<i64>()) {
            let difference = i128::from(by) * 1_000_003;
            let found = log_return(from, from + difference) * 10i128.pow(12);
            prop_assert!((found - difference).abs() * 2 <= 10i128.pow(12));
            prop_assert_eq!(log_return(from + difference, from) * 10i128.pow(12), -found);
        }
    }
}
