//! How the bytes of a file stand for characters.

use std::borrow::Cow;

/// An encoding in which ASCII is itself, so that lines and fields are found in the bytes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Encoding {
    /// UTF-8, with or without a byte order mark.
    #[default]
    Utf8,
    /// ISO 8859-1: each byte is the character of its number.
    Latin1,
    /// Windows-1252: Latin 1 with more characters in the place of control characters.
    Windows1252,
}

/// Windows-1252 from 0x80 to 0x9F; zero where it has no character
/// (<https://encoding.spec.whatwg.org/index-windows-1252.txt>, without its control characters).
const WINDOWS_1252: [char; 32] = [
    '€', '\0', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\0', 'Ž', '\0', //
    '\0', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\0', 'ž', 'Ÿ',
];

impl Encoding {
    /// The encoding of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "utf-8" => Self::Utf8,
            "latin1" => Self::Latin1,
            "windows-1252" => Self::Windows1252,
            _ => return None,
        })
    }

    /// Its name in a mapping.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Latin1 => "latin1",
            Self::Windows1252 => "windows-1252",
        }
    }

    /// The characters; `None` if the bytes are none in this encoding.
    #[must_use]
    pub fn decode(self, bytes: &[u8]) -> Option<Cow<'_, str>> {
        if self == Self::Utf8 || bytes.is_ascii() {
            return std::str::from_utf8(bytes).ok().map(Cow::Borrowed);
        }
        let mut text = String::with_capacity(bytes.len() + 16);
        for &byte in bytes {
            match (self, byte) {
                (Self::Windows1252, 0x80..=0x9F) => {
                    let found = WINDOWS_1252[usize::from(byte - 0x80)];
                    if found == '\0' {
                        return None;
                    }
                    text.push(found);
                }
                (Self::Utf8 | Self::Latin1 | Self::Windows1252, _) => text.push(char::from(byte)),
            }
        }
        Some(Cow::Owned(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_characters() {
        let decode = |encoding: Encoding, bytes| encoding.decode(bytes).map(Cow::into_owned);
        for (encoding, bytes, expected) in [
            (Encoding::Utf8, "Müller".as_bytes(), Some("Müller")),
            (Encoding::Utf8, b"M\xFCller", None),
            (Encoding::Latin1, b"M\xFCller", Some("Müller")),
            (Encoding::Latin1, b"\x80", Some("\u{80}")),
            (Encoding::Windows1252, b"M\xFCller 5 \x80 \x9F", Some("Müller 5 € Ÿ")),
            (Encoding::Windows1252, b"\x81", None),
        ] {
            assert_eq!(decode(encoding, bytes).as_deref(), expected, "{encoding:?} {bytes:?}");
        }
    }

    #[test]
    fn names_are_read_back() {
        for encoding in [Encoding::Utf8, Encoding::Latin1, Encoding::Windows1252] {
            assert_eq!(Encoding::parse(encoding.name()), Some(encoding));
        }
    }

    #[test]
    fn ascii_is_itself_everywhere() {
        let ascii: Vec<u8> = (0..0x80).collect();
        for encoding in [Encoding::Utf8, Encoding::Latin1, Encoding::Windows1252] {
            let text = encoding.decode(&ascii).expect("ASCII");
            assert_eq!(text.as_bytes(), ascii, "{encoding:?}");
        }
    }
}
