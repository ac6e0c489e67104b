//! Symbols: what is traded for what.

use std::{fmt, sync::Arc};

/// Longest name of a symbol.
pub const SYMBOL_LENGTH_MAX: usize = 32;

/// Most seconds between two ticks of a symbol: a day.
pub const TICK_INTERVAL_SECONDS_MAX: i32 = 86_400;

/// Seconds between two ticks where nobody says.
pub const TICK_INTERVAL_SECONDS_DEFAULT: i32 = 60;

/// What stands between base and quote where somebody else writes a symbol.
pub(super) const SEPARATORS: &[char] = &['-', '/', '_', ':'];

/// Currencies that prices are in, those first that end in another one. Without tusd and busd:
/// more symbols end in a coin's t or b and usd.
const QUOTES: &[&str] = &[
    "fdusd", "usdt", "usdc", "usd", "eurc", "eur", "gbp", "jpy", "chf", "aud", "cad", "brl", "try",
    "krw", "dai", "btc", "eth", "bnb",
];

/// Names of one currency that an exchange has for itself, with the usual one. Kraken writes XBT
/// and XDG.
const OTHER_NAMES: &[(&str, &str)] = &[("xbt", "btc"), ("xdg", "doge")];

/// The name of a symbol: lower-case letters and digits, as `btcusd`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SymbolName(Arc<str>);

impl SymbolName {
    /// What a name must be.
    pub const RULE: &str = "must be 1 to 32 letters and digits, for example btcusd";

    /// Reads a name in any spelling: `BTC-USD`, `btc/usd`, `XBTUSD`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_right = |c: char| c.is_ascii_alphanumeric() || SEPARATORS.contains(&c);
        // Not longer than it may be with a separator.
        if text.len() > SYMBOL_LENGTH_MAX + 1 || !text.chars().all(is_right) {
            return None;
        }
        let parts: Vec<String> = text.split(SEPARATORS).map(str::to_ascii_lowercase).collect();
        if parts.len() > 2 || parts.iter().any(String::is_empty) {
            return None;
        }
        let mut name: String = parts.iter().map(|part| usual(part)).collect();
        // The separator is gone, and it is the end that says what the halves are: `x-btgbp` is
        // xbtgbp, which is btcgbp. What comes out is read as itself.
        loop {
            if name.len() > SYMBOL_LENGTH_MAX {
                return None;
            }
            let again = match quote_of(&name) {
                Some(quote) => [usual(&name[..name.len() - quote.len()]), usual(quote)].concat(),
                None => usual(&name).to_owned(),
            };
            if again == name {
                break;
            }
            name = again;
        }
        Some(Self(name.into()))
    }

    /// A name as it is recorded, which is not read again.
    #[must_use]
    pub fn recorded(name: &str) -> Self {
        Self(name.into())
    }

    /// As it is recorded.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Base and quote, where the name ends in a currency that is known.
    #[must_use]
    pub fn base_and_quote(&self) -> Option<(&str, &str)> {
        let quote = quote_of(&self.0)?;
        Some((&self.0[..self.0.len() - quote.len()], quote))
    }
}

impl fmt::Display for SymbolName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// The currency that a name ends in, with something before it.
fn quote_of(name: &str) -> Option<&'static str> {
    let known = OTHER_NAMES.iter().map(|(other, _)| other).chain(QUOTES);
    known.copied().find(|quote| name.len() > quote.len() && name.ends_with(quote))
}

fn usual(currency: &str) -> &str {
    OTHER_NAMES.iter().find(|(other, _)| *other == currency).map_or(currency, |(_, usual)| usual)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_symbol_has_one_name_however_it_is_written() {
        for (text, expected) in [
            ("btcusd", Some("btcusd")),
            ("BTC-USD", Some("btcusd")),
            ("XBTUSD", Some("btcusd")),
            ("XBT/USD", Some("btcusd")),
            ("ETH_XBT", Some("ethbtc")),
            ("ETHXBT", Some("ethbtc")),
            ("xdgusd", Some("dogeusd")),
            ("1000SHIB:usdt", Some("1000shibusdt")),
            ("btc", Some("btc")),
            ("", None),
            ("-", None),
            ("-usd", None),
            ("btc-usd-x", None),
            ("btc usd", None),
            ("btcüsd", None),
            (&"a".repeat(32), Some(&*"a".repeat(32))),
            (&"a".repeat(33), None),
            (&format!("{}-usd", "a".repeat(29)), Some(&*format!("{}usd", "a".repeat(29)))),
            // What it says without the separator.
            ("X-BTGBP", Some("btcgbp")),
            ("xb-tusd", Some("btcusd")),
            ("a-xbt", Some("abtc")),
            ("ax-bt", Some("abtc")),
            // The usual name is longer.
            (&format!("{}/xdg", "a".repeat(29)), None),
        ] {
            let name = SymbolName::parse(text);
            assert_eq!(name.as_ref().map(SymbolName::as_str), expected, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_name_is_read_as_itself(
            text in "(x?b?t?|x?d?g?|[a-z]{0,3})[-/]?(xbt|xdg|bt|b?tusd|usd|usdt|[a-z]{1,3}){1,2}",
        ) {
            if let Some(name) = SymbolName::parse(&text) {
                let again = SymbolName::parse(name.as_str());
                proptest::prop_assert_eq!(again.as_ref(), Some(&name));
            }
        }
    }

    #[test]
    fn names_say_what_is_priced_in_what() {
        for (name, expected) in [
            ("btcusd", Some(("btc", "usd"))),
            ("btcusdt", Some(("btc", "usdt"))),
            ("usdtusd", Some(("usdt", "usd"))),
            ("arbusd", Some(("arb", "usd"))),
            ("ethbtc", Some(("eth", "btc"))),
            ("usd", None),
            ("abc", None),
        ] {
            let symbol = SymbolName::parse(name).expect("it is a name");
            assert_eq!(symbol.base_and_quote(), expected, "{name}");
        }
    }
}
