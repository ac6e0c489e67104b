//! `RankSymbols`, against what SQL makes of the ticks: whoever wrote them, in whatever order, and
//! whatever of them is folded.

use chrono::{DateTime, Utc};
use daybook::{
    grpc::pb::v1::{RankSymbolsRequest, SymbolMetric, Window},
    store::fold_prices::fold_prices,
    upkeep::price_folding::fold_all,
};
use prost_types::Timestamp;
use rand::{RngExt, rngs::ChaCha12Rng};
use tokio_postgres::Client;

use tonic::Code;

use crate::{
    invalid_requests::fields,
    support::{
        random::random,
        service::{TestService, sql},
    },
};

const SYMBOLS: i32 = 5;

/// Numbers of the symbols: of two groups that share cells.
pub(crate) const FIRST_ID: i32 = 126;
const IDS: std::ops::Range<i32> = FIRST_ID..FIRST_ID + SYMBOLS;

/// 2024-05-01T00:00:00Z, and three days from there.
pub(crate) const FIRST: i64 = 1_714_521_600;
pub(crate) const SECONDS: i64 = 3 * 86_400;

/// What metrics are of the ticks in $1 to $2, computed by the database from the ticks, with 80
/// decimals before they are rounded.
const OF_TICKS: &str = "
    WITH ticks AS (
        SELECT p.symbol_id, p.ticked_at, p.price,
            round(ln(p.price::numeric(200, 60)) - ln(lag(p.price) OVER w::numeric(200, 60)), 18)
                AS return
        FROM prices p
        WHERE p.ticked_at >= $1 AND p.ticked_at < $2
        WINDOW w AS (PARTITION BY p.symbol_id ORDER BY p.ticked_at)
    ), moments AS (
        SELECT t.symbol_id, count(*) AS n, sum(t.price) AS s, sum(t.price * t.price) AS q,
            count(t.return) AS rn, sum(t.return) AS rs, sum(t.return * t.return) AS rq,
            (array_agg(t.price ORDER BY t.ticked_at))[1] AS first,
            (array_agg(t.price ORDER BY t.ticked_at DESC))[1] AS last,
            min(t.ticked_at) AS first_at, max(t.ticked_at) AS last_at
        FROM ticks t
        GROUP BY t.symbol_id
    )
    SELECT y.name, coalesce(m.n, 0) AS tick_count,
        first_at, last_at, trim_scale(first)::text AS first, trim_scale(last)::text AS last,
        CASE WHEN n > 1 THEN
            trim_scale(round(
                sqrt((n * q - s * s)::numeric(900, 300) / (n * (n - 1))), 18))::text END
            AS price_deviation,
        CASE WHEN rn > 1 THEN
            trim_scale(round(
                sqrt((rn * rq - rs * rs)::numeric(900, 300) / (rn * (rn - 1))), 18))::text END
            AS return_deviation,
        CASE WHEN n > 1 THEN
            trim_scale(round(
                sqrt(((n * q - s * s) * n)::numeric(900, 300) / ((n - 1) * s * s)), 18))::text END
            AS variation,
        trim_scale(round(((last - first) * 100)::numeric(900, 300) / first, 18))::text AS change,
        trim_scale(round(s::numeric(900, 300) / n, 18))::text AS mean
    FROM symbols y
    LEFT JOIN moments m USING (symbol_id)
    ORDER BY y.name";

const METRICS: [(SymbolMetric, &str); 5] = [
    (SymbolMetric::StddevOfPrice, "price_deviation"),
    (SymbolMetric::StddevOfReturn, "return_deviation"),
    (SymbolMetric::CoefficientOfVariation, "variation"),
    (SymbolMetric::ChangePercent, "change"),
    (SymbolMetric::Mean, "mean"),
];

pub(crate) fn instant(seconds: i64, micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(seconds * 1_000_000 + micros).unwrap()
}

fn timestamp(at: DateTime<Utc>) -> Timestamp {
    let nanos = i32::try_from(at.timestamp_subsec_nanos()).unwrap();
    Timestamp { seconds: at.timestamp(), nanos }
}

/// Makes symbols and days.
pub(crate) async fn make_symbols(sql: &Client, count: i32, days: &[&str]) {
    let text = "INSERT INTO symbols (name, base, quote)
        SELECT 's' || lpad(n::text, 4, '0') || 'usd', 's' || lpad(n::text, 4, '0'), 'usd'
        FROM generate_series(1, $1) AS n ORDER BY n";
    sql.execute(text, &[&count]).await.unwrap();
    let days: Vec<chrono::NaiveDate> = days.iter().map(|day| day.parse().unwrap()).collect();
    sql.query("SELECT ensure_price_partitions($1, 36500, 100000)", &[&days]).await.unwrap();
}

/// Units that have many ticks: one in six hours of the three days.
const BUSY_SECONDS: i64 = 6 * 3_600;

/// Any instant of the three days; often one at the edge of a unit or of a day, or in a busy unit.
fn draw_instant(random: &mut ChaCha12Rng) -> DateTime<Utc> {
    let seconds = random.random_range(0..SECONDS);
    match random.random_range(0..6) {
        4 | 5 => instant(
            FIRST + seconds / BUSY_SECONDS * BUSY_SECONDS,
            // Some at a whole second, some not.
            random.random_range(0..240_000_000) / 500_000 * random.random_range(499_999..=500_000),
        ),
        0 => instant(FIRST + seconds / 240 * 240, random.random_range(-1..=1)),
        1 => instant(FIRST + seconds / 86_400 * 86_400, random.random_range(0..=1)),
        _ => instant(FIRST + seconds, random.random_range(0..1_000_000)),
    }
    .max(instant(FIRST, 0))
}

fn draw_price(random: &mut ChaCha12Rng) -> String {
    match random.random_range(0..8) {
        0 => "0.000000000000000000000000000001".to_owned(),
        1 => format!("{}99999999999999999999999999.5", random.random_range(1..10)),
        2 => format!("1000000000.{:030}", random.random_range(1..1_000_000_000_000_u64)),
        _ => {
            format!("{}.{:08}", random.random_range(1..70_000), random.random_range(0..99_999_999))
        }
    }
}

/// Writes as clients from outside do.
pub(crate) async fn write(sql: &Client, random: &mut ChaCha12Rng) {
    let symbol = random.random_range(IDS);
    let (from, to) = (draw_instant(random), draw_instant(random));
    match random.random_range(0..10) {
        0 => {
            let text = "DELETE FROM prices
                WHERE symbol_id = $1 AND ticked_at >= $2 AND ticked_at < $2 + interval '1 hour'";
            sql.execute(text, &[&symbol, &from]).await.unwrap();
        }
        1 => {
            let text = "UPDATE prices SET price = price * 1.5
                WHERE symbol_id = $1 AND ticked_at >= $2 AND ticked_at < $3
                  AND scale(price * 1.5) <= 30 AND price < 1e29";
            sql.execute(text, &[&symbol, &from, &to]).await.unwrap();
        }
        2 => {
            // Within its day, from one unit to another; to where there is a tick it is refused.
            let text = "UPDATE prices SET ticked_at = date_trunc('day', ticked_at, 'UTC')
                    + (ticked_at - date_trunc('day', ticked_at, 'UTC')) * 0.5
                WHERE symbol_id = $1 AND ticked_at >= $2
                  AND ticked_at < $2 + interval '10 minutes'";
            drop(sql.execute(text, &[&symbol, &from]).await);
        }
        _ => {
            let count = random.random_range(1..40);
            let rows: Vec<String> = (0..count)
                .map(|_| {
                    let symbol = random.random_range(IDS);
                    let at = draw_instant(random).to_rfc3339();
                    format!("({symbol}, '{at}', {})", draw_price(random))
                })
                .collect();
            let text = format!(
                "INSERT INTO prices (symbol_id, ticked_at, price) VALUES {}
                 ON CONFLICT (symbol_id, ticked_at) DO UPDATE SET price = excluded.price",
                rows.join(", ")
            );
            // Two of one instant in one statement are refused, and the statement with them.
            drop(sql.execute(&text, &[]).await);
        }
    }
}

/// A symbol's name, how many ticks it has, a value, and its first and last tick.
type Expected = (String, i64, Option<String>, [Option<(Timestamp, String)>; 2]);

pub(crate) async fn check(service: &TestService, start: DateTime<Utc>, end: DateTime<Utc>) {
    let expected = service.sql.query(OF_TICKS, &[&start, &end]).await.unwrap();
    let mut client = service.prices().await;
    for (metric, column) in METRICS {
        let request = RankSymbolsRequest {
            metric: metric.into(),
            window: Some(Window { start: Some(timestamp(start)), end: Some(timestamp(end)) }),
            include_thin: true,
            verify: true,
            ..RankSymbolsRequest::default()
        };
        let answer = client.rank_symbols(request).await.unwrap().into_inner();
        assert_eq!(answer.verification_difference, "", "{start} {end}");
        let mut found: Vec<Expected> = answer
            .rows
            .into_iter()
            .map(|row| {
                let value = Some(row.value).filter(|text| !text.is_empty());
                let ends = [row.first_tick, row.last_tick]
                    .map(|tick| tick.map(|tick| (tick.ticked_at.unwrap_or_default(), tick.price)));
                (row.symbol, row.tick_count, value, ends)
            })
            .collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        let expected: Vec<Expected> = expected
            .iter()
            .map(|row| {
                let ends = [("first_at", "first"), ("last_at", "last")].map(|(at, price)| {
                    Some((timestamp(row.get::<_, Option<_>>(at)?), row.get(price)))
                });
                (row.get("name"), row.get("tick_count"), row.get(column), ends)
            })
            .collect();
        assert_eq!(found, expected, "{column} from {start} to {end}");
    }
}

/// Symbols whose numbers lie in two groups.
pub(crate) async fn make_symbols_of_two_groups(service: &TestService) {
    let text = format!("ALTER TABLE symbols ALTER COLUMN symbol_id RESTART WITH {FIRST_ID}");
    service.sql.batch_execute(&text).await.unwrap();
    make_symbols(&service.sql, SYMBOLS, &["2024-05-01", "2024-05-02", "2024-05-03"]).await;
}

/// Cells as a release wrote them that knew of no briefs: of all spans, or of one in so many.
pub(crate) async fn forget_briefs(sql: &Client, one_in: i32) -> u64 {
    let text = "UPDATE price_totals SET cell = cell
        WHERE (level + span_number + symbol_group) % $1 = 0 AND brief IS NOT NULL";
    sql.execute(text, &[&i64::from(one_in)]).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_written_and_folded_values_are_those_of_the_ticks() {
    let service = TestService::start().await;
    make_symbols_of_two_groups(&service).await;
    let mut random = random();
    for round in 0..40 {
        for _ in 0..random.random_range(1..8) {
            write(&service.sql, &mut random).await;
        }
        match random.random_range(0..4) {
            0 => drop(fold_all(&service.database).await.unwrap()),
            1 => {
                let count = random.random_range(1..200);
                let client = service.database.connect().await.unwrap();
                fold_prices(&client, count, true).await.unwrap();
            }
            2 => drop(forget_briefs(&service.sql, random.random_range(2..9)).await),
            _ => {}
        }
        let (a, b) = (draw_instant(&mut random), draw_instant(&mut random));
        if a != b {
            check(&service, a.min(b), a.max(b)).await;
        }
        // Both ends in one unit that has many ticks, or in two that follow each other.
        let start = FIRST + random.random_range(0..SECONDS / BUSY_SECONDS) * BUSY_SECONDS;
        let inside = |random: &mut ChaCha12Rng| random.random_range(-20_000_000..240_000_000);
        let (a, b) = (inside(&mut random), inside(&mut random));
        check(&service, instant(start, a.min(b)), instant(start, a.max(b) + 1)).await;
        if round % 10 == 0 {
            check(&service, instant(FIRST, 0), instant(FIRST + SECONDS, 0)).await;
        }
    }
    assert!(service.end().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_release_without_briefs_folded_is_read_and_packed_once_it_changes() {
    let service = TestService::start().await;
    make_symbols_of_two_groups(&service).await;
    // A tick a minute, at half a second.
    let text = "INSERT INTO prices (symbol_id, ticked_at, price)
        SELECT s, '2024-05-01T00:00:00.5Z'::timestamptz + n * interval '1 minute',
            1000 + (n * 7919 % 1009 * s) % 1009 / 100.0
        FROM generate_series(0, 2879) AS n, generate_series($1::int, $2::int) AS s";
    service.sql.execute(text, &[&IDS.start, &(IDS.end - 1)]).await.unwrap();
    fold_all(&service.database).await.unwrap();
    let windows = [
        (instant(FIRST + 61, 0), instant(FIRST + 86_461, 17)),
        (instant(FIRST + 61, 0), instant(FIRST + 190, 0)),
        (instant(FIRST + 3_601, 0), instant(FIRST + 7_201, 0)),
    ];
    let check_all = async || {
        for (start, end) in windows {
            check(&service, start, end).await;
        }
    };
    check_all().await;
    let all = forget_briefs(&service.sql, 1).await;
    assert!(all > 2 * 720, "{all} cells had briefs");
    check_all().await;
    // One tick of one symbol: the unit is read whole, and what is above it has briefs again.
    let with_briefs = async || {
        let text = "SELECT array_agg((t.level, t.span_number, t.symbol_group)::text
                ORDER BY t.level)
            FROM price_totals t WHERE t.brief IS NOT NULL";
        let row = service.sql.query_one(text, &[]).await.unwrap();
        row.get::<_, Option<Vec<String>>>(0).unwrap_or_default()
    };
    assert_eq!(with_briefs().await, Vec::<String>::new());
    let text = format!(
        "UPDATE prices SET price = price + 1
        WHERE symbol_id = {FIRST_ID} AND ticked_at = '2024-05-01T00:02:00.5Z'"
    );
    assert_eq!(service.sql.execute(&text, &[]).await.unwrap(), 1);
    check_all().await;
    // As many notes as there are, and not one unit more: it stays as it was.
    let client = service.database.connect().await.unwrap();
    fold_prices(&client, 1, true).await.unwrap();
    drop(client);
    let unit = FIRST / 240;
    let expected = |from: u32| {
        let spans = (from..10).map(|level| (level, unit / 4i64.pow(level)));
        spans.map(|(level, span)| format!("({level},{span},0)")).collect::<Vec<_>>()
    };
    assert_eq!(with_briefs().await, expected(1));
    check_all().await;
    service.sql.execute(&text, &[]).await.unwrap();
    fold_all(&service.database).await.unwrap();
    assert_eq!(with_briefs().await, expected(0));
    check_all().await;
    // A cell that is written without its brief loses it.
    assert_eq!(forget_briefs(&service.sql, 1).await, 10);
    assert_eq!(with_briefs().await, Vec::<String>::new());
    assert!(service.end().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn neighbours_that_did_not_see_each_other_are_folded_right() {
    let service = TestService::start().await;
    make_symbols(&service.sql, 1, &["2024-05-01"]).await;
    let other = sql(service.target.config.clone(), &service.target.schema).await;
    let text = |at: &str, price: &str| {
        format!("INSERT INTO prices (symbol_id, ticked_at, price) VALUES (1, '{at}', {price})")
    };
    let late = [("2024-05-01T00:00:01Z", "1"), ("2024-05-01T00:00:03Z", "3")];
    for isolation in ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"] {
        service.sql.batch_execute("DELETE FROM prices").await.unwrap();
        let begin = format!("BEGIN ISOLATION LEVEL {isolation}");
        other.batch_execute(&begin).await.unwrap();
        for (at, price) in late {
            other.batch_execute(&text(at, price)).await.unwrap();
        }
        // Between the two, by somebody who sees neither, and folded without them.
        service.sql.batch_execute(&text("2024-05-01T00:00:02Z", "9")).await.unwrap();
        fold_all(&service.database).await.unwrap();
        check(&service, instant(FIRST, 0), instant(FIRST + 86_400, 0)).await;
        other.batch_execute("COMMIT").await.unwrap();
        check(&service, instant(FIRST, 0), instant(FIRST + 86_400, 0)).await;
        assert!(fold_all(&service.database).await.unwrap() > 0);
        check(&service, instant(FIRST, 0), instant(FIRST + 86_400, 0)).await;
    }
    assert!(service.end().await);
}

#[tokio::test]
async fn thin_symbols_are_told_apart_and_come_last() {
    let service = TestService::start().await;
    make_symbols(&service.sql, 4, &["2024-05-01"]).await;
    // A tick a minute for ten minutes; two of ten; one; none.
    let text = "INSERT INTO prices (symbol_id, ticked_at, price)
        SELECT s, '2024-05-01T00:00:00Z'::timestamptz + n * interval '1 minute', 10 + n * s * s
        FROM generate_series(0, 9) AS n, generate_series(1, 3) AS s
        WHERE s = 1 OR n = 3 OR s = 2 AND n = 7";
    service.sql.execute(text, &[]).await.unwrap();
    let request = RankSymbolsRequest {
        metric: SymbolMetric::StddevOfPrice.into(),
        window: Some(Window {
            start: Some(timestamp(instant(FIRST, 0))),
            end: Some(timestamp(instant(FIRST + 600, 0))),
        }),
        ..RankSymbolsRequest::default()
    };
    let mut client = service.prices().await;
    let mut ask = async |request: &RankSymbolsRequest| {
        let rows = client.rank_symbols(request.clone()).await.unwrap().into_inner().rows;
        let row = |row: daybook::grpc::pb::v1::SymbolRank| {
            assert_eq!(row.return_count, (row.tick_count - 1).max(0));
            assert_eq!(row.first_tick.is_some(), row.tick_count > 0);
            let counts = (row.tick_count, row.expected_tick_count);
            (row.rank, row.symbol, row.value, counts, row.is_thin)
        };
        rows.into_iter().map(row).collect::<Vec<_>>()
    };
    let name = |n: i32| format!("s000{n}usd");
    let full = |rank| (rank, name(1), "3.027650354097491665".to_owned(), (10, 10), false);
    let two = |rank| (rank, name(2), "11.313708498984760390".trim_end_matches('0').to_owned());
    let row = |(rank, name, value), count, thin| (rank, name, value, (count, 10), thin);
    let (one, none) = ((0, name(3), String::new()), (0, name(4), String::new()));
    let thin = [row(two(0), 2, true), row(one.clone(), 1, true), row(none.clone(), 0, true)];
    assert_eq!(ask(&request).await, [&[full(1)][..], &thin].concat());
    // Whoever wants them ranked all the same, or asks for less, or expects less.
    let wanting = RankSymbolsRequest { include_thin: true, ..request.clone() };
    let ranked =
        [row(two(1), 2, true), full(2), row(one.clone(), 1, true), row(none.clone(), 0, true)];
    assert_eq!(ask(&wanting).await, ranked);
    let asking_less = RankSymbolsRequest { min_coverage_percent: 20, ..request.clone() };
    let ranked = [row(two(1), 2, false), full(2), row(one, 1, true), row(none, 0, true)];
    assert_eq!(ask(&asking_less).await, ranked);
    let expecting_less = RankSymbolsRequest { tick_interval_seconds: 300, ..request.clone() };
    let counts: Vec<_> = ask(&expecting_less).await.into_iter().map(|row| row.3).collect();
    assert_eq!(counts, [(2, 2), (10, 2), (1, 2), (0, 2)]);
    assert!(service.end().await);
}

#[tokio::test]
async fn populations_and_pages_and_what_is_wrong() {
    let service = TestService::start().await;
    make_symbols(&service.sql, 9, &["2024-05-01"]).await;
    let text = "INSERT INTO symbols (name, base, quote) VALUES ('ethbtc', 'eth', 'btc')";
    service.sql.execute(text, &[]).await.unwrap();
    let text = "INSERT INTO prices (symbol_id, ticked_at, price)
        SELECT s, '2024-05-01T00:00:00Z'::timestamptz + n * interval '1 minute', 10 + n * (s % 3)
        FROM generate_series(0, 9) AS n, generate_series(1, 8) AS s";
    service.sql.execute(text, &[]).await.unwrap();
    let mut client = service.prices().await;
    let request = RankSymbolsRequest {
        metric: SymbolMetric::ChangePercent.into(),
        window: Some(Window {
            start: Some(timestamp(instant(FIRST, 0))),
            end: Some(timestamp(instant(FIRST + 600, 0))),
        }),
        page_size: 2,
        ..RankSymbolsRequest::default()
    };
    let (mut names, mut ranks, mut paged) = (Vec::new(), Vec::new(), request.clone());
    loop {
        let answer = client.rank_symbols(paged.clone()).await.unwrap().into_inner();
        assert_eq!((answer.population_size, &answer.window), (10, &request.window));
        ranks.extend(answer.rows.iter().map(|row| row.rank));
        names.extend(answer.rows.into_iter().map(|row| row.symbol));
        if answer.next_page_token.is_empty() {
            break;
        }
        paged.page_token = answer.next_page_token;
    }
    // Changes of 0, 90 and 180 percent: three have 90, three 180, two nothing; two have no ticks.
    assert_eq!(ranks, [1, 1, 1, 4, 4, 4, 7, 7, 0, 0]);
    assert_eq!(names[..3], ["s0002usd", "s0005usd", "s0008usd"]);
    assert_eq!(names[8..], ["ethbtc", "s0009usd"]);

    let comparable =
        RankSymbolsRequest { comparable_with: "ETH/XBT".to_owned(), ..request.clone() };
    let answer = client.rank_symbols(comparable).await.unwrap().into_inner();
    assert_eq!(answer.population_size, 1);
    let named = RankSymbolsRequest {
        symbols: vec!["S0001-USD".to_owned(), "s0001usd".to_owned(), "s0002usd".to_owned()],
        ..request.clone()
    };
    let answer = client.rank_symbols(named).await.unwrap().into_inner();
    assert_eq!(answer.population_size, 2);
    let unknown = RankSymbolsRequest { symbols: vec!["nosuch".to_owned()], ..request.clone() };
    assert_eq!(client.rank_symbols(unknown).await.unwrap_err().code(), Code::NotFound);

    let wrong = RankSymbolsRequest {
        symbols: vec!["s0001usd".to_owned(), "no such".to_owned()],
        window: Some(Window::default()),
        min_coverage_percent: 101,
        tick_interval_seconds: -1,
        page_size: -1,
        page_token: "x".to_owned(),
        ..RankSymbolsRequest::default()
    };
    let status = client.rank_symbols(wrong).await.unwrap_err();
    let expected = [
        "symbols[1]",
        "window.start",
        "window.end",
        "metric",
        "min_coverage_percent",
        "tick_interval_seconds",
        "page_size",
        "page_token",
    ];
    assert_eq!(fields(&status), expected);
    assert!(service.end().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn edges_that_are_not_folded_are_read_while_more_comes_than_a_connection_holds() {
    let service = TestService::start().await;
    make_symbols(&service.sql, 1_000, &["2024-05-01"]).await;
    let text = "INSERT INTO prices (symbol_id, ticked_at, price)
        SELECT s, to_timestamp($1::bigint + n * 240), 100 + (s + n) % 7
        FROM generate_series(0, 119) AS n, generate_series(1, 1000) AS s
        ORDER BY n";
    service.sql.execute(text, &[&FIRST]).await.unwrap();
    fold_all(&service.database).await.unwrap();
    let mut client = service.prices().await;
    // Both edges are parts of units. What comes late is not folded.
    let (start, end) = (FIRST + 250, FIRST + 250 + 7 * 3_600);
    for late in [end - 1, start + 1] {
        let text = "INSERT INTO prices (symbol_id, ticked_at, price)
            SELECT s, to_timestamp($1::bigint), 3 FROM generate_series(1, 1000) AS s";
        service.sql.execute(text, &[&late]).await.unwrap();
        for metric in [SymbolMetric::StddevOfPrice, SymbolMetric::StddevOfReturn] {
            let window = [start, end].map(|at| Some(timestamp(instant(at, 0))));
            let [start, end] = window;
            let request = RankSymbolsRequest {
                window: Some(Window { start, end }),
                metric: metric.into(),
                include_thin: true,
                verify: true,
                ..RankSymbolsRequest::default()
            };
            let answer = client.rank_symbols(request).await.unwrap().into_inner();
            assert_eq!((answer.population_size, answer.rows.len()), (1_000, 100), "{late}");
            assert_eq!(answer.verification_difference, "", "{late} {metric:?}");
        }
    }
    assert!(service.end().await);
}
