//! Prices taken from an exchange: what is recorded, what is not, and what comes of every error. The
//! exchanges are local servers (`support/exchanges.rs`), and the clock is the test's.

mod status;

use std::{
    collections::BTreeSet,
    io::Write,
    sync::{Arc, Mutex},
};

use chrono::{DateTime, TimeDelta, Utc};
use daybook::{
    config::PriceSource,
    domain::price::candle::MINUTE,
    feeds::{
        Feed, FeedPlan, Round,
        report::{FeedReport, FeedStatus},
    },
    ingest::Ingest,
    workers,
};
use rustix::process::Signal;
use tokio_util::sync::CancellationToken;
use tracing::subscriber::DefaultGuard;

use crate::{
    process::Daybook,
    support::{
        cluster::{TestFolder, eventually},
        exchanges::{FakeExchange, Fault, price},
        ledger::at,
        schema::{TestSchema, one},
        service::settings,
    },
};

const SOURCES: [PriceSource; 3] =
    [PriceSource::Kraken, PriceSource::Coinbase, PriceSource::Binance];

/// The moment of the first round: half a minute after twelve.
const NOON: &str = "2024-05-05T12:00:30Z";

/// A database, an exchange, and a feed between them.
struct World {
    schema: TestSchema,
    exchange: FakeExchange,
    feed: Feed,
    report: FeedReport,
    now: DateTime<Utc>,
}

impl World {
    async fn new(source: PriceSource, pairs: &[&str], hours: u32) -> Self {
        let (schema, exchange) = (TestSchema::prepared().await, FakeExchange::start(source).await);
        let report = FeedReport::default();
        let feed = feed_with(&schema, &exchange, (pairs, hours), report.clone());
        let mut world = Self { schema, exchange, feed, report, now: at(NOON) };
        world.pass(TimeDelta::zero());
        world
    }

    /// Time goes by, for us and for the exchange.
    fn pass(&mut self, time: TimeDelta) {
        self.now += time;
        self.exchange.market().now = Some(self.now);
    }

    async fn round(&mut self) -> Round {
        self.feed.round(self.now).await.unwrap()
    }

    /// What is told of the feed now.
    fn status(&self) -> FeedStatus {
        self.report.read(self.now).unwrap()
    }

    /// Ticks as they are recorded: symbol, instant and price.
    async fn ticks(&self) -> Vec<(String, DateTime<Utc>, String)> {
        ticks(&self.schema).await
    }

    /// The ticks that there should be: of each symbol, of every minute that closes from so long
    /// ago on, up to an instant, but for silent ones.
    fn expected(
        &self,
        symbols: &[&str],
        back: TimeDelta,
        last: &str,
    ) -> Vec<(String, DateTime<Utc>, String)> {
        let (last, silent) = (at(last), self.exchange.market().silent.clone());
        let mut expected = Vec::new();
        for symbol in symbols {
            let mut closes_at = last - back + MINUTE;
            while closes_at <= last {
                let opens_at = closes_at - MINUTE;
                if !silent.contains(&opens_at) {
                    let price = price(opens_at).trim_end_matches('0').to_owned();
                    expected.push(((*symbol).to_owned(), closes_at, price));
                }
                closes_at += MINUTE;
            }
        }
        expected
    }
}

fn feed(schema: &TestSchema, exchange: &FakeExchange, pairs: &[&str], hours: u32) -> Feed {
    feed_with(schema, exchange, (pairs, hours), FeedReport::default())
}

/// A feed that tells how it stands.
fn feed_with(
    schema: &TestSchema,
    exchange: &FakeExchange,
    (pairs, hours): (&[&str], u32),
    report: FeedReport,
) -> Feed {
    let plan = FeedPlan::new(&exchange.settings(pairs, hours)).unwrap().unwrap();
    let ingest = Ingest::new(&schema.database, &schema.settings.partitions);
    Feed::new(plan, schema.database.clone(), ingest, report).unwrap()
}

async fn ticks(schema: &TestSchema) -> Vec<(String, DateTime<Utc>, String)> {
    let text = "SELECT s.name, p.ticked_at, trim_scale(p.price)::text
        FROM prices p JOIN symbols s USING (symbol_id) ORDER BY s.name, p.ticked_at";
    let rows = schema.sql.query(text, &[]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
}

/// What is logged in this thread until it is dropped.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Logged {
    fn begin() -> (Self, DefaultGuard) {
        let logged = Self::default();
        let writer = logged.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing::Level::INFO)
            .with_writer(move || writer.clone())
            .finish();
        (logged, tracing::subscriber::set_default(subscriber))
    }

    /// Lines of this level since this was last asked.
    fn take(&self, level: &str) -> Vec<String> {
        let text = String::from_utf8(std::mem::take(&mut self.0.lock().unwrap())).unwrap();
        text.lines().filter(|line| line.contains(level)).map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn minutes_that_are_over_are_recorded_once_and_silent_ones_never() {
    let cases = [
        (PriceSource::Kraken, ["XBT/USD", "eth-usd"], ["XBTUSD", "ETHUSD"]),
        (PriceSource::Coinbase, ["BTC-USD", "ethusd"], ["BTC-USD", "ETH-USD"]),
        (PriceSource::Binance, ["xbtusd", "ETH_USD"], ["BTCUSD", "ETHUSD"]),
    ];
    let symbols = ["btcusd", "ethusd"];
    for (source, pairs, spelled) in cases {
        let mut world = World::new(source, &pairs, 2).await;
        // One in the midst, one next to the present, for both pairs.
        let silent = ["2024-05-05T10:30:00Z", "2024-05-05T11:58:00Z"].map(at);
        world.exchange.market().silent = BTreeSet::from(silent);
        let round = world.round().await;
        let expected = world.expected(&symbols, MINUTE * 120, "2024-05-05T12:00:00Z");
        assert_eq!((round.recorded, round.calls), (2 * 118, 2), "{source:?}");
        assert_eq!((round.is_ours, round.retry_at), (true, None));
        assert_eq!(world.ticks().await, expected, "{source:?}");
        let mut asked: Vec<String> =
            world.exchange.questions().iter().map(|line| line[..7].trim().to_owned()).collect();
        asked.sort_unstable();
        let mut spelled = spelled.map(str::to_owned);
        spelled.sort_unstable();
        assert_eq!(asked, spelled);

        // The young silent minute may still come; the old one is never asked for again.
        let round = world.round().await;
        assert_eq!((round.recorded, round.calls), (0, 2), "{source:?}");
        world.pass(MINUTE * 5);
        let round = world.round().await;
        assert_eq!((round.recorded, round.calls), (2 * 5, 2), "{source:?}");
        world.exchange.questions();
        let round = world.round().await;
        assert_eq!((round.recorded, round.calls), (0, 0), "{source:?}");
        assert_eq!(world.exchange.questions(), Vec::<String>::new());
        let expected = world.expected(&symbols, MINUTE * 125, "2024-05-05T12:05:00Z");
        assert_eq!(world.ticks().await, expected, "{source:?}");
        let seconds: i32 =
            one(&world.schema.sql, "SELECT max(tick_interval_seconds) FROM symbols").await;
        assert_eq!(seconds, 60);
    }
}

#[tokio::test]
async fn gaps_are_noticed_wherever_they_are_and_filled_with_the_same_ticks() {
    for source in SOURCES {
        let mut world = World::new(source, &["BTC-USD"], 3).await;
        world.round().await;
        let whole = world.ticks().await;
        assert_eq!(whole.len(), 180);
        let gap = "DELETE FROM prices WHERE ticked_at > '2024-05-05T10:00Z'
            AND ticked_at <= '2024-05-05T10:40Z' OR ticked_at = '2024-05-05T11:17Z'";
        assert_eq!(world.schema.sql.execute(gap, &[]).await.unwrap(), 41);
        world.exchange.questions();
        let round = world.round().await;
        assert_eq!(round.recorded, 41, "{source:?}");
        assert_eq!(world.ticks().await, whole);
        // Somebody else's price of a minute stays.
        let other = "UPDATE prices SET price = 7 WHERE ticked_at = '2024-05-05T11:17Z'";
        world.schema.sql.execute(other, &[]).await.unwrap();
        assert_eq!(world.round().await.calls, 0);

        // Also where it stands between minutes that are asked for, or off the minutes.
        let more = "DELETE FROM prices WHERE ticked_at IN ('2024-05-05T11:16Z',
            '2024-05-05T11:18Z', '2024-05-05T11:30Z')";
        world.schema.sql.execute(more, &[]).await.unwrap();
        let off = "INSERT INTO prices (symbol_id, ticked_at, price)
            SELECT symbol_id, '2024-05-05T11:29:31.5Z', 7 FROM symbols";
        world.schema.sql.execute(off, &[]).await.unwrap();
        let (logged, guard) = Logged::begin();
        let round = world.round().await;
        assert_eq!((round.calls, round.recorded), (1, 3), "{source:?}");
        assert_eq!(logged.take("WARN"), Vec::<String>::new());
        drop(guard);

        // Another process later: what was missed is asked for, and nothing else.
        world.pass(MINUTE * 95);
        drop(world.feed);
        world.feed = feed(&world.schema, &world.exchange, &["btcusd"], 3);
        world.exchange.questions();
        round_of_its_turn(&mut world.feed, world.now).await;
        assert_eq!(world.ticks().await.len(), 180 + 1 + 95, "{source:?}");
        let shift = if source == PriceSource::Kraken { "11:59" } else { "12:00" };
        let expected = vec![shift.to_owned()];
        let asked: Vec<String> = world
            .exchange
            .questions()
            .iter()
            .map(|line| line[line.len() - 5..].to_owned())
            .collect();
        assert_eq!(asked, expected, "{source:?}");
    }
}

#[tokio::test]
async fn a_whole_day_is_fetched_in_as_many_calls_as_the_source_needs() {
    // Kraken has the minutes of twelve hours, the open one among them.
    for (source, calls, minutes) in [
        (PriceSource::Kraken, 1, 719),
        (PriceSource::Coinbase, 5, 1_440),
        (PriceSource::Binance, 2, 1_440),
    ] {
        let mut world = World::new(source, &["BTC-USD"], 24).await;
        let round = world.round().await;
        assert_eq!((round.calls, round.recorded), (calls, minutes), "{source:?}");
        let back = MINUTE * i32::try_from(minutes).unwrap();
        let expected = world.expected(&["btcusd"], back, "2024-05-05T12:00:00Z");
        assert_eq!(world.ticks().await, expected);
        assert_eq!(world.round().await.calls, 0);
    }
}

#[tokio::test]
async fn a_minute_is_not_recorded_before_it_is_over_by_both_clocks() {
    for source in SOURCES {
        let mut world = World::new(source, &["BTC-USD"], 1).await;
        // Ours says that the minute is over, the exchange's does not.
        world.exchange.market().now = Some(at("2024-05-05T11:59:58Z"));
        world.round().await;
        let expected = world.expected(&["btcusd"], MINUTE * 59, "2024-05-05T11:59:00Z");
        assert_eq!(world.ticks().await, expected, "{source:?}");
        // The exchange's says so, ours does not.
        world.exchange.market().now = Some(at("2024-05-05T12:02:10Z"));
        world.round().await;
        let expected = world.expected(&["btcusd"], MINUTE * 60, "2024-05-05T12:00:00Z");
        assert_eq!(world.ticks().await, expected, "{source:?}");
    }
}

/// A round, once the turn of a feed that has just ended is free.
async fn round_of_its_turn(feed: &mut Feed, now: DateTime<Utc>) -> Round {
    let mut round = Round::default();
    eventually("the turn is free", async || {
        round = feed.round(now).await.unwrap();
        round.is_ours || round.is_paused
    })
    .await;
    round
}

/// A fault, the source that has it, whether all pairs wait, and for how long: at least and at
/// most, in seconds.
type FaultCase = (PriceSource, Fault, bool, i64, i64);

fn fault_cases() -> Vec<FaultCase> {
    let [kraken, coinbase, binance] = SOURCES;
    let wait =
        |status, text: &str| Fault::Status(status, vec![("Retry-After", text.to_owned())], "{}");
    let until = "Sun, 05 May 2024 12:01:30 GMT";
    let mut cases = vec![
        (binance, Fault::status(429), true, 1, 1),
        (binance, wait(429, "17"), true, 17, 18),
        (coinbase, wait(429, until), true, 60, 61),
        (binance, Fault::status(418), true, 120, 121),
        (binance, wait(418, "900"), true, 900, 901),
        (binance, Fault::status(451), true, 3_600, 3_601),
        (coinbase, Fault::status(403), true, 3_600, 3_601),
        (kraken, Fault::Body(r#"{"error":["EAPI:Rate limit exceeded"]}"#), true, 1, 1),
        (kraken, Fault::Body(r#"{"error":["EService:Unavailable"]}"#), false, 1, 1),
        (coinbase, wait(503, "30"), false, 30, 31),
        (coinbase, Fault::Status(301, vec![("Location", "/other".to_owned())], ""), false, 1, 1),
        (coinbase, Fault::Status(404, vec![], "<html>not here</html>"), false, 1, 1),
        (binance, Fault::Status(400, vec![], r#"{"code":-1100,"msg":"Illegal."}"#), false, 1, 1),
        (binance, Fault::Body(r#"[[1714910280001,"1","1","1","1","1",1,"1",1]]"#), false, 1, 1),
        (binance, Fault::Body(r#"[[1714910280000,"1","1","1","0","1",1,"1",1]]"#), false, 1, 1),
        (binance, Fault::Body(r#"[[1814910280000,"1","1","1","1","1",1,"1",1]]"#), false, 1, 1),
    ];
    for source in SOURCES {
        for fault in [
            Fault::status(500),
            Fault::status(502),
            Fault::Body("<html><body>Just a moment...</body></html>"),
            Fault::Body(""),
            Fault::Truncated,
            Fault::Silence,
            Fault::Huge(5 << 20),
        ] {
            cases.push((source, fault, false, 1, 1));
        }
    }
    cases
}

#[tokio::test]
async fn every_error_pauses_as_long_as_it_should_and_records_nothing() {
    let schema = TestSchema::prepared().await;
    for (source, fault, is_paused, least, most) in fault_cases() {
        let exchange = FakeExchange::start(source).await;
        let mut now = at(NOON);
        let mut feed = feed(&schema, &exchange, &["BTC-USD"], 1);
        exchange.market().now = Some(now);
        exchange.market().faults.insert("", fault.clone());
        let round = round_of_its_turn(&mut feed, now).await;
        let what = format!("{source:?} {fault:?}: {round:?}");
        assert_eq!((round.is_paused, round.calls, round.recorded), (is_paused, 1, 0), "{what}");
        let pause = round.retry_at.expect(&what) - now;
        // What the calls took is added to the clock.
        let most = TimeDelta::seconds(most + 5);
        assert!(pause >= TimeDelta::seconds(least) && pause <= most, "{what}: {pause}");
        assert_eq!(exchange.questions().len(), 1, "{what}");
        // Nobody asks before that.
        now += TimeDelta::seconds(least) - TimeDelta::milliseconds(1);
        assert_eq!(feed.round(now).await.unwrap().calls, 0, "{what}");
        assert_eq!(exchange.questions().len(), 0, "{what}");
        assert_eq!(ticks(&schema).await, [], "{what}");
        // Then all is made up for.
        exchange.market().faults.clear();
        now = round.retry_at.unwrap();
        exchange.market().now = Some(now);
        let round = round_of_its_turn(&mut feed, now).await;
        assert_eq!((round.recorded, round.retry_at), (60, None), "{what}");
        schema.sql.execute("DELETE FROM prices", &[]).await.unwrap();
    }
}

#[tokio::test]
async fn a_refusal_for_whoever_asks_from_here_is_loud_and_said_once_an_hour() {
    let (logged, _guard) = Logged::begin();
    let mut world = World::new(PriceSource::Binance, &["BTC-USDT", "ETH-USDT"], 1).await;
    let body = r#"{"code":0,"msg":"Service unavailable from a restricted location"}"#;
    world.exchange.market().faults.insert("", Fault::Status(451, vec![], body));
    world.round().await;
    let errors = logged.take("ERROR");
    assert_eq!(errors.len(), 1, "{errors:?}");
    for word in ["Binance", "451", "--price-source", "country"] {
        assert!(errors[0].contains(word), "{errors:?}");
    }
    world.exchange.questions();
    for _ in 0..59 {
        world.pass(MINUTE);
        assert!(world.round().await.is_paused);
    }
    assert_eq!(world.exchange.questions().len(), 0);
    assert_eq!(logged.take("ERROR").len(), 0);
    world.pass(MINUTE * 2);
    world.round().await;
    assert_eq!(logged.take("ERROR").len(), 1);
}

#[tokio::test]
async fn a_renamed_pair_waits_and_leaves_the_others_alone() {
    let [kraken, coinbase, binance] = SOURCES;
    for (source, gone, fault) in [
        (kraken, "XBTUSD", Fault::Body(r#"{"error":["EQuery:Unknown asset pair"]}"#)),
        (
            kraken,
            "XBTUSD",
            Fault::Body(
                r#"{"error":[],"result":{"XETHZUSD":
                    [[1714910280,"1","1","1","1","1","1",1]],"last":1}}"#,
            ),
        ),
        (coinbase, "BTC-USD", Fault::Status(404, vec![], r#"{"message":"NotFound"}"#)),
        (
            binance,
            "BTCUSD",
            Fault::Status(400, vec![], r#"{"code":-1121,"msg":"Invalid symbol."}"#),
        ),
    ] {
        let (logged, _guard) = Logged::begin();
        let mut world = World::new(source, &["BTC-USD", "ETH-USD"], 1).await;
        world.exchange.market().faults.insert(gone, fault);
        let round = world.round().await;
        assert_eq!((round.is_paused, round.recorded), (false, 60), "{source:?}");
        let errors = logged.take("ERROR");
        assert!(errors.len() == 1 && errors[0].contains("btcusd"), "{errors:?}");
        world.exchange.questions();
        world.pass(MINUTE);
        let round = world.round().await;
        assert_eq!((round.calls, round.recorded), (1, 1), "{source:?}");
        let expected = world.expected(&["ethusd"], MINUTE * 61, "2024-05-05T12:01:00Z");
        assert_eq!(world.ticks().await, expected);
        assert!(world.exchange.questions().iter().all(|line| !line.contains(gone)));
        // It is back under its name.
        world.exchange.market().faults.clear();
        world.pass(MINUTE * 61);
        // Both lack an hour, which is as far back as they are asked for.
        assert_eq!(world.round().await.recorded, 60 + 60, "{source:?}");
    }
}

#[tokio::test]
async fn a_source_that_is_away_is_not_asked_for_every_pair() {
    let names: Vec<String> = (0..20).map(|n| format!("C{n:02}-USD")).collect();
    let pairs: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut world = World::new(PriceSource::Coinbase, &pairs, 1).await;
    world.exchange.market().faults.insert("", Fault::Silence);
    let round = world.round().await;
    assert!(round.is_paused && (3..=7).contains(&round.calls), "{round:?}");
    // The pause grows while it stays away, and ends when it is back.
    let mut longest = TimeDelta::zero();
    for _ in 0..12 {
        let retry_at = world.round().await.retry_at.unwrap();
        longest = longest.max(retry_at - world.now);
        world.pass(retry_at - world.now);
    }
    assert!(longest > MINUTE && longest <= MINUTE * 6, "{longest}");
    world.exchange.market().faults.clear();
    world.pass(MINUTE * 10);
    let round = world.round().await;
    assert_eq!((round.calls, round.recorded, round.is_paused), (20, 20 * 60, false));
}

#[tokio::test]
async fn a_source_that_does_not_answer_is_given_up_after_a_while() {
    let mut world = World::new(PriceSource::Binance, &["BTC-USDT"], 1).await;
    world.exchange.market().faults.insert("", Fault::Hang);
    let round = world.round().await;
    assert_eq!((round.calls, round.recorded, round.is_paused), (1, 0, false));
    // The round itself took fifteen seconds.
    let pause = round.retry_at.unwrap() - world.now;
    assert!(pause > TimeDelta::seconds(15) && pause < TimeDelta::seconds(40), "{pause}");
}

#[tokio::test]
async fn what_is_missing_comes_in_the_order_of_time_and_the_rest_when_the_source_allows() {
    let mut world = World::new(PriceSource::Coinbase, &["BTC-USD"], 24).await;
    world.exchange.market().answered_before = 1;
    world.exchange.market().faults.insert("", Fault::status(429));
    let round = world.round().await;
    assert_eq!((round.calls, round.is_paused), (2, true));
    let ticks = world.ticks().await;
    // Whoever watches prices judges them in that order.
    assert_eq!(ticks.last().unwrap().1, at("2024-05-04T17:00:00Z"));
    assert_eq!(ticks.len(), round.recorded);
    world.exchange.market().faults.clear();
    world.pass(MINUTE / 2);
    world.round().await;
    let ticks = world.ticks().await;
    assert!(ticks.is_sorted_by_key(|tick| tick.1));
    assert!(ticks.last().unwrap().1 >= at("2024-05-05T12:00:00Z") && ticks.len() >= 1_440);
}

#[tokio::test]
async fn pauses_grow_while_it_goes_wrong_and_begin_anew_when_all_was_well() {
    for (fault, is_paused) in [(Fault::status(429), true), (Fault::status(500), false)] {
        let mut world = World::new(PriceSource::Binance, &["BTC-USDT"], 1).await;
        for turn in 0..3 {
            world.exchange.market().faults.insert("", fault.clone());
            for failure in 0..6 {
                world.pass(MINUTE * 6);
                let round = world.round().await;
                let pause = round.retry_at.unwrap() - world.now;
                let grown = TimeDelta::seconds(1 << failure);
                let is_right = pause >= grown / 2 && pause < grown + TimeDelta::seconds(3);
                assert!(round.is_paused == is_paused && is_right, "{turn} {failure}: {pause}");
            }
            world.exchange.market().faults.clear();
            world.pass(MINUTE * 6);
            assert_eq!(world.round().await.recorded, if turn == 0 { 60 } else { 42 });
        }
    }
}

#[tokio::test]
async fn of_two_errors_in_a_round_the_worse_one_counts() {
    let pairs = ["BTC-USDT", "ETH-USDT", "SOL-USDT", "BNB-USDT"];
    let mut world = World::new(PriceSource::Binance, &pairs, 1).await;
    let unknown = Fault::Status(400, vec![], r#"{"code":-1121,"msg":"Invalid symbol."}"#);
    let limited = Fault::Status(429, vec![("Retry-After", "5".to_owned())], "{}");
    // All four are asked at once.
    for (pair, fault) in
        [("BTCUSDT", unknown), ("ETHUSDT", limited), ("SOLUSDT", Fault::status(418))]
    {
        world.exchange.market().faults.insert(pair, fault);
    }
    let round = world.round().await;
    let pause = round.retry_at.unwrap() - world.now;
    assert_eq!((round.is_paused, round.calls, round.recorded), (true, 4, 60));
    // A ban is longer than a limit; that a pair is unknown keeps no other one waiting.
    assert!(pause >= MINUTE * 2 && pause < MINUTE * 3, "{pause}");
}

#[tokio::test]
async fn stale_prices_are_told_and_nothing_is_invented() {
    for source in SOURCES {
        let (logged, _guard) = Logged::begin();
        let mut world = World::new(source, &["BTC-USD"], 1).await;
        world.exchange.market().stale_from = Some(at("2024-05-05T11:50:00Z"));
        let round = world.round().await;
        assert_eq!(round.recorded, 50, "{source:?}");
        assert!(!round.is_paused && round.retry_at.is_some(), "{source:?}: {round:?}");
        let warnings = logged.take("WARN");
        assert!(warnings.len() == 1 && warnings[0].contains("stale"), "{warnings:?}");
        for _ in 0..20 {
            world.pass(MINUTE);
            world.round().await;
        }
        assert_eq!(logged.take("WARN"), Vec::<String>::new());
        let expected = world.expected(&["btcusd"], MINUTE * 50, "2024-05-05T11:50:00Z");
        assert_eq!(world.ticks().await, expected, "{source:?}");
        // What was late comes in as it is.
        world.exchange.market().stale_from = None;
        world.pass(MINUTE * 10);
        world.round().await;
        let expected = world.expected(&["btcusd"], MINUTE * 90, "2024-05-05T12:30:00Z");
        assert_eq!(world.ticks().await, expected, "{source:?}");

        // A clock that goes back, as that of an answer somebody has kept.
        world.now += MINUTE * 10;
        assert_eq!(world.round().await.recorded, 0);
        let warnings = logged.take("WARN");
        assert!(warnings.iter().any(|line| line.contains("are old")), "{warnings:?}");
    }
}

#[tokio::test]
async fn one_of_several_servers_asks_and_another_one_takes_over() {
    let mut world = World::new(PriceSource::Binance, &["BTC-USDT"], 1).await;
    let mut other = feed(&world.schema, &world.exchange, &["BTC-USDT"], 1);
    assert!(world.round().await.is_ours);
    world.exchange.questions();
    world.pass(MINUTE);
    let round = other.round(world.now).await.unwrap();
    assert_eq!(round, Round::default());
    assert_eq!(world.exchange.questions().len(), 0);
    assert_eq!(world.round().await.recorded, 1);

    // Its connection is cut: whoever asks first has the turn, and only one has.
    let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_locks
        WHERE locktype = 'advisory' AND objid = hashtext(current_schema())::oid
        AND classid = hashtext('daybook.price_feed')::oid";
    assert_eq!(one::<i64>(&world.schema.sql, kill).await, 1);
    world.pass(MINUTE);
    eventually("the other one takes over", async || other.round(world.now).await.unwrap().is_ours)
        .await;
    assert_eq!(world.round().await, Round::default());

    // One on a database of its own is not kept waiting.
    let elsewhere = TestSchema::prepared().await;
    let mut third = feed(&elsewhere, &world.exchange, &["BTC-USDT"], 1);
    assert!(third.round(world.now).await.unwrap().is_ours);

    // It ends by the worker's stop, and the first one has its turn again.
    let stop = CancellationToken::new();
    let worker = tokio::spawn(workers::price_feed::run(other, stop.clone()));
    stop.cancel();
    worker.await.unwrap();
    eventually("the first one takes over", async || world.round().await.is_ours).await;
    assert_eq!(world.ticks().await.len(), 62);
}

#[tokio::test]
async fn a_server_that_an_exchange_refuses_leaves_its_turn_to_others() {
    let mut world = World::new(PriceSource::Coinbase, &["BTC-USD"], 1).await;
    world.exchange.market().faults.insert("", Fault::status(451));
    let elsewhere = FakeExchange::start(PriceSource::Coinbase).await;
    elsewhere.market().now = Some(world.now);
    let mut other = feed(&world.schema, &elsewhere, &["BTC-USD"], 1);
    let round = world.round().await;
    assert_eq!((round.is_ours, round.is_paused), (false, true));
    let mut recorded = 0;
    eventually("the other one has the turn", async || {
        let round = other.round(world.now).await.unwrap();
        recorded += round.recorded;
        round.is_ours
    })
    .await;
    assert_eq!(recorded, 60);
    // An hour later it is still the other one's.
    world.exchange.market().faults.clear();
    world.pass(MINUTE * 61);
    assert_eq!(world.round().await, Round::default());
}

#[tokio::test]
async fn nothing_is_asked_of_anybody_unless_a_source_is_named() {
    assert_eq!(FeedPlan::new(&settings().feed), Ok(None));
    let exchange = FakeExchange::start(PriceSource::Kraken).await;
    let folder = TestFolder::initialised();
    let url = exchange.url();
    let arguments = ["--price-symbols", "BTC-USD", "--price-source-url", &url];
    let mut daybook = Daybook::start(&folder, &arguments).await;
    daybook.signal(Signal::TERM);
    assert!(daybook.end().await.success());
    assert_eq!(exchange.questions(), Vec::<String>::new());

    // Named, it is asked, by the real clock, and the server stops in order.
    let arguments = [&arguments[..], &["--price-source", "kraken"]].concat();
    let mut daybook = Daybook::start(&folder, &arguments).await;
    eventually("it is asked", async || !exchange.questions().is_empty()).await;
    eventually("ticks are recorded", async || {
        let attached = daybook::cluster::attach(&folder.settings()).await.unwrap().unwrap();
        let mut config = attached.connection(daybook::cluster::ClusterRole::Owner);
        config.options("-c search_path=daybook");
        let sql = crate::support::cluster::connect(&config).await;
        one::<i64>(&sql, "SELECT count(*) FROM prices").await >= 718
    })
    .await;
    daybook.signal(Signal::TERM);
    assert!(daybook.end().await.success());
}

#[tokio::test]
async fn settings_that_are_wrong_are_refused_before_anything_starts() {
    let folder = TestFolder::empty();
    let arguments = ["serve", "--price-source", "kraken", "--price-symbols", "nonsense"];
    let mut command = crate::process::program(env!("CARGO_BIN_EXE_daybook"));
    command.args(arguments).args(["--price-source-url", "http://example.org"]);
    let output = command.arg("--data-dir").arg(folder.data()).output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{words}");
    for name in ["--price-symbols", "--price-source-url"] {
        assert!(words.contains(name), "{words}");
    }
    assert!(!folder.data().exists());
}
