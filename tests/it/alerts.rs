//! Alerts: rules that are made, changed and judged, held against a naive judge; and streams that
//! watch them.

mod delivery;
mod judge;
mod rules;
mod watch;

use std::time::Duration;

use daybook::grpc::pb::v1::{
    AlertCondition, AlertEvent, AlertRule, AlertRuleSettings, CreateAlertRuleRequest,
    CreateUserRequest, NewPrice, NoData, PercentChange, PriceLevel, PriceRecordingChunk,
    PriceRecordingStart, RecordPricesRequest, RecordingEnd, TimesAverage, WatchAlertsRequest,
    WatchAlertsResponse, alert_condition::Kind, record_prices_request::Message,
};
use prost_types::Timestamp;
use tonic::{Status, Streaming};
use uuid::Uuid;

use crate::support::service::TestService;

/// The first second of the days of these tests.
const START: i64 = 1_715_000_000 / 86_400 * 86_400;

/// A tick: its symbol, seconds after the start, and price.
type Tick<'a> = (&'a str, i64, &'a str);

fn new_price(&(symbol, second, price): &Tick<'_>) -> NewPrice {
    let ticked_at = Some(Timestamp { seconds: START + second, nanos: 0 });
    NewPrice { symbol: symbol.to_owned(), ticked_at, price: price.to_owned() }
}

/// Records ticks, a chunk for each slice.
async fn record(service: &TestService, chunks: &[&[Tick<'_>]]) {
    let chunks: Vec<Vec<NewPrice>> =
        chunks.iter().map(|chunk| chunk.iter().map(new_price).collect()).collect();
    record_prices(service, chunks).await;
}

async fn record_prices(service: &TestService, chunks: Vec<Vec<NewPrice>>) {
    let rows: usize = chunks.iter().map(Vec::len).sum();
    let mut messages = vec![Message::Start(PriceRecordingStart::default())];
    for (number, prices) in (1..).zip(chunks) {
        messages.push(Message::Chunk(PriceRecordingChunk { chunk_number: number, prices }));
    }
    messages.push(Message::End(RecordingEnd { row_count: i64::try_from(rows).unwrap() }));
    let say = |message| RecordPricesRequest { message: Some(message) };
    let requests = futures_util::stream::iter(messages.into_iter().map(say));
    let mut answers = service.ingest().await.record_prices(requests).await.unwrap().into_inner();
    while answers.message().await.unwrap().is_some() {}
}

async fn new_user(service: &TestService, username: &str) -> String {
    let request = CreateUserRequest { username: username.to_owned(), ..Default::default() };
    let answer = service.ledger().await.create_user(request).await.unwrap().into_inner();
    answer.user.unwrap().user_uuid
}

fn times_average(factor: &str, rearm_factor: &str) -> Kind {
    let (factor, rearm_factor) = (factor.to_owned(), rearm_factor.to_owned());
    Kind::TimesAverage(TimesAverage { factor, rearm_factor })
}

fn level(price: &str, rearm_price: &str) -> PriceLevel {
    PriceLevel { price: price.to_owned(), rearm_price: rearm_price.to_owned() }
}

fn change(percent: &str, rearm_percent: &str) -> Kind {
    let (percent, rearm_percent) = (percent.to_owned(), rearm_percent.to_owned());
    Kind::Change(PercentChange { percent, rearm_percent })
}

fn no_data() -> Kind {
    Kind::NoData(NoData {})
}

/// A rule about a symbol, or about all.
fn rule_of(symbol: &str, kind: Kind) -> AlertRuleSettings {
    AlertRuleSettings {
        name: "a rule".to_owned(),
        symbol: symbol.to_owned(),
        condition: Some(AlertCondition { kind: Some(kind) }),
        ..Default::default()
    }
}

async fn create(service: &TestService, user: &str, settings: AlertRuleSettings) -> AlertRule {
    create_with_id(service, user, settings, String::new()).await.unwrap()
}

async fn create_with_id(
    service: &TestService,
    user_uuid: &str,
    settings: AlertRuleSettings,
    rule_id: String,
) -> Result<AlertRule, Status> {
    let (user_uuid, settings) = (user_uuid.to_owned(), Some(settings));
    let request = CreateAlertRuleRequest { user_uuid, settings, rule_id };
    let answer = service.prices().await.create_alert_rule(request).await?.into_inner();
    Ok(answer.rule.unwrap())
}

/// Begins to watch, and reads the first message.
async fn watch(
    service: &TestService,
    user_uuid: &str,
    after_event_id: Option<i64>,
) -> (Streaming<WatchAlertsResponse>, i64) {
    let request = WatchAlertsRequest { user_uuid: user_uuid.to_owned(), after_event_id };
    let mut stream = service.prices().await.watch_alerts(request).await.unwrap().into_inner();
    let first = stream.message().await.unwrap().unwrap();
    assert_eq!(first.event, None, "the first message says where the stream begins");
    (stream, first.resume_after)
}

/// The next event of a stream.
async fn next(stream: &mut Streaming<WatchAlertsResponse>) -> AlertEvent {
    let message = tokio::time::timeout(Duration::from_secs(10), stream.message()).await;
    let response = message.expect("an event in time").unwrap().expect("a stream that goes on");
    let event = response.event.expect("an event");
    assert_eq!(response.resume_after, event.event_id);
    event
}

/// All events that there are, as the database has them.
async fn events(service: &TestService) -> Vec<String> {
    let query = "SELECT e.rule_name, s.name, e.is_firing,
                        extract(epoch FROM e.occurred_at)::bigint AS second
                 FROM alert_events e JOIN symbols s USING (symbol_id)
                 ORDER BY e.rule_name, s.name, e.occurred_at, e.is_firing";
    let rows = service.sql.query(query, &[]).await.unwrap();
    let text = |row: &tokio_postgres::Row| {
        let sign = if row.get("is_firing") { '+' } else { '-' };
        let (rule, symbol): (&str, &str) = (row.get("rule_name"), row.get("name"));
        format!("{rule} {symbol} {sign}{}", row.get::<_, i64>("second") - START)
    };
    rows.iter().map(text).collect()
}

/// Has a symbol known.
async fn name_symbols(service: &TestService, names: &[&str]) {
    for name in names {
        let query = "INSERT INTO symbols (name) VALUES ($1) ON CONFLICT DO NOTHING";
        service.sql.execute(query, &[name]).await.unwrap();
    }
}

fn new_id() -> String {
    Uuid::new_v4().to_string()
}
