//! What is told of a feed: in its report, by `GetStatus`, and by `daybook ask status`.

use daybook::{
    feeds::report::{FeedPause, PairStatus, PauseReason},
    grpc::pb::v1::{self, FeedPauseReason},
    upkeep::price_folding::fold_all,
};

use super::*;
use crate::{get_status::status, support::service::TestService};

/// What is told of one pair, but for its pause.
fn pair(symbol: &str, newest_at: Option<&str>, is_stale: bool) -> PairStatus {
    let symbol = daybook::domain::price::symbol::SymbolName::parse(symbol).unwrap();
    PairStatus { symbol, newest_at: newest_at.map(at), is_stale, pause: None }
}

/// That the pause lasts from now on so many seconds, or some more, for this reason.
fn check_pause(pause: Option<FeedPause>, now: DateTime<Utc>, seconds: i64, reason: PauseReason) {
    let pause = pause.unwrap();
    let lasts = (pause.until - now).num_seconds();
    assert!((seconds..seconds + 9).contains(&lasts), "{pause:?} {now}");
    assert_eq!(pause.reason, reason);
}

#[tokio::test]
async fn it_is_told_who_asks_what_is_newest_and_what_is_stale() {
    let mut world = World::new(PriceSource::Binance, &["BTC-USDT", "ETH-USDT"], 1).await;
    let found = world.status();
    assert_eq!((found.source.name(), found.is_asking, found.pause), ("binance", false, None));
    let both = |newest, is_stale| ["btcusdt", "ethusdt"].map(|name| pair(name, newest, is_stale));
    assert_eq!(found.pairs, both(None, false));
    world.round().await;
    assert!(world.status().is_asking);
    assert_eq!(world.status().pairs, both(Some("2024-05-05T12:00:00Z"), false));

    // Another server knows nothing of prices.
    let report = FeedReport::default();
    let of_other = (&["BTC-USDT"][..], 1);
    let mut other = feed_with(&world.schema, &world.exchange, of_other, report.clone());
    other.round(world.now).await.unwrap();
    let found = report.read(world.now).unwrap();
    assert_eq!((found.is_asking, found.pairs), (false, vec![pair("btcusdt", None, false)]));

    // Nothing new comes, and that is seen without a round, too.
    world.exchange.market().stale_from = Some(at("2024-05-05T12:00:00Z"));
    world.pass(MINUTE * 6);
    assert_eq!(world.status().pairs, both(Some("2024-05-05T12:00:00Z"), true));
    world.round().await;
    for told in world.status().pairs {
        check_pause(told.pause, world.now, 60, PauseReason::Stale);
        assert!(told.is_stale);
    }
    // What was late comes in, and all is well again.
    world.exchange.market().stale_from = None;
    world.pass(MINUTE * 2);
    world.round().await;
    assert_eq!(world.status().pairs, both(Some("2024-05-05T12:08:00Z"), false));
}

#[tokio::test]
async fn every_pause_has_its_reason_and_is_gone_when_it_is_over() {
    let unknown = Fault::Status(400, vec![], r#"{"code":-1121,"msg":"Invalid symbol."}"#);
    let wait = |status| Fault::Status(status, vec![("Retry-After", "700".to_owned())], "{}");
    for (fault, is_of_all, seconds, reason) in [
        (wait(429), true, 700, PauseReason::RateLimited),
        (wait(418), true, 700, PauseReason::Banned),
        (Fault::status(451), true, 3_600, PauseReason::Forbidden),
        (unknown, false, 3_600, PauseReason::UnknownPair),
        (wait(503), false, 700, PauseReason::Unavailable),
        (Fault::Body("<html>"), false, 1, PauseReason::Malformed),
    ] {
        let mut world = World::new(PriceSource::Binance, &["BTC-USDT", "ETH-USDT"], 1).await;
        world.exchange.market().faults.insert("BTCUSDT", fault);
        world.round().await;
        let found = world.status();
        let of_pair = found.pairs[0].pause;
        let (told, other) = if is_of_all { (found.pause, of_pair) } else { (of_pair, found.pause) };
        check_pause(told, world.now, seconds, reason);
        assert_eq!((other, found.pairs[1].pause), (None, None), "{reason:?}");
        // Whoever is refused leaves the others their turn.
        assert_eq!(found.is_asking, reason != PauseReason::Forbidden);
        world.pass(told.unwrap().until - world.now);
        assert!(world.status().pause.is_none() && world.status().pairs[0].pause.is_none());
    }
}

#[tokio::test]
async fn get_status_and_ask_tell_what_the_feed_does() {
    let service = TestService::start().await;
    assert_eq!(status(&service).await.price_feed, None);
    let exchange = FakeExchange::start(PriceSource::Binance).await;
    let unknown = Fault::Status(400, vec![], r#"{"code":-1121,"msg":"Invalid symbol."}"#);
    exchange.market().faults.insert("ETHUSDT", unknown);
    let plan = FeedPlan::new(&exchange.settings(&["BTC-USDT", "ETH-USDT"], 1)).unwrap().unwrap();
    let (database, taking) = (service.database.clone(), service.taking.clone());
    let mut feed = Feed::new(plan, database, taking, service.feed.clone()).unwrap();
    let now = Utc::now();
    feed.round(now).await.unwrap();

    let found = status(&service).await;
    let [btc, eth] = &found.price_feed.as_ref().unwrap().pairs[..] else { panic!("{found:?}") };
    let minute = daybook::domain::price::candle::minute_of(now);
    let newest = btc.newest_at.unwrap();
    assert_eq!((btc.symbol.as_str(), newest.seconds), ("btcusdt", minute.timestamp()));
    assert_eq!((btc.is_stale, btc.pause, eth.newest_at), (false, None, None));
    let pause = eth.pause.unwrap();
    assert_eq!(pause.reason(), FeedPauseReason::UnknownPair);
    assert!(pause.until.unwrap().seconds >= now.timestamp() + 3_600);
    let expected = v1::PriceFeedStatus {
        source: "binance".to_owned(),
        is_asking: true,
        pause: None,
        pairs: vec![btc.clone(), eth.clone()],
    };
    assert_eq!(found.price_feed, Some(expected));
    // An hour of minutes touches sixteen units.
    assert!((15..=17).contains(&found.price_change_count), "{found:?}");
    fold_all(&service.owner).await.unwrap();
    assert_eq!(status(&service).await.price_change_count, 0);

    let mut command = crate::process::program(env!("CARGO_BIN_EXE_daybook"));
    let address = service.address.to_string();
    command.args(["ask", "status", "--address", &address, "--time-zone", "UTC"]);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<String> =
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for line in [
        "price feed source binance".to_owned(),
        "price feed is asking yes".to_owned(),
        format!("price feed btcusdt newest {}", minute.format("%Y-%m-%dT%H:%M:%SZ")),
    ] {
        assert!(lines.contains(&line), "{line}: {text}");
    }
    let of_eth = lines.iter().find(|line| line.starts_with("price feed ethusdt")).unwrap();
    assert!(of_eth.contains("no price known here, paused until 2"), "{of_eth}");
    assert!(of_eth.ends_with("(unknown pair)"), "{of_eth}");
    assert!(!text.contains("127.0.0.1"), "nobody needs to know where it is: {text}");
}
