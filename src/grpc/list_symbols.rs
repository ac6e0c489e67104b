//! `PriceService.ListSymbols`.

use crate::{
    domain::price::symbol::SymbolName,
    error::Error,
    grpc::{
        decode::{self, timestamp},
        page_token,
        pb::v1::{ListSymbolsRequest, ListSymbolsResponse, Symbol, Tick},
        violations::Violations,
    },
    prices::{PriceTick, Prices, list_symbols::ListedSymbol},
};

pub(super) async fn list_symbols(
    prices: &Prices,
    request: &ListSymbolsRequest,
) -> Result<ListSymbolsResponse, Error> {
    let cleared = ListSymbolsRequest { page_size: 0, page_token: String::new(), ..request.clone() };
    let digest = page_token::digest(&cleared);
    let mut violations = Violations::default();
    let size = decode::list_size(request.page_size, &mut violations);
    let after = page_token::position(digest, &request.page_token, &mut violations);
    let quote = match request.quote.as_str() {
        "" => Some(None),
        quote => {
            let quote = SymbolName::parse(quote).map(Some);
            violations.require(quote, "quote", "must be a currency, for example usd, or empty")
        }
    };
    let ((size, after), quote) = violations.finish(size.zip(after).zip(quote))?;
    let quote = quote.as_ref().map(SymbolName::as_str);
    let page = prices.list_symbols(&after, quote, size).await?;
    let next = page.symbols.last().filter(|_| page.has_more).map(|last| last.symbol.name.clone());
    Ok(ListSymbolsResponse {
        symbols: page.symbols.into_iter().map(symbol_pb).collect(),
        next_page_token: page_token::next(digest, next.as_deref()),
        as_of: Some(timestamp(page.as_of)),
    })
}

fn symbol_pb(listed: ListedSymbol) -> Symbol {
    let ListedSymbol { symbol, ends, ticks_of_last_day } = listed;
    let [first_tick, last_tick] = ends_pb(ends);
    Symbol {
        name: symbol.name,
        base: symbol.base.unwrap_or_default(),
        quote: symbol.quote.unwrap_or_default(),
        tick_interval_seconds: symbol.tick_interval_seconds,
        first_tick,
        last_tick,
        ticks_of_last_day,
    }
}

/// The first and the last tick, where there are any.
pub(super) fn ends_pb(ends: Option<[PriceTick; 2]>) -> [Option<Tick>; 2] {
    match ends {
        Some(ends) => ends.map(|tick| Some(tick_pb(tick))),
        None => [None, None],
    }
}

/// A tick as the API writes it.
pub(super) fn tick_pb(tick: PriceTick) -> Tick {
    Tick { ticked_at: Some(timestamp(tick.ticked_at)), price: tick.price.to_string() }
}
