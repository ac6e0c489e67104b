//! Hexadecimal digits: behind `0x`, as Ethereum's JSON-RPC writes bytes and numbers
//! (<https://ethereum.org/developers/docs/apis/json-rpc/#conventions>), or bare, as sources of
//! Bitcoin write bytes.

/// Exactly `N` bytes: `0x` and two digits each. `None` if the text is anything else.
#[must_use]
pub fn fixed<const N: usize>(text: &str) -> Option<[u8; N]> {
    bare_fixed(text.strip_prefix("0x")?)
}

/// Exactly `N` bytes: two digits each. `None` if the text is anything else.
#[must_use]
pub fn bare_fixed<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    // A digit that is none has all bits set, which shows in what all have together.
    let mut all = 0;
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let (high, low) = (VALUES[usize::from(pair[0])], VALUES[usize::from(pair[1])]);
        all |= high | low;
        *byte = high << 4 | low & 0xf;
    }
    (all <= 0xf).then_some(bytes)
}

/// Any number of bytes. `None` if the text is not `0x` and an even number of digits.
#[must_use]
pub fn bytes(text: &str) -> Option<Vec<u8>> {
    bare_bytes(text.strip_prefix("0x")?)
}

/// Any number of bytes. `None` if the text is not an even number of digits.
#[must_use]
pub fn bare_bytes(text: &str) -> Option<Vec<u8>> {
    let value = |digit: u8| Some(VALUES[usize::from(digit)]).filter(|&value| value <= 0xf);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes = pairs.iter().map(|&[high, low]| Some(value(high)? << 4 | value(low)?));
    bytes.collect::<Option<Vec<u8>>>().filter(|_| rest.is_empty())
}

/// A number of at most 64 bits. `None` if the text is not `0x` and digits, or too large. Leading
/// zeros are let pass, and no digit at all is zero: explorers write both.
#[must_use]
pub fn quantity(text: &str) -> Option<u64> {
    let digits = text.strip_prefix("0x")?;
    match digits {
        "" => Some(0),
        _ if digits.starts_with('+') => None,
        _ => u64::from_str_radix(digits, 16).ok(),
    }
}

/// The bytes as `0x` and digits in lower case.
#[must_use]
pub fn text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 + 2 * bytes.len());
    text.push_str("0x");
    append(bytes, &mut text);
    text
}

/// The bytes as digits in lower case.
#[must_use]
pub fn bare_text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    append(bytes, &mut text);
    text
}

/// Appends the digits of the bytes, in lower case.
pub fn append(bytes: &[u8], text: &mut String) {
    for byte in bytes {
        for digit in [byte >> 4, byte & 0xf] {
            text.push(char::from(DIGITS[usize::from(digit)]));
        }
    }
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The value of every byte as a digit; all bits set where it is none.
const VALUES: [u8; 256] = {
    let mut values = [u8::MAX; 256];
    let mut value = 0;
    while value < 16 {
        let digit = DIGITS[value as usize];
        values[digit as usize] = value;
        values[digit.to_ascii_uppercase() as usize] = value;
        value += 1;
    }
    values
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_two_digits_each() {
        assert_eq!(fixed("0x00fF"), Some([0, 255]));
        assert_eq!(fixed::<0>("0x"), Some([]));
        for text in ["00ff", "0x00f", "0x00ff0", "0x00fg", "0X00ff", "", "0x+0ff", "0xé"] {
            assert_eq!(fixed::<2>(text), None, "{text:?}");
        }
        assert_eq!(bytes("0x00ff10"), Some(vec![0, 255, 16]));
        assert_eq!(bytes("0x"), Some(vec![]));
        for text in ["0x0", "0x0g", "ff", "0xé"] {
            assert_eq!(bytes(text), None, "{text:?}");
        }
        assert_eq!(text(&[0, 255, 16]), "0x00ff10");
    }

    #[test]
    fn bare_digits_have_nothing_before_them() {
        assert_eq!(bare_fixed("00fF"), Some([0, 255]));
        assert_eq!(bare_bytes("00fF"), Some(vec![0, 255]));
        assert_eq!(bare_bytes(""), Some(vec![]));
        for text in ["0x00ff", "0", "0g", "+0", "é0"] {
            assert_eq!((bare_fixed::<1>(text), bare_bytes(text)), (None, None), "{text:?}");
        }
        assert_eq!(bare_text(&[0, 255, 16]), "00ff10");
    }

    #[test]
    fn numbers_have_as_many_digits_as_they_need() {
        for (text, expected) in [
            ("0x", Some(0)),
            ("0x0", Some(0)),
            ("0x2052f3b", Some(33_894_203)),
            ("0x0010", Some(16)),
            ("0xffffffffffffffff", Some(u64::MAX)),
            ("0x10000000000000000", None),
            ("16", None),
            ("0x-1", None),
            ("0x+1", None),
        ] {
            assert_eq!(quantity(text), expected, "{text}");
        }
    }
}
