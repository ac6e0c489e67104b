//! What a price feed is to do, from settings that belong together.

use chrono::TimeDelta;

use crate::{
    config::FeedSettings,
    domain::price::pair::Pair,
    outbound::exchange::{BaseUrl, Source},
};

/// Most pairs that one server follows.
const PAIRS_MAX: usize = 500;

/// Which pairs are followed, where, and how far back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FeedPlan {
    /// Which exchange is asked.
    pub source: Source,
    /// Where it is.
    pub base_url: BaseUrl,
    /// What is asked for; no symbol twice.
    pub pairs: Vec<Pair>,
    /// How far back minutes are asked for.
    pub backfill: TimeDelta,
}

impl FeedPlan {
    /// What the settings say; `None` if prices are taken from nowhere.
    ///
    /// # Errors
    /// Everything that is wrong with them, each by the name of its setting.
    pub fn new(settings: &FeedSettings) -> Result<Option<Self>, Vec<String>> {
        let Some(source) = Source::of(settings.price_source) else { return Ok(None) };
        let (mut problems, mut pairs) = (Vec::new(), Vec::<Pair>::new());
        let names = settings.price_symbols.iter().map(|name| name.trim());
        for name in names.filter(|name| !name.is_empty()) {
            match Pair::parse(name) {
                None => problems.push(format!("--price-symbols: {name:?} {}", Pair::RULE)),
                Some(pair) if pairs.iter().any(|known| known.symbol() == pair.symbol()) => {
                    problems.push(format!("--price-symbols names {} twice", pair.symbol()));
                }
                Some(pair) => pairs.push(pair),
            }
        }
        if pairs.is_empty() && problems.is_empty() {
            problems.push("--price-source needs --price-symbols, for example BTC-USD".to_owned());
        }
        if pairs.len() > PAIRS_MAX {
            problems.push(format!("--price-symbols may name {PAIRS_MAX} pairs at most"));
        }
        let url = settings.price_source_url.as_deref().unwrap_or(source.base_url());
        let base_url = BaseUrl::parse(url);
        if base_url.is_none() {
            // Not repeated: it may have a password in it.
            problems.push(format!("--price-source-url {}", BaseUrl::RULE));
        }
        match base_url {
            Some(base_url) if problems.is_empty() => {
                let backfill = TimeDelta::hours(settings.price_backfill_hours.into());
                Ok(Some(Self { source, base_url, pairs, backfill }))
            }
            _ => Err(problems),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PriceSource;

    fn plan(source: PriceSource, symbols: &[&str], url: Option<&str>) -> Result<usize, String> {
        let settings = FeedSettings {
            price_source: source,
            price_symbols: symbols.iter().map(|&name| name.to_owned()).collect(),
            price_source_url: url.map(str::to_owned),
            price_backfill_hours: 24,
        };
        let plan = FeedPlan::new(&settings);
        plan.map(|plan| plan.map_or(0, |plan| plan.pairs.len())).map_err(|all| all.join("; "))
    }

    #[test]
    fn settings_that_do_not_go_together_are_refused_by_name() {
        let (none, kraken) = (PriceSource::None, PriceSource::Kraken);
        for (source, symbols, url, expected) in [
            (none, &[][..], None, Ok(0)),
            (none, &["nonsense!"], Some("nonsense"), Ok(0)),
            (kraken, &["BTC-USD", " ethusd ", ""], None, Ok(2)),
            (kraken, &["btcusd"], Some("http://127.0.0.1:1"), Ok(1)),
            (kraken, &[], None, Err("--price-source needs --price-symbols")),
            (kraken, &["BTC-USD", "XBTUSD"], None, Err("names btcusd twice")),
            (kraken, &["solpln"], None, Err("--price-symbols: \"solpln\" must be two")),
            (kraken, &["BTC-USD"], Some("http://example.org"), Err("--price-source-url must be")),
        ] {
            let found = plan(source, symbols, url);
            match (&found, expected) {
                (Ok(count), Ok(expected)) => assert_eq!(*count, expected, "{symbols:?}"),
                (Err(text), Err(expected)) => assert!(text.contains(expected), "{text}"),
                _ => panic!("{symbols:?} {url:?}: {found:?}"),
            }
        }
        let secret = plan(kraken, &["x"], Some("https://user:hunter2@example.org"));
        assert!(secret.is_err_and(|text| text.contains("--price-source-url")
            && text.contains("--price-symbols")
            && !text.contains("hunter2")));
    }
}
