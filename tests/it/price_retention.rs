//! Retention of prices: whole days of ticks go, and what they came to is answered as before.

use std::time::{Duration, Instant};

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use daybook::{
    config::PriceSource,
    domain::{
        decimal::Decimal,
        price::{candle::minute_of, symbol::SymbolName, tick::NewPrice},
    },
    feeds::{Feed, FeedPlan, report::FeedReport},
    grpc::pb::v1::{ListPricesRequest, ListSymbolsRequest, RankSymbolsRequest, SymbolMetric},
    ingest::{
        Ingest,
        record_prices::{PriceOptions, PriceOutcome},
    },
    store::{Database, export_prices, fold_prices::fold_prices, partitions},
    upkeep::{
        days::{Retention, Step},
        price_folding::{FOLDED_UNITS_MAX, fold_all},
    },
};
use rustix::process::Signal;
use tonic::{Code, Status};

use crate::{
    absent_days::days_of,
    get_status::status,
    process::Daybook,
    rank_symbols::make_symbols,
    sum_amount::window,
    support::{
        cluster::{TestFolder, connect, eventually},
        exchanges::FakeExchange,
        schema::{TestSchema, one, refusal},
        service::TestService,
    },
};

/// Drops until nothing is left to drop, or a day cannot go.
async fn drop_all(database: &Database, retention_days: u32) -> (Vec<NaiveDate>, Step) {
    let retention = Retention::of_prices(database.clone(), retention_days);
    let mut dropped = Vec::new();
    loop {
        match retention.step().await.unwrap() {
            Step::Dropped(day) => dropped.push(day),
            last @ (Step::Done | Step::Held | Step::Unfolded(_)) => return (dropped, last),
        }
    }
}

/// Days that have a partition of prices.
async fn days(schema: &TestSchema) -> Vec<NaiveDate> {
    let text = "SELECT array_agg((lower_at AT TIME ZONE 'UTC')::date ORDER BY lower_at)
        FROM partition_bounds('prices')";
    one(&schema.sql, text).await
}

async fn dropped(schema: &TestSchema) -> Vec<NaiveDate> {
    let text = "SELECT coalesce(array_agg(day ORDER BY day), '{}') FROM dropped_price_days";
    one(&schema.sql, text).await
}

/// A schema with ticks of three symbols, half a minute past each third minute of the last days
/// before today; and those days, earliest first.
async fn with_past(count: u64) -> (TestSchema, Vec<NaiveDate>) {
    let schema = TestSchema::prepared().await;
    let today = schema.today().await;
    let past: Vec<NaiveDate> = (1..=count).rev().map(|back| today - Days::new(back)).collect();
    let texts: Vec<String> = past.iter().map(ToString::to_string).collect();
    make_symbols(&schema.sql, 3, &texts.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let text = "INSERT INTO prices (symbol_id, ticked_at, price)
        SELECT s, at + interval '30 seconds',
            s * 100 + abs(hashint8(extract(epoch FROM at)::bigint * s) % 100000) / 1000.0
        FROM generate_series(1, 3) AS s,
            generate_series($1::date::timestamp AT TIME ZONE 'UTC',
                $2::date::timestamp AT TIME ZONE 'UTC' - interval '1 second',
                interval '3 minutes') AS at";
    schema.sql.execute(text, &[&past[0], &today]).await.unwrap();
    (schema, past)
}

async fn service_on(schema: &TestSchema) -> TestService {
    TestService::start_with(schema.target.clone(), schema.settings.clone()).await
}

/// Everything that is answered without rows, about windows over and inside of the first days.
async fn answers(service: &TestService, past: &[NaiveDate]) -> Vec<String> {
    let (first, last) = (past[0], past[past.len() - 1]);
    let second = past[1];
    let windows = [
        (format!("{first}T00:00:00Z"), format!("{last}T00:00:00Z")),
        // Inside of units.
        (format!("{first}T07:01:13.000001Z"), format!("{first}T07:09:59Z")),
        (format!("{first}T07:01:00Z"), format!("{first}T07:02:00Z")),
        (format!("{first}T23:59:00Z"), format!("{last}T12:31:00Z")),
        (format!("{second}T11:11:11Z"), format!("{second}T11:11:12Z")),
        (format!("{second}T11:11:11Z"), format!("{second}T19:00:00.123456Z")),
    ];
    let mut client = service.prices().await;
    let mut found = Vec::new();
    for (start, end) in &windows {
        for metric in [
            SymbolMetric::StddevOfPrice,
            SymbolMetric::StddevOfReturn,
            SymbolMetric::CoefficientOfVariation,
            SymbolMetric::ChangePercent,
            SymbolMetric::Mean,
        ] {
            let request = RankSymbolsRequest {
                metric: metric.into(),
                window: window(start, end),
                include_thin: true,
                ..RankSymbolsRequest::default()
            };
            let rows = client.rank_symbols(request).await.unwrap().into_inner().rows;
            assert_eq!(rows.len(), 3);
            found.push(format!("{rows:?}"));
        }
        let request = prices_in(start, end, 86_400);
        found.push(format!("{:?}", client.list_prices(request).await.unwrap().into_inner().bars));
    }
    let request = ListSymbolsRequest::default();
    let symbols = client.list_symbols(request).await.unwrap().into_inner().symbols;
    let ends = symbols.iter().map(|symbol| (&symbol.first_tick, &symbol.last_tick));
    found.push(format!("{:?}", ends.collect::<Vec<_>>()));
    found
}

fn prices_in(start: &str, end: &str, bucket_seconds: i32) -> ListPricesRequest {
    ListPricesRequest {
        symbol: "s0001usd".to_owned(),
        window: window(start, end),
        bucket_seconds,
        page_size: 10_000,
        ..ListPricesRequest::default()
    }
}

#[tokio::test]
async fn what_a_dropped_day_came_to_is_answered_as_before() {
    let (schema, past) = with_past(5).await;
    fold_all(&schema.database).await.unwrap();
    let service = service_on(&schema).await;
    let before = answers(&service, &past).await;
    assert_eq!(status(&service).await.dropped_price_day_count, 0);
    // The role that answers requests may have days dropped.
    let expected = (past[..3].to_vec(), Step::Done);
    assert_eq!(drop_all(&service.database, 2).await, expected);
    assert_eq!(dropped(&schema).await, past[..3]);
    assert_eq!(days(&schema).await[..2], past[3..]);
    assert_eq!(answers(&service, &past).await, before);
    let found = status(&service).await;
    assert_eq!((found.dropped_price_day_count, found.dropped_day_count), (3, 0));

    // What needs the rows is refused by the days' names, and what is behind them is not.
    let mut client = service.prices().await;
    let all = [past[0].to_string(), past[4].to_string()].map(|day| format!("{day}T00:00:00Z"));
    let named = |days: &[NaiveDate]| -> Vec<(String, String)> {
        days.iter().map(|day| ("DAY_DROPPED".to_owned(), day.to_string())).collect()
    };
    for seconds in [0, 3_600] {
        let refused: Status =
            client.list_prices(prices_in(&all[0], &all[1], seconds)).await.unwrap_err();
        assert_eq!(days_of(&refused), named(&past[..3]), "{seconds}");
        let kept = prices_in(&format!("{}T00:00:00Z", past[3]), &all[1], seconds);
        let answer = client.list_prices(kept).await.unwrap().into_inner();
        assert_eq!(answer.ticks.len() + answer.bars.len(), if seconds == 0 { 480 } else { 24 });
    }
    let verified = RankSymbolsRequest {
        window: window(&all[0], &all[1]),
        metric: SymbolMetric::Mean.into(),
        verify: true,
        ..RankSymbolsRequest::default()
    };
    let refused = client.rank_symbols(verified).await.unwrap_err();
    assert_eq!(days_of(&refused), named(&past[..3]));
    // Folding what comes later leaves it as it is.
    let more = "INSERT INTO prices (symbol_id, ticked_at, price) SELECT 1, now(), 7";
    schema.sql.batch_execute(more).await.unwrap();
    fold_all(&schema.database).await.unwrap();
    let (after, symbols) = (answers(&service, &past).await, before.len() - 1);
    assert_eq!(after[..symbols], before[..symbols]);
    assert!(service.end().await);
}

#[tokio::test]
async fn a_day_waits_until_its_changes_are_folded() {
    let (schema, past) = with_past(3).await;
    let service = service_on(&schema).await;
    assert_eq!(drop_all(&schema.database, 1).await, (Vec::new(), Step::Unfolded(past[0])));
    assert_eq!((dropped(&schema).await.len(), days(&schema).await[0]), (0, past[0]));
    fold_all(&schema.database).await.unwrap();

    // Somebody writes into the oldest day and has not ended yet.
    let writer = schema.more_sql().await;
    let late = format!(
        "BEGIN; INSERT INTO prices (symbol_id, ticked_at, price) VALUES (2, '{} 03:04:05Z', 9)",
        past[0]
    );
    writer.batch_execute(&late).await.unwrap();
    assert_eq!(drop_all(&schema.database, 1).await, (Vec::new(), Step::Held));
    writer.batch_execute("COMMIT").await.unwrap();
    assert_eq!(drop_all(&schema.database, 1).await, (Vec::new(), Step::Unfolded(past[0])));

    // Somebody has taken its notes, and has not folded what they name.
    let folder = schema.more_sql().await;
    folder.batch_execute("BEGIN; DELETE FROM price_changes").await.unwrap();
    assert_eq!(drop_all(&schema.database, 1).await, (Vec::new(), Step::Unfolded(past[0])));
    folder.batch_execute("ROLLBACK").await.unwrap();

    fold_all(&schema.database).await.unwrap();
    let before = answers(&service, &past).await;
    assert_eq!(drop_all(&schema.database, 1).await, (past[..2].to_vec(), Step::Done));
    assert_eq!(answers(&service, &past).await, before);
    // The late one is in it.
    let mut client = service.prices().await;
    let start = format!("{}T03:04:05Z", past[0]);
    let request = RankSymbolsRequest {
        window: window(&start, &start.replace("05Z", "06Z")),
        metric: SymbolMetric::Mean.into(),
        include_thin: true,
        ..RankSymbolsRequest::default()
    };
    let rows = client.rank_symbols(request).await.unwrap().into_inner().rows;
    assert_eq!((rows[0].symbol.as_str(), rows[0].value.as_str()), ("s0002usd", "9"));
    assert!(service.end().await);
}

/// Writers, folding and retention at once: what was recorded is in what is answered.
#[tokio::test]
async fn ticks_that_come_while_a_day_goes_are_counted_or_refused() {
    let (schema, past) = with_past(2).await;
    fold_all(&schema.database).await.unwrap();
    let taking = Ingest::new(&schema.database, &schema.settings.partitions);
    let writers = (1..=3).map(|symbol| {
        let (taking, day) = (taking.clone(), past[0]);
        async move {
            for count in 0.. {
                let after = TimeDelta::milliseconds(count);
                if let [refusal] = &record(&taking, symbol, day, after).await.refused[..] {
                    assert!(refusal.fault.message.contains("dropped by retention"));
                    return count;
                }
                // Pauses long enough for a day to be folded and dropped in.
                tokio::time::sleep(Duration::from_millis(150)).await;
            }
            unreachable!("a day is dropped before that")
        }
    });
    let dropping = async {
        let retention = Retention::of_prices(schema.database.clone(), 1);
        let client = schema.connect().await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        loop {
            fold_prices(&client, FOLDED_UNITS_MAX, true).await.unwrap();
            match retention.step().await.unwrap() {
                Step::Dropped(day) => return day,
                Step::Unfolded(_) | Step::Held => {}
                Step::Done => panic!("the day is there"),
            }
        }
    };
    let (recorded, day) = tokio::join!(futures_util::future::join_all(writers), dropping);
    assert_eq!(day, past[0]);
    let service = service_on(&schema).await;
    let (start, end) = (format!("{}T00:00:00Z", past[0]), format!("{}T00:00:00Z", past[1]));
    let request = RankSymbolsRequest {
        window: window(&start, &end),
        metric: SymbolMetric::Mean.into(),
        include_thin: true,
        ..RankSymbolsRequest::default()
    };
    let mut rows = service.prices().await.rank_symbols(request).await.unwrap().into_inner().rows;
    rows.sort_by(|one, other| one.symbol.cmp(&other.symbol));
    let counts: Vec<i64> = rows.iter().map(|row| row.tick_count - 480).collect();
    assert_eq!(counts, recorded);
    assert!(service.end().await);
}

/// Records a tick of a symbol, so long after a day's begin.
async fn record(taking: &Ingest, symbol: i32, day: NaiveDate, after: TimeDelta) -> PriceOutcome {
    let row = NewPrice {
        symbol: SymbolName::parse(&format!("s{symbol:04}usd")).unwrap(),
        ticked_at: day.and_time(chrono::NaiveTime::MIN).and_utc() + after,
        price: Decimal::parse("7").unwrap(),
    };
    let options =
        PriceOptions { replace: false, whole_chunks_only: false, tick_interval_seconds: 60 };
    taking.record_prices(vec![row], &options).await.unwrap()
}

/// Cells of an earlier release have no ticks beside them: they are folded anew first.
#[tokio::test]
async fn ticks_are_packed_before_their_day_goes() {
    let (schema, past) = with_past(3).await;
    fold_all(&schema.database).await.unwrap();
    let service = service_on(&schema).await;
    let before = answers(&service, &past).await;
    schema.sql.batch_execute("UPDATE price_totals SET cell = cell").await.unwrap();
    let unpacked = format!(
        "SELECT count(*) FROM price_totals WHERE level = 0 AND brief IS NULL
         AND span_number < price_unit('{} 00:00Z')",
        past[2]
    );
    assert_eq!(one::<i64>(&schema.sql, &unpacked).await, 2 * 360);
    let mut rounds = 0;
    let mut gone = Vec::new();
    loop {
        let (days, step) = drop_all(&schema.database, 1).await;
        gone.extend(days);
        if step == Step::Done {
            break;
        }
        assert!(matches!(step, Step::Unfolded(_)), "{step:?}");
        assert_eq!(
            fold_all(&schema.database).await.unwrap(),
            if rounds % 4 == 3 { 60 } else { 100 }
        );
        rounds += 1;
    }
    assert_eq!((gone.as_slice(), rounds), (&past[..2], 8));
    assert_eq!(one::<i64>(&schema.sql, &unpacked).await, 0);
    assert_eq!(answers(&service, &past).await, before);
    assert!(service.end().await);
}

#[tokio::test]
async fn late_ticks_are_refused_and_no_day_is_made_again() {
    let (mut schema, past) = with_past(3).await;
    fold_all(&schema.database).await.unwrap();
    schema.settings.partitions.price_retention_days = 1;
    let taking = Ingest::new(&schema.database, &schema.settings.partitions);
    // It knows that the day is there.
    let outcome = record(&taking, 1, past[0], TimeDelta::seconds(1)).await;
    assert_eq!(outcome.recorded, 1);
    fold_all(&schema.database).await.unwrap();
    assert_eq!(drop_all(&schema.database, 1).await, (past[..2].to_vec(), Step::Done));
    let fresh = Ingest::new(&schema.database, &schema.settings.partitions);
    for taking in [&taking, &fresh] {
        let outcome = record(taking, 1, past[0], TimeDelta::seconds(2)).await;
        let expected = format!("is on {}, whose rows were dropped by retention", past[0]);
        assert_eq!((outcome.recorded, outcome.refused.len()), (0, 1));
        let fault = &outcome.refused[0].fault;
        assert_eq!((fault.field, fault.message.as_str()), ("ticked_at", expected.as_str()));
        // One that would be dropped, and never was there.
        let outcome = record(taking, 1, past[0] - Days::new(9), TimeDelta::zero()).await;
        let expected = format!("must be on a day from {} to", past[2]);
        assert!(outcome.refused[0].fault.message.starts_with(&expected), "{outcome:?}");
    }
    let before = days(&schema).await;
    let client = schema.connect().await;
    let insert = format!(
        "INSERT INTO prices (symbol_id, ticked_at, price) VALUES (1, '{} 01:00Z', 1)",
        past[0]
    );
    assert_eq!(refusal(&schema.sql, &insert).await, "23514");
    let error = partitions::ensure_prices(&client, &past[..1], 99, 1_000).await.unwrap_err();
    let text = error.server_message().unwrap();
    assert!(text.contains(&past[0].to_string()) && text.contains("dropped"), "{text}");
    for _ in 0..2 {
        partitions::maintain(&client).await.unwrap();
    }
    assert_eq!(days(&schema).await, before);
    // Whoever keeps everything refuses it, too.
    schema.settings.partitions.price_retention_days = 0;
    let keeping = Ingest::new(&schema.database, &schema.settings.partitions);
    assert_eq!(record(&keeping, 1, past[1], TimeDelta::zero()).await.refused.len(), 1);
    assert_eq!(record(&keeping, 1, past[0] - Days::new(9), TimeDelta::zero()).await.recorded, 1);
}

#[tokio::test]
async fn a_day_that_somebody_attaches_again_is_there() {
    let (schema, past) = with_past(2).await;
    fold_all(&schema.database).await.unwrap();
    let day = past[0];
    let copy = format!(
        "CREATE TABLE kept (LIKE prices INCLUDING ALL);
         INSERT INTO kept SELECT * FROM prices WHERE ticked_at < '{} 00:00Z'",
        past[1]
    );
    schema.sql.batch_execute(&copy).await.unwrap();
    assert_eq!(drop_all(&schema.database, 1).await.0, [day]);
    let service = service_on(&schema).await;
    let mut client = service.prices().await;
    let (start, end) = (format!("{day}T00:00:00Z"), format!("{}T00:00:00Z", past[1]));
    let refused = client.list_prices(prices_in(&start, &end, 0)).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let attach = format!(
        "ALTER TABLE prices ATTACH PARTITION kept
         FOR VALUES FROM ('{day} 00:00Z') TO ('{} 00:00Z')",
        past[1]
    );
    schema.sql.batch_execute(&attach).await.unwrap();
    let answer = client.list_prices(prices_in(&start, &end, 0)).await.unwrap().into_inner();
    assert_eq!(answer.ticks.len(), 480);
    let taking = Ingest::new(&schema.database, &schema.settings.partitions);
    assert_eq!(record(&taking, 1, day, TimeDelta::zero()).await.recorded, 1);
    // It is old enough to go again.
    fold_all(&schema.database).await.unwrap();
    assert_eq!(drop_all(&schema.database, 1).await.0, [day]);
    assert_eq!(dropped(&schema).await, [day]);
    assert!(service.end().await);
}

#[tokio::test]
async fn readers_are_not_waited_for_and_the_day_goes_later() {
    let (schema, past) = with_past(2).await;
    fold_all(&schema.database).await.unwrap();
    let reader = schema.more_sql().await;
    reader.batch_execute("BEGIN; SELECT count(*) FROM prices").await.unwrap();
    let begun_at = Instant::now();
    assert_eq!(drop_all(&schema.database, 1).await, (Vec::new(), Step::Held));
    assert!(begun_at.elapsed() < Duration::from_secs(5));
    reader.batch_execute("ROLLBACK").await.unwrap();
    // Whoever answers or exports, and has read nothing of prices yet, is not deprived of a day.
    let snapshot = schema.database.snapshot().await.unwrap();
    assert_eq!(drop_all(&schema.database, 1).await, (Vec::new(), Step::Held));
    snapshot.end().await.unwrap();
    let client = schema.connect().await;
    let tx = export_prices::snapshot(&client).await.unwrap();
    assert_eq!(drop_all(&schema.database, 1).await, (Vec::new(), Step::Held));
    tx.roll_back().await.unwrap();
    assert_eq!(drop_all(&schema.database, 1).await, (past[..1].to_vec(), Step::Done));
}

#[tokio::test]
async fn two_servers_drop_each_day_once_and_none_that_is_young() {
    let (schema, past) = with_past(6).await;
    fold_all(&schema.database).await.unwrap();
    let (first, second) =
        tokio::join!(drop_all(&schema.database, 1), drop_all(&schema.database, 1));
    let mut gone = [first.0, second.0].concat();
    gone.sort_unstable();
    assert_eq!(gone, past[..5]);
    assert_eq!(dropped(&schema).await, past[..5]);
    for days in [1, 30] {
        let text =
            format!("SELECT drop_price_day_before((now() AT TIME ZONE 'UTC')::date + {days})");
        assert_eq!(refusal(&schema.sql, &text).await, "22023", "{days}");
    }
    let text = "BEGIN ISOLATION LEVEL REPEATABLE READ;
        SELECT drop_price_day_before((now() AT TIME ZONE 'UTC')::date)";
    assert_eq!(refusal(&schema.sql, text).await, "25000");
    schema.sql.batch_execute("ROLLBACK").await.unwrap();
    // Transactions have a retention of their own.
    let own = Retention::new(schema.database.clone(), 0);
    assert_eq!(own.step().await.unwrap(), Step::Done);
    assert_eq!(days(&schema).await[0], past[5]);
    assert_eq!(drop_all(&schema.database, 0).await.0, past[5..]);
}

/// What must hold on every line of pg_partman; also run by `partman_versions`.
pub(crate) async fn check_partman_drops_no_prices(schema: &TestSchema) {
    let client = schema.connect().await;
    let old = schema.today().await - Days::new(9);
    partitions::ensure_prices(&client, &[old], 99, 1_000).await.unwrap();
    let parent = format!("{}.prices", schema.target.schema);
    let text = "UPDATE partman.part_config SET retention = '1 day', retention_keep_table = false
        WHERE parent_table = $1";
    assert_eq!(schema.sql.execute(text, &[&parent]).await.unwrap(), 1);
    for _ in 0..2 {
        partitions::maintain(&client).await.unwrap();
    }
    assert_eq!(days(schema).await[0], old);
    assert_eq!(drop_all(&schema.database, 1).await, (vec![old], Step::Done));
    assert_eq!(dropped(schema).await, [old]);
}

#[tokio::test]
async fn retention_of_pg_partman_drops_no_prices() {
    check_partman_drops_no_prices(&TestSchema::prepared().await).await;
}

#[tokio::test]
async fn a_server_drops_what_it_is_told_to() {
    let folder = TestFolder::initialised();
    let arguments = ["--no-seed", "--ticker-seconds", "1", "--price-retention-days", "2"];
    let mut daybook = Daybook::start(&folder, &arguments).await;
    let attached = daybook::cluster::attach(&folder.settings()).await.unwrap().unwrap();
    let mut config = attached.connection(daybook::cluster::ClusterRole::Owner);
    config.options("-c search_path=daybook");
    let sql = connect(&config).await;
    let today = Utc::now().date_naive();
    let past: Vec<String> =
        (1..=4).rev().map(|back| (today - Days::new(back)).to_string()).collect();
    // All at once: a day that is there when retention looks has its ticks.
    let insert = past.iter().map(|day| {
        format!("INSERT INTO prices (symbol_id, ticked_at, price) VALUES (1, '{day} 12:00Z', 5);")
    });
    let text = format!(
        "BEGIN; INSERT INTO symbols (name) VALUES ('btcusd');
         SELECT ensure_price_partitions(ARRAY['{}']::date[], 99, 1000); {} COMMIT",
        past.join("','"),
        insert.collect::<String>()
    );
    sql.batch_execute(&text).await.unwrap();
    eventually("two days are gone", async || {
        one::<i64>(&sql, "SELECT count(*) FROM dropped_price_days").await == 2
    })
    .await;
    assert_eq!(one::<i64>(&sql, "SELECT count(*) FROM prices").await, 2);
    daybook.signal(Signal::TERM);
    assert!(daybook.end().await.success());
}

#[tokio::test]
async fn a_feed_asks_for_nothing_that_is_not_kept() {
    let mut schema = TestSchema::prepared().await;
    schema.settings.partitions.price_retention_days = 1;
    let exchange = FakeExchange::start(PriceSource::Binance).await;
    let plan = FeedPlan::new(&exchange.settings(&["BTC-USDT"], 168)).unwrap().unwrap();
    let taking = Ingest::new(&schema.database, &schema.settings.partitions);
    let (database, report) = (schema.database.clone(), FeedReport::default());
    let mut feed = Feed::new(plan, database, taking, report).unwrap();
    let now = Utc::now();
    let kept = (now.date_naive() - Days::new(1)).and_time(chrono::NaiveTime::MIN).and_utc();
    let minutes = (minute_of(now) - kept).num_minutes() + 1;
    let round = feed.round(now).await.unwrap();
    assert_eq!(i64::try_from(round.recorded).unwrap(), minutes);
    let first = "SELECT min(ticked_at) FROM prices";
    assert_eq!(one::<DateTime<Utc>>(&schema.sql, first).await, kept);
    fold_all(&schema.database).await.unwrap();
    assert_eq!(drop_all(&schema.database, 1).await, (Vec::new(), Step::Done));
    assert_eq!(feed.round(now).await.unwrap().calls, 0);
}
