//! NUMERIC in Postgres's binary format, exact at any size.
//!
//! The format (`numeric_send` in the server's source, src/backend/utils/adt/numeric.c):
//! number of base-10,000 digits, weight of the first one, sign, display scale, then
//! the digits, all as 16-bit big-endian integers.

use bytes::{Buf, BufMut, BytesMut};
use num_bigint::BigInt;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};

use crate::{
    domain::{decimal::Decimal, running_total::whole::Whole},
    error::BoxError,
};

const SIGN_NEGATIVE: u16 = 0x4000;

/// Base-10,000 digits that an `i128` can need, and one for the alignment of the
/// point.
const DIGITS_MAX: usize = 11;

/// Where the scale stands in the binary format.
const SCALE_AT: usize = 6;

/// A NUMERIC as it comes from the database.
#[derive(Debug)]
pub struct Numeric(pub Decimal);

impl<'a> FromSql<'a> for Numeric {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, BoxError> {
        decode(raw).map(Self)
    }

    accepts!(NUMERIC);
}

impl ToSql for Numeric {
    fn to_sql(&self, _: &Type, into: &mut BytesMut) -> Result<IsNull, BoxError> {
        encode_decimal(&self.0, 0, into);
        Ok(IsNull::No)
    }

    accepts!(NUMERIC);

    to_sql_checked!();
}

/// A NUMERIC as a whole number of `1 / 10^scale`, the scale being the one that it is
/// shown with: no division by ten is needed to know it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ScaledNumeric {
    /// The number in units of its last digit.
    pub whole: Whole,
    /// Digits behind the point.
    pub scale: u32,
}

impl<'a> FromSql<'a> for ScaledNumeric {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, BoxError> {
        decode_scaled(raw)
    }

    accepts!(NUMERIC);
}

/// Groups of four digits that fit 128 bits whatever they are.
const SMALL_GROUPS: usize = 9;

/// Decodes the binary format into a whole number and its scale.
///
/// # Errors
/// As for [`decode`].
pub fn decode_scaled(raw: &[u8]) -> Result<ScaledNumeric, BoxError> {
    let (head, groups) = raw.split_at_checked(8).ok_or("a NUMERIC was cut short")?;
    let word = |place: usize| u16::from_be_bytes([head[place], head[place + 1]]);
    let (count, weight) = (usize::from(word(0)), i32::from(word(2).cast_signed()));
    let (sign, shown) = (word(4), u32::from(word(6)));
    let last_weight = weight - i32::try_from(count)? + 1;
    let places = last_weight.unsigned_abs() * 4;
    let is_plain = matches!(sign, 0 | SIGN_NEGATIVE) && groups.len() == 2 * count;
    if !is_plain || count > SMALL_GROUPS || (last_weight < 0 && places > shown + 3) {
        // Rare: large, or broken.
        let (unscaled, scale) = decode(raw)?.to_parts();
        return Ok(ScaledNumeric { whole: Whole::from(unscaled), scale });
    }
    let magnitude = groups.chunks_exact(2).fold(0i128, |whole, pair| {
        whole * 10_000 + i128::from(u16::from_be_bytes([pair[0], pair[1]]))
    });
    let signed = if sign == 0 { magnitude } else { -magnitude };
    if last_weight >= 0 {
        return Ok(ScaledNumeric { whole: Whole::Small(signed).shifted(places), scale: 0 });
    }
    // The last group may reach beyond the digits that are shown: those are zeros.
    let beyond = places.saturating_sub(shown);
    let whole = Whole::Small(signed / 10i128.pow(beyond));
    Ok(ScaledNumeric { whole, scale: places - beyond })
}

/// Decodes the binary format.
///
/// # Errors
/// If the bytes are cut short, or the value is not a number or infinite: no column
/// of Daybook's holds such values.
pub fn decode(mut raw: &[u8]) -> Result<Decimal, BoxError> {
    if raw.len() < 8 {
        return Err("a NUMERIC was cut short".into());
    }
    let digit_count = raw.get_u16();
    let weight = i32::from(raw.get_i16());
    let sign = raw.get_u16();
    let _display_scale = raw.get_u16();
    if sign != 0 && sign != SIGN_NEGATIVE {
        return Err("a NUMERIC is not a finite number".into());
    }
    if raw.len() != 2 * usize::from(digit_count) {
        return Err("a NUMERIC was cut short".into());
    }
    let mut groups = Vec::with_capacity(usize::from(digit_count));
    while raw.has_remaining() {
        groups.push(raw.get_u16());
    }
    // The last group has the weight w, so the number is groups * 10,000^w.
    let last_weight = weight - i32::from(digit_count) + 1;
    let mut unscaled = from_groups(&groups);
    if sign == SIGN_NEGATIVE {
        unscaled = -unscaled;
    }
    if digit_count == 0 {
        return Ok(Decimal::zero());
    }
    let places = last_weight.unsigned_abs() * 4;
    if last_weight >= 0 {
        return Ok(Decimal::new(unscaled * BigInt::from(10).pow(places), 0));
    }
    Ok(Decimal::new(unscaled, places))
}

fn from_groups(groups: &[u16]) -> BigInt {
    // Four groups fit a machine word; few sums need more than two words.
    groups.chunks(4).fold(BigInt::ZERO, |whole, chunk| {
        let (word, base) = chunk.iter().fold((0u64, 1u64), |(word, base), &group| {
            (word * 10_000 + u64::from(group), base * 10_000)
        });
        whole * base + word
    })
}

/// Appends the binary format of `mantissa / 10^scale`, without a length.
pub fn encode(mantissa: i128, scale: u16, into: &mut BytesMut) {
    let mut rest = mantissa.unsigned_abs();
    let mut groups = [0u16; DIGITS_MAX];
    let mut used = 0;
    // Groups are counted from the point: the last one may hold fewer than four
    // decimals and is filled up with zeros.
    let odd = u32::from(scale % 4);
    if odd != 0 {
        let base = 10u128.pow(odd);
        groups[used] = group(rest % base) * 10u16.pow(4 - odd);
        rest /= base;
        used += 1;
    }
    while rest > 0 {
        groups[used] = group(rest % 10_000);
        rest /= 10_000;
        used += 1;
    }
    let fraction_groups = i16::try_from(scale.div_ceil(4)).unwrap_or(i16::MAX);
    let whole = &groups[..used];
    let leading = whole.iter().rev().take_while(|&&group| group == 0).count();
    let whole = &whole[..used - leading];
    let trailing = whole.iter().take_while(|&&group| group == 0).count();
    let digits = &whole[trailing..];
    let weight = i16::try_from(whole.len()).unwrap_or(i16::MAX) - fraction_groups - 1;
    into.put_u16(u16::try_from(digits.len()).unwrap_or(u16::MAX));
    into.put_i16(if digits.is_empty() { 0 } else { weight });
    into.put_u16(if mantissa < 0 && !digits.is_empty() { SIGN_NEGATIVE } else { 0 });
    into.put_u16(scale);
    for &digit in digits.iter().rev() {
        into.put_u16(digit);
    }
}

/// Appends the binary format of a number of any size, shown with at least so many decimals.
pub fn encode_decimal(number: &Decimal, decimals: u32, into: &mut BytesMut) {
    let (unscaled, scale) = number.parts();
    let start = into.len();
    match (i128::try_from(unscaled), u16::try_from(scale)) {
        (Ok(mantissa), Ok(scale)) => encode(mantissa, scale, into),
        _ => encode_large(number, into),
    }
    // The scale is what a reader is shown; the digits stand for themselves.
    let shown = u16::try_from(scale.max(decimals)).unwrap_or(u16::MAX);
    into[start + SCALE_AT..start + SCALE_AT + 2].copy_from_slice(&shown.to_be_bytes());
}

fn encode_large(number: &Decimal, into: &mut BytesMut) {
    let (unscaled, scale) = number.parts();
    // Filled up so that the point lies between two groups, then cut from the end.
    let digits = format!("{}{}", unscaled.magnitude(), "0".repeat((4 - scale as usize % 4) % 4));
    let mut groups: Vec<u16> = digits
        .as_bytes()
        .rchunks(4)
        .map(|chunk| chunk.iter().fold(0, |group, digit| group * 10 + u16::from(digit - b'0')))
        .collect();
    let fraction_groups = i64::from(scale.div_ceil(4));
    let weight = i64::try_from(groups.len()).unwrap_or(i64::MAX) - fraction_groups - 1;
    let trailing = groups.iter().take_while(|&&group| group == 0).count();
    groups.drain(..trailing);
    into.put_u16(u16::try_from(groups.len()).unwrap_or(u16::MAX));
    into.put_i16(i16::try_from(weight).unwrap_or(i16::MAX));
    into.put_u16(if number.is_positive() { 0 } else { SIGN_NEGATIVE });
    into.put_u16(u16::try_from(scale).unwrap_or(u16::MAX));
    for &group in groups.iter().rev() {
        into.put_u16(group);
    }
}

/// Appends the binary format of `mantissa / 10^scale` without trailing zeros
/// behind the point: what Postgres calls `trim_scale`.
pub fn encode_trimmed(mut mantissa: i128, mut scale: u16, into: &mut BytesMut) {
    while scale > 0 && mantissa % 10 == 0 {
        mantissa /= 10;
        scale -= 1;
    }
    encode(mantissa, scale, into);
}

fn group(below_ten_thousand: u128) -> u16 {
    u16::try_from(below_ten_thousand).expect("a remainder of 10,000 fits 16 bits")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn broken_bytes_are_errors() {
        for raw in [&[][..], &[0; 7], &[0, 1, 0, 0, 0, 0, 0, 0], &[0, 0, 0, 0, 0xC0, 0, 0, 0]] {
            assert!(decode(raw).is_err(), "{raw:?}");
        }
    }

    proptest! {
        #[test]
        fn numbers_of_any_size_come_back(digits in "-?[1-9][0-9]{0,90}", scale in 0u32..80) {
            let unscaled: BigInt = digits.parse().expect("digits");
            let number = Decimal::new(unscaled, scale);
            for decimals in [0, 7] {
                let mut bytes = BytesMut::new();
                encode_decimal(&number, decimals, &mut bytes);
                prop_assert_eq!(decode(&bytes).expect("just encoded"), number.clone());
                let shown = u32::from(u16::from_be_bytes([bytes[6], bytes[7]]));
                prop_assert_eq!(shown, number.parts().1.max(decimals));
                let mut large = BytesMut::new();
                encode_large(&number, &mut large);
                prop_assert_eq!(decode(&large).expect("just encoded"), number.clone());
                bytes[6..8].copy_from_slice(&large[6..8]);
                prop_assert_eq!(&bytes, &large);
            }
        }

        #[test]
        fn decoding_undoes_encoding(mantissa in any::<i128>(), scale in 0u16..60) {
            let expected = Decimal::new(BigInt::from(mantissa), u32::from(scale));
            let mut plain = BytesMut::new();
            encode(mantissa, scale, &mut plain);
            prop_assert_eq!(decode(&plain).expect("just encoded"), expected.clone());
            let scaled = decode_scaled(&plain).expect("just encoded");
            prop_assert_eq!(Decimal::new(scaled.whole.to_big(), scaled.scale), expected.clone());
            let mut trimmed = BytesMut::new();
            encode_trimmed(mantissa, scale, &mut trimmed);
            prop_assert_eq!(decode(&trimmed).expect("just encoded"), expected);
        }
    }
}
