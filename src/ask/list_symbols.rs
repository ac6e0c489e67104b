//! `daybook ask symbols`: which symbols have prices.

use crate::{
    ask::{
        asker::{Asker, Shown},
        error::AskError,
        notes,
        page::{Page, Table, number, word},
    },
    client::{Client, v1},
    config::ask::SymbolsArgs,
};

pub(super) async fn ask(asker: &Asker, told: &SymbolsArgs) -> Result<Shown, AskError> {
    let request = v1::ListSymbolsRequest {
        quote: told.quote.clone(),
        page_size: told.limit,
        page_token: told.next.page_token.clone(),
    };
    let call = async |client: &Client, request| client.prices().list_symbols(request).await;
    let rpc = "daybook.v1.PriceService/ListSymbols";
    asker.put(rpc, request, call, |answer| Ok(show(asker, answer))).await
}

fn show(asker: &Asker, answer: &v1::ListSymbolsResponse) -> Page {
    let mut page = Page::default();
    let columns =
        [word("symbol"), number("last price"), word("at"), number("of last day"), number("every")];
    let mut table = Table::new(columns);
    for symbol in &answer.symbols {
        let last = symbol.last_tick.clone().unwrap_or_default();
        table.push([
            symbol.name.clone(),
            last.price,
            asker.shown(last.ticked_at.as_ref()),
            symbol.ticks_of_last_day.to_string(),
            format!("{} s", symbol.tick_interval_seconds),
        ]);
    }
    page.table = Some(table);
    notes::add_next_page(&mut page, &answer.next_page_token);
    page
}
