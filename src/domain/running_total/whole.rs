//! Whole numbers of any size that are fast while they are small.
//!
//! Amounts are counted in the smallest unit that a cell knows. Nearly all of them, and
//! nearly all of their sums and squares, fit 128 bits; what does not is just as exact.

use std::cmp::Ordering;

use num_bigint::BigInt;
use num_traits::ToPrimitive;

/// A whole number of any size. Equal numbers are equal values.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Whole {
    /// A number that fits.
    Small(i128),
    /// A number that does not.
    Big(Box<BigInt>),
}

impl Whole {
    /// The number zero.
    pub const ZERO: Self = Self::Small(0);

    /// Whether the number is zero.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }

    /// The sum.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        if let (Self::Small(a), Self::Small(b)) = (self, other)
            && let Some(sum) = a.checked_add(*b)
        {
            return Self::Small(sum);
        }
        Self::from(self.to_big() + other.to_big())
    }

    /// Adds another number.
    #[inline]
    pub fn add(&mut self, other: &Self) {
        if let (Self::Small(a), Self::Small(b)) = (&mut *self, other)
            && let Some(sum) = a.checked_add(*b)
        {
            // In its place: nothing has to be dropped.
            *a = sum;
            return;
        }
        *self = Self::from(self.to_big() + other.to_big());
    }

    /// The difference.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        if let (Self::Small(a), Self::Small(b)) = (self, other)
            && let Some(difference) = a.checked_sub(*b)
        {
            return Self::Small(difference);
        }
        Self::from(self.to_big() - other.to_big())
    }

    /// The product.
    #[must_use]
    pub fn times(&self, other: &Self) -> Self {
        if let (Self::Small(a), Self::Small(b)) = (self, other) {
            // Two words make 128 bits, whatever they are: one multiplication.
            if let (Ok(a), Ok(b)) = (i64::try_from(*a), i64::try_from(*b)) {
                return Self::Small(i128::from(a) * i128::from(b));
            }
            if let Some(product) = a.checked_mul(*b) {
                return Self::Small(product);
            }
        }
        Self::from(self.to_big() * other.to_big())
    }

    /// The number with the other sign.
    #[must_use]
    pub fn negated(&self) -> Self {
        self.times(&Self::Small(-1))
    }

    /// The number times ten to the power of `exponent`.
    #[must_use]
    pub fn shifted(&self, exponent: u32) -> Self {
        if exponent == 0 {
            return self.clone();
        }
        match 10i128.checked_pow(exponent) {
            Some(power) => self.times(&Self::Small(power)),
            None => Self::from(self.to_big() * BigInt::from(10).pow(exponent)),
        }
    }

    /// The number as a big one.
    #[must_use]
    pub fn to_big(&self) -> BigInt {
        match self {
            Self::Small(small) => BigInt::from(*small),
            Self::Big(big) => BigInt::clone(big),
        }
    }
}

impl From<BigInt> for Whole {
    fn from(big: BigInt) -> Self {
        match big.to_i128() {
            Some(small) => Self::Small(small),
            None => Self::Big(Box::new(big)),
        }
    }
}

impl From<i64> for Whole {
    fn from(small: i64) -> Self {
        Self::Small(i128::from(small))
    }
}

impl Ord for Whole {
    fn cmp(&self, other: &Self) -> Ordering {
        if let (Self::Small(a), Self::Small(b)) = (self, other) {
            return a.cmp(b);
        }
        self.to_big().cmp(&other.to_big())
    }
}

impl PartialOrd for Whole {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Numbers of all sizes, and those at the edges of a word and of two.
    fn number() -> impl Strategy<Value = i128> {
        prop_oneof![
            any::<i128>(),
            any::<i64>().prop_map(i128::from),
            (prop_oneof![Just(1i128 << 63), Just(-1i128 << 63), Just(0)], -2i128..=2)
                .prop_map(|(edge, beside)| edge + beside),
            (prop_oneof![Just(i128::MAX), Just(i128::MIN)], -2i128..=2)
                .prop_map(|(edge, beside)| edge.wrapping_add(beside)),
        ]
    }

    proptest! {
        #[test]
        fn arithmetic_agrees_with_big_numbers(
            a in number(), b in number(), exponent in 0u32..60,
        ) {
            let (x, y) = (Whole::Small(a), Whole::Small(b));
            let (big_x, big_y) = (BigInt::from(a), BigInt::from(b));
            prop_assert_eq!(x.plus(&y).to_big(), &big_x + &big_y);
            let mut sum = x.clone();
            sum.add(&y);
            prop_assert_eq!(sum, x.plus(&y));
            prop_assert_eq!(x.minus(&y).to_big(), &big_x - &big_y);
            prop_assert_eq!(x.times(&y).to_big(), &big_x * &big_y);
            prop_assert_eq!(x.negated().to_big(), -&big_x);
            prop_assert_eq!(x.shifted(exponent).to_big(), &big_x * BigInt::from(10).pow(exponent));
            // Back from a size that does not fit: the same value again.
            let square = x.times(&x);
            prop_assert_eq!(square.plus(&square.negated()), Whole::ZERO);
            prop_assert_eq!(x.plus(&y).plus(&y.negated()), x);
        }

        #[test]
        fn order_agrees_with_big_numbers(
            a in any::<i128>(), b in any::<i128>(), exponents in (0u32..4, 0u32..4),
        ) {
            let (x, y) = (Whole::Small(a), Whole::Small(b));
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
            let (x, y) = (x.shifted(exponents.0), y.shifted(exponents.1));
            prop_assert_eq!(x.cmp(&y), x.to_big().cmp(&y.to_big()));
            prop_assert_eq!(x.cmp(&x.clone()), Ordering::Equal);
        }
    }
}
