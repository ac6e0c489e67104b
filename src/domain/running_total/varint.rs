//! Numbers in as few bytes as they need: LEB128 for machine words, length and
//! little-endian magnitude for whole numbers of any size.

use num_bigint::{BigInt, Sign};

use super::{cell::BrokenCell, whole::Whole};

/// Length in a number's head that means that the length itself follows.
const LONG: u8 = 127;

/// Appends an unsigned word.
pub(in crate::domain) fn put_unsigned(mut word: u64, into: &mut Vec<u8>) {
    while word >= 0x80 {
        into.push((word & 0x7f) as u8 | 0x80);
        word >>= 7;
    }
    into.push((word & 0x7f) as u8);
}

/// Appends a signed word, small magnitudes in few bytes.
pub(in crate::domain) fn put_signed(word: i64, into: &mut Vec<u8>) {
    put_unsigned((word << 1 ^ word >> 63).cast_unsigned(), into);
}

/// Appends a whole number.
pub(in crate::domain) fn put_whole(number: &Whole, into: &mut Vec<u8>) {
    match number {
        Whole::Small(small) => {
            let bytes = small.unsigned_abs().to_le_bytes();
            let zeros = bytes.iter().rev().take_while(|&&byte| byte == 0).count();
            put_magnitude(*small < 0, &bytes[..bytes.len() - zeros], into);
        }
        Whole::Big(big) => {
            let (sign, bytes) = big.to_bytes_le();
            put_magnitude(sign == Sign::Minus, &bytes, into);
        }
    }
}

fn put_magnitude(is_negative: bool, bytes: &[u8], into: &mut Vec<u8>) {
    // Those that do not fit are long too.
    let length = u8::try_from(bytes.len()).unwrap_or(u8::MAX).min(LONG);
    into.push(length << 1 | u8::from(is_negative));
    if length == LONG {
        put_unsigned(bytes.len() as u64, into);
    }
    into.extend_from_slice(bytes);
}

/// Reads numbers one after the other.
pub(in crate::domain) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(in crate::domain) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(in crate::domain) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    #[inline]
    pub(in crate::domain) fn byte(&mut self) -> Result<u8, BrokenCell> {
        let (&first, rest) = self.rest.split_first().ok_or(BrokenCell)?;
        self.rest = rest;
        Ok(first)
    }

    #[inline]
    pub(in crate::domain) fn bytes(&mut self, length: usize) -> Result<&'a [u8], BrokenCell> {
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(BrokenCell)?;
        self.rest = rest;
        Ok(bytes)
    }

    #[inline]
    pub(in crate::domain) fn unsigned(&mut self) -> Result<u64, BrokenCell> {
        if let Some((&first, rest)) = self.rest.split_first()
            && first < 0x80
        {
            self.rest = rest;
            return Ok(u64::from(first));
        }
        let mut word = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            word |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(word);
            }
        }
        Err(BrokenCell)
    }

    pub(in crate::domain) fn signed(&mut self) -> Result<i64, BrokenCell> {
        let word = self.unsigned()?;
        Ok((word >> 1).cast_signed() ^ -(word & 1).cast_signed())
    }

    pub(in crate::domain) fn whole(&mut self) -> Result<Whole, BrokenCell> {
        self.number().map(Number::read)
    }

    /// As [`Self::whole`], to be read where it is needed.
    #[inline]
    pub(in crate::domain) fn number(&mut self) -> Result<Number<'a>, BrokenCell> {
        let head = self.byte()?;
        let mut length = usize::from(head >> 1);
        if head >> 1 == LONG {
            length = usize::try_from(self.unsigned()?).map_err(|_| BrokenCell)?;
        }
        let from = self.rest;
        self.bytes(length)?;
        Ok(Number { is_negative: head & 1 == 1, length, from })
    }
}

/// A whole number as bytes.
#[derive(Clone, Copy, Debug)]
pub(in crate::domain) struct Number<'a> {
    is_negative: bool,
    length: usize,
    /// The number, and whatever follows it.
    from: &'a [u8],
}

impl Number<'_> {
    #[inline]
    pub(in crate::domain) fn read(self) -> Whole {
        let Self { is_negative, length, from } = self;
        if length > 15 {
            let sign = if is_negative { Sign::Minus } else { Sign::Plus };
            return Whole::from(BigInt::from_bytes_le(sign, &from[..length]));
        }
        // Sixteen bytes at once where there are as many: what is not the number's is cut off.
        let filled = from.first_chunk().copied().map(u128::from_le_bytes);
        let filled = filled.unwrap_or_else(|| {
            let mut filled = [0; 16];
            filled[..length].copy_from_slice(&from[..length]);
            u128::from_le_bytes(filled)
        });
        let magnitude = (filled & ((1 << (8 * length)) - 1)).cast_signed();
        Whole::Small(if is_negative { -magnitude } else { magnitude })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn reading_undoes_writing(
            word in any::<u64>(), signed in any::<i64>(), a in any::<i128>(), power in 0u32..400,
        ) {
            let numbers = [Whole::Small(a), Whole::Small(a).shifted(power), Whole::Small(a >> 64)];
            let mut bytes = Vec::new();
            put_unsigned(word, &mut bytes);
            put_signed(signed, &mut bytes);
            numbers.iter().for_each(|number| put_whole(number, &mut bytes));
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.unsigned(), Ok(word));
            prop_assert_eq!(reader.signed(), Ok(signed));
            for number in numbers {
                prop_assert_eq!(reader.whole(), Ok(number));
            }
            prop_assert!(reader.is_at_end());
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut reader = Reader::new(&bytes);
            while reader.whole().is_ok() && !reader.is_at_end() {}
            let mut reader = Reader::new(&bytes);
            while reader.signed().is_ok() && !reader.is_at_end() {}
        }
    }
}
