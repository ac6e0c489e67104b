//! What fires when: ticks in random chunks against a judge that looks at all ticks for each.

use std::collections::BTreeMap;

use daybook::grpc::pb::v1::{
    AlertRuleSettings, DeleteUserRequest, NewPrice, UpdateAlertRuleRequest, alert_condition::Kind,
};
use futures_util::future::join_all;
use rand::{RngExt, rngs::ChaCha12Rng, seq::SliceRandom};

use super::{
    Tick, change, create, create_with_id, events, level, name_symbols, new_id, new_price, new_user,
    no_data, record, record_prices, rule_of, times_average,
};
use crate::support::{
    random::random,
    service::{TestService, new_target, settings},
};

/// A rule as the naive judge reads it: levels are tenths.
#[derive(Clone, Debug)]
struct Rule {
    name: String,
    symbol: Option<String>,
    what: &'static str,
    fire: i128,
    rearm: i128,
    window: i64,
    ticks_min: usize,
    cooldown: i64,
}

fn tenths(number: i128) -> String {
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}{}.{}", number.abs() / 10, number.abs() % 10)
}

impl Rule {
    fn settings(&self) -> AlertRuleSettings {
        let (fire, rearm) = (tenths(self.fire), tenths(self.rearm));
        let kind = match self.what {
            "times_average" => times_average(&fire, &rearm),
            "above" => Kind::Above(level(&fire, &rearm)),
            "below" => Kind::Below(level(&fire, &rearm)),
            "change" => change(&fire, &rearm),
            _ => no_data(),
        };
        AlertRuleSettings {
            name: self.name.clone(),
            window_seconds: self.window.try_into().unwrap(),
            ticks_min: i32::try_from(self.ticks_min).unwrap(),
            cooldown_seconds: self.cooldown.try_into().unwrap(),
            ..rule_of(self.symbol.as_deref().unwrap_or(""), kind)
        }
    }

    /// What comes of a symbol's ticks, in the order of time: seconds and whole prices.
    fn play(&self, symbol: &str, ticks: &[(i64, i128)]) -> Vec<String> {
        let (mut firing, mut fired_at, mut seen) = (false, None::<i64>, Vec::new());
        let mut say = |sign, second| seen.push(format!("{} {symbol} {sign}{second}", self.name));
        for (place, &(second, price)) in ticks.iter().enumerate() {
            if self.what == "no_data" {
                let Some(&(before, _)) = place.checked_sub(1).map(|before| &ticks[before]) else {
                    continue;
                };
                let due = fired_at.map_or(i64::MIN, |at| at + self.cooldown);
                let missed = (before + self.window).max(due);
                if missed < second {
                    say('+', missed);
                    say('-', second);
                    fired_at = Some(missed);
                }
                continue;
            }
            let window: Vec<i128> = ticks[..place]
                .iter()
                .filter(|(earlier, _)| second - self.window <= *earlier)
                .map(|(_, price)| *price)
                .collect();
            let looks_back = matches!(self.what, "times_average" | "change");
            if looks_back && window.len() < self.ticks_min {
                continue;
            }
            // Ten times what is compared, and what it is measured in.
            let (value, unit) = match self.what {
                "times_average" => {
                    (10 * price * i128::try_from(window.len()).unwrap(), window.iter().sum())
                }
                "change" => (1_000 * (price - window[0]), window[0]),
                _ => (10 * price, 1),
            };
            let falls = self.what == "below" || (self.what == "change" && self.fire < 0);
            let sign = if falls { -1 } else { 1 };
            let is_met = sign * value >= sign * self.fire * unit;
            let is_cleared = sign * value < sign * self.rearm * unit;
            let is_cool = fired_at.is_none_or(|at| second - at >= self.cooldown);
            if !firing && is_met && is_cool {
                (firing, fired_at) = (true, Some(second));
                say('+', second);
            } else if firing && is_cleared && !is_met {
                firing = false;
                say('-', second);
            }
        }
        seen
    }
}

fn random_rule(random: &mut ChaCha12Rng, number: usize, symbols: &[&str]) -> Rule {
    let what = ["times_average", "above", "below", "change", "no_data"][random.random_range(0..5)];
    let (fire, slack) = match what {
        "times_average" => (random.random_range(11..20), random.random_range(0..4)),
        "change" if random.random() => (random.random_range(50..400), random.random_range(0..40)),
        "change" => (-random.random_range(50..400), -random.random_range(0..40)),
        "below" => (random.random_range(900..1_100), -random.random_range(0..100)),
        _ => (random.random_range(900..1_100), random.random_range(0..100)),
    };
    Rule {
        name: format!("rule {number:02}"),
        symbol: random.random_bool(0.7).then(|| symbols[random.random_range(0..2)].to_owned()),
        what,
        fire,
        rearm: fire - slack,
        window: [60, 900, 14_400, 86_400][random.random_range(0..4)],
        ticks_min: random.random_range(1..6),
        cooldown: [0, 0, 300, 5_000][random.random_range(0..4)],
    }
}

/// Ticks of two days, in the order of time: each symbol's walk around a hundred, with jumps and
/// silences.
fn random_ticks(
    random: &mut ChaCha12Rng,
    symbols: &[&'static str],
) -> Vec<(&'static str, i64, i128)> {
    let mut ticks = Vec::new();
    for symbol in symbols {
        let (mut second, mut price) = (random.random_range(80_000..86_400), 100i128);
        for _ in 0..random.random_range(100..200) {
            second += match random.random_range(0..20) {
                0 => random.random_range(600..9_000),
                1..8 => 60,
                _ => random.random_range(1..120),
            };
            price = (price + random.random_range(-4..=4)).clamp(60, 160);
            let shown = if random.random_bool(0.05) { price * 2 } else { price };
            ticks.push((*symbol, second, shown));
        }
    }
    ticks.sort_by_key(|tick| tick.1);
    ticks
}

fn expected(rules: &[Rule], ticks: &[(&str, i64, i128)]) -> Vec<String> {
    let mut by_symbol: BTreeMap<&str, Vec<(i64, i128)>> = BTreeMap::new();
    for &(symbol, second, price) in ticks {
        by_symbol.entry(symbol).or_default().push((second, price));
    }
    let mut seen = Vec::new();
    for rule in rules {
        for (symbol, ticks) in &by_symbol {
            if rule.symbol.as_deref().is_none_or(|own| own == *symbol) {
                seen.extend(rule.play(symbol, ticks));
            }
        }
    }
    seen
}

/// Cuts ticks into chunks at random, and shuffles each.
fn chunks(random: &mut ChaCha12Rng, ticks: &[(&str, i64, i128)]) -> Vec<Vec<NewPrice>> {
    let mut chunks = Vec::new();
    let mut rest = ticks;
    while !rest.is_empty() {
        let (chunk, others) = rest.split_at(random.random_range(1..60).min(rest.len()));
        let texts =
            chunk.iter().map(|(symbol, second, price)| (*symbol, *second, price.to_string()));
        let mut chunk: Vec<NewPrice> =
            texts.map(|(symbol, second, price)| new_price(&(symbol, second, &price))).collect();
        chunk.shuffle(random);
        chunks.push(chunk);
        rest = others;
    }
    chunks
}

#[tokio::test]
async fn events_are_those_of_a_naive_judge_however_ticks_are_cut_into_chunks() {
    let mut random = random();
    let symbols = ["aaausd", "bbbusd", "cccusd"];
    for round in 0..4 {
        let rules: Vec<Rule> =
            (0..24).map(|number| random_rule(&mut random, number, &symbols)).collect();
        let ticks = random_ticks(&mut random, &symbols);
        let expected = expected(&rules, &ticks);
        assert!(expected.len() > 20, "something fires: {}", expected.len());
        let mut settings = settings();
        settings.alerts.alert_wide_rules_max = 100;
        let service = TestService::start_with(new_target(), settings).await;
        name_symbols(&service, &symbols).await;
        let user = new_user(&service, "ann").await;
        for rule in &rules {
            create(&service, &user, rule.settings()).await;
        }
        let chunks = chunks(&mut random, &ticks);
        record_prices(&service, chunks.clone()).await;
        let mut sorted = expected;
        sorted.sort();
        let mut found = events(&service).await;
        found.sort();
        assert_eq!(found, sorted, "round {round}: {rules:#?}");
        // The same once more: all of it is there already, and nothing happens twice.
        record_prices(&service, chunks).await;
        assert_eq!(events(&service).await.len(), found.len());
    }
}

#[tokio::test]
async fn late_ticks_and_ticks_ahead_of_the_clock_are_not_judged() {
    let service = TestService::start().await;
    name_symbols(&service, &["aaausd"]).await;
    let user = new_user(&service, "ann").await;
    create(&service, &user, rule_of("aaausd", Kind::Above(level("10", "")))).await;
    let now = chrono::Utc::now().timestamp() - super::START;
    let ticks: [Tick<'_>; 3] = [("aaausd", 100, "1"), ("aaausd", 50, "11"), ("aaausd", 200, "1")];
    for tick in ticks {
        record(&service, &[&[tick]]).await;
    }
    record(&service, &[&[("aaausd", now + 600, "12")]]).await;
    assert_eq!(events(&service).await, Vec::<String>::new());
    // They are in the windows of those that are judged.
    let mean = AlertRuleSettings {
        name: "mean".to_owned(),
        ticks_min: 3,
        ..rule_of("aaausd", times_average("2", ""))
    };
    create(&service, &user, mean).await;
    record(&service, &[&[("aaausd", 300, "8.6"), ("aaausd", 301, "1")]]).await;
    assert_eq!(events(&service).await, Vec::<String>::new(), "8.6 is less than twice 13/3");
    record(&service, &[&[("aaausd", 302, "40")]]).await;
    assert_eq!(events(&service).await, ["a rule aaausd +302", "mean aaausd +302"]);
}

#[tokio::test]
async fn a_chunk_that_is_not_recorded_sets_nothing_off() {
    let service = TestService::start().await;
    name_symbols(&service, &["aaausd"]).await;
    let user = new_user(&service, "ann").await;
    create(&service, &user, rule_of("", Kind::Above(level("10", "")))).await;
    service.sql.batch_execute("ALTER TABLE prices ADD CHECK (price <> 13)").await.unwrap();
    let say = [("aaausd", 1, "11"), ("aaausd", 2, "13")].iter().map(new_price).collect();
    let message = daybook::grpc::pb::v1::PriceRecordingChunk { chunk_number: 1, prices: say };
    let messages = [
        super::Message::Start(super::PriceRecordingStart::default()),
        super::Message::Chunk(message),
        super::Message::End(super::RecordingEnd { row_count: 2 }),
    ];
    let say = |message| super::RecordPricesRequest { message: Some(message) };
    let requests = futures_util::stream::iter(messages.into_iter().map(say));
    let mut answers = service.ingest().await.record_prices(requests).await.unwrap().into_inner();
    answers.message().await.unwrap_err();
    assert_eq!(events(&service).await, Vec::<String>::new());
    record(&service, &[&[("aaausd", 1, "11")]]).await;
    assert_eq!(events(&service).await, ["a rule aaausd +1"]);
}

#[tokio::test]
async fn writers_side_by_side_set_each_event_off_once() {
    let service = TestService::start().await;
    let names: Vec<String> = (0..20).map(|number| format!("s{number:02}usd")).collect();
    let symbols: Vec<&str> = names.iter().map(String::as_str).collect();
    name_symbols(&service, &symbols).await;
    let user = new_user(&service, "ann").await;
    create(&service, &user, rule_of("", Kind::Above(level("10", "")))).await;
    let ticks: Vec<Tick<'_>> = symbols.iter().map(|symbol| (*symbol, 60, "11")).collect();
    let (mut backwards, mut others) = (ticks.clone(), ticks.clone());
    backwards.reverse();
    for tick in &mut others {
        tick.1 = 61;
    }
    let (one, two, three) = (ticks.as_slice(), backwards.as_slice(), others.as_slice());
    join_all([record(&service, &[one]), record(&service, &[two]), record(&service, &[three])])
        .await;
    let found = events(&service).await;
    assert_eq!(found.len(), symbols.len(), "{found:?}");
}

#[tokio::test]
async fn silence_is_noticed_by_the_clock_and_only_after_something_was_heard() {
    let service = TestService::start().await;
    name_symbols(&service, &["aaausd", "bbbusd", "cccusd"]).await;
    let user = new_user(&service, "ann").await;
    let rule = AlertRuleSettings { window_seconds: 600, ..rule_of("", no_data()) };
    create(&service, &user, rule.clone()).await;
    let own = AlertRuleSettings { name: "own".to_owned(), symbol: "cccusd".to_owned(), ..rule };
    create(&service, &user, own).await;
    // A history that is being played: what came just now is not silent, whatever its instants.
    record(&service, &[&[("aaausd", 60, "1"), ("bbbusd", 60, "1")]]).await;
    assert_eq!(service.alerts.judge_silences().await.unwrap(), 0);
    let later = "UPDATE alert_watermarks SET received_at = received_at - interval '11 minutes'
                 WHERE symbol_id = (SELECT symbol_id FROM symbols WHERE name = 'aaausd');
                 UPDATE alert_rules SET armed_at = armed_at - interval '12 minutes'";
    service.sql.batch_execute(later).await.unwrap();
    assert_eq!(service.alerts.judge_silences().await.unwrap(), 2);
    let found = events(&service).await;
    // Nothing was ever heard of cccusd: whoever asked for it is told, and so is the other rule.
    assert_eq!(found.len(), 3, "{found:?}");
    assert_eq!(found[0], "a rule aaausd +660");
    assert!(found[1].starts_with("a rule cccusd +") && found[2].starts_with("own cccusd +"));
    assert_eq!(service.alerts.judge_silences().await.unwrap(), 0, "it is told once");
    record(&service, &[&[("aaausd", 5_000, "1")]]).await;
    let found = events(&service).await;
    assert_eq!(found[..2], ["a rule aaausd +660", "a rule aaausd -5000"], "{found:?}");
}

#[tokio::test]
async fn the_same_ticks_come_to_the_same_events_whether_silence_is_noticed_live_or_afterwards() {
    let played = async |is_live: bool| {
        let service = TestService::start().await;
        name_symbols(&service, &["aaausd"]).await;
        let user = new_user(&service, "ann").await;
        let rule = AlertRuleSettings { window_seconds: 600, ..rule_of("aaausd", no_data()) };
        create(&service, &user, rule).await;
        record(&service, &[&[("aaausd", 60, "1")]]).await;
        if is_live {
            let later = "UPDATE alert_rules SET armed_at = armed_at - interval '20 minutes';
                         UPDATE alert_watermarks
                         SET received_at = received_at - interval '11 minutes'";
            service.sql.batch_execute(later).await.unwrap();
            assert_eq!(service.alerts.judge_silences().await.unwrap(), 1);
        }
        record(&service, &[&[("aaausd", 900, "1")]]).await;
        events(&service).await
    };
    let (live, afterwards) = (played(true).await, played(false).await);
    assert_eq!(live, ["a rule aaausd +660", "a rule aaausd -900"]);
    assert_eq!(live, afterwards);
}

#[tokio::test]
async fn rules_and_users_are_made_changed_and_deleted_while_they_fire() {
    let mut settings = settings();
    settings.pool.pool_size = 12;
    let service = TestService::start_with(new_target(), settings).await;
    let names: Vec<String> = (0..6).map(|number| format!("s{number}usd")).collect();
    let symbols: Vec<&str> = names.iter().map(String::as_str).collect();
    name_symbols(&service, &symbols).await;
    let service = &service;
    let writers = (0..3).map(|writer: usize| {
        let mut order = symbols.clone();
        order.rotate_left(writer);
        async move {
            for second in (0..60).step_by(2) {
                let at = |second, price| -> Vec<Tick<'_>> {
                    order.iter().map(|symbol| (*symbol, second, price)).collect()
                };
                let second = 10 * second + i64::try_from(writer).unwrap();
                record(service, &[&at(second, "11"), &at(second + 5, "9")]).await;
            }
        }
    });
    let makers = (0..3).map(|maker: usize| async move {
        for turn in 0..12 {
            let user = new_user(service, &format!("user-{maker}-{turn}")).await;
            let (id, rule) = (new_id(), rule_of("", Kind::Above(level("10", ""))));
            for _ in 0..4 {
                create_with_id(service, &user, rule.clone(), id.clone()).await.unwrap();
            }
            let narrow = rule_of(&format!("s{turn}usd"), Kind::Above(level("10", "")));
            let update = UpdateAlertRuleRequest {
                rule_id: id,
                settings: (turn < 6).then_some(narrow),
                enabled: (turn >= 6).then_some(false),
                rotate_webhook_secret: false,
            };
            service.prices().await.update_alert_rule(update).await.unwrap();
            let request = DeleteUserRequest { user_uuid: user, ..Default::default() };
            service.ledger().await.delete_user(request).await.unwrap();
        }
    });
    let (writers, makers) = (join_all(writers), join_all(makers));
    tokio::join!(writers, makers);
}
