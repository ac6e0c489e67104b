//! How a file writes amounts: exactly, and never by guessing what a separator means.

use crate::domain::decimal::Decimal;

/// Largest exponent of ten, either way: beyond it a number is a mistake.
const EXPONENT_MAX: u32 = 100;

/// What is wrong with most texts that are no numbers.
const NO_NUMBER: &str = "is no number in the format of the mapping";

/// A way to write numbers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AmountFormat {
    /// Stands before the decimals.
    pub decimal_mark: char,
    /// Stands between groups of three digits, or not at all.
    pub thousands_mark: Option<char>,
}

impl AmountFormat {
    /// Reads an amount: digits, in groups of three or not, a sign before or behind them or
    /// parentheses around them for a negative one, and a power of ten (`1E-8`).
    ///
    /// # Errors
    /// Says what is wrong with it. Groups of other lengths are refused: with the wrong marks
    /// `1.5` would be fifteen.
    pub fn read(self, text: &str) -> Result<Decimal, &'static str> {
        let (is_negative, unsigned) = sign(text.trim());
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent_of(exponent)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = match mantissa.split_once(self.decimal_mark) {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (mantissa, None),
        };
        let whole = self.without_groups(whole)?;
        let whole = if whole.is_empty() && fraction.is_some() { "0".to_owned() } else { whole };
        let plain = match fraction {
            Some(fraction) => format!("{whole}.{fraction}"),
            None => whole,
        };
        if !plain.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
            return Err(NO_NUMBER);
        }
        let number = Decimal::parse(&plain).ok_or(NO_NUMBER)?;
        let number = times_power_of_ten(&number, exponent);
        Ok(if is_negative { Decimal::zero().minus(&number) } else { number })
    }

    fn without_groups(self, whole: &str) -> Result<String, &'static str> {
        let Some(mark) = self.thousands_mark else { return Ok(whole.to_owned()) };
        // Between groups a space that does not break is as good as any other.
        let is_mark = |c: char| c == mark || (mark == ' ' && matches!(c, '\u{A0}' | '\u{202F}'));
        let groups: Vec<&str> = whole.split(is_mark).collect();
        let (first, further) = groups.split_first().ok_or("is empty")?;
        let is_right = further.is_empty()
            || ((1..=3).contains(&first.len()) && further.iter().all(|group| group.len() == 3));
        if is_right { Ok(groups.concat()) } else { Err("has groups of other than three digits") }
    }
}

fn sign(text: &str) -> (bool, &str) {
    if let Some(inside) = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        return (true, inside.trim());
    }
    // The true minus sign too.
    let is_minus = |c: char| matches!(c, '-' | '\u{2212}');
    if let Some(rest) = text.strip_prefix(is_minus) {
        return (true, rest.trim_start());
    }
    if let Some(rest) = text.strip_suffix(is_minus) {
        return (true, rest.trim_end());
    }
    (false, text.strip_prefix('+').unwrap_or(text).trim_start())
}

fn exponent_of(text: &str) -> Result<i32, &'static str> {
    let exponent: i32 = text.parse().map_err(|_| NO_NUMBER)?;
    if exponent.unsigned_abs() > EXPONENT_MAX {
        return Err("has a power of ten beyond 100");
    }
    Ok(exponent)
}

fn times_power_of_ten(number: &Decimal, exponent: i32) -> Decimal {
    let power = num_bigint::BigInt::from(10).pow(exponent.unsigned_abs());
    if exponent >= 0 {
        return number.times(&Decimal::new(power, 0));
    }
    let (unscaled, scale) = number.to_parts();
    Decimal::new(unscaled, scale + exponent.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLAIN: AmountFormat = AmountFormat { decimal_mark: '.', thousands_mark: None };
    const GERMAN: AmountFormat = AmountFormat { decimal_mark: ',', thousands_mark: Some('.') };
    const FRENCH: AmountFormat = AmountFormat { decimal_mark: ',', thousands_mark: Some(' ') };

    #[test]
    fn amounts_are_read_as_the_format_says() {
        for (format, text, expected) in [
            (PLAIN, "700.00", "700"),
            (PLAIN, "-0.10", "-0.1"),
            (PLAIN, "+5", "5"),
            (PLAIN, " 5 ", "5"),
            (PLAIN, ".5", "0.5"),
            (PLAIN, "(12.50)", "-12.5"),
            (PLAIN, "12.50-", "-12.5"),
            (PLAIN, "\u{2212}3", "-3"),
            (PLAIN, "1E-8", "0.00000001"),
            (PLAIN, "1.5e+3", "1500"),
            (GERMAN, "1.234.567,89", "1234567.89"),
            (GERMAN, "1234567,89", "1234567.89"),
            (GERMAN, "1.500", "1500"),
            (FRENCH, "1 234\u{A0}567,8", "1234567.8"),
            (
                PLAIN,
                "115792089237316195423570985008687907853269984665640564039457.584007913129639935",
                "115792089237316195423570985008687907853269984665640564039457.584007913129639935",
            ),
        ] {
            let found = format.read(text).map(|amount| amount.to_string());
            assert_eq!(found.as_deref(), Ok(expected), "{text:?}");
        }
    }

    #[test]
    fn nothing_is_guessed() {
        for (format, text) in [
            (PLAIN, ""),
            (PLAIN, "-"),
            (PLAIN, "1,5"),
            (PLAIN, "1 000"),
            (PLAIN, "--1"),
            (PLAIN, "1."),
            (PLAIN, "."),
            (PLAIN, "NaN"),
            (PLAIN, "1e"),
            (PLAIN, "1e101"),
            (PLAIN, "5 EUR"),
            (PLAIN, "٣"),
            (GERMAN, "1.5"),
            (GERMAN, "12.34,5"),
            (GERMAN, ".500"),
            (GERMAN, "1..500"),
            (GERMAN, "1,234.5"),
        ] {
            assert!(format.read(text).is_err(), "{text:?}: {:?}", format.read(text));
        }
    }

    proptest! {
        #[test]
        fn reading_undoes_writing(unscaled in any::<i64>(), scale in 0u32..12) {
            let amount = Decimal::new(unscaled.into(), scale);
            prop_assert_eq!(PLAIN.read(&amount.to_string()), Ok(amount.clone()));
            let text = amount.to_string();
            let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
            let (sign, digits) = match whole.strip_prefix('-') {
                Some(digits) => ("-", digits),
                None => ("", whole),
            };
            let mut grouped = String::new();
            for (place, digit) in digits.chars().enumerate() {
                if place > 0 && (digits.len() - place).is_multiple_of(3) {
                    grouped.push('.');
                }
                grouped.push(digit);
            }
            let comma = if fraction.is_empty() { "" } else { "," };
            let german = format!("{sign}{grouped}{comma}{fraction}");
            prop_assert_eq!(GERMAN.read(&german), Ok(amount));
        }

        #[test]
        fn whatever_the_text_nothing_panics(text in "\\PC{0,20}") {
            for format in [PLAIN, GERMAN, FRENCH] {
                let _ = format.read(&text);
            }
        }
    }
}
