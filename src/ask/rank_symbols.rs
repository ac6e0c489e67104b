//! `daybook ask rank-symbols`: whose price moved most.

use crate::{
    ask::{
        asker::{Asker, Shown},
        error::AskError,
        notes,
        page::{Page, Table, number, word},
    },
    client::{Client, v1},
    config::ask::{AskSymbolMetric, RankSymbolsArgs},
};

pub(super) async fn ask(asker: &Asker, told: &RankSymbolsArgs) -> Result<Shown, AskError> {
    let metric = match told.by {
        AskSymbolMetric::StddevOfPrice => v1::SymbolMetric::StddevOfPrice,
        AskSymbolMetric::StddevOfReturn => v1::SymbolMetric::StddevOfReturn,
        AskSymbolMetric::CoefficientOfVariation => v1::SymbolMetric::CoefficientOfVariation,
        AskSymbolMetric::ChangePercent => v1::SymbolMetric::ChangePercent,
        AskSymbolMetric::Mean => v1::SymbolMetric::Mean,
    };
    let request = v1::RankSymbolsRequest {
        symbols: told.symbols.clone(),
        window: asker.window_if_said(&told.window)?,
        metric: metric.into(),
        lowest_first: told.lowest_first,
        include_thin: told.include_thin,
        page_size: told.limit,
        page_token: told.next.page_token.clone(),
        verify: told.verify,
        ..Default::default()
    };
    let call = async |client: &Client, request| client.prices().rank_symbols(request).await;
    let rpc = "daybook.v1.PriceService/RankSymbols";
    asker.put(rpc, request, call, |answer| Ok(show(asker, told, answer))).await
}

fn show(asker: &Asker, told: &RankSymbolsArgs, answer: &v1::RankSymbolsResponse) -> Page {
    let mut page = Page::default();
    page.heading.push(asker.shown_window(answer.window.as_ref()));
    let columns = [
        number("rank"),
        word("symbol"),
        number("value"),
        number("ticks"),
        number("expected"),
        word("thin"),
    ];
    let mut table = Table::new(columns);
    for row in &answer.rows {
        table.push([
            if row.rank == 0 { String::new() } else { row.rank.to_string() },
            row.symbol.clone(),
            row.value.clone(),
            row.tick_count.to_string(),
            row.expected_tick_count.to_string(),
            if row.is_thin { "thin" } else { "" }.to_owned(),
        ]);
    }
    page.table = Some(table);
    if told.verify {
        let difference = &answer.verification_difference;
        let rows = answer.verification_ticks_read;
        notes::add_verdict(&mut page, rows, difference, difference.is_empty());
    }
    notes::add_next_page(&mut page, &answer.next_page_token);
    page
}
