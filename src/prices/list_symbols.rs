//! Which symbols are there?

use chrono::{DateTime, Utc};

use crate::{
    error::Error,
    prices::{Prices, last_day, micros, tick, totals_of},
    store::{
        prices::{PriceTick, span},
        symbols::{self, SymbolRecord},
    },
};

/// A symbol and its ticks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListedSymbol {
    /// The symbol.
    pub symbol: SymbolRecord,
    /// Its first and its last tick, if it has any.
    pub ends: Option<[PriceTick; 2]>,
    /// Ticks of the last 24 hours.
    pub ticks_of_last_day: i64,
}

/// A page of symbols, by name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SymbolPage {
    /// The page.
    pub symbols: Vec<ListedSymbol>,
    /// Whether another page follows.
    pub has_more: bool,
    /// The database's clock at the snapshot.
    pub as_of: DateTime<Utc>,
}

impl Prices {
    /// Lists symbols behind a name, of a quote currency or of all.
    ///
    /// # Errors
    /// What the database says.
    pub async fn list_symbols(
        &self,
        after: &str,
        quote: Option<&str>,
        size: usize,
    ) -> Result<SymbolPage, Error> {
        let (session, as_of) = self.snapshot().await?;
        let most = i64::try_from(size).unwrap_or(i64::MAX).saturating_add(1);
        let mut found = symbols::list(&session, after, quote, most).await?;
        let has_more = found.len() > size;
        found.truncate(size);
        let ids: Vec<i32> = found.iter().map(|symbol| symbol.symbol_id).collect();
        let day = micros(last_day(as_of));
        let mut windows = vec![day];
        windows.extend(span(&session).await?);
        let totals = totals_of(&session, &windows, Some(&ids)).await?;
        session.end().await?;
        let list = |symbol: SymbolRecord| {
            let of = |window: usize| totals.windows.get(window)?.get(&symbol.symbol_id);
            let ends = of(1).map(|of_all| {
                [
                    tick(of_all.first.at, of_all.first_price()),
                    tick(of_all.last.at, of_all.last_price()),
                ]
            });
            let ticks_of_last_day = of(0).map_or(0, |of_day| of_day.count);
            ListedSymbol { ends, ticks_of_last_day, symbol }
        };
        Ok(SymbolPage { symbols: found.into_iter().map(list).collect(), has_more, as_of })
    }
}
