//! Exact decimal numbers of any size.
//!
//! Sums of money and token amounts outgrow every fixed-width decimal, and a
//! type that rounds in silence has no place here: this one holds what Postgres's
//! NUMERIC holds, digit for digit.

use std::{borrow::Cow, cmp::Ordering, fmt, sync::LazyLock};

use num_bigint::{BigInt, Sign};
use num_integer::Integer;
use num_traits::{Signed, Zero};

mod roots;

/// Decimal digits that fit a `u64` whatever they are.
const U64_DIGITS: usize = 19;

/// An exact decimal number: `unscaled / 10^scale`, kept without trailing zeros
/// so that equal numbers are equal values.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Decimal {
    unscaled: BigInt,
    scale: u32,
}

impl Decimal {
    /// The number zero.
    #[must_use]
    pub fn zero() -> Self {
        Self { unscaled: BigInt::zero(), scale: 0 }
    }

    /// The number `unscaled / 10^scale`.
    #[must_use]
    pub fn new(unscaled: BigInt, scale: u32) -> Self {
        let mut number = Self { unscaled, scale };
        number.trim();
        number
    }

    /// As [`Self::new`], of a number that fits 128 bits.
    #[must_use]
    pub fn of_small(unscaled: i128, scale: u32) -> Self {
        let (unscaled, scale) = trimmed(unscaled, scale);
        Self { unscaled: BigInt::from(unscaled), scale }
    }

    /// The quotient `numerator / denominator`, rounded half-even to `decimals`
    /// decimals. `None` if the denominator is zero.
    #[must_use]
    pub fn rounded_quotient(numerator: &Self, denominator: &Self, decimals: u32) -> Option<Self> {
        if denominator.unscaled.is_zero() {
            return None;
        }
        // n / 10^a / (d / 10^b) * 10^k  =  n * 10^(b + k) / (d * 10^a)
        let top = &numerator.unscaled * &*power_of_ten(denominator.scale + decimals);
        let bottom = &denominator.unscaled * &*power_of_ten(numerator.scale);
        Some(Self::new(divide_half_even(&top, &bottom), decimals))
    }

    /// The number as `(unscaled, scale)`: its value is `unscaled / 10^scale`.
    #[must_use]
    pub fn to_parts(&self) -> (BigInt, u32) {
        (self.unscaled.clone(), self.scale)
    }

    /// The same, without a copy of the digits.
    #[must_use]
    pub fn parts(&self) -> (&BigInt, u32) {
        (&self.unscaled, self.scale)
    }

    /// Whether the number is greater than zero.
    #[must_use]
    pub fn is_positive(&self) -> bool {
        self.unscaled.is_positive()
    }

    /// Whether the number has at most so many digits before the point and behind it.
    #[must_use]
    pub fn fits(&self, whole_digits: u32, decimals: u32) -> bool {
        // 3 bits and a third make a digit: most numbers are too short to be looked at.
        self.scale <= decimals
            && (self.unscaled.bits() <= u64::from(whole_digits) * 3
                || *self.unscaled.magnitude()
                    < *power_of_ten(whole_digits + self.scale).magnitude())
    }

    /// The exact product.
    #[must_use]
    pub fn times(&self, other: &Self) -> Self {
        Self::new(&self.unscaled * &other.unscaled, self.scale + other.scale)
    }

    /// The exact difference.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        let scale = self.scale.max(other.scale);
        Self::new(&*self.at_scale(scale) - &*other.at_scale(scale), scale)
    }

    /// The exact sum.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let scale = self.scale.max(other.scale);
        Self::new(&*self.at_scale(scale) + &*other.at_scale(scale), scale)
    }

    /// Reads a plain decimal: an optional minus sign, digits, and optionally a
    /// point with digits behind it. No exponent, no spaces.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (sign, digits) = match text.strip_prefix('-') {
            Some(rest) => (Sign::Minus, rest),
            None => (Sign::Plus, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let has_point = digits.len() != whole.len();
        if whole.is_empty() || (has_point && fraction.is_empty()) {
            return None;
        }
        if !whole.bytes().chain(fraction.bytes()).all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        // Zeros are cut off here, where it costs no division.
        let fraction = fraction.trim_end_matches('0');
        let joined = whole.bytes().chain(fraction.bytes());
        let magnitude = if whole.len() + fraction.len() <= U64_DIGITS {
            BigInt::from(joined.fold(0, |number: u64, digit| number * 10 + u64::from(digit - b'0')))
        } else {
            BigInt::parse_bytes(&joined.collect::<Vec<u8>>(), 10)?
        };
        let unscaled = if sign == Sign::Minus { -magnitude } else { magnitude };
        Some(Self { unscaled, scale: u32::try_from(fraction.len()).ok()? })
    }

    /// The number as plain text with at least `decimals` decimals, more only
    /// where the number has more.
    #[must_use]
    pub fn to_text(&self, decimals: u32) -> String {
        let scale = self.scale.max(decimals);
        let magnitude = self.at_scale(scale);
        let digits = match u128::try_from(magnitude.magnitude()) {
            Ok(small) => small.to_string(),
            Err(_) => magnitude.magnitude().to_string(),
        };
        let places = scale as usize;
        let mut text = String::with_capacity(digits.len().max(places + 1) + 2);
        if self.unscaled.is_negative() {
            text.push('-');
        }
        let (whole, fraction) = digits.split_at(digits.len().saturating_sub(places));
        text.push_str(if whole.is_empty() { "0" } else { whole });
        if places > 0 {
            text.push('.');
            text.extend(std::iter::repeat_n('0', places - fraction.len()));
            text.push_str(fraction);
        }
        text
    }

    /// The number as a whole number of `10^-scale`, if it is one and fits 128 bits.
    #[must_use]
    pub fn small_at(&self, scale: u32) -> Option<i128> {
        let small = i128::try_from(&self.unscaled).ok()?;
        small.checked_mul(10i128.checked_pow(scale.checked_sub(self.scale)?)?)
    }

    fn at_scale(&self, scale: u32) -> Cow<'_, BigInt> {
        match scale - self.scale {
            0 => Cow::Borrowed(&self.unscaled),
            digits => Cow::Owned(&self.unscaled * &*power_of_ten(digits)),
        }
    }

    fn trim(&mut self) {
        if let Ok(small) = i128::try_from(&self.unscaled) {
            let (unscaled, scale) = trimmed(small, self.scale);
            if scale != self.scale {
                *self = Self { unscaled: BigInt::from(unscaled), scale };
            }
            return;
        }
        let ten = BigInt::from(10);
        while self.scale > 0 && self.unscaled.is_even() {
            let (quotient, remainder) = self.unscaled.div_rem(&ten);
            if !remainder.is_zero() {
                break;
            }
            self.unscaled = quotient;
            self.scale -= 1;
        }
    }
}

/// The same number without zeros at the end.
fn trimmed(mut unscaled: i128, mut scale: u32) -> (i128, u32) {
    if unscaled == 0 {
        return (0, 0);
    }
    // Most need one look: half of all numbers are odd, and most fit a word.
    while scale > 0 && unscaled % 2 == 0 {
        let is_round = match i64::try_from(unscaled) {
            Ok(word) => word % 10 == 0,
            Err(_) => unscaled % 10 == 0,
        };
        if !is_round {
            break;
        }
        unscaled /= 10;
        scale -= 1;
    }
    (unscaled, scale)
}

impl From<i64> for Decimal {
    fn from(number: i64) -> Self {
        Self { unscaled: BigInt::from(number), scale: 0 }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.to_text(0))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let scale = self.scale.max(other.scale);
        self.at_scale(scale).as_ref().cmp(other.at_scale(scale).as_ref())
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Powers of ten up to this one are kept at hand: twice the decimals of roots, and the
/// squares of tokens' amounts.
const POWERS_KEPT: u32 = 80;

static POWERS_OF_TEN: LazyLock<Vec<BigInt>> =
    LazyLock::new(|| (0..=POWERS_KEPT).map(|exponent| BigInt::from(10).pow(exponent)).collect());

fn power_of_ten(exponent: u32) -> Cow<'static, BigInt> {
    match POWERS_OF_TEN.get(exponent as usize) {
        Some(power) => Cow::Borrowed(power),
        None => Cow::Owned(BigInt::from(10).pow(exponent)),
    }
}

fn divide_half_even(top: &BigInt, bottom: &BigInt) -> BigInt {
    let (floor, remainder) = top.div_mod_floor(bottom);
    match BigInt::cmp(&(remainder.abs() * 2), &bottom.abs()) {
        Ordering::Less => floor,
        Ordering::Greater => floor + 1,
        Ordering::Equal if floor.is_even() => floor,
        Ordering::Equal => floor + 1,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> Decimal {
        Decimal::parse(text).expect("the test wrote a number")
    }

    #[test]
    fn text_is_kept_apart_from_trailing_zeros() {
        for (text, expected) in [
            ("0", "0"),
            ("-0.00", "0"),
            ("10.50", "10.5"),
            ("0.00001", "0.00001"),
            (
                "-1234567890123456789012345678901234567890.5",
                "-1234567890123456789012345678901234567890.5",
            ),
        ] {
            assert_eq!(number(text).to_string(), expected);
        }
        assert_eq!(number("12.5").to_text(5), "12.50000");
        assert_eq!(Decimal::zero().to_text(2), "0.00");
    }

    #[test]
    fn nonsense_is_no_number() {
        for text in ["", "-", ".", "1.", ".5", "1e3", "NaN", "1,5", " 1", "1_000", "--1", "+1"] {
            assert_eq!(Decimal::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn quotients_round_half_to_even() {
        for (top, bottom, decimals, expected) in [
            ("1", "2", 0, "0"),
            ("3", "2", 0, "2"),
            ("-1", "2", 0, "0"),
            ("-3", "2", 0, "-2"),
            ("2", "3", 3, "0.667"),
            ("1", "8", 2, "0.12"),
            ("3", "8", 2, "0.38"),
        ] {
            let quotient = Decimal::rounded_quotient(&number(top), &number(bottom), decimals);
            assert_eq!(quotient, Some(number(expected)), "{top} / {bottom}");
        }
        assert_eq!(Decimal::rounded_quotient(&number("1"), &Decimal::zero(), 2), None);
    }

    #[test]
    fn digits_are_counted_on_both_sides_of_the_point() {
        for (text, whole, decimals) in
            [("0", 0, 0), ("9.99", 1, 2), ("0.001", 0, 3), ("1234567890123456789012.5", 22, 1)]
        {
            assert!(number(text).fits(whole, decimals), "{text}");
            let is_whole = whole == 0;
            assert!(is_whole || !number(text).fits(whole - 1, decimals), "{text}");
            assert!(decimals == 0 || !number(text).fits(whole, decimals - 1), "{text}");
        }
        let nines = "9".repeat(78);
        assert!(number(&nines).fits(78, 0) && !number(&format!("1{nines}")).fits(78, 0));
        assert!(!number(&format!("1{}", "0".repeat(78))).fits(78, 0));
    }

    proptest! {
        #[test]
        fn parsing_undoes_printing(unscaled in any::<i128>(), scale in 0u32..40) {
            let value = Decimal::new(BigInt::from(unscaled), scale);
            prop_assert_eq!(Decimal::parse(&value.to_string()), Some(value.clone()));
            prop_assert_eq!(Decimal::parse(&value.to_text(7)), Some(value));
        }

        #[test]
        fn order_and_arithmetic_agree_with_integers(
            a in any::<i64>(), b in any::<i64>(), scale in 0u32..20,
        ) {
            let (x, y) = (Decimal::new(a.into(), scale), Decimal::new(b.into(), scale));
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
            prop_assert_eq!(x.plus(&y).minus(&y), x.clone());
            prop_assert_eq!(x.times(&y), Decimal::new(BigInt::from(a) * b, 2 * scale));
        }

        #[test]
        fn numbers_of_128_bits_are_like_others(
            unscaled in prop_oneof![any::<i128>(), (any::<i64>(), 0u32..19).prop_map(
                |(n, zeros)| i128::from(n) * 10i128.pow(zeros))],
            scale in 0u32..40,
            more in 0u32..40,
        ) {
            let value = Decimal::of_small(unscaled, scale);
            prop_assert_eq!(&value, &Decimal::new(BigInt::from(unscaled), scale));
            let (whole, places) = value.parts();
            prop_assert!(places == 0 || !(whole % 10u32).is_zero());
            prop_assert_eq!(Decimal::parse(&value.to_text(0)), Some(value.clone()));
            // More digits than fit, the same way.
            let shifted = BigInt::from(unscaled) * BigInt::from(10).pow(more);
            prop_assert_eq!(&Decimal::new(shifted.clone(), scale + more), &value);
            // What fits is found, as far as powers of ten fit.
            let found = value.small_at(scale + more);
            prop_assert!(found.is_none_or(|small| BigInt::from(small) == shifted));
            let does_fit = i128::try_from(&shifted).is_ok() && scale + more - places <= 38;
            prop_assert_eq!(found.is_some(), does_fit);
            prop_assert!(places == 0 || value.small_at(places - 1).is_none());
        }

    }
}
