//! Square roots of exact numbers, rounded once.

use std::cmp::Ordering;

use num_bigint::BigInt;
use num_integer::Integer;
use num_traits::{Signed, Zero};

use super::{Decimal, power_of_ten};
use crate::domain::running_total::whole::Whole;

impl Decimal {
    /// The square root of `numerator / denominator`, rounded half-even to
    /// `decimals` decimals. `None` if the quotient is negative or undefined.
    #[must_use]
    pub fn rounded_root(numerator: &Self, denominator: &Self, decimals: u32) -> Option<Self> {
        let numerator = (numerator.unscaled.clone(), numerator.scale);
        let denominator = (denominator.unscaled.clone(), denominator.scale);
        Self::rounded_root_of_parts(numerator, denominator, decimals)
    }

    /// As [`Self::rounded_root`], of numbers that are given as `(unscaled, scale)`.
    ///
    /// Exact: the integer root `k` of the scaled quotient is rounded up only if
    /// the quotient exceeds `(k + 1/2)^2`, which is `k^2 + k + 1/4`: only where its whole part
    /// is `k^2 + k` does the rest of the division matter.
    #[must_use]
    pub fn rounded_root_of_parts(
        (mut top, top_scale): (BigInt, u32),
        (mut bottom, bottom_scale): (BigInt, u32),
        decimals: u32,
    ) -> Option<Self> {
        if bottom.is_zero() {
            return None;
        }
        let digits = bottom_scale + 2 * decimals;
        if digits >= top_scale {
            top *= &*power_of_ten(digits - top_scale);
        } else {
            bottom *= &*power_of_ten(top_scale - digits);
        }
        let (top, bottom) = if bottom.is_negative() { (-top, -bottom) } else { (top, bottom) };
        if top.is_negative() {
            return None;
        }
        let (whole, rest) = top.div_rem(&bottom);
        let rest_to_quarter = || BigInt::cmp(&(rest * 4), &bottom);
        if let Ok(small) = u128::try_from(&whole) {
            return Self::nearest_root(small, rest_to_quarter, decimals);
        }
        let root = whole.sqrt();
        let to_middle = BigInt::cmp(&(&whole - &root * &root), &root);
        let is_up = is_rounded_up(to_middle.then_with(rest_to_quarter), root.is_even());
        Some(Self::new(root + u32::from(is_up), decimals))
    }

    /// As [`Self::rounded_root`], of a whole number of `10^-top_scale` and a whole number: without
    /// large numbers, where they are as small as they mostly are.
    #[must_use]
    pub fn rounded_root_of_wholes(
        top: &Whole,
        top_scale: u32,
        bottom: &Whole,
        decimals: u32,
    ) -> Option<Self> {
        if let (Whole::Small(top), Whole::Small(bottom)) = (top, bottom)
            && let (Ok(top), Ok(bottom @ 1..)) = (u128::try_from(*top), u64::try_from(*bottom))
            && let Some(digits) = (2 * decimals).checked_sub(top_scale)
            && let Some((whole, rest)) = divided(top, digits, bottom)
        {
            // Less than the divisor, which is a word.
            let rest_to_quarter = || (rest * 4).cmp(&u128::from(bottom));
            return Self::nearest_root(whole, rest_to_quarter, decimals);
        }
        Self::rounded_root_of_parts((top.to_big(), top_scale), (bottom.to_big(), 0), decimals)
    }

    /// The root of a quotient, as a whole number of `10^-decimals`, of its whole part, and of how
    /// what is left of it compares to a quarter.
    fn nearest_root(
        whole: u128,
        rest_to_quarter: impl FnOnce() -> Ordering,
        decimals: u32,
    ) -> Option<Self> {
        let root = whole.isqrt();
        let to_middle = (whole - root * root).cmp(&root);
        let is_up = is_rounded_up(to_middle.then_with(rest_to_quarter), root.is_even());
        Some(Self::of_small(i128::try_from(root).ok()? + i128::from(is_up), decimals))
    }
}

/// Whether a root is rounded up that is followed by what compares so to a half.
fn is_rounded_up(to_half: Ordering, is_even: bool) -> bool {
    match to_half {
        Ordering::Less => false,
        Ordering::Greater => true,
        Ordering::Equal => !is_even,
    }
}

/// `top * 10^digits / bottom` and what is left, if the quotient fits 128 bits; `bottom` is not
/// zero.
fn divided(top: u128, mut digits: u32, bottom: u64) -> Option<(u128, u128)> {
    // So many fit a word, and the product of two words 128 bits.
    const DIGITS_AT_ONCE: u32 = 19;
    let bottom = u128::from(bottom);
    let (mut whole, mut rest) = (top / bottom, top % bottom);
    while digits > 0 {
        let power = 10u128.pow(digits.min(DIGITS_AT_ONCE));
        rest *= power;
        whole = whole.checked_mul(power)?.checked_add(rest / bottom)?;
        rest %= bottom;
        digits = digits.saturating_sub(DIGITS_AT_ONCE);
    }
    Some((whole, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> Decimal {
        Decimal::parse(text).expect("the test wrote a number")
    }

    #[test]
    fn roots_are_exact_to_the_last_decimal() {
        for (top, bottom, decimals, expected) in [
            ("2", "1", 18, "1.414213562373095049"),
            ("1", "4", 0, "0"),
            ("9", "4", 0, "2"),
            ("0", "7", 18, "0"),
        ] {
            let root = Decimal::rounded_root(&number(top), &number(bottom), decimals);
            assert_eq!(root, Some(number(expected)));
        }
        assert_eq!(Decimal::rounded_root(&number("-1"), &number("1"), 2), None);
    }

    proptest! {
        #[test]
        fn roots_round_where_the_square_of_the_middle_lies(
            root in prop_oneof![1u128..1 << 20, 1u128..],
            beside in -3i32..=3,
            bottom in prop_oneof![1u64..9, 1u64..],
            decimals in 0u32..3,
        ) {
            // Quotients near (k + 1/2)^2 = (2k + 1)^2 / 4.
            let middle: BigInt = BigInt::from(root) * 2 + 1;
            let top = middle.pow(2) * bottom + beside;
            let bottom: BigInt = BigInt::from(bottom) * 4 * BigInt::from(100).pow(decimals);
            let whole_bottom = bottom.clone();
            let found = Decimal::rounded_root(
                &Decimal::new(top.clone(), 0), &Decimal::new(bottom, 0), decimals);
            let k = BigInt::from(root);
            let is_up = match beside.cmp(&0) {
                Ordering::Less => false,
                Ordering::Greater => true,
                Ordering::Equal => !k.is_even(),
            };
            let expected = Some(Decimal::new(k + u32::from(is_up), decimals));
            prop_assert_eq!(&found, &expected);
            let (top, bottom) = (Whole::from(top), Whole::from(whole_bottom));
            let found = Decimal::rounded_root_of_wholes(&top, 0, &bottom, decimals);
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn roots_of_small_numbers_are_those_of_large_ones(
            top in prop_oneof![0i128.., 0i128..1 << 90, 0i128..9],
            bottom in prop_oneof![0i64.., 1i64..2_000],
            top_scale in 0u32..40,
            decimals in 0u32..19,
        ) {
            let large = Decimal::rounded_root(
                &Decimal::of_small(top, top_scale), &Decimal::from(bottom), decimals);
            let (top, bottom) = (Whole::Small(top), Whole::from(bottom));
            let small = Decimal::rounded_root_of_wholes(&top, top_scale, &bottom, decimals);
            prop_assert_eq!(small, large);
        }

        #[test]
        fn a_root_is_the_nearest_number(n in 0u64.., d in 1u32..) {
            let (top, bottom) = (Decimal::new(n.into(), 0), Decimal::from(i64::from(d)));
            let root = Decimal::rounded_root(&top, &bottom, 6).expect("not negative");
            let half = Decimal::new(5.into(), 7);
            let below = root.minus(&half);
            let above = root.plus(&half);
            if below > Decimal::zero() {
                prop_assert!(below.times(&below).times(&bottom) <= top);
            }
            prop_assert!(above.times(&above).times(&bottom) >= top);
        }
    }
}
