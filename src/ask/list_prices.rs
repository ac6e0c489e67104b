//! `daybook ask prices`: how a symbol's price went, with a sparkline.

use crate::{
    ask::{
        asker::{Asker, Shown},
        chart,
        error::AskError,
        instants, notes,
        page::{Page, Table, number, word},
    },
    client::{Client, v1},
    config::ask::PricesArgs,
    domain::decimal::Decimal,
};

/// How wide the sparkline is.
const LINE_WIDTH: usize = 60;

pub(super) async fn ask(asker: &Asker, told: &PricesArgs) -> Result<Shown, AskError> {
    let wrong = |rule: String| AskError::wrong("--every", rule);
    let every = told.every.as_deref().map(instants::span).transpose().map_err(wrong)?;
    let seconds = every.map_or(0, |span| span.num_seconds());
    let request = v1::ListPricesRequest {
        symbol: told.symbol.clone(),
        window: asker.window_if_said(&told.window)?,
        bucket_seconds: i32::try_from(seconds)
            .map_err(|_| wrong("must be a year at most".to_owned()))?,
        page_size: told.limit,
        page_token: told.next.page_token.clone(),
    };
    let call = async |client: &Client, request| client.prices().list_prices(request).await;
    let rpc = "daybook.v1.PriceService/ListPrices";
    asker.put(rpc, request, call, |answer| Ok(show(asker, seconds > 0, answer))).await
}

fn show(asker: &Asker, has_bars: bool, answer: &v1::ListPricesResponse) -> Page {
    let mut page = Page::default();
    page.heading.push(format!("{}, {}", answer.symbol, asker.shown_window(answer.window.as_ref())));
    let prices = match has_bars {
        true => answer.bars.iter().filter_map(|bar| Decimal::parse(&bar.close)).collect(),
        false => {
            answer.ticks.iter().filter_map(|tick| Decimal::parse(&tick.price)).collect::<Vec<_>>()
        }
    };
    if prices.len() > 1 {
        page.heading.push(chart::sparkline(&prices, LINE_WIDTH));
    }
    page.table = Some(if has_bars { bars(asker, answer) } else { ticks(asker, answer) });
    notes::add_next_page(&mut page, &answer.next_page_token);
    page
}

fn bars(asker: &Asker, answer: &v1::ListPricesResponse) -> Table {
    let mut table = Table::new([
        word("from"),
        number("open"),
        number("high"),
        number("low"),
        number("close"),
        number("ticks"),
    ]);
    for bar in &answer.bars {
        let prices = [&bar.open, &bar.high, &bar.low, &bar.close].map(Clone::clone);
        let start = std::iter::once(asker.shown(bar.starts_at.as_ref()));
        table.push(start.chain(prices).chain([bar.tick_count.to_string()]));
    }
    table
}

fn ticks(asker: &Asker, answer: &v1::ListPricesResponse) -> Table {
    let mut table = Table::new([word("at"), number("price")]);
    for tick in &answer.ticks {
        table.push([asker.shown(tick.ticked_at.as_ref()), tick.price.clone()]);
    }
    table
}
