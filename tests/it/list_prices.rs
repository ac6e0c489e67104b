//! `ListPrices`: ticks and bars, against what SQL makes of the ticks; pages; days that are gone.

use std::collections::BTreeMap;

use chrono::DateTime;
use daybook::{
    grpc::{
        page_token,
        pb::v1::{
            Bar, ListPricesRequest, ListPricesResponse, RankSymbolsRequest, SymbolMetric, Tick,
            Window,
        },
    },
    upkeep::price_folding::fold_all,
};
use prost_types::Timestamp;
use tonic::{Code, Status};

use crate::{
    invalid_requests::fields,
    rank_symbols::make_symbols,
    support::{schema::one, service::TestService, upload::instant},
};

const DAYS: [&str; 3] = ["2024-05-01", "2024-05-02", "2024-05-03"];

/// A tick each 100 seconds for three days, with a hole of an hour.
async fn start() -> TestService {
    let service = TestService::start().await;
    make_symbols(&service.sql, 2, &DAYS).await;
    let text = "INSERT INTO prices (symbol_id, ticked_at, price)
        SELECT s, '2024-05-01T00:00:07Z'::timestamptz + n * interval '100 seconds',
            round(100 + 50 * sin(n / 77.0)::numeric, 4) + s
        FROM generate_series(0, 2591) AS n, generate_series(1, 2) AS s
        WHERE n NOT BETWEEN 1000 AND 1036";
    service.sql.execute(text, &[]).await.unwrap();
    service
}

pub(crate) fn request(
    start: &str,
    end: &str,
    bucket_seconds: i32,
    page_size: i32,
) -> ListPricesRequest {
    ListPricesRequest {
        symbol: "S0001-USD".to_owned(),
        window: Some(window(start, end)),
        bucket_seconds,
        page_size,
        page_token: String::new(),
    }
}

pub(crate) fn window(start: &str, end: &str) -> Window {
    Window { start: Some(instant(start)), end: Some(instant(end)) }
}

async fn ask(
    service: &TestService,
    request: &ListPricesRequest,
) -> Result<ListPricesResponse, Status> {
    service.prices().await.list_prices(request.clone()).await.map(tonic::Response::into_inner)
}

/// All pages together.
pub(crate) async fn walk(
    service: &TestService,
    mut request: ListPricesRequest,
) -> (Vec<Tick>, Vec<Bar>) {
    let (mut ticks, mut bars) = (Vec::new(), Vec::new());
    loop {
        let answer = ask(service, &request).await.unwrap();
        assert_eq!(answer.window, request.window);
        ticks.extend(answer.ticks);
        bars.extend(answer.bars);
        if answer.next_page_token.is_empty() {
            return (ticks, bars);
        }
        request.page_token = answer.next_page_token;
    }
}

pub(crate) async fn bars_of_ticks(
    service: &TestService,
    start: &str,
    end: &str,
    seconds: i32,
) -> Vec<Bar> {
    let text = "SELECT floor(extract(epoch FROM ticked_at) / $3::integer)::bigint * $3 AS starts,
            trim_scale((array_agg(price ORDER BY ticked_at))[1])::text AS open,
            trim_scale(max(price))::text AS high, trim_scale(min(price))::text AS low,
            trim_scale((array_agg(price ORDER BY ticked_at DESC))[1])::text AS close,
            count(*) AS tick_count,
            trim_scale(round(sum(price)::numeric(200, 60) / count(*), 18))::text AS mean
        FROM prices
        WHERE symbol_id = (SELECT symbol_id FROM symbols WHERE name = 's0001usd')
          AND ticked_at >= $1::text::timestamptz
          AND ticked_at < $2::text::timestamptz
        GROUP BY 1 ORDER BY 1";
    let rows = service.sql.query(text, &[&start, &end, &seconds]).await.unwrap();
    let bar = |row: &tokio_postgres::Row| Bar {
        starts_at: Some(Timestamp { seconds: row.get("starts"), nanos: 0 }),
        open: row.get("open"),
        high: row.get("high"),
        low: row.get("low"),
        close: row.get("close"),
        tick_count: row.get("tick_count"),
        mean: row.get("mean"),
    };
    rows.iter().map(bar).collect()
}

#[tokio::test]
async fn ticks_and_bars_are_those_of_the_rows_on_pages_of_any_size() {
    let service = start().await;
    let (from, to) = ("2024-05-01T05:00:00Z", "2024-05-03T17:03:00Z");
    for is_folded in [false, true] {
        if is_folded {
            assert!(fold_all(&service.database).await.unwrap() > 0);
        }
        let (ticks, _) = walk(&service, request(from, to, 0, 500)).await;
        let rows = service
            .sql
            .query(
                "SELECT ticked_at, trim_scale(price)::text AS price FROM prices
                 WHERE symbol_id = 1 AND ticked_at >= $1::text::timestamptz
                   AND ticked_at < $2::text::timestamptz ORDER BY ticked_at",
                &[&from, &to],
            )
            .await
            .unwrap();
        let expected: Vec<(i64, String)> = rows
            .iter()
            .map(|row| (row.get::<_, DateTime<chrono::Utc>>(0).timestamp(), row.get(1)))
            .collect();
        let found: Vec<(i64, String)> =
            ticks.into_iter().map(|tick| (tick.ticked_at.unwrap().seconds, tick.price)).collect();
        assert!(found == expected && found.len() > 2_000);
        // From ticks, from cells, and neither a part of the other.
        for (seconds, size) in
            [(1, 300), (240, 100), (3_600, 7), (7_777, 0), (86_400, 1), (172_800, 9)]
        {
            let (_, bars) = walk(&service, request(from, to, seconds, size)).await;
            let expected = bars_of_ticks(&service, from, to, seconds).await;
            assert_eq!(bars, expected, "{seconds}");
        }
    }
    assert!(service.end().await);
}

#[tokio::test]
async fn a_window_that_is_not_said_is_the_last_day_on_every_page() {
    let service = TestService::start().await;
    make_symbols(&service.sql, 1, &[]).await;
    let text = "INSERT INTO prices (symbol_id, ticked_at, price)
        SELECT 1, now() - n * interval '1 second', 1 + n FROM generate_series(0, 9) AS n
        WHERE now() - n * interval '1 second' >= current_date";
    service.sql.execute(text, &[]).await.unwrap();
    let count: i64 = one(&service.sql, "SELECT count(*) FROM prices").await;
    let mut request = ListPricesRequest {
        symbol: "s0001usd".to_owned(),
        page_size: 1,
        ..ListPricesRequest::default()
    };
    let first = ask(&service, &request).await.unwrap();
    let window = first.window.unwrap();
    let (start, end) = (window.start.unwrap().seconds, window.end.unwrap().seconds);
    assert_eq!(end - start, 86_400);
    let mut ticks = first.ticks.len();
    request.page_token = first.next_page_token;
    while !request.page_token.is_empty() {
        let next = ask(&service, &request).await.unwrap();
        assert_eq!(next.window, Some(window));
        ticks += next.ticks.len();
        request.page_token = next.next_page_token;
    }
    assert_eq!(i64::try_from(ticks).unwrap(), count);
    assert!(service.end().await);
}

#[tokio::test]
async fn ticks_of_a_day_that_is_gone_are_refused_and_totals_of_it_are_not() {
    let service = start().await;
    fold_all(&service.database).await.unwrap();
    let all = request("2024-05-01T00:00:00Z", "2024-05-04T00:00:00Z", 86_400, 0);
    let before = ask(&service, &all).await.unwrap();
    // Inside of units: their ticks are packed.
    let inside = request("2024-05-02T11:01:00Z", "2024-05-04T00:00:00Z", 86_400, 5_000);
    let bars_inside = ask(&service, &inside).await.unwrap().bars;
    let cut = RankSymbolsRequest {
        metric: SymbolMetric::Mean.into(),
        window: Some(window("2024-05-01T00:00:00Z", "2024-05-02T11:01:30Z")),
        ..RankSymbolsRequest::default()
    };
    let mut client = service.prices().await;
    let ranked = client.rank_symbols(cut.clone()).await.unwrap().into_inner().rows;
    let leaf = leaf(&service, "2024-05-02").await;
    service.sql.batch_execute(&format!("DROP TABLE {leaf}")).await.unwrap();
    assert_eq!(ask(&service, &all).await.unwrap().bars, before.bars);
    let refused = async |start: &str, end: &str, seconds: i32| {
        let status = ask(&service, &request(start, end, seconds, 5_000)).await.unwrap_err();
        assert_eq!(status.code(), Code::FailedPrecondition, "{start} {seconds}");
        assert!(status.message().contains("2024-05-02"), "{status:?}");
    };
    refused("2024-05-01T00:00:00Z", "2024-05-04T00:00:00Z", 0).await;
    refused("2024-05-01T00:00:00Z", "2024-05-04T00:00:00Z", 3_600).await;
    assert_eq!(ask(&service, &inside).await.unwrap().bars, bars_inside);
    let answer = client.rank_symbols(cut.clone()).await.unwrap().into_inner();
    assert_eq!(answer.rows, ranked);
    // A release that packed no ticks left it to whoever asks to read them.
    service.sql.batch_execute("UPDATE price_totals SET cell = cell").await.unwrap();
    assert_eq!(ask(&service, &all).await.unwrap().bars, before.bars);
    refused("2024-05-02T11:01:00Z", "2024-05-04T00:00:00Z", 86_400).await;
    let status = client.rank_symbols(cut).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    // What is at hand is answered, in few pages however wide the window.
    let ages = request("0001-01-01T00:00:00Z", "9999-12-31T00:00:00Z", 3_600, 10_000);
    assert_eq!(ask(&service, &ages).await.unwrap_err().code(), Code::FailedPrecondition);
    let (ticks, _) =
        walk(&service, request("2024-05-03T00:00:00Z", "2024-05-04T00:00:00Z", 0, 0)).await;
    assert_eq!(ticks.len(), 864);
    let ages = request("0001-01-01T00:00:00Z", "9999-12-31T00:00:00Z", 86_400, 10_000);
    let answer = ask(&service, &ages).await.unwrap();
    assert_eq!((answer.bars.len(), answer.next_page_token.as_str()), (3, ""));
    assert!(service.end().await);
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let service = TestService::start().await;
    let wrong = ListPricesRequest {
        symbol: "btc usd".to_owned(),
        window: Some(Window::default()),
        bucket_seconds: -1,
        page_size: 10_001,
        page_token: "x".to_owned(),
    };
    let status = ask(&service, &wrong).await.unwrap_err();
    assert_eq!(
        fields(&status),
        ["symbol", "window.start", "window.end", "bucket_seconds", "page_size", "page_token"]
    );
    let unknown = request("2024-05-01T00:00:00Z", "2024-05-02T00:00:00Z", 0, 0);
    assert_eq!(ask(&service, &unknown).await.unwrap_err().code(), Code::NotFound);
    assert!(service.end().await);
}

/// What the table of a day of prices is called.
pub(crate) async fn leaf(service: &TestService, day: &str) -> String {
    let text = format!(
        "SELECT leaf::text FROM partition_bounds('prices') WHERE lower_at = '{day}T00:00:00Z'"
    );
    one(&service.sql, &text).await
}

fn whole_day(verify: bool) -> RankSymbolsRequest {
    RankSymbolsRequest {
        metric: SymbolMetric::Mean.into(),
        window: Some(window("2024-05-02T00:00:00Z", "2024-05-03T00:00:00Z")),
        include_thin: true,
        verify,
        ..RankSymbolsRequest::default()
    }
}

#[tokio::test]
async fn changes_of_a_day_that_is_gone_wait_for_it() {
    let service = start().await;
    fold_all(&service.database).await.unwrap();
    let leaf = leaf(&service, "2024-05-02").await;
    let mut client = service.prices().await;
    let before = client.rank_symbols(whole_day(true)).await.unwrap().into_inner().rows;
    service
        .sql
        .batch_execute(&format!(
            "BEGIN;
             UPDATE prices SET price = price + 1
             WHERE ticked_at >= '2024-05-02T00:00:00Z' AND ticked_at < '2024-05-02T06:00:00Z';
             ALTER TABLE prices DETACH PARTITION {leaf};
             COMMIT"
        ))
        .await
        .unwrap();
    for _ in 0..2 {
        let status = client.rank_symbols(whole_day(false)).await.unwrap_err();
        assert_eq!(status.code(), Code::FailedPrecondition);
        assert!(status.message().contains("2024-05-02"), "{status:?}");
        assert_eq!(fold_all(&service.database).await.unwrap(), 0);
    }
    // Others are folded meanwhile.
    let text = "INSERT INTO prices (symbol_id, ticked_at, price) VALUES (1, '2024-05-03Z', 7)";
    service.sql.batch_execute(text).await.unwrap();
    assert_eq!(fold_all(&service.database).await.unwrap(), 1);

    let attach = format!(
        "ALTER TABLE prices ATTACH PARTITION {leaf}
         FOR VALUES FROM ('2024-05-02T00:00:00Z') TO ('2024-05-03T00:00:00Z')"
    );
    service.sql.batch_execute(&attach).await.unwrap();
    for is_folded in [false, true] {
        let answer = client.rank_symbols(whole_day(true)).await.unwrap().into_inner();
        assert_eq!(answer.verification_difference, "");
        assert_ne!(answer.rows[0].value, before[0].value);
        assert_eq!(answer.rows[0].tick_count, before[0].tick_count);
        if !is_folded {
            assert!(fold_all(&service.database).await.unwrap() > 0);
        }
    }
    assert!(service.end().await);
}

#[tokio::test]
async fn a_window_inside_a_unit_of_a_day_that_is_gone_is_answered_if_its_ticks_are_packed() {
    let service = TestService::start().await;
    make_symbols(&service.sql, 2, &["2024-05-02"]).await;
    let text = "INSERT INTO prices (symbol_id, ticked_at, price)
        SELECT 1, '2024-05-02T00:00:30Z'::timestamptz + n * interval '1 minute', 1 + n
        FROM generate_series(0, 3) AS n";
    service.sql.execute(text, &[]).await.unwrap();
    fold_all(&service.database).await.unwrap();
    let leaf = leaf(&service, "2024-05-02").await;
    let windows = [
        ("2024-05-02T00:01:00Z", "2024-05-02T00:03:00Z"),
        ("2024-05-02T00:01:00Z", "2024-05-02T00:04:00Z"),
        ("2024-05-02T00:00:00Z", "2024-05-02T00:03:00Z"),
    ];
    let rank = |(start, end)| RankSymbolsRequest {
        metric: SymbolMetric::Mean.into(),
        window: Some(window(start, end)),
        ..RankSymbolsRequest::default()
    };
    let mut client = service.prices().await;
    let (mut answers, metrics) =
        (BTreeMap::new(), [SymbolMetric::Mean, SymbolMetric::StddevOfReturn]);
    // As a release left it that packed no ticks; the day is gone from then on.
    let forget = "UPDATE price_totals SET cell = cell";
    for (is_gone, is_packed) in [(false, true), (true, true), (true, false)] {
        let text = match (is_gone, is_packed) {
            (false, _) => "SELECT".to_owned(),
            (true, true) => format!("ALTER TABLE prices DETACH PARTITION {leaf}"),
            (true, false) => forget.to_owned(),
        };
        service.sql.batch_execute(&text).await.unwrap();
        let refused = |is_refused: bool| is_refused.then_some(Code::FailedPrecondition);
        for (start, end) in windows {
            for metric in metrics {
                let asked = RankSymbolsRequest { metric: metric.into(), ..rank((start, end)) };
                let (code, rows) = match client.rank_symbols(asked).await {
                    Ok(answer) => (None, answer.into_inner().rows),
                    Err(status) => (Some(status.code()), Vec::new()),
                };
                assert_eq!(code, refused(!is_packed), "{start} {end} {is_gone} {metric:?}");
                if is_packed {
                    // Whether or not the ticks themselves are at hand.
                    let first = answers.entry((start, end, metric)).or_insert(rows.clone());
                    assert_eq!(*first, rows);
                }
            }
            // Ticks, and bars of minutes, are read one by one.
            for seconds in [0, 60] {
                let answer = ask(&service, &request(start, end, seconds, 0)).await;
                let code = answer.err().map(|status| status.code());
                assert_eq!(code, refused(is_gone), "{start} {end} {is_gone} {seconds}");
            }
        }
        // Between two ticks there is nothing to miss, which only packed ones can tell.
        let between = rank(("2024-05-02T00:00:31Z", "2024-05-02T00:01:29Z"));
        assert_eq!(client.rank_symbols(between).await.is_err(), !is_packed);
        // Nothing was ever behind the last tick.
        let behind = rank(("2024-05-02T00:03:31Z", "2024-05-02T00:03:59Z"));
        assert!(client.rank_symbols(behind).await.is_ok());
    }
    assert!(answers.values().all(|rows| rows[0].tick_count > 0));
    // What is held against ticks that are not at hand is not said to differ.
    assert!(client.rank_symbols(whole_day(false)).await.is_ok());
    let status = client.rank_symbols(whole_day(true)).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    assert!(service.end().await);
}

#[tokio::test]
async fn page_tokens_that_nobody_gave_are_refused_by_name() {
    let service = start().await;
    let mut client = service.prices().await;
    let whole = request("2024-05-01T00:00:00Z", "2024-05-04T00:00:00Z", 0, 0);
    let digest = page_token::digest(&whole);
    for position in [
        "1:2",
        "2:1:1",
        "0:10:11",
        "0:10:-1",
        "-8334601228800000000:1:-9223372036854775808",
        "0:8210266876799999999:1",
        "-8334601228800000000:8210266876799999999:0",
    ] {
        let page_token = page_token::write(digest, position);
        let status =
            ask(&service, &ListPricesRequest { page_token, ..whole.clone() }).await.unwrap_err();
        assert_eq!(fields(&status), ["page_token"], "{position}");
    }
    let digest = page_token::digest(&whole_day(false));
    for position in
        ["-8334601228800000000:8210266876799999999::a", "0:1:x:a", "0:1", "1:1:1:a", "x:1:1:a"]
    {
        let page_token = page_token::write(digest, position);
        let status = client
            .rank_symbols(RankSymbolsRequest { page_token, ..whole_day(false) })
            .await
            .unwrap_err();
        assert_eq!(fields(&status), ["page_token"], "{position}");
    }
    assert!(service.end().await);
}
