//! `ListSymbols`: first and last ticks, ticks of the last 24 hours, pages.

use daybook::{
    grpc::pb::v1::{ListSymbolsRequest, Symbol},
    upkeep::price_folding::fold_all,
};
use tonic::Code;

use crate::{
    invalid_requests::fields,
    rank_symbols::make_symbols,
    support::{schema::one, service::TestService},
};

async fn list(service: &TestService, request: ListSymbolsRequest) -> (Vec<Symbol>, String) {
    let answer = service.prices().await.list_symbols(request).await.unwrap().into_inner();
    (answer.symbols, answer.next_page_token)
}

#[tokio::test]
async fn ends_and_counts_are_those_of_all_ticks_folded_or_not() {
    let service = TestService::start().await;
    make_symbols(&service.sql, 3, &["2009-01-03", "2024-05-02"]).await;
    for text in [
        "INSERT INTO prices (symbol_id, ticked_at, price)
         SELECT 1, now() - n * interval '6 hours' + interval '1 hour', n
         FROM generate_series(1, 4) AS n
         WHERE now() - n * interval '6 hours' + interval '1 hour' >= current_date",
        "INSERT INTO prices (symbol_id, ticked_at, price) VALUES
         (1, '2009-01-03T18:15:05Z', 0.5), (2, '2024-05-02T00:00:00Z', 7.10)",
    ] {
        service.sql.execute(text, &[]).await.unwrap();
    }
    let last: String = one(
        &service.sql,
        "SELECT trim_scale(price)::text FROM prices WHERE symbol_id = 1
         ORDER BY ticked_at DESC LIMIT 1",
    )
    .await;
    let of_day: i64 = one(
        &service.sql,
        "SELECT count(*) FROM prices WHERE ticked_at > now() - interval '24 hours'",
    )
    .await;
    for is_folded in [false, true] {
        if is_folded {
            assert!(fold_all(&service.database).await.unwrap() > 0);
        }
        let (symbols, token) = list(&service, ListSymbolsRequest::default()).await;
        assert_eq!((symbols.len(), token.as_str()), (3, ""));
        let price = |tick: &Option<_>| {
            let tick: &daybook::grpc::pb::v1::Tick = tick.as_ref().unwrap();
            (tick.ticked_at.unwrap().seconds, tick.price.clone())
        };
        assert_eq!(price(&symbols[0].first_tick), (1_231_006_505, "0.5".to_owned()));
        assert_eq!(price(&symbols[0].last_tick).1, last);
        assert_eq!(symbols[0].ticks_of_last_day, of_day);
        assert_eq!(price(&symbols[1].first_tick), (1_714_608_000, "7.1".to_owned()));
        assert_eq!(symbols[1].first_tick, symbols[1].last_tick);
        assert_eq!((&symbols[2].first_tick, symbols[2].ticks_of_last_day), (&None, 0));
        assert_eq!(symbols[2].base, "s0003");
    }
    assert!(service.end().await);
}

#[tokio::test]
async fn pages_hold_each_symbol_once_and_quotes_are_told_apart() {
    let service = TestService::start().await;
    make_symbols(&service.sql, 7, &[]).await;
    let text = "INSERT INTO symbols (name, base, quote) VALUES ('ethbtc', 'eth', 'btc')";
    service.sql.execute(text, &[]).await.unwrap();
    let mut request = ListSymbolsRequest { page_size: 3, ..ListSymbolsRequest::default() };
    let mut names = Vec::new();
    loop {
        let (symbols, token) = list(&service, request.clone()).await;
        names.extend(symbols.into_iter().map(|symbol| symbol.name));
        if token.is_empty() {
            break;
        }
        request.page_token = token;
    }
    assert_eq!(names.len(), 8);
    assert!(names.is_sorted() && names[0] == "ethbtc");
    let request = ListSymbolsRequest { quote: "BTC".to_owned(), ..ListSymbolsRequest::default() };
    assert_eq!(list(&service, request).await.0.len(), 1);

    let wrong =
        ListSymbolsRequest { quote: "b t c".to_owned(), page_size: -1, page_token: "x".to_owned() };
    let status = service.prices().await.list_symbols(wrong).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(fields(&status), ["page_size", "page_token", "quote"]);
    assert!(service.end().await);
}
