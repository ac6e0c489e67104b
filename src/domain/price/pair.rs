//! Pairs: a symbol whose halves are known, as exchanges ask for them.

use crate::domain::price::symbol::{SEPARATORS, SymbolName};

/// A symbol with what is priced and what it is priced in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pair {
    symbol: SymbolName,
    base: String,
    quote: String,
}

impl Pair {
    /// What a pair must be.
    pub const RULE: &str = "must be two currencies, for example BTC-USD";

    /// Reads a pair in any spelling of a symbol: `BTC-USD`, `xbt/usd`, `btcusd`. Where nothing
    /// stands between the halves, the second one must be a currency that is known.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let symbol = SymbolName::parse(text)?;
        let told = text.split_once(SEPARATORS).and_then(|(base, quote)| {
            let (base, quote) = (SymbolName::parse(base)?, SymbolName::parse(quote)?);
            // Else the symbol was read another way than it was written.
            let is_whole = [base.as_str(), quote.as_str()].concat() == symbol.as_str();
            is_whole.then(|| (base.as_str().to_owned(), quote.as_str().to_owned()))
        });
        let known = || {
            let (base, quote) = symbol.base_and_quote()?;
            Some((base.to_owned(), quote.to_owned()))
        };
        let (base, quote) = told.or_else(known)?;
        Some(Self { symbol, base, quote })
    }

    /// The symbol that its ticks are recorded under.
    #[must_use]
    pub fn symbol(&self) -> &SymbolName {
        &self.symbol
    }

    /// What is priced, in lower case.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The currency of its prices, in lower case.
    #[must_use]
    pub fn quote(&self) -> &str {
        &self.quote
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_those_that_are_written_or_known() {
        for (text, expected) in [
            ("BTC-USD", Some(("btcusd", "btc", "usd"))),
            ("XBT/USD", Some(("btcusd", "btc", "usd"))),
            ("xbtusd", Some(("btcusd", "btc", "usd"))),
            ("XDG_EUR", Some(("dogeeur", "doge", "eur"))),
            ("SOL-PLN", Some(("solpln", "sol", "pln"))),
            ("solpln", None),
            ("USDT-USD", Some(("usdtusd", "usdt", "usd"))),
            ("X-BTGBP", Some(("btcgbp", "btc", "gbp"))),
            ("btc", None),
            ("BTC--USD", None),
            ("", None),
        ] {
            let pair = Pair::parse(text);
            let found =
                pair.as_ref().map(|pair| (pair.symbol().as_str(), pair.base(), pair.quote()));
            assert_eq!(found, expected, "{text}");
        }
    }
}
